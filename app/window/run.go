package window

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network"
)

// ErrNoDisplay says that there is no screen to open a window on, and what to do instead.
var ErrNoDisplay = errors.New("there is no display with OpenGL to open a window on; without one use: fabriscope up (a network), " +
	"fabriscope run SCENARIO --record RUN.fscope, fabriscope events RUN.fscope, fabriscope inspect FILE.block")

// Options says what the window opens with. The zero value is the start screen.
type Options struct {
	// Open is a topology (.yaml), scenario (.star), recorded run (.fscope), or blocks of
	// another network (.block, several).
	Open []string
	// Sample is a sample topology to start at once, such as two-organisations.
	Sample string
	// Topology is a network to start at once.
	Topology *network.Topology
	// Context, if there is one, closes the window when it ends.
	Context context.Context
	// Lesson is a lesson to start, such as 6 or lesson-6.
	Lesson string
	// Theme is dark or light; empty: as in the settings.
	Theme string
	// Language is en or de; empty: as in the settings, or the system's.
	Language string
	// Presenter begins in presenter mode.
	Presenter bool
	// Width and Height are the window's size; 0: as it was left.
	Width, Height float32
	// SettingsPath is where the settings are kept; empty: in the user's folder.
	SettingsPath string
	// Tx is the transaction to show: the beginning of its id, or "conflict" for the newest
	// one that lost against another.
	Tx string
	// Runtime is how every chaincode runs: auto, docker or process; empty: as topologies say.
	Runtime string
	// OnNetwork hears of a network when it runs and gives what to call when it ends.
	OnNetwork func(*network.Network) (gone func())
	// Log takes what the nodes do; nil: nobody.
	Log *slog.Logger
	// Version of the program, for the about box.
	Version string

	do func(func()) // of a test: runs something on the window's goroutine; nil: fyne.Do
}

// Run opens the window and returns when it is closed, everything that it started ended.
// It must be called on the main goroutine. Where there is no display it gives
// ErrNoDisplay.
func Run(o Options) (err error) {
	if err := checkDisplay(os.Getenv, dial); err != nil {
		return err
	}
	defer func() {
		// What a broken graphics driver does inside of Fyne ends in a panic there.
		if p := recover(); p != nil && strings.Contains(fmt.Sprint(p), "GL") {
			err = fmt.Errorf("%w (%v)", ErrNoDisplay, p)
		} else if p != nil {
			panic(p)
		}
	}()
	noted := &fyneErrors{to: os.Stderr}
	log.SetOutput(noted)
	defer log.SetOutput(os.Stderr)

	settings, note := openSettings(o)
	if dir, err := os.UserCacheDir(); err == nil {
		_ = os.MkdirAll(dir, 0o755) // Fyne complains of each folder that it cannot make
	}
	var s *Shell
	whenDisplayGoes(func() { displayGone(s) })
	a := fyneapp.NewWithID("org.fabriscope.Fabriscope")
	s = New(a, settings, o)
	s.hookEscape()
	s.Show()
	if why := noted.creation(); why != "" {
		return fmt.Errorf("%w (%s)", ErrNoDisplay, why)
	}
	if note != "" {
		s.toast(note)
	}
	s.begin()
	s.loop.start(fyne.Do)
	if o.Context != nil {
		defer context.AfterFunc(o.Context, func() { fyne.Do(a.Quit) })()
	}
	a.Run()
	s.loop.stop()
	s.Close()
	if why := noted.creation(); why != "" {
		return fmt.Errorf("%w (%s)", ErrNoDisplay, why)
	}
	return nil
}

// displayGone ends the program in order when the connection to the display has broken.
func displayGone(s *Shell) {
	fmt.Fprintln(os.Stderr, "fabriscope: the display "+os.Getenv("DISPLAY")+" is gone: its server ended or closed the connection; what ran is being stopped")
	time.AfterFunc(goneTime, func() { os.Exit(2) })
	if s != nil { // otherwise nothing runs yet
		s.Close()
	}
	os.Exit(2)
}

// goneTime bounds how long what runs may take to stop when the display is gone.
const goneTime = 20 * time.Second

func openSettings(o Options) (*session.Settings, string) {
	path := o.SettingsPath
	if path == "" {
		p, err := session.SettingsPath()
		if err != nil {
			return session.DefaultSettings(), err.Error()
		}
		path = p
	}
	return session.LoadSettings(path)
}

// fyneErrors passes on what Fyne logs and remembers whether a window could not be made:
// Fyne logs that and tells it in no other way.
type fyneErrors struct {
	mu       sync.Mutex
	to       io.Writer
	failed   bool // the entry that is being written is about the window's creation
	dropping bool // it says nothing that a person could do something about
	why      string
}

// harmless are entries of Fyne that are left out: a system without D-Bus, without a folder
// for videos or with the language C, and a word that is the same in another language.
func harmless(line string) bool {
	for _, known := range []string{"Error parsing user locale", "failed to watch theme settings", "Getting favorite locations", "Translation failure"} {
		if strings.Contains(line, known) {
			return true
		}
	}
	return false
}

// Write takes one line of an entry; the first begins with "Fyne error:", those after it
// with "Cause:" and "At:".
func (f *fyneErrors) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	line := string(b)
	_, cause, more := strings.Cut(line, "  Cause: ")
	if !more && !strings.Contains(line, "  At: ") {
		f.failed = strings.Contains(line, "window creation error") || strings.Contains(line, "failed to initialise GLFW")
		f.dropping = harmless(line)
	}
	if f.failed && f.why == "" && more {
		f.why = strings.TrimSpace(strings.SplitN(cause, "\n", 2)[0])
	}
	if f.failed || f.dropping {
		return len(b), nil
	}
	return f.to.Write(b)
}

// creation says why no window could be made, "" if one could.
func (f *fyneErrors) creation() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.why
}
