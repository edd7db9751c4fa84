package fabriscopetest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/fabriscopetest"
	"github.com/fabriscope/fabriscope/network"
)

func TestMain(m *testing.M) {
	samples.Hook() // samples that are not built in are run by this program itself
	os.Exit(m.Run())
}

// counting is a network whose chaincode counts: a lost update waits to happen in whoever
// believes that reading and writing are one thing.
const counting = `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
clients: [{name: alice, organization: Org1}, {name: bob, organization: Org2}]
chaincodes: [{name: counter, sample: counter}]
runtime: process
`

// Two clients count at the same time: both have read the same number, so that one of them
// must be refused, and the test says why.
func TestLostUpdate(t *testing.T) {
	net := fabriscopetest.Start(t, counting)
	increment := func(client string) fabriscopetest.Call {
		return fabriscopetest.Call{Client: client, Chaincode: "counter", Function: "Increment", Args: []string{"visits"}}
	}
	results := net.Together(increment("alice"), increment("bob"))
	if results[0].Code.String() != "VALID" || results[1].Code.String() != "MVCC_READ_CONFLICT" {
		t.Errorf("got %s and %s", results[0].Code, results[1].Code)
	}
	if why := net.WhyInvalid(results[1].TxID); !strings.HasPrefix(why, "MVCC_READ_CONFLICT: ") || !strings.Contains(why, "visits") {
		t.Errorf("the reason is %q", why)
	}
	if why := net.WhyInvalid(results[0].TxID); why != "" {
		t.Errorf("the valid one has the reason %q", why)
	}
	if got := string(net.Evaluate("alice", "counter", "Get", "visits")); got != "1" {
		t.Errorf("two increments that raced make %s", got)
	}
	if r := net.Submit("bob", "counter", "Increment", "visits"); string(r.Payload) != "2" {
		t.Errorf("trying again makes %s", r.Payload)
	}
}

// A client of Fabric's own library, as in an application.
func TestGateway(t *testing.T) {
	net := fabriscopetest.Start(t, counting)
	contract := net.Gateway("Org2", "User1").GetNetwork(net.Topology().Channel).GetContract("counter")
	for want := 1; want <= 2; want++ {
		got, err := contract.SubmitTransaction("Increment", "visits")
		if err != nil || string(got) != fmt.Sprint(want) {
			t.Fatalf("got %s, %v; want %d", got, err, want)
		}
	}
}

// failing is a test that fails.
type failing struct {
	testing.TB
	logged   []string
	cleanups []func()
}

func (f *failing) Failed() bool               { return true }
func (f *failing) Logf(text string, a ...any) { f.logged = append(f.logged, fmt.Sprintf(text, a...)) }
func (f *failing) Name() string               { return "TestTransfer/of a ticket" }
func (f *failing) Cleanup(do func())          { f.cleanups = append(f.cleanups, do) }
func (f *failing) end() {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
}

// A test that fails leaves a page and says where.
func TestPageOfAFailedTest(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("FABRISCOPE_PAGES", dir)
	f := &failing{TB: t}
	net := fabriscopetest.Start(f, counting)
	r := net.Submit("alice", "counter", "Increment", "visits")
	f.end()
	page, err := os.ReadFile(filepath.Join(dir, "TestTransfer_of_a_ticket.html"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "TestTransfer/of a ticket") || r.TxID == "" {
		t.Error("the page does not name the test")
	}
	if len(f.logged) != 1 || !strings.Contains(f.logged[0], "TestTransfer_of_a_ticket.html") {
		t.Errorf("it says %q", f.logged)
	}
	select {
	case <-net.Done():
	default:
		t.Error("the network still runs")
	}
}

// Your own chaincode is deployed from its source folder; without a topology there are two
// organisations.
func TestDeploy(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a chaincode")
	}
	net := fabriscopetest.Start(t)
	net.DeployChaincode(network.Chaincode{Name: "shelf", Path: "../chaincode/testdata/contract"})
	definitions, err := net.Chaincodes.Definitions(t.Context())
	if err != nil || len(definitions) != 1 || definitions[0].Name != "shelf" {
		t.Errorf("%+v, %v", definitions, err)
	}
}
