package network_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/network"
)

// Crash tests: every node is a process of its own and is killed with -9 at moments
// that nobody chose, while clients submit transactions. What must hold afterwards
// is in (*crash).check.

const crashTopology = `
organizations: [{name: Org1, peers: 2}, {name: Org2, peers: 2}]
orderers: {nodes: 3}
block: {maxMessageCount: 20, batchTimeout: 40ms}
chaincodes: [{name: counter, sample: counter}, {name: basic, sample: asset}]
placement: process
runtime: process
`

// crash is one crash test under way.
type crash struct {
	*net
	random *rand.Rand
	load   *crashLoad
	dead   map[string]bool
	kills  map[string]int // by role
	seen   uint64         // how far the trace was when somebody last waited for it
}

// crashLoad submits until it is stopped and remembers every verdict.
type crashLoad struct {
	n       *net
	ctx     context.Context // ends when the load does
	stop    context.CancelFunc
	wg      sync.WaitGroup
	done    atomic.Int64 // transactions with a verdict
	unknown atomic.Int64 // transactions that were sent, and that nobody told about

	mu       sync.Mutex
	verdicts map[string]*network.Result // by transaction id
	errs     map[string]int
}

func startCrashLoad(n *net, workers int) *crashLoad {
	l := &crashLoad{n: n, verdicts: map[string]*network.Result{}, errs: map[string]int{}}
	l.ctx, l.stop = context.WithCancel(context.Background())
	names := []string{"alice", "bob", "User1@Org1", "User1@Org2"}
	for i := range workers {
		c := n.mustClient(names[i%len(names)])
		l.wg.Go(func() { l.work(c, i) })
	}
	return l
}

// work submits one transaction after the other: half of them create something new,
// the others change one of a few counters.
func (l *crashLoad) work(c *network.Client, worker int) {
	for i := 0; l.ctx.Err() == nil; i++ {
		request := call("counter", "Increment", fmt.Sprintf("c%d", (worker+i)%5))
		if i%2 == 0 {
			request = call("basic", "CreateAsset", fmt.Sprintf("w%d-%d", worker, i), "blue", strconv.Itoa(i), c.Name, "1")
		}
		if worker%3 == 2 {
			request.Flow = network.Gateway
		}
		l.submit(c, request)
	}
}

func (l *crashLoad) submit(c *network.Client, request network.Call) {
	// A transaction that a leader took with it into death never gets a verdict.
	ctx, cancel := context.WithTimeout(l.ctx, 5*time.Second)
	defer cancel()
	r, err := c.Submit(ctx, request)
	var invalid *network.CommitError
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil || errors.As(err, &invalid):
		l.verdicts[r.TxID] = r
		l.done.Add(1)
	case errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
		l.unknown.Add(1)
		l.errs["no verdict in time"]++
	default:
		l.errs[fmt.Sprintf("%T", err)]++
	}
}

func (l *crashLoad) end() {
	l.stop()
	l.wg.Wait()
}

// -crash.seed chooses other moments and nodes: go test ./network -run KilledNodes -crash.seed 77
var crashSeed = flag.Uint64("crash.seed", 1, "first seed of the crash tests")

func TestKilledNodes(t *testing.T) {
	kills := asMany(54, 24, 8)
	for part, count := range []int{kills / 2, kills - kills/2} {
		seed := *crashSeed + uint64(part)
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { killNodes(t, seed, count) })
	}
}

func killNodes(t *testing.T, seed uint64, kills int) {
	n := mustStart(t, crashTopology)
	c := &crash{net: n, random: rand.New(rand.NewPCG(seed, 1)), dead: map[string]bool{}, kills: map[string]int{}}
	c.load = startCrashLoad(n, 10)
	start := time.Now()
	for range kills {
		c.passTime()
		c.killOne()
		if c.random.IntN(3) > 0 {
			c.passTime()
			c.restartOne()
		}
	}
	for len(c.dead) > 0 {
		c.restartOne()
	}
	c.progress()
	t.Logf("%s progress", time.Now().Format("05.000"))
	c.load.end()
	t.Logf("%d kills (%d of peers, %d of ordering nodes, %d of them leaders) in %s; %d verdicts, %d unknown, errors %v",
		kills, c.kills["peer"], c.kills["orderer"], c.kills["leader"], time.Since(start).Round(time.Millisecond), c.load.done.Load(), c.load.unknown.Load(), c.load.errs)
	c.check()
	c.powerFailure()
	c.check()
}

// Chaincode processes are killed as well. What they worked on fails; the next call
// starts them again.
func TestKilledChaincodes(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("counter", "asset")
	load := startCrashLoad(n, 0)
	for i, name := range []string{"alice", "bob", "User1@Org1"} {
		c := n.mustClient(name)
		load.wg.Go(func() {
			for j := 0; load.ctx.Err() == nil; j++ {
				load.submit(c, call("counter", "Increment", fmt.Sprintf("c%d", (i+j)%5)))
			}
		})
	}
	kills := 10
	for range kills {
		before := load.done.Load()
		n.until("some transactions have passed", func() (bool, error) { return load.done.Load() >= before+5, nil })
		for _, s := range n.Nodes.Status(n.ctx()) {
			for _, c := range s.Chaincodes {
				pid, err := strconv.Atoi(strings.TrimPrefix(c.Instance, "pid "))
				if err != nil || !strings.HasPrefix(c.PackageID, "counter") {
					continue
				}
				n.must(syscall.Kill(pid, syscall.SIGKILL))
			}
		}
	}
	before := load.done.Load()
	n.until("the chaincodes run again", func() (bool, error) { return load.done.Load() >= before+5, nil })
	load.end()
	c := &crash{net: n, load: load}
	c.check()
	exits := n.ends()
	t.Logf("%d chaincodes killed, %d verdicts, errors %v", exits, load.done.Load(), load.errs)
	if exits < kills {
		t.Errorf("the trace shows the end of %d chaincodes", exits)
	}
}

// passTime lets a random number of events happen: between none and a few blocks'
// worth. That is the clock of this test; the bound is for the case that all stands
// still because of the faults themselves.
func (c *crash) passTime() {
	ctx, cancel := context.WithTimeout(c.ctx(), 2*time.Second)
	defer cancel()
	_, cursor, _ := c.Trace().Since(c.seen, 1<<20)
	target := cursor + uint64(c.random.IntN(3000))
	for cursor < target {
		changed := c.Trace().Changed()
		events, next, _ := c.Trace().Since(cursor, 4096)
		cursor = next
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
	c.seen = cursor
}

// killOne kills a node that may be killed: a majority of the ordering nodes and one
// peer of each organisation stay.
func (c *crash) killOne() {
	c.t.Helper()
	var candidates []string
	role := map[string]string{}
	for _, s := range c.Nodes.Status(c.ctx()) {
		if c.dead[s.Name] || c.mate(s.Name) {
			continue
		}
		candidates = append(candidates, s.Name)
		role[s.Name] = s.Role
		if s.Raft == "leader" { // twice as likely: it is the interesting one
			candidates = append(candidates, s.Name)
			role[s.Name] = "leader"
		}
	}
	if len(candidates) == 0 {
		c.restartOne()
		c.killOne()
		return
	}
	name := candidates[c.random.IntN(len(candidates))]
	if err := c.Nodes.Kill(name); err != nil {
		c.t.Fatal(err)
	}
	c.dead[name] = true
	c.t.Logf("%s kill %s %s", time.Now().Format("05.000"), role[name], name)
	if role[name] == "leader" {
		c.kills["leader"]++
		role[name] = "orderer"
	}
	c.kills[role[name]]++
}

// mate tells whether a node must live because one of its kind is dead.
func (c *crash) mate(name string) bool {
	for dead := range c.dead {
		if kindOf(dead) == kindOf(name) {
			return true
		}
	}
	return false
}

// kindOf groups nodes: the peers of one organisation, the ordering nodes.
func kindOf(name string) string {
	for i := range name {
		if name[i] == '.' {
			if name[:i] == "peer0" || name[:i] == "peer1" {
				return name[i:]
			}
			return "orderer"
		}
	}
	return name
}

func (c *crash) restartOne() {
	c.t.Helper()
	for name := range c.dead {
		if err := c.Nodes.Restart(c.ctx(), name); err != nil {
			c.t.Fatal(err)
		}
		c.t.Logf("%s restarted %s", time.Now().Format("05.000"), name)
		delete(c.dead, name)
		return
	}
}

// progress waits until the load gets verdicts again.
func (c *crash) progress() {
	c.t.Helper()
	before := c.load.done.Load()
	c.until("the network commits again", func() (bool, error) { return c.load.done.Load() > before+20, nil })
}

// powerFailure kills every node at once.
func (c *crash) powerFailure() {
	c.t.Helper()
	verdicts := c.load.verdicts
	c.load = startCrashLoad(c.net, 4)
	c.load.verdicts = verdicts
	c.passTime()
	var wg sync.WaitGroup
	nodes := c.Topology().NodeNames()
	for _, name := range nodes {
		wg.Go(func() {
			if err := c.Nodes.Kill(name); err != nil {
				c.t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, name := range nodes {
		if err := c.Nodes.Restart(c.ctx(), name); err != nil {
			c.t.Fatal(err)
		}
	}
	c.progress()
	c.load.end()
}

// check says what must hold after any number of crashes.
func (c *crash) check() {
	c.t.Helper()
	// The network still commits, and everybody has everything.
	last := c.mustSubmit(call("counter", "Increment", "after"))
	c.load.verdicts[last.TxID] = last
	height := c.mustAgree()
	if height <= last.Block {
		c.t.Errorf("the height is %d, but block %d was committed", height, last.Block)
	}
	increments := c.checkPeers(height)
	c.checkOrderers(height)
	// No increment was lost or counted twice.
	for i := range 5 {
		name := fmt.Sprintf("c%d", i)
		if got, want := c.mustEvaluate(call("counter", "Get", name)), strconv.Itoa(increments[name]); got != want {
			c.t.Errorf("counter %s stands at %s after %s valid increments", name, got, want)
		}
	}
}

// checkPeers compares what every peer has with what the clients were told. It gives
// the number of valid increments of each counter.
func (c *crash) checkPeers(height uint64) (increments map[string]int) {
	c.t.Helper()
	for _, peer := range c.peers() {
		increments = map[string]int{}
		codes := map[string]peerpb.TxValidationCode{}
		blocks := map[string]uint64{}
		for _, b := range c.mustBlocks(peer, height) {
			filter := wire.Filter(b)
			for i, raw := range b.GetData().GetData() {
				tx, err := wire.ParseTransaction(raw)
				if err != nil {
					c.t.Fatalf("%s, block %d: %v", peer, b.GetHeader().GetNumber(), err)
				}
				if tx.Type != commonpb.HeaderType_ENDORSER_TRANSACTION {
					continue
				}
				code := peerpb.TxValidationCode(filter[i])
				if _, twice := codes[tx.TxID]; twice {
					if code != peerpb.TxValidationCode_DUPLICATE_TXID {
						c.t.Errorf("%s: transaction %s is there twice, the second time as %s", peer, tx.TxID, code)
					}
					continue
				}
				codes[tx.TxID], blocks[tx.TxID] = code, b.GetHeader().GetNumber()
				if args := tx.Input.GetArgs(); code == peerpb.TxValidationCode_VALID && len(args) == 2 && string(args[0]) == "Increment" {
					increments[string(args[1])]++
				}
			}
		}
		missing := 0
		for id, told := range c.load.verdicts {
			if code, ok := codes[id]; !ok || code != told.Code || blocks[id] != told.Block {
				missing++
				c.t.Logf("%s: %s was told as %s in block %d, and is there: %v, as %s in block %d", peer, id, told.Code, told.Block, ok, code, blocks[id])
			}
		}
		if missing > 0 {
			c.t.Errorf("%s lacks %d of %d acknowledged transactions, or has them otherwise", peer, missing, len(c.load.verdicts))
		}
		c.checkBySystemChaincode(peer)
	}
	return increments
}

// checkBySystemChaincode asks for some of the verdicts as a client would.
func (c *crash) checkBySystemChaincode(peer string) {
	c.t.Helper()
	asked := 0
	for id, told := range c.load.verdicts {
		if asked++; asked > 25 {
			return
		}
		request := call("qscc", "GetTransactionByID", "mychannel", id)
		request.Endorsers = []string{peer}
		got := mustUnmarshal(c.t, []byte(c.mustEvaluate(request)), &peerpb.ProcessedTransaction{})
		if got.GetValidationCode() != int32(told.Code) {
			c.t.Errorf("%s gives transaction %s code %d, the client was told %s", peer, id, got.GetValidationCode(), told.Code)
		}
	}
}

// checkOrderers compares header and data of every block of all ordering nodes.
func (c *crash) checkOrderers(height uint64) {
	c.t.Helper()
	var first []*commonpb.Block
	for _, s := range c.Nodes.Status(c.ctx()) {
		if s.Role != "orderer" {
			continue
		}
		blocks := c.mustBlocks(s.Name, height)
		if first == nil {
			first = blocks
		}
		for i, b := range blocks {
			if string(wire.HeaderBytes(b.GetHeader())) != string(wire.HeaderBytes(first[i].GetHeader())) ||
				string(wire.DataHash(b.GetData().GetData())) != string(b.GetHeader().GetDataHash()) {
				c.t.Fatalf("%s has another block %d", s.Name, i)
			}
		}
	}
}

func (n *net) peers() []string {
	var names []string
	for _, s := range n.Nodes.Status(n.ctx()) {
		if s.Role == "peer" && s.Running {
			names = append(names, s.Name)
		}
	}
	return names
}
