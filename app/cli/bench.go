package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/load"
)

func (p *program) bench() *cobra.Command {
	var flags networkFlags
	var topology, record, profile string
	var asJSON, inWindow bool
	var slowDisk, client string
	o := load.Options{Seed: 1, Needed: true}
	cmd := &cobra.Command{
		Use:     "bench",
		GroupID: "run",
		Short:   "Measure a network: throughput, latency, CPU and memory",
		Long: `Starts a network, loads it with clients that each have one transaction under way,
and prints throughput, latency percentiles, CPU time per committed transaction of all
our processes, memory, and the crypto floor: the time of the signature operations that
one transaction needs, measured in the same run. Only as many organisations are asked
to endorse as the chaincode's policy needs. The default topology is the sample
"bench": 2 organisations with one peer each, 3 ordering nodes, blocks of up to 500.
The workload rich gives it state: couchdb and the sample stock.`,
		Example: `  fabriscope bench
  fabriscope bench --clients 128 --duration 10s --json
  fabriscope bench --workload hot --record hot.fscope
  fabriscope bench --workload rich
  fabriscope bench --client gateway --clients 128
  fabriscope bench --topology my-network.yaml --faithful
  fabriscope bench --clients 32 --duration 60s --slow-disk 8MB/s
  fabriscope bench --window`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Duration <= 0 {
				return fmt.Errorf("--duration %s: write how long to measure, like 10s", o.Duration)
			}
			switch client {
			case "fan-out":
			case "gateway":
				o.Outside = true
			default:
				return fmt.Errorf("--client %q: write fan-out or gateway", client)
			}
			rate, err := byteRate(slowDisk)
			if err != nil {
				return err
			}
			t, err := flags.topology(topology)
			if err != nil {
				return err
			}
			load.Suit(t, o.Workload)
			if rate > 0 && t.Placement == "process" {
				return errors.New("--slow-disk slows the disk down for the nodes of this process, with placement process they are in others; leave one of the two out")
			}
			if isTerminal(p.err) {
				o.Progress = func(committed int, elapsed time.Duration) {
					fmt.Fprintf(p.err, "\r%d transactions in %s ", committed, elapsed.Round(time.Second))
				}
			}
			r := benchRun{p: p, o: o, record: record, profile: profile, inWindow: inWindow, diskRate: rate}
			b, err := r.run(cmd.Context(), t)
			if err != nil {
				return err
			}
			b.Recording = record != ""
			if asJSON {
				return json.NewEncoder(p.out).Encode(b)
			}
			_, err = fmt.Fprintln(p.out, b.Text())
			if inWindow && err == nil {
				_, err = fmt.Fprintf(p.out, "window: its thread used %.2f of a core\n", b.WindowCores)
			}
			return err
		},
	}
	flags.define(cmd)
	cmd.Flags().StringVar(&topology, "topology", "bench", "topology file or sample")
	cmd.Flags().IntVar(&o.Clients, "clients", 512, "transactions under way at the same time")
	cmd.Flags().DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure, after a warm-up")
	cmd.Flags().StringVar(&o.Workload, "workload", "create", strings.Join(load.Workloads(), ", "))
	cmd.Flags().StringVar(&o.Chaincode, "chaincode", "", "chaincode to call (default basic, counter for hot, stock for rich)")
	cmd.Flags().StringVar(&client, "client", "fan-out", "fan-out (asks the endorsers itself) or gateway (over TCP, as another program does)")
	cmd.Flags().StringVar(&record, "record", "", "record everything to this run file (.fscope)")
	cmd.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile of this process (for go tool pprof)")
	cmd.Flags().StringVar(&slowDisk, "slow-disk", "", "let the nodes' syncs take as long as on a disk of this speed, like 8MB/s")
	cmd.Flags().BoolVar(&inWindow, "window", false, "show the network in a window meanwhile")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// byteRate reads "8MB/s", "500kB/s" or a number of bytes a second; "" is 0.
func byteRate(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := strings.TrimSuffix(text, "/s"), 1.0
	for _, u := range []struct {
		name  string
		bytes float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, unit = rest, u.bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n*unit >= 1e3 && n*unit <= 1e12) {
		return 0, fmt.Errorf("--slow-disk %q: write a speed of at least 1kB/s, like 8MB/s", text)
	}
	return int64(n * unit), nil
}

// benchRun is one measurement.
type benchRun struct {
	p               *program
	o               load.Options
	record, profile string
	inWindow        bool
	diskRate        int64 // bytes a second, 0: as fast as it is
}

// benchResult is what is printed.
type benchResult struct {
	*load.Bench
	// WindowCores is the processor time of the window's thread over the time of the load.
	WindowCores float64 `json:"window_cores,omitempty"`
}

func (r *benchRun) run(ctx context.Context, t *network.Topology) (*benchResult, error) {
	var b *benchResult
	measure := func(ctx context.Context, n *network.Network) (err error) {
		b, err = r.measure(ctx, n)
		return err
	}
	switch {
	case r.inWindow && r.diskRate > 0:
		return nil, errors.New("--slow-disk and --window do not go together; leave one of the two out")
	case r.inWindow && r.record != "":
		return nil, errors.New("--record and --window do not go together; record in the window with Ctrl+R")
	case r.inWindow:
		err := r.p.benchInWindow(ctx, t, measure)
		return b, err
	}
	err := r.p.withNetwork(ctx, t, r.record, network.Options{DiskBytesPerSecond: r.diskRate}, measure)
	return b, err
}

// measure loads a running network.
func (r *benchRun) measure(ctx context.Context, n *network.Network) (*benchResult, error) {
	stopProfile, err := startProfile(r.profile)
	if err != nil {
		return nil, err
	}
	drawing, begin := mainThread(), time.Now()
	b, err := load.RunBench(ctx, n, r.o)
	drawn, took := mainThread()-drawing, time.Since(begin)
	stopProfile()
	if isTerminal(r.p.err) {
		fmt.Fprint(r.p.err, "\r\x1b[K")
	}
	if err != nil {
		return nil, err
	}
	result := &benchResult{Bench: b}
	if r.inWindow {
		result.WindowCores = drawn.Seconds() / took.Seconds()
	}
	return result, nil
}

// startProfile begins a CPU profile if a file is named.
func startProfile(name string) (stop func(), err error) {
	if name == "" {
		return func() {}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("start the profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
