package inspect_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

var update = flag.Bool("update", false, "write the golden documents anew")

// recorded is a run file with all its events and an index that has them.
type recorded struct {
	src    view.Source
	events []trace.Event
	index  *inspect.Index
}

// MustOpen opens a run that was recorded for these tests.
func MustOpen(t testing.TB, name string) *recorded {
	t.Helper()
	run, err := runfile.Open(filepath.Join("..", "testdata", name+".fscope"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	r := &recorded{src: run}
	for cursor := uint64(0); ; {
		some, next, _ := run.Since(cursor, 4096)
		if len(some) == 0 {
			break
		}
		r.events, cursor = append(r.events, some...), next
	}
	r.index = inspect.Alone(r.src)
	r.index.Add(r.events)
	return r
}

// MustFind gives the n-th event that fits, from 1.
func (r *recorded) MustFind(t testing.TB, n int, fits func(*trace.Event) bool) trace.Event {
	t.Helper()
	for i := range r.events {
		if fits(&r.events[i]) {
			if n--; n == 0 {
				return r.events[i]
			}
		}
	}
	t.Fatal("no such event in the run")
	return trace.Event{}
}

func (r *recorded) end() view.Moment {
	e := r.events[len(r.events)-1]
	return view.Moment{Seq: e.Seq, Time: e.Time}
}

func (r *recorded) of(at view.Moment, s view.Selection) *inspect.Document {
	return inspect.Of(inspect.Input{Source: r.src, Index: r.index, At: at, Selection: s})
}

// golden compares a document's text with the one under testdata, and checks its JSON.
func golden(t *testing.T, name string, d *inspect.Document) {
	t.Helper()
	if b, err := d.Copy(); err != nil || !json.Valid(b) {
		t.Errorf("%s: Copy: %v", name, err)
	}
	path := filepath.Join("testdata", name+".txt")
	got := d.Text()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test -run %s -update writes it", err, t.Name())
	}
	if got != string(want) {
		t.Errorf("%s: the document changed; go test -run %s -update, and look at the difference\n%s", name, t.Name(), got)
	}
}

func verdict(code string) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Key == code }
}

func tx(id string) view.Selection { return view.Selection{What: view.SelectTx, TxID: id} }

// TestTransactions are the documents of transactions with every fate.
func TestTransactions(t *testing.T) {
	for _, c := range []struct{ name, run, code string }{
		{"tx-read-conflict", "two-clients-one-key", "MVCC_READ_CONFLICT"},
		{"tx-phantom", "mixed-block", "PHANTOM_READ_CONFLICT"},
		{"tx-policy", "lying-endorser", "ENDORSEMENT_POLICY_FAILURE"},
	} {
		r := MustOpen(t, c.run)
		golden(t, c.name, r.of(r.end(), tx(r.MustFind(t, 1, verdict(c.code)).TxID)))
	}
	r := MustOpen(t, "two-clients-one-key")
	golden(t, "tx-valid", r.of(r.end(), tx(r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Block == 4 }).TxID)))
	r = MustOpen(t, "lying-endorser")
	golden(t, "tx-differ", r.of(r.end(), tx(r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Compared && e.Note != "equal" }).TxID)))
	r = MustOpen(t, "mixed-block")
	golden(t, "tx-delete", r.of(r.end(), tx(r.MustFind(t, 6, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Block == 7 }).TxID)))
	golden(t, "tx-lifecycle", r.of(r.end(), tx(r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Verdict && e.Block == 2 }).TxID)))
}

// TestGateway are transactions through a gateway, and one that peers see at different
// heights.
func TestGateway(t *testing.T) {
	r := MustOpen(t, "gateway")
	endorse := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.GatewayCall && e.Key == "Endorse" })
	golden(t, "gateway-tx", r.of(r.end(), tx(endorse.TxID)))
	ask := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.GatewayCall && e.Key == "Evaluate" })
	golden(t, "gateway-evaluate", r.of(r.end(), tx(ask.TxID)))
	golden(t, "gateway-client", r.of(r.end(), view.Selection{What: view.SelectNode, Node: "alice"}))
	golden(t, "link-cut", r.of(r.end(), view.Selection{What: view.SelectLink, Node: "orderer.example.com", Other: "peer0.org1.example.com"}))
	behind := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Partition && e.What == trace.RuleHealed })
	golden(t, "key-behind", r.of(view.Moment{Seq: behind.Seq, Time: behind.Time}, view.Selection{What: view.SelectKey, Namespace: "basic", Key: "asset9"}))
}

// TestMoments is one transaction at several moments of its journey.
func TestMoments(t *testing.T) {
	r := MustOpen(t, "two-clients-one-key")
	id := r.MustFind(t, 1, verdict("MVCC_READ_CONFLICT")).TxID
	var all strings.Builder
	for _, kind := range []trace.Kind{trace.Proposal, trace.SimulateStart, trace.SimulateEnd, trace.Endorsed, trace.Compared, trace.Submitted, trace.Enqueued, trace.Verdict} {
		e := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == kind && e.TxID == id })
		d := r.of(view.Moment{Seq: e.Seq, Time: e.Time}, tx(id))
		cut := *d
		cut.Title = "after " + string(kind)
		if len(cut.Blocks) > 1 {
			cut.Blocks = cut.Blocks[:1]
		}
		all.WriteString(cut.Text())
		all.WriteString("\n")
		for _, b := range d.Blocks {
			if b.Title == "Why it was rejected" && kind != trace.Verdict {
				t.Errorf("after %s the document tells the verdict already", kind)
			}
		}
	}
	golden(t, "moments", &inspect.Document{Title: strings.TrimRight(all.String(), "\n")})
}

// TestOthers are the documents of everything else.
func TestOthers(t *testing.T) {
	r := MustOpen(t, "two-clients-one-key")
	at := r.end()
	golden(t, "block", r.of(at, view.Selection{What: view.SelectBlock, Block: 4}))
	golden(t, "block-0", r.of(at, view.Selection{What: view.SelectBlock, Block: 0}))
	golden(t, "peer", r.of(at, view.Selection{What: view.SelectNode, Node: "peer0.org1.example.com"}))
	golden(t, "container", r.of(at, view.Selection{What: view.SelectNode, Node: "basic_1.0@peer0.org1.example.com"}))
	golden(t, "client", r.of(at, view.Selection{What: view.SelectNode, Node: "bob"}))
	golden(t, "org", r.of(at, view.Selection{What: view.SelectOrg, Node: "Org1"}))
	golden(t, "link", r.of(at, view.Selection{What: view.SelectLink, Node: "peer0.org1.example.com", Other: "orderer.example.com"}))
	golden(t, "key", r.of(at, view.Selection{What: view.SelectKey, Namespace: "basic", Key: "asset1"}))
	golden(t, "ledger", r.of(at, view.Selection{What: view.SelectLedger, Node: "peer0.org1.example.com"}))
	golden(t, "peers", r.of(at, view.Selection{What: view.SelectPeers}))
	found := inspect.Of(inspect.Input{Source: r.src, Index: r.index, At: at, Search: "erin", Selection: view.Selection{What: view.SelectLedger, Node: "peer0.org1.example.com"}})
	golden(t, "ledger-search", found)
	put := r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.ChaincodePutState })
	golden(t, "message-put-state", r.of(at, view.Selection{What: view.SelectMessage, Seq: put.Seq, TxID: put.TxID}))
	proposal := r.MustFind(t, 1, func(e *trace.Event) bool {
		return e.Kind == trace.Proposal && e.Dir == trace.Received && e.Node == "peer0.org1.example.com" && e.Other == "alice"
	})
	golden(t, "message-proposal", r.of(at, view.Selection{What: view.SelectMessage, Seq: proposal.Seq, TxID: proposal.TxID}))

	r = MustOpen(t, "leader-dies")
	later := view.Moment{Seq: r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Committed && e.Block == 6 }).Seq}
	golden(t, "orderer", r.of(later, view.Selection{What: view.SelectNode, Node: "orderer2.example.com"}))
	golden(t, "orderer-killed", r.of(view.Moment{Seq: 1500}, view.Selection{What: view.SelectNode, Node: "orderer.example.com"}))
	golden(t, "peers-behind", r.of(view.Moment{Seq: r.MustFind(t, 1, func(e *trace.Event) bool { return e.Kind == trace.Committed && e.Block == 5 }).Seq}, view.Selection{What: view.SelectPeers}))
}

// Documents of one index are in the language that each is asked for.
func TestLanguages(t *testing.T) {
	r := MustOpen(t, "two-clients-one-key")
	id := r.MustFind(t, 1, verdict("MVCC_READ_CONFLICT")).TxID
	for _, s := range []view.Selection{tx(id), {What: view.SelectNode, Node: "bob"}, {What: view.SelectBlock, Block: 1}} {
		in := inspect.Input{Source: r.src, Index: r.index, At: r.end(), Selection: s}
		before := inspect.Of(in).Text()
		in.Book = words.Of("de")
		german := inspect.Of(in).Text()
		if in.Book = nil; inspect.Of(in).Text() != before {
			t.Errorf("%+v is not in English again", s)
		}
		if german == before || strings.Contains(german, "Transactions") {
			t.Errorf("%+v in German:\n%s", s, german)
		}
	}
}

// What a list leaves out is counted in the document's language, also in the plain text that is
// copied and exported.
func TestWhatIsLeftOutIsCountedInItsLanguage(t *testing.T) {
	for language, want := range map[string]string{"en": "and 3 more", "de": "und 3 weitere"} {
		d := &inspect.Document{Title: "T", Blocks: []inspect.Block{{More: 3}, {Nodes: []*inspect.Node{{Name: "n", More: 3}}}}}
		if text := d.In(words.Of(language)).Text(); strings.Count(text, want) != 2 {
			t.Errorf("in %s it says\n%s", language, text)
		}
	}
}
