//go:build !headless

package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/window"
	"github.com/fabriscope/fabriscope/network"
)

// benchInWindow starts the network in a window that shows it, measures, and closes the
// window. The window's settings are not the person's: nothing of theirs is changed.
func (p *program) benchInWindow(ctx context.Context, t *network.Topology, measure func(context.Context, *network.Network) error) error {
	dir, err := os.MkdirTemp("", "fabriscope-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer keepSmall()()
	measured := make(chan error, 1)
	err = window.Run(window.Options{Topology: t, Theme: "dark", Width: 1440, Height: 900, Context: ctx, Log: p.log(), Version: Version,
		SettingsPath: filepath.Join(dir, "settings.json"),
		OnNetwork: func(n *network.Network) func() {
			go func() {
				defer cancel()
				measured <- measure(ctx, n)
			}()
			return nil
		}})
	select {
	case failed := <-measured:
		return errors.Join(err, failed)
	default:
		if err == nil {
			err = errors.New("the window was closed before anything was measured")
		}
		return err
	}
}

// mainThread is the processor time of the program's first thread, on which the window is
// drawn. It is 0 where /proc does not tell.
func mainThread() time.Duration {
	if runtime.GOOS != "linux" {
		return 0
	}
	id := strconv.Itoa(os.Getpid())
	b, err := os.ReadFile("/proc/self/task/" + id + "/stat")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // in ticks, of which Linux has 100 a second
}
