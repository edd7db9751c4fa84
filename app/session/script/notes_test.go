package script_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

func call(args ...string) []script.Call {
	return []script.Call{{Identity: "alice", Call: network.Call{Chaincode: "basic", Function: "Set", Args: args,
		Transient: map[string][]byte{"b": []byte("\x00\""), "a": []byte("ä")}}}}
}

// What was done becomes a scenario that can run: calls that overlap are begun and waited
// for, what failed is a comment, and what stands in the way at the end is taken away.
func TestNotes(t *testing.T) {
	var held []link.HeldMessage
	n := script.Notes{Held: func() []link.HeldMessage { return held }}
	topology, err := network.ParseTopology("mine.yaml", []byte("name: \"my \\\"net\\\"\"\norganizations: [{name: Org1, peers: 1}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	n.Start(topology)
	h := n.Hold(link.Filter{Kind: trace.Broadcast, Node: "alice", Count: 2})
	late := n.Begin(call("k"), false)
	held = []link.HeldMessage{{ID: 7, Event: trace.Event{Kind: trace.Broadcast, Node: "alice", Other: "orderer.example.com"}}}
	query := n.Begin(call(), true)
	n.End(query, []script.Result{{Valid: true}})
	n.Release(7)
	n.End(late, []script.Result{{Valid: true, Code: "VALID"}})
	n.Unhold(h.Hold, "")
	n.Step(script.Do("kill", "peer0.org1")).Fail(errors.New("no such\nnode"))
	n.Step(script.Link("alice", "Org1", link.Shape{Latency: 5e6, Loss: 0.25, Cut: true}))
	n.Step(script.Switch("lie", false, "peer0.org1"))
	both := n.Begin(append(call("x"), call("y")...), false)
	n.End(both, []script.Result{{Code: "VALID", Valid: true}, {Code: "MVCC_READ_CONFLICT"}})
	n.Hold(link.Filter{Kind: trace.Proposal})
	n.Begin(call("never"), false)

	text := n.Text("my net")
	if err := scenario.Check("notes.star", []byte(text)); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	from := 0
	for _, part := range []string{`"name": "my \"net\""`, `h1 = hold("broadcast", node = "alice", count = 2)`,
		`t1 = begin("alice", "basic", "Set", "k", transient = {"a": "ä", "b": "\x00\""})`, "wait_held(1)", `r2 = evaluate("alice", "basic", "Set"`,
		`expect(r2.ok`, "release([m for m in wait_held(1)", "r1 = wait(t1)", `expect(r1.code == "VALID"`, "unhold(h1)",
		`# kill("peer0.org1") failed: no such node`, `link("alice", "Org1", latency = "5ms", loss = 0.25, cut = True)`, `lie("peer0.org1", on = False)`,
		"t3 = [", `== ["MVCC_READ_CONFLICT", "VALID"]`, `h2 = hold("proposal")`, "unhold(h2)\nheal()", "outcome of t4", "expect(settle()"} {
		i := strings.Index(text[from:], part)
		if i < 0 {
			t.Fatalf("%s is not there, or not in its place:\n%s", part, text)
		}
		from += i
	}
}

// While noting is off nothing is written, and what ends then leaves no half.
func TestNotesOff(t *testing.T) {
	n := script.Notes{Held: func() []link.HeldMessage { return nil }}
	n.Follow("network()\n")
	n.Switch(false)
	h := n.Hold(link.Filter{Kind: trace.Broadcast})
	c := n.Begin(call("k"), false)
	n.Switch(true)
	n.End(c, []script.Result{{Valid: true, Code: "VALID"}})
	n.Unhold(h.Hold, "")
	n.Unhold(0, "a proposal")
	if text := n.Text(""); strings.Contains(text, "unhold(") || strings.Contains(text, "wait(") || !strings.Contains(text, "hold of a proposal") || !n.On() {
		t.Error(text)
	}
}
