package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of the settings file.
const (
	maxRecent        = 20
	maxSettingsBytes = 4 << 20
	maxLayouts       = 200
)

// Settings are what a person chose, kept from one start to the next. They belong to the
// goroutine of the user interface; sessions, which start on others, take their layout by
// layout.
type Settings struct {
	Width        float32                          `json:"width,omitempty"`
	Height       float32                          `json:"height,omitempty"`
	Panels       map[string]bool                  `json:"panels,omitempty"` // shown or not, by the panel's name
	Splits       map[string]float64               `json:"splits,omitempty"` // where a divider stands, 0 to 1
	Theme        string                           `json:"theme,omitempty"`  // "dark", "light", "" as the system
	Language     string                           `json:"language,omitempty"`
	ReduceMotion bool                             `json:"reduceMotion,omitempty"`
	Presenter    bool                             `json:"presenter,omitempty"`
	Heartbeats   bool                             `json:"heartbeats,omitempty"`
	ScaleNS      int64                            `json:"scaleNS,omitempty"`  // how much of the trace one second shows
	ReplayNS     int64                            `json:"replayNS,omitempty"` // and in replays of a transaction
	Runtime      string                           `json:"runtime,omitempty"`  // of chaincode: docker, process, "" as topologies say
	Starts       map[string]int64                 `json:"starts,omitempty"`   // how long they took last, ns, by network and runtime
	Folder       string                           `json:"folder,omitempty"`   // of the last opened file
	Recent       []Recent                         `json:"recent,omitempty"`   // newest first
	Lessons      map[string]LessonProgress        `json:"lessons,omitempty"`  // by the lesson's name
	Layouts      map[string]map[string]view.Point `json:"layouts,omitempty"`  // positions on the stage, by sample
	Values       map[string]string                `json:"values,omitempty"`   // anything else that a panel remembers

	path     string
	versions int        // that Save was asked for
	mu       sync.Mutex // of the file, and of written
	written  int
	shared   sync.Mutex // of Layouts
}

// Recent is a file that was opened.
type Recent struct {
	Path   string    `json:"path"`
	Kind   string    `json:"kind"` // topology, scenario, run, blocks
	Note   string    `json:"note,omitempty"`
	Opened time.Time `json:"opened"`
}

// Exists tells whether the file is still there.
func (r Recent) Exists() bool { _, err := os.Stat(r.Path); return err == nil }

// LessonProgress is how far somebody is in a lesson.
type LessonProgress struct {
	Step    int       `json:"step"`  // chapters finished
	Steps   int       `json:"steps"` // of so many
	Done    bool      `json:"done,omitempty"`
	Right   int       `json:"right,omitempty"` // questions answered rightly at the first try
	Asked   int       `json:"asked,omitempty"`
	Changed time.Time `json:"changed"`
}

// with is the progress after more of it: who takes a lesson again loses nothing.
func (p LessonProgress) with(now LessonProgress) LessonProgress {
	if p.Done && !now.Done || p.Step > now.Step {
		return p
	}
	if p.Done && now.Asked > 0 && p.Right*now.Asked > now.Right*p.Asked {
		now.Right, now.Asked = p.Right, p.Asked
	}
	return now
}

// Share is how far the lesson is, 0 to 1.
func (p LessonProgress) Share() float64 {
	if p.Done {
		return 1
	}
	if p.Steps <= 0 {
		return 0
	}
	return min(1, float64(p.Step)/float64(p.Steps))
}

// DefaultSettings are those of a first start; they are kept nowhere.
func DefaultSettings() *Settings {
	return &Settings{Width: 1440, Height: 900, ScaleNS: int64(4 * time.Millisecond), ReplayNS: int64(4 * time.Millisecond), Panels: map[string]bool{}, Splits: map[string]float64{},
		Lessons: map[string]LessonProgress{}, Layouts: map[string]map[string]view.Point{}, Values: map[string]string{}, Starts: map[string]int64{}}
}

// Took tells how long the last start of a network took with a choice of runtime; 0: not known.
func (s *Settings) Took(network, runtime string) time.Duration {
	return time.Duration(s.Starts[network+" "+runtime])
}

// KeepTook keeps how long a start took.
func (s *Settings) KeepTook(network, runtime string, took time.Duration) {
	if len(s.Starts) >= maxLayouts {
		clear(s.Starts)
	}
	s.Starts[network+" "+runtime] = int64(took)
}

// SettingsPath is where the settings are kept: fabriscope/settings.json in the folder that
// the system has for such files (XDG_CONFIG_HOME or ~/.config on Linux).
func SettingsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", words.NewFault("no folder for settings: {{.Cause}}", "set XDG_CONFIG_HOME or HOME", err)
	}
	return filepath.Join(dir, "fabriscope", "settings.json"), nil
}

// LoadSettings reads the settings at path. A file that is missing gives defaults; one that
// cannot be read gives defaults and a note for the person, and is kept beside as .broken.
func LoadSettings(path string) (s *Settings, note string) {
	s = DefaultSettings()
	s.path = path
	if path == "" {
		return s, ""
	}
	b, err := network.ReadFile(path, maxSettingsBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return s, ""
	}
	if err == nil {
		if err = json.Unmarshal(b, s); err == nil {
			s.repair()
			return s, ""
		}
	}
	fresh := DefaultSettings()
	fresh.path = path
	kept := ""
	if os.Rename(path, path+".broken") == nil {
		kept = words.L("; the old file is kept as {{.File}}", path+".broken")
	}
	return fresh, words.L("The settings could not be read ({{.Cause}}), so the program starts with its defaults{{.Kept}}.", err, kept)
}

// repair makes what was read usable.
func (s *Settings) repair() {
	d := DefaultSettings()
	if s.Width < 400 || s.Width > 20000 || s.Height < 300 || s.Height > 20000 {
		s.Width, s.Height = d.Width, d.Height
	}
	if s.ScaleNS <= 0 {
		s.ScaleNS = d.ScaleNS
	}
	if s.ReplayNS <= 0 {
		s.ReplayNS = d.ReplayNS
	}
	if s.Panels == nil {
		s.Panels = d.Panels
	}
	if s.Splits == nil {
		s.Splits = d.Splits
	}
	if s.Lessons == nil {
		s.Lessons = d.Lessons
	}
	if s.Layouts == nil {
		s.Layouts = d.Layouts
	}
	if s.Values == nil {
		s.Values = d.Values
	}
	if s.Starts == nil {
		s.Starts = d.Starts
	}
	if s.Runtime != chaincode.RuntimeDocker && s.Runtime != chaincode.RuntimeProcess {
		s.Runtime = ""
	}
	s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
}

// Save writes the settings. A crash in between leaves the old file as it was.
func (s *Settings) Save() error { return s.toKeep()() }

// toKeep gives what writes the settings as they are now. It may be called on another
// goroutine.
func (s *Settings) toKeep() (write func() error) {
	if s.path == "" {
		return func() error { return nil }
	}
	s.shared.Lock()
	b, err := indented(s)
	s.shared.Unlock()
	s.versions++
	version := s.versions
	return func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err != nil || version < s.written { // what is newer has been written already
			return err
		}
		s.written = version
		return file.WriteAtomically(s.path, b)
	}
}

func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return append(b, '\n'), nil
}

// layout gives where the boxes of a run were moved to, nil if nowhere.
func (s *Settings) layout(name string) map[string]view.Point {
	s.shared.Lock()
	defer s.shared.Unlock()
	return s.Layouts[name]
}

// keepLayout keeps where the boxes of a run were moved to. What is kept does not change.
func (s *Settings) keepLayout(name string, positions map[string]view.Point) {
	s.shared.Lock()
	defer s.shared.Unlock()
	if _, ok := s.Layouts[name]; !ok && len(s.Layouts) >= maxLayouts {
		clear(s.Layouts)
	}
	delete(s.Layouts, name)
	if len(positions) > 0 {
		s.Layouts[name] = positions
	}
}

// Opened puts a file at the top of the recent ones.
func (s *Settings) Opened(path, kind, note string) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	s.Forget(path)
	s.Recent = append([]Recent{{Path: path, Kind: kind, Note: note, Opened: time.Now()}}, s.Recent...)
	s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
	s.Folder = filepath.Dir(path)
}

// Forget takes a file off the recent ones.
func (s *Settings) Forget(path string) {
	s.Recent = slices.DeleteFunc(s.Recent, func(r Recent) bool { return r.Path == path })
}

// layoutPath is the file with the stage's positions beside a topology file.
func layoutPath(topology string) string {
	ext := filepath.Ext(topology)
	return topology[:len(topology)-len(ext)] + ".layout.json"
}

// readLayout reads positions from a file; a missing one is empty.
func readLayout(path string) (map[string]view.Point, error) {
	b, err := network.ReadFile(path, maxSettingsBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var positions map[string]view.Point
	if err := json.Unmarshal(b, &positions); err != nil {
		return nil, words.NewFault("the positions in {{.File}} cannot be read: {{.Cause}}", "remove the file", path, err)
	}
	return positions, nil
}
