package ledger_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// crashFile names the ledger that a child process of TestCrash writes.
const crashFile = "LEDGER_CRASH_FILE"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" {
		os.Exit(commitUntilKilled(path))
	}
	os.Exit(m.Run())
}

// commitUntilKilled is the child: it goes on with the real chain and writes every
// height that it has reached.
func commitUntilKilled(path string) int {
	t := &testing.T{} // for the helpers; a failure ends the goroutine and with it the process
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, block := range conformance.Blocks(t)[l.Height():] {
		mustReplayOne(t, l, block)
		fmt.Println(l.Height())
	}
	if err := l.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestCrash kills a process with SIGKILL in the middle of its commits, again and
// again. What it had acknowledged must be there, and blocks, state and commit
// hash must belong together.
func TestCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channel.db")
	expected := conformance.Expected(t)
	blocks := conformance.Blocks(t)
	reference := MustTemp(t, ledger.Options{})
	kills := 0
	for {
		acknowledged, killed := runAndKill(t, path, 5+rand.IntN(20))
		l, err := ledger.Open(path, ledger.Options{})
		if err != nil {
			t.Fatalf("after height %d: %v", acknowledged, err)
		}
		height := l.Height()
		if height < acknowledged {
			t.Fatalf("height %d after a crash, %d was acknowledged", height, acknowledged)
		}
		MustReplay(t, reference, blocks[reference.Height():height])
		if !bytes.Equal(l.CommitHash(), expected[height-1].CommitHash) {
			t.Errorf("height %d: commit hash %x, want %x", height, l.CommitHash(), []byte(expected[height-1].CommitHash))
		}
		if got := mustStateHash(t, l); !bytes.Equal(got, mustStateHash(t, reference)) {
			t.Errorf("height %d: the state is not that of its blocks", height)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if !killed {
			break
		}
		kills++
	}
	if kills < 5 {
		t.Errorf("only %d kills; the child is not killed in time", kills)
	}
	l := MustOpen(t, path)
	checkWorldState(t, l)
}

// runAndKill runs the child until it has acknowledged some blocks more; killed is
// false if it had reached the end before.
func runAndKill(t *testing.T, path string, after int) (acknowledged uint64, killed bool) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), crashFile+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatalf("child wrote %q", lines.Text())
		}
		if n == after {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			killed = true
		}
	}
	if err := child.Wait(); err != nil && !killed {
		t.Fatalf("child: %v", err)
	}
	return acknowledged, killed
}
