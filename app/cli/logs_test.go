package cli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What a chaincode prints is shown, and followed until somebody has seen enough; a panic is
// named where its call fails.
func TestLogs(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	source, err := filepath.Abs(filepath.Join("..", "..", "chaincode", "testdata", "contract"))
	if err != nil {
		t.Fatal(err)
	}
	p := newProgram(t)
	p.up(p.write("t.yaml", `
organizations: [{name: Org1, peers: 2}]
orderers: {nodes: 1}
chaincodes: [{name: shelf, path: `+source+`, policy: "OR('Org1MSP.peer')"}]
`))
	if code, out, text := p.run("logs", "shelf"); code != 0 || out != "" || !strings.Contains(text, "has printed anything") {
		t.Errorf("before it printed: code %d, %s%s", code, out, text)
	}
	follow := p.command("logs", "shelf", "--follow", "--json")
	follow.Stderr = os.Stderr
	pipe, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	p.must("query", "shelf", "Say", "first", "--endorser", "peer0.org1")
	p.must("query", "shelf", "Say", "second\x1b[31m", "--endorser", "peer1.org1")
	lines := bufio.NewScanner(pipe)
	for _, want := range []string{"first", "second\x1b[31m"} {
		var line struct{ Peer, Package, Line string }
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &line) != nil || line.Line != want || !strings.HasPrefix(line.Package, "shelf_1.0:") {
			t.Fatalf("followed %q, want %q", lines.Text(), want)
		}
	}
	if err := follow.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := follow.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v", err)
	}
	if out := p.must("logs", "shelf_1.0", "--peer", "peer1.org1"); !strings.HasSuffix(out, " peer1.org1.example.com shelf_1.0| second\uFFFD[31m\n") || strings.Contains(out, "first") {
		t.Errorf("at one peer:\n%q", out)
	}
	if code, _, text := p.run("query", "shelf", "Panic", "no room left", "--endorser", "peer0.org1"); code != 1 || !strings.Contains(text, "panic: no room left") {
		t.Errorf("a panic: code %d, %s", code, text)
	}
	if out := p.must("logs", "shelf"); !strings.Contains(out, "| panic: no room left") {
		t.Errorf("after a panic:\n%s", out)
	}
	if code, _, text := p.run("logs", "shelf", "--peer", "peer9"); code != 2 || !strings.Contains(text, "there is no node") {
		t.Errorf("an unknown peer: code %d, %s", code, text)
	}
}
