package chain_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

var runs = []string{"two-clients-one-key", "lying-endorser", "leader-dies", "mixed-block"}

// MustRun opens a recorded run and gives all its events.
func MustRun(t testing.TB, name string) (view.Source, []trace.Event) {
	t.Helper()
	run, err := runfile.Open("../testdata/" + name + ".fscope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	var events []trace.Event
	for cursor := uint64(0); ; {
		some, next, _ := run.Since(cursor, 4096)
		if len(some) == 0 {
			return run, events
		}
		events, cursor = append(events, some...), next
	}
}

func moment(e trace.Event) view.Moment { return view.Moment{Seq: e.Seq, Time: e.Time} }

// script writes events with positions of their own.
type script struct {
	events    []trace.Event
	positions map[judging]int64 // of the next verdict
}

type judging struct {
	node  string
	block uint64
}

// add writes an event. What it tells is a case, a code's name or the number of transactions.
func (s *script) add(kind trace.Kind, node string, block uint64, tx string, tells any) {
	n := uint64(len(s.events) + 1)
	e := trace.Event{Seq: n, Time: int64(n) * 1000, Kind: kind, Node: node, Block: block, TxID: tx, What: trace.Told}
	switch tells := tells.(type) {
	case trace.What:
		e.What, e.A = tells, 1
	case int:
		e.A = int64(tells)
		if kind == trace.BlockCut {
			e.What = trace.CutByCount
		}
	case string:
		if s.positions == nil {
			s.positions = map[judging]int64{}
		}
		e.B = s.positions[judging{node, block}]
		s.positions[judging{node, block}]++
		e.Key, e.A, e.What = tells, int64(peerpb.TxValidationCode_value[tells]), trace.Invalid
		if e.A == 0 {
			e.What = trace.Valid
		}
	}
	s.events = append(s.events, e)
}

// enqueue takes transactions into a leader's batch.
func (s *script) enqueue(node string, ids ...string) {
	for i, id := range ids {
		s.add(trace.Enqueued, node, 0, id, i+1)
	}
}

func (s *script) end() view.Moment { return moment(s.events[len(s.events)-1]) }

func (s *script) strip() *chain.Strip {
	strip := chain.Alone(nil)
	strip.Add(s.events)
	return strip
}

// picture says what is on a frame in one line: "#1 a? b+ | next c", where ? is ordered,
// + valid, - invalid.
func picture(f *chain.Frame) string {
	out := ""
	for _, c := range f.Cards {
		out += fmt.Sprintf("#%d%s | ", c.Number, squares(c.Squares))
	}
	if f.Next != nil {
		out += "next" + squares(f.Next.Squares)
	}
	return out
}

func squares(list []chain.Square) string {
	out := ""
	for _, q := range list {
		sign := "?"
		switch {
		case q.State == chain.Judged && q.Valid:
			sign = "+"
		case q.State == chain.Judged:
			sign = "-"
		}
		out += " " + q.TxID + sign
	}
	return out
}

func TestBlockFills(t *testing.T) {
	s := &script{}
	s.enqueue("o1", "a", "b")
	s.add(trace.BlockCut, "o1", 1, "", 2)
	s.enqueue("o1", "c")
	s.add(trace.BlockWritten, "o1", 1, "", 2)
	s.add(trace.BlockPulled, "p1", 1, "", 2)
	s.add(trace.ValidateFrom, "p1", 1, "", 2)
	s.add(trace.Verdict, "p1", 1, "a", "VALID")
	s.add(trace.Verdict, "p1", 1, "b", "MVCC_READ_CONFLICT")
	s.add(trace.Committed, "p1", 1, "", nil)
	strip := s.strip()
	want := []string{"next a?", "next a? b?", "#1 a? b? | next", "#1 a? b? | next c?", "#1 a? b? | next c?", "#1 a? b? | next c?",
		"#1 a? b? | next c?", "#1 a+ b? | next c?", "#1 a+ b- | next c?", "#1 a+ b- | next c?"}
	for i, e := range s.events {
		f := strip.Frame(chain.Options{At: moment(e), W: 1000, H: 124})
		if got := picture(f); got != want[i] {
			t.Errorf("after %s: %q, want %q", e.Kind, got, want[i])
		}
		if f.Key != strip.Frame(chain.Options{At: moment(e), W: 1000, H: 124}).Key {
			t.Error("equal frames have different keys")
		}
	}
	at := strip.Frame(chain.Options{At: s.end(), W: 1000, H: 124, Peer: "p2"})
	if got := picture(at); got != "#1 a? b? | next c?" {
		t.Errorf("p2 has not validated it, but: %s", got)
	}
	if at.Cards[0].State == chain.Committed {
		t.Error("p2 has not committed it")
	}
}

// TestLeaderReplaced: what waited at a leader that is gone is not in the next block.
func TestLeaderReplaced(t *testing.T) {
	s := &script{}
	s.add(trace.RaftRole, "o1", 2, "", trace.Leader)
	s.enqueue("o1", "a", "b", "c")
	s.add(trace.BlockCut, "o1", 1, "", trace.CutByTimeout)
	s.add(trace.NodeKilled, "o1", 0, "", nil)
	s.add(trace.RaftRole, "o2", 3, "", trace.Leader)
	s.enqueue("o2", "c", "b")
	s.add(trace.BlockCut, "o2", 1, "", trace.CutByTimeout)
	strip := s.strip()
	for i, want := range map[int]string{5: "#1 a? | next b? c?", 6: "#1 a? | next", 8: "#1 a? | next c?", 10: "#1 c? | next b?"} {
		if got := picture(strip.Frame(chain.Options{At: moment(s.events[i-1]), W: 1000})); got != want {
			t.Errorf("after event %d: %q, want %q", i, got, want)
		}
	}
}

// TestConfigBlock: a configuration is cut without having waited.
func TestConfigBlock(t *testing.T) {
	s := &script{}
	s.enqueue("o1", "a")
	s.add(trace.BlockCut, "o1", 1, "", trace.CutByConfig)
	s.add(trace.BlockCut, "o1", 2, "", trace.CutByConfig)
	s.add(trace.ValidateFrom, "p1", 2, "", 1)
	if got := picture(s.strip().Frame(chain.Options{At: s.end(), W: 1000})); got != "#1 a? | #2 ? | next" {
		t.Error(got)
	}
	s.add(trace.Verdict, "p1", 2, "x", "VALID")
	if got := picture(s.strip().Frame(chain.Options{At: s.end(), W: 1000})); got != "#1 a? | #2 x+ | next" {
		t.Error(got)
	}
}

func TestPeersDisagree(t *testing.T) {
	s := &script{}
	for _, p := range []string{"p1", "p2"} {
		s.add(trace.ValidateFrom, p, 1, "", 1)
	}
	s.add(trace.Verdict, "p1", 1, "a", "VALID")
	s.add(trace.Verdict, "p2", 1, "a", "BAD_RWSET")
	q := s.strip().Frame(chain.Options{At: s.end(), W: 1000}).Cards[0].Squares[0]
	if !q.Differs || q.Code != "VALID" {
		t.Errorf("%+v", q)
	}
	if q := s.strip().Frame(chain.Options{At: s.end(), W: 1000, Peer: "p2"}).Cards[0].Squares[0]; q.Code != "BAD_RWSET" {
		t.Errorf("p2 says %s", q.Code)
	}
}

// until is a source that ends at a position.
type until struct {
	view.Source
	last uint64
}

func (u until) Payload(seq uint64) (string, []byte, bool) {
	if seq > u.last {
		return "", nil, false
	}
	return u.Source.Payload(seq)
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

// TestNothingOfTheFuture: a frame and a close-up are functions of what had happened.
func TestNothingOfTheFuture(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, name := range runs {
		src, events := MustRun(t, name)
		whole := chain.Alone(src)
		whole.Add(events)
		for range 60 {
			e := events[rng.IntN(len(events))]
			alone := chain.Alone(until{src, e.Seq})
			alone.Add(events[:e.Seq])
			o := chain.Options{At: moment(e), W: 700, H: 124, Scroll: float64(rng.IntN(400)), Peer: []string{"", "peer0.org1.example.com"}[rng.IntN(2)]}
			if a, b := *whole.Frame(o), *alone.Frame(o); a.Key != b.Key || picture(&a) != picture(&b) {
				t.Fatalf("%s at %d: %s, but with nothing later known: %s", name, e.Seq, picture(&a), picture(&b))
			}
			block := uint64(rng.IntN(8))
			if a, b := whole.Validation(o.At, block, o.Peer), alone.Validation(o.At, block, o.Peer); !reflect.DeepEqual(a, b) {
				t.Fatalf("%s at %d: the close-up is\n%+v, but with nothing later known\n%+v", name, e.Seq, a, b)
			}
		}
	}
}

// TestInPieces: however events arrive, the strip is the same.
func TestInPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	src, events := MustRun(t, "leader-dies")
	whole, pieces := chain.Alone(src), chain.Alone(src)
	whole.Add(events)
	for rest := events; len(rest) > 0; {
		n := min(len(rest), 1+rng.IntN(50))
		pieces.Add(rest[:n])
		pieces.Add(rest[:n]) // what is known already is passed over
		rest = rest[n:]
	}
	for range 50 {
		o := chain.Options{At: moment(events[rng.IntN(len(events))]), W: 700}
		if whole.Frame(o).Key != pieces.Frame(o).Key {
			t.Fatalf("at %d the frames differ", o.At.Seq)
		}
	}
}

func TestHitAndStep(t *testing.T) {
	src, events := MustRun(t, "mixed-block")
	strip := chain.Alone(src)
	strip.Add(events)
	at := moment(events[len(events)-1])
	f := strip.Frame(chain.Options{At: at, W: 1000, H: 124})
	for _, c := range f.Cards {
		for _, q := range c.Squares {
			if s := f.Hit(q.Rect.Center()); s.What != view.SelectTx || s.TxID != q.TxID {
				t.Errorf("a hit on %s gives %+v", q.TxID, s)
			}
		}
		if s := f.Hit(view.Point{X: c.Rect.X + 5, Y: c.Rect.Y + c.Rect.H - 3}); s.What != view.SelectBlock || s.Block != c.Number {
			t.Errorf("a hit on block %d gives %+v", c.Number, s)
		}
	}
	if s := f.Hit(view.Point{X: 3, Y: 3}); s.What != view.Nothing {
		t.Errorf("a hit on nothing gives %+v", s)
	}
	// Right over all transactions and left again ends where it began.
	first := strip.Step(view.Selection{What: view.SelectBlock, Block: 0}, 0, 1)
	steps, sel := 0, first
	for {
		next := strip.Step(sel, 1, 0)
		if next == sel {
			break
		}
		sel, steps = next, steps+1
	}
	total := -1
	for _, c := range f.Cards {
		total += len(c.Squares)
	}
	if steps != total {
		t.Errorf("%d steps to the right, want %d", steps, total)
	}
	for range steps {
		sel = strip.Step(sel, -1, 0)
	}
	if sel != first {
		t.Errorf("%+v after going back, want %+v", sel, first)
	}
	block, position, ok := strip.Find(at, first.TxID)
	if !ok || block != 0 || position != 0 {
		t.Errorf("Find gives %d, %d, %v", block, position, ok)
	}
	up := strip.Step(first, 0, -1)
	if up.What != view.SelectBlock || up.Block != 0 {
		t.Errorf("up gives %+v", up)
	}
	if s := strip.Step(view.Selection{}, 1, 0); s.What != view.SelectBlock || s.Block != 7 {
		t.Errorf("with nothing selected: %+v", s)
	}
	for i := range 8 {
		scroll := strip.Reveal(view.Selection{What: view.SelectBlock, Block: uint64(i)}, chain.Options{At: at, W: 400})
		g := strip.Frame(chain.Options{At: at, W: 400, Scroll: scroll})
		seen := false
		for _, c := range g.Cards {
			seen = seen || c.Number == uint64(i) && c.Rect.X >= 0 && c.Rect.X+c.Rect.W <= 400
		}
		if !seen {
			t.Errorf("after Reveal block %d is not to be seen", i)
		}
	}
}

// TestBounds: a long run does not grow without end, and a gap begins anew.
func TestBounds(t *testing.T) {
	strip := chain.Alone(nil)
	events := busy(12_000, 4, 2)
	for i := 0; i < len(events); i += 20_000 {
		strip.Add(events[i:min(len(events), i+20_000)])
	}
	last := events[len(events)-1]
	f := strip.Frame(chain.Options{At: moment(last), W: 1000})
	if f.Missing == 0 || f.Height != 12_001 {
		t.Errorf("missing %d, height %d", f.Missing, f.Height)
	}
	strip.Add([]trace.Event{{Seq: last.Seq + 1000, Kind: trace.BlockCut, Node: "o1", Block: 40_000, What: trace.CutByCount, A: 3}})
	f = strip.Frame(chain.Options{At: view.Moment{Seq: last.Seq + 1000}, W: 1000})
	if got := picture(f); got != "#40000 ? ? ? | next" {
		t.Errorf("after a gap: %s", got)
	}
}

// busy makes a trace of blocks with so many transactions, validated by so many peers.
func busy(blocks, txs, peers int) []trace.Event {
	s := &script{}
	for n := 1; n <= blocks; n++ {
		ids := make([]string, txs)
		for i := range ids {
			ids[i] = fmt.Sprintf("%d-%d", n, i)
		}
		s.enqueue("o1", ids...)
		s.add(trace.BlockCut, "o1", uint64(n), "", txs)
		for p := range peers {
			peer := fmt.Sprintf("p%d", p)
			s.add(trace.ValidateFrom, peer, uint64(n), "", txs)
			for _, id := range ids {
				s.add(trace.Verdict, peer, uint64(n), id, "VALID")
			}
			s.add(trace.Committed, peer, uint64(n), "", nil)
		}
	}
	return s.events
}

// BenchmarkAdd is the cost of an event of the kinds that the strip takes.
func BenchmarkAdd(b *testing.B) {
	events := busy(1000, 10, 4)
	for b.Loop() {
		chain.Alone(nil).Add(events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
}

// BenchmarkFrame is a frame at the end of 5000 blocks of 10 transactions.
func BenchmarkFrame(b *testing.B) {
	events := busy(5000, 10, 4)
	strip := chain.Alone(nil)
	strip.Add(events)
	o := chain.Options{At: moment(events[len(events)-1]), W: 1400, H: 124}
	for b.Loop() {
		strip.Frame(o)
	}
}

// BenchmarkValidation is the close-up in a recorded run.
func BenchmarkValidation(b *testing.B) {
	src, events := MustRun(b, "mixed-block")
	strip := chain.Alone(src)
	strip.Add(events)
	at := moment(events[len(events)-1])
	for b.Loop() {
		strip.Validation(at, 7, "")
	}
}

// damaged gives every message with some bytes changed.
type damaged struct {
	view.Source
	rng *rand.Rand
}

func (d damaged) Payload(seq uint64) (string, []byte, bool) {
	name, raw, ok := d.Source.Payload(seq)
	raw = append([]byte(nil), raw...)
	for range d.rng.IntN(6) {
		if len(raw) > 0 {
			raw[d.rng.IntN(len(raw))] ^= byte(1 << d.rng.IntN(8))
		}
	}
	return name, raw[:len(raw)-d.rng.IntN(1+len(raw)/8)], ok
}

// TestDamagedBlocks: blocks that do not decode leave cards without details.
func TestDamagedBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	src, events := MustRun(t, "mixed-block")
	for range 60 {
		strip := chain.Alone(damaged{src, rng})
		strip.Add(events)
		at := moment(events[len(events)-1])
		if f := strip.Frame(chain.Options{At: at, W: 1000}); len(f.Cards) != 8 {
			t.Fatalf("%d cards", len(f.Cards))
		}
		if v := strip.Validation(at, 7, ""); v.Total < 7 || len(v.Cards) == 0 {
			t.Fatalf("%+v", v)
		}
	}
}

// TestLowPanel: a panel that is too low for a title shows its cards in the middle.
func TestLowPanel(t *testing.T) {
	s := &script{}
	s.enqueue("o1", "a")
	f := s.strip().Frame(chain.Options{At: s.end(), W: 400, H: 70})
	if r := f.Next.Rect; !f.Bare || r.Y < 0 || r.Y+r.H > 70 {
		t.Errorf("bare %v, card %+v", f.Bare, r)
	}
}

// TestCutNumbers: a leader counts on a number that its batch does not get, because the one
// before it made no block. The written block says which batch it was.
func TestCutNumbers(t *testing.T) {
	s := &script{}
	s.add(trace.RaftRole, "o1", 2, "", trace.Leader)
	batch := func(kind trace.Kind, block uint64, number int64) {
		s.add(kind, "o1", block, "", 1)
		e := &s.events[len(s.events)-1]
		e.B, e.C = number, 77
	}
	s.enqueue("o1", "a")
	batch(trace.BlockCut, 5, 1)
	s.enqueue("o1", "b")
	batch(trace.BlockCut, 6, 2)
	if got := picture(s.strip().Frame(chain.Options{At: s.end(), W: 1000})); got != "#5 a? | #6 b? | next" {
		t.Error(got)
	}
	batch(trace.BlockWritten, 5, 2)
	f := s.strip().Frame(chain.Options{At: s.end(), W: 1000})
	if got := picture(f); !strings.HasPrefix(got, "#5 b?") {
		t.Error(got)
	}
}
