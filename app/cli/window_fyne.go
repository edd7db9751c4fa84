//go:build !headless

package cli

import (
	"fmt"
	"slices"

	"github.com/fabriscope/fabriscope/app/window"
	"github.com/fabriscope/fabriscope/network"
)

// hasWindow tells whether this program was built with the window.
const hasWindow = true

// openWindow shows the window until it is closed.
func (p *program) openWindow(o windowOptions) error {
	w := window.Options{Open: o.Files, Sample: o.Sample, Lesson: o.Lesson, Tx: o.Tx, Theme: o.Theme, Language: o.Language,
		Presenter: o.Presenter, Runtime: o.Runtime, Log: p.log(), Version: Version}
	// Commands in a terminal find what the window runs. That this cannot be said is no
	// reason to have no window.
	w.OnNetwork = func(n *network.Network) func() {
		unregister, err := register(n)
		if err != nil {
			fmt.Fprintln(p.err, "fabriscope: other terminals will not find this network:", err)
			return nil
		}
		return unregister
	}
	if o.Theme != "" && !slices.Contains([]string{"dark", "light", "auto"}, o.Theme) {
		return fmt.Errorf("--theme is dark, light or auto; got %q", o.Theme)
	}
	if o.Runtime != "" && !slices.Contains([]string{"auto", "docker", "process"}, o.Runtime) {
		return fmt.Errorf("--runtime is auto, docker or process; got %q", o.Runtime)
	}
	if o.Size != "" {
		if n, err := fmt.Sscanf(o.Size, "%fx%f", &w.Width, &w.Height); n != 2 || err != nil || w.Width < 320 || w.Height < 240 || w.Width > 16384 || w.Height > 16384 {
			return fmt.Errorf("--size is width and height in pixels, such as 1440x900; got %q", o.Size)
		}
	}
	defer keepSmall()()
	return window.Run(w)
}
