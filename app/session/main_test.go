package session_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// TestMain lets this test binary be a sample chaincode or a node. At the end no test may
// have left a process, a socket or a folder behind.
func TestMain(m *testing.M) {
	samples.Hook()
	network.Hook()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fss") // short, because it becomes part of socket paths
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	code := m.Run()
	if f := flag.Lookup("test.fuzz"); f != nil && f.Value.String() != "" {
		return code // fuzzing kills its helpers, which then leave what they had
	}
	for _, left := range leftovers(dir) {
		fmt.Fprintln(os.Stderr, "left behind:", left)
		code = max(code, 1)
	}
	return code
}

// leftovers lists files in dir and processes that run this test binary.
func leftovers(dir string) []string {
	left, _ := filepath.Glob(filepath.Join(dir, "*"))
	var processes []string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if processes = processesOf(); len(processes) == 0 {
			break
		}
	}
	return append(left, processes...)
}

func processesOf() []string {
	self, err := os.Executable()
	if err != nil {
		return []string{err.Error()}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // not Linux
	}
	var found []string
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if exe, _ := os.Readlink(filepath.Join("/proc", e.Name(), "exe")); exe == self {
			found = append(found, "process "+e.Name())
		}
	}
	return found
}

// patience bounds everything that a test waits for.
const patience = 60 * time.Second

// small is a network that is quick to start, with a block for what comes at once.
const small = `
name: Small
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
chaincodes: [{name: basic, sample: asset, call: [InitLedger]}]
runtime: process
`

func mustTopology(t testing.TB, yaml string) *network.Topology {
	t.Helper()
	topology, err := network.ParseTopology("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// driven is a session whose frames the test makes.
type driven struct {
	*session.Session
	t testing.TB
}

// mustStart runs a topology in a session until the end of the test; then nothing that
// belongs to it may run any more.
func mustStart(t testing.TB, yaml string, o session.StartOptions) *driven {
	t.Helper()
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := session.Start(ctx, mustTopology(t, yaml), o)
	if err != nil {
		t.Fatal(err)
	}
	return drive(t, s, before)
}

// drive closes a session at the end of the test and looks for what it leaves.
func drive(t testing.TB, s *session.Session, goroutines int) *driven {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines; {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines are left of %d:\n%s", runtime.NumGoroutine(), goroutines, stacks[:runtime.Stack(stacks, true)])
			}
			runtime.Gosched()
		}
	})
	return &driven{s, t}
}

// frame is the time of one frame of the window.
const frame = 16 * time.Millisecond

// until makes frames until the condition holds.
func (d *driven) until(what string, holds func() bool) {
	d.t.Helper()
	frames := time.NewTicker(frame / 8)
	defer frames.Stop()
	for end := time.Now().Add(patience); ; <-frames.C {
		d.Tick(frame)
		if holds() {
			return
		}
		if time.Now().After(end) {
			d.t.Fatalf("waited in vain: %s; last error of the trace: %s", what, d.lastError())
		}
	}
}

// lastError is the newest error event of the trace, "" if there is none.
func (d *driven) lastError() (text string) {
	if d.Source() == nil {
		return ""
	}
	events, _, _ := d.Source().Since(0, 1<<20)
	for _, e := range events {
		if e.Kind == trace.ErrorEvent {
			text = e.Note
		}
	}
	return text
}

// untilAgreed waits until every peer has committed the newest block: endorsers at different
// heights give different results.
func (d *driven) untilAgreed() {
	d.t.Helper()
	d.until("all peers have the newest block", func() bool {
		now := d.World.Now()
		return !slices.ContainsFunc(d.Peers(), func(peer string) bool {
			i, _ := d.World.ID(peer)
			return now.Node(i).Height != now.Newest
		})
	})
}

func call(identity, function string, args ...string) session.Call {
	return session.Call{Identity: identity, Call: network.Call{Chaincode: "basic", Function: function, Args: args}}
}

// mustSubmit submits and waits for the outcome.
func (d *driven) mustSubmit(c session.Call) session.Outcome {
	d.t.Helper()
	var got *session.Outcome
	d.Submit(c, func(o session.Outcome) { got = &o })
	d.until(fmt.Sprint(c), func() bool { return got != nil })
	return *got
}

func (d *driven) mustEvaluate(c session.Call) session.Outcome {
	d.t.Helper()
	var got *session.Outcome
	d.Evaluate(c, func(o session.Outcome) { got = &o })
	d.until(fmt.Sprint(c), func() bool { return got != nil })
	return *got
}

// must runs an action that tells only an error, and wants none.
func (d *driven) must(what string, action func(done func(error))) {
	d.t.Helper()
	over := false
	action(func(err error) {
		if err != nil {
			d.t.Fatalf("%s: %v", what, err)
		}
		over = true
	})
	d.until(what, func() bool { return over })
}

func mustContain(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not say %q", text, p)
		}
	}
}
