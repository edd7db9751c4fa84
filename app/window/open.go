package window

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/app/words"
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
	if s.session == nil || !s.session.Running() || s.inLesson() {
		do()
		return
	}
	s.confirm(words.L("Stop this network?"), words.L("What it has done is lost, unless it is being recorded."), do)
}

func (s *Shell) goHome() { s.replacing(func() { s.endSession(s.showStart) }) }

// open opens files by their endings: one topology, scenario or run, or several blocks.
// They are read in the background: files can be large, and disks slow.
func (s *Shell) open(paths []string) {
	path := paths[0]
	content := session.Recognise(path)
	kind := string(content.Kind)
	if len(paths) > 1 {
		kind = string(session.BlockFile)
	}
	switch session.FileKind(kind) {
	case session.TopologyFile:
		read(s, path, session.OpenTopology, func(t *network.Topology) {
			s.settings.Opened(path, kind, session.Summary(t))
			s.startTopology(t, path)
		})
	case session.ScenarioFile:
		read(s, path, os.ReadFile, func(src []byte) {
			s.settings.Opened(path, kind, "")
			s.runScript(path, src, path)
		})
	case session.RunFile:
		v := s.showStarting(filepath.Base(path), "", words.L("Opening ..."))
		v.file = path
		o := s.startOptions("")
		v.run(func(context.Context) (*session.Session, error) { return session.OpenRun(path, o) }, func(n *session.Session) {
			s.settings.Opened(path, kind, "")
			s.show(n)
		})
	case session.BlockFile:
		s.openBlocks(paths)
	default:
		s.openFailed(path, words.NewFault("{{.File}} is none of the files that the window opens", "choose a topology (.yaml), scenario (.star), recorded run (.fscope) or block (.block)", filepath.Base(path)))
	}
}

// read reads a small file in the background and goes on with its content.
func read[T any](s *Shell, path string, from func(path string) (T, error), then func(T)) {
	go func() {
		content, err := from(path)
		s.do(func() {
			if err != nil {
				s.openFailed(path, err)
			} else {
				then(content)
			}
		})
	}()
}

func (s *Shell) openFailed(path string, err error) {
	s.settings.Forget(path)
	s.showError(err)
}

// openBlocks opens blocks of another network.
func (s *Shell) openBlocks(paths []string) {
	v := s.showStarting(filepath.Base(paths[0]), "", words.L("Checking blocks"))
	v.file = paths[0]
	o := s.startOptions("")
	v.run(func(ctx context.Context) (*session.Session, error) {
		return session.OpenBlocks(ctx, paths, o, func(blocks int) {
			s.do(func() { v.note(words.L("{{.N}} blocks", map[string]any{"N": blocks})) })
		})
	}, func(n *session.Session) {
		s.settings.Opened(paths[0], "blocks", n.Counts().Text())
		s.show(n)
		if !n.FirstInvalid() {
			n.Select(n.Chain.Step(view.Selection{}, 1, 0)) // the newest block, so that there is something to read
		}
	})
}

// startOptions is how every session of this window begins.
func (s *Shell) startOptions(file string) session.StartOptions {
	return session.StartOptions{File: file, Settings: s.settings, Runtime: s.runtime(), OnNetwork: s.options.OnNetwork, Log: s.options.Log}
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
	s.endSession(func() {
		v := s.showStarting(t.Name, session.Summary(t), words.L("Starting ..."))
		v.again = func() { s.startTopology(t, file) }
		o := s.startOptions(file)
		o.Begins = func(step string) { s.do(func() { v.begins(step) }) }
		o.Progress = func(step network.Step) { s.do(func() { v.done(step) }) }
		o.Waiting = func(step, why string) { s.do(func() { v.waits(step, why) }) }
		o.Watch = v.watch
		began := time.Now()
		v.run(func(ctx context.Context) (*session.Session, error) { return session.Start(ctx, t, o) }, func(n *session.Session) {
			s.settings.KeepTook(t.Name, s.runtime(), time.Since(began))
			s.show(n)
		})
	})
}

// runtime is how chaincode runs in what is started: as the command line says, or else as the
// person has chosen; "" as topologies say.
func (s *Shell) runtime() string { return cmp.Or(s.options.Runtime, s.settings.Runtime) }

// runScript runs a scenario in a new session.
func (s *Shell) runScript(name string, src []byte, file string) {
	s.endSession(func() {
		s.showScript(session.RunScript(name, src, s.scriptHooks(), s.startOptions(file)))
	})
}

// openLesson starts a lesson by its name or number.
func (s *Shell) openLesson(name string) {
	s.endSession(func() {
		s.showScript(session.RunLesson(name, s.scriptHooks(), s.startOptions("")))
	})
}

func (s *Shell) showScript(n *session.Session, run *session.ScriptRun, err error) {
	if err != nil {
		s.showStart()
		s.showError(err)
		return
	}
	s.show(n)
	s.lesson = newLessonState(run)
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
				s.toast(words.L("Draw a line across the stage: the nodes on either side will not reach each other."))
			}
		},
		StartTopology: func(t *network.Topology, file string) { s.replacing(func() { s.startTopology(t, file) }) },
		OpenLesson:    func(name string) { s.replacing(func() { s.openLesson(name) }) },
		RunScript:     func(name string, src []byte, file string) { s.replacing(func() { s.runScript(name, src, file) }) },
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
			s.toast(words.L("Recorded to {{.File}}", map[string]any{"File": path}))
		})
		return
	}
	name := fmt.Sprintf("%s-%s.fscope", fileName(s.session.Name()), time.Now().Format("2006-01-02-150405"))
	s.saveFile(name, func(path string) {
		s.session.StartRecording(path, s.showError)
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
