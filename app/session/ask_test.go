package session_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
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
	var got *network.LedgerAnswer
	s.AskLedger(peer, network.LedgerQuery{Namespace: "basic", Prefix: "other1"}, func(a *network.LedgerAnswer, err error) { got = a })
	s.until("an answer", func() bool { return got != nil })
	if len(got.Entries) != 11 {
		t.Errorf("%d entries", len(got.Entries))
	}
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
	var done error
	var steps []string
	started := false
	goroutines := runtime.NumGoroutine()
	opened, err := session.Launch(mustTopology(t, small+"placement: process\n"), session.StartOptions{}, func(err error) { done, started = err, true })
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("the first nodes", func() bool { return len(s.Nodes()) > 0 })
	s.until("the start", func() bool { return started })
	if done != nil {
		t.Fatal(done)
	}
	for _, p := range s.Progress() {
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
	var got *network.LedgerAnswer
	s.AskLedger(peer, network.LedgerQuery{Namespace: "basic", Key: "asset1"}, func(a *network.LedgerAnswer, err error) { got = a })
	s.until("an answer", func() bool { return got != nil })
	if len(got.History) == 0 || got.History[0].Time.After(time.Now().Add(time.Hour)) {
		t.Errorf("history %+v", got)
	}
}

// A network that cannot start says why; nothing is left of it.
func TestLaunchFails(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	var failed error
	topology := mustTopology(t, strings.Replace(small, "sample: asset", "path: /no/such/folder", 1))
	opened, err := session.Launch(topology, session.StartOptions{}, func(err error) { failed = err })
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("the failure", func() bool { return failed != nil })
	trouble := session.Explain(failed)
	mustContain(t, trouble.What+trouble.Remedy, "/no/such/folder")
	if s.Running() || s.Why() == "" {
		t.Error("the network runs")
	}
}
