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
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of the settings file.
const (
	maxRecent        = 20
	maxSettingsBytes = 4 << 20
	maxLayouts       = 200
)

// Settings are what a person chose, kept from one start to the next. All methods may be
// called from any goroutine; the fields belong to the user interface.
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
	ScaleNS      int64                            `json:"scaleNS,omitempty"` // how much of the trace one second shows
	Folder       string                           `json:"folder,omitempty"`  // of the last opened file
	Recent       []Recent                         `json:"recent,omitempty"`  // newest first
	Lessons      map[string]LessonProgress        `json:"lessons,omitempty"` // by the lesson's name
	Layouts      map[string]map[string]view.Point `json:"layouts,omitempty"` // positions on the stage, by sample
	Values       map[string]string                `json:"values,omitempty"`  // anything else that a panel remembers

	path string
	mu   sync.Mutex // of the file
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
	return &Settings{Width: 1440, Height: 900, ScaleNS: int64(4 * time.Millisecond), Panels: map[string]bool{}, Splits: map[string]float64{},
		Lessons: map[string]LessonProgress{}, Layouts: map[string]map[string]view.Point{}, Values: map[string]string{}}
}

// SettingsPath is where the settings are kept: fabriscope/settings.json in the folder that
// the system has for such files (XDG_CONFIG_HOME or ~/.config on Linux).
func SettingsPath() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder for settings: %w; set XDG_CONFIG_HOME or HOME", err)
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
		kept = "; the old file is kept as " + path + ".broken"
	}
	return fresh, fmt.Sprintf("The settings could not be read (%v), so the program starts with its defaults%s.", err, kept)
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
	s.Recent = s.Recent[:min(len(s.Recent), maxRecent)]
}

// Save writes the settings. A crash in between leaves the old file as it was.
func (s *Settings) Save() error {
	if s.path == "" {
		return nil
	}
	b, err := indented(s)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return writeAtomically(s.path, b)
}

func indented(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write as JSON: %w", err)
	}
	return b, nil
}

// writeAtomically writes a file so that it is there wholly or as before.
func writeAtomically(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keep %s: %w", path, err)
	}
	return nil
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
		return nil, fmt.Errorf("the positions in %s cannot be read: %w; remove the file", path, err)
	}
	return positions, nil
}
