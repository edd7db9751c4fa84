package network_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

func TestOddities(t *testing.T) {
	orderer := func(name string, height uint64, leader string, ready bool) network.NodeStatus {
		return network.NodeStatus{Name: name, Role: "orderer", Running: true, Raft: "follower", Height: height, Leader: leader, Ready: ready}
	}
	peer := func(name string, height uint64) network.NodeStatus {
		return network.NodeStatus{Name: name, Role: "peer", Running: true, Height: height}
	}
	away := network.NodeStatus{Name: "away", Role: "orderer"}
	stuck := peer("p2", 5)
	stuck.Problem = "block 5 is refused"
	for name, c := range map[string]struct {
		nodes []network.NodeStatus
		says  string
		ahead string
	}{
		"all is well":                  {[]network.NodeStatus{orderer("o1", 5, "o1", true), peer("p1", 5)}, "", ""},
		"a peer is behind":             {[]network.NodeStatus{orderer("o1", 5, "o1", true), peer("p1", 3)}, "of 5 blocks p1 has 3", ""},
		"nobody leads":                 {[]network.NodeStatus{orderer("o1", 5, "", false), orderer("o2", 5, "", false)}, "none of the 2 ordering nodes that answer knows a leader", ""},
		"a node is away":               {[]network.NodeStatus{orderer("o1", 5, "o1", true), away}, "away does not run, or does not answer", ""},
		"a peer stands still":          {[]network.NodeStatus{orderer("o1", 6, "o1", true), stuck}, "p2 stands still: block 5 is refused", ""},
		"peers are ahead":              {[]network.NodeStatus{orderer("o1", 1, "o1", true), peer("p1", 5)}, "of 5 blocks o1 has 1", "p1 has 5 blocks and the ordering service, led by o1, only 1"},
		"perhaps ahead, nobody leads":  {[]network.NodeStatus{orderer("o1", 1, "", false), peer("p1", 5)}, "none of the 1", ""},
		"perhaps ahead, one is away":   {[]network.NodeStatus{orderer("o1", 1, "o1", true), away, peer("p1", 5)}, "away does not run", ""},
		"another ordering node has it": {[]network.NodeStatus{orderer("o1", 1, "o1", true), orderer("o2", 5, "o1", false), peer("p1", 5)}, "of 5 blocks o1 has 1", ""},
	} {
		if got := strings.Join(network.Oddities(c.nodes), "; "); !strings.Contains(got, c.says) || c.says == "" && got != "" {
			t.Errorf("%s: %q, want %q", name, got, c.says)
		}
		if got := network.PeersAhead(c.nodes); got != c.ahead {
			t.Errorf("%s: %q, want %q", name, got, c.ahead)
		}
	}
}

// damaged runs a network in a folder, stops it, does something to the folder, and gives
// what a second start says.
func damaged(t *testing.T, topology string, damage func(dir string)) error {
	t.Helper()
	dir := mustShortDir(t)
	n, err := network.Start(within(t, patience), mustTopology(t, topology), network.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	first := &net{Network: n, t: t}
	first.mustDeploySample("counter")
	first.mustSubmit(call("counter", "Increment", "a"))
	first.mustAgree()
	mustStop(t, n)
	damage(dir)
	n, err = network.Start(within(t, patience), mustTopology(t, topology), network.Options{Dir: dir})
	if err != nil {
		return err
	}
	again := &net{Network: n, t: t}
	again.mustAgree()
	again.mustSubmit(call("counter", "Increment", "a"))
	again.mustAgree()
	mustStop(t, n)
	return nil
}

// What is missing or damaged in a folder is named, with what to do; what can be had
// from others is.
func TestDamagedFolder(t *testing.T) {
	remove := func(pattern ...string) func(string) {
		return func(dir string) {
			found, err := filepath.Glob(filepath.Join(append([]string{dir}, pattern...)...))
			if err != nil || len(found) == 0 {
				t.Fatalf("%v: %v, %v", pattern, found, err)
			}
			for _, path := range found {
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write := func(text string, path ...string) func(string) {
		return func(dir string) {
			if err := os.WriteFile(filepath.Join(append([]string{dir}, path...)...), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	const node = "organizations/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/msp/keystore"
	for name, c := range map[string]struct {
		topology string
		damage   func(string)
		says     []string // nothing: it goes on
	}{
		"the only ordering node's database": {small, remove("nodes", "orderer.example.com", "*.db*"), []string{"only 1", "nodes/orderer.example.com/mychannel.channel.db", "put it back"}},
		"one ordering node's database":      {three, remove("nodes", "orderer2.example.com", "*.db*"), nil},
		"a peer's ledger":                   {small, remove("nodes", "peer0.org2.example.com", "channels"), nil},
		"a genesis block of rubbish":        {small, write("rubbish", "mychannel.block"), []string{"mychannel.block cannot be read", "put the file back"}},
		"an empty genesis block":            {small, write("", "mychannel.block"), []string{"mychannel.block cannot be read", "put the file back"}},
		"a key":                             {small, remove(node, "*"), []string{"no key in", "keystore", "put back the key"}},
		"a key of rubbish":                  {small, write("rubbish", node, "priv_sk"), []string{"no key in", "keystore"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := damaged(t, c.topology, c.damage)
			if (err == nil) != (c.says == nil) {
				t.Fatalf("the second start: %v, want an error: %v", err, c.says != nil)
			}
			if err != nil {
				mustContain(t, err.Error(), c.says...)
				if strings.Contains(err.Error(), "%!") {
					t.Errorf("%v", err)
				}
			}
		})
	}
}
