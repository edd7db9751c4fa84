package network_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// An ordinary chaincode on Fabric's contract API, deployed from its source folder
// and used through Fabric's own client library. Compiling it for the first time
// takes a while on a slow computer.
const compiling = 5 * time.Minute

func TestContractUnderProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a chaincode; left out of short runs")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("SKIPPED: there is no go command, so chaincode cannot be compiled under process")
	}
	useContract(t, "process")
}

func TestContractUnderDocker(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a chaincode; left out of short runs")
	}
	if _, err := docker.Available(within(t, 5*time.Second)); err != nil {
		t.Skipf("SKIPPED: chaincode in containers was not tested, no Docker engine answers: %v", err)
	}
	useContract(t, "docker")
}

func useContract(t *testing.T, runtime string) {
	var run struct{ RunID string }
	if runtime == "docker" {
		t.Cleanup(func() { checkNoContainers(t, run.RunID) }) // after the network has stopped
	}
	n := mustStart(t, strings.Replace(small, "runtime: process", "runtime: "+runtime, 1))
	state, err := os.ReadFile(filepath.Join(n.Dir(), "network.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(state, &run); err != nil || run.RunID == "" {
		t.Fatalf("network.json names no run: %v", err)
	}
	d, err := n.Chaincodes.Deploy(within(t, compiling), network.Chaincode{Name: "shelf", Path: "../chaincode/testdata/contract"})
	if err != nil {
		t.Fatal(err)
	}
	// The first call would wait for the compiler as well; its own time would be up.
	n.mustLaunch(d.PackageID)
	for _, s := range n.Nodes.Status(n.ctx()) {
		for _, c := range s.Chaincodes {
			if c.Runtime != runtime {
				t.Errorf("%s runs %s under %s", s.Name, c.PackageID, c.Runtime)
			}
		}
	}
	gw := n.mustConnect()
	contract := gw.GetNetwork("mychannel").GetContract("shelf")
	must := func(b []byte, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ctx, cancel := context.WithCancel(n.ctx())
	defer cancel()
	events, err := gw.GetNetwork("mychannel").ChaincodeEvents(ctx, "shelf", client.WithStartBlock(1))
	if err != nil {
		t.Fatal(err)
	}
	must(contract.SubmitTransaction("Put", "a1", "Ulysses", "732"))
	must(contract.SubmitTransaction("Shelf:Put", "a2", "Dubliners", "152"))
	if got := must(contract.EvaluateTransaction("Get", "a1")); got != `{"title":"Ulysses","pages":732}` {
		t.Errorf("a1 is %s", got)
	}
	if got := must(contract.EvaluateTransaction("Pages")); got != "884" {
		t.Errorf("all books have %s pages", got)
	}
	if got := must(contract.EvaluateTransaction("MSP")); got != "Org1MSP" {
		t.Errorf("it runs at a peer of %s", got)
	}
	for _, want := range []string{"a1", "a2"} {
		if e := mustNext(t, ctx, events); e.EventName != "put" || string(e.Payload) != want {
			t.Errorf("event %+v, want %s", e, want)
		}
	}
	var metadata struct{ Contracts map[string]any }
	raw := must(contract.EvaluateTransaction("org.hyperledger.fabric:GetMetadata"))
	if err := json.Unmarshal([]byte(raw), &metadata); err != nil || metadata.Contracts["Shelf"] == nil {
		t.Errorf("the contract's metadata: %v, %s", err, raw)
	}
	refusals(t, contract)
	crash := n.ends()
	if _, err := contract.EvaluateTransaction("Crash"); status.Code(err) != codes.Aborted && status.Code(err) != codes.Unavailable && status.Code(err) != codes.Unknown {
		t.Errorf("a chaincode that ended itself: %v", err)
	}
	n.until("the end of the chaincode is known", func() (bool, error) { return n.ends() > crash, nil })
	if got := must(contract.EvaluateTransaction("Pages")); got != "884" {
		t.Errorf("after the crash all books have %s pages", got)
	}
	n.mustAgree()
}

// checkNoContainers looks for what a stopped run may have left at the engine.
func checkNoContainers(t *testing.T, runID string) {
	t.Helper()
	out, err := exec.Command("docker", "ps", "--all", "--quiet", "--filter", "label=fabriscope.run="+runID).Output()
	if errors.Is(err, exec.ErrNotFound) {
		return
	}
	if err != nil || len(out) > 0 {
		t.Errorf("containers of run %s: %s, %v", runID, out, err)
	}
}

// refusals are calls that the contract itself, or its library, turns down.
func refusals(t *testing.T, contract *client.Contract) {
	t.Helper()
	for _, c := range []struct {
		says string
		call []string
	}{
		{"place a1 is taken", []string{"Put", "a1", "Again", "1"}},
		{"pages", []string{"Put", "a3", "Not a number", "many"}},
		{"Function Nonsense not found in contract Shelf", []string{"Nonsense"}},
		{"ncorrect number of params", []string{"Get"}},
	} {
		_, err := contract.SubmitTransaction(c.call[0], c.call[1:]...)
		if err == nil {
			t.Errorf("%q succeeded", c.call)
			continue
		}
		_, message := mustDetail(t, err)
		if c.says != "pages" { // the library words this one as it likes
			mustContain(t, message, c.says)
		}
	}
}

// mustLaunch waits until a package runs at every peer.
func (n *net) mustLaunch(packageID string) {
	n.t.Helper()
	ctx := within(n.t, compiling)
	err := network.Poll(ctx, func() (bool, error) {
		ready := 0
		for _, s := range n.Nodes.Status(ctx) {
			for _, c := range s.Chaincodes {
				if c.PackageID == packageID && c.Ready {
					ready++
				}
			}
		}
		return ready == len(n.peers()), nil
	})
	if err != nil {
		for _, e := range n.Events(network.EventFilter{Kind: string(trace.LaunchEnd)}) {
			n.t.Logf("%s: %s: %s", e.Node, e.Key, e.Note)
		}
		n.t.Fatalf("%s does not run: %v", packageID, err)
	}
}

// ends counts the chaincodes that have ended.
func (n *net) ends() int {
	return len(n.Events(network.EventFilter{Kind: string(trace.ChaincodeExit)}))
}
