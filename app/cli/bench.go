package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/load"
)

func (p *program) bench() *cobra.Command {
	var flags networkFlags
	var topology, record, profile string
	var asJSON bool
	o := load.Options{Seed: 1}
	cmd := &cobra.Command{
		Use:     "bench",
		GroupID: "run",
		Short:   "Measure a network: throughput, latency, CPU and memory",
		Long: `Starts a network, loads it with clients that each have one transaction under way,
and prints throughput, latency percentiles, CPU time per committed transaction of all
our processes, memory, and the crypto floor: the time of the signature operations that
one transaction needs, measured in the same run. The default topology is the sample
"bench": 2 organisations with one peer each, 3 ordering nodes, blocks of up to 500.`,
		Example: `  fabriscope bench
  fabriscope bench --clients 128 --duration 10s --json
  fabriscope bench --workload hot --record hot.fscope
  fabriscope bench --topology my-network.yaml --faithful`,
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Duration <= 0 {
				return fmt.Errorf("--duration %s: write how long to measure, like 10s", o.Duration)
			}
			t, err := flags.topology(topology)
			if err != nil {
				return err
			}
			rec, stopRecording, err := p.record(record, t)
			if err != nil {
				return err
			}
			n, err := network.Start(cmd.Context(), t, network.Options{Trace: rec, Log: p.log()})
			if err != nil {
				return errors.Join(err, stopRecording())
			}
			if isTerminal(p.err) {
				o.Progress = func(committed int, elapsed time.Duration) {
					fmt.Fprintf(p.err, "\r%d transactions in %s ", committed, elapsed.Round(time.Second))
				}
			}
			stopProfile, err := startProfile(profile)
			if err != nil {
				return errors.Join(err, n.Stop(cmd.Context()), stopRecording())
			}
			b, err := load.RunBench(cmd.Context(), n, o)
			stopProfile()
			if isTerminal(p.err) {
				fmt.Fprint(p.err, "\r\x1b[K")
			}
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 30*time.Second)
			defer cancel()
			if err = errors.Join(err, n.Stop(stopCtx), stopRecording()); err != nil {
				return err
			}
			b.Recording = record != ""
			if asJSON {
				return json.NewEncoder(p.out).Encode(b)
			}
			_, err = fmt.Fprintln(p.out, b.Text())
			return err
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&topology, "topology", "bench", "topology file or sample")
	cmd.Flags().IntVar(&o.Clients, "clients", 512, "transactions under way at the same time")
	cmd.Flags().DurationVar(&o.Duration, "duration", 10*time.Second, "how long to measure, after a warm-up")
	cmd.Flags().StringVar(&o.Workload, "workload", "create", strings.Join(load.Workloads(), ", "))
	cmd.Flags().StringVar(&o.Chaincode, "chaincode", "", "chaincode to call (default basic, or counter for hot)")
	cmd.Flags().StringVar(&record, "record", "", "record everything to this run file (.fscope)")
	cmd.Flags().StringVar(&profile, "cpuprofile", "", "write a CPU profile of this process (for go tool pprof)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
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
