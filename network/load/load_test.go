package load_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/load"
)

// TestMain lets this test binary be a sample chaincode when a network starts it as one.
func TestMain(m *testing.M) {
	samples.Hook()
	os.Exit(m.Run())
}

const topology = `
organizations: [{name: Org1, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
chaincodes: [{name: basic, sample: asset}, {name: counter, sample: counter}, {name: stock, sample: stock}]
state: couchdb
runtime: process
`

// mustStart runs the test's network until the end of the test.
func mustStart(t *testing.T) *network.Network {
	t.Helper()
	parsed, err := network.ParseTopology("test.yaml", []byte(topology))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := network.Start(ctx, parsed, network.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// A client from outside comes over TCP, records nothing, and is counted like any other.
func TestOutsideClient(t *testing.T) {
	n := mustStart(t)
	s, err := load.Run(t.Context(), n, load.Options{Workload: "create", Clients: 3, Count: 9, Duration: time.Minute, Outside: true})
	if err != nil {
		t.Fatal(err)
	}
	if s.Valid != 9 || s.Errors != 0 {
		t.Errorf("%+v", s)
	}
	events, _ := n.Trace().Of(trace.GatewayCall, 0)
	if len(events) == 0 {
		t.Error("no call of the Gateway service was seen")
	}
	for _, e := range events {
		if e.Dir == trace.Sent {
			t.Fatalf("the client recorded what it sent: %+v", e)
		}
	}
}

// Each workload makes as many transactions as it was told to, and counts every one.
func TestWorkloads(t *testing.T) {
	n := mustStart(t)
	for _, test := range []struct {
		workload string
		codes    []string // that may occur
	}{
		{"create", []string{"VALID"}},
		{"read", []string{"READ"}},
		{"hot", []string{"VALID", "MVCC_READ_CONFLICT"}},
		{"mixed", []string{"VALID", "READ", "MVCC_READ_CONFLICT"}},
		{"rich", []string{"READ"}},
	} {
		t.Run(test.workload, func(t *testing.T) {
			const all = 30
			s, err := load.Run(t.Context(), n, load.Options{Workload: test.workload, Clients: 4, Count: all, Duration: time.Minute, Seed: 1, HotKeys: 2})
			if err != nil {
				t.Fatal(err)
			}
			counted, valid := 0, 0
			for code, count := range s.Codes {
				counted += count
				if code == "VALID" || code == "READ" {
					valid += count
				}
				if !slices.Contains(test.codes, code) {
					t.Errorf("%d times %s", count, code)
				}
			}
			if s.Committed != all || counted != all || s.Valid != valid || s.Errors != 0 || s.FirstError != "" {
				t.Errorf("of %d: %+v", all, s)
			}
			if s.LatencyMS.P50 <= 0 || s.LatencyMS.P50 > s.LatencyMS.P99 || s.LatencyMS.P99 > s.LatencyMS.Max || s.ThroughputTxS <= 0 {
				t.Errorf("latencies %+v, throughput %v", s.LatencyMS, s.ThroughputTxS)
			}
		})
	}
	if !slices.Equal(load.Workloads(), []string{"create", "read", "hot", "mixed", "rich"}) {
		t.Errorf("workloads without a test: %v", load.Workloads())
	}
}

// A load ends when it is told to, without error; when its context ends, with one.
func TestEndOfALoad(t *testing.T) {
	n := mustStart(t)
	stop := make(chan struct{})
	close(stop)
	s, err := load.Run(t.Context(), n, load.Options{Workload: "create", Clients: 2, Duration: time.Hour, Stop: stop})
	if err != nil || s.Committed > 100 {
		t.Errorf("a load that was stopped gave %+v, %v", s, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := load.Run(ctx, n, load.Options{Workload: "create", Clients: 2, Duration: time.Hour}); !errors.Is(err, context.Canceled) {
		t.Errorf("a load whose context ended gave %v", err)
	}
}

// A node that is away makes errors that are counted and named, not a load that fails.
func TestLoadCountsErrors(t *testing.T) {
	n := mustStart(t)
	if err := n.Nodes.Stop(t.Context(), "peer0.org1"); err != nil {
		t.Fatal(err)
	}
	s, err := load.Run(t.Context(), n, load.Options{Workload: "create", Clients: 2, Count: 5, Duration: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if s.Errors != 5 || s.Committed != 0 || !strings.Contains(s.FirstError, "no peer is running") {
		t.Errorf("without a peer: %+v", s)
	}
}

func TestWrongOptions(t *testing.T) {
	n := mustStart(t)
	for _, test := range []struct {
		options load.Options
		want    string
	}{
		{load.Options{Workload: "sleep", Clients: 1}, `"sleep" is not known: the workloads are create, read`},
		{load.Options{Workload: "create"}, "0 clients: write a number from 1"},
		{load.Options{Workload: "create", Clients: 1 << 20}, "clients: write a number"},
		{load.Options{Workload: "read", Clients: 1, HotKeys: -1}, "-1 hot keys"},
		{load.Options{Workload: "create", Clients: 1, Identity: "nobody"}, `no client "nobody"`},
	} {
		if _, err := load.Run(t.Context(), n, test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v gave %v, want %q", test.options, err, test.want)
		}
	}
}

// What a run costs is measured of all its processes.
func TestBench(t *testing.T) {
	n := mustStart(t)
	b, err := load.RunBench(t.Context(), n, load.Options{Workload: "create", Clients: 2, Count: 10, Duration: 10 * time.Second, WarmUp: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// The client signs proposal and envelope, one endorser its result.
	if b.Committed != 10 || b.Peers != 1 || b.Orderers != 1 || b.Signs != 3 || b.Verifies != 3 || b.Processes < 2 || b.RSSMB <= 0 || b.CryptoFloorMS <= 0 {
		t.Errorf("measured %+v", b)
	}
	for _, part := range []string{"10 transactions", "median", "3 signatures and 3 verifications", "VALID"} {
		if !strings.Contains(b.Text(), part) {
			t.Errorf("%q does not say %q", b.Text(), part)
		}
	}
}
