package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/network"
)

// A network that runs in one terminal is broken and mended from another.
func TestBreakFromAnotherTerminal(t *testing.T) {
	p := newProgram(t)
	p.up("two-organisations")
	state := func(name string) network.NodeStatus {
		t.Helper()
		var all []network.NodeStatus
		decode(t, p.must("peers", "--json"), &all)
		for _, s := range all {
			if strings.HasPrefix(s.Name, name) {
				return s
			}
		}
		t.Fatalf("%s is not listed: %+v", name, all)
		return network.NodeStatus{}
	}
	says := func(want string, args ...string) {
		t.Helper()
		if out := p.must(args...); !strings.Contains(out, want) {
			t.Errorf("fabriscope %s says %q, want %q", strings.Join(args, " "), out, want)
		}
	}
	says("leader, term", "peers")
	says("is killed; start it again with: fabriscope node start peer0.org2", "node", "kill", "peer0.org2")
	if state("peer0.org2").Running {
		t.Error("a killed peer runs")
	}
	says("peer0.org2 runs", "node", "start", "peer0.org2")
	says("is stopped", "node", "stop", "orderer3")
	if !state("peer0.org2").Running || state("orderer3").Running {
		t.Error("peer0.org2 does not run, or orderer3 does")
	}
	says("orderer3 runs", "node", "start", "orderer3")

	says("stands still", "node", "pause", "peer0.org1", "basic_1.0")
	says("goes on", "node", "resume", "peer0.org1", "basic_1.0")
	says("Org1 to peer0.org2: latency 5ms", "link", "Org1", "peer0.org2", "--latency", "5ms")
	says("divided: orderer | orderer2,orderer3", "partition", "orderer", "orderer2,orderer3")
	says("perfect", "heal")
	says("lies", "lie", "peer0.org2")
	for kind, want := range map[string]string{"node.killed": "peer0.org2", "node.stop": "orderer3", "link.rule": "latency 5ms", "partition": "orderer2", "fault": "lie"} {
		says(want, "events", "--kind", kind)
	}
	says("honest", "lie", "peer0.org2", "--off")
	says("VALID", "invoke", "basic", "CreateAsset", "a-9", "blue", "-5", "alice", "1")

	for _, c := range []struct{ args, says string }{
		{"node kill nobody", "there is no node"},
		{"node dance", `no command "dance"`},
		{"node", "say what to do"},
		{"node stop", "NODE is missing"},
		{"node pause peer0.org1 nothing_1.0", "nothing_1.0"},
		{"link nobody nowhere --cut", "names no node"},
		{"link Org1 Org2 --loss 2", "probability from 0 to 1"},
		{"partition orderer", "GROUP is missing"},
		{"partition orderer orderer", "orderer"},
		{"lie orderer", "orderer"},
		{"invoke basic ReadAsset -x", "stands after --"},
	} {
		code, out, errOut := p.run(strings.Fields(c.args)...)
		if code != 2 || !strings.Contains(errOut, c.says) || strings.Count(strings.TrimSpace(errOut), "\n") > 0 {
			t.Errorf("%s: exit code %d, %q, %q; want 2 and one sentence with %q", c.args, code, out, errOut, c.says)
		}
	}
}

// The definition that nobody can call is committed, with a word about it; what does not
// compile is not.
func TestDeployTellsBeforeItCommits(t *testing.T) {
	p := newProgram(t)
	p.up("one-of-each")
	code, out, errOut := p.run("deploy", "odd", "--sample", "counter", "--policy", "OR('Org1.peer')")
	if code != 0 || !strings.Contains(errOut, "nobody can satisfy the policy") || !strings.Contains(out, "committed") {
		t.Errorf("exit code %d, %q, %q", code, out, errOut)
	}
	folder := p.mustTree("go.mod", "module broken\n\ngo 1.24\n", "main.go", "package main\n\nfunc main() { undefinedFunction() }\n")
	code, out, errOut = p.run("deploy", "broken", "--path", folder)
	if code == 0 || !strings.Contains(errOut, "main.go:3:15: undefined: undefinedFunction") || strings.Contains(errOut, ":;") {
		t.Errorf("exit code %d, %q, %q", code, out, errOut)
	}
	if out := p.must("chaincodes"); strings.Contains(out, "broken") || !strings.Contains(out, "odd") {
		t.Errorf("chaincodes:\n%s", out)
	}
}

// mustTree writes files (name, text, name, text) into a new folder.
func (p *program) mustTree(files ...string) (folder string) {
	p.t.Helper()
	folder = filepath.Join(p.tmp, "tree")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(folder, files[i]), []byte(files[i+1]), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	return folder
}
