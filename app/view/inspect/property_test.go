package inspect_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/peer/validate"
)

var runs = []string{"two-clients-one-key", "lying-endorser", "leader-dies", "mixed-block", "gateway"}

// until is a source that ends at a position, as if the rest had not happened.
type until struct {
	view.Source
	last uint64
}

func (u until) Since(cursor uint64, max int) ([]trace.Event, uint64, uint64) {
	if cursor >= u.last {
		return nil, cursor, 0
	}
	events, next, lost := u.Source.Since(cursor, max)
	for len(events) > 0 && events[len(events)-1].Seq > u.last {
		events = events[:len(events)-1]
	}
	return events, min(next, u.last), lost
}

func (u until) ByTx(id string) []trace.Event {
	events := u.Source.ByTx(id)
	for len(events) > 0 && events[len(events)-1].Seq > u.last {
		events = events[:len(events)-1]
	}
	return events
}

func (u until) Payload(seq uint64) (string, []byte, bool) {
	if seq > u.last {
		return "", nil, false
	}
	return u.Source.Payload(seq)
}

// anything selects something that the run has.
func anything(r *recorded, rng *rand.Rand) view.Selection {
	e := r.events[rng.IntN(len(r.events))]
	what := view.Selected(rng.IntN(int(view.SelectPeers) + 1))
	s := view.Selection{What: what, TxID: e.TxID, Node: e.Node, Other: e.Other, Block: e.Block, Seq: e.Seq}
	if what == view.SelectKey {
		s.Namespace, s.Key, s.Node = "basic", e.Key, ""
	}
	if what == view.SelectOrg {
		s.Node = []string{"org1", "Org2", "example.com", ""}[rng.IntN(4)]
	}
	return s
}

// TestNothingOfTheFuture: a document is a function of what had happened at the moment.
// With the rest of the run known or not, it is the same.
func TestNothingOfTheFuture(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range runs {
		r := MustOpen(t, name)
		r.src = MustLoad(t, name)
		r.index = inspect.Alone(r.src)
		for range 150 {
			e := r.events[rng.IntN(len(r.events))]
			at := view.Moment{Seq: e.Seq, Time: e.Time}
			s := anything(r, rng)
			whole := r.of(at, s).Text()
			alone := inspect.Of(inspect.Input{Source: until{r.src, e.Seq}, At: at, Selection: s}).Text()
			if whole != alone {
				t.Fatalf("%s at %d, %+v: with the whole run known the document is another one\n--- known\n%s\n--- not known\n%s", name, e.Seq, s, whole, alone)
			}
		}
	}
}

// TestBackAndForth: looking at other moments in between changes nothing.
func TestBackAndForth(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := MustOpen(t, "mixed-block")
	type look struct {
		at view.Moment
		s  view.Selection
	}
	var looks []look
	first := map[int]string{}
	for i := range 100 {
		e := r.events[rng.IntN(len(r.events))]
		looks = append(looks, look{view.Moment{Seq: e.Seq, Time: e.Time}, anything(r, rng)})
		first[i] = r.of(looks[i].at, looks[i].s).Text()
	}
	for i := len(looks) - 1; i >= 0; i-- {
		if r.of(looks[i].at, looks[i].s).Text() != first[i] {
			t.Fatalf("at %d, %+v: the document changed", looks[i].at.Seq, looks[i].s)
		}
	}
}

// TestGap: after lost events an index begins anew and says what it does not know.
func TestGap(t *testing.T) {
	r := MustOpen(t, "mixed-block")
	x := inspect.Alone(r.src)
	x.Add(r.events[:400])
	x.Add(r.events[900:])
	for _, s := range []view.Selection{
		{What: view.SelectLedger, Node: "peer0.org1.example.com"}, {What: view.SelectKey, Namespace: "basic", Key: "asset1"},
		{What: view.SelectNode, Node: "peer0.org1.example.com"}, {What: view.SelectPeers}, {What: view.SelectBlock, Block: 1}} {
		d := inspect.Of(inspect.Input{Source: r.src, Index: x, At: r.end(), Selection: s})
		if d.Title == "" {
			t.Errorf("%+v has no title", s)
		}
	}
	d := inspect.Of(inspect.Input{Source: r.src, Index: x, At: r.end(), Selection: view.Selection{What: view.SelectLedger, Node: "peer0.org1.example.com"}})
	if len(d.Blocks) == 0 || d.Blocks[0].Tone != inspect.Warn {
		t.Errorf("the ledger does not say that earlier blocks are missing:\n%s", d.Text())
	}
}

// TestForeign makes documents of all blocks and transactions of a real Fabric network.
func TestForeign(t *testing.T) {
	recorded := conformance.Blocks(t)
	blocks := make([]inspect.ForeignBlock, len(recorded))
	for i, b := range recorded {
		raw, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		blocks[i] = inspect.ForeignBlock{Number: b.GetHeader().GetNumber(), Raw: raw}
	}
	err := validate.Inspect(context.Background(), func(yield func(*commonpb.Block, error) bool) {
		for _, b := range recorded {
			if !yield(b, nil) {
				return
			}
		}
	}, func(l validate.Line) error {
		b := &blocks[l.Block]
		if l.Tx < 0 {
			b.Problem = l.Problem
			return nil
		}
		tx := inspect.ForeignTx{TxID: l.TxID, Reason: l.Text()}
		if l.Reason != nil && l.Reason.By != nil {
			tx.By = l.Reason.By.TxID
		}
		if l.Code != nil {
			tx.Code = l.Code.String()
		}
		if l.Recorded != nil {
			tx.Recorded = l.Recorded.String()
		}
		b.Txs = append(b.Txs, tx)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	golds := map[string]bool{"MVCC_READ_CONFLICT": true, "ENDORSEMENT_POLICY_FAILURE": true}
	for i := range blocks {
		d := inspect.Of(inspect.Input{Blocks: blocks, Selection: view.Selection{What: view.SelectBlock, Block: blocks[i].Number}})
		if len(d.Blocks) < 2 {
			t.Errorf("block %d: %s", i, d.Text())
		}
		for _, tx := range blocks[i].Txs {
			if tx.TxID == "" {
				continue
			}
			d := inspect.Of(inspect.Input{Blocks: blocks, Selection: view.Selection{What: view.SelectTx, TxID: tx.TxID}})
			if len(d.Blocks) == 0 {
				t.Errorf("transaction %s of block %d has no document", tx.TxID, i)
			}
			if golds[tx.Code] {
				golds[tx.Code] = false
				golden(t, fmt.Sprintf("foreign-%s", tx.Code), d)
			}
		}
	}
	golden(t, "foreign-block", inspect.Of(inspect.Input{Blocks: blocks, Selection: view.Selection{What: view.SelectBlock, Block: 20}}))
}

// broken answers every question for a message with the same bytes.
type broken struct {
	view.Source
	name string
	raw  []byte
}

func (b broken) Payload(seq uint64) (string, []byte, bool) {
	name, _, ok := b.Source.Payload(seq)
	if b.name != "" {
		name = b.name
	}
	return name, b.raw, ok
}

// memory is a source that holds events in a slice.
type memory struct {
	events   []trace.Event
	payloads map[uint64]trace.Payload
}

func (m *memory) Since(cursor uint64, max int) ([]trace.Event, uint64, uint64) {
	if cursor >= uint64(len(m.events)) {
		return nil, cursor, 0
	}
	events := m.events[cursor:]
	if max > 0 && len(events) > max {
		events = events[:max]
	}
	return events, cursor + uint64(len(events)), 0
}

func (m *memory) ByTx(id string) (out []trace.Event) {
	for _, e := range m.events {
		if e.TxID == id {
			out = append(out, e)
		}
	}
	return out
}

func (m *memory) Payload(seq uint64) (string, []byte, bool) {
	p, ok := m.payloads[seq]
	return p.Name, p.Bytes, ok
}

// MustLoad takes a whole run into memory.
func MustLoad(t testing.TB, name string) *memory {
	t.Helper()
	r := MustOpen(t, name)
	m := &memory{events: r.events, payloads: map[uint64]trace.Payload{}}
	for _, e := range r.events {
		if name, raw, ok := r.src.Payload(e.Seq); ok {
			m.payloads[e.Seq] = trace.Payload{Name: name, Bytes: raw}
		}
	}
	return m
}

// FuzzPayloads: whatever a message holds, no document panics or grows without bound.
func FuzzPayloads(f *testing.F) {
	m := MustLoad(f, "two-clients-one-key")
	seen := map[string]bool{}
	for seq := range uint64(len(m.events)) {
		if p, ok := m.payloads[seq]; ok && !seen[p.Name] {
			seen[p.Name] = true
			f.Add(p.Name, p.Bytes)
			f.Add("", p.Bytes)
		}
	}
	var id string
	for _, e := range m.events {
		if e.Kind == trace.Verdict && e.Key == "MVCC_READ_CONFLICT" {
			id = e.TxID
		}
	}
	at := view.Moment{Seq: uint64(len(m.events))}
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		src := broken{m, name, raw}
		x := inspect.Alone(src)
		for _, s := range []view.Selection{tx(id), {What: view.SelectBlock, Block: 4}, {What: view.SelectMessage, Seq: 737, TxID: id},
			{What: view.SelectLedger, Node: "peer0.org1.example.com"}, {What: view.SelectKey, Namespace: "basic", Key: "asset1"}} {
			d := inspect.Of(inspect.Input{Source: src, Index: x, At: at, Selection: s})
			if n := len(d.Text()); n > 64<<20 {
				t.Errorf("%+v: a text of %d bytes", s, n)
			}
			if _, err := d.Copy(); err != nil {
				t.Error(err)
			}
		}
		for _, form := range [][]byte{raw, nil} {
			blocks := []inspect.ForeignBlock{{Number: 4, Raw: form, Txs: []inspect.ForeignTx{{TxID: id, Code: "VALID"}}}}
			for _, s := range []view.Selection{tx(id), {What: view.SelectBlock, Block: 4}} {
				_ = inspect.Of(inspect.Input{Blocks: blocks, Selection: s}).Text()
			}
		}
	})
}

// mutated changes some messages of a run: a byte, the end, or the message's name.
type mutated struct {
	*memory
	rng   *rand.Rand
	names []string
}

func (m mutated) Payload(seq uint64) (string, []byte, bool) {
	name, raw, ok := m.memory.Payload(seq)
	if !ok || m.rng.IntN(3) > 0 {
		return name, raw, ok
	}
	raw = append([]byte(nil), raw...)
	switch m.rng.IntN(4) {
	case 0:
		raw = raw[:m.rng.IntN(len(raw)+1)]
	case 1:
		name = m.names[m.rng.IntN(len(m.names))]
	default:
		for range 1 + m.rng.IntN(8) {
			if len(raw) > 0 {
				raw[m.rng.IntN(len(raw))] ^= byte(1 << m.rng.IntN(8))
			}
		}
	}
	return name, raw, true
}

// TestMutatedPayloads: messages that were damaged on their way to the memory make other
// documents, and never a panic.
func TestMutatedPayloads(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, run := range runs {
		m := mutated{memory: MustLoad(t, run), rng: rng, names: []string{"protos.SignedProposal", "protos.DeliverResponse", "common.Envelope", "protos.ChaincodeMessage", "protos.ProposalResponse", "gateway.EndorseResponse", "no.such.Message"}}
		r := &recorded{src: m, events: m.events}
		for range 250 {
			// A new index each time: it keeps what it has decoded.
			e := m.events[rng.IntN(len(m.events))]
			d := inspect.Of(inspect.Input{Source: m, At: view.Moment{Seq: e.Seq, Time: e.Time}, Selection: anything(r, rng)})
			_ = d.Text()
			if _, err := d.Copy(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestLongChain: a ledger with more transactions than are read at once says so, and is
// whole after a few times.
func TestLongChain(t *testing.T) {
	recorder, events := MustFill(t, 160_000)
	x := inspect.Alone(recorder)
	x.Add(events)
	end := events[len(events)-1]
	in := inspect.Input{Source: recorder, Index: x, At: view.Moment{Seq: end.Seq, Time: end.Time}, Selection: view.Selection{What: view.SelectLedger, Node: "peer0.org1.example.com"}}
	for range 50 {
		if !inspect.Of(in).Partial {
			return
		}
	}
	t.Errorf("it never ends:\n%s", inspect.Of(in).Text())
}
