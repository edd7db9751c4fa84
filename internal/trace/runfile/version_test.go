package runfile_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// Files of version 1, written before events told their facts, still open: what they lack is
// unknown and not guessed. testdata/version-1.fscope is such a file; it is never made anew.
func TestRunFilesOfVersionOne(t *testing.T) {
	run, err := runfile.Open("testdata/version-1.fscope")
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	seen := map[trace.Kind]int{}
	total := uint64(0)
	for cursor := uint64(0); ; {
		events, next, lost := run.Since(cursor, 1000)
		if lost > 0 {
			t.Fatalf("%d events are lost", lost)
		}
		if len(events) == 0 {
			break
		}
		for i := range events {
			e := &events[i]
			total++
			seen[e.Kind]++
			if e.Seq != total || e.Time == 0 || e.Node == "" && e.Kind != trace.LinkRule {
				t.Errorf("event %d is %+v", total, e)
			}
			if e.What != trace.Untold || e.A != 0 || e.B != 0 || e.C != 0 || e.Name != "" || len(e.Facts()) > 0 || !e.Fits() {
				t.Errorf("event %d, %s, tells facts: %s, %v", e.Seq, e.Kind, e.What, e.Facts())
			}
		}
		cursor = next
	}
	if n, err := run.Count(); err != nil || n != total || total < 500 {
		t.Errorf("%d events were read, the file counts %d, %v", total, n, err)
	}
	if err := run.Damage(); err != nil {
		t.Error(err)
	}
	if seen[trace.Verdict] == 0 || seen[trace.RaftAppend] == 0 || seen[trace.Endorsed] == 0 {
		t.Errorf("the kinds are %v", seen)
	}
}
