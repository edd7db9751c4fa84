package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/network"
)

// networkFlags are the settings that several commands let a person change.
type networkFlags struct {
	runtime, placement, ports, cut, state string
	faithful                              bool
}

func (f *networkFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.runtime, "runtime", "", "where chaincode runs: auto, docker or process")
	cmd.Flags().StringVar(&f.placement, "placement", "", "inproc (one process) or process (one for each node)")
	cmd.Flags().StringVar(&f.ports, "ports", "", "any, or fabric for the ports of Fabric's test network")
	cmd.Flags().StringVar(&f.state, "state", "", "the state database of the peers: leveldb, or couchdb for rich queries")
	cmd.Flags().StringVar(&f.cut, "cut", "", "when blocks are cut: timeout (as Fabric), idle (at once) or quiet (when none has come for 5 ms)")
	cmd.Flags().BoolVar(&f.faithful, "faithful", false, "nodes share nothing: every peer verifies every signature, and all messages go over TCP")
}

// topology loads a topology by file name or sample name and applies the flags.
func (f *networkFlags) topology(name string) (*network.Topology, error) {
	t, err := loadTopology(name)
	if err != nil {
		return nil, err
	}
	if f.runtime != "" {
		t.SetRuntime(f.runtime)
	}
	for _, c := range []struct {
		field *string
		value string
	}{{&t.Placement, f.placement}, {&t.Ports, f.ports}, {&t.Block.Cut, f.cut}, {&t.State, f.state}} {
		if c.value != "" {
			*c.field = c.value
		}
	}
	t.Faithful = t.Faithful || f.faithful
	return t, t.Check()
}

// loadTopology reads a topology from a file, or a sample that comes inside.
func loadTopology(name string) (*network.Topology, error) {
	if name == "" {
		name = "two-organisations"
	}
	if _, err := os.Stat(name); err == nil {
		return session.OpenTopology(name)
	}
	b, err := assets.Topology(name)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a file nor a sample topology; the samples are %s", name, strings.Join(assets.TopologyNames(), ", "))
	}
	t, err := network.ParseTopology(name+".yaml", b)
	if err == nil {
		t.Dir = "."
	}
	return t, err
}

func (p *program) up() *cobra.Command {
	var flags networkFlags
	var dir, record string
	var timing, asJSON, noDeploy bool
	cmd := &cobra.Command{
		Use:     "up [TOPOLOGY]",
		GroupID: "run",
		Short:   "Start a network and keep it running until Ctrl-C",
		Long: `Starts the network that TOPOLOGY describes (a .yaml file or the name of a sample;
default two-organisations), deploys its chaincodes, prints where to connect, and
runs until Ctrl-C. With --dir the identities and ledgers are kept, and the next
"up" with the same folder goes on where this one stopped.`,
		Example: `  fabriscope up
  fabriscope up consortium --record run.fscope
  fabriscope up my-network.yaml --dir ./net --ports fabric
  fabriscope up --time --runtime process --cut idle --json`,
		Args:              atMost(1),
		ValidArgsFunction: completes(assets.TopologyNames, "yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			t, err := flags.topology(append(args, "")[0])
			if err != nil {
				return err
			}
			u := &upRun{p: p, topology: t, json: asJSON, begin: begin}
			work := u.serve
			if timing {
				work = u.firstTransaction
			}
			return p.withNetwork(cmd.Context(), t, record, network.Options{Dir: dir, Progress: u.progress, Waiting: p.waiting, NoDeploy: noDeploy}, work)
		},
	}
	flags.define(cmd)
	cmd.Flags().StringVar(&dir, "dir", "", "keep identities, ledgers and connection files here")
	cmd.Flags().StringVar(&record, "record", "", "record everything to this run file (.fscope)")
	cmd.Flags().BoolVar(&timing, "time", false, "start, commit one transaction, print how long each step took, stop")
	cmd.Flags().BoolVar(&noDeploy, "no-deploy", false, "deploy no chaincode")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print for machines: one JSON object")
	return cmd
}

// withNetwork starts a network, recorded to a run file if one is named, works with it, and
// stops it.
func (p *program) withNetwork(ctx context.Context, t *network.Topology, record string, o network.Options, work func(context.Context, *network.Network) error) error {
	rec, stopRecording, err := p.record(record, t)
	if err != nil {
		return err
	}
	o.Trace, o.Log = rec, p.log()
	paceCollector(sizeAlone)
	n, err := network.Start(ctx, t, o)
	if err != nil {
		return errors.Join(err, stopRecording())
	}
	err = work(ctx, n)
	stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	return errors.Join(err, n.Stop(stopCtx), stopRecording())
}

// record gives the recorder of a run, writing to a run file if one is named.
func (p *program) record(path string, t *network.Topology) (*trace.Recorder, func() error, error) {
	rec := trace.NewRecorder(trace.Options{})
	if path == "" {
		return rec, func() error { return nil }, nil
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, nil, fmt.Errorf("record to %s: %w; name a file in a folder that exists", path, err)
	}
	text, err := t.YAML()
	if err != nil {
		return nil, nil, err
	}
	if err := runfile.Record(rec, path, trace.Meta{Name: t.Name, Topology: string(text), Program: "fabriscope " + Version}); err != nil {
		return nil, nil, err
	}
	return rec, rec.StopRecording, nil
}

// upRun is one run of the command up.
type upRun struct {
	p        *program
	topology *network.Topology
	json     bool
	begin    time.Time
	steps    []timedStep
}

type timedStep struct {
	Name string  `json:"step"`
	MS   float64 `json:"ms"`
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (u *upRun) progress(s network.Step) {
	u.steps = append(u.steps, timedStep{s.Name, milliseconds(s.Took)})
	if !u.json {
		fmt.Fprintf(u.p.out, "%9.1f ms  %s\n", milliseconds(s.Took), s.Name)
	}
}

// waiting says what a step waits for that takes long.
func (p *program) waiting(step, why string) {
	fmt.Fprintf(p.err, "   waiting ...  %s: %s\n", step, cmp.Or(why, "nothing is odd, it takes its time"))
}

// firstTransaction commits one transaction and prints the breakdown.
func (u *upRun) firstTransaction(ctx context.Context, n *network.Network) error {
	call, err := u.demoCall()
	if err != nil {
		return err
	}
	c, err := n.Client("User1@" + u.topology.Organizations[0].Name)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := c.Submit(ctx, call); err != nil {
		return failed(err)
	}
	u.progress(network.Step{Name: "first transaction", Took: time.Since(start)})
	total := milliseconds(time.Since(u.begin))
	if u.json {
		return json.NewEncoder(u.p.out).Encode(map[string]any{"first_commit_ms": total, "steps": u.steps,
			"runtime": runtimeOf(n, ctx), "nodes": len(n.Topology().NodeNames())})
	}
	fmt.Fprintf(u.p.out, "%9.1f ms  from the start of the program to the first committed transaction\n", total)
	return nil
}

// demoCall is a transaction that the topology's first chaincode understands.
func (u *upRun) demoCall() (network.Call, error) {
	// With --dir an earlier run may have made its own.
	name := fmt.Sprintf("first-%d", u.begin.UnixNano())
	for _, c := range u.topology.Chaincodes {
		switch c.Sample {
		case "asset":
			return network.Call{Chaincode: c.Name, Function: "CreateAsset", Args: []string{name, "blue", "1", "alice", "100"}}, nil
		case "counter":
			return network.Call{Chaincode: c.Name, Function: "Increment", Args: []string{name}}, nil
		}
	}
	return network.Call{}, errors.New("--time needs a topology with the sample asset or counter")
}

func runtimeOf(n *network.Network, ctx context.Context) string {
	for _, s := range n.Nodes.Status(ctx) {
		if s.Runtime != "" {
			return s.Runtime
		}
	}
	return ""
}

// serve tells where to connect and waits for the end.
func (u *upRun) serve(ctx context.Context, n *network.Network) error {
	unregister, err := register(n)
	if err != nil {
		return err
	}
	defer unregister()
	if u.json {
		if err := json.NewEncoder(u.p.out).Encode(u.connection(ctx, n)); err != nil {
			return err
		}
	} else {
		u.explain(ctx, n)
	}
	u.printErrors(ctx, n)
	if !u.json {
		fmt.Fprintln(u.p.out, "\nstopping ...")
	}
	return nil
}

// maxTroubles is how many different failures one run tells.
const maxTroubles = 50

// printErrors waits for the end and tells what fails inside the nodes, such as a full disk,
// once each.
func (u *upRun) printErrors(ctx context.Context, n *network.Network) {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	told := map[string]bool{}
	cursor := n.Trace().Last()
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.Done():
			return
		case <-look.C:
		}
		var events []trace.Event
		events, cursor = n.Trace().Of(trace.ErrorEvent, cursor)
		for _, e := range events {
			text := oneLine(words.Cause(&e))
			if e.Node != "" {
				text = e.Node + ": " + text
			}
			if e.TxID == "" && !told[text] && len(told) < maxTroubles { // a transaction's failure is its client's business
				told[text] = true
				fmt.Fprintln(u.p.err, "fabriscope:", text)
			}
		}
	}
}

func (u *upRun) connection(ctx context.Context, n *network.Network) map[string]any {
	return map[string]any{"name": u.topology.Name, "channel": u.topology.Channel, "dir": n.Dir(), "nodes": n.Nodes.Status(ctx),
		"start_ms": milliseconds(time.Since(u.begin)), "steps": u.steps}
}

func (u *upRun) explain(ctx context.Context, n *network.Network) {
	w := u.p.out
	fmt.Fprintf(w, "%9.1f ms  in all\n\n", milliseconds(time.Since(u.begin)))
	fmt.Fprintf(w, "%s runs: %s.\nChannel %s.", u.topology.Name, u.topology.Summary(), u.topology.Channel)
	for _, s := range n.Nodes.Status(ctx) {
		if s.Runtime != "" {
			fmt.Fprintf(w, " Chaincode runs as %s (%s).", s.Runtime, s.RuntimeWhy)
			break
		}
	}
	fmt.Fprintln(w)
	for _, s := range n.Nodes.Status(ctx) {
		more := fmt.Sprintf("height %d", s.Height)
		if s.Raft != "" {
			more += ", " + s.Raft
		}
		fmt.Fprintf(w, "  %-32s %-22s %s\n", s.Name, s.Addr, more)
	}
	fmt.Fprintf(w, "\nIdentities, connection profiles and the environment for Fabric's peer command:\n  %s\n", n.Dir())
	org := strings.ToLower(u.topology.Organizations[0].Name)
	fmt.Fprintf(w, "  . %s\n\n", filepath.Join(n.Dir(), "env-"+org+".sh"))
	if len(u.topology.Chaincodes) > 0 && u.topology.Chaincodes[0].Sample == "asset" {
		name := u.topology.Chaincodes[0].Name
		fmt.Fprintf(w, "From another terminal:\n  fabriscope invoke %s CreateAsset asset9 blue 5 alice 300\n  fabriscope query %s GetAllAssets\n  fabriscope events\n\n", name, name)
	}
	fmt.Fprintln(w, "Ctrl-C stops it.")
}
