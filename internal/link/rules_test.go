package link_test

import (
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Who heals a link can call over it at once, however the link was cut.
func TestHealedLinkWorksAtOnce(t *testing.T) {
	w := MustWorld(t)
	propose := MustProposer(w)
	cut := []link.Rule{{From: "alice", To: peer0, Shape: link.Shape{Cut: true}}}
	for name, c := range map[string]struct{ cut, heal func() error }{
		"link":      {func() error { return w.SetLink("alice", peer0, link.Shape{Cut: true}) }, func() error { return w.SetLink("alice", peer0, link.Shape{}) }},
		"heal":      {func() error { return w.SetLink("alice", peer0, link.Shape{Cut: true}) }, func() error { w.Heal(); return nil }},
		"partition": {func() error { return w.Partition([][]string{{"alice"}, {"peer*"}}) }, func() error { return w.Partition(nil) }},
		"rules":     {func() error { return w.SetRules(cut) }, func() error { return w.SetRules(nil) }},
	} {
		for range 5 {
			if err := propose(t.Context(), "aa"); err != nil {
				t.Fatalf("%s: before: %v", name, err)
			}
			if err := c.cut(); err != nil {
				t.Fatal(err)
			}
			for propose(t.Context(), "bb") == nil { // until the connection is closed
			}
			if err := c.heal(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestSetRulesReplacesAll(t *testing.T) {
	w := MustWorld(t)
	slow := link.Rule{From: "alice", To: "peer*", Shape: link.Shape{Latency: time.Millisecond}}
	dead := link.Rule{From: "orderer", To: peer0, Shape: link.Shape{Cut: true}}
	for _, c := range []struct {
		rules []link.Rule
		want  int
	}{
		{[]link.Rule{slow, dead}, 2},
		{[]link.Rule{dead, {From: peer0, To: "orderer", Shape: link.Shape{Latency: time.Second}}}, 1}, // the later one counts
		{[]link.Rule{slow, {From: slow.From, To: slow.To}}, 0},
		{nil, 0},
	} {
		if err := w.SetRules(c.rules); err != nil {
			t.Fatal(err)
		}
		if got := w.Shapes(); len(got) != c.want {
			t.Errorf("%+v became %+v", c.rules, got)
		}
	}
	if err := w.SetRules([]link.Rule{slow, {From: "a", To: "b", Shape: link.Shape{Loss: 2}}}); err == nil || len(w.Shapes()) != 0 {
		t.Errorf("a wrong rule: %v, and %+v stays", err, w.Shapes())
	}
	gone := w.MustSee(0, func(e *trace.Event) bool {
		return e.Kind == trace.LinkRule && e.Node == "alice" && e.Note == "undisturbed"
	})
	if gone.Other != "peer*" {
		t.Errorf("recorded as %+v", gone)
	}
}

func TestRedial(t *testing.T) {
	w := MustWorld(t)
	addr := MustFreeAddr(t)
	client := peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr}))
	for range 4 { // each failure makes the pause before the next attempt longer
		w.Redial(peer0)
		if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "aa")); err == nil {
			t.Fatal("nobody is there, and answers")
		}
	}
	w.MustServe(w.MustEndpoint(peer0).NewServer(), addr, (&endorser{}).register)
	w.Redial(peer0)
	if _, err := client.ProcessProposal(t.Context(), MustProposal(t, "bb")); err != nil {
		t.Errorf("the node is back: %v", err)
	}
}
