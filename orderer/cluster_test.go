package orderer_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer"
)

const channel = "trade"

// limit is how long a test waits for something before it fails.
const limit = 2 * time.Minute

// organisations are made once: keys are slow.
var organisations = sync.OnceValues(func() (map[string]*msp.Org, error) {
	orgs := map[string]*msp.Org{}
	nodes := []msp.NodeSpec{}
	for i := range 5 {
		nodes = append(nodes, msp.NodeSpec{Name: fmt.Sprintf("orderer%d", i), Hosts: []string{"127.0.0.1"}})
	}
	for _, spec := range []msp.OrgSpec{
		{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: nodes},
		{MSPID: "Org1MSP", Domain: "org1.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}}},
	} {
		org, err := msp.Generate(spec)
		if err != nil {
			return nil, err
		}
		orgs[spec.MSPID] = org
	}
	return orgs, nil
})

// cluster is a number of ordering nodes in this process, connected over real TLS.
type cluster struct {
	t       testing.TB
	net     *link.Net
	trace   *trace.Recorder
	orgs    map[string]*msp.Org
	genesis *commonpb.Block
	verify  *msp.Verifier
	dir     string
	tune    func(*orderer.Config)
	client  *link.Endpoint

	mu    sync.Mutex
	nodes map[string]*orderer.Node
	conns map[string]*grpc.ClientConn // by address
}

// setup is what tests change about a cluster.
type setup struct {
	nodes int
	batch channelconfig.Batch
	tune  func(*orderer.Config)
	quiet bool // without a recorder
}

func nodeName(i int) string { return fmt.Sprintf("orderer%d.example.com", i) }

func MustCluster(t testing.TB, s setup) *cluster {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		t.Parallel() // most of the time they wait for elections
	}
	orgs, err := organisations()
	must(t, err)
	if s.batch.MaxMessageCount == 0 {
		s.batch = channelconfig.Batch{MaxMessageCount: 20, Timeout: 30 * time.Millisecond}
	}
	c := &cluster{t: t, orgs: orgs, dir: t.TempDir(), tune: s.tune, verify: msp.NewVerifier(1 << 14),
		nodes: map[string]*orderer.Node{}, conns: map[string]*grpc.ClientConn{}}
	if !s.quiet {
		c.trace = trace.NewRecorder(trace.Options{MaxPayloadBytes: 1 << 20})
	}
	c.net = link.New(link.Config{Trace: c.trace, Seed: 1})
	var consenters []*raftpb.Consenter
	for i := range s.nodes {
		cert := orgs["OrdererMSP"].Node(nodeName(i)).TLSCertPEM
		consenters = append(consenters, &raftpb.Consenter{Host: nodeName(i), Port: 7050, ClientTlsCert: cert, ServerTlsCert: cert})
	}
	c.genesis, err = channelconfig.Genesis(channelconfig.Profile{
		Channel: channel,
		Orgs:    []channelconfig.OrgProfile{{MSPID: "Org1MSP", Config: orgs["Org1MSP"].MSPConfig()}},
		OrdererOrgs: []channelconfig.OrdererOrgProfile{{MSPID: "OrdererMSP", Config: orgs["OrdererMSP"].MSPConfig(),
			Endpoints: []string{nodeName(0) + ":7050"}}},
		Consenters: consenters,
		Batch:      s.batch,
	})
	must(t, err)
	user := orgs["Org1MSP"].User("User1@org1.example.com")
	c.client = c.net.Endpoint("alice", user.TLS, orgs["OrdererMSP"].TLSRoots())
	t.Cleanup(c.close)
	var names []string
	for i := range s.nodes {
		names = append(names, nodeName(i))
		c.open(nodeName(i))
	}
	members := c.members(names...)
	for _, name := range names {
		must(t, c.node(name).Join(c.genesis, members))
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open starts or restarts a node on its directory.
func (c *cluster) open(name string) *orderer.Node {
	c.t.Helper()
	n, err := orderer.New(c.config(name))
	must(c.t, err)
	c.mu.Lock()
	c.nodes[name] = n
	c.mu.Unlock()
	return n
}

// config is how a node of that name is set.
func (c *cluster) config(name string) orderer.Config {
	me := c.orgs["OrdererMSP"].Node(name)
	roots := c.orgs["OrdererMSP"].TLSCA.Pool()
	roots.AddCert(c.orgs["Org1MSP"].TLSCA.Cert())
	config := orderer.Config{
		Name: name, MSPID: "OrdererMSP", Signer: me.Signer, Dir: filepath.Join(c.dir, name),
		Link: c.net.Endpoint(name, me.TLS, roots), Trace: c.trace, Verifier: c.verify,
		Heartbeat: 800 * time.Millisecond, // short for the elections, long enough for a busy computer
	}
	if c.tune != nil {
		c.tune(&config)
	}
	return config
}

// restart starts a stopped node and tells everybody where it is.
func (c *cluster) restart(name string) *orderer.Node {
	c.t.Helper()
	n := c.open(name)
	all := c.members(c.running()...)
	for _, other := range c.running() {
		must(c.t, c.node(other).SetMembers(all))
	}
	return n
}

func (c *cluster) node(name string) *orderer.Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[name]
}

func (c *cluster) running() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for i := range 5 {
		if c.nodes[nodeName(i)] != nil {
			names = append(names, nodeName(i))
		}
	}
	return names
}

func (c *cluster) members(names ...string) []orderer.Member {
	var members []orderer.Member
	for _, name := range names {
		members = append(members, orderer.Member{Name: name, Addr: c.node(name).Addr()})
	}
	return members
}

// stop closes or kills a node.
func (c *cluster) stop(name string, stop func(*orderer.Node) error) {
	c.t.Helper()
	n := c.node(name)
	c.mu.Lock()
	delete(c.nodes, name)
	c.mu.Unlock()
	must(c.t, stop(n))
}

// close checks what must hold at the end of every test, and closes the nodes.
func (c *cluster) close() {
	if !c.t.Failed() {
		c.same()
	}
	for _, name := range c.running() {
		if err := c.node(name).Close(); err != nil {
			c.t.Errorf("close %s: %v", name, err)
		}
	}
	for _, conn := range c.conns {
		_ = conn.Close() // the test is over
	}
}

// until waits until something holds.
func (c *cluster) until(what string, holds func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-deadline.C:
			for _, name := range c.running() {
				c.t.Logf("%s: %+v", name, c.node(name).Status())
			}
			c.t.Fatalf("still waiting for: %s", what)
		}
	}
}

// leader waits until a running node is ready to order and all agree on it.
func (c *cluster) leader() string {
	c.t.Helper()
	var leader string
	c.until("one leader, known to all", func() bool {
		leader = ""
		for _, name := range c.running() {
			if s := c.node(name).Status(); s.Ready {
				leader = name
			}
		}
		for _, name := range c.running() {
			if c.node(name).Status().Leader != leader {
				return false
			}
		}
		return leader != ""
	})
	return leader
}

// follower is a running node that does not lead.
func (c *cluster) follower() string {
	c.t.Helper()
	leader := c.leader()
	for _, name := range c.running() {
		if name != leader {
			return name
		}
	}
	c.t.Fatal("there is no follower")
	return ""
}

// dial connects the client to a node. That the node does not run is an error and not the
// test's end: others may stop it at any moment, also after the caller has looked.
func (c *cluster) dial(name string) (*grpc.ClientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[name]
	if n == nil {
		return nil, fmt.Errorf("%s does not run", name)
	}
	addr := n.Addr()
	if conn := c.conns[addr]; conn != nil {
		return conn, nil
	}
	conn, err := c.client.Dial(link.Target{Name: name, Addr: addr})
	if err != nil {
		return nil, err
	}
	c.conns[addr] = conn
	return conn, nil
}

// transaction is an envelope as a client sends it. What is inside does not
// matter to an ordering node.
func (c *cluster) transaction(text string) *commonpb.Envelope {
	return envelopeOfType(c.t, c.orgs["Org1MSP"].User("User1@org1.example.com").Signer, commonpb.HeaderType_ENDORSER_TRANSACTION, []byte(text))
}

func envelopeOfType(t testing.TB, signer wire.Signer, kind commonpb.HeaderType, data []byte) *commonpb.Envelope {
	t.Helper()
	nonce := wire.NewNonce()
	marshal := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		must(t, err)
		return b
	}
	payload := marshal(&commonpb.Payload{
		Header: &commonpb.Header{
			ChannelHeader: marshal(&commonpb.ChannelHeader{Type: int32(kind), ChannelId: channel, Timestamp: timestamppb.Now(),
				TxId: wire.TxID(nonce, signer.Creator())}),
			SignatureHeader: marshal(&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: nonce}),
		},
		Data: data,
	})
	e, err := wire.SignEnvelope(payload, signer)
	must(t, err)
	return e
}

// broadcast sends envelopes to one node, over one stream, and returns the answers
// up to the first refusal.
func (c *cluster) broadcast(name string, envelopes ...*commonpb.Envelope) ([]*ordererpb.BroadcastResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := c.dial(name)
	if err != nil {
		return nil, err
	}
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Broadcast(ctx)
	if err != nil {
		return nil, err
	}
	var answers []*ordererpb.BroadcastResponse
	for _, e := range envelopes {
		if err := stream.Send(e); err != nil {
			return answers, err
		}
		answer, err := stream.Recv()
		if err != nil {
			return answers, err
		}
		answers = append(answers, answer)
		if answer.Status != commonpb.Status_SUCCESS {
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				c.t.Errorf("after a refusal the stream gave %v, it should end", err)
			}
			return answers, nil
		}
	}
	return answers, nil
}

// mustOrder sends envelopes that must all be accepted.
func (c *cluster) mustOrder(name string, envelopes ...*commonpb.Envelope) {
	c.t.Helper()
	answers, err := c.broadcast(name, envelopes...)
	must(c.t, err)
	for i, a := range answers {
		if a.Status != commonpb.Status_SUCCESS {
			c.t.Fatalf("envelope %d: %s %q", i, a.Status, a.Info)
		}
	}
}

// deliver reads blocks from one node until take returns false.
func (c *cluster) deliver(name string, info *ordererpb.SeekInfo, take func(*commonpb.Block) bool) (commonpb.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	conn, err := c.dial(name)
	if err != nil {
		return 0, err
	}
	stream, err := ordererpb.NewAtomicBroadcastClient(conn).Deliver(ctx)
	if err != nil {
		return 0, err
	}
	data, err := proto.Marshal(info)
	must(c.t, err)
	reader := c.orgs["Org1MSP"].Node("peer0.org1.example.com").Signer
	if err := stream.Send(envelopeOfType(c.t, reader, commonpb.HeaderType_DELIVER_SEEK_INFO, data)); err != nil {
		return 0, err
	}
	for {
		response, err := stream.Recv()
		if err != nil {
			return 0, err
		}
		block := response.GetBlock()
		if block == nil {
			return response.GetStatus(), nil
		}
		if !take(block) {
			return commonpb.Status_SUCCESS, nil
		}
	}
}

func position(n uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: n}}}
}

func newest() *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
}

// blocks reads a node's whole chain.
func (c *cluster) blocks(name string) []*commonpb.Block {
	c.t.Helper()
	var blocks []*commonpb.Block
	status, err := c.deliver(name, &ordererpb.SeekInfo{Start: position(0), Stop: newest(), ErrorResponse: ordererpb.SeekInfo_BEST_EFFORT},
		func(b *commonpb.Block) bool { blocks = append(blocks, b); return true })
	if err != nil || status != commonpb.Status_SUCCESS {
		c.t.Fatalf("read the blocks of %s: %s, %v", name, status, err)
	}
	return blocks
}

// holds waits until a node's chain has this many transactions beside
// configurations, and returns them in order.
func (c *cluster) holds(name string, transactions int) [][]byte {
	c.t.Helper()
	var data [][]byte
	_, err := c.deliver(name, &ordererpb.SeekInfo{Start: position(1), Stop: position(1 << 60), ErrorResponse: ordererpb.SeekInfo_BEST_EFFORT},
		func(b *commonpb.Block) bool {
			if !wire.IsConfigBlock(b) {
				data = append(data, b.Data.Data...)
			}
			return len(data) < transactions
		})
	if err != nil || len(data) != transactions {
		c.explain()
		c.t.Fatalf("%s has %d of %d transactions: %v", name, len(data), transactions, err)
	}
	return data
}

// explain logs what a failing test should look at first.
func (c *cluster) explain() {
	c.t.Helper()
	events, _, _ := c.trace.Since(0, 1<<20)
	for _, e := range events {
		switch e.Kind {
		case trace.RaftRole, trace.RaftLeader, trace.ErrorEvent, trace.Progress, trace.BlockCut:
			c.t.Logf("%s %s %s %s block %d: %s", time.Unix(0, e.Time).Format("05.000"), e.Node, e.Kind, e.Other, e.Block, e.Note)
		}
	}
}

// same fails the test unless all running nodes have the same blocks, as far as
// each one is, every block follows the one before and is signed.
func (c *cluster) same() {
	c.t.Helper()
	var longest []*commonpb.Block
	for _, name := range c.running() {
		if len(c.node(name).Status().Channels) == 0 {
			continue
		}
		blocks := c.blocks(name)
		for i, b := range blocks {
			if i < len(longest) && (!proto.Equal(b.Header, longest[i].Header) || !proto.Equal(b.Data, longest[i].Data)) {
				c.t.Fatalf("block %d of %s differs", i, name)
			}
			if i > 0 {
				c.checkBlock(blocks[i-1], b)
			}
		}
		if len(blocks) > len(longest) {
			longest = blocks
		}
	}
}

// checkBlock checks what is true of every block of every node.
func (c *cluster) checkBlock(before, b *commonpb.Block) {
	c.t.Helper()
	if b.Header.Number != before.Header.Number+1 || !bytes.Equal(b.Header.PreviousHash, wire.BlockHash(before.Header)) {
		c.t.Fatalf("block %d does not follow", b.Header.Number)
	}
	if !bytes.Equal(b.Header.DataHash, wire.DataHash(b.Data.Data)) {
		c.t.Fatalf("block %d has a wrong data hash", b.Header.Number)
	}
	if len(b.Metadata.Metadata) != 5 {
		c.t.Fatalf("block %d has %d metadata entries", b.Header.Number, len(b.Metadata.Metadata))
	}
	last, err := wire.LastConfig(b)
	must(c.t, err)
	if wire.IsConfigBlock(b) != (last == b.Header.Number) {
		c.t.Fatalf("block %d names %d as the last configuration", b.Header.Number, last)
	}
	for _, raw := range b.Data.Data {
		var e commonpb.Envelope
		must(c.t, proto.Unmarshal(raw, &e))
		again, err := proto.Marshal(&e)
		must(c.t, err)
		if !bytes.Equal(raw, again) && !wire.IsConfigBlock(b) {
			c.t.Fatalf("block %d holds an envelope that is not canonical", b.Header.Number)
		}
	}
}

// noCertificate is what a client without a TLS certificate shows.
var noCertificate tls.Certificate
