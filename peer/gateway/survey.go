package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Member is a peer of the network and where it is.
type Member struct {
	Name   string // node name, as in its TLS certificate
	MSPID  string // its organisation
	Target link.Target
}

// MethodStatus is the call of Fabriscope's own peer service that a survey makes: it
// takes a channel's name and answers with a gossip StateInfo.
const MethodStatus = "/fabriscope.v1.Peer/Status"

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

// candidate is a peer as an endorser on one channel.
type candidate struct {
	Member
	local      bool // this peer itself
	height     uint64
	chaincodes map[string]string // name to version of what it can run
	identity   *msp.Identity     // as the channel knows it
}

// runs tells whether the candidate can run all the chaincodes.
func (c *candidate) runs(names ...string) bool {
	for _, name := range names {
		if _, ok := c.chaincodes[name]; !ok && !wire.IsSystemChaincode(name) {
			return false
		}
	}
	return true
}

// surveyor asks the other peers of a channel how they are, at most as often as
// somebody wants to know, and remembers the answers.
type surveyor struct {
	channel *Channel

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
		s.start()
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
	done := s.start()
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

// start starts a survey unless one is under way, and gives the channel that is
// closed at its end. The caller holds mu.
func (s *surveyor) start() <-chan struct{} {
	if s.running != nil {
		return s.running
	}
	done := make(chan struct{})
	s.stale = false
	if !s.channel.Background(func(ctx context.Context) { s.ask(ctx, done) }) {
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

// markStale makes the next look ask again: a peer that should have answered did not,
// or the list of peers has changed.
func (s *surveyor) markStale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

// ask asks all members, some at a time.
func (s *surveyor) ask(ctx context.Context, done chan struct{}) {
	members := s.channel.gateway.config.Others()
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
		if x.Name != y.Name || x.Target.Addr != y.Target.Addr || len(x.chaincodes) != len(y.chaincodes) {
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
func (c *Channel) self() *candidate {
	own := &candidate{Member: c.gateway.config.Own, local: true, height: c.Ledger.Height(), chaincodes: c.Definitions.Runnable()}
	if id, err := c.Bundle().MSPs().Identity(c.gateway.config.Identity); err == nil {
		own.identity = id
	}
	return own
}

// askStatus asks one peer; nil if it does not answer, is not in the channel, or is
// not who it should be.
func (c *Channel) askStatus(ctx context.Context, m Member) *candidate {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	conn, err := c.gateway.config.Connections.To(m.Target)
	if err != nil {
		return nil
	}
	answer := &gossippb.StateInfo{}
	if err := conn.Invoke(ctx, MethodStatus, wrapperspb.String(c.Name), answer); err != nil {
		return nil
	}
	id, err := c.Bundle().MSPs().Identity(answer.GetPkiId())
	if err != nil || id.MSPID() != m.MSPID {
		return nil
	}
	a := &candidate{Member: m, height: answer.GetProperties().GetLedgerHeight(), identity: id, chaincodes: map[string]string{}}
	for _, cc := range answer.GetProperties().GetChaincodes() {
		a.chaincodes[cc.GetName()] = cc.GetVersion()
	}
	return a
}
