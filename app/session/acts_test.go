package session_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// A person submits, asks, and races two transactions; the session says what came of it.
func TestAct(t *testing.T) {
	var steps []string
	s := mustStart(t, strings.Replace(small, "cut: idle", "batchTimeout: 200ms", 1), session.StartOptions{Progress: func(p network.Step) { steps = append(steps, p.Name) }})
	mustContain(t, strings.Join(steps, "\n"), "authorities and identities", "nodes", "channel mychannel", "election of a Raft leader", "chaincode basic: install")
	s.until("the playhead is at the end", func() bool { return s.Playhead.At == s.Axis.End() && s.Behind() == 0 })
	if got := s.Peers(); !slices.Equal(got, []string{"peer0.org1.example.com", "peer0.org2.example.com"}) {
		t.Errorf("peers %v", got)
	}
	if n, ok := s.Node("orderer.example.com"); !ok || !n.Leader {
		t.Errorf("it does not lead: %+v", n)
	}
	cc := s.Chaincodes.List()
	if len(cc) != 1 || cc[0].Name != "basic" || cc[0].Sample != "asset" || len(cc[0].Running) != 2 || len(cc[0].Packages) != 1 {
		t.Errorf("chaincodes %+v", cc)
	}
	f := s.Functions("basic")
	if !slices.ContainsFunc(f, func(f session.Function) bool { return f.Name == "ReadAsset" && f.ReadOnly && len(f.Args) == 1 }) {
		t.Errorf("functions %+v", f)
	}
	mustContain(t, strings.Join(s.Identities(), " "), "alice", "bob", "User1@Org1", "Admin@Org2")

	o := s.mustEvaluate(call("bob", "ReadAsset", "asset1"))
	mustContain(t, o.Text, "asset1", "Nothing was ordered")
	mustContain(t, string(o.Payload), `"Owner"`)
	o = s.mustSubmit(call("alice", "TransferAsset", "asset1", "carol"))
	if !o.Valid || o.Code != "VALID" || o.Block == 0 || o.TxID == "" || o.Took <= 0 {
		t.Errorf("outcome %+v", o)
	}
	o = s.mustSubmit(call("alice", "TransferAsset", "no-such-asset", "carol"))
	if o.Valid || o.Code != "" || o.Err == nil {
		t.Errorf("outcome %+v", o)
	}
	mustContain(t, o.Text, "no-such-asset")

	var both []session.Outcome
	s.SubmitTogether([]session.Call{call("alice", "TransferAsset", "asset2", "carol"), call("bob", "TransferAsset", "asset2", "dave")},
		func(all []session.Outcome) { both = all })
	s.until("both outcomes", func() bool { return both != nil })
	codes := []string{both[0].Code, both[1].Code}
	slices.Sort(codes)
	if !slices.Equal(codes, []string{"MVCC_READ_CONFLICT", "VALID"}) {
		t.Fatalf("codes %v: %s / %s", codes, both[0].Text, both[1].Text)
	}
	for _, o := range both {
		if !o.Valid {
			mustContain(t, o.Text, "Not valid", "asset2")
			if s.Selection() != (view.Selection{What: view.SelectTx, TxID: o.TxID}) {
				t.Errorf("of two the one that was rejected is not selected, but %+v", s.Selection())
			}
		}
	}
	doc := s.Document()
	if doc == nil || doc != s.Document() {
		t.Error("the document is not kept")
	}
	s.Playhead.Seek(s.Axis.Start())
	n := 0
	for s.StepSelection(1) {
		n++
	}
	if n < 10 {
		t.Errorf("the selected transaction has %d events", n)
	}
	for s.StepSelection(-1) {
		n--
	}
	if n != 1 {
		t.Errorf("%d events more forwards than backwards", n-1)
	}
}

// Nodes fail, messages are held, links are cut; the session knows what is broken.
func TestFaults(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	peer := "peer0.org2.example.com"
	s.must("kill", func(done func(error)) { s.Kill(peer, done) })
	s.until("the peer is down", func() bool { n, _ := s.Node(peer); return !n.Running && n.Killed && n.Org == "Org2" })
	var failed error
	s.Kill(peer, func(err error) { failed = err })
	s.until("a second kill fails", func() bool { return failed != nil })
	mustContain(t, session.Explain(failed).What, peer, "is stopped")
	s.must("restart", func(done func(error)) { s.Restart(peer, done) })
	s.until("the peer is up", func() bool { n, _ := s.Node(peer); return n.Running })

	s.must("lie", func(done func(error)) { s.Lie(peer, true, done) })
	if n, _ := s.Node(peer); !n.Lies {
		t.Error("the peer does not lie")
	}
	o := s.mustSubmit(call("alice", "TransferAsset", "asset1", "carol"))
	mustContain(t, o.Text, "differ")
	s.must("honest", func(done func(error)) { s.Lie(peer, false, done) })

	var hold session.Hold
	s.Hold(link.Filter{Kind: trace.Broadcast, Node: "alice"}, func(h session.Hold, err error) { hold = h })
	s.until("a hold", func() bool { return hold.ID != 0 })
	var late *session.Outcome
	s.Submit(call("alice", "TransferAsset", "asset1", "late"), func(o session.Outcome) { late = &o })
	s.until("a held message", func() bool { return len(s.Held()) == 1 })
	if tx := s.Selection(); tx != (view.Selection{What: view.SelectTx, TxID: s.Held()[0].Event.TxID}) {
		t.Errorf("a transaction was submitted and is held; %+v is selected", tx)
	}
	if what, since := s.LongestWait(); what != "TransferAsset(asset1, late)" || since.IsZero() {
		t.Errorf("what is waited for is %q", what)
	}
	s.Select(view.Selection{What: view.SelectNode, Node: peer})
	if len(s.World.Now().Held) != 1 || len(s.Holds()) != 1 {
		t.Errorf("held %v of %v", s.World.Now().Held, s.Holds())
	}
	mustContain(t, words.English().Hold(s.Holds()[0].Words(view.Names{})), "broadcast", "alice")
	s.must("release", func(done func(error)) { s.Release(s.Held()[0].ID, done) })
	s.until("the outcome", func() bool { return late != nil })
	if !late.Valid {
		t.Error(late.Text)
	}
	if what, _ := s.LongestWait(); what != "" {
		t.Errorf("%q is still waited for", what)
	}
	if s.Selection().Node != peer {
		t.Errorf("an outcome selects %+v", s.Selection())
	}
	s.must("unhold", func(done func(error)) { s.Unhold(hold.ID, done) })
	s.until("nothing is held", func() bool { return len(s.Held()) == 0 })

	s.must("cut", func(done func(error)) { s.Cut("Org1", "Org2", done) })
	if len(s.Links()) != 1 || !s.Links()[0].Shape.Cut {
		t.Errorf("links %v", s.Links())
	}
	s.must("heal", func(done func(error)) { s.Heal(done) })
	s.must("divide", func(done func(error)) { s.Partition([][]string{{"peer0.org1"}, {"peer0.org2", "orderer"}}, done) })
	if l := s.Links(); len(l) != 1 || len(l[0].Groups) != 2 || len(l[0].Groups[1]) != 2 {
		t.Errorf("links %v", l)
	}
	s.must("heal again", func(done func(error)) { s.Heal(done) })
	if len(s.Links()) != 0 {
		t.Errorf("links %v", s.Links())
	}
	s.must("pause", func(done func(error)) { s.Pause(peer, "basic_1.0", true, done) })
	if n, _ := s.Node(peer); !slices.Equal(n.Paused, []string{"basic_1.0"}) {
		t.Errorf("paused %v", n.Paused)
	}
	s.must("go on", func(done func(error)) { s.Pause(peer, "basic_1.0", false, done) })
	s.untilAgreed()
	if o := s.mustSubmit(call("bob", "TransferAsset", "asset1", "dave")); !o.Valid {
		t.Error(o.Text)
	}
}

// The network grows and its chaincode is upgraded while it runs.
func TestGrow(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	var name string
	s.must("add a peer", func(done func(error)) { s.AddPeer("Org1", func(n string, err error) { name = n; done(err) }) })
	s.until("the peer is known", func() bool { return slices.Contains(s.Peers(), name) })
	s.must("add an ordering node", func(done func(error)) { s.AddOrderer(func(n string, err error) { name = n; done(err) }) })
	s.until("the ordering node is known", func() bool { return slices.Contains(s.Orderers(), name) })
	if got := s.Topology().Summary(); !strings.Contains(got, "3 peers, 2 ordering nodes") {
		t.Error(got)
	}
	var steps []string
	s.must("upgrade", func(done func(error)) {
		s.Deploy(network.Chaincode{Name: "basic", Sample: "asset", Version: "2.0"}, func(p network.Step) { steps = append(steps, p.Name) },
			func(d *network.Deployment, err error) {
				if err == nil && d.Sequence != 2 {
					t.Errorf("sequence %d", d.Sequence)
				}
				done(err)
			})
	})
	mustContain(t, strings.Join(steps, " "), "package", "install", "approve", "commit", "launch")
	s.until("version 2.0", func() bool { c := s.Chaincodes.List(); return c[0].Version == "2.0" && c[0].Sequence == 2 })
	if o := s.mustSubmit(call("alice", "TransferAsset", "asset1", "v2")); !o.Valid {
		t.Error(o.Text)
	}
}

// Whatever is tried in a session without a network says why it cannot be done, at once.
func TestNothingIsLive(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{NoDeploy: true})
	if err := s.Net().Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	var got error
	s.Kill("peer0.org1.example.com", func(err error) { got = err })
	if !errors.Is(got, session.ErrStopped) || s.Running() {
		t.Error(got)
	}
	s.Submit(call("alice", "ReadAsset"), func(o session.Outcome) { got = o.Err })
	if !errors.Is(got, session.ErrStopped) {
		t.Error(got)
	}
	if _, err := s.StartLoad(session.LoadOptions{Workload: "create", Clients: 1}, nil); !errors.Is(err, session.ErrStopped) {
		t.Error(err)
	}
}
