package network_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/network"
)

// A folder that is kept: what is in it goes on, whatever ended the program.

func TestStopAndGoOn(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			o := network.Options{Dir: filepath.Join(t.TempDir(), "net")}
			yaml := strings.Replace(small, "chaincodes: []", "chaincodes: [{name: counter, sample: counter}]", 1) + "placement: " + placement
			var last *commonpb.Block
			for round := 1; round <= 3; round++ {
				n, err := network.Start(within(t, patience), mustTopology(t, yaml), o)
				if err != nil {
					t.Fatal(err)
				}
				running := &net{Network: n, t: t}
				if r := running.mustSubmit(call("counter", "Increment", "a")); string(r.Payload) != fmt.Sprint(round) {
					t.Errorf("round %d: the counter stands at %s", round, r.Payload)
				}
				height := running.mustAgree()
				blocks := running.mustBlocks("peer0.org2.example.com", height)
				if last != nil && string(wire.BlockHash(blocks[last.GetHeader().GetNumber()].GetHeader())) != string(wire.BlockHash(last.GetHeader())) {
					t.Errorf("round %d has another block %d", round, last.GetHeader().GetNumber())
				}
				last = blocks[height-1]
				mustStop(t, n)
				if _, err := os.Stat(filepath.Join(o.Dir, "network.json")); err == nil {
					t.Error("a stopped network says that it runs")
				}
			}
		})
	}
}

// Nodes that were added are still there the next time, with the old topology.
func TestGoOnWithAddedNodes(t *testing.T) {
	o := network.Options{Dir: filepath.Join(t.TempDir(), "net")}
	topology := strings.Replace(small, "chaincodes: []", "chaincodes: [{name: counter, sample: counter}]", 1)
	n, err := network.Start(within(t, patience), mustTopology(t, topology), o)
	if err != nil {
		t.Fatal(err)
	}
	first := &net{Network: n, t: t}
	peer, err := n.AddPeer(first.ctx(), "Org2")
	first.must(err)
	orderer, err := n.AddOrderer(first.ctx())
	first.must(err)
	first.mustSubmit(call("counter", "Increment", "a"))
	first.mustAgree()
	mustStop(t, n)
	second := mustStart(t, topology, o)
	for _, name := range []string{peer, orderer} {
		if full, err := second.Nodes.Name(name); err != nil || full != name {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
	request := call("counter", "Increment", "a")
	request.Endorsers = []string{"peer0.org1", peer}
	if r := second.mustSubmit(request); string(r.Payload) != "2" {
		t.Errorf("the counter stands at %s", r.Payload)
	}
	second.mustAgree()
}

func TestBusyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	n := mustStart(t, small, network.Options{Dir: dir})
	_, err := network.Start(within(t, patience), mustTopology(t, small), network.Options{Dir: dir})
	if err == nil {
		t.Fatal("two networks run in one folder")
	}
	mustContain(t, err.Error(), dir, "already", "--dir")
	n.mustDeploySample("counter") // the first one does not mind
	n.mustSubmit(call("counter", "Increment", "a"))
	attached, err := network.Attach(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mustStop(t, attached)
	other := &net{Network: attached, t: t}
	if got := other.mustEvaluate(call("counter", "Get", "a")); got != "1" {
		t.Errorf("from another program the counter stands at %s", got)
	}
	if r := other.mustSubmit(call("counter", "Increment", "a")); string(r.Payload) != "2" {
		t.Errorf("got %+v", r)
	}
}

func TestTwoNetworksInOneProgram(t *testing.T) {
	var nets [2]*net
	var wg sync.WaitGroup
	for i := range nets {
		wg.Go(func() {
			n, err := network.Start(within(t, patience), mustTopology(t, small), network.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { mustStop(t, n) })
			nets[i] = &net{Network: n, t: t}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for i, n := range nets {
		n.mustDeploySample("counter")
		for range i + 1 {
			n.mustSubmit(call("counter", "Increment", "a"))
		}
	}
	for i, n := range nets {
		if got := n.mustEvaluate(call("counter", "Get", "a")); got != fmt.Sprint(i+1) {
			t.Errorf("network %d: the counter stands at %s", i, got)
		}
		n.mustAgree()
	}
}

func TestFabricPorts(t *testing.T) {
	n, err := network.Start(within(t, patience), mustTopology(t, small+"ports: fabric"), network.Options{})
	if err != nil {
		if strings.Contains(err.Error(), "in use") {
			t.Skipf("a port of Fabric's test network is taken on this computer: %v", err)
		}
		t.Fatal(err)
	}
	defer mustStop(t, n)
	want := map[string]string{"orderer.example.com": "127.0.0.1:7050", "peer0.org1.example.com": "127.0.0.1:7051", "peer0.org2.example.com": "127.0.0.1:9051"}
	for _, s := range n.Nodes.Status(within(t, patience)) {
		if s.Addr != want[s.Name] {
			t.Errorf("%s listens at %s, want %s", s.Name, s.Addr, want[s.Name])
		}
	}
	_, err = network.Start(within(t, patience), mustTopology(t, small+"ports: fabric"), network.Options{})
	if err == nil {
		t.Fatal("two networks have the same ports")
	}
	mustContain(t, err.Error(), "in use")
}

// The context ends at every step of a start in turn, as with Ctrl-C. Nothing may be
// left (TestMain looks for processes and folders), and a kept folder must be usable.
func TestInterruptedStart(t *testing.T) {
	yaml := strings.Replace(small, "chaincodes: []", "chaincodes: [{name: counter, sample: counter}]", 1)
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			topology := yaml + "placement: " + placement
			dir := filepath.Join(t.TempDir(), "net")
			for step := 1; ; step++ {
				ctx, cancel := context.WithCancel(within(t, patience))
				steps := 0
				o := network.Options{Dir: dir, Progress: func(network.Step) {
					if steps++; steps == step {
						cancel()
					}
				}}
				if step%2 == 0 {
					o.Dir = ""
				}
				n, err := network.Start(ctx, mustTopology(t, topology), o)
				cancel()
				if err == nil {
					// The last step was done before the end of the context.
					mustStop(t, n)
					break
				}
				if steps < step {
					t.Fatalf("step %d: %v", step, err)
				}
			}
			n := mustStart(t, topology, network.Options{Dir: dir})
			n.mustSubmit(call("counter", "Increment", "a"))
			n.mustAgree()
		})
	}
}

// victim is the environment variable that makes this test binary run a network in
// a folder and submit until it is killed.
const victim = "FABRISCOPE_TEST_VICTIM"

// beVictim prints the id of every transaction that it was told to be valid.
func beVictim(dir string) error {
	yaml := strings.Replace(small, "chaincodes: []", "chaincodes: [{name: counter, sample: counter}]", 1) + os.Getenv(victim+"_TOPOLOGY")
	topology, err := network.ParseTopology("test.yaml", []byte(yaml))
	if err != nil {
		return err
	}
	n, err := network.Start(context.Background(), topology, network.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i, name := range []string{"alice", "bob"} {
		c, err := n.Client(name)
		if err != nil {
			return err
		}
		wg.Go(func() {
			for {
				if r, err := c.Submit(context.Background(), call("counter", "Increment", fmt.Sprint(i))); err == nil {
					mu.Lock()
					fmt.Println(r.TxID)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return nil
}

// The program itself is killed with -9, with all nodes inside or beside it.
func TestKilledProgram(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "net")
			topology := "placement: " + placement
			var acknowledged []string
			rounds := 3
			if testing.Short() {
				rounds = 1
			}
			for round := range rounds {
				acknowledged = append(acknowledged, killAfter(t, dir, topology, 15+10*round)...)
			}
			yaml := strings.Replace(small, "chaincodes: []", "chaincodes: [{name: counter, sample: counter}]", 1) + topology
			n := mustStart(t, yaml, network.Options{Dir: dir})
			n.mustSubmit(call("counter", "Increment", "after"))
			n.mustAgree()
			for _, id := range acknowledged {
				got := mustUnmarshal(t, []byte(n.mustEvaluate(call("qscc", "GetTransactionByID", "mychannel", id))), &peerpb.ProcessedTransaction{})
				if got.GetValidationCode() != 0 {
					t.Errorf("transaction %s was told to be valid, its code is %d", id, got.GetValidationCode())
				}
			}
			t.Logf("%d transactions were acknowledged over %d deaths of the program", len(acknowledged), rounds)
		})
	}
}

// mustShortDir makes a temporary folder whose path leaves room for sockets.
func mustShortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// killAfter runs a victim until it has acknowledged count transactions.
func killAfter(t *testing.T, dir, topology string, count int) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(within(t, patience), self)
	temp := mustShortDir(t)
	cmd.Env = append(os.Environ(), victim+"="+dir, victim+"_TOPOLOGY="+topology, "TMPDIR="+temp)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		ids = append(ids, lines.Text())
		if len(ids) == count {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	if len(ids) < count {
		t.Fatalf("the program ended after %d transactions: %v", len(ids), err)
	}
	if topology == "placement: process" {
		// The nodes outlive the program only until they have noticed.
		n := &net{t: t}
		n.until("the nodes have stopped and left nothing", func() (bool, error) {
			left, err := os.ReadDir(temp)
			return len(left) == 0 && len(processesOf(temp)) == 0, err
		})
	}
	// A line may have been cut in the middle.
	if last := ids[len(ids)-1]; len(last) != 64 {
		ids = ids[:len(ids)-1]
	}
	return ids
}
