package network_test

import (
	stdnet "net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// Nobody chose the ports of a network's nodes, so nobody must free one that another
// program has taken while the node was away: the node moves, and all the others, the
// clients and the files for other programs follow it.

func TestANodeMovesWhenItsPortIsTaken(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "net")
			n := mustStart(t, three+"placement: "+placement, network.Options{Dir: dir})
			leader, err := n.Nodes.Leader(n.ctx())
			n.must(err)
			for _, name := range []string{"peer0.org2.example.com", leader} {
				n.must(n.Nodes.Stop(n.ctx(), name))
				old := mustAddresses(t, n)[name]
				take(t, old)
				n.must(n.Nodes.Restart(n.ctx(), name))
				if now := mustAddresses(t, n)[name]; now == old {
					t.Errorf("%s is still said to be at %s", name, now)
				}
				n.mustSubmit(call("counter", "Increment", "a"))
				n.mustAgree()
			}
			profile, err := os.ReadFile(filepath.Join(dir, "connection-org2.json"))
			n.must(err)
			if now := mustAddresses(t, n)["peer0.org2.example.com"]; !strings.Contains(string(profile), "grpcs://"+now) {
				t.Errorf("the connection profile does not tell %s:\n%s", now, profile)
			}
		})
	}
}

func TestAFolderGoesOnAtOtherPorts(t *testing.T) {
	o := network.Options{Dir: filepath.Join(t.TempDir(), "net")}
	n, err := network.Start(within(t, patience), mustTopology(t, three), o)
	if err != nil {
		t.Fatal(err)
	}
	first := &net{Network: n, t: t}
	first.mustSubmit(call("counter", "Increment", "a"))
	addresses := mustAddresses(t, first)
	mustStop(t, n)
	for _, addr := range addresses {
		take(t, addr)
	}
	second := mustStart(t, three, o)
	for name, addr := range mustAddresses(t, second) {
		if addr == addresses[name] {
			t.Errorf("%s is said to be at %s, which is taken", name, addr)
		}
	}
	if r := second.mustSubmit(call("counter", "Increment", "a")); string(r.Payload) != "2" {
		t.Errorf("the counter stands at %s", r.Payload)
	}
	second.mustAgree()
}

// take makes sure that somebody else has a port.
func take(t *testing.T, addr string) {
	t.Helper()
	l, err := stdnet.Listen("tcp", addr)
	if err != nil {
		return // somebody has it
	}
	t.Cleanup(func() { l.Close() })
}

func mustAddresses(t *testing.T, n *net) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, s := range n.Nodes.Status(n.ctx()) {
		out[s.Name] = s.Addr
	}
	return out
}
