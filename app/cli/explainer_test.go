package cli_test

import (
	"context"
	"html"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// TestOneExplainerOfTheLessons: what tx prints, what the inspector shows and what the page
// says about every invalid transaction of every lesson is the same document.
func TestOneExplainerOfTheLessons(t *testing.T) {
	p := newProgram(t)
	compared := 0
	for _, l := range assets.Lessons() {
		file := filepath.Join(p.tmp, l.Name+".fscope")
		p.must("run", l.Name, "--runtime", "process", "--record", file)
		page := html.UnescapeString(p.must("export", file, "--format", "html"))
		s, err := session.OpenRun(file, session.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		for done := false; !done; _, done = s.Loading() {
			s.Tick(16 * time.Millisecond)
			runtime.Gosched()
		}
		s.Playhead.Seek(s.Axis.End())
		seen := map[string]bool{}
		events, _, _ := s.Source().Since(0, 1<<20)
		for i := range events {
			e := &events[i]
			if e.Kind != trace.Verdict || e.What != trace.Invalid || seen[e.TxID] {
				continue
			}
			seen[e.TxID] = true
			compared++
			said := p.must("tx", file, e.TxID)
			s.Select(view.Selection{What: view.SelectTx, TxID: e.TxID})
			doc := s.Document()
			if shown := doc.Text(); said != shown {
				t.Errorf("%s, %s: tx says\n%s\nand the inspector\n%s", l.Name, e.TxID, said, shown)
			}
			if doc.Tx.Code != e.Key || doc.Tx.Reason == "" {
				t.Errorf("%s, %s: %+v", l.Name, e.TxID, doc.Tx)
			}
			for _, want := range []string{doc.Subtitle, doc.Tx.Code, doc.Tx.Reason} {
				if !strings.Contains(page, want) {
					t.Errorf("%s, %s: the page does not say %q", l.Name, e.TxID, want)
				}
			}
		}
	}
	if compared < 3 {
		t.Errorf("the lessons have %d invalid transactions", compared)
	}
}
