package link_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/link"
)

// Who heals a link can call over it at once, however the link was cut.
func TestHealedLinkWorksAtOnce(t *testing.T) { inBothWays(t, testHealedLinkWorksAtOnce) }

func testHealedLinkWorksAtOnce(t *testing.T, w *world) {
	propose := MustProposer(w)
	for name, cut := range map[string]link.Rules{
		"link":      {Links: []link.Rule{{From: "alice", To: peer0, Shape: link.Shape{Cut: true}}}},
		"partition": {Groups: [][]string{{"alice"}, {"peer*"}}},
	} {
		for range 5 {
			if err := propose(t.Context(), "aa"); err != nil {
				t.Fatalf("%s: before: %v", name, err)
			}
			if err := w.SetRules(cut); err != nil {
				t.Fatal(err)
			}
			for propose(t.Context(), "bb") == nil { // until the connection is closed
			}
			if err := w.SetRules(link.Rules{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestRulesReplaceEachOther(t *testing.T) {
	slow := link.Rule{From: "alice", To: "peer*", Shape: link.Shape{Latency: time.Millisecond}}
	dead := link.Rule{From: "orderer", To: peer0, Shape: link.Shape{Cut: true}}
	back := link.Rule{From: peer0, To: "orderer", Shape: link.Shape{Latency: time.Second}}
	oneWay := link.Rule{From: peer0, To: "orderer", Shape: link.Shape{Cut: true, OneWay: true}}
	for _, c := range []struct {
		put  []link.Rule
		want []link.Rule
	}{
		{[]link.Rule{slow, dead}, []link.Rule{slow, dead}},
		{[]link.Rule{dead, back}, []link.Rule{back}}, // the later one counts, either way round
		{[]link.Rule{dead, oneWay}, []link.Rule{dead, oneWay}},
		{[]link.Rule{slow, {From: slow.From, To: slow.To}}, nil},
	} {
		var rules link.Rules
		for _, r := range c.put {
			rules.Put(r)
		}
		if !slices.Equal(rules.Links, c.want) {
			t.Errorf("%+v became %+v", c.put, rules.Links)
		}
	}
}

func TestRedial(t *testing.T) { inBothWays(t, testRedial) }

func testRedial(t *testing.T, w *world) {
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

// Links are cut and healed while connections over them are being made: a client that
// starts meanwhile is refused until the link is whole again.
func TestHealWhileConnecting(t *testing.T) { inBothWays(t, testHealWhileConnecting) }

func testHealWhileConnecting(t *testing.T, w *world) {
	cut := link.Rules{Links: []link.Rule{{From: "*", To: peer0, Shape: link.Shape{Cut: true}}}}
	var parts sync.WaitGroup
	parts.Go(func() {
		for range 40 { // and ends with the link healed
			for _, rules := range []link.Rules{cut, {}} {
				if err := w.SetRules(rules); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 4 {
		parts.Go(func() {
			for range 5 {
				propose := MustProposer(w)
				for propose(t.Context(), "aa") != nil && !t.Failed() {
				}
			}
		})
	}
	parts.Wait()
}
