package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// recordings are the runs that the tests of the screen read; make testdata records them.
const recordings = "../../app/view/testdata"

// eachRecording calls f with each recorded run's name and events.
func eachRecording(t *testing.T, f func(name string, events []trace.Event)) {
	t.Helper()
	paths, err := filepath.Glob(recordings + "/*.fscope")
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d recorded runs, %v", len(paths), err)
	}
	for _, path := range paths {
		run, err := runfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		if err := run.Damage(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		var all []trace.Event
		for cursor := uint64(0); ; {
			events, next, _ := run.Since(cursor, 10_000)
			if len(events) == 0 {
				break
			}
			all, cursor = append(all, events...), next
		}
		f(strings.TrimSuffix(filepath.Base(path), ".fscope"), all)
	}
}

// TestRecordingsAreOfThisEngine: recorded runs hold kinds that there are, with the facts that
// such events tell now. Otherwise they were recorded by an older program: make testdata.
func TestRecordingsAreOfThisEngine(t *testing.T) {
	kinds := trace.Kinds()
	eachRecording(t, func(name string, events []trace.Event) {
		for i := range events {
			e := &events[i]
			stream := strings.HasPrefix(string(e.Kind), string(trace.ChaincodePrefix))
			switch {
			case !slices.Contains(kinds, e.Kind) && !stream:
				t.Errorf("%s: event %d is a %s, which there is no more", name, e.Seq, e.Kind)
			case !e.Fits():
				t.Errorf("%s: event %d, %s, is %s, which a %s is not", name, e.Seq, e.Kind, e.What, e.Kind)
			case e.What == trace.Untold && len(trace.FactsOf(e.Kind).Whats) > 0:
				t.Errorf("%s: event %d, %s %s, tells no facts", name, e.Seq, e.Kind, e.Dir)
			}
			if t.Failed() {
				t.Fatal("the recording is older than the engine: make testdata")
			}
		}
	})
}

// byChance are kinds that depend on what comes first: a run may have them or not.
func byChance(e *trace.Event) bool {
	switch e.Kind {
	case trace.RaftOther, trace.RaftSnapshot, trace.RaftTimeoutNow, trace.DeliverStatus, trace.Other, trace.ErrorEvent, trace.ForwardAnswer, trace.Forward:
		return true
	}
	return e.Dir == trace.Lost || e.What == trace.Failed
}

// TestRecordingsMatchLiveRuns runs the scenarios of the recorded runs: what was recorded then,
// by kind and direction, must still be recorded now.
func TestRecordingsMatchLiveRuns(t *testing.T) {
	recorded := map[string]string{}
	var names []string
	eachRecording(t, func(name string, events []trace.Event) {
		names = append(names, name)
		for i := range events {
			if e := &events[i]; !byChance(e) {
				recorded[fmt.Sprint(e.Kind, " ", e.Dir)] = name
			}
		}
	})
	var mu sync.Mutex
	live := map[string]bool{}
	t.Run("live", func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				path := filepath.Join(recordings, name+".star")
				src, err := os.ReadFile(path)
				if err != nil {
					path = name + ".star"
					src, err = assets.Scenario(name)
				}
				if err != nil {
					t.Fatal(err)
				}
				r := trace.NewRecorder(trace.Options{})
				if err := scenario.Run(t.Context(), path, src, scenario.Options{Runtime: "process", Trace: r}); err != nil {
					t.Fatal(err)
				}
				for cursor := uint64(0); ; {
					events, next, lost := r.Since(cursor, 10_000)
					if lost > 0 {
						t.Errorf("%d events were lost", lost)
					}
					if len(events) == 0 {
						return
					}
					cursor = next
					mu.Lock()
					for i := range events {
						live[fmt.Sprint(events[i].Kind, " ", events[i].Dir)] = true
					}
					mu.Unlock()
				}
			})
		}
	})
	for kind, name := range recorded {
		if !live[kind] {
			t.Errorf("%s.fscope has %q, which the engine records no more: make testdata", name, kind)
		}
	}
}
