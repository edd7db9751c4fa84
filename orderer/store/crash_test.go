package store_test

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// crashEnv makes the test program a child that writes until it is killed.
const crashEnv = "FABRISCOPE_STORE_CRASH"

// Killed with -9 at any moment, the file holds everything that was acknowledged,
// every block follows its predecessor, and writing goes on.
func TestCrash(t *testing.T) {
	if path := os.Getenv(crashEnv); path != "" {
		writeForEver(t, path)
		return
	}
	path := newPath(t)
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestCrash$")
		child.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		var stored, committed uint64
		lines := bufio.NewScanner(out)
		for left := 1 + random.IntN(60); left > 0 && lines.Scan(); left-- {
			if _, err := fmt.Sscanf(lines.Text(), "entry %d", &stored); err == nil {
				continue
			}
			if _, err := fmt.Sscanf(lines.Text(), "height %d", &committed); err != nil {
				t.Fatalf("the child says %q", lines.Text())
			}
		}
		must(t, child.Process.Kill())
		_ = child.Wait() // it was killed
		s := mustOpen(t, path)
		if last, _ := s.LastIndex(); last < stored {
			t.Fatalf("round %d: entry %d was acknowledged, the log ends at %d", round, stored, last)
		}
		if s.Height() < committed {
			t.Fatalf("round %d: height %d was acknowledged, the chain has %d", round, committed, s.Height())
		}
		var previous []byte
		for n := range s.Height() {
			b, err := s.Block(n)
			must(t, err)
			if !bytes.Equal(b.Header.PreviousHash, previous) || !bytes.Equal(b.Header.DataHash, wire.DataHash(b.Data.Data)) {
				t.Fatalf("round %d: block %d does not follow", round, n)
			}
			previous = wire.BlockHash(b.Header)
		}
		must(t, s.Close())
	}
}

// writeForEver appends entries and blocks as a node does, and says so.
func writeForEver(t *testing.T, path string) {
	s := mustOpen(t, path)
	if s.Height() == 0 {
		must(t, s.AppendBlocks([]store.Append{genesis()}))
	}
	for {
		last, err := s.LastIndex()
		must(t, err)
		if last < s.Chain().RaftIndex {
			t.Fatalf("the log ends at %d before the chain's entry %d", last, s.Chain().RaftIndex)
		}
		for index := s.Chain().RaftIndex + 1; index <= last; index++ { // what a restart applies again
			var l raft.Log
			must(t, s.GetLog(index, &l))
			must(t, s.AppendBlocks([]store.Append{blockOf(t, s.Chain(), &l)}))
			fmt.Println("height", s.Height())
		}
		logs := []*raft.Log{command(last+1, 1, strings.Repeat("a", 5000)), command(last+2, 1, "b")}
		must(t, s.StoreLogs(logs))
		fmt.Println("entry", last+2)
		if last > 40 && last%7 == 0 {
			first, _ := s.FirstIndex()
			must(t, s.DeleteRange(first, last-20))
		}
	}
}
