package network_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// A network that stops ends everything that it began: goroutines, connections,
// calls that clients are waiting for.
func TestStopUnderLoad(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			before := openFiles(t)
			n, err := network.Start(within(t, patience), mustTopology(t, three+"placement: "+placement), network.Options{})
			if err != nil {
				t.Fatal(err)
			}
			running := &net{Network: n, t: t}
			var clients sync.WaitGroup
			var valid, closed atomic.Int64
			for i, name := range []string{"alice", "bob", "User1@Org1", "User1@Org2"} {
				c := running.mustClient(name)
				clients.Go(func() {
					for {
						_, err := c.Submit(context.Background(), call("counter", "Increment", fmt.Sprint(i)))
						if err == nil {
							valid.Add(1)
						}
						select {
						case <-n.Done():
							closed.Add(1)
							return
						default:
						}
					}
				})
			}
			running.until("the load is under way", func() (bool, error) { return valid.Load() > 20, nil })
			mustStop(t, n)
			clients.Wait() // nobody waits for ever
			if closed.Load() != 4 {
				t.Errorf("%d of 4 clients noticed", closed.Load())
			}
			if _, err := n.Client("Admin@Org1"); !errors.Is(err, network.ErrClosed) {
				t.Errorf("a client of a stopped network: %v", err)
			}
			mustStop(t, n) // again
			running.until("its goroutines have ended", func() (bool, error) { return goroutines() == "", nil })
			running.until("its files and sockets are closed", func() (bool, error) { return openFiles(t) <= before, nil })
		})
	}
}

// goroutines gives the stacks of goroutines that run the engine's code.
func goroutines() string {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var found []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		for _, part := range []string{"orderer.", "peer.", "chaincode.", "internal/link.", "network.(", "hashicorp/raft.", "google.golang.org/grpc."} {
			if strings.Contains(stack, part) && !strings.Contains(stack, "network_test.") {
				found = append(found, stack)
				break
			}
		}
	}
	return strings.Join(found, "\n\n")
}

// openFiles counts what this process has open.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // not Linux
	}
	count := 0
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		if err == nil && (strings.HasPrefix(target, "socket:") || strings.HasPrefix(target, tempDir())) {
			count++
		}
	}
	return count
}

// Large values pass through everything: chaincode stream, proposal, Raft, blocks.
func TestLargeTransactions(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 3}
block: {cut: idle}
chaincodes: []
runtime: process
`)
	n.mustDeployProbe("probe")
	sizes := []int{1 << 20, 12 << 20}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for i, size := range sizes {
		value := strings.Repeat("fabric ", size/7)
		r := n.mustSubmit(call("probe", "Put", "large", value))
		if got := n.mustEvaluate(call("probe", "Get", "large")); got != value {
			t.Errorf("%d bytes came back as %d", len(value), len(got))
		}
		through := call("probe", "Put", "large", value)
		through.Flow = network.Gateway
		if second := n.mustSubmit(through); second.Block <= r.Block {
			t.Errorf("round %d: block %d after block %d", i, second.Block, r.Block)
		}
	}
	n.mustAgree()
	// Beyond what the channel allows (99 MB for the envelope) there is a plain answer.
	if testing.Short() {
		return
	}
	_, err := n.mustClient("alice").Submit(n.ctx(), call("probe", "Put", "large", strings.Repeat("x", 60<<20)))
	if err == nil {
		t.Fatal("a transaction of more than 100 MB is valid")
	}
	mustContain(t, err.Error(), "send less data in one transaction")
	n.mustSubmit(call("probe", "Put", "small", "1"))
}

// A peer that was away while a chaincode was installed, approved and committed
// learns all that, also when nobody of its organisation is there to tell it.
func TestPeerMissesADeployment(t *testing.T) {
	n := mustStart(t, `
organizations: [{name: Org1, peers: 2}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
chaincodes: []
runtime: process
`)
	n.must(n.Nodes.Stop(n.ctx(), "peer1.org1"))
	n.mustDeploySample("counter")
	n.mustSubmit(call("counter", "Increment", "a"))
	n.must(n.Nodes.Kill("peer0.org1"))
	n.must(n.Nodes.Restart(n.ctx(), "peer1.org1"))
	n.mustAgree()
	raw, err := n.Chaincodes.Pack(n.ctx(), network.Chaincode{Name: "counter", Version: "1.0", Sample: "counter"})
	n.must(err)
	if _, err := n.Chaincodes.Install(n.ctx(), raw, []string{"peer1.org1"}); err != nil {
		t.Fatal(err)
	}
	request := call("counter", "Increment", "a")
	request.Endorsers = []string{"peer1.org1", "peer0.org2"}
	if r := n.mustSubmit(request); string(r.Payload) != "2" {
		t.Errorf("the counter stands at %s", r.Payload)
	}
	n.must(n.Nodes.Restart(n.ctx(), "peer0.org1"))
	n.mustAgree()
	// Questions for the approval itself need its plain text, which came late.
	n.until("the other peer has passed on what only it had", func() (bool, error) {
		for _, e := range n.Events(network.EventFilter{Kind: string(trace.Progress), Node: "peer1.org1"}) {
			if strings.Contains(e.Note, "plain text of an approval has arrived") {
				return true, nil
			}
		}
		return false, nil
	})
}

// A frozen chaincode at one peer stops nothing but calls to it.
func TestPausedChaincode(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter")
	n.mustSubmit(call("counter", "Increment", "a"))
	n.must(n.Faults.Pause(n.ctx(), "peer0.org2", "counter_1.0", true))
	alice := n.mustClient("alice")
	ask := call("counter", "Get", "a")
	ask.Endorsers = []string{"peer0.org2"}
	if _, err := alice.Evaluate(within(t, 300*time.Millisecond), ask); err == nil {
		t.Error("a frozen chaincode answered")
	}
	if got := n.mustEvaluate(call("counter", "Get", "a")); got != "1" { // peer0.org1
		t.Errorf("the counter stands at %s", got)
	}
	n.must(n.Faults.Pause(n.ctx(), "peer0.org2", "counter_1.0", false))
	if r, err := alice.Evaluate(n.ctx(), ask); err != nil || string(r.Payload) != "1" {
		t.Errorf("got %+v, %v", r, err)
	}
	n.mustSubmit(call("counter", "Increment", "a"))
	if err := n.Faults.Pause(n.ctx(), "peer0.org2", "nonsense", true); err == nil {
		t.Error("something that does not run was frozen")
	}
}

// The channel's configuration changes while it is in use: everybody follows, and
// keeps to it after a restart.
func TestConfigurationUpdate(t *testing.T) {
	n := mustStart(t, three)
	config := func() *commonpb.Config {
		return mustUnmarshal(t, []byte(n.mustEvaluate(call("cscc", "GetChannelConfig", "mychannel"))), &commonpb.Config{})
	}
	org, err := msp.LoadOrg(filepath.Join(n.Dir(), "organizations"), "example.com", true)
	n.must(err)
	admin := org.Users["Admin@example.com"].Signer
	from := config()
	to := mustUnmarshal(t, mustMarshal(t, from), &commonpb.Config{})
	value := to.GetChannelGroup().GetGroups()["Orderer"].GetValues()["BatchSize"]
	size := mustUnmarshal(t, value.GetValue(), &ordererpb.BatchSize{})
	size.MaxMessageCount = 2
	value.Value = mustMarshal(t, size)
	update, err := channelconfig.ComputeUpdate("mychannel", from, to)
	n.must(err)
	conn := n.mustDial("orderer2.example.com", "example.com")
	stranger := n.mustUser1()
	envelope, err := channelconfig.NewUpdateEnvelope(update, stranger, stranger)
	n.must(err)
	if r := mustBroadcast(t, conn, envelope); r.GetStatus() != commonpb.Status_BAD_REQUEST {
		t.Errorf("an update signed by a client: %v", r)
	}
	envelope, err = channelconfig.NewUpdateEnvelope(update, admin, admin)
	n.must(err)
	if r := mustBroadcast(t, conn, envelope); r.GetStatus() != commonpb.Status_SUCCESS {
		t.Fatalf("the update: %v", r)
	}
	n.until("the peers have the new configuration", func() (bool, error) { return config().GetSequence() == 1, nil })
	// The same again was made for the old configuration.
	if r := mustBroadcast(t, conn, envelope); r.GetStatus() == commonpb.Status_SUCCESS {
		t.Error("an update was taken twice")
	}
	n.cutByTwo()
	for _, name := range n.Topology().NodeNames() {
		n.must(n.Nodes.Restart(n.ctx(), name))
	}
	n.cutByTwo()
	if height := n.mustAgree(); config().GetSequence() != 1 || height == 0 {
		t.Errorf("after a restart the configuration has sequence %d", config().GetSequence())
	}
}

// cutByTwo submits several transactions at once and wants blocks of at most two.
func (n *net) cutByTwo() {
	n.t.Helper()
	c := n.mustClient("alice")
	var handles []*network.TxHandle
	for i := range 7 {
		h, err := c.Begin(n.ctx(), call("counter", "Increment", fmt.Sprint(i)))
		n.must(err)
		handles = append(handles, h)
	}
	perBlock := map[uint64]int{}
	for _, h := range handles {
		r, err := h.Wait(n.ctx())
		if err != nil {
			n.t.Error(err)
			continue
		}
		if perBlock[r.Block]++; perBlock[r.Block] > 2 {
			n.t.Errorf("block %d holds %d transactions", r.Block, perBlock[r.Block])
		}
	}
}

// Fifty peers in one process start, learn a chaincode and commit.
func TestFiftyPeers(t *testing.T) {
	if testing.Short() {
		t.Skip("starts 50 peers and their chaincodes; left out of short runs")
	}
	n := mustStart(t, `
organizations: [{name: Org1, peers: 10}, {name: Org2, peers: 10}, {name: Org3, peers: 10}, {name: Org4, peers: 10}, {name: Org5, peers: 10}]
orderers: {nodes: 3}
block: {cut: idle}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`)
	for i := range 5 {
		n.mustSubmit(call("counter", "Increment", fmt.Sprint(i)))
	}
	n.mustAgree()
	if got := len(n.peers()); got != 50 {
		t.Errorf("%d peers run", got)
	}
}
