package inspect_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// The inspector shows every event, transaction and block of a run file without facts, and
// says only what the file tells.
func TestAFileWithoutFactsIsInspected(t *testing.T) {
	r := MustOpen(t, "../../../internal/trace/runfile/testdata/version-1")
	verdict := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT" })
	text := r.of(r.end(), view.Selection{What: view.SelectTx, TxID: verdict.TxID}).Text()
	if !strings.Contains(text, "MVCC_READ_CONFLICT") {
		t.Errorf("the verdict is not told:\n%s", text)
	}
	nodes := map[string]bool{}
	for i := range r.events {
		e := &r.events[i]
		if e.Msg != 0 && i%7 == 0 {
			r.of(r.end(), view.Selection{What: view.SelectMessage, Seq: e.Seq, TxID: e.TxID})
		}
		nodes[e.Node] = true
	}
	for name := range nodes {
		r.of(r.end(), view.Selection{What: view.SelectNode, Node: name})
	}
	r.of(r.end(), view.Selection{What: view.SelectBlock, Block: verdict.Block})
}
