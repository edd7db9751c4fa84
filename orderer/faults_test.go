package orderer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// oneEach makes a block of every transaction.
var oneEach = channelconfig.Batch{MaxMessageCount: 1, Timeout: time.Second}

// answer sends one envelope and returns the answer.
func (c *cluster) answer(name string, e *commonpb.Envelope) *ordererpb.BroadcastResponse {
	c.t.Helper()
	answers, err := c.broadcast(name, e)
	if err != nil || len(answers) != 1 {
		c.t.Fatalf("%d answers, %v", len(answers), err)
	}
	return answers[0]
}

func TestPartition(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach})
	old := c.leader()
	c.mustOrder(old, c.transaction("before"))
	c.holds(old, 1)
	var others []string
	for _, name := range c.running() {
		if name != old {
			others = append(others, name)
		}
	}
	must(t, c.net.SetRules(link.Rules{Groups: [][]string{{old}, others}}))
	c.until("the lonely leader to step down", func() bool { return c.node(old).Status().Leader == "" })
	var leader string
	c.until("the others to elect a leader", func() bool {
		for _, name := range others {
			if c.node(name).Status().Ready {
				leader = name
			}
		}
		return leader != ""
	})
	if a := c.answer(old, c.transaction("to the minority")); a.Status != commonpb.Status_SERVICE_UNAVAILABLE || a.Info != "no Raft leader" {
		t.Errorf("the minority answers %s %q", a.Status, a.Info)
	}
	c.mustOrder(leader, c.transaction("during"))
	must(t, c.net.SetRules(link.Rules{}))
	c.mustOrder(c.leader(), c.transaction("after"))
	for _, name := range c.running() {
		c.holds(name, 3)
	}
}

// A node that was away for long gets a snapshot and fetches the blocks.
func TestSnapshotAndCatchUp(t *testing.T) {
	const every = 16
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.SnapshotEvery = every }})
	away := c.follower()
	c.mustOrder(away, c.transaction("0"))
	c.holds(away, 1)
	c.stop(away, (*orderer.Node).Kill)
	leader := c.leader()
	const blocks = 100
	for i := 1; i < blocks; i++ {
		c.mustOrder(leader, c.transaction(fmt.Sprint(i)))
	}
	for _, name := range c.running() {
		c.holds(name, blocks)
		c.until("the log to be shortened", func() bool {
			first, last := c.node(name).LogBounds(channel)
			return last-first < 2*every
		})
	}
	first, _ := c.node(leader).LogBounds(channel)
	c.restart(away)
	c.holds(away, blocks)
	if !c.recorded(trace.Progress, away, "caught up") {
		t.Errorf("the leader's log begins at %d, but %s got no snapshot", first, away)
	}
	c.mustOrder(away, c.transaction("again"))
	c.holds(away, blocks+1)
	// And it can lead.
	c.stop(leader, (*orderer.Node).Close)
	c.mustOrder(c.leader(), c.transaction("under another leader"))
	c.holds(away, blocks+2)
}

// recorded tells whether a node recorded an event with this note.
func (c *cluster) recorded(kind trace.Kind, node, note string) bool {
	events, _, _ := c.trace.Since(0, 1<<20)
	for _, e := range events {
		if e.Kind == kind && e.Node == node && strings.Contains(e.Note, note) {
			return true
		}
	}
	return false
}

func TestMembers(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.SnapshotEvery = 16 }})
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	leader := c.leader()
	for i := range 40 {
		c.mustOrder(leader, c.transaction(fmt.Sprint(i)))
	}
	follower := c.follower()
	added := c.open(nodeName(3))
	must(t, added.JoinExisting(c.genesis, c.members(c.running()...)))
	must(t, c.node(follower).AddMember(ctx, c.members(nodeName(3))[0])) // asks the leader
	c.holds(nodeName(3), 40)
	if members := added.Status().Members; len(members) != 4 {
		t.Errorf("the members are %v", members)
	}
	// Two of four are no majority, so the new one counts.
	c.stop(nodeName(1), (*orderer.Node).Close)
	c.mustOrder(nodeName(3), c.transaction("with the new one"))
	// SUCCESS is not durable: a leader that leaves at once may take it along.
	c.holds(nodeName(3), 41)
	// The leader leaves the service.
	leader = c.leader()
	must(t, c.node(leader).RemoveMember(ctx, leader))
	c.stop(leader, (*orderer.Node).Close)
	must(t, c.restart(nodeName(1)).Join(c.genesis, c.members(nodeName(1))))
	next := c.leader()
	if next == leader {
		t.Errorf("%s leads although it was removed", leader)
	}
	c.mustOrder(next, c.transaction("without the old leader"))
	for _, name := range c.running() {
		c.holds(name, 42)
	}
	if members := c.node(next).Status().Members; len(members) != 3 {
		t.Errorf("the members are %v", members)
	}
}

// A member that never answers is not given a vote.
func TestAddingANodeThatIsNotThere(t *testing.T) {
	c := MustCluster(t, setup{nodes: 1, batch: oneEach})
	leader := c.leader()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := c.node(leader).AddMember(ctx, orderer.Member{Name: nodeName(4), Addr: "127.0.0.1:1"})
	if err == nil {
		t.Fatal("a node that is not there was added")
	}
	c.mustOrder(leader, c.transaction("still possible"))
	c.holds(leader, 1)
}

// Raft can refuse writes for ever after an interrupted transfer of leadership.
// Then it is started anew, and another node may lead.
func TestRaftThatRefusesWrites(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.StallLimit = 2 * time.Second }})
	leader := c.leader()
	broken := c.node(leader).Raft(channel)
	orderer.RefuseWrites(broken)
	if err := broken.Apply(nil, 0).Error(); err != raft.ErrLeadershipTransferInProgress {
		t.Fatalf("the fault is not there: %v", err)
	}
	c.mustOrder(leader, c.transaction("lost")) // taken in: no promise
	c.until("Raft to be started anew", func() bool { r := c.node(leader).Raft(channel); return r != nil && r != broken })
	c.mustOrder(c.leader(), c.transaction("goes on"))
	for _, name := range c.running() {
		c.holds(name, 1)
	}
	if !c.recorded(trace.ErrorEvent, leader, "nothing was committed") {
		t.Error("the trace does not say what happened")
	}
}

// A leader whose disk stalls steps down, although its heartbeats would go on.
func TestStalledDisk(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.StallLimit = 2 * time.Second }})
	leader := c.leader()
	c.mustOrder(leader, c.transaction("before"))
	// Another program that keeps the file locked is as good as a disk that hangs.
	db, err := sqlite.Open(orderer.ChannelFile(filepath.Join(c.dir, leader), channel), sqlite.Options{})
	must(t, err)
	defer db.Close()
	stall, err := db.Writer().Begin()
	must(t, err)
	c.mustOrder(leader, c.transaction("stuck")) // taken in: no promise
	var next string
	c.until("another leader", func() bool {
		for _, name := range c.running() {
			if name != leader && c.node(name).Status().Ready {
				next = name
			}
		}
		return next != ""
	})
	c.mustOrder(next, c.transaction("goes on"))
	must(t, stall.Rollback())
	want := len(c.holdsAtLeast(next, "goes on"))
	c.holds(leader, want)
	if !c.recorded(trace.ErrorEvent, leader, "the disk did not answer in time") {
		t.Error("the trace does not say what happened")
	}
}

// An ordering node without others waits for its disk: nobody else could lead, and what it
// has taken in would be lost.
func TestStalledDiskOfASingleNode(t *testing.T) {
	c := MustCluster(t, setup{nodes: 1, batch: oneEach, tune: func(config *orderer.Config) { config.StallLimit = 100 * time.Millisecond }})
	leader := c.leader()
	c.mustOrder(leader, c.transaction("before"))
	db, err := sqlite.Open(orderer.ChannelFile(filepath.Join(c.dir, leader), channel), sqlite.Options{})
	must(t, err)
	defer db.Close()
	stall, err := db.Writer().Begin()
	must(t, err)
	c.mustOrder(leader, c.transaction("stuck"))
	said := func() int {
		n := 0
		events, _, _ := c.trace.Since(0, 1<<20)
		for _, e := range events {
			if e.Kind == trace.ErrorEvent && strings.Contains(e.Note, "the disk did not answer in time") {
				n++
			}
		}
		return n
	}
	c.until("the node to have waited for a while", func() bool { return said() >= 12 }) // longer than Raft's health is waited for
	if s := c.node(leader).Status(); !s.Ready {
		t.Errorf("it does not lead any more: %+v", s)
	}
	must(t, stall.Rollback())
	c.holds(leader, 2)
	if s := c.node(leader).Status(); s.Term != 2 {
		t.Errorf("it leads in term %d", s.Term)
	}
}

// holdsAtLeast waits for a transaction with this text and returns the chain up to it.
func (c *cluster) holdsAtLeast(name, text string) [][]byte {
	c.t.Helper()
	var data [][]byte
	_, err := c.deliver(name, &ordererpb.SeekInfo{Start: position(1), Stop: position(1 << 60)}, func(b *commonpb.Block) bool {
		data = append(data, b.Data.Data...)
		return !strings.Contains(string(b.Data.Data[len(b.Data.Data)-1]), text)
	})
	must(c.t, err)
	return data
}

// Without a leader nothing is accepted, and after a while readers are told.
func TestNoLeader(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.LeaderlessLimit = 100 * time.Millisecond }})
	c.mustOrder(c.leader(), c.transaction("a"))
	left := nodeName(2)
	c.holds(left, 1)
	c.stop(nodeName(0), (*orderer.Node).Kill)
	c.stop(nodeName(1), (*orderer.Node).Kill)
	c.until("the leader's loss to be noticed", func() bool { return c.node(left).Status().Leader == "" })
	if a := c.answer(left, c.transaction("b")); a.Status != commonpb.Status_SERVICE_UNAVAILABLE || a.Info != "no Raft leader" {
		t.Errorf("the answer is %s %q", a.Status, a.Info)
	}
	// A reader who waits for the next block hears of it.
	got, err := c.deliver(left, &ordererpb.SeekInfo{Start: position(1), Stop: position(9)}, func(*commonpb.Block) bool { return true })
	if err != nil || got != commonpb.Status_SERVICE_UNAVAILABLE {
		t.Errorf("the reader got %s, %v", got, err)
	}
	got, err = c.deliver(left, &ordererpb.SeekInfo{Start: position(0), Stop: newest(), ErrorResponse: ordererpb.SeekInfo_BEST_EFFORT}, func(*commonpb.Block) bool { return true })
	if err != nil || got != commonpb.Status_SUCCESS {
		t.Errorf("the undemanding reader got %s, %v", got, err)
	}
	c.restart(nodeName(0))
	c.mustOrder(c.leader(), c.transaction("c"))
	got, err = c.deliver(left, &ordererpb.SeekInfo{Start: position(0), Stop: newest()}, func(*commonpb.Block) bool { return true })
	if err != nil || got != commonpb.Status_SUCCESS {
		t.Errorf("with a leader again the reader got %s, %v", got, err)
	}
}

// While appends are held, a leader takes in what may be on its way and no more;
// nobody mistakes that for a fault, and afterwards everything goes on.
func TestHeldAppends(t *testing.T) {
	const stall = time.Second
	c := MustCluster(t, setup{nodes: 3, batch: oneEach, tune: func(config *orderer.Config) { config.StallLimit = stall }})
	leader := c.leader()
	must(t, c.net.SetHolds([]link.Hold{{ID: 1, Filter: link.Filter{Kind: trace.RaftAppend, Node: leader}}}))
	const sent = 9
	answered := make(chan int, sent)
	done := make(chan error, 1)
	go func() {
		for i := range sent {
			if _, err := c.broadcast(leader, c.transaction(fmt.Sprint(i))); err != nil {
				done <- err
				return
			}
			answered <- i
		}
		done <- nil
	}()
	for range 5 {
		<-answered
	}
	timer := time.NewTimer(3 * stall)
	select {
	case i := <-answered:
		t.Errorf("transaction %d was taken in although 5 blocks are on their way", i)
	case <-timer.C:
	}
	if s := c.node(leader).Status(); !s.Ready {
		t.Errorf("the leader gave up: %+v", s)
	}
	must(t, c.net.SetHolds(nil))
	c.net.ReleaseHold(1)
	must(t, <-done)
	for _, name := range c.running() {
		c.holds(name, sent)
	}
}

func TestConfigUpdate(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: channelconfig.Batch{MaxMessageCount: 4, Timeout: 50 * time.Millisecond}})
	admin := c.orgs["OrdererMSP"].User("Admin@example.com").Signer
	update := func(count uint32, administrators ...wire.Signer) *commonpb.Envelope {
		t.Helper()
		bundle := c.latestBundle(c.leader())
		to := proto.CloneOf(bundle.Config())
		raw, err := proto.Marshal(&ordererpb.BatchSize{MaxMessageCount: count, AbsoluteMaxBytes: 10 << 20, PreferredMaxBytes: 2 << 20})
		must(t, err)
		to.ChannelGroup.Groups["Orderer"].Values["BatchSize"].Value = raw
		u, err := channelconfig.ComputeUpdate(channel, bundle.Config(), to)
		must(t, err)
		e, err := channelconfig.NewUpdateEnvelope(u, admin, administrators...)
		must(t, err)
		return e
	}
	leader, follower := c.leader(), c.follower()

	outsider := c.orgs["Org1MSP"].Admin().Signer
	if a := c.answer(follower, update(2, outsider)); a.Status != commonpb.Status_BAD_REQUEST || !strings.Contains(a.Info, "policy for [Value]  /Channel/Orderer/BatchSize not satisfied: implicit policy evaluation failed") {
		t.Errorf("an update signed by the wrong administrator: %s %q", a.Status, a.Info)
	}
	stale := update(3, admin)
	c.mustOrder(leader, c.transaction("before"))
	c.mustOrder(follower, update(2, admin)) // passed on to the leader
	c.until("the update to be applied", func() bool { return c.latestBundle(leader).Sequence() == 1 })
	if a := c.answer(leader, stale); a.Status != commonpb.Status_BAD_REQUEST || !strings.Contains(a.Info, "attempt to set key [Value]  /Channel/Orderer/BatchSize to version 1, but key is at version 1") {
		t.Errorf("a stale update: %s %q", a.Status, a.Info)
	}
	for i := range 4 {
		c.mustOrder(follower, c.transaction(fmt.Sprint("after ", i)))
	}
	for _, name := range c.running() {
		c.holds(name, 5)
		blocks := c.blocks(name)
		for _, b := range blocks {
			if wire.IsConfigBlock(b) && b.Header.Number > 0 {
				must(t, c.checkConfigBlock(blocks[0], b))
			} else if b.Header.Number > 2 && len(b.Data.Data) > 2 {
				t.Errorf("block %d of %s has %d transactions under the new configuration", b.Header.Number, name, len(b.Data.Data))
			}
		}
	}
	// The new configuration is still the one after a restart.
	c.stop(follower, (*orderer.Node).Close)
	c.restart(follower)
	if sequence := c.latestBundle(follower).Sequence(); sequence != 1 {
		t.Errorf("after a restart the sequence is %d", sequence)
	}
}

// latestBundle is the configuration at the end of a node's chain.
func (c *cluster) latestBundle(name string) *channelconfig.Bundle {
	c.t.Helper()
	blocks := c.blocks(name)
	last, err := wire.LastConfig(blocks[len(blocks)-1])
	must(c.t, err)
	bundle, err := channelconfig.FromBlock(blocks[last], nil)
	must(c.t, err)
	return bundle
}

// checkConfigBlock checks a config block as a peer does.
func (c *cluster) checkConfigBlock(before, b *commonpb.Block) error {
	bundle, err := channelconfig.FromBlock(before, nil)
	if err != nil {
		return err
	}
	_, config, err := channelconfig.ParseBlock(b)
	if err != nil {
		return err
	}
	_, err = bundle.Next(config)
	return err
}

// Only ordering nodes of the channel may speak to Raft, each for itself.
func TestStrangersAreRefused(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3})
	leader := c.leader()
	calls := func(end *link.Endpoint, sender string) error {
		t.Helper()
		conn, err := end.Dial(link.Target{Name: leader, Addr: c.node(leader).Addr()})
		must(t, err)
		defer conn.Close()
		_, err = clusterpb.Invoke[clusterpb.AppendRequest, clusterpb.AppendReply](t.Context(), conn, clusterpb.MethodAppendEntries,
			&clusterpb.AppendRequest{Sender: &clusterpb.Sender{Channel: channel, Protocol: 3, Name: sender, Address: "here:1"}, Term: 1000})
		return err
	}
	roots := c.orgs["OrdererMSP"].TLSRoots()
	peer := c.orgs["Org1MSP"].Node("peer0.org1.example.com")
	spare := c.orgs["OrdererMSP"].Node(nodeName(4)) // of the organisation, but no member
	cases := map[string]error{
		"no certificate":                  calls(c.net.Endpoint("nobody", noCertificate, roots), nodeName(1)),
		"a peer":                          calls(c.net.Endpoint(peer.Name, peer.TLS, roots), peer.Name),
		"a peer in another's name":        calls(c.net.Endpoint(peer.Name, peer.TLS, roots), nodeName(1)),
		"an ordering node that is not in": calls(c.net.Endpoint(spare.Name, spare.TLS, roots), spare.Name),
		"a name of another organisation":  calls(c.net.Endpoint(nodeName(1), c.forged(nodeName(1)), roots), nodeName(1)),
	}
	for name, err := range cases {
		if status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s := c.node(leader).Status(); s.Term > 900 || !s.Ready {
		t.Errorf("a stranger changed the leader's term: %+v", s)
	}
}

// forged is a TLS certificate in an ordering node's name, issued by the
// authority of another organisation that the nodes know.
func (c *cluster) forged(name string) tls.Certificate {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(c.t, err)
	cert, err := c.orgs["Org1MSP"].TLSCA.Issue(msp.CertSpec{CommonName: name, TLS: true}, &key.PublicKey)
	must(c.t, err)
	block, _ := pem.Decode(cert)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}
}

// A node that dies while it joins a channel can join again.
func TestInterruptedJoin(t *testing.T) {
	for name, begin := range map[string]func(*cluster, *store.Store) error{
		"nothing written": func(*cluster, *store.Store) error { return nil },
		"block 0 written": func(c *cluster, s *store.Store) error {
			return s.AppendBlocks([]store.Append{{Block: c.genesis, Config: true, Fetched: true}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := MustCluster(t, setup{nodes: 1})
			path := orderer.ChannelFile(filepath.Join(c.dir, nodeName(1)), channel)
			must(t, os.MkdirAll(filepath.Dir(path), 0o755))
			s, err := store.Open(path, store.Options{})
			must(t, err)
			must(t, begin(c, s))
			must(t, s.Close())
			n := c.open(nodeName(1))
			must(t, n.Join(c.genesis, c.members(nodeName(1)))) // a service of its own
			c.until("the node to lead", func() bool { return n.Status().Ready })
			c.mustOrder(nodeName(1), c.transaction("a"))
			c.holds(nodeName(1), 1)
			c.stop(nodeName(1), (*orderer.Node).Close) // its chain is another one
		})
	}
}

func TestJoinRefused(t *testing.T) {
	c := MustCluster(t, setup{nodes: 1})
	other := proto.CloneOf(c.genesis)
	other.Header.DataHash[0] ^= 1
	if err := c.node(nodeName(0)).Join(other, c.members(nodeName(0))); !errors.Is(err, orderer.ErrExists) {
		t.Errorf("another block 0: %v", err)
	}
	if err := c.node(nodeName(0)).Join(c.genesis, []orderer.Member{{Name: nodeName(1), Addr: "there:1"}}); err == nil {
		t.Error("a founder that is not among the members was accepted")
	}
	if err := c.node(nodeName(0)).Join(&commonpb.Block{}, nil); err == nil {
		t.Error("an empty block was accepted as block 0")
	}
}
