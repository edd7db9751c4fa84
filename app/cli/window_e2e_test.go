//go:build linux && !headless

package cli_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// screen is an X server without a monitor, with the real window on it.
type screen struct {
	t       *testing.T
	display string
	window  *exec.Cmd
	log     *bytes.Buffer
	exited  chan error
}

// openScreen starts Xvfb; where it or what drives it is missing the test is skipped.
func openScreen(t *testing.T, size string) *screen {
	t.Helper()
	for _, need := range []string{"Xvfb", "xdotool", "import"} {
		if _, err := exec.LookPath(need); err != nil {
			t.Skipf("SKIPPED: the window was not tried for real: %s is missing (apt-get install xvfb xdotool imagemagick libgl1-mesa-dri)", need)
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", size+"x24", "+extension", "GLX", "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{write}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	write.Close()
	number := make([]byte, 16)
	n, err := read.Read(number) // Xvfb writes its display when it is ready
	if err != nil {
		t.Fatalf("Xvfb did not start: %v", err)
	}
	return &screen{t: t, display: ":" + strings.TrimSpace(string(number[:n]))}
}

// open starts the program's window and waits until it is shown.
func (s *screen) open(p *program, args ...string) {
	s.t.Helper()
	s.window = p.command(append([]string{"window"}, args...)...)
	s.window.Env = append(s.window.Env, "DISPLAY="+s.display, "LIBGL_ALWAYS_SOFTWARE=1", "LANG=en_US.UTF-8",
		"HOME="+p.tmp, "XDG_CONFIG_HOME="+filepath.Join(p.tmp, "config"), "XDG_CACHE_HOME="+filepath.Join(p.tmp, "cache"))
	s.log = &bytes.Buffer{}
	s.window.Stdout, s.window.Stderr = io.Discard, s.log
	if err := s.window.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.window.Wait() }()
	s.t.Cleanup(func() { _ = s.window.Process.Kill() })
	s.until("the window is shown", time.Minute, func() bool {
		out, err := s.xdotool("search", "--onlyvisible", "--pid", fmt.Sprint(s.window.Process.Pid))
		return err == nil && strings.TrimSpace(out) != ""
	})
}

func (s *screen) xdotool(args ...string) (string, error) {
	cmd := exec.Command("xdotool", args...)
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display)
	out, err := cmd.Output()
	return string(out), err
}

// press types keys, by X's names.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		if _, err := s.xdotool("key", k); err != nil {
			s.t.Fatalf("xdotool key %s: %v", k, err)
		}
	}
}

// picture takes a screenshot; with FABRISCOPE_SCREENSHOTS set to a folder it is kept.
func (s *screen) picture(name string) image.Image {
	s.t.Helper()
	cmd := exec.Command("import", "-window", "root", "png:-")
	cmd.Env = append(os.Environ(), "DISPLAY="+s.display)
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("screenshot: %v", err)
	}
	if dir := os.Getenv("FABRISCOPE_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), out, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	img, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		s.t.Fatal(err)
	}
	return img
}

// until waits for something that the program has to do by itself.
func (s *screen) until(what string, limit time.Duration, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(limit); !ok(); {
		select {
		case err := <-s.exited:
			s.t.Fatalf("waiting until %s: the window ended: %v\n%s", what, err, s.log)
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.picture("gave-up")
			s.t.Fatalf("not within %v: %s\n%s", limit, what, s.log)
		}
	}
}

// differs counts the pixels of an area, in shares of the picture, that are not alike.
func differs(a, b image.Image, x0, y0, x1, y1 float64) int {
	bounds, count := a.Bounds(), 0
	w, h := float64(bounds.Dx()), float64(bounds.Dy())
	for y := int(y0 * h); y < int(y1*h); y++ {
		for x := int(x0 * w); x < int(x1*w); x++ {
			ar, ag, ab, _ := a.At(x, y).RGBA()
			br, bg, bb, _ := b.At(x, y).RGBA()
			if far(ar, br) || far(ag, bg) || far(ab, bb) {
				count++
			}
		}
	}
	return count
}

func far(a, b uint32) bool { return max(a, b)-min(a, b) > 24<<8 }

// lessonProgress is what the window has saved about a lesson.
type lessonProgress struct {
	Step, Steps, Right, Asked int
	Done                      bool
}

func progressOf(p *program, lesson string) (found lessonProgress) {
	b, err := os.ReadFile(filepath.Join(p.tmp, "config", "fabriscope", "settings.json"))
	if err != nil {
		return found
	}
	var settings struct {
		Lessons map[string]lessonProgress
	}
	if json.Unmarshal(b, &settings) == nil {
		found = settings.Lessons[lesson]
	}
	return found
}

// TestWindowLessonByKeyboard finishes the lesson about parallel simulation in the real
// window, on a real network, with the keyboard alone.
func TestWindowLessonByKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: opens a real window; -short was given")
	}
	p := newProgram(t)
	s := openScreen(t, "1280x800")
	s.open(p, "--lesson", "2", "--theme", "dark", "--runtime", "process", "--size", "1280x800")
	const lesson = "2-in-parallel"
	empty := s.picture("lesson-begins")
	s.until("the first chapter is reached", 2*time.Minute, func() bool { return progressOf(p, lesson).Steps > 0 })

	var middle image.Image
	for end := time.Now().Add(4 * time.Minute); !progressOf(p, lesson).Done; {
		// Space goes on; B and C choose, Enter confirms; S lets the lesson do the task.
		s.press("space", "b", "Return", "s")
		if middle == nil && progressOf(p, lesson).Step >= 2 {
			middle = s.picture("lesson-middle")
		}
		select {
		case err := <-s.exited:
			t.Fatalf("the window ended in the middle: %v\n%s", err, s.log)
		case <-time.After(150 * time.Millisecond):
		}
		if time.Now().After(end) {
			s.picture("lesson-stands-still")
			t.Fatalf("the lesson stands still at %+v\n%s", progressOf(p, lesson), s.log)
		}
	}
	last := s.picture("lesson-done")
	if at := progressOf(p, lesson); at.Asked < 3 || at.Right < 2 || at.Step != at.Steps {
		t.Errorf("after the lesson the settings say %+v", at)
	}
	// The network that the window runs is a network like any other: another terminal finds
	// it, and it holds what the lesson did.
	written := 0
	for line := range strings.Lines(p.must("events", "--kind", "verdict", "--node", "peer0.org1.example.com")) {
		if strings.Contains(line, "VALID") {
			written++
		}
	}
	if written < 12 {
		t.Errorf("peer0.org1 judged %d transactions valid, want at least the 12 of the lesson", written)
	}
	if middle == nil {
		t.Fatal("the lesson went by without a picture")
	}
	// The stage, and the timeline and chain below it, must have come to life.
	for name, area := range map[string][4]float64{"stage": {0.06, 0.06, 0.74, 0.6}, "below": {0.06, 0.64, 0.74, 0.97}} {
		if n := differs(empty, middle, area[0], area[1], area[2], area[3]); n < 2000 {
			t.Errorf("%s: only %d pixels changed from the beginning to the middle", name, n)
		}
	}
	if n := differs(middle, last, 0.06, 0.06, 0.74, 0.97); n < 1000 {
		t.Errorf("only %d pixels changed from the middle to the end", n)
	}
	s.leavesNothing(p)
}

// leavesNothing closes the window as Ctrl-C does and looks for what it forgot.
func (s *screen) leavesNothing(p *program) {
	s.t.Helper()
	if err := s.window.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		s.t.Fatalf("the window does not end\n%s", s.log)
	}
	entries, err := os.ReadDir(p.tmp)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "config" && e.Name() != "cache" && !strings.HasPrefix(e.Name(), ".") {
			s.t.Errorf("left behind: %s", e.Name())
		}
	}
}

// TestWindowNeedsADisplay: one sentence that says what to use instead, and exit code 2.
func TestWindowNeedsADisplay(t *testing.T) {
	p := newProgram(t)
	run := filepath.Join(p.tmp, "run.fscope")
	p.must("run", "first-transaction", "--runtime", "process", "--record", run)
	for name, args := range map[string][]string{"no command": nil, "a recorded run": {run}, "the command": {"window"}, "bench": {"bench", "--window"}} {
		for _, display := range []string{"", ":4242", "nonsense"} {
			cmd := p.command(args...)
			cmd.Env = append(cmd.Env, "DISPLAY="+display, "WAYLAND_DISPLAY=")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 2 {
				t.Errorf("%s, display %q: got %v, want exit code 2", name, display, err)
			}
			if text := strings.TrimSpace(string(out)); strings.Contains(text, "\n") || !strings.Contains(text, "display") || !strings.Contains(text, "fabriscope up") {
				t.Errorf("%s, display %q: it says %q", name, display, text)
			}
		}
	}
}

// brokenDisplay passes what a program says on to a display, and breaks the connection after so many
// bytes of it. It gives the display's name.
func brokenDisplay(t *testing.T, display string, after int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	left := atomic.Int64{}
	left.Store(after)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				server, err := net.Dial("unix", "/tmp/.X11-unix/X"+strings.TrimPrefix(display, ":"))
				if err != nil {
					return
				}
				defer server.Close()
				// A program that says less than was expected loses its display all the same.
				defer time.AfterFunc(time.Minute, func() { _ = c.Close() }).Stop()
				go func() { _, _ = io.Copy(c, server); _ = c.Close() }()
				for b := make([]byte, 4096); ; {
					n, err := c.Read(b)
					if err != nil || left.Add(-int64(n)) < 0 {
						return
					}
					if _, err := server.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
	return fmt.Sprintf("127.0.0.1:%d", l.Addr().(*net.TCPAddr).Port-6000)
}

// TestWindowLosesItsDisplay: whenever the display goes away, the program says so in one sentence
// and ends with exit code 2.
func TestWindowLosesItsDisplay(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: opens a real window; -short was given")
	}
	p := newProgram(t)
	s := openScreen(t, "800x600")
	for _, after := range []int64{1, 100, 2_000, 6_000} {
		cmd := p.command("window", "--size", "800x600")
		cmd.Env = append(cmd.Env, "DISPLAY="+brokenDisplay(t, s.display, after), "LIBGL_ALWAYS_SOFTWARE=1", "LANG=en_US.UTF-8",
			"HOME="+p.tmp, "XDG_CONFIG_HOME="+filepath.Join(p.tmp, "config"), "XDG_CACHE_HOME="+filepath.Join(p.tmp, "cache"))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 2 {
			t.Errorf("after %d bytes: got %v, want exit code 2", after, err)
		}
		if text := strings.TrimSpace(string(out)); strings.Contains(text, "\n") || !strings.Contains(text, "display") {
			t.Errorf("after %d bytes it says %q", after, text)
		}
	}
}

// TestEscapeClosesFileDialogs: also those in which a widget of the toolkit's own has the keyboard.
func TestEscapeClosesFileDialogs(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: opens a real window; -short was given")
	}
	p := newProgram(t)
	s := openScreen(t, "1024x700")
	s.open(p, "--theme", "dark", "--size", "1024x700")
	before := s.picture("start")
	s.until("the start screen is drawn and still", time.Minute, func() bool {
		last := before
		before = s.picture("start")
		return differs(image.NewRGBA(before.Bounds()), before, 0, 0, 1, 1) > 10_000 && differs(last, before, 0, 0, 1, 1) == 0
	})
	s.press("ctrl+o")
	s.until("the dialog is there", time.Minute, func() bool { return differs(before, s.picture("dialog"), 0.1, 0.1, 0.9, 0.9) > 10_000 })
	s.press("Tab", "Tab", "Escape")
	s.until("Escape has closed it", time.Minute, func() bool { return differs(before, s.picture("closed"), 0.1, 0.1, 0.9, 0.9) < 500 })
	s.leavesNothing(p)
}

// TestWindowRefusesWrongUse before it opens anything.
func TestWindowRefusesWrongUse(t *testing.T) {
	p := newProgram(t)
	for want, args := range map[string][]string{
		"open missing.fscope: no such file":        {"missing.fscope"},
		"there is no command \"wndow\"":            {"wndow"},
		"the window opens files that end in":       {"window", "notes.txt"},
		"--theme is dark, light or auto":           {"window", "--theme", "blue"},
		"--size is width and height in pixels":     {"window", "--size", "big"},
		"--runtime is auto, docker or process":     {"window", "--runtime", "magic"},
		"--record and --window do not go together": {"bench", "--window", "--record", "x.fscope"},
	} {
		code, out, errOut := p.run(args...)
		if code != 2 || !strings.Contains(errOut, want) || out != "" {
			t.Errorf("%v: exit code %d, %s%s; want 2 and %q", args, code, out, errOut, want)
		}
	}
}
