package orderer_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer"
)

// A new network has a leader at once: nobody waits for the timer of an election, which
// never ends here.
func TestFirstLeader(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, tune: func(config *orderer.Config) { config.Heartbeat = time.Hour }})
	leader := c.leader()
	if leader != nodeName(0) {
		t.Errorf("%s leads, want the first member", leader)
	}
	c.mustOrder(leader, c.transaction("first"))
	c.holds(leader, 1)
}

func TestSingleNode(t *testing.T) {
	c := MustCluster(t, setup{nodes: 1})
	c.mustOrder(c.leader(), c.transaction("a"), c.transaction("b"))
	c.holds(nodeName(0), 2)
}

// A thousand transactions through three nodes at once: each is ordered exactly
// once, and everywhere in the same order.
func TestOrderFromAllNodes(t *testing.T) {
	const senders, each = 12, 84
	c := MustCluster(t, setup{nodes: 3})
	c.leader()
	sent := make(map[string]bool)
	var group sync.WaitGroup
	for s := range senders {
		var mine []*commonpb.Envelope
		for i := range each {
			e := c.transaction(fmt.Sprintf("sender %d, transaction %d", s, i))
			raw, err := proto.Marshal(e)
			must(t, err)
			sent[string(raw)] = true
			mine = append(mine, e)
		}
		group.Go(func() {
			answers, err := c.broadcast(nodeName(s%3), mine...)
			if err != nil || len(answers) != each || answers[each-1].Status != commonpb.Status_SUCCESS {
				t.Errorf("sender %d: %d answers, %v, %v", s, len(answers), answers, err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for i := range 3 {
		seen := map[string]bool{}
		for _, raw := range c.holds(nodeName(i), senders*each) {
			if !sent[string(raw)] || seen[string(raw)] {
				t.Fatalf("%s holds something that was not sent, or twice", nodeName(i))
			}
			seen[string(raw)] = true
		}
	}
	// Each block is within the limits and signed so that peers accept it.
	bundle, err := channelconfig.FromBlock(c.genesis, nil)
	must(t, err)
	for i := range 3 {
		for _, b := range c.blocks(nodeName(i))[1:] {
			if len(b.Data.Data) > 20 {
				t.Errorf("block %d has %d transactions", b.Header.Number, len(b.Data.Data))
			}
			checkSignature(t, bundle, b, nodeName(i))
		}
	}
}

// checkSignature checks a block's signature as a peer does, and whose it is.
func checkSignature(t *testing.T, bundle *channelconfig.Bundle, b *commonpb.Block, node string) {
	t.Helper()
	var m commonpb.Metadata
	must(t, proto.Unmarshal(b.Metadata.Metadata[commonpb.BlockMetadataIndex_SIGNATURES], &m))
	if len(m.Signatures) != 1 {
		t.Fatalf("block %d has %d signatures", b.Header.Number, len(m.Signatures))
	}
	var header commonpb.SignatureHeader
	must(t, proto.Unmarshal(m.Signatures[0].SignatureHeader, &header))
	data := bytes.Join([][]byte{m.Value, m.Signatures[0].SignatureHeader, wire.HeaderBytes(b.Header)}, nil)
	must(t, bundle.Check(channelconfig.PathBlockValidation, policy.Signed{Data: data, Identity: header.Creator, Signature: m.Signatures[0].Signature}))
	id, err := bundle.MSPs().Identity(header.Creator)
	must(t, err)
	if id.Name() != node {
		t.Errorf("block %d of %s is signed by %s", b.Header.Number, node, id.Name())
	}
}

// What is refused is refused by every node with the same words, and ends the stream.
func TestRefusals(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3, batch: channelconfig.Batch{MaxMessageCount: 5, AbsoluteMaxBytes: 60_000, PreferredMaxBytes: 30_000, Timeout: 30 * time.Millisecond}})
	c.leader()
	good := c.transaction("good")
	forged := proto.CloneOf(good)
	forged.Signature[len(forged.Signature)-1] ^= 1
	peer := c.orgs["Org1MSP"].Node("peer0.org1.example.com").Signer
	cases := []struct {
		name     string
		envelope *commonpb.Envelope
		status   commonpb.Status
	}{
		{"empty", &commonpb.Envelope{}, commonpb.Status_BAD_REQUEST},
		{"forged", forged, commonpb.Status_FORBIDDEN},
		{"config", envelopeOfType(t, peer, commonpb.HeaderType_CONFIG, nil), commonpb.Status_BAD_REQUEST},
		{"sender is a peer", envelopeOfType(t, peer, commonpb.HeaderType_ENDORSER_TRANSACTION, nil), commonpb.Status_FORBIDDEN},
		{"too large", c.transaction(string(make([]byte, 60_000))), commonpb.Status_BAD_REQUEST},
	}
	for _, bad := range cases {
		var info string
		for i := range 3 {
			answers, err := c.broadcast(nodeName(i), good, bad.envelope, good)
			if err != nil || len(answers) != 2 || answers[1].Status != bad.status || answers[1].Info == "" || (i > 0 && answers[1].Info != info) {
				t.Errorf("%s at %s: %v, %v", bad.name, nodeName(i), answers, err)
				continue
			}
			info = answers[1].Info
		}
	}
	c.holds(c.leader(), 3*len(cases)) // the same envelope as often as it was sent
}

// In idle and in quiet mode a transaction does not wait for the batch timeout.
func TestCutWithoutTimeout(t *testing.T) {
	for _, cut := range []string{orderer.CutIdle, orderer.CutQuiet} {
		t.Run(cut, func(t *testing.T) {
			c := MustCluster(t, setup{nodes: 3, batch: channelconfig.Batch{MaxMessageCount: 500, Timeout: time.Hour},
				tune: func(config *orderer.Config) { config.Cut = cut }})
			leader := c.leader()
			began := time.Now()
			const rounds = 20
			for i := range rounds {
				c.mustOrder(leader, c.transaction(fmt.Sprint(i)))
				c.holds(c.follower(), i+1)
			}
			t.Logf("%s from broadcast to a follower's block", time.Since(began)/rounds)
		})
	}
}

// The same chain goes on after all nodes were closed, in another order, on other ports.
func TestRestartAll(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3})
	leader := c.leader()
	c.mustOrder(leader, c.transaction("before"))
	for i := range 3 {
		c.holds(nodeName(i), 1)
	}
	before := c.blocks(leader)
	for i := range 3 {
		c.stop(nodeName(i), (*orderer.Node).Close)
	}
	for _, i := range []int{2, 0, 1} {
		c.open(nodeName(i))
	}
	all := c.members(c.running()...)
	for i := range 3 {
		must(t, c.node(nodeName(i)).Join(c.genesis, all)) // as often as one likes
	}
	opened := time.Now()
	c.leader()
	t.Logf("a leader after %s", time.Since(opened))
	c.mustOrder(c.leader(), c.transaction("after"))
	for i := range 3 {
		c.holds(nodeName(i), 2)
	}
	after := c.blocks(leader)
	for i, b := range before {
		if !proto.Equal(b, after[i]) {
			t.Errorf("block %d changed", i)
		}
	}
}

// With the leader gone in mid-flow, senders go on with another node; what they
// were told is at worst lost before its block; only what was sent again can be doubled.
func TestLeaderDiesInMidFlow(t *testing.T) {
	for name, stop := range map[string]func(*orderer.Node) error{"closed": (*orderer.Node).Close, "killed": (*orderer.Node).Kill} {
		t.Run(name, func(t *testing.T) {
			c := MustCluster(t, setup{nodes: 3})
			first := c.leader()
			var group sync.WaitGroup
			half := make(chan struct{}, 100)
			var mu sync.Mutex
			tries := map[string]int{} // by envelope: how often a node may have taken it
			const senders, each = 4, 60
			for s := range senders {
				var mine []*commonpb.Envelope
				for i := range each {
					e := c.transaction(fmt.Sprintf("sender %d, transaction %d", s, i))
					mine = append(mine, e)
				}
				group.Go(func() {
					for i, e := range mine {
						if i == each/2 {
							half <- struct{}{}
						}
						raw, err := proto.Marshal(e)
						if err != nil {
							t.Error(err)
							return
						}
						n := c.persist(s, e)
						mu.Lock()
						tries[string(raw)] = n
						mu.Unlock()
					}
				})
			}
			<-half
			c.stop(first, stop)
			group.Wait()
			second := c.leader()
			if second == first {
				t.Fatalf("%s leads although it is gone", first)
			}
			c.mustOrder(second, c.transaction("last"))
			seen := map[string]int{}
			for _, b := range c.blocks(second)[1:] {
				for _, raw := range b.Data.Data {
					seen[string(raw)]++
				}
			}
			for raw, n := range seen {
				if n > max(1, tries[raw]) {
					t.Errorf("a transaction that was sent %d times is in the chain %d times", tries[raw], n)
				}
			}
			t.Logf("%d of %d transactions are in the chain", len(seen), senders*each+1)
		})
	}
}

// persist sends one envelope to one node after the other until one takes it, and says how
// often it was sent: a node that dies, or forwards to one that dies, may have ordered what
// it could not answer.
func (c *cluster) persist(start int, e *commonpb.Envelope) (tries int) {
	deadline := time.Now().Add(limit)
	for i := start; time.Now().Before(deadline); i++ {
		running := c.running()
		answers, err := c.broadcast(running[i%len(running)], e)
		tries++
		if err == nil && len(answers) == 1 && answers[0].Status == commonpb.Status_SUCCESS {
			return tries
		}
	}
	c.t.Error("nobody took a transaction")
	return tries
}

// The trace shows how a block comes about.
func TestTrace(t *testing.T) {
	c := MustCluster(t, setup{nodes: 3})
	follower := c.follower()
	e := c.transaction("watched")
	m, verdict := orderer.ReadMessage(e)
	if !verdict.OK() {
		t.Fatal(verdict)
	}
	c.mustOrder(follower, e)
	for i := range 3 {
		c.holds(nodeName(i), 1)
	}
	_, _, err := c.trace.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.RaftHeartbeatAck })
	must(t, err)
	events, _, _ := c.trace.Since(0, 1<<20)
	seen := map[trace.Kind]int{}
	for _, event := range events {
		seen[event.Kind]++
		if (event.Kind == trace.Forward || event.Kind == trace.ForwardAnswer || event.Kind == trace.Enqueued) && event.TxID != m.TxID {
			t.Errorf("%s is about transaction %q", event.Kind, event.TxID)
		}
		if event.Kind == trace.BlockCut && (event.Block != 1 || event.Note != "timeout, 1 transaction") {
			t.Errorf("%s: block %d, %q", event.Kind, event.Block, event.Note)
		}
	}
	for _, kind := range []trace.Kind{trace.Broadcast, trace.BroadcastAnswer, trace.Forward, trace.ForwardAnswer, trace.Enqueued, trace.BlockCut,
		trace.BlockWritten, trace.RaftVote, trace.RaftVoteReply, trace.RaftAppend, trace.RaftAppendReply, trace.RaftHeartbeat, trace.RaftHeartbeatAck,
		trace.RaftRole, trace.RaftLeader, trace.ChannelJoin} {
		if seen[kind] == 0 {
			t.Errorf("no event of kind %s", kind)
		}
	}
	if seen[trace.BlockWritten] != 3 {
		t.Errorf("%d blocks were written, want 3", seen[trace.BlockWritten])
	}
}
