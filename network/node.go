package network

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer"
	"github.com/fabriscope/fabriscope/peer"
)

// role is what a node does.
type role string

const (
	rolePeer    role = "peer"
	roleOrderer role = "orderer"
)

// caseOf is a role as events say it.
func caseOf(r role) trace.What {
	if r == roleOrderer {
		return trace.IsOrderer
	}
	return trace.IsPeer
}

// nodeSpec is everything that one node needs to start. Under placement process it
// is the child's node.json.
type nodeSpec struct {
	Role   role   `json:"role"`
	Name   string `json:"name"`
	MSPID  string `json:"mspID"`
	Domain string `json:"domain"`
	Dir    string `json:"dir"`    // the node's own data
	Crypto string `json:"crypto"` // the tree with all organisations' identities
	Listen string `json:"listen"`
	// Moves lets the node listen on another port where Listen's is taken: nobody chose it.
	Moves   bool   `json:"moves,omitempty"`
	Control string `json:"control,omitempty"` // unix socket of a child's control service
	RunID   string `json:"runID"`
	Seed    int64  `json:"seed"`

	Cut          string `json:"cut,omitempty"`
	Runtime      string `json:"runtime,omitempty"`
	State        string `json:"state,omitempty"` // of a peer: leveldb or couchdb
	BuildPerPeer bool   `json:"buildPerPeer,omitempty"`
	Faithful     bool   `json:"faithful,omitempty"`
	// Labels are packages that are run in another way than Runtime says.
	Labels []runtimeCommand `json:"labels,omitempty"`
	// Of a child: what is in force when it begins, so that a node that is restarted
	// behind a cut link never has it open.
	InForce inForce `json:"inForce"`
}

// runtimeCommand says how packages with one label are run.
type runtimeCommand struct {
	Label string `json:"label"`
	chaincode.ForLabel
}

// shared is what the nodes of one process have in common.
type shared struct {
	link     *link.Net
	verifier *msp.Verifier
	peers    *peer.Shared
	disk     *sqlite.Disk
	trace    *trace.Recorder
	log      *slog.Logger
	org      *msp.Org // nil: load it from the spec's crypto tree
}

// NodeStatus is what a node says about itself.
type NodeStatus struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Running bool   `json:"running"`
	Addr    string `json:"addr,omitempty"`
	PID     int    `json:"pid"`
	Height  uint64 `json:"height"`
	// Hash is the hash of the last block's header, hex; equal on equal chains.
	Hash string `json:"hash,omitempty"`
	// CommitHash covers everything a peer has committed, hex; equal on peers with
	// equal verdicts and state.
	CommitHash string `json:"commitHash,omitempty"`
	// Raft, of ordering nodes.
	Raft   string `json:"raft,omitempty"`  // leader, follower, candidate
	Ready  bool   `json:"ready,omitempty"` // it leads, and has applied what earlier leaders left
	Leader string `json:"leader,omitempty"`
	Term   uint64 `json:"term,omitempty"`
	// Chaincodes of peers.
	Chaincodes []chaincode.Status `json:"chaincodes,omitempty"`
	Runtime    string             `json:"runtime,omitempty"`
	RuntimeWhy string             `json:"runtimeWhy,omitempty"`
	// Problem says why a peer's chain stands still.
	Problem string `json:"problem,omitempty"`
}

// targetInfo is another node as one node is told of it.
type targetInfo struct {
	Name  string `json:"name"`
	MSPID string `json:"mspID"`
	Addr  string `json:"addr"`
}

func (t targetInfo) target() link.Target {
	return link.Target{Name: t.Name, Addr: t.Addr, ServerName: t.Name}
}

// command is one order to a running node; exactly one field is set.
type command struct {
	Join     *joinCommand     `json:"join,omitempty"`
	Peers    []targetInfo     `json:"peers,omitempty"`
	Orderers []targetInfo     `json:"orderers,omitempty"`
	Member   *memberCommand   `json:"member,omitempty"`
	Lie      *lieCommand      `json:"lie,omitempty"`
	InForce  *inForce         `json:"inForce,omitempty"`
	Redial   string           `json:"redial,omitempty"`
	Grant    *grantCommand    `json:"grant,omitempty"`
	Release  *releaseCommand  `json:"release,omitempty"`
	Held     bool             `json:"held,omitempty"`
	Pause    *pauseCommand    `json:"pause,omitempty"`
	Status   *statusCommand   `json:"status,omitempty"`
	StateSum *stateSumCommand `json:"stateSum,omitempty"`
	Ledger   *ledgerCommand   `json:"ledger,omitempty"`
	Runtime  *runtimeCommand  `json:"runtime,omitempty"`
	Cut      string           `json:"cut,omitempty"`
}

type joinCommand struct {
	Genesis  []byte       `json:"genesis"`
	Orderers []targetInfo `json:"orderers"`
	// Fresh is false for an ordering node that is added to a running service.
	Fresh bool `json:"fresh"`
}

type memberCommand struct {
	Node   targetInfo `json:"node"`
	Remove bool       `json:"remove,omitempty"`
}

type lieCommand struct {
	On bool `json:"on"`
}

type releaseCommand struct {
	Hold link.HoldID `json:"hold,omitempty"` // what this hold stopped
	Msg  uint64      `json:"msg,omitempty"`  // one message; 0 without a Hold releases everything
}

type pauseCommand struct {
	Package string `json:"package"`
	On      bool   `json:"on"`
}

type statusCommand struct {
	Channel string `json:"channel"`
}

type stateSumCommand struct {
	Channel string `json:"channel"`
}

// reply answers a command.
type reply struct {
	Status   *NodeStatus        `json:"status,omitempty"`
	Held     []link.HeldMessage `json:"held,omitempty"`
	Stopped  bool               `json:"stopped,omitempty"`
	Released int                `json:"released,omitempty"`
	StateSum string             `json:"stateSum,omitempty"`
	Ledger   *LedgerAnswer      `json:"ledger,omitempty"`
	Error    string             `json:"error,omitempty"`
}

// node is one peer or ordering node that runs in this process.
type node struct {
	spec    nodeSpec
	peer    *peer.Peer
	orderer *orderer.Node
	link    *link.Net
}

// openNode starts a node from its spec: it listens when openNode returns.
func openNode(spec nodeSpec, s shared) (*node, error) {
	org := s.org
	if org == nil {
		var err error
		if org, err = msp.LoadOrg(spec.Crypto, spec.Domain, spec.Role == roleOrderer); err != nil {
			return nil, fmt.Errorf("start %s: %w", spec.Name, err)
		}
	}
	me, ok := org.Nodes[spec.Name]
	if !ok {
		return nil, fmt.Errorf("start %s: organisation %s has no identity for it", spec.Name, spec.MSPID)
	}
	roots, err := tlsRoots(spec.Crypto)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	end := s.link.Endpoint(spec.Name, me.TLS, roots)
	if spec.Faithful {
		s.verifier, s.peers = nil, nil
	}
	n := &node{spec: spec, link: s.link}
	s.trace.Record(trace.Event{Kind: trace.NodeStart, Node: spec.Name, What: caseOf(spec.Role), Note: string(spec.Role)})
	if spec.Role == roleOrderer {
		n.orderer, err = orderer.New(orderer.Config{
			Name: spec.Name, MSPID: spec.MSPID, Signer: me.Signer, Dir: spec.Dir, Link: end, Listen: spec.Listen, Moves: spec.Moves,
			Cut: spec.Cut, Verifier: s.verifier, Disk: s.disk, Trace: s.trace, Log: s.log,
		})
	} else {
		n.peer, err = peer.New(peer.Config{
			Name: spec.Name, MSPID: spec.MSPID, Signer: me.Signer, MSP: org.MSPConfig(), Dir: spec.Dir, Link: end, Listen: spec.Listen, Moves: spec.Moves,
			CouchDB: spec.State == stateCouchDB, Verifier: s.verifier, Shared: s.peers, Disk: s.disk, Trace: s.trace, Log: s.log,
			Chaincode: chaincode.Config{
				Peer: spec.Name, MSPID: spec.MSPID, Dir: filepath.Join(spec.Dir, "chaincode"), Runtime: spec.Runtime,
				RunID: spec.RunID, BuildPerPeer: spec.BuildPerPeer, Link: end, Trace: s.trace, Log: s.log,
			},
		})
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if n.peer != nil {
		for _, l := range spec.Labels {
			if err := n.peer.Host().SetLabel(l.Label, l.ForLabel); err != nil {
				return nil, errors.Join(fmt.Errorf("start %s: %w", spec.Name, err), n.peer.Close())
			}
		}
	}
	return n, nil
}

// addr is where the node listens.
func (n *node) addr() string {
	if n.orderer != nil {
		return n.orderer.Addr()
	}
	return n.peer.Addr()
}

// do carries out one command.
func (n *node) do(ctx context.Context, c command) (reply, error) {
	does := c.does()
	if !does.by(n.spec.Role) {
		return reply{}, fmt.Errorf("%s is %s and cannot %s: %s", n.spec.Name, n.spec.Role.words(), does.words, does.remedy())
	}
	if n.orderer != nil {
		return n.doAsOrderer(ctx, c)
	}
	return n.doAsPeer(c)
}

func (n *node) doAsOrderer(ctx context.Context, c command) (reply, error) {
	switch {
	case c.Join != nil:
		return reply{}, n.join(c.Join)
	case c.Orderers != nil:
		return reply{}, n.orderer.SetMembers(members(c.Orderers))
	case c.Member != nil && c.Member.Remove:
		return reply{}, n.orderer.RemoveMember(ctx, c.Member.Node.Name)
	case c.Member != nil:
		return reply{}, n.orderer.AddMember(ctx, orderer.Member{Name: c.Member.Node.Name, Addr: c.Member.Node.Addr})
	case c.Cut != "":
		n.orderer.SetCut(c.Cut)
	case c.Status != nil:
		return reply{Status: n.status(c.Status.Channel)}, nil
	}
	return reply{}, nil
}

func (n *node) doAsPeer(c command) (reply, error) {
	switch {
	case c.Join != nil:
		return reply{}, n.join(c.Join)
	case c.Peers != nil:
		peers := make([]peer.PeerInfo, len(c.Peers))
		for i, p := range c.Peers {
			peers[i] = peer.PeerInfo{Name: p.Name, MSPID: p.MSPID, Target: p.target()}
		}
		n.peer.SetPeers(peers)
	case c.Orderers != nil:
		n.peer.SetOrderers(targets(c.Orderers))
	case c.Lie != nil:
		n.peer.SetLie(c.Lie.On)
	case c.Pause != nil:
		return reply{}, n.peer.Host().Pause(c.Pause.Package, c.Pause.On)
	case c.Runtime != nil:
		return reply{}, n.peer.Host().SetLabel(c.Runtime.Label, c.Runtime.ForLabel)
	case c.Status != nil:
		return reply{Status: n.status(c.Status.Channel)}, nil
	case c.StateSum != nil:
		sum, err := n.stateSum(c.StateSum.Channel)
		return reply{StateSum: sum}, err
	case c.Ledger != nil:
		answer, err := n.ledger(c.Ledger)
		return reply{Ledger: answer}, err
	}
	return reply{}, nil
}

func (n *node) join(j *joinCommand) error {
	genesis := &commonpb.Block{}
	if err := proto.Unmarshal(j.Genesis, genesis); err != nil {
		return fmt.Errorf("%s joins: the genesis block cannot be read: %w", n.spec.Name, err)
	}
	if n.orderer != nil {
		if j.Fresh {
			return n.orderer.Join(genesis, members(j.Orderers))
		}
		return n.orderer.JoinExisting(genesis, members(j.Orderers))
	}
	return n.peer.JoinChannel(genesis, targets(j.Orderers))
}

func members(infos []targetInfo) []orderer.Member {
	out := make([]orderer.Member, len(infos))
	for i, t := range infos {
		out[i] = orderer.Member{Name: t.Name, Addr: t.Addr}
	}
	return out
}

func targets(infos []targetInfo) []link.Target {
	out := make([]link.Target, len(infos))
	for i, t := range infos {
		out[i] = t.target()
	}
	return out
}

// status tells how the node is.
func (n *node) status(channel string) *NodeStatus {
	s := &NodeStatus{Name: n.spec.Name, Role: string(n.spec.Role), Running: true, Addr: n.addr(), PID: os.Getpid()}
	if n.orderer != nil {
		o := n.orderer.Status()
		s.Ready = o.Ready
		s.Raft, s.Leader, s.Term, s.Height, s.Hash = o.Role, o.Leader, o.Term, o.Height, hex.EncodeToString(o.Hash)
		return s
	}
	s.Runtime, s.RuntimeWhy = n.peer.Host().RuntimeName()
	s.Chaincodes = n.peer.Host().Running()
	if err := n.peer.Stopped(channel); err != nil {
		s.Problem = err.Error()
	}
	if l := n.peer.Ledger(channel); l != nil {
		s.Height, s.CommitHash = l.Height(), hex.EncodeToString(l.CommitHash())
		s.Hash = hex.EncodeToString(l.Info().GetCurrentBlockHash())
	}
	return s
}

// stateSum gives a digest over a peer's whole state.
func (n *node) stateSum(channel string) (string, error) {
	l := n.peer.Ledger(channel)
	if l == nil {
		return "", fmt.Errorf("%s has not joined channel %s", n.spec.Name, channel)
	}
	view, err := l.View()
	if err != nil {
		return "", err
	}
	defer view.Close()
	sum, err := view.StateHash()
	return hex.EncodeToString(sum), err
}

// stop ends the node in good order.
func (n *node) stop(context.Context) error {
	if n.orderer != nil {
		return n.orderer.Close()
	}
	return n.peer.Close()
}

// kill ends the node without the order of a stop. Inside one process that is the
// nearest thing to kill -9: use placement process for the real one.
func (n *node) kill() error {
	if n.orderer != nil {
		return n.orderer.Kill()
	}
	return n.peer.Kill()
}

// readSpec reads a child's node.json.
func readSpec(path string) (nodeSpec, error) {
	var spec nodeSpec
	b, err := os.ReadFile(path)
	if err != nil {
		return spec, fmt.Errorf("read the node's file: %w", err)
	}
	if err := json.Unmarshal(b, &spec); err != nil {
		return spec, fmt.Errorf("read the node's file %s: %w", path, err)
	}
	return spec, nil
}

// nodeStopTimeout bounds how long a node may take to stop in good order.
const nodeStopTimeout = 10 * time.Second
