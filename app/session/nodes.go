package session

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Node is a peer or ordering node, as the newest events tell.
type Node struct {
	Name    string
	Role    string // "peer" or "orderer"
	Org     string // the organisation's name, "" if it is not known
	Running bool
	Killed  bool     // not running because it was killed
	Leader  bool     // an ordering node that leads
	Lies    bool     // a peer that was told to lie
	Paused  []string // labels of its chaincodes that stand still
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

// nodeBook is what events say about nodes and chaincodes. It holds one entry for each,
// within bounds.
type nodeBook struct {
	channel    string
	lastError  string
	leader     string
	byName     map[string]*Node
	order      []string
	chaincodes map[string]*Chaincode
	running    map[string]map[string]bool // chaincode label -> peers
	called     map[string][]string        // chaincode name -> functions seen
	packages   []string
	progress   []network.Step
}

// maxSeen bounds what is learned from events: names beyond it are not offered.
const maxSeen = 1000

func (b *nodeBook) init() {
	b.byName, b.chaincodes = map[string]*Node{}, map[string]*Chaincode{}
	b.running, b.called = map[string]map[string]bool{}, map[string][]string{}
}

// add learns from new events; it tells whether anything but time has changed.
func (b *nodeBook) add(events []trace.Event) (changed bool) {
	for i := range events {
		e := &events[i]
		if b.channel == "" && e.Channel != "" {
			b.channel = e.Channel
		}
		switch e.Kind {
		case trace.NodeStart:
			n := b.node(e.Node)
			if n != nil {
				n.Running, n.Killed, n.Lies, n.Paused = true, false, false, nil
				if e.Note == "peer" || e.Note == "orderer" {
					n.Role = e.Note
				}
			}
		case trace.NodeStop, trace.NodeKilled:
			b.gone(e.Node, e.Kind == trace.NodeKilled)
		case trace.RaftRole:
			b.role(e.Node, strings.HasPrefix(e.Note, "leader"))
		case trace.ErrorEvent:
			b.lastError = e.Note
		case trace.Progress:
			if took, err := time.ParseDuration(e.Note); err == nil && len(b.progress) < maxSeen {
				b.progress = append(b.progress, network.Step{Name: e.Key, Took: took})
			}
		case trace.DefinitionKnown:
			b.define(e.Key, e.Note)
		case trace.Installed:
			if len(b.packages) < maxSeen && !slices.Contains(b.packages, e.Key) {
				b.packages = append(b.packages, e.Key)
			}
		case trace.LaunchEnd:
			b.launched(e.Key, e.Node, true)
		case trace.ChaincodeExit:
			b.launched(e.Key, e.Node, false)
		case trace.ChaincodeTransaction:
			b.call(e)
			continue
		default:
			continue
		}
		changed = true
	}
	return changed
}

func (b *nodeBook) node(name string) *Node {
	if n := b.byName[name]; n != nil || len(b.byName) >= maxSeen || name == "" {
		return n
	}
	role := "peer"
	if strings.HasPrefix(name, "orderer") {
		role = "orderer"
	}
	n := &Node{Name: name, Role: role}
	b.byName[name] = n
	b.order = append(b.order, name)
	return n
}

func (b *nodeBook) gone(name string, killed bool) {
	n := b.byName[name]
	if n == nil {
		return
	}
	n.Running, n.Killed, n.Leader, n.Lies, n.Paused = false, killed, false, false, nil
	for _, peers := range b.running {
		delete(peers, name)
	}
	if b.leader == name {
		b.leader = ""
	}
}

func (b *nodeBook) role(name string, leads bool) {
	n := b.node(name)
	if n == nil {
		return
	}
	if leads {
		for _, other := range b.byName {
			other.Leader = false
		}
		b.leader = name
	} else if b.leader == name {
		b.leader = ""
	}
	n.Leader = leads
}

// define reads a note such as "version 1.0, sequence 1".
func (b *nodeBook) define(name, note string) {
	c := b.chaincodes[name]
	if c == nil {
		if len(b.chaincodes) >= maxSeen {
			return
		}
		c = &Chaincode{Name: name}
		b.chaincodes[name] = c
	}
	version, sequence, ok := strings.Cut(strings.TrimPrefix(note, "version "), ", sequence ")
	if n, err := strconv.ParseInt(sequence, 10, 64); ok && err == nil && n >= c.Sequence {
		c.Version, c.Sequence = version, n
	}
}

func (b *nodeBook) launched(packageID, peer string, on bool) {
	label, _, _ := strings.Cut(packageID, ":")
	if b.running[label] == nil {
		if len(b.running) >= maxSeen {
			return
		}
		b.running[label] = map[string]bool{}
	}
	if on {
		b.running[label][peer] = true
	} else {
		delete(b.running[label], peer)
	}
}

// call remembers the function that a peer handed to a chaincode.
func (b *nodeBook) call(e *trace.Event) {
	label, _, ok := strings.Cut(e.Other, "@")
	if e.Dir != trace.Sent || !ok || e.Note == "" {
		return
	}
	name := nameOf(label)
	if len(b.called) < maxSeen && len(b.called[name]) < 100 && !slices.Contains(b.called[name], e.Note) {
		b.called[name] = append(b.called[name], e.Note)
	}
}

// nameOf is a chaincode's name in the label of its package: basic of basic_1.0.
func nameOf(label string) string {
	if i := strings.LastIndexByte(label, '_'); i > 0 {
		return label[:i]
	}
	return label
}

func (b *nodeBook) names(role string) []string {
	var out []string
	for _, name := range b.order {
		if b.byName[name].Role == role {
			out = append(out, name)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return nodeLess(out[i], out[j]) })
	return out
}

// nodeLess orders nodes by organisation, then by number: peer2 before peer10.
func nodeLess(a, b string) bool {
	nameA, domainA, _ := strings.Cut(a, ".")
	nameB, domainB, _ := strings.Cut(b, ".")
	if domainA != domainB {
		return domainA < domainB
	}
	if len(nameA) != len(nameB) {
		return len(nameA) < len(nameB)
	}
	return nameA < nameB
}

// Nodes lists peers and ordering nodes as they are at the end of the trace.
func (s *Session) Nodes() []Node {
	var out []Node
	for _, role := range []string{"peer", "orderer"} {
		for _, name := range s.nodes.names(role) {
			n := *s.nodes.byName[name]
			n.Org = s.orgOf(name)
			n.Paused = slices.Clone(n.Paused)
			out = append(out, n)
		}
	}
	return out
}

// Node gives one node, by its full name; ok is false for others than peers and ordering
// nodes.
func (s *Session) Node(name string) (n Node, ok bool) {
	found := s.nodes.byName[name]
	if found == nil {
		return Node{}, false
	}
	n = *found
	n.Org, n.Paused = s.orgOf(name), slices.Clone(n.Paused)
	return n, true
}

// orgOf is the organisation that a node belongs to, by its domain.
func (s *Session) orgOf(node string) string {
	if s.topology == nil {
		return ""
	}
	_, domain, _ := strings.Cut(node, ".")
	for _, o := range s.topology.Organizations {
		if o.Domain == domain {
			return o.Name
		}
	}
	if domain == s.topology.Orderers.Domain {
		return s.topology.Orderers.Organization
	}
	return ""
}

// Progress lists the finished steps of the start and of deployments with their times.
func (s *Session) Progress() []network.Step { return s.nodes.progress }

// Leader is the ordering node that leads, "" while none does.
func (s *Session) Leader() string { return s.nodes.leader }

// Chaincodes lists the channel's chaincodes in alphabetical order.
func (s *Session) Chaincodes() []Chaincode {
	var out []Chaincode
	for name, c := range s.nodes.chaincodes {
		d := *c
		d.Sample = s.sampleOf(name)
		for label, peers := range s.nodes.running {
			if nameOf(label) != name {
				continue
			}
			for p := range peers {
				if !slices.Contains(d.Running, p) {
					d.Running = append(d.Running, p)
				}
			}
		}
		sort.Slice(d.Running, func(i, j int) bool { return nodeLess(d.Running[i], d.Running[j]) })
		for _, id := range s.nodes.packages {
			if label, _, _ := strings.Cut(id, ":"); nameOf(label) == name {
				d.Packages = append(d.Packages, id)
			}
		}
		out = append(out, d)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// Packages lists the ids of all packages that were installed.
func (s *Session) Packages() []string { return slices.Clone(s.nodes.packages) }

// ChaincodesAt lists the labels of the chaincode processes that run at a peer.
func (s *Session) ChaincodesAt(peer string) []string {
	var out []string
	for label, peers := range s.nodes.running {
		if peers[peer] {
			out = append(out, label)
		}
	}
	sort.Strings(out)
	return out
}

// sampleOf is the sample that a chaincode of the topology, or one deployed since, is.
func (s *Session) sampleOf(name string) string {
	if s.topology == nil {
		return ""
	}
	for _, c := range s.topology.Chaincodes {
		if c.Name == name {
			return c.Sample
		}
	}
	return ""
}

// Function is what can be called of a chaincode.
type Function struct {
	Name     string
	Args     []string // their names; those that end in "?" may be left out
	Doc      string
	ReadOnly bool // evaluate it, do not submit it
	Seen     bool // only its name is known, from the trace
}

// Functions lists what a chaincode offers: of samples all functions, of others those that
// were called before.
func (s *Session) Functions(chaincode string) []Function {
	var out []Function
	if sm, ok := samples.ByName(s.sampleOf(chaincode)); ok {
		for _, f := range sm.Functions {
			out = append(out, functionOf(f))
		}
		return out
	}
	for _, name := range s.nodes.called[chaincode] {
		out = append(out, Function{Name: name, Seen: true})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

func functionOf(f sample.Function) Function {
	return Function{Name: f.Name, Args: slices.Clone(f.Args), Doc: f.Doc, ReadOnly: f.ReadOnly}
}
