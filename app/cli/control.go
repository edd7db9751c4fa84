package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// Commands that stop, start or break parts of a network are carried out by the program
// that runs it: another terminal sends it one order over the socket that only its user
// can reach.

// order is what is to be done: exactly one of its parts is set.
type order struct {
	Node      *nodeOrder
	Link      *linkOrder
	Partition [][]string // groups of nodes that cannot reach each other
	Heal      bool       // all links, and no partition any more
	Lie       *lieOrder
}

type nodeOrder struct {
	Do        nodeDeed
	Name      string // of the node
	Chaincode string // to pause and resume: the label or id of its package
}

// nodeDeed is what can be done with a node.
type nodeDeed string

const (
	doStop    nodeDeed = "stop"
	doKill    nodeDeed = "kill"
	doRestart nodeDeed = "start"
	doPause   nodeDeed = "pause"
	doResume  nodeDeed = "resume"
)

type linkOrder struct {
	A, B  string
	Shape link.Shape
}

type lieOrder struct {
	Peer string
	On   bool
}

// carryOut does what an order says.
func (o *order) carryOut(ctx context.Context, n *network.Network) error {
	switch {
	case o.Node != nil:
		return o.Node.carryOut(ctx, n)
	case o.Link != nil:
		return n.Faults.SetLink(o.Link.A, o.Link.B, o.Link.Shape)
	case o.Partition != nil:
		return n.Faults.Partition(o.Partition...)
	case o.Heal:
		return n.Faults.Heal()
	case o.Lie != nil:
		return n.Faults.SetLie(ctx, o.Lie.Peer, o.Lie.On)
	}
	return errors.New("the order says nothing that this program knows; use the same version of fabriscope in both terminals")
}

func (o *nodeOrder) carryOut(ctx context.Context, n *network.Network) error {
	switch o.Do {
	case doStop:
		return n.Nodes.Stop(ctx, o.Name)
	case doKill:
		return n.Nodes.Kill(o.Name)
	case doRestart:
		return n.Nodes.Restart(ctx, o.Name)
	case doPause, doResume:
		return n.Faults.Pause(ctx, o.Name, o.Chaincode, o.Do == doPause)
	}
	return fmt.Errorf("%q is nothing that can be done with a node; use the same version of fabriscope in both terminals", o.Do)
}

// orderLimit bounds how long an order takes: a node that starts again may have much to read.
const orderLimit = 2 * time.Minute

// maxOrder bounds an order as it is sent, in bytes.
const maxOrder = 1 << 20

// serveOrders answers POST /do (an order) and GET /nodes (how all nodes are, as JSON).
func serveOrders(mux *http.ServeMux, n *network.Network) {
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		var o order
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			http.Error(w, fmt.Sprintf("the order cannot be read: %v", err), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), orderLimit)
		defer cancel()
		if err := o.carryOut(ctx, n); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	})
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(n.Nodes.Status(r.Context()))
	})
}

// command gives the running network in dir an order and says what was done.
func (p *program) command(ctx context.Context, dir string, o order, done string) error {
	r, err := theRunning(dir)
	if err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := r.ask(ctx, http.MethodPost, "/do", nil, bytes.NewReader(body), func(io.Reader) error { return nil }); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, done)
	return err
}

// orderCommand makes a command that gives the running network an order; make reads the
// arguments and says in words what is done then.
func (p *program) orderCommand(cmd *cobra.Command, make func(args []string) (o order, done string, err error)) *cobra.Command {
	var dir string
	if cmd.GroupID == "" && !strings.HasPrefix(cmd.Example, "  fabriscope node ") {
		cmd.GroupID = "break"
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, done, err := make(args)
		if err != nil {
			return err
		}
		return p.command(cmd.Context(), dir, o, done)
	}
	defineDir(cmd, &dir)
	return cmd
}

// node groups what can be done with one node of the running network. As "node FILE" it is
// also how the program runs a node of a network with placement process.
func (p *program) node() *cobra.Command {
	cmd := &cobra.Command{
		Use: "node", GroupID: "break",
		Short: "Stop, kill or start a node of the running network, or let a peer's chaincode stand still",
		Example: `  fabriscope node kill peer0.org1
  fabriscope node start peer0.org1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && network.IsNodeProcess():
				return network.RunNode(cmd.Context(), args[0], p.log())
			case len(args) == 0:
				return errors.New("say what to do: fabriscope node stop, kill, start, pause or resume, and the node's name")
			}
			return noUnknown(cmd, args)
		},
	}
	for _, c := range []struct {
		do          nodeDeed
		short, done string
	}{
		{doStop, "Stop a node in good order", "%s is stopped; start it again with: fabriscope node start %[1]s"},
		{doKill, "End a node at once, as kill -9 or a power failure would", "%s is killed; start it again with: fabriscope node start %[1]s"},
		{doRestart, "Start a node again that was stopped or killed", "%s runs"},
	} {
		cmd.AddCommand(p.orderCommand(&cobra.Command{Use: string(c.do) + " NODE", Short: c.short, Args: exactly("NODE"),
			Example: "  fabriscope node " + string(c.do) + " peer0.org1"}, func(args []string) (order, string, error) {
			return order{Node: &nodeOrder{Do: c.do, Name: args[0]}}, fmt.Sprintf(c.done, args[0]), nil
		}))
	}
	for _, c := range []struct {
		do          nodeDeed
		short, done string
	}{
		{doPause, "Let a chaincode of a peer stand still", "%[2]s stands still at %[1]s; let it go on with: fabriscope node resume %[1]s %[2]s"},
		{doResume, "Let a chaincode of a peer go on", "%[2]s goes on at %[1]s"},
	} {
		cmd.AddCommand(p.orderCommand(&cobra.Command{Use: string(c.do) + " PEER PACKAGE", Short: c.short, Args: exactly("PEER", "PACKAGE"),
			Long:    c.short + ". PACKAGE is a package's label (basic_1.0) or id; see: fabriscope chaincodes.",
			Example: "  fabriscope node " + string(c.do) + " peer0.org1 basic_1.0"}, func(args []string) (order, string, error) {
			return order{Node: &nodeOrder{Do: c.do, Name: args[0], Chaincode: args[1]}}, fmt.Sprintf(c.done, args[0], args[1]), nil
		}))
	}
	return cmd
}

func (p *program) link() *cobra.Command {
	var s link.Shape
	cmd := p.orderCommand(&cobra.Command{
		Use: "link A B", Args: exactly("A", "B"),
		Short: "Make the links between two ends of the running network slow, lossy or cut",
		Long: `Shapes the links between two ends: nodes, clients, organisations, or patterns with *.
What was said of these ends before is replaced; without a flag the link is perfect again.`,
		Example: `  fabriscope link Org1 Org2 --latency 50ms --jitter 10ms
  fabriscope link alice peer0.org2 --cut
  fabriscope link peer0.org1 '*' --loss 0.05`,
	}, func(args []string) (order, string, error) {
		if s.Loss < 0 || s.Loss > 1 || s.Latency < 0 || s.Jitter < 0 {
			return order{}, "", errors.New("--loss is a probability from 0 to 1, --latency and --jitter are not below zero")
		}
		return order{Link: &linkOrder{args[0], args[1], s}}, fmt.Sprintf("%s to %s: %s", args[0], args[1], s), nil
	})
	cmd.Flags().DurationVar(&s.Latency, "latency", 0, "added to each message, one way")
	cmd.Flags().DurationVar(&s.Jitter, "jitter", 0, "up to this much more")
	cmd.Flags().Float64Var(&s.Loss, "loss", 0, "probability that a piece is lost and sent again 200 ms later")
	cmd.Flags().BoolVar(&s.Cut, "cut", false, "no connection at all")
	cmd.Flags().BoolVar(&s.OneWay, "one-way", false, "from A to B only")
	return cmd
}

func (p *program) partition() *cobra.Command {
	return p.orderCommand(&cobra.Command{
		Use: "partition GROUP GROUP...", Args: atLeast("GROUP", "GROUP"),
		Short: "Divide the running network into groups that cannot reach each other",
		Long: `Divides the nodes into groups that cannot reach each other, instead of an earlier
partition. A group is node names separated by commas; nodes in no group and clients
reach everybody.`,
		Example: `  fabriscope partition orderer orderer2,orderer3`,
	}, func(args []string) (order, string, error) {
		var groups [][]string
		for _, group := range args {
			groups = append(groups, strings.Split(group, ","))
		}
		return order{Partition: groups}, "divided: " + strings.Join(args, " | ") + "; heal it with: fabriscope heal", nil
	})
}

func (p *program) heal() *cobra.Command {
	return p.orderCommand(&cobra.Command{
		Use: "heal", Args: atMost(0),
		Short:   "Make all links of the running network perfect again and end a partition",
		Example: `  fabriscope heal`,
	}, func([]string) (order, string, error) {
		return order{Heal: true}, "all links are as perfect as loopback", nil
	})
}

func (p *program) lie() *cobra.Command {
	var off bool
	cmd := p.orderCommand(&cobra.Command{
		Use: "lie PEER", Args: exactly("PEER"),
		Short:   "Make a peer of the running network endorse values that its chaincode did not write",
		Example: `  fabriscope lie peer0.org2`,
	}, func(args []string) (order, string, error) {
		done := args[0] + " lies; make it honest again with: fabriscope lie " + args[0] + " --off"
		if off {
			done = args[0] + " is honest"
		}
		return order{Lie: &lieOrder{args[0], !off}}, done, nil
	})
	cmd.Flags().BoolVar(&off, "off", false, "make it honest again")
	return cmd
}
