package session

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// deployTimeout bounds a deployment: compiling in Docker takes its time.
const deployTimeout = 10 * time.Minute

// Deploy installs a chaincode, has every organisation approve its definition and commits
// it. A name that is defined already is upgraded to the next sequence. What is being done
// can be seen in the trace; progress (may be nil) hears of every finished step.
func (s *Session) Deploy(c network.Chaincode, progress func(network.Step), done func(*network.Deployment, error)) {
	if done == nil {
		done = func(*network.Deployment, error) {}
	}
	if _, err := s.live(); err != nil {
		done(nil, err)
		return
	}
	note := s.notes.step(s, deployCall(c))
	l := s.listenSteps("chaincode "+c.Name+": ", progress)
	var d *network.Deployment
	s.act(func(err error) {
		l.gone = true
		if err != nil {
			note.failed = err.Error()
		}
		done(d, err)
	}, func(ctx context.Context, n *network.Network) error {
		ctx, cancel := context.WithTimeout(ctx, deployTimeout)
		defer cancel()
		var err error
		d, err = n.Deploy(ctx, c)
		return err
	}, func() { s.deployed(c, d) })
}

// stepListener hears of the steps of one deployment, which the trace tells.
type stepListener struct {
	prefix string
	f      func(network.Step)
	gone   bool
}

func (s *Session) listenSteps(prefix string, f func(network.Step)) *stepListener {
	l := &stepListener{prefix: prefix, f: f}
	if f != nil {
		s.steps = append(s.steps, l)
	}
	return l
}

// tellSteps looks for steps that somebody waits for.
func (s *Session) tellSteps(events []trace.Event) {
	s.steps = slices.DeleteFunc(s.steps, func(l *stepListener) bool { return l.gone })
	if len(s.steps) == 0 {
		return
	}
	for i := range events {
		if events[i].Kind != trace.Progress {
			continue
		}
		for _, l := range s.steps {
			if name, ok := strings.CutPrefix(events[i].Key, l.prefix); ok {
				took, _ := time.ParseDuration(events[i].Note)
				l.f(network.Step{Name: name, Took: took})
			}
		}
	}
}

// Upgrade deploys the next version of a chaincode that runs already.
func (s *Session) Upgrade(name, version string, done func(*network.Deployment, error)) {
	for _, c := range s.Chaincodes() {
		if c.Name != name {
			continue
		}
		next := network.Chaincode{Name: name}
		if s.topology != nil {
			for _, t := range s.topology.Chaincodes {
				if t.Name == name {
					next = t
				}
			}
		}
		next.Version, next.Call = version, nil
		s.Deploy(next, nil, done)
		return
	}
	if done != nil {
		done(nil, fmt.Errorf("there is no chaincode %q to upgrade; deploy it first", name))
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
func (s *Session) deployed(c network.Chaincode, d *network.Deployment) {
	if s.topology == nil || d == nil {
		return
	}
	c.Version, c.Call = d.Version, nil
	for i, t := range s.topology.Chaincodes {
		if t.Name == c.Name {
			s.topology.Chaincodes[i] = c
			return
		}
	}
	s.topology.Chaincodes = append(s.topology.Chaincodes, c)
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
func (s *Session) Install(c network.Chaincode, peers []string, done func(packageID string, err error)) {
	id, name := "", s.notes.nextPackage()
	s.fault(name+" = "+installCall(c, peers), func(err error) {
		if done != nil {
			done(id, err)
		}
	}, func(ctx context.Context, n *network.Network) error {
		ctx, cancel := context.WithTimeout(ctx, deployTimeout)
		defer cancel()
		raw, err := n.Pack(ctx, c)
		if err == nil {
			id, err = n.Install(ctx, raw, peers)
		}
		return err
	}, func() { s.notes.packaged(id, name) })
}

// Approve approves a definition for one organisation. An empty package id approves it for
// an organisation that does not run the chaincode.
func (s *Session) Approve(c network.Chaincode, sequence int64, packageID, org string, done func(error)) {
	text := fmt.Sprintf("approve(%s, %s, package = %s, %s)", quoted(c.Name), quoted(org), s.notes.packageName(packageID), definitionArgs(c, sequence))
	s.fault(text, done, func(ctx context.Context, n *network.Network) error {
		return n.Approve(ctx, c, sequence, packageID, org)
	}, nil)
}

// CommitDefinition commits a definition that enough organisations have approved.
func (s *Session) CommitDefinition(c network.Chaincode, sequence int64, done func(error)) {
	text := fmt.Sprintf("commit(%s, %s)", quoted(c.Name), definitionArgs(c, sequence))
	s.fault(text, done, func(ctx context.Context, n *network.Network) error {
		return n.CommitDefinition(ctx, c, sequence)
	}, func() { s.deployed(c, &network.Deployment{Name: c.Name, Version: c.Version, Sequence: sequence}) })
}

// AddPeer gives an organisation one more peer; done hears its name.
func (s *Session) AddPeer(org string, done func(name string, err error)) {
	name := ""
	s.fault(fmt.Sprintf("add_peer(%s)", quoted(org)), func(err error) {
		if done != nil {
			done(name, err)
		}
	}, func(ctx context.Context, n *network.Network) error {
		var err error
		name, err = n.AddPeer(ctx, org)
		return err
	}, func() {
		for i := range s.topology.Organizations {
			if o := &s.topology.Organizations[i]; o.Name == org {
				*o.Peers++
			}
		}
		s.describe(s.topology)
	})
}

// AddOrderer adds an ordering node to the Raft group; done hears its name.
func (s *Session) AddOrderer(done func(name string, err error)) {
	name := ""
	s.fault("add_orderer()", func(err error) {
		if done != nil {
			done(name, err)
		}
	}, func(ctx context.Context, n *network.Network) error {
		var err error
		name, err = n.AddOrderer(ctx)
		return err
	}, func() {
		s.topology.Orderers.Nodes++
		s.describe(s.topology)
	})
}
