package facts_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

var spanNames = map[facts.SpanKind]string{facts.Propose: "propose", facts.Await: "await", facts.Simulate: "simulate", facts.Call: "call", facts.Order: "order",
	facts.Validate: "validate", facts.Build: "build", facts.Launch: "launch", facts.Down: "down", facts.Sync: "sync"}

// spansOf lists what events do to spans, "alice propose t +" and so on.
func spansOf(events ...trace.Event) []string {
	w := facts.New(nil, 0)
	var out []string
	for i := range events {
		events[i].Seq, events[i].Time = uint64(i+1), 1_795_000_000_000_000_000+int64(i)*1e6
	}
	w.Add(events, func(e *facts.Step, _ bool) {
		for _, s := range e.Spans {
			what := w.Name(s.Node) + " " + spanNames[s.Kind]
			if tx := w.Messages().TxID(s.Tx); tx != "" {
				what += " " + tx
			}
			if s.Block != 0 {
				what += fmt.Sprintf(" #%d", s.Block-1)
			}
			out = append(out, what+" "+[]string{"+", "writes", "-", "fails", "was"}[s.Change])
		}
	})
	return out
}

func TestSpans(t *testing.T) {
	const code = "basic_1.0@" + peer0
	message := func(kind trace.Kind, dir trace.Dir, node, other string, what trace.What, status int64) trace.Event {
		return trace.Event{Kind: kind, Dir: dir, Node: node, Other: other, TxID: "t", What: what, A: status}
	}
	at := func(kind trace.Kind, node string, what trace.What) trace.Event {
		return trace.Event{Kind: kind, Node: node, TxID: "t", What: what}
	}
	submitted, seen := at(trace.Submitted, "alice", trace.Told), at(trace.CommitSeen, "alice", trace.Valid)
	for name, c := range map[string]struct {
		events []trace.Event
		want   []string
	}{
		"a client waits for endorsers, then for the verdict": {
			[]trace.Event{message(trace.Proposal, trace.Sent, "alice", peer0, trace.Told, 0), submitted, seen},
			[]string{"alice propose t +", "alice propose t -", "alice await t +", "alice await t -"},
		},
		"results that differ": {
			[]trace.Event{message(trace.Proposal, trace.Sent, "alice", peer0, trace.Told, 0), at(trace.Compared, "alice", trace.Differs)},
			[]string{"alice propose t +", "alice propose t fails"},
		},
		"an answer that is lost": {
			[]trace.Event{message(trace.Proposal, trace.Sent, "alice", peer0, trace.Told, 0), message(trace.ProposalResponse, trace.Lost, "alice", peer0, trace.LostGone, 0)},
			[]string{"alice propose t +", "alice propose t -"},
		},
		"an invalid transaction": {
			[]trace.Event{submitted, at(trace.CommitSeen, "alice", trace.Invalid)},
			[]string{"alice await t +", "alice await t fails"},
		},
		"no leader: the client tries again": {
			[]trace.Event{submitted, message(trace.Broadcast, trace.Sent, "alice", lead, trace.Told, 0),
				message(trace.BroadcastAnswer, trace.Received, "alice", lead, trace.Rejected, 503), message(trace.Broadcast, trace.Sent, "alice", lead, trace.Told, 0),
				message(trace.BroadcastAnswer, trace.Received, "alice", lead, trace.Accepted, 200), seen},
			[]string{"alice await t +", "alice await t -"},
		},
		"refused for good": {
			[]trace.Event{submitted, message(trace.Broadcast, trace.Sent, "alice", lead, trace.Told, 0), message(trace.BroadcastAnswer, trace.Received, "alice", lead, trace.Rejected, 403)},
			[]string{"alice await t +", "alice await t fails"},
		},
		"a gateway peer asks and submits for its client": {
			[]trace.Event{at(trace.NodeReady, peer0, trace.IsPeer), message(trace.GatewayCall, trace.Sent, "alice", peer0, trace.Told, 0),
				message(trace.Proposal, trace.Sent, peer0, "peer0.org2.example.com", trace.Told, 0), at(trace.Compared, peer0, trace.Equal),
				message(trace.GatewayAnswer, trace.Received, "alice", peer0, trace.Accepted, 0), submitted, message(trace.GatewayCall, trace.Sent, "alice", peer0, trace.Told, 0),
				at(trace.Submitted, peer0, trace.Told), seen},
			[]string{"alice propose t +", "alice propose t -", "alice await t +", "alice await t -"},
		},
		"a client from outside is known by what arrives": {
			[]trace.Event{message(trace.Proposal, trace.Received, peer0, "app", trace.Told, 0), message(trace.ProposalResponse, trace.Sent, peer0, "app", trace.Accepted, 200)},
			[]string{"app propose t +", "app propose t -"},
		},
		"a call that writes, inside a simulation": {
			[]trace.Event{at(trace.SimulateStart, peer0, trace.Told), message(trace.ChaincodeTransaction, trace.Sent, peer0, code, trace.Told, 0),
				message(trace.ChaincodePutState, trace.Received, peer0, code, trace.Told, 0), message(trace.ChaincodeCompleted, trace.Received, peer0, code, trace.Rejected, 500),
				at(trace.SimulateEnd, peer0, trace.Rejected)},
			[]string{peer0 + " simulate t +", code + " call t +", code + " call t writes", code + " call t fails", peer0 + " simulate t fails"},
		},
		"a killed peer": {
			[]trace.Event{at(trace.SimulateStart, peer0, trace.Told), at(trace.NodeKilled, peer0, trace.IsPeer), at(trace.NodeReady, peer0, trace.IsPeer)},
			[]string{peer0 + " simulate t +", peer0 + " simulate t fails", peer0 + " down +", peer0 + " down -"},
		},
		"a wait for the disk": {
			[]trace.Event{{Kind: trace.NodeReady, Node: peer0, What: trace.IsPeer}, {Kind: trace.DiskSync, Node: peer0, What: trace.SyncLog, A: 5e6, B: 4096, C: 1}, {Kind: trace.DiskSync, Node: peer0}},
			[]string{peer0 + " sync was"},
		},
		"a block is validated": {
			[]trace.Event{{Kind: trace.ValidateFrom, Node: peer0, Block: 4}, {Kind: trace.Committed, Node: peer0, Block: 4}},
			[]string{peer0 + " validate #4 +", peer0 + " validate #4 -"},
		},
		"the written block names its batch": {
			[]trace.Event{{Kind: trace.Enqueued, Node: lead}, {Kind: trace.BlockCut, Node: lead, Block: 8, What: trace.CutIdle, B: 1, C: 9},
				{Kind: trace.BlockWritten, Node: "orderer2.example.com", Block: 7, What: trace.Told, B: 1, C: 9}, {Kind: trace.BlockWritten, Node: lead, Block: 7, What: trace.Told, B: 1, C: 9}},
			[]string{lead + " order +", lead + " order #7 -"},
		},
		"an old file does not say what became of a batch": {
			[]trace.Event{{Kind: trace.Enqueued, Node: lead}, {Kind: trace.BlockCut, Node: lead, Block: 8}, {Kind: trace.BlockWritten, Node: lead, Block: 7}},
			[]string{lead + " order +", lead + " order -"},
		},
		"a deposed leader's batches": {
			[]trace.Event{{Kind: trace.Enqueued, Node: lead}, {Kind: trace.RaftRole, Node: lead, What: trace.Follower, A: 3}},
			[]string{lead + " order +", lead + " order fails"},
		},
		"a container is built, started and ends": {
			[]trace.Event{{Kind: trace.BuildStart, Node: peer0, Other: code}, {Kind: trace.BuildEnd, Node: peer0, Other: code, What: trace.StepDone}, {Kind: trace.LaunchStart, Node: peer0, Other: code},
				{Kind: trace.LaunchEnd, Node: peer0, Other: code, What: trace.Failed}, {Kind: trace.ChaincodeExit, Node: peer0, Other: code, What: trace.CodeEnded}},
			[]string{code + " build +", code + " build -", code + " launch +", code + " launch fails", code + " down +"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := spansOf(c.events...); !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestSpansSayWhatStatesSay compares, after every event of the recorded runs, the spans that
// are open with the state.
func TestSpansSayWhatStatesSay(t *testing.T) {
	runs, err := filepath.Glob("../testdata/*.fscope")
	if err != nil || len(runs) == 0 {
		t.Fatalf("no recorded runs: %v", err)
	}
	for _, path := range runs {
		run, err := runfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		w, open := facts.New(nil, 0), map[string]int{}
		for cursor := uint64(0); ; {
			events, next, _ := run.Since(cursor, 10_000)
			if len(events) == 0 {
				break
			}
			w.Add(events, func(e *facts.Step, _ bool) {
				for _, s := range e.Spans {
					key := fmt.Sprint(s.Kind, " ", s.Node)
					switch s.Change {
					case facts.SpanBegins:
						open[key]++
					case facts.SpanEnds, facts.SpanFails:
						open[key]--
					}
				}
				compareSpans(t, path, w, e, open)
			})
			cursor = next
		}
	}
}

func compareSpans(t *testing.T, path string, w *facts.World, e *facts.Step, open map[string]int) {
	is := func(kind facts.SpanKind, node int32, want int, what string) {
		if got := open[fmt.Sprint(kind, " ", node)]; got != want {
			t.Fatalf("%s, event %d (%s): %s has %d spans of kind %d open, the state says %d %s", path, e.Seq, e.Kind, w.Name(node), got, kind, want, what)
		}
	}
	for i := range w.Now().Nodes {
		n, id := &w.Now().Nodes[i], int32(i)
		switch w.Nodes[i].Being {
		case facts.Peer:
			is(facts.Simulate, id, len(n.Sims), "simulations")
			checking := 0
			if n.Validating {
				checking = 1
			}
			is(facts.Validate, id, checking, "validations")
			for _, c := range n.Docked {
				if c.Node >= 0 {
					is(facts.Call, c.Node, len(c.Lanes), "calls")
				}
			}
		case facts.Client:
			asking := 0
			for _, o := range n.Open {
				if !o.Submitted {
					asking++
				}
			}
			if !w.Nodes[i].Admin() { // what it sends for ordering is not submitted first
				is(facts.Propose, id, asking, "questions")
				is(facts.Await, id, len(n.Open)-asking+len(n.Refused), "sent transactions")
			}
		}
	}
}
