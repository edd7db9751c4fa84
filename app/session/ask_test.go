package session_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// textOf is everything that a document says.
func textOf(d *inspect.Document) string {
	var b strings.Builder
	if d == nil {
		return ""
	}
	fmt.Fprintf(&b, "%+v", d.Blocks)
	return b.String()
}

// What the trace no longer holds is asked of the running peers.
func TestTheNetworkAnswers(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{MaxEvents: 512})
	s.mustSubmit(call("alice", "CreateAsset", "mine", "blue", "5", "alice", "30"))
	s.mustSubmit(call("alice", "TransferAsset", "mine", "carol"))
	for i := range 20 {
		s.mustSubmit(call("alice", "CreateAsset", fmt.Sprint("other", i), "blue", "5", "alice", "30"))
	}
	peer := "peer0.org1.example.com"
	s.Select(view.Selection{What: view.SelectLedger, Node: peer})
	s.until("the state", func() bool { return strings.Contains(textOf(s.Document()), "other19") })
	s.Search("mine")
	s.until("what was looked for", func() bool {
		text := textOf(s.Document())
		return strings.Contains(text, "carol") && !strings.Contains(text, "other19")
	})
	s.Search("")
	s.Select(view.Selection{What: view.SelectKey, Namespace: "basic", Key: "mine"})
	s.until("the history", func() bool { return strings.Contains(textOf(s.Document()), "carol") })
	s.Select(view.Selection{What: view.SelectNode, Node: peer})
	s.until("the node's address", func() bool { return strings.Contains(textOf(s.Document()), "127.0.0.1:") })
	s.Select(view.Selection{What: view.SelectPeers})
	s.until("the digests over the state", func() bool { return strings.Contains(textOf(s.Document()), "state of peer0.org1") })
}

// A network that goes on has a past which its trace does not know.
func TestGoesOn(t *testing.T) {
	o := session.StartOptions{Dir: filepath.Join(t.TempDir(), "net")}
	s, err := session.Start(context.Background(), mustTopology(t, small), o)
	if err != nil {
		t.Fatal(err)
	}
	d := &driven{s, t}
	d.mustSubmit(call("alice", "CreateAsset", "past", "blue", "5", "alice", "30"))
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	d = mustStart(t, small, o)
	d.Select(view.Selection{What: view.SelectLedger, Node: "peer0.org1.example.com"})
	d.until("the state of before", func() bool { return strings.Contains(textOf(d.Document()), "past") })
}

// Nodes that are processes of their own can be acted on in the same way.
func TestProcesses(t *testing.T) {
	s := mustStart(t, small+"placement: process\n", session.StartOptions{})
	var steps []string
	for _, p := range s.World.Now().Steps {
		steps = append(steps, p.Name)
	}
	mustContain(t, strings.Join(steps, " "), "nodes", "chaincode basic: launch")
	peer := "peer0.org2.example.com"
	s.must("kill", func(done func(error)) { s.Kill(peer, done) })
	s.until("the peer is down", func() bool { n, _ := s.Node(peer); return !n.Running })
	s.must("restart", func(done func(error)) { s.Restart(peer, done) })
	if o := s.mustSubmit(call("alice", "TransferAsset", "asset1", "carol")); !o.Valid {
		t.Error(o.Text)
	}
	got, err := s.Net().Nodes.Ledger(t.Context(), peer, network.LedgerQuery{Namespace: "basic", Key: "asset1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.History) == 0 || got.History[0].Time.After(time.Now().Add(time.Hour)) {
		t.Errorf("history %+v", got)
	}
	s.must("lie", func(done func(error)) { s.Lie(peer, true, done) })
	s.until("the lie is listed", func() bool { n, _ := s.Node(peer); return n.Lies })
	s.must("cut", func(done func(error)) { s.Cut("alice", peer, done) })
	s.until("the link is listed", func() bool { return len(s.Links()) > 0 })
	if l := s.Links(); len(l) != 1 || !l[0].Shape.Cut {
		t.Errorf("links %+v", l)
	}
	s.Hold(link.Filter{Kind: trace.Forward, Count: 1}, nil)
	s.Hold(link.Filter{Kind: trace.RaftHeartbeat}, nil)
	s.until("the holds are listed", func() bool { return len(s.Holds()) >= 2 })
	if h := s.Holds(); len(h) != 2 {
		t.Errorf("with many processes a hold is listed more than once: %+v", h)
	}
}

// A network that cannot start says why; nothing is left of it.
func TestStartFails(t *testing.T) {
	topology := mustTopology(t, strings.Replace(small, "sample: asset", "path: /no/such/folder", 1))
	_, err := session.Start(t.Context(), topology, session.StartOptions{})
	if err == nil {
		t.Fatal("it runs")
	}
	trouble := session.Explain(err)
	mustContain(t, trouble.What+trouble.Remedy, "/no/such/folder")
}
