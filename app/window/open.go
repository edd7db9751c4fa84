package window

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/network"
)

// defaultSample is what "Start a network" starts.
const defaultSample = "two-organisations"

// endings are the files that the window opens.
func endings() []string { return []string{".yaml", ".yml", ".star", ".fscope", ".block", ".pb"} }

func (s *Shell) startDefault() { s.replacing(func() { s.startSample(defaultSample) }) }

func (s *Shell) chooseFile() {
	s.openFile(endings(), func(path string) { s.replacing(func() { s.open([]string{path}) }) })
}

// replacing asks before a running network is ended for something else.
func (s *Shell) replacing(do func()) {
	if s.session == nil || !s.session.Running() {
		do()
		return
	}
	s.confirm(lang.L("Stop this network?"), lang.L("What it has done is lost, unless it is being recorded."), do)
}

func (s *Shell) goHome() {
	s.replacing(func() {
		s.endSession()
		s.showStart()
	})
}

// open opens files by their endings: one topology, scenario or run, or several blocks.
func (s *Shell) open(paths []string) {
	path := paths[0]
	if len(paths) > 1 {
		s.openBlocks(paths)
		return
	}
	switch kind := session.FileKind(path); kind {
	case "topology":
		t, err := session.OpenTopology(path)
		if err != nil {
			s.openFailed(path, err)
			return
		}
		s.settings.Opened(path, kind, t.Summary())
		s.startTopology(t, path)
	case "scenario":
		src, err := os.ReadFile(path)
		if err != nil {
			s.openFailed(path, err)
			return
		}
		s.settings.Opened(path, kind, "")
		s.runScript(path, src, path)
	case "run":
		n, err := session.OpenRun(path, s.startOptions(""))
		if err != nil {
			s.openFailed(path, err)
			return
		}
		s.settings.Opened(path, kind, "")
		s.show(n)
	case "blocks":
		s.openBlocks(paths)
	default:
		s.openFailed(path, fmt.Errorf("%s is none of the files that the window opens; choose a topology (.yaml), scenario (.star), recorded run (.fscope) or block (.block)", filepath.Base(path)))
	}
}

func (s *Shell) openFailed(path string, err error) {
	s.settings.Forget(path)
	s.showError(err)
}

// openBlocks opens blocks of another network. Large files take a while, so they are read
// in the background.
func (s *Shell) openBlocks(paths []string) {
	v := s.showStarting(lang.L("Checking blocks"), filepath.Base(paths[0]))
	go func() {
		n, err := session.OpenBlocks(v.ctx, paths, s.startOptions(""), func(blocks int) {
			s.do(func() { v.note(lang.L("{{.N}} blocks", map[string]any{"N": blocks})) })
		})
		s.do(func() {
			if !v.over(n, err) {
				return
			}
			s.settings.Opened(paths[0], "blocks", n.Counts().Text())
			s.show(n)
			if !n.FirstInvalid() {
				n.Select(n.Chain.Step(view.Selection{}, 1, 0)) // the newest block, so that there is something to read
			}
		})
	}()
}

// startOptions is how every session of this window begins.
func (s *Shell) startOptions(file string) session.StartOptions {
	return session.StartOptions{File: file, Settings: s.settings, Runtime: s.options.Runtime, OnNetwork: s.options.OnNetwork, Log: s.options.Log}
}

func (s *Shell) startSample(name string) {
	t, err := session.SampleTopology(name)
	if err != nil {
		s.showError(err)
		return
	}
	s.startTopology(t, "")
}

// startTopology starts a network and shows every step of it with its time.
func (s *Shell) startTopology(t *network.Topology, file string) {
	s.endSession()
	v := s.showStarting(t.Name, t.Summary())
	v.again = func() { s.startTopology(t, file) }
	go func() {
		o := s.startOptions(file)
		o.Progress = func(step network.Step) { s.do(func() { v.step(step) }) }
		n, err := session.Start(v.ctx, t, o)
		s.do(func() {
			if v.over(n, err) {
				s.show(n)
			}
		})
	}()
}

// runScript runs a scenario in a new session.
func (s *Shell) runScript(name string, src []byte, file string) {
	s.endSession()
	n, run, err := session.RunScript(name, src, s.scriptHooks(), s.startOptions(file))
	s.showScript(n, run, err)
}

// openLesson starts a lesson by its name or number.
func (s *Shell) openLesson(name string) {
	s.endSession()
	n, run, err := session.RunLesson(name, s.scriptHooks(), s.startOptions(""))
	s.showScript(n, run, err)
}

func (s *Shell) showScript(n *session.Session, run *session.ScriptRun, err error) {
	if err != nil {
		s.showStart()
		s.showError(err)
		return
	}
	s.lesson = newLessonState(run)
	lesson := s.lesson
	s.show2(n, lesson)
}

// show2 is show for a session whose script is known already.
func (s *Shell) show2(n *session.Session, lesson *lessonState) {
	s.lesson = nil
	s.show(n)
	s.lesson = lesson
	s.main.card.update()
	s.main.arrange()
}

// scriptHooks brings the lesson's card up to date whenever something happens in it.
func (s *Shell) scriptHooks() session.Hooks { return lessonHooks(s) }

// host is what the drawers ask of the window.
func (s *Shell) host() drawers.Host {
	return drawers.Host{
		Select:     s.session.Select,
		ShowError:  s.showError,
		Confirm:    s.confirm,
		OpenFile:   s.openFile,
		OpenFolder: s.openFolder,
		SaveFile:   s.saveFile,
		Notify:     s.toast,
		PartitionMode: func(on bool) {
			s.main.stage.DrawLine(on)
			if on {
				s.toast(lang.L("Draw a line across the stage: the nodes on either side will not reach each other."))
			}
		},
		StartTopology: func(t *network.Topology, file string) { s.replacing(func() { s.startTopology(t, file) }) },
		OpenLesson:    func(name string) { s.replacing(func() { s.openLesson(name) }) },
		RunScript:     func(name string, src []byte, file string) { s.replacing(func() { s.runScript(name, src, file) }) },
		Settings:      s.settings,
		OnKey:         s.typedKey,
	}
}

// toggleRecording begins or ends writing the run to a file.
func (s *Shell) toggleRecording() {
	if _, _, on := s.session.Recording(); on {
		s.session.StopRecording(func(path string, err error) {
			if err != nil {
				s.showError(err)
				return
			}
			s.settings.Opened(path, "run", "")
			s.toast(lang.L("Recorded to {{.File}}", map[string]any{"File": path}))
		})
		return
	}
	name := fmt.Sprintf("%s-%s.fscope", fileName(s.session.Name()), time.Now().Format("2006-01-02-150405"))
	s.saveFile(name, func(path string) {
		s.session.StartRecording(path, func(err error) {
			if err != nil {
				s.showError(err)
			}
		})
	})
}

// recordingText is how long the run has been recorded, "" if it is not.
func (s *Shell) recordingText() string {
	_, since, on := s.session.Recording()
	if !on {
		return ""
	}
	d := time.Since(since).Truncate(time.Second)
	return fmt.Sprintf("%02d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// fileName makes a file's name of a run's.
func fileName(name string) string {
	out := []rune{}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			out = append(out, r)
		case r == ' ' || r == '.':
			out = append(out, '-')
		}
	}
	if len(out) == 0 {
		return "run"
	}
	return string(out)
}
