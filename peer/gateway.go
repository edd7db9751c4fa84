package peer

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// gateway does for a client what the client could do itself: it finds endorsers,
// compares their results, sends transactions to the ordering service and waits
// for verdicts. (wire.md D.4)
type gateway struct {
	gatewaypb.UnimplementedGatewayServer
	peer      *Peer
	broadcast *broadcasters
}

func newGateway(p *Peer) *gateway {
	return &gateway{peer: p, broadcast: newBroadcasters(p)}
}

// enter counts a call in.
func (g *gateway) enter() error {
	if err := g.peer.gatewayCalls.enter(); err != nil {
		return status.Error(codes.Unknown, err.Error())
	}
	return nil
}

func (g *gateway) leave() { g.peer.gatewayCalls.leave() }

// signedProposal is a proposal in both forms, so that it is decoded once.
type signedProposal struct {
	*wire.ParsedProposal
	signed *peerpb.SignedProposal
}

// openProposal decodes the proposal of a request.
func openProposal(signed *peerpb.SignedProposal) (*signedProposal, error) {
	if signed == nil {
		return nil, status.Error(codes.InvalidArgument, "the proposed transaction must contain a signed proposal")
	}
	proposal, err := wire.ParseProposal(signed)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &signedProposal{proposal, signed}, nil
}

// channelOf finds the channel of a proposal; unknown is the code if there is none.
func (g *gateway) channelOf(proposal *signedProposal, unknown codes.Code) (*channel, error) {
	if proposal.Channel() == "" {
		return nil, status.Error(codes.InvalidArgument, "no channel id provided")
	}
	c, ok := g.peer.channelNamed(proposal.Channel())
	if !ok {
		return nil, status.Errorf(unknown, "channel '%s' not found: this peer has not joined it", proposal.Channel())
	}
	return c, nil
}

// within bounds one question of the gateway. The time stands still while a message of
// the transaction is held on purpose; as long as any hold is set there is no bound,
// because the message may be held in another process.
func (p *Peer) within(ctx context.Context, txID string, d time.Duration) (context.Context, context.CancelFunc) {
	net := p.config.Link.Net()
	if net.Holding() {
		return context.WithCancel(ctx)
	}
	return net.WithTimeout(ctx, txID, d)
}

// ask sends a proposal to one endorser. This peer asks itself without a detour
// over the network.
func (g *gateway) ask(ctx context.Context, to *candidate, proposal *signedProposal, height uint64) (*peerpb.ProposalResponse, error) {
	ctx, cancel := g.peer.within(ctx, proposal.TxID(), g.peer.config.Limits.EndorsementTimeout)
	defer cancel()
	if to.local {
		return g.askSelf(ctx, proposal)
	}
	conn, err := g.peer.connections.to(to.target)
	if err != nil {
		return nil, err
	}
	response, err := peerpb.NewEndorserClient(conn).ProcessProposal(withHeight(ctx, height), proposal.signed)
	if err != nil {
		return nil, err
	}
	return response, nil
}

// askSelf endorses at this peer. It may run in a goroutine of the gateway's own, where
// nobody else would catch a panic.
func (g *gateway) askSelf(ctx context.Context, proposal *signedProposal) (response *peerpb.ProposalResponse, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			g.peer.log.Error("panic", logKeyError, fault, "stack", string(debug.Stack()))
			response, err = g.peer.fail(proposal.ParsedProposal, fmt.Sprintf("panic: %v", fault)), nil
		}
	}()
	return g.peer.endorseParsed(ctx, proposal.signed, proposal.ParsedProposal)
}

// try asks one endorser and judges its answer.
func (g *gateway) try(ctx context.Context, c *channel, to *candidate, proposal *signedProposal) (*peerpb.ProposalResponse, *endorserFailure) {
	response, err := g.ask(ctx, to, proposal, c.ledger.Height())
	failed := judgeEndorser(response, err)
	if failed == nil {
		return response, nil
	}
	failed.detail = detailFor(to.member, failed.message)
	if failed.gone && ctx.Err() == nil {
		c.surveyor.forget()
	}
	return nil, failed
}

// byHeight orders endorsers: the higher ledger first, this peer first among equals.
func byHeight(a, b *candidate) int {
	switch {
	case a.height != b.height:
		if a.height > b.height {
			return -1
		}
		return 1
	case a.local != b.local:
		if a.local {
			return -1
		}
		return 1
	}
	return 0
}

// those lists the candidates that fit, best first.
func those(peers []*candidate, fits func(*candidate) bool) []*candidate {
	var list []*candidate
	for _, p := range peers {
		if p.identity != nil && fits(p) {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, byHeight)
	return list
}

// evaluateCandidates lists whom an evaluation may ask, in order.
func (g *gateway) evaluateCandidates(s *survey, proposal *signedProposal, orgs []string) []*candidate {
	own := g.peer.config.MSPID
	name := proposal.ChaincodeName
	if len(orgs) > 0 {
		return those(s.peers, func(p *candidate) bool { return slices.Contains(orgs, p.mspID) && p.runs(name) })
	}
	list := those(s.peers, func(p *candidate) bool { return p.mspID == own && p.runs(name) })
	if len(proposal.Transient) > 0 {
		return list // the data is for nobody else's eyes
	}
	return append(list, those(s.peers, func(p *candidate) bool { return p.mspID != own && p.runs(name) })...)
}

// Evaluate has one endorser run a proposal and passes on what it answers.
func (g *gateway) Evaluate(ctx context.Context, request *gatewaypb.EvaluateRequest) (*gatewaypb.EvaluateResponse, error) {
	if request == nil {
		return nil, status.Error(codes.InvalidArgument, "an evaluate request is required")
	}
	if err := g.enter(); err != nil {
		return nil, err
	}
	defer g.leave()
	proposal, err := openProposal(request.GetProposedTransaction())
	if err != nil {
		return nil, err
	}
	c, err := g.channelOf(proposal, codes.Unavailable)
	if err != nil {
		return nil, err
	}
	var candidates []*candidate
	c.surveyor.lookUntil(ctx, func(s *survey) bool {
		candidates = g.evaluateCandidates(s, proposal, request.GetTargetOrganizations())
		return len(candidates) > 0
	})
	if len(candidates) == 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "no peers available to evaluate chaincode %s in channel %s", proposal.ChaincodeName, c.name)
	}
	return g.evaluate(ctx, c, candidates, proposal)
}

// evaluate asks one candidate after the other.
func (g *gateway) evaluate(ctx context.Context, c *channel, candidates []*candidate, proposal *signedProposal) (*gatewaypb.EvaluateResponse, error) {
	var details []*gatewaypb.ErrorDetail
	code := codes.Unavailable
	for _, to := range candidates {
		response, failed := g.try(ctx, c, to, proposal)
		if failed == nil {
			return &gatewaypb.EvaluateResponse{Result: evaluated(response)}, nil
		}
		if ctx.Err() != nil {
			return nil, contextStatus(ctx.Err(), "evaluate timeout expired")
		}
		details = append(details, failed.detail)
		if !failed.retry {
			return nil, statusWithDetails(failed.code, "evaluate call to endorser returned error: "+failed.message, failed.detail)
		}
		code = failed.code
	}
	return nil, statusWithDetails(code, "failed to evaluate transaction, see attached details for more info", details...)
}

// evaluated is the chaincode's answer: that inside the signed result, or the
// outer one if there is no result.
func evaluated(response *peerpb.ProposalResponse) *peerpb.Response {
	outer := response.GetResponse()
	result := &peerpb.Response{Status: outer.GetStatus(), Message: outer.GetMessage(), Payload: outer.GetPayload()}
	var payload peerpb.ProposalResponsePayload
	var action peerpb.ChaincodeAction
	if len(response.GetPayload()) == 0 || proto.Unmarshal(response.GetPayload(), &payload) != nil ||
		proto.Unmarshal(payload.GetExtension(), &action) != nil || action.GetResponse() == nil {
		return result
	}
	result.Payload = action.GetResponse().GetPayload()
	return result
}
