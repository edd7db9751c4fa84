package gateway

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// What the SDKs show when a proposal runs out of time.
const (
	firstExpired = "endorsement timeout expired while collecting first endorsement"
	restExpired  = "endorsement timeout expired while collecting endorsements"
)

// errMismatch is the detail of an endorser whose result differs from the first.
const errMismatch = "ProposalResponsePayloads do not match"

// endorsing is one Endorse call while it is worked on.
type endorsing struct {
	g        *Gateway
	c        *Channel
	proposal *signedProposal
	survey   *survey

	first     *peerpb.ProposalResponse // whose payload all others must equal
	responses map[string]*peerpb.ProposalResponse
	details   []*gatewaypb.ErrorDetail
}

// Endorse collects endorsements that satisfy the policies, and puts the unsigned
// transaction together.
func (g *Gateway) Endorse(ctx context.Context, request *gatewaypb.EndorseRequest) (*gatewaypb.EndorseResponse, error) {
	if request == nil {
		return nil, status.Error(codes.InvalidArgument, "an endorse request is required")
	}
	proposal, err := openProposal(request.GetProposedTransaction())
	if err != nil {
		return nil, err
	}
	unknown := codes.FailedPrecondition
	if len(request.GetEndorsingOrganizations()) > 0 {
		unknown = codes.Unavailable
	}
	c, err := g.channelOf(proposal, unknown)
	if err != nil {
		return nil, err
	}
	if err := c.fitsIntoABlock(proposal); err != nil {
		return nil, err
	}
	e := &endorsing{
		g: g, c: c, proposal: proposal,
		responses: map[string]*peerpb.ProposalResponse{},
	}
	var responses []*peerpb.ProposalResponse
	if orgs := request.GetEndorsingOrganizations(); len(orgs) > 0 {
		responses, err = e.byOrganizations(ctx, orgs)
	} else {
		responses, err = e.byPolicy(ctx)
	}
	if err != nil {
		return nil, err
	}
	payload, err := wire.AssembleTransaction(proposal.ParsedProposal, responses)
	if err != nil {
		return nil, status.Errorf(codes.Aborted, "failed to assemble transaction: %s", err)
	}
	return &gatewaypb.EndorseResponse{PreparedTransaction: &commonpb.Envelope{Payload: payload}}, nil
}

// fitsIntoABlock refuses what no ordering node would take: a transaction carries the
// arguments, so if these are too large already, nobody needs to run the chaincode first.
// Evaluate is not bound by it.
func (c *Channel) fitsIntoABlock(proposal *signedProposal) error {
	size, most := len(proposal.PayloadForTx), uint64(c.Bundle().Batch().AbsoluteMaxBytes)
	if uint64(size) <= most {
		return nil
	}
	return status.Errorf(codes.InvalidArgument, "the arguments have %d bytes and a transaction of channel %s at most %d (AbsoluteMaxBytes): keep large values outside and write their hash, or raise the limit", size, c.Name, most)
}

// byOrganizations asks the best peer of each named organisation; all must agree.
func (e *endorsing) byOrganizations(ctx context.Context, orgs []string) ([]*peerpb.ProposalResponse, error) {
	var chosen []*candidate
	var missing []string
	e.survey = e.c.survey.lookUntil(ctx, func(s *survey) bool {
		chosen, missing = e.bestOf(s, orgs)
		return len(missing) == 0
	})
	if len(missing) > 0 {
		return nil, status.Errorf(codes.Unavailable, "failed to find any endorsing peers for org(s): %s", strings.Join(missing, ", "))
	}
	e.askAll(ctx, chosen)
	if ctx.Err() != nil {
		return nil, contextStatus(ctx.Err(), restExpired)
	}
	if len(e.details) > 0 {
		return nil, statusWithDetails(codes.Aborted, "failed to collect enough transaction endorsements, see attached details for more info", e.details...)
	}
	return e.collected(chosen), nil
}

// bestOf picks the peer with the highest ledger of each organisation.
func (e *endorsing) bestOf(s *survey, orgs []string) (chosen []*candidate, missing []string) {
	for _, org := range orgs {
		list := bestFirst(s.peers, func(p *candidate) bool { return p.MSPID == org && p.runs(e.proposal.ChaincodeName) })
		if len(list) == 0 {
			missing = append(missing, org)
			continue
		}
		if !slices.Contains(chosen, list[0]) {
			chosen = append(chosen, list[0])
		}
	}
	return chosen, missing
}

func (e *endorsing) collected(from []*candidate) []*peerpb.ProposalResponse {
	responses := make([]*peerpb.ProposalResponse, len(from))
	for i, p := range from {
		responses[i] = e.responses[p.Name]
	}
	return responses
}

// byPolicy lets one peer of the own organisation run the proposal, learns from its
// answer which policies matter, and asks whoever else these need.
func (e *endorsing) byPolicy(ctx context.Context) ([]*peerpb.ProposalResponse, error) {
	e.survey = e.c.survey.look(ctx)
	own := e.ownPeers()
	if len(own) == 0 && len(e.proposal.Transient) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition,
			"no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to protect transient data: chaincode %s does not run on any peer of %s",
			e.proposal.ChaincodeName, e.g.mspID())
	}
	var first *candidate
	interest := &peerpb.ChaincodeInterest{}
	if len(own) > 0 {
		if first = e.askFirst(ctx, own); first == nil {
			if ctx.Err() != nil {
				return nil, contextStatus(ctx.Err(), firstExpired)
			}
			return nil, statusWithDetails(codes.Aborted, "failed to endorse transaction, see attached details for more info", e.details...)
		}
		interest = e.first.GetInterest()
	}
	if len(interest.GetChaincodes()) == 0 {
		interest = &peerpb.ChaincodeInterest{Chaincodes: []*peerpb.ChaincodeCall{{Name: e.proposal.ChaincodeName}}}
	}
	set, err := e.layouts(ctx, interest)
	if err != nil {
		return nil, err
	}
	return e.complete(ctx, set, first)
}

func (e *endorsing) ownPeers() []*candidate {
	return bestFirst(e.survey.peers, func(p *candidate) bool {
		return p.MSPID == e.g.mspID() && p.runs(e.proposal.ChaincodeName)
	})
}

// askFirst asks one after the other until one endorses; nil if none does.
func (e *endorsing) askFirst(ctx context.Context, own []*candidate) *candidate {
	for _, p := range own {
		response, failed := e.g.try(ctx, e.c, p, e.proposal)
		if failed == nil {
			e.first = response
			e.responses[p.Name] = response
			return p
		}
		if ctx.Err() != nil {
			return nil
		}
		e.details = append(e.details, failed.detail)
	}
	return nil
}

// layouts finds the ways to satisfy the policies with the peers that are there;
// if there is none it looks again at who is there.
func (e *endorsing) layouts(ctx context.Context, interest *peerpb.ChaincodeInterest) (*layoutSet, error) {
	if len(e.proposal.Transient) > 0 {
		interest = onlyMembers(interest)
	}
	set, err := e.c.plans.find(e.c, e.survey, interest)
	for range surveyLooks {
		if err != nil || len(set.layouts) > 0 || ctx.Err() != nil {
			break
		}
		e.survey = e.c.survey.lookAgain(ctx)
		set, err = e.c.plans.find(e.c, e.survey, interest)
	}
	if err == nil && len(set.layouts) == 0 {
		err = fmt.Errorf("no peer combination can satisfy the endorsement policy: the peers that answer and run the chaincode are %s", e.who())
	}
	if err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "no combination of peers can be derived which satisfy the endorsement policy: %s", err)
	}
	return set, nil
}

// who names the peers that could endorse.
func (e *endorsing) who() string {
	var names []string
	for _, p := range e.survey.peers {
		if p.runs(e.proposal.ChaincodeName) {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// onlyMembers asks that collections be treated as read: then only peers of their
// members see the transient data.
func onlyMembers(interest *peerpb.ChaincodeInterest) *peerpb.ChaincodeInterest {
	out := &peerpb.ChaincodeInterest{}
	for _, call := range interest.GetChaincodes() {
		out.Chaincodes = append(out.Chaincodes, &peerpb.ChaincodeCall{
			Name: call.GetName(), CollectionNames: call.GetCollectionNames(), NoPublicWrites: call.GetNoPublicWrites(),
			KeyPolicies: call.GetKeyPolicies(), DisregardNamespacePolicy: call.GetDisregardNamespacePolicy(),
		})
	}
	return out
}

// complete follows a plan until a layout is complete.
func (e *endorsing) complete(ctx context.Context, set *layoutSet, first *candidate) ([]*peerpb.ProposalResponse, error) {
	peers := e.survey.peers
	ranked := make([]int, len(peers))
	for i := range ranked {
		ranked[i] = i
	}
	slices.SortStableFunc(ranked, func(a, b int) int { return byHeight(peers[a], peers[b]) })
	p := newPlan(set, ranked, slices.IndexFunc(peers, func(c *candidate) bool { return first != nil && c.Name == first.Name }), rand.Shuffle)
	for {
		ask, possible := p.next()
		if !possible {
			return nil, statusWithDetails(codes.Aborted, "failed to collect enough transaction endorsements, see attached details for more info", e.details...)
		}
		if len(ask) == 0 {
			break
		}
		asked := make([]*candidate, len(ask))
		for i, peer := range ask {
			asked[i] = peers[peer]
		}
		e.askAll(ctx, asked)
		if ctx.Err() != nil {
			return nil, contextStatus(ctx.Err(), restExpired)
		}
		for _, peer := range ask {
			if e.responses[peers[peer].Name] != nil {
				p.accept(peer)
			} else {
				p.refuse(peer)
			}
		}
	}
	chosen := make([]*candidate, 0, len(p.endorsers()))
	for _, peer := range p.endorsers() {
		chosen = append(chosen, peers[peer])
	}
	return e.collected(chosen), nil
}

// askAll asks several endorsers at once and keeps the answers that are good and
// equal to the first one.
func (e *endorsing) askAll(ctx context.Context, peers []*candidate) {
	responses := make([]*peerpb.ProposalResponse, len(peers))
	failures := make([]*endorserFailure, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers[1:] {
		wg.Go(func() { responses[i+1], failures[i+1] = e.g.try(ctx, e.c, p, e.proposal) })
	}
	responses[0], failures[0] = e.g.try(ctx, e.c, peers[0], e.proposal)
	wg.Wait()
	for i, p := range peers {
		if failures[i] != nil {
			e.details = append(e.details, failures[i].detail)
			continue
		}
		if e.first == nil {
			e.first = responses[i]
		}
		equal := bytes.Equal(e.first.GetPayload(), responses[i].GetPayload())
		e.compared(p, equal)
		if !equal {
			e.details = append(e.details, detailFor(p.Member, errMismatch))
			continue
		}
		e.responses[p.Name] = responses[i]
	}
}

// compared records whether an endorser's result equals the first.
func (e *endorsing) compared(p *candidate, equal bool) {
	what, note := trace.Equal, "equal"
	if !equal {
		what, note = trace.Differs, "its result differs from the first one"
	}
	e.g.record(trace.Event{Kind: trace.Compared, Other: p.Name, Channel: e.c.Name, TxID: e.proposal.TxID(), Key: e.proposal.ChaincodeName, What: what, A: 2, Note: note})
}
