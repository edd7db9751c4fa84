package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Nodes are the network's peers and ordering nodes: found by their names, asked how
// they are, stopped, killed and started again.
type Nodes struct {
	*run
	ids     *identities
	faults  *Faults // which a node begins with
	genesis *commonpb.Block

	mu      sync.Mutex
	members []*member // in the order of their start
}

// member is one peer or ordering node of the network, running or not.
type member struct {
	name  string
	role  role
	org   string // organisation name
	mspID string
	spec  nodeSpec
	where atomic.Pointer[string] // the address; nil before the first start
	node  handle                 // nil while it is stopped
}

// addr is where the node listens or listened last; "" before its first start.
func (m *member) addr() string {
	if addr := m.where.Load(); addr != nil {
		return *addr
	}
	return ""
}

// handle is a running node: in this process (node), in its own (child), or in another
// program (remote).
type handle interface {
	do(ctx context.Context, c command) (reply, error)
	stop(ctx context.Context) error
	kill() error
	addr() string
}

func (m *member) info() targetInfo { return targetInfo{Name: m.name, MSPID: m.mspID, Addr: m.addr()} }

func (m *member) target() link.Target { return m.info().target() }

// errStopped says that a node was stopped meanwhile.
var errStopped = errors.New("the node is stopped; restart it first")

// find gives the member that a person means: its full name, or the part before a
// dot (peer0.org1), if that fits exactly one.
func (n *Nodes) find(name string) (*member, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*member
	for _, m := range n.members {
		if m.name == name {
			return m, nil
		}
		if strings.HasPrefix(m.name, name+".") {
			found = append(found, m)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	names := make([]string, len(n.members))
	for i, m := range n.members {
		names[i] = m.name
	}
	sort.Strings(names)
	if len(found) > 1 {
		return nil, fmt.Errorf("%q fits several nodes; write more of the name: %s", name, strings.Join(names, ", "))
	}
	return nil, fmt.Errorf("there is no node %q; the nodes are %s", name, strings.Join(names, ", "))
}

// Name gives the full name of the node that a person means.
func (n *Nodes) Name(name string) (string, error) {
	m, err := n.find(name)
	if err != nil {
		return "", err
	}
	return m.name, nil
}

// handleOf gives the running node of a member, nil while it is stopped.
func (n *Nodes) handleOf(m *member) handle {
	n.mu.Lock()
	defer n.mu.Unlock()
	return m.node
}

// ask sends a command to the node that a person means.
func (n *Nodes) ask(ctx context.Context, name string, c command) (reply, error) {
	m, err := n.find(name)
	if err != nil {
		return reply{}, err
	}
	return n.askMember(ctx, m, c)
}

func (n *Nodes) askMember(ctx context.Context, m *member, c command) (reply, error) {
	h := n.handleOf(m)
	if h == nil {
		return reply{}, fmt.Errorf("%s: %w", m.name, errStopped)
	}
	r, err := h.do(ctx, c)
	return r, m.named(err)
}

// named makes an error name the node, unless it does.
func (m *member) named(err error) error {
	if err == nil || strings.Contains(err.Error(), m.name) {
		return err
	}
	return fmt.Errorf("%s: %w", m.name, err)
}

// all gives all members, running or not.
func (n *Nodes) all() []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*member(nil), n.members...)
}

// running gives the running members of a role ("" for both) and an organisation ("" for
// all), in the order of their start.
func (n *Nodes) running(r role, org string) []*member {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*member
	for _, m := range n.members {
		if m.node != nil && (r == "" || m.role == r) && (org == "" || m.org == org) {
			out = append(out, m)
		}
	}
	return out
}

// each calls f for every running node of a role ("" for all), all at once: who does not
// answer delays nobody but the caller.
func (n *Nodes) each(r role, f func(*member, handle) error) error {
	members := n.running(r, "")
	errs := make([]error, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		if h := n.handleOf(m); h != nil {
			all.Go(func() { errs[i] = m.named(f(m, h)) })
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

// children calls f for every running node that is a process of its own.
func (n *Nodes) children(f func(*member, *child) error) error {
	return n.each("", func(m *member, h handle) error {
		if c, ok := h.(*child); ok {
			return f(m, c)
		}
		return nil
	})
}

// infos gives what nodes are told about those of a role.
func (n *Nodes) infos(r role) []targetInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []targetInfo
	for _, m := range n.members {
		if m.role == r && m.addr() != "" {
			out = append(out, m.info())
		}
	}
	return out
}

// newMember fills in a node's spec; fabricPort is its port in Fabric's test
// network.
func (n *Nodes) newMember(r role, org, name string, fabricPort int) *member {
	t := n.topology
	spec := nodeSpec{Role: r, Name: name, Dir: filepath.Join(n.dir, "nodes", name), Crypto: n.cryptoDir(), Listen: "127.0.0.1:0",
		RunID: n.runID, Seed: t.Seed, Runtime: t.Runtime, State: t.State, BuildPerPeer: t.OneBuildPerPeer, Faithful: t.Faithful}
	if t.Ports == "fabric" && fabricPort > 0 {
		spec.Listen = fmt.Sprintf("127.0.0.1:%d", fabricPort)
	} else {
		spec.Moves = true
	}
	if r == roleOrderer {
		spec.Cut, spec.MSPID, spec.Domain = t.Block.Cut, t.Orderers.Organization+"MSP", t.Orderers.Domain
	} else {
		o := t.organization(org)
		spec.MSPID, spec.Domain = o.MSPID, o.Domain
		for _, c := range t.Chaincodes {
			if c.Runtime != t.Runtime || c.Build {
				spec.Labels = append(spec.Labels, runtimeCommand{c.label(), chaincode.ForLabel{Runtime: c.Runtime, Build: c.Build}})
			}
		}
	}
	return &member{name: name, role: r, org: org, mspID: spec.MSPID, spec: spec}
}

// open starts a member in its place: this process or one of its own.
func (n *Nodes) open(m *member) error {
	if err := os.MkdirAll(m.spec.Dir, 0o700); err != nil {
		return fmt.Errorf("start %s: %w", m.name, err)
	}
	var h handle
	var err error
	if n.topology.Placement == "process" {
		h, err = n.openChild(m.spec)
	} else {
		h, err = openNode(m.spec, shared{link: n.link, verifier: n.verifier, peers: n.shared, disk: n.disk, trace: n.trace, log: n.log, org: n.ids.org(m.org)})
	}
	if err != nil {
		if n.topology.Ports == "fabric" && strings.Contains(err.Error(), "in use") {
			err = fmt.Errorf("%w; or use any free ports: --ports any", err)
		}
		return err
	}
	n.mu.Lock()
	m.node = h
	// A restart finds the node where the others know it, unless somebody has taken that
	// port meanwhile.
	addr := h.addr()
	m.spec.Listen = addr
	m.where.Store(&addr)
	n.mu.Unlock()
	if c, ok := h.(*child); ok {
		go n.noticeEnd(m, c)
		return n.faults.catchUp(c)
	}
	return nil
}

// noticeEnd waits for the end of a node's process. Unless somebody stops the node, it
// has died by itself: of a fault, of lack of memory, or by a kill from outside.
func (n *Nodes) noticeEnd(m *member, c *child) {
	<-c.exited
	n.mu.Lock()
	died := m.node == handle(c)
	if died {
		m.node = nil
	}
	n.mu.Unlock()
	if !died {
		return
	}
	_ = c.kill() // what it started and left behind; there is nobody to tell
	<-c.drained  // its last words come first
	how := "by itself"
	if c.ended != nil {
		how = "by itself: " + c.ended.Error()
	}
	n.trace.Record(trace.Event{Kind: trace.NodeKilled, What: caseOf(m.role), Node: m.name})
	n.trace.Record(trace.Event{Kind: trace.ErrorEvent, What: trace.Told, Node: m.name,
		Note: fmt.Sprintf("its process %d ended %s; restart it; its last words: %s", c.cmd.Process.Pid, how, cmp.Or(lastLine(c.output.String()), "none"))})
}

// lastLine is the last line of an output.
func lastLine(output string) string {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

func (n *Nodes) closeMember(ctx context.Context, m *member) error {
	n.mu.Lock()
	h := m.node
	m.node = nil
	n.mu.Unlock()
	if h == nil {
		return nil
	}
	err := end(ctx, m, h)
	n.trace.Record(trace.Event{Kind: trace.NodeStop, What: caseOf(m.role), Node: m.name})
	return err
}

// stopLimit bounds the stop of one node; sixty of them that share a process may be busy
// for a while. A child is killed earlier (nodeStopTimeout).
const stopLimit = 25 * time.Second

// stopGrace is how long after its time a node's stop is still waited for: its process is
// killed then.
const stopGrace = 5 * time.Second

// end stops a node and does not wait for ever for one that cannot.
func end(ctx context.Context, m *member, h handle) error {
	ctx, cancel := context.WithTimeout(ctx, stopLimit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.stop(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("%s does not stop and is left alone: %w", m.name, ctx.Err())
	}
}

// stopAll stops peers before ordering nodes, all of a kind at once.
func (n *Nodes) stopAll(ctx context.Context) error {
	var errs []error
	var mu sync.Mutex
	for _, r := range []role{rolePeer, roleOrderer} {
		var wg sync.WaitGroup
		for _, m := range n.all() {
			if m.role != r {
				continue
			}
			wg.Go(func() {
				if err := n.closeMember(ctx, m); err != nil {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, fmt.Errorf("stop %s: %w", m.name, err))
				}
			})
		}
		wg.Wait()
	}
	return errors.Join(errs...)
}

// own is find for what only the program that started the network can do.
func (n *Nodes) own(name string) (*member, error) {
	m, err := n.find(name)
	if err == nil && n.attached {
		return nil, fmt.Errorf("%s: %w", m.name, errOtherProgram)
	}
	return m, err
}

// Stop stops a node in good order; Restart brings it back.
func (n *Nodes) Stop(ctx context.Context, name string) error {
	m, err := n.own(name)
	if err != nil {
		return err
	}
	return n.closeMember(ctx, m)
}

// Kill ends a node without warning: kill -9 under placement process, an abrupt
// end of everything it runs under placement inproc.
func (n *Nodes) Kill(name string) error {
	m, err := n.own(name)
	if err != nil {
		return err
	}
	n.mu.Lock()
	h := m.node
	m.node = nil
	n.mu.Unlock()
	if h == nil {
		return fmt.Errorf("%s: %w", m.name, errStopped)
	}
	err = h.kill()
	n.trace.Record(trace.Event{Kind: trace.NodeKilled, What: caseOf(m.role), Node: m.name})
	return err
}

// Restart starts a stopped or killed node again on its data and its old address (on
// another, which everybody is told, if that has been taken and was not the topology's
// choice); a running one is stopped first.
func (n *Nodes) Restart(ctx context.Context, name string) error {
	m, err := n.own(name)
	if err != nil {
		return err
	}
	if err := n.closeMember(ctx, m); err != nil {
		return err
	}
	old := m.addr()
	if err := n.open(m); err != nil {
		return err
	}
	if err := n.join(ctx, m, true); err != nil {
		return err
	}
	if m.addr() != old {
		if err := n.tellAddress(ctx, m); err != nil {
			return err
		}
	}
	return n.redial(ctx, m.name)
}

// tellAddress tells a node's new address to all others and to those who read our files.
func (n *Nodes) tellAddress(ctx context.Context, m *member) error {
	tell := n.tellPeers
	if m.role == roleOrderer {
		tell = n.tellOrderers
	}
	if err := tell(ctx); err != nil {
		return fmt.Errorf("tell the new address of %s: %w", m.name, err)
	}
	return n.writeFiles()
}

// redial lets everybody connect at once to a node that is back: who asks it next
// must not be refused because of an earlier failure.
func (n *Nodes) redial(ctx context.Context, name string) error {
	n.link.Redial(name)
	return n.children(func(_ *member, c *child) error {
		_, err := c.do(ctx, command{Redial: name})
		return err
	})
}

// tellPeers says to all peers who the peers are.
func (n *Nodes) tellPeers(ctx context.Context) error {
	infos := n.infos(rolePeer)
	return n.each(rolePeer, func(m *member, h handle) error {
		_, err := h.do(ctx, command{Peers: infos})
		return err
	})
}

// tellOrderers says to all nodes who the ordering nodes are.
func (n *Nodes) tellOrderers(ctx context.Context) error {
	infos := n.infos(roleOrderer)
	return n.each("", func(m *member, h handle) error {
		_, err := h.do(ctx, command{Orderers: infos})
		return err
	})
}

// tellCut says to all ordering nodes when to cut blocks.
func (n *Nodes) tellCut(ctx context.Context, cut string) error {
	return n.each(roleOrderer, func(_ *member, h handle) error {
		_, err := h.do(ctx, command{Cut: cut})
		return err
	})
}
