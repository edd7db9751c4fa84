package inspect_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// made is a source of events written by hand.
func made(events ...trace.Event) *memory {
	for i := range events {
		events[i].Seq, events[i].Time = uint64(i+1), int64(i+1)*1_000_000
	}
	return &memory{events: events}
}

func (m *memory) end() view.Moment { return view.Moment{Seq: uint64(len(m.events))} }

// TestPeersPart: one peer's state is another from block 2 on.
func TestPeersPart(t *testing.T) {
	m := made(
		trace.Event{Kind: trace.NodeStart, Node: "p1", What: trace.IsPeer}, trace.Event{Kind: trace.NodeStart, Node: "p2", What: trace.IsPeer},
		trace.Event{Kind: trace.Committed, Node: "p1", Block: 1, Key: "aa"}, trace.Event{Kind: trace.Committed, Node: "p2", Block: 1, Key: "aa"},
		trace.Event{Kind: trace.Committed, Node: "p1", Block: 2, Key: "bb"}, trace.Event{Kind: trace.Committed, Node: "p2", Block: 2, Key: "cc"},
		trace.Event{Kind: trace.Committed, Node: "p1", Block: 3, Key: "dd"})
	d := inspect.Of(inspect.Input{Source: m, At: m.end(), Selection: view.Selection{What: view.SelectPeers}})
	if card := d.Blocks[0]; card.Tone != inspect.Bad || !strings.Contains(card.Text, "from block 2 on the commit hashes differ: p1 with bb; p2 with cc") {
		t.Errorf("%+v", card)
	}
	if d := inspect.Of(inspect.Input{Source: m, At: view.Moment{Seq: 2}, Selection: view.Selection{What: view.SelectPeers}}); !strings.Contains(d.Text(), "have height 0") {
		t.Errorf("before they joined:\n%s", d.Text())
	}
	before := inspect.Of(inspect.Input{Source: m, At: view.Moment{Seq: 4}, Selection: view.Selection{What: view.SelectPeers}})
	if card := before.Blocks[0]; card.Tone != inspect.Good {
		t.Errorf("before that: %+v", card)
	}
}

// TestPeersDisagree: two peers give one transaction different codes.
func TestPeersDisagree(t *testing.T) {
	m := made(
		trace.Event{Kind: trace.Verdict, Node: "p1", Block: 3, TxID: "ab12", Key: "VALID"},
		trace.Event{Kind: trace.Verdict, Node: "p2", Block: 3, TxID: "ab12", Key: "BAD_RWSET", Note: "It cannot be decoded."})
	d := inspect.Of(inspect.Input{Source: m, At: m.end(), Selection: tx("ab12")})
	if s := d.Text(); !strings.Contains(s, "p1 says VALID, p2 says BAD_RWSET.") || !strings.Contains(s, "the others disagree") {
		t.Error(s)
	}
}

// TestUnknown: what the trace does not have is said to be unknown.
func TestUnknown(t *testing.T) {
	m := made(trace.Event{Kind: trace.Say, Note: "hello"})
	for what := view.Nothing; what <= view.SelectPeers; what++ {
		d := inspect.Of(inspect.Input{Source: m, At: m.end(), Selection: view.Selection{What: what, TxID: "ff", Node: "nobody", Other: "no one", Block: 9, Seq: 99, Key: "k"}})
		if d == nil || what != view.Nothing && d.Title == "" {
			t.Errorf("selection %d: %+v", what, d)
		}
	}
	if d := inspect.Of(inspect.Input{}); d == nil || d.Title != "" {
		t.Errorf("nothing at all: %+v", d)
	}
}
