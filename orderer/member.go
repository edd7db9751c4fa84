package orderer

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// Status is how a node is. The first fields are those of its first channel by
// name, which mostly is the only one.
type Status struct {
	ChannelStatus
	Channels []ChannelStatus
}

// ChannelStatus is how a node is in one channel.
type ChannelStatus struct {
	Channel   string
	Role      string // leader, candidate, follower, or stopped while Raft is started anew
	Leader    string // name of the node that leads, "" if none is known
	Ready     bool   // this node leads and takes envelopes
	Term      uint64
	LastIndex uint64 // of Raft's log
	Applied   uint64 // Raft entry of the last block
	Height    uint64 // number of blocks
	Hash      []byte // of the last block's header
	Members   []Member
}

// Status tells how the node is.
func (n *Node) Status() Status {
	var s Status
	for _, c := range n.all() {
		s.Channels = append(s.Channels, c.status())
	}
	if len(s.Channels) > 0 {
		s.ChannelStatus = s.Channels[0]
	}
	return s
}

func (c *chain) status() ChannelStatus {
	own, leader, _ := c.look()
	end := c.store.Chain()
	s := ChannelStatus{Channel: c.name, Role: "stopped", Leader: leader, Ready: own != nil, Applied: end.RaftIndex, Height: end.Height, Hash: end.LastHash}
	if i := c.current(); i != nil {
		s.Role, s.Term, s.LastIndex = roleOf(i.raft.State()).String(), i.raft.CurrentTerm(), i.raft.LastIndex()
		for _, server := range i.servers() {
			s.Members = append(s.Members, Member{Name: string(server.ID), Addr: string(server.Address)})
		}
	}
	return s
}

const (
	memberTime = 10 * time.Second // for Raft to take a change of members up
	learnTime  = 30 * time.Second // for a new member to catch up
	learnPause = 20 * time.Millisecond
	learnGap   = 16 // Raft entries that a new member may lack when it gets its vote
)

// AddMember makes another node a member of all channels of this one. The node
// must have called JoinExisting. It gets a vote when it has caught up, so that one
// that does not answer endangers nothing. A node that does not lead asks the one
// that does. Errors: ErrNoLeader, ErrNotCaughtUp.
func (n *Node) AddMember(ctx context.Context, m Member) error {
	n.peers.SetAddress(m.Name, m.Addr)
	return n.changeMember(ctx, &clusterpb.MemberRequest{Name: m.Name, Address: m.Addr})
}

// RemoveMember takes a node out of all channels of this one. If it is the leader
// itself, another node is elected.
func (n *Node) RemoveMember(ctx context.Context, name string) error {
	return n.changeMember(ctx, &clusterpb.MemberRequest{Name: name, Remove: true})
}

func (n *Node) changeMember(ctx context.Context, change *clusterpb.MemberRequest) error {
	for _, c := range n.all() {
		request := &clusterpb.MemberRequest{Channel: c.name, Name: change.GetName(), Address: change.GetAddress(), Remove: change.GetRemove()}
		if err := c.changeMember(ctx, request); err != nil {
			return fmt.Errorf("channel %s: member %s: %w", c.name, change.GetName(), err)
		}
	}
	return nil
}

func (c *chain) changeMember(ctx context.Context, request *clusterpb.MemberRequest) error {
	leader := c.leaderName()
	switch leader {
	case "":
		return ErrNoLeader
	case c.node.config.Name:
		return c.changeMemberHere(ctx, request)
	}
	connection, err := c.node.peers.Connection(leader, c.node.addressOf(leader))
	if err != nil {
		return err
	}
	reply, err := clusterpb.Invoke[clusterpb.MemberRequest, clusterpb.MemberReply](ctx, connection, clusterpb.MethodChangeMember, request)
	if err != nil {
		return err
	}
	if reply.GetError() != "" {
		return errors.New(reply.GetError())
	}
	return nil
}

// ChangeMember is the leader's side of AddMember and RemoveMember.
func (n *Node) ChangeMember(ctx context.Context, request *clusterpb.MemberRequest) (*clusterpb.MemberReply, error) {
	c := n.chain(request.GetChannel())
	err := n.allowed(ctx, c)
	if err == nil && c.leaderName() != n.config.Name {
		err = ErrNoLeader
	}
	if err == nil {
		err = c.changeMemberHere(ctx, request)
	}
	if err != nil {
		return &clusterpb.MemberReply{Error: err.Error()}, nil
	}
	return &clusterpb.MemberReply{}, nil
}

// changeMemberHere has Raft change its configuration; this node leads.
func (c *chain) changeMemberHere(ctx context.Context, request *clusterpb.MemberRequest) error {
	i := c.current()
	if i == nil {
		return ErrNoLeader
	}
	id, address := raft.ServerID(request.GetName()), raft.ServerAddress(request.GetAddress())
	note := "member " + request.GetName()
	if request.GetRemove() {
		if err := wait(ctx, i.raft.RemoveServer(id, 0, memberTime)); err != nil {
			return err
		}
		c.event(trace.Event{Kind: trace.Progress, What: trace.MemberRemoved, Key: request.GetName(), Note: note + " removed"})
		return nil
	}
	if !i.votes(id) {
		if err := wait(ctx, i.raft.AddNonvoter(id, address, 0, memberTime)); err != nil {
			return err
		}
		if err := i.learned(ctx, id); err != nil {
			return err
		}
	}
	if err := wait(ctx, i.raft.AddVoter(id, address, 0, memberTime)); err != nil {
		return err
	}
	c.event(trace.Event{Kind: trace.Progress, What: trace.MemberAdded, Key: request.GetName(), Note: note + " added"})
	return nil
}

func (i *instance) votes(id raft.ServerID) bool {
	for _, s := range i.servers() {
		if s.ID == id && s.Suffrage == raft.Voter {
			return true
		}
	}
	return false
}

// learned waits until a new member has almost all of the log.
func (i *instance) learned(ctx context.Context, id raft.ServerID) error {
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	ticker := time.NewTicker(learnPause)
	defer ticker.Stop()
	for {
		if has := i.transport.Acknowledged(id); has > 0 && has+learnGap >= i.raft.LastIndex() {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: is %s running, and reachable?", ErrNotCaughtUp, id)
		case <-i.ended:
			return ErrNoLeader
		}
	}
}

// wait waits for Raft as long as the caller wants to.
func wait(ctx context.Context, future raft.IndexFuture) error {
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipLost) || errors.Is(err, raft.ErrLeadershipTransferInProgress) {
			return fmt.Errorf("%w: %w", ErrNoLeader, err)
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// identify checks who sends a Raft message: the name in it must be that of the
// verified TLS certificate.
func identify(ctx context.Context, sent *clusterpb.Sender) error {
	name, _ := link.PeerName(ctx)
	if name == "" {
		return errors.New("ordering nodes show a TLS certificate")
	}
	if name != sent.GetName() {
		return fmt.Errorf("a message of %q came over a connection of %q", sent.GetName(), name)
	}
	return nil
}

// allowed tells whether the caller is an ordering node of the channel.
func (n *Node) allowed(ctx context.Context, c *chain) error {
	if c == nil {
		return errors.New(UnknownChannel)
	}
	name, cert := link.PeerName(ctx)
	if name == "" {
		return errors.New("ordering nodes show a TLS certificate")
	}
	if !c.allows(name) {
		return fmt.Errorf("%s is no ordering node of channel %s", name, c.name)
	}
	return n.trust.check(c, cert)
}

// trust remembers which TLS certificates come from an ordering organisation, so
// that no other organisation can issue one with an ordering node's name.
type trust struct {
	mu    sync.Mutex
	known map[string]trusted // by channel and node
}

type trusted struct {
	bundle *channelconfig.Bundle
	cert   []byte
}

func (t *trust) check(c *chain, cert *x509.Certificate) error {
	bundle, key := c.bundle.Load(), c.name+" "+cert.Subject.CommonName
	t.mu.Lock()
	known, ok := t.known[key]
	t.mu.Unlock()
	if ok && known.bundle == bundle && bytes.Equal(known.cert, cert.Raw) {
		return nil
	}
	roots := x509.NewCertPool()
	any := false
	for _, id := range bundle.OrdererOrgs() {
		if m := bundle.MSPs().MSP(id); m != nil {
			for _, pem := range m.TLSRootsPEM() {
				any = roots.AppendCertsFromPEM(pem) || any
			}
		}
	}
	if any { // an organisation without TLS authorities in its MSP relies on the link's
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			return fmt.Errorf("the TLS certificate of %s is not from an ordering organisation of channel %s: %w", cert.Subject.CommonName, c.name, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known == nil {
		t.known = make(map[string]trusted)
	}
	t.known[key] = trusted{bundle, cert.Raw}
	return nil
}
