package report_test

import (
	"context"
	"encoding/json"
	"html"
	"path/filepath"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// What tx prints, what the window's inspector shows and what the page says about every
// invalid transaction of the recorded runs is the same document.
func TestOneExplainer(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "view", "testdata", "*.fscope"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded runs: %v", err)
	}
	compared := 0
	for _, file := range files {
		run, err := runfile.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = run.Close() })
		index := inspect.Alone(run)
		end := view.Moment{Seq: index.End()}
		page := mustWrite(t, run, report.PageInfo{})
		seen := map[string]bool{}
		events, _, _ := run.Since(0, int(end.Seq))
		for _, e := range events {
			if e.Kind != trace.Verdict || e.What != trace.Invalid || seen[e.TxID] {
				continue
			}
			seen[e.TxID] = true
			compared++
			doc, err := report.Explain(run, e.TxID)
			if err != nil {
				t.Fatal(err)
			}
			// As the session asks for it, in a recording: also what is still to come.
			window := inspect.Of(inspect.Input{Source: run, Index: index, At: end, Ahead: end.Seq, Selection: view.Selection{What: view.SelectTx, TxID: e.TxID}})
			if doc.Text() != window.Text() {
				t.Errorf("%s, %s: tx says\n%s\nand the window\n%s", file, e.TxID, doc.Text(), window.Text())
			}
			if doc.Tx.Code != e.Key || doc.Tx.Reason == "" {
				t.Errorf("%s, %s: %+v", file, e.TxID, doc.Tx)
			}
			text := html.UnescapeString(page)
			for _, want := range []string{doc.Subtitle, doc.Tx.Code, doc.Tx.Reason} {
				if !strings.Contains(text, want) {
					t.Errorf("%s, %s: the page does not say %q", file, e.TxID, want)
				}
			}
		}
	}
	if compared == 0 {
		t.Error("no recorded run has an invalid transaction")
	}
}

// The rejected transactions of a real network's blocks: what a trace of their validation
// says is what the window says about the blocks themselves.
func TestOneExplainerOfFabricsChain(t *testing.T) {
	recorded := conformance.Blocks(t)
	rec := trace.NewRecorder(trace.Options{MaxEvents: 1 << 20, MaxPayloadBytes: 1 << 28})
	foreign := make([]inspect.ForeignBlock, len(recorded))
	times := map[string]int{}
	var invalid []string
	err := validate.Inspect(context.Background(), func(yield func(*commonpb.Block, error) bool) {
		for i, b := range recorded {
			raw, err := proto.Marshal(b)
			if err != nil {
				t.Fatal(err)
			}
			foreign[i] = inspect.ForeignBlock{Number: b.GetHeader().GetNumber(), Raw: raw}
			rec.RecordMessage(trace.Event{Kind: trace.DeliverBlock, Dir: trace.Sent, Node: orderer, Other: peer0, Block: uint64(i), What: trace.Told, Msg: uint64(i + 1)},
				&peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Block{Block: b}})
			rec.Record(trace.Event{Kind: trace.ValidateFrom, Node: peer0, Block: uint64(i), What: trace.Told})
			if !yield(b, nil) {
				return
			}
		}
	}, func(l validate.Line) error {
		if l.Tx < 0 || l.Code == nil {
			return nil
		}
		times[l.TxID]++
		tx := inspect.ForeignTx{TxID: l.TxID, Code: l.Code.String(), Reason: l.Text()}
		e := trace.Event{Kind: trace.Verdict, Node: peer0, TxID: l.TxID, Block: l.Block, What: trace.Valid, A: int64(*l.Code), B: int64(l.Tx), Key: tx.Code, Note: tx.Reason}
		if l.Reason == nil {
			rec.Record(e)
		} else {
			if l.Reason.By != nil {
				tx.By = l.Reason.By.TxID
			}
			value, err := json.Marshal(l.Reason)
			if err != nil {
				return err
			}
			e.What = trace.Invalid
			rec.RecordPayload(e, trace.Payload{Name: wire.ReasonName, Bytes: value})
			invalid = append(invalid, l.TxID)
		}
		foreign[l.Block].Txs = append(foreign[l.Block].Txs, tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, id := range invalid {
		if len(id) != 64 || times[id] > 1 {
			continue // it has no id, or shares it with another one
		}
		doc, err := report.Explain(rec, id)
		if err != nil {
			t.Fatal(err)
		}
		window := inspect.Of(inspect.Input{Blocks: foreign, Selection: view.Selection{What: view.SelectTx, TxID: id}})
		a, b := *doc.Tx, *window.Tx
		if a.Code != b.Code || a.Reason != b.Reason || a.Block != b.Block || a.Function != b.Function || doc.Subtitle != window.Subtitle {
			t.Errorf("%s: a trace says\n%+v\nand the blocks\n%+v", id, a, b)
		}
		compared++
	}
	if compared < 20 {
		t.Errorf("only %d rejected transactions were compared", compared)
	}
}
