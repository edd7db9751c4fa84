package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// write makes a file for a test and gives its path.
func (p *program) write(name, text string) string {
	p.t.Helper()
	path := filepath.Join(p.tmp, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// TestInputWithoutAnEnd gives what has no size to everything that reads a whole file.
func TestInputWithoutAnEnd(t *testing.T) {
	p := newProgram(t)
	for _, args := range []string{"up /dev/zero", "run /dev/zero", "bench --topology /dev/zero", "inspect /dev/zero", "events /dev/zero", "tx /dev/zero 12"} {
		if code, _, errOut := p.run(strings.Fields(args)...); code != 2 || !strings.Contains(errOut, "/dev/zero") || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q; want 2 and one sentence that names the file", args, code, errOut)
		}
	}
}

func TestInputThatSaysNothing(t *testing.T) {
	p := newProgram(t)
	comment, damaged := p.write("comment.star", "# nothing\n"), p.write("damaged.fscope", "SQLite format 3\x00 and no more")
	empty := map[string]string{}
	for _, ext := range []string{"yaml", "star", "fscope", "block"} {
		empty[ext] = p.write("empty."+ext, "")
	}
	for _, c := range []struct{ args, says string }{
		{"up " + empty["yaml"], "is empty"},
		{"run " + empty["star"], "is empty"},
		{"run " + comment, "is empty"},
		{"events " + empty["fscope"], "name a run file"},
		{"events " + damaged, "record the run again"},
		{"inspect " + empty["block"], "no block"},
		{"up " + p.tmp, "is a folder"},
		{"run " + p.tmp, "is a folder"},
		{"tx " + p.tmp + " 12", "name a run file"},
		{"events " + empty["fscope"] + " --kind verdikt", "there is no kind"},
		{"bench --duration 0s", "--duration"},
		{"doctor x", "one argument too many"},
		{"up --record " + filepath.Join(p.tmp, "none", "x.fscope"), "a folder that exists"},
	} {
		if code, _, errOut := p.run(strings.Fields(c.args)...); code != 2 || !strings.Contains(errOut, c.says) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: exit code %d, %q; want 2 and one sentence with %q", c.args, code, errOut, c.says)
		}
	}
}

// TestOutputThatCannotBeWritten: a network whose listing nobody reads any more, or
// which has no room, is stopped in order.
func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range []string{"up --runtime process", "run first-transaction --runtime process"} {
		t.Run(args, func(t *testing.T) {
			p := newProgram(t)
			cmd := p.command(strings.Fields(args)...)
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			out.Close()
			if err := cmd.Wait(); err != nil {
				t.Errorf("with a closed pipe: %v, %q; want exit code 0", err, errOut.String())
			}
			p.wantNothingLeft()

			full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
			if err != nil {
				t.Skip(err)
			}
			defer full.Close()
			cmd, errOut = p.command(strings.Fields(args)...), bytes.Buffer{}
			cmd.Stdout, cmd.Stderr = full, &errOut
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(errOut.String(), "no space") {
				t.Errorf("on a full disk: exit code %d, %q; want 2 and the cause", code, errOut.String())
			}
			p.wantNothingLeft()
		})
	}
}

// TestTwoSignalsAtOnce: timeout(1) and make send a signal twice; that is one wish to
// stop, and nothing is left behind.
func TestTwoSignalsAtOnce(t *testing.T) {
	p := newProgram(t)
	up := p.up()
	for range 2 {
		if err := up.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	if err := up.Wait(); err != nil {
		t.Errorf("%v, want exit code 0", err)
	}
	p.wantNothingLeft()
}

func TestTheReasonInAnotherTerminal(t *testing.T) {
	p := newProgram(t)
	up := p.up()
	code, _, errOut := p.run("invoke", "basic", "CreateAsset", "a", "blue", "5", "alice", "300", "--endorser", "Org1")
	if code != 1 || !strings.Contains(errOut, "ENDORSEMENT_POLICY_FAILURE. ") || !strings.Contains(errOut, "Org2MSP") {
		t.Errorf("exit code %d, %q; want 1 and whose signature is missing", code, errOut)
	}
	if code, _, errOut := p.run("invoke", "basic", "ReadAsset", "asset1", "--timeout", "1ms"); code == 0 || !strings.Contains(errOut, "--timeout") || strings.Contains(errOut, "rpc error") {
		t.Errorf("too late: exit code %d, %q; want the remedy", code, errOut)
	}
	if err := up.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
}

func TestAFolderGoesOn(t *testing.T) {
	p := newProgram(t)
	dir := filepath.Join(t.TempDir(), "net")
	for range 2 { // the second time the first one's asset is there
		p.must("up", "--time", "--dir", dir, "--runtime", "process", "--cut", "idle")
	}
	code, out, errOut := p.run("up", "consortium", "--dir", dir, "--runtime", "process")
	if code != 2 || out != "" || !strings.Contains(errOut, "another folder with --dir") {
		t.Errorf("another topology in the folder: exit code %d, %q, %q", code, out, errOut)
	}
	p.must("up", "--time", "--dir", dir, "--runtime", "process", "--cut", "idle")
}

// TestAKilledRunIsSwept: the folder of a run that was killed goes when the next
// network starts.
func TestAKilledRunIsSwept(t *testing.T) {
	p := newProgram(t)
	up := p.up()
	if err := up.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
	locks, err := filepath.Glob(filepath.Join(p.tmp, "fabriscope-*", "lock"))
	if err != nil || len(locks) == 0 {
		t.Fatalf("%d locks, %v", len(locks), err)
	}
	sockets, err := filepath.Glob(filepath.Join(p.tmp, "fs-*", "trace"))
	if err != nil || len(sockets) == 0 {
		t.Fatalf("%d sockets, %v", len(sockets), err)
	}
	old := time.Now().Add(-time.Hour)
	for _, l := range slices.Concat(locks, sockets) {
		for _, path := range []string{l, filepath.Dir(l)} {
			if err := os.Chtimes(path, old, old); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.must("up", "--time", "--runtime", "process", "--cut", "idle")
	p.run("peers") // tidies the list of running networks
	p.wantNothingLeft()
}

func TestGoCannotPackage(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
	p := newProgram(t)
	up := p.up()
	if err := os.Mkdir(filepath.Join(p.tmp, "cc"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.write("cc/go.mod", "module example.com/cc\n\ngo 1.25\n")
	p.write("cc/main.go", "package main\n\nimport (\n\t_ \"example.com/no/a\"\n\t_ \"example.com/no/b\"\n\t_ \"example.com/no/c\"\n\t_ \"example.com/no/d\"\n)\n\nfunc main() {}\n")
	code, _, errOut := p.run("deploy", "cc", "--path", "cc")
	if err := os.RemoveAll(filepath.Join(p.tmp, "cc")); err != nil {
		t.Fatal(err)
	}
	if code != 2 || strings.Count(errOut, "\n") != 1 || !strings.Contains(errOut, "example.com/no/a") || !strings.Contains(errOut, "go mod tidy") {
		t.Errorf("exit code %d, %q; want 2 and one sentence with cause and remedy", code, errOut)
	}
	if err := up.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = up.Wait()
	p.wantNothingLeft()
}

// TestAwkwardSurroundings: a folder for temporary files whose path is too long for
// sockets, and a home that cannot be written.
func TestAwkwardSurroundings(t *testing.T) {
	for _, placement := range []string{"inproc", "process"} {
		p := newProgram(t)
		p.tmp = filepath.Join(p.tmp, strings.Repeat("long", 25))
		if err := os.Mkdir(p.tmp, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("HOME", "/dev/null")
		t.Setenv("XDG_CACHE_HOME", "")
		up := p.up("--placement", placement)
		if out := p.must("events", "--kind", "verdict"); !strings.Contains(out, "VALID") {
			t.Errorf("%s: the trace in another terminal says %q", placement, out)
		}
		if err := up.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := up.Wait(); err != nil {
			t.Errorf("%s: %v, want exit code 0", placement, err)
		}
		if left, _ := filepath.Glob(filepath.Join(p.tmp, "fs-*")); len(left) > 0 {
			t.Errorf("%s: left behind %v", placement, left)
		}
	}
}

// TestInspectFilesOfAStar: a shell sorts mychannel_10.block before mychannel_2.block.
func TestInspectFilesOfAStar(t *testing.T) {
	p := newProgram(t)
	count := 0
	for b, err := range wire.ReadBlocks(bytes.NewReader(conformance.Read(t, "blocks.pb"))) {
		if err != nil {
			t.Fatal(err)
		}
		raw, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		p.write(fmt.Sprintf("mychannel_%d.block", count), string(raw))
		if count++; count == 12 {
			break
		}
	}
	files, err := filepath.Glob(filepath.Join(p.tmp, "*.block"))
	if err != nil {
		t.Fatal(err)
	}
	if out := p.must(append([]string{"inspect"}, files...)...); !strings.Contains(out, "up to block 11: 0 invalid") {
		t.Errorf("inspect said %q", out)
	}
	if code, out, _ := p.run("inspect", files[2], files[0]); code != 1 || !strings.Contains(out, "begin with number") {
		t.Errorf("in the order given: exit code %d, %q", code, out)
	}
}
