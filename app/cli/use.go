package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/network"
)

// codeFlags say where a chaincode comes from and how it is defined.
type codeFlags struct {
	network.Chaincode
	dir string
}

func (f *codeFlags) defineSource(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Sample, "sample", "", "a chaincode that comes with the program; see: fabriscope samples")
	cmd.Flags().StringVar(&f.Path, "path", "", "a folder with Go source")
	cmd.Flags().StringVar(&f.Package, "package", "", "a package file (.tar.gz)")
	cmd.Flags().StringVar(&f.Address, "address", "", "host:port of a chaincode that runs as a service")
	cmd.Flags().StringVar(&f.Version, "version", "1.0", "label for people; also part of the package's label")
}

func (f *codeFlags) defineDefinition(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Policy, "policy", "", "endorsement policy, like \"OR('Org1MSP.peer','Org2MSP.peer')\"")
	cmd.Flags().BoolVar(&f.InitRequired, "init-required", false, "the first call must be Init")
}

func defineDir(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "dir", "", "folder of the running network, if several run")
}

// codeCommand makes a command about the chaincode NAME of the running network; what do
// gives is printed.
func (p *program) codeCommand(f *codeFlags, cmd *cobra.Command, do func(context.Context, *network.Network) (string, error)) *cobra.Command {
	cmd.GroupID, cmd.Args = "use", exactly("NAME")
	cmd.RunE = p.attached(&f.dir, func(ctx context.Context, n *network.Network, _ *cobra.Command, args []string) error {
		f.Name = args[0]
		f.absolute()
		if doubt := n.Chaincodes.Doubt(f.Chaincode); doubt != "" {
			fmt.Fprintln(p.err, "fabriscope: note:", doubt)
		}
		text, err := do(ctx, n)
		if text != "" {
			_, unwritten := fmt.Fprintln(p.out, text)
			err = errors.Join(err, unwritten)
		}
		return err
	})
	defineDir(cmd, &f.dir)
	return cmd
}

// absolute makes paths independent of the topology's folder.
func (f *codeFlags) absolute() {
	for _, path := range []*string{&f.Path, &f.Package} {
		if abs, err := filepath.Abs(*path); *path != "" && err == nil {
			*path = abs
		}
	}
}

func (p *program) deploy() *cobra.Command {
	var f codeFlags
	cmd := p.codeCommand(&f, &cobra.Command{Use: "deploy NAME", Short: "Install, approve and commit a chaincode, or upgrade it",
		Example: `  fabriscope deploy basic --sample asset --version 2.0
  fabriscope deploy mycc --path ./mycc --policy "AND('Org1MSP.peer','Org2MSP.peer')"`,
	}, func(ctx context.Context, n *network.Network) (string, error) {
		d, err := n.Chaincodes.Deploy(ctx, f.Chaincode)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(p.out, "%s %s is committed with sequence %d, package %s\n", d.Name, d.Version, d.Sequence, d.PackageID)
		if err := p.waitLaunched(ctx, f.dir, d.PackageID); err != nil {
			return "", failed(fmt.Errorf("%s is committed, but does not run: %w", d.Name, err))
		}
		return "", nil
	})
	f.defineSource(cmd)
	f.defineDefinition(cmd)
	return cmd
}

func (p *program) install() *cobra.Command {
	var f codeFlags
	var peers []string
	cmd := p.codeCommand(&f, &cobra.Command{Use: "install NAME", Short: "Install a chaincode's package on peers and print its package id",
		Example: `  fabriscope install basic --sample asset --version 2.0
  fabriscope install mycc --package mycc.tar.gz --peer peer0.org1`,
	}, func(ctx context.Context, n *network.Network) (string, error) {
		raw, err := n.Chaincodes.Pack(ctx, f.Chaincode)
		if err != nil {
			return "", err
		}
		return n.Chaincodes.Install(ctx, raw, peers)
	})
	f.defineSource(cmd)
	cmd.Flags().StringSliceVar(&peers, "peer", nil, "install on this peer only; may be given several times")
	return cmd
}

func (p *program) approve() *cobra.Command {
	var f codeFlags
	var sequence int64
	var packageID, org string
	cmd := p.codeCommand(&f, &cobra.Command{Use: "approve NAME", Short: "Approve a chaincode's definition for one organisation",
		Example: `  fabriscope approve basic --org Org1 --sequence 2 --version 2.0 --package-id basic_2.0:4f1d...`,
	}, func(ctx context.Context, n *network.Network) (string, error) {
		if org == "" {
			return "", errors.New("--org is missing: name the organisation that approves")
		}
		if err := n.Chaincodes.Approve(ctx, f.Chaincode, sequence, packageID, org); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s approved %s with sequence %d", org, f.Name, sequence), nil
	})
	f.defineVersion(cmd, &sequence)
	cmd.Flags().StringVar(&packageID, "package-id", "", "the package that this organisation's peers run; empty: it does not endorse")
	cmd.Flags().StringVar(&org, "org", "", "the organisation that approves")
	return cmd
}

func (p *program) commit() *cobra.Command {
	var f codeFlags
	var sequence int64
	cmd := p.codeCommand(&f, &cobra.Command{Use: "commit NAME", Short: "Commit a chaincode's definition that enough organisations approved",
		Example: `  fabriscope commit basic --sequence 2 --version 2.0`,
	}, func(ctx context.Context, n *network.Network) (string, error) {
		if err := n.Chaincodes.Commit(ctx, f.Chaincode, sequence); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s is committed with sequence %d", f.Name, sequence), nil
	})
	f.defineVersion(cmd, &sequence)
	return cmd
}

// defineVersion adds the flags of a definition's version.
func (f *codeFlags) defineVersion(cmd *cobra.Command, sequence *int64) {
	cmd.Flags().StringVar(&f.Version, "version", "1.0", "version of the definition")
	cmd.Flags().Int64Var(sequence, "sequence", 1, "sequence of the definition: 1, and one more at each upgrade")
	f.defineDefinition(cmd)
}

// callFlags are what invoke and query share.
type callFlags struct {
	dir, client, flow string
	endorsers         []string
	transient         map[string]string
	init, asJSON      bool
	timeout           time.Duration
}

func (f *callFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.client, "as", "", "who asks: a client of the topology or user@organisation (default User1 of the first organisation)")
	cmd.Flags().StringVar(&f.flow, "flow", "fan-out", "fan-out (ask all endorsers at once) or gateway")
	cmd.Flags().StringSliceVar(&f.endorsers, "endorser", nil, "ask this peer or organisation; may be given several times")
	cmd.Flags().StringToStringVar(&f.transient, "transient", nil, "transient data, name=value")
	cmd.Flags().BoolVar(&f.init, "init", false, "this is the chaincode's Init")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object")
	cmd.Flags().DurationVar(&f.timeout, "timeout", time.Minute, "give up after this time")
	defineDir(cmd, &f.dir)
}

func (f *callFlags) newCall(n *network.Network, args []string) (*network.Client, network.Call, error) {
	for i := range args {
		args[i] = strings.TrimPrefix(args[i], shield)
	}
	call := network.Call{Chaincode: args[0], Function: args[1], Args: args[2:], Endorsers: f.endorsers, Flow: network.Flow(f.flow), Init: f.init}
	if f.timeout <= 0 {
		return nil, call, fmt.Errorf("--timeout %s: write how long to wait, like 30s", f.timeout)
	}
	if call.Flow != network.FanOut && call.Flow != network.Gateway {
		return nil, call, fmt.Errorf("flow %q is not known: write fan-out or gateway", f.flow)
	}
	if len(f.transient) > 0 {
		call.Transient = map[string][]byte{}
		for k, v := range f.transient {
			call.Transient[k] = []byte(v)
		}
	}
	name := f.client
	if name == "" {
		name = "User1@" + n.Topology().Organizations[0].Name
	}
	c, err := n.Client(name)
	return c, call, err
}

// callCommand makes a command that calls a function of a chaincode and prints what came of it.
func (p *program) callCommand(cmd *cobra.Command, what string, do func(context.Context, *network.Network, *network.Client, network.Call) (*network.Result, error)) *cobra.Command {
	var f callFlags
	cmd.GroupID, cmd.Args = "use", atLeast("CHAINCODE", "FUNCTION")
	cmd.RunE = p.attached(&f.dir, func(ctx context.Context, n *network.Network, _ *cobra.Command, args []string) error {
		c, call, err := f.newCall(n, args)
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		r, err := do(ctx, n, c, call)
		return p.printResult(r, f.tooLate(ctx, err), f.asJSON, what)
	})
	f.define(cmd)
	return cmd
}

func (p *program) invoke() *cobra.Command {
	return p.callCommand(&cobra.Command{
		Use:   "invoke CHAINCODE FUNCTION [ARG...]",
		Short: "Submit a transaction and wait for its verdict",
		Long:  "Submits a transaction and waits for its verdict. Exit code 1 if it is not valid or not endorsed.",
		Example: `  fabriscope invoke basic CreateAsset asset9 blue 5 alice 300
  fabriscope invoke counter Add visits -5
  fabriscope invoke basic TransferAsset asset9 bob --as bob --flow gateway`,
	}, "transaction", func(ctx context.Context, n *network.Network, c *network.Client, call network.Call) (*network.Result, error) {
		r, err := c.Submit(ctx, call)
		if r != nil && r.Reason == "" {
			r.Reason = p.reason(ctx, n.Dir(), r.TxID, err)
		}
		return r, err
	})
}

func (p *program) query() *cobra.Command {
	return p.callCommand(&cobra.Command{
		Use:     "query CHAINCODE FUNCTION [ARG...]",
		Short:   "Ask one peer; nothing is ordered",
		Example: `  fabriscope query basic ReadAsset asset9 --endorser peer0.org2`,
	}, "query", func(ctx context.Context, _ *network.Network, c *network.Client, call network.Call) (*network.Result, error) {
		return c.Evaluate(ctx, call)
	})
}

// tooLate adds the remedy to what went wrong because the time was up.
func (f *callFlags) tooLate(ctx context.Context, err error) error {
	if err == nil || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w; it had %s, more with --timeout", err, f.timeout)
}

// reason asks the network's own trace, which knows more than this program, why a
// transaction is not valid. "" if it cannot say.
func (p *program) reason(ctx context.Context, dir, txID string, err error) string {
	if invalid := (*network.CommitError)(nil); !errors.As(err, &invalid) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var call inspect.Call
		if text, err := p.explain(ctx, "", dir, txID, true); err == nil && json.Unmarshal(text, &call) == nil && call.Reason != "" {
			return call.Reason
		}
		select { // nodes that are processes of their own tell a moment later
		case <-ctx.Done():
			return ""
		case <-again.C:
		}
	}
}

// printResult prints what came of a call.
func (p *program) printResult(r *network.Result, err error, asJSON bool, what string) error {
	var invalid *network.CommitError
	var refused *network.EndorseError
	var rejected *network.SubmitError
	if errors.As(err, &invalid) || errors.As(err, &refused) || errors.As(err, &rejected) {
		err = failed(err)
	}
	if r == nil {
		return err
	}
	if asJSON {
		line := map[string]any{"txid": r.TxID, "status": r.Status, "payload": string(r.Payload), "endorsers": r.Endorsers, "took_ms": milliseconds(r.Took)}
		if what == "transaction" && (err == nil || invalid != nil) {
			line["code"], line["block"], line["reason"] = r.Code.String(), r.Block, r.Reason
		}
		if err != nil {
			line["error"] = err.Error()
		}
		return errors.Join(json.NewEncoder(p.out).Encode(line), err)
	}
	if err != nil {
		return err
	}
	if what == "transaction" {
		fmt.Fprintf(p.out, "%s in block %d, transaction %s, %.1f ms\n", r.Code, r.Block, r.TxID, milliseconds(r.Took))
	}
	if len(r.Payload) > 0 {
		fmt.Fprintf(p.out, "%s\n", r.Payload)
	}
	return nil
}

// listCommand makes a command that lists what there is in the running network.
func (p *program) listCommand(cmd *cobra.Command, list func(ctx context.Context, n *network.Network, asJSON bool) error) *cobra.Command {
	var dir string
	var asJSON bool
	cmd.GroupID, cmd.Args = "use", atMost(0)
	cmd.RunE = p.attached(&dir, func(ctx context.Context, n *network.Network, _ *cobra.Command, _ []string) error {
		return list(ctx, n, asJSON)
	})
	defineDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print for machines: one JSON value")
	return cmd
}

func (p *program) peers() *cobra.Command {
	return p.listCommand(&cobra.Command{Use: "peers", Short: "List the nodes of the running network: heights, who leads, who is behind",
		Example: `  fabriscope peers --json`}, p.listPeers)
}

func (p *program) chaincodes() *cobra.Command {
	return p.listCommand(&cobra.Command{Use: "chaincodes", Short: "List the committed chaincode definitions and the packages that each peer has",
		Example: `  fabriscope chaincodes`}, p.listChaincodes)
}

func (p *program) listPeers(ctx context.Context, n *network.Network, asJSON bool) error {
	all, err := p.statuses(ctx, n)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(p.out).Encode(all)
	}
	highest := uint64(0)
	for _, s := range all {
		highest = max(highest, s.Height)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tROLE\tADDRESS\tRUNNING\tHEIGHT\tLAST BLOCK\tSTATE")
	for _, s := range all {
		height, hash := "-", "-"
		if s.Height > 0 {
			height, hash = fmt.Sprint(s.Height), s.Hash[:min(12, len(s.Hash))]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%v\t%s\t%s\t%s\n", s.Name, s.Role, s.Addr, s.Running, height, hash, stateOf(&s, highest))
	}
	return w.Flush()
}

// statuses asks the program that runs the network, which knows more of its nodes than they
// tell others; where it cannot be asked, they are asked.
func (p *program) statuses(ctx context.Context, n *network.Network) (all []network.NodeStatus, err error) {
	r, err := theRunning(n.Dir())
	if err != nil {
		return nil, err
	}
	if r.Socket == "" {
		return n.Nodes.Status(ctx), nil
	}
	err = r.ask(ctx, http.MethodGet, "/nodes", nil, nil, func(body io.Reader) error { return json.NewDecoder(body).Decode(&all) })
	return all, err
}

// stateOf says what a node's numbers do not.
func stateOf(s *network.NodeStatus, highest uint64) string {
	var parts []string
	if s.Raft != "" {
		parts = append(parts, fmt.Sprintf("%s, term %d", s.Raft, s.Term))
	}
	if behind := highest - s.Height; s.Running && behind > 0 {
		parts = append(parts, fmt.Sprintf("%d behind", behind))
	}
	if s.Problem != "" {
		parts = append(parts, s.Problem)
	}
	return strings.Join(parts, "; ")
}

func (p *program) listChaincodes(ctx context.Context, n *network.Network, asJSON bool) error {
	definitions, err := n.Chaincodes.Definitions(ctx)
	if err != nil {
		return err
	}
	type definition struct {
		Name     string `json:"name"`
		Version  string `json:"version"`
		Sequence int64  `json:"sequence"`
	}
	out := struct {
		Definitions []definition        `json:"definitions"`
		Installed   map[string][]string `json:"installed"`
	}{Installed: map[string][]string{}}
	for _, d := range definitions {
		out.Definitions = append(out.Definitions, definition{d.GetName(), d.GetVersion(), d.GetSequence()})
	}
	for _, s := range n.Nodes.Status(ctx) {
		if s.Role != "peer" || !s.Running {
			continue
		}
		installed, err := n.Chaincodes.Installed(ctx, s.Name)
		if err != nil {
			return err
		}
		for _, i := range installed {
			out.Installed[s.Name] = append(out.Installed[s.Name], i.GetPackageId())
		}
	}
	if asJSON {
		return json.NewEncoder(p.out).Encode(out)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CHAINCODE\tVERSION\tSEQUENCE")
	for _, d := range out.Definitions {
		fmt.Fprintf(w, "%s\t%s\t%d\n", d.Name, d.Version, d.Sequence)
	}
	fmt.Fprintln(w, "\nPEER\tPACKAGE\t")
	for _, s := range n.Topology().NodeNames() {
		for _, id := range out.Installed[s] {
			fmt.Fprintf(w, "%s\t%s\t\n", s, id)
		}
	}
	return w.Flush()
}
