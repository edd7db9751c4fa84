package peer

import (
	"errors"
	"fmt"
	"sync"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// Resources that the channel's configuration guards (wire.md G.6).
const (
	resourcePropose       = "peer/Propose"
	resourceCallChaincode = "peer/ChaincodeToChaincode"
	resourceBlock         = "event/Block"
	resourceFilteredBlock = "event/FilteredBlock"
)

// maxJudged bounds how many decisions one configuration remembers.
const maxJudged = 4096

// settings is one configuration of a channel with what was decided under it. A
// new configuration gets new settings, so no decision outlives its reasons.
type settings struct {
	bundle *channelconfig.Bundle

	mu     sync.RWMutex
	judged map[judgedKey]bool
}

type judgedKey struct{ path, identity string }

func newSettings(bundle *channelconfig.Bundle) *settings {
	return &settings{bundle: bundle, judged: map[judgedKey]bool{}}
}

// check tells whether an identity may use a resource. Whoever calls it has
// verified that the identity signed the request.
func (s *settings) check(resource string, id *msp.Identity) error {
	path := s.bundle.ACL(resource)
	if path == "" {
		return fmt.Errorf("the channel %s has no access rule for %s", s.bundle.Channel(), resource)
	}
	key := judgedKey{path, id.Key()}
	s.mu.RLock()
	allowed, known := s.judged[key]
	s.mu.RUnlock()
	if known && allowed {
		return nil
	}
	p, err := s.bundle.Policy(path)
	if err != nil {
		return err
	}
	ids := []*msp.Identity{id}
	allowed = p.Evaluate(ids)
	s.mu.Lock()
	if len(s.judged) >= maxJudged {
		clear(s.judged)
	}
	s.judged[key] = allowed
	s.mu.Unlock()
	if !allowed {
		return &channelconfig.DeniedError{Path: path, Node: p.Explain(ids)}
	}
	return nil
}

// authenticate finds out who signed and verifies that. The identity is one of
// the channel's.
func (s *settings) authenticate(signed policy.Signed) (*msp.Identity, error) {
	return authenticate(s.bundle.MSPs(), signed)
}

func authenticate(set *msp.Set, signed policy.Signed) (*msp.Identity, error) {
	id, err := set.Identity(signed.Identity)
	if err != nil {
		return nil, err
	}
	if err := id.Verify(signed.Data, signed.Signature); err != nil {
		return nil, err
	}
	return id, nil
}

// errExpired is the reason for refusing a certificate that was valid once.
var errExpired = errors.New("the certificate has expired; ask the organisation's authority for a new one")

// allow does all that a signed request needs: who, really, still, and may they.
func (s *settings) allow(resource string, signed policy.Signed, now time.Time) (*msp.Identity, error) {
	id, err := s.authenticate(signed)
	if err != nil {
		return nil, err
	}
	if id.Expired(now) {
		return nil, fmt.Errorf("%s: %w", id, errExpired)
	}
	return id, s.check(resource, id)
}

// locals are the rules for calls that concern this peer rather than a channel:
// who is an administrator or a member of the peer's own organisation.
type locals struct {
	mspID         string
	msps          *msp.Set
	admin, member *msppb.MSPPrincipal
}

func newLocals(mspID string, config *msppb.MSPConfig, verifier *msp.Verifier) (*locals, error) {
	own, err := msp.New(config)
	if err != nil {
		return nil, fmt.Errorf("the peer's own organisation %s: %w", mspID, err)
	}
	l := &locals{mspID: mspID, msps: msp.NewSet(verifier, own)}
	if l.admin, err = rolePrincipal(mspID, msppb.MSPRole_ADMIN); err != nil {
		return nil, err
	}
	l.member, err = rolePrincipal(mspID, msppb.MSPRole_MEMBER)
	return l, err
}

func rolePrincipal(mspID string, role msppb.MSPRole_MSPRoleType) (*msppb.MSPPrincipal, error) {
	b, err := proto.Marshal(&msppb.MSPRole{MspIdentifier: mspID, Role: role})
	if err != nil {
		return nil, fmt.Errorf("principal %s.%s: %w", mspID, role, err)
	}
	return &msppb.MSPPrincipal{PrincipalClassification: msppb.MSPPrincipal_ROLE, Principal: b}, nil
}

// checkAdmin tells whether the creator of a proposal administers this peer.
func (l *locals) checkAdmin(creator []byte) error { return l.check(creator, l.admin, "Admins") }

// checkMember tells whether the creator belongs to the peer's organisation.
func (l *locals) checkMember(creator []byte) error { return l.check(creator, l.member, "Members") }

func (l *locals) check(creator []byte, principal *msppb.MSPPrincipal, rule string) error {
	id, err := l.msps.Identity(creator)
	if err != nil {
		return fmt.Errorf("this needs the peer's own policy %s of %s: %w", rule, l.mspID, err)
	}
	if err := id.Satisfies(principal); err != nil {
		return fmt.Errorf("this needs the peer's own policy %s of %s: %w", rule, l.mspID, err)
	}
	return nil
}
