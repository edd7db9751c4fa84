package peer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
)

// PeerInfo names another peer of the network and says where it is.
type PeerInfo struct {
	Name   string // node name, as in its TLS certificate
	MSPID  string // its organisation
	Target link.Target
}

// member is a peer that a gateway can ask, this one included.
type member struct {
	name   string
	mspID  string
	target link.Target
	local  bool
}

// address is the member as error details name it.
func (m *member) address() string { return m.target.Addr }

// How old what is known of the other peers may be.
const (
	surveyFresh   = time.Second           // asked again in the background after that
	surveyUsable  = 30 * time.Second      // not used without asking after that
	surveyHurried = 50 * time.Millisecond // the least between two surveys that somebody waits for
	surveyLooks   = 3                     // how often a caller who finds nobody looks again
	statusTimeout = 2 * time.Second       // for one peer's answer
	surveyAtOnce  = 16                    // peers asked at a time
)

// survey is what the peers of a channel said about themselves.
type survey struct {
	peers      []*candidate // those that answered, this peer first
	at         time.Time
	generation uint64 // changes when more than heights change
}

// candidate is a member as an endorser on one channel.
type candidate struct {
	*member
	height     uint64
	chaincodes map[string]string // name to version of what it can run
	identity   *msp.Identity     // as the channel knows it
}

// runs tells whether the candidate can run all the chaincodes.
func (c *candidate) runs(names ...string) bool {
	for _, name := range names {
		if _, ok := c.chaincodes[name]; !ok && !isSystemChaincode(name) {
			return false
		}
	}
	return true
}

// surveyor asks the other peers of a channel how they are, at most as often as
// somebody wants to know, and remembers the answers.
type surveyor struct {
	channel *channel

	mu      sync.Mutex
	last    *survey
	running chan struct{} // closed when the survey that is under way ends; nil if none is
	stale   bool          // the next look must ask
}

// look gives a survey, and asks for a new one in the background if the last is
// getting old. It waits only if there is none that can be used.
func (s *surveyor) look(ctx context.Context) *survey {
	s.mu.Lock()
	if s.last == nil || s.stale || time.Since(s.last.at) >= surveyUsable {
		s.mu.Unlock()
		return s.lookAgain(ctx)
	}
	defer s.mu.Unlock()
	if time.Since(s.last.at) >= surveyFresh {
		s.begin()
	}
	return s.withHeight(s.last)
}

// lookAgain waits for a new survey. Two of them have a little time between, which
// is also the time that a peer gets to catch up.
func (s *surveyor) lookAgain(ctx context.Context) *survey {
	s.mu.Lock()
	var wait time.Duration
	if s.last != nil && !s.stale {
		wait = surveyHurried - time.Since(s.last.at)
	}
	s.mu.Unlock()
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	done := s.begin()
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return &survey{peers: []*candidate{s.channel.self()}}
	}
	return s.withHeight(s.last)
}

// lookUntil looks again, a few times, until somebody is found who fits.
func (s *surveyor) lookUntil(ctx context.Context, fits func(*survey) bool) *survey {
	found := s.look(ctx)
	for range surveyLooks {
		if fits(found) || ctx.Err() != nil {
			break
		}
		found = s.lookAgain(ctx)
	}
	return found
}

// begin starts a survey unless one is under way, and gives the channel that is
// closed at its end. The caller holds mu.
func (s *surveyor) begin() <-chan struct{} {
	if s.running != nil {
		return s.running
	}
	done := make(chan struct{})
	s.stale = false
	if !s.channel.background(func(ctx context.Context) { s.ask(ctx, done) }) {
		close(done)
		return done
	}
	s.running = done
	return done
}

// withHeight is a survey with this peer's own, always current state.
func (s *surveyor) withHeight(last *survey) *survey {
	now := *last
	now.peers = slices.Clone(last.peers)
	now.peers[0] = s.channel.self()
	return &now
}

// forget makes the next look ask again: a peer that should have answered did not,
// or the list of peers has changed.
func (s *surveyor) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

// ask asks all members, some at a time.
func (s *surveyor) ask(ctx context.Context, done chan struct{}) {
	members := s.channel.peer.others()
	answers := make([]*candidate, len(members))
	var wg sync.WaitGroup
	places := make(chan struct{}, surveyAtOnce)
	for i, m := range members {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			answers[i] = s.channel.askStatus(ctx, m)
		})
	}
	wg.Wait()
	found := &survey{peers: []*candidate{s.channel.self()}, at: time.Now()}
	for _, a := range answers {
		if a != nil {
			found.peers = append(found.peers, a)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		found.generation = s.last.generation
	}
	if s.last == nil || !sameCandidates(s.last.peers, found.peers) {
		found.generation++
	}
	s.last = found
	s.running = nil
	close(done)
}

// sameCandidates compares everything but heights.
func sameCandidates(a, b []*candidate) bool {
	return slices.EqualFunc(a, b, func(x, y *candidate) bool {
		if x.name != y.name || x.target.Addr != y.target.Addr || len(x.chaincodes) != len(y.chaincodes) {
			return false
		}
		for name, version := range x.chaincodes {
			if other, ok := y.chaincodes[name]; !ok || other != version {
				return false
			}
		}
		return x.identityKey() == y.identityKey()
	})
}

// identityKey is "" for a peer that the channel does not know (any more).
func (c *candidate) identityKey() string {
	if c.identity == nil {
		return ""
	}
	return c.identity.Key()
}

// self is this peer as an endorser.
func (c *channel) self() *candidate {
	own := &candidate{member: c.peer.own, height: c.ledger.Height(), chaincodes: c.definitions.canRun()}
	if id, err := c.settings().bundle.MSPs().Identity(c.peer.config.Signer.Creator()); err == nil {
		own.identity = id
	}
	return own
}

// askStatus asks one peer; nil if it does not answer, is not in the channel, or is
// not who it should be.
func (c *channel) askStatus(ctx context.Context, m *member) *candidate {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	conn, err := c.peer.connections.to(m.target)
	if err != nil {
		return nil
	}
	answer := &gossippb.StateInfo{}
	if err := conn.Invoke(ctx, peerServiceStatus, wrapperspb.String(c.name), answer); err != nil {
		return nil
	}
	id, err := c.settings().bundle.MSPs().Identity(answer.GetPkiId())
	if err != nil || id.MSPID() != m.mspID {
		return nil
	}
	a := &candidate{member: m, height: answer.GetProperties().GetLedgerHeight(), identity: id, chaincodes: map[string]string{}}
	for _, cc := range answer.GetProperties().GetChaincodes() {
		a.chaincodes[cc.GetName()] = cc.GetVersion()
	}
	return a
}

// status is what this peer says about itself on a channel.
func (c *channel) status() *gossippb.StateInfo {
	properties := &gossippb.Properties{LedgerHeight: c.ledger.Height()}
	for name, version := range c.definitions.canRun() {
		properties.Chaincodes = append(properties.Chaincodes, &gossippb.Chaincode{Name: name, Version: version})
	}
	slices.SortFunc(properties.Chaincodes, func(a, b *gossippb.Chaincode) int { return strings.Compare(a.Name, b.Name) })
	return &gossippb.StateInfo{PkiId: c.peer.config.Signer.Creator(), Properties: properties}
}

// SetPeers tells the peer which other peers the network has; entries for itself
// are ignored. It replaces what was said before.
func (p *Peer) SetPeers(infos []PeerInfo) {
	members := make([]*member, 0, len(infos))
	for _, info := range infos {
		if info.Name != p.config.Name {
			members = append(members, &member{name: info.Name, mspID: info.MSPID, target: info.Target})
		}
	}
	p.mu.Lock()
	p.members = members
	p.mu.Unlock()
	p.dropUnused()
	for _, c := range p.allChannels() {
		c.surveyor.forget()
		c.askAgain()
	}
}

// others lists the other peers.
func (p *Peer) others() []*member {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.members
}

// SetOrderers tells the peer where the ordering nodes are. It replaces what was
// said before; without it the addresses in the channel's configuration are used.
func (p *Peer) SetOrderers(targets []link.Target) {
	p.mu.Lock()
	p.orderers = slices.Clone(targets)
	p.mu.Unlock()
	p.dropUnused()
	for _, c := range p.allChannels() {
		c.puller.wake()
	}
}

// dropUnused closes connections to nodes that are no longer known.
func (p *Peer) dropUnused() {
	var peers []link.Target
	for _, m := range p.others() {
		peers = append(peers, m.target)
	}
	lists := [][]link.Target{peers}
	p.mu.RLock()
	lists = append(lists, p.orderers)
	p.mu.RUnlock()
	for _, c := range p.allChannels() {
		lists = append(lists, c.ordererTargets())
	}
	p.connections.keep(lists...)
}
