package session_test

import (
	"path/filepath"
	"runtime"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
)

// A whole lesson runs with somebody who answers, asks to be shown what to do, and goes
// on; its progress is kept.
func TestLesson(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	settings, _ := session.LoadSettings(path)
	lessons := session.Lessons(settings)
	if len(lessons) != 8 || lessons[5].Title.In("de") != "Zu spät" {
		t.Fatalf("%d lessons", len(lessons))
	}
	goroutines := runtime.NumGoroutine()
	ended := false
	var failed error
	opened, run, err := session.RunLesson("6", session.Hooks{End: func(err error) { ended, failed = true, err }}, session.StartOptions{Settings: settings, Runtime: "process"})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("the end of the lesson", func() bool {
		if q, answered := run.Question(); q != nil && !answered {
			run.Answer(q.Answer)
		}
		run.Continue()
		if task := run.Task(); task != nil {
			task.Do()
		}
		return ended
	})
	if failed != nil {
		t.Fatal(failed)
	}
	right, asked := run.Score()
	p := session.Lessons(settings)[5].Progress
	if !p.Done || p.Share() != 1 || right != asked || p.Asked != asked {
		t.Errorf("progress %+v, %d of %d right", p, right, asked)
	}
	again, _ := session.LoadSettings(path)
	if !again.Lessons["6-too-late"].Done {
		t.Errorf("kept: %+v", again.Lessons)
	}
}
