package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
	"github.com/fabriscope/fabriscope/network"
)

// deployTimeout bounds a deployment: compiling in Docker takes its time.
const deployTimeout = 10 * time.Minute

// Chaincodes is what the channel runs, and how it gets there: packages, approvals,
// definitions.
type Chaincodes struct {
	*core
	steps    []*stepListener
	metadata map[string]metadata // by chaincode
}

// Chaincode is a chaincode definition of the channel, with its packages.
type Chaincode struct {
	Name     string
	Version  string
	Sequence int64
	Sample   string   // the sample that it is, "" for others
	Running  []string // peers on which a process or container of any version runs
	Packages []string // package ids seen at peers
}

// Deploy installs a chaincode, has every organisation approve its definition and commits
// it. A name that is defined already is upgraded to the next sequence. What is being done
// can be seen in the trace; progress (may be nil) hears of every finished step.
func (cc *Chaincodes) Deploy(c network.Chaincode, progress func(network.Step), done func(*network.Deployment, error)) {
	l := &stepListener{"chaincode " + c.Name + ": ", progress, len(cc.now().Steps)}
	if progress != nil {
		cc.steps = append(cc.steps, l)
	}
	runGiving(cc.core, cc.step(script.Deploy(c)), func(d *network.Deployment, err error) {
		cc.steps = slices.DeleteFunc(cc.steps, func(o *stepListener) bool { return o == l })
		if done != nil {
			done(d, err)
		}
	}, func(ctx context.Context, n *network.Network) (*network.Deployment, error) {
		ctx, cancel := context.WithTimeout(ctx, deployTimeout)
		defer cancel()
		return n.Chaincodes.Deploy(ctx, c)
	}, func(d *network.Deployment) { cc.deployed(c, d) })
}

// stepListener hears of the steps of one deployment, as the trace tells them.
type stepListener struct {
	prefix string
	f      func(network.Step)
	heard  int // steps of the network that it has been told
}

// tellSteps tells new steps to those who wait for them.
func (cc *Chaincodes) tellSteps() {
	steps := cc.now().Steps
	for _, l := range cc.steps {
		for _, d := range steps[min(l.heard, len(steps)):] {
			if name, ok := strings.CutPrefix(d.Name, l.prefix); ok {
				l.f(network.Step{Name: name, Took: d.Took})
			}
		}
		l.heard = max(l.heard, len(steps))
	}
}

// NextVersion is a version to offer for an upgrade: 2.0 after 1.0.
func NextVersion(version string) string {
	var major, minor int
	if n, err := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && err == nil {
		return fmt.Sprintf("%d.0", major+1)
	}
	return version + ".1"
}

// deployed keeps the session's copy of the topology equal to what runs.
func (cc *Chaincodes) deployed(c network.Chaincode, d *network.Deployment) {
	if cc.topology == nil || d == nil {
		return
	}
	c.Version, c.Call = d.Version, nil
	for i, t := range cc.topology.Chaincodes {
		if t.Name == c.Name {
			cc.topology.Chaincodes[i] = c
			return
		}
	}
	cc.topology.Chaincodes = append(cc.topology.Chaincodes, c)
}

// SampleChaincode is a chaincode that comes with the program.
type SampleChaincode struct {
	Name, Doc string
	Functions []Function
}

// SampleChaincodes lists the chaincodes that come with the program.
func SampleChaincodes() []SampleChaincode {
	var out []SampleChaincode
	for _, sm := range samples.All() {
		c := SampleChaincode{Name: sm.Name, Doc: sm.Doc}
		for _, f := range sm.Functions {
			c.Functions = append(c.Functions, functionOf(f))
		}
		out = append(out, c)
	}
	return out
}

// Install puts a chaincode's package on peers (nil: all that run) without defining it, and
// gives its package id.
func (cc *Chaincodes) Install(c network.Chaincode, peers []string, done func(packageID string, err error)) {
	called := func(string) {}
	runGiving(cc.core, func() (e *script.Entry) {
		e, called = cc.notes.Install(c, peers)
		return e
	}, done, func(ctx context.Context, n *network.Network) (string, error) {
		ctx, cancel := context.WithTimeout(ctx, deployTimeout)
		defer cancel()
		raw, err := n.Chaincodes.Pack(ctx, c)
		if err != nil {
			return "", err
		}
		return n.Chaincodes.Install(ctx, raw, peers)
	}, func(id string) { called(id) })
}

// Approve approves a definition for one organisation. An empty package id approves it for
// an organisation that does not run the chaincode.
func (cc *Chaincodes) Approve(c network.Chaincode, sequence int64, packageID, org string, done func(error)) {
	cc.runNoted(func() *script.Entry { return cc.notes.Approve(c, sequence, packageID, org) }, done, func(ctx context.Context, n *network.Network) error {
		return n.Chaincodes.Approve(ctx, c, sequence, packageID, org)
	}, nil)
}

// CommitDefinition commits a definition that enough organisations have approved.
func (cc *Chaincodes) CommitDefinition(c network.Chaincode, sequence int64, done func(error)) {
	cc.runNoted(cc.step(script.Commit(c, sequence)), done, func(ctx context.Context, n *network.Network) error {
		return n.Chaincodes.Commit(ctx, c, sequence)
	}, func() { cc.deployed(c, &network.Deployment{Name: c.Name, Version: c.Version, Sequence: sequence}) })
}

// List gives the channel's chaincodes in alphabetical order.
func (cc *Chaincodes) List() []Chaincode {
	var out []Chaincode
	for _, d := range cc.now().Definitions {
		c := Chaincode{Name: d.Name, Version: d.Version, Sequence: d.Sequence, Sample: cc.sampleOf(d.Name)}
		cc.visitRunning(func(peer, label string) {
			if nameOf(label) == d.Name && !slices.Contains(c.Running, peer) {
				c.Running = append(c.Running, peer)
			}
		})
		slices.Sort(c.Running)
		for _, id := range cc.now().Packages {
			if label, _, _ := strings.Cut(id, ":"); nameOf(label) == d.Name {
				c.Packages = append(c.Packages, id)
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Chaincode) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// visitRunning shows the chaincode processes that run, also those that stand still.
func (cc *Chaincodes) visitRunning(see func(peer, label string)) {
	for i := range cc.now().Nodes {
		for j := range cc.now().Nodes[i].Docked {
			if c := &cc.now().Nodes[i].Docked[j]; c.Phase == facts.Ready || c.Phase == facts.Paused {
				see(cc.panels.World.Name(int32(i)), labelOf(c))
			}
		}
	}
}

// labelOf is the label of a chaincode's package: basic_1.0.
func labelOf(c *facts.Chaincode) string {
	if label, _, ok := strings.Cut(c.ID, ":"); ok {
		return label
	}
	return strings.Replace(c.Label, " ", "_", 1)
}

// nameOf is a chaincode's name in the label of its package: basic of basic_1.0.
func nameOf(label string) string {
	if i := strings.LastIndexByte(label, '_'); i > 0 {
		return label[:i]
	}
	return label
}

// Packages lists the ids of all packages that were installed.
func (cc *Chaincodes) Packages() []string { return slices.Clone(cc.now().Packages) }

// ChaincodesAt lists the labels of the chaincode processes that run at a peer.
func (cc *Chaincodes) ChaincodesAt(peer string) []string {
	var out []string
	cc.visitRunning(func(at, label string) {
		if at == peer {
			out = append(out, label)
		}
	})
	slices.Sort(out)
	return out
}

// sampleOf is the sample that a chaincode of the topology, or one deployed since, is.
func (cc *Chaincodes) sampleOf(name string) string {
	if cc.topology == nil {
		return ""
	}
	for _, c := range cc.topology.Chaincodes {
		if c.Name == name {
			return c.Sample
		}
	}
	return ""
}

// Argument is an argument of a function.
type Argument struct {
	Name     string
	Type     string // string, integer ..., "" if it is not known
	Example  string // what it may look like, "" if that is not known
	Optional bool   // it may be left out
}

// Function is what can be called of a chaincode.
type Function struct {
	Name     string
	Args     []Argument
	Doc      string
	ReadOnly bool // evaluate it, do not submit it
	Seen     bool // only its name is known, from the trace
}

// Examples are arguments that the function may be called with.
func (f *Function) Examples() []string {
	var all []string
	for _, a := range f.Args {
		if !a.Optional {
			all = append(all, a.Example)
		}
	}
	return all
}

// Functions lists what a chaincode offers: of samples, and of those whose metadata says it,
// all functions; of others those that were called before.
func (cc *Chaincodes) Functions(chaincode string) []Function {
	var out []Function
	if sm, ok := samples.ByName(cc.sampleOf(chaincode)); ok {
		for _, f := range sm.Functions {
			out = append(out, functionOf(f))
		}
		return out
	}
	if described := cc.described(chaincode); described != nil {
		return described
	}
	for _, name := range slices.Sorted(slices.Values(cc.now().Functions(chaincode))) {
		if name == metadataFunction {
			continue
		}
		out = append(out, Function{Name: name, Seen: true})
	}
	return out
}

func functionOf(f sample.Function) Function {
	args := make([]Argument, len(f.Args))
	for i, name := range f.Args {
		name, optional := strings.CutSuffix(name, "?")
		is := samples.Documented(name)
		args[i] = Argument{Name: name, Type: is.Type, Example: is.Example, Optional: optional}
	}
	return Function{Name: f.Name, Args: args, Doc: f.Doc, ReadOnly: f.ReadOnly}
}
