package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/cli"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/network"
)

// asProgram makes this test binary the program itself, so that the tests run the
// real thing without building it.
const asProgram = "FABRISCOPE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	samples.Hook()
	network.Hook()
	if os.Getenv(asProgram) != "" {
		os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// program is the program with its own folder for running networks and temporary
// files.
type program struct {
	t   *testing.T
	tmp string
}

func newProgram(t *testing.T) *program {
	t.Helper()
	// Not t.TempDir: the paths of unix sockets are short.
	tmp, err := os.MkdirTemp("", "fst")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	return &program{t: t, tmp: tmp}
}

func (p *program) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+p.tmp, "XDG_RUNTIME_DIR="+p.tmp)
	cmd.Dir = p.tmp
	return cmd
}

// run runs a command to its end and gives its exit code and output.
func (p *program) run(args ...string) (code int, out, errOut string) {
	p.t.Helper()
	var o, e bytes.Buffer
	cmd := p.command(args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// must runs a command that has to succeed and gives its output.
func (p *program) must(args ...string) string {
	p.t.Helper()
	code, out, errOut := p.run(args...)
	if code != 0 {
		p.t.Fatalf("fabriscope %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

// up starts a network and waits until it says that it runs.
func (p *program) up(args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := p.command(append([]string{"up", "--runtime", "process", "--cut", "idle"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ctrl-C stops it") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return cmd
		}
	}
	p.t.Fatal("the network did not come up")
	return nil
}

// leftBehind lists what a run left in its folder for temporary files and which
// processes it left running.
func (p *program) leftBehind() []string {
	p.t.Helper()
	var left []string
	err := filepath.WalkDir(p.tmp, func(path string, d os.DirEntry, err error) error {
		if err == nil && path != p.tmp && !d.IsDir() {
			left = append(left, path)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range procs {
		if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(p.tmp)) {
			left = append(left, string(bytes.ReplaceAll(b, []byte{0}, []byte{' '})))
		}
	}
	return left
}

func (p *program) wantNothingLeft() {
	p.t.Helper()
	// Children are killed with their parent; the kernel needs a moment to end them.
	deadline := time.Now().Add(time.Minute)
	left := p.leftBehind()
	for len(left) > 0 && time.Now().Before(deadline) {
		left = p.leftBehind()
	}
	if len(left) > 0 {
		p.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

func TestANetworkFromAnotherTerminal(t *testing.T) {
	p := newProgram(t)
	up := p.up()
	var created struct {
		TxID, Code string
		Block      uint64
	}
	decode(t, p.must("invoke", "basic", "CreateAsset", "asset9", "blue", "5", "alice", "300", "--json"), &created)
	if created.Code != "VALID" || created.Block == 0 {
		t.Errorf("created: %+v, want VALID in a block", created)
	}
	if out := p.must("query", "basic", "ReadAsset", "asset9", "--as", "bob"); !strings.Contains(out, `"Owner":"alice"`) {
		t.Errorf("read %q, want what was created", out)
	}
	if code, _, errOut := p.run("invoke", "basic", "CreateAsset", "asset9", "blue", "5", "alice", "300"); code != 1 || !strings.Contains(errOut, "already") {
		t.Errorf("creating twice: exit code %d, %q; want 1 and the chaincode's words", code, errOut)
	}
	p.must("invoke", "basic", "TransferAsset", "asset9", "carol", "--flow", "gateway")
	if out := p.must("deploy", "counted", "--sample", "counter"); !strings.Contains(out, "sequence 1") {
		t.Errorf("deploy said %q", out)
	}
	p.must("invoke", "counted", "Increment", "a")
	if out := p.must("chaincodes"); !strings.Contains(out, "counted") || !strings.Contains(out, "basic_1.0:") {
		t.Errorf("chaincodes said %q", out)
	}
	var nodes []network.NodeStatus
	decode(t, p.must("peers", "--json"), &nodes)
	if len(nodes) != 7 {
		t.Errorf("%d nodes, want 7", len(nodes))
	}
	for _, n := range nodes {
		if !n.Running || n.Height < 5 {
			t.Errorf("%s: running %v, height %d", n.Name, n.Running, n.Height)
		}
	}
	if out := p.must("tx", created.TxID[:10]); !strings.Contains(out, "CreateAsset") || !strings.Contains(out, "✓ Valid") {
		t.Errorf("tx said\n%s", out)
	}
	if out := p.must("events", "--kind", "verdict", "--tx", created.TxID[:10], "--json"); strings.Count(out, "\n") != 4 {
		t.Errorf("verdicts of one transaction at four peers:\n%s", out)
	}
	if err := up.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := up.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v, want exit code 0", err)
	}
	p.wantNothingLeft()
	if code, _, errOut := p.run("peers"); code != 2 || !strings.Contains(errOut, "fabriscope up") {
		t.Errorf("with no network: exit code %d, %q; want 2 and what to do", code, errOut)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func TestCtrlCInTheMiddleOfAStart(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		t.Run(placement, func(t *testing.T) {
			p := newProgram(t)
			cmd := p.command("up", "--runtime", "process", "--placement", placement)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), "identities") {
			}
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, out)
			_ = cmd.Wait()
			p.wantNothingLeft()
		})
	}
}

func TestKill9LeavesNoProcess(t *testing.T) {
	p := newProgram(t)
	up := p.up("--placement", "process")
	if err := up.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
	deadline := time.Now().Add(time.Minute)
	var left []string
	for {
		left = left[:0]
		for _, l := range p.leftBehind() {
			if !strings.HasPrefix(l, p.tmp) {
				left = append(left, l)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("processes left behind:\n%s", strings.Join(left, "\n"))
	}
	if code, _, errOut := p.run("peers"); code != 2 || !strings.Contains(errOut, "no network is running") {
		t.Errorf("after kill -9: exit code %d, %q", code, errOut)
	}
}

func TestRecordedRun(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(p.tmp, "race.fscope")
	out := p.must("run", "two-clients-one-key", "--runtime", "process", "--record", file, "--json")
	var loser string
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		var step struct {
			Step string
			Data map[string]any
		}
		decode(t, l, &step)
	}
	verdicts := p.must("events", file, "--kind", "verdict", "--json")
	for _, l := range strings.Split(strings.TrimSpace(verdicts), "\n") {
		var e struct{ TxID, Key string }
		decode(t, l, &e)
		if e.Key == "MVCC_READ_CONFLICT" {
			loser = e.TxID
		}
	}
	if loser == "" {
		t.Fatalf("no conflict in\n%s", verdicts)
	}
	text := p.must("tx", file, loser[:12])
	for _, want := range []string{"TransferAsset(\"asset1\"", "MVCC_READ_CONFLICT", "asset1 had version", "Read set", "GET_STATE asset1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, text)
		}
	}
	if out := p.must("export", file, "--format", "mermaid", "--tx", loser); !strings.HasPrefix(out, "sequenceDiagram") || !strings.Contains(out, "MVCC_READ_CONFLICT") {
		t.Errorf("mermaid:\n%s", out)
	}
	var chrome struct{ TraceEvents []map[string]any }
	decode(t, p.must("export", file, "--format", "chrome"), &chrome)
	if len(chrome.TraceEvents) < 100 {
		t.Errorf("chrome trace with %d events", len(chrome.TraceEvents))
	}
	if out := p.must("export", file, "--format", "csv"); !strings.HasPrefix(out, "seq,ns,kind") {
		t.Errorf("csv begins with %.60q", out)
	}
	if out := p.must("export", file, "--format", "jsonl", "--payloads", "--tx", loser); !strings.Contains(out, "TransferAsset") && !strings.Contains(out, "chaincode_spec") {
		t.Errorf("payloads are not decoded:\n%.2000s", out)
	}
}

func TestInspect(t *testing.T) {
	p := newProgram(t)
	file := filepath.Join(p.tmp, "blocks.pb")
	if err := os.WriteFile(file, conformance.Read(t, "blocks.pb"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(p.must("inspect", "--json", file)), "\n")
	if len(lines) != 355 {
		t.Fatalf("%d lines, want one for each of 355 transactions", len(lines))
	}
	for _, l := range lines {
		var line struct {
			Block, Tx, Code, Recorded *int
			TxID, Reason              *string
		}
		decode(t, l, &line)
		if line.Block == nil || line.Tx == nil || line.TxID == nil || line.Reason == nil || line.Code == nil || line.Recorded == nil {
			t.Fatalf("%s lacks a key", l)
		}
		if *line.Code != *line.Recorded || (*line.Code != 0) != (*line.Reason != "") {
			t.Errorf("%s: another code than recorded, or a reason missing", l)
		}
	}
}

func TestWrongUse(t *testing.T) {
	p := newProgram(t)
	bad := filepath.Join(p.tmp, "bad.yaml")
	if err := os.WriteFile(bad, []byte("organizations:\n  - name: Org1\n    peerz: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, says string }{
		{"nosuch", "there is no command"},
		{"upp", "did you mean up?"},
		{"up --nosuch", "--help"},
		{"up nosuch", "sample topology"},
		{"up " + bad, "bad.yaml:3:5: peerz:"},
		{"up --runtime podman", "auto, docker, process"},
		{"run", "SCENARIO is missing"},
		{"run nosuch", "first-transaction"},
		{"query basic", "FUNCTION is missing"},
		{"tx", "ID is missing"},
		{"tx nosuch.fscope 12", "no such file"},
		{"events " + bad, bad},
		{"export", "RUN.fscope is missing"},
		{"inspect", "FILE is missing"},
		{"inspect " + bad, bad},
		{"ledger rebuild nosuch.db", "no such file"},
		{"ledger check", "FILE is missing"},
		{"ledger check nosuch.db", "no such file"},
		{"bench --slow-disk fast", "like 8MB/s"},
		{"bench --workload nosuch --duration 1s", "the workloads are"},
		{"node x", "node --help"},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, _, errOut := p.run(strings.Fields(c.args)...)
			if code != 2 || !strings.Contains(errOut, c.says) {
				t.Errorf("exit code %d, %q; want 2 and %q", code, errOut, c.says)
			}
			if strings.Count(strings.TrimSpace(errOut), "\n") > 0 || strings.Contains(errOut, "panic") {
				t.Errorf("not one sentence: %q", errOut)
			}
		})
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	p := newProgram(t)
	var commands []string
	for _, l := range strings.Split(p.must("--help"), "\n") {
		if f := strings.Fields(l); strings.HasPrefix(l, "  ") && !strings.HasPrefix(l, "   ") && len(f) > 1 && f[0] != "fabriscope" && !strings.HasPrefix(f[0], "-") {
			commands = append(commands, f[0])
		}
	}
	if len(commands) < 18 {
		t.Fatalf("only %d commands in the help: %v", len(commands), commands)
	}
	for _, c := range commands {
		if out := p.must(c, "--help"); c != "help" && c != "completion" && c != "ledger" && !strings.Contains(out, "Examples:\n  fabriscope "+c) {
			t.Errorf("the help of %s has no example:\n%s", c, out)
		}
	}
}

func TestDoctor(t *testing.T) {
	p := newProgram(t)
	var findings []map[string]any
	decode(t, p.must("doctor", "--json"), &findings)
	if len(findings) < 4 {
		t.Errorf("only %d findings: %v", len(findings), findings)
	}
}

func TestTimedStart(t *testing.T) {
	p := newProgram(t)
	var r struct {
		FirstCommitMS float64 `json:"first_commit_ms"`
		Steps         []any   `json:"steps"`
		Runtime       string
	}
	decode(t, p.must("up", "--time", "--runtime", "process", "--cut", "idle", "--json"), &r)
	if r.FirstCommitMS <= 0 || len(r.Steps) < 5 || r.Runtime != "process" {
		t.Errorf("got %+v", r)
	}
	p.wantNothingLeft()
}

func TestShortBench(t *testing.T) {
	p := newProgram(t)
	var b map[string]any
	decode(t, p.must("bench", "--duration", "500ms", "--clients", "8", "--runtime", "process", "--json"), &b)
	for _, key := range []string{"throughput_tx_s", "cpu_ms_per_tx", "crypto_floor_ms", "floor_ratio", "rss_mb"} {
		if v, ok := b[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", key, b[key])
		}
	}
	latency, _ := b["latency_ms"].(map[string]any)
	if fmt.Sprint(latency["p50"]) == "" || latency["p99"] == nil {
		t.Errorf("latency_ms is %v", b["latency_ms"])
	}
}
