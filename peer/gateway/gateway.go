package gateway

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
)

// Config is what the gateway service of a peer works with. All is needed but Trace.
type Config struct {
	Own         Member // this peer
	Identity    []byte // with which it signs: a marshalled msp.SerializedIdentity
	Connections *deliver.Connections
	Net         *link.Net
	Trace       *trace.Recorder // nil is off

	EndorsementTimeout time.Duration // for one endorser
	BroadcastTimeout   time.Duration // for one ordering node

	Others  func() []Member                          // the other peers of the network
	Channel func(name string) (ch *Channel, ok bool) // those that the peer has joined
	// Endorse has this peer endorse a proposal, without a detour over the network. It
	// does not panic.
	Endorse func(ctx context.Context, signed *peerpb.SignedProposal, proposal *wire.ParsedProposal) (*peerpb.ProposalResponse, error)
}

// Gateway is the service. It does for a client what the client could do itself: it
// finds endorsers, compares their results, sends transactions to the ordering service
// and waits for verdicts. (wire.md D.4)
type Gateway struct {
	gatewaypb.UnimplementedGatewayServer
	config     Config
	broadcasts *deliver.Broadcasts
	readers    atomic.Int32 // ChaincodeEvents streams that are open
}

// New makes the service.
func New(config Config) *Gateway {
	return &Gateway{config: config, broadcasts: deliver.NewBroadcasts(config.Connections)}
}

// EventsRead tells whether anybody reads chaincode events now.
func (g *Gateway) EventsRead() bool { return g.readers.Load() > 0 }

// Joined is what the gateway asks of a peer about a channel that the peer has joined.
type Joined interface {
	// Bundle is the channel's present configuration.
	Bundle() *channelconfig.Bundle
	// Allow tells whether whoever signed may use a resource that the configuration guards.
	Allow(resource string, signed policy.Signed) error
	// Orderers lists the ordering nodes.
	Orderers() []link.Target
	// Events lists the chaincode events of a stored block's valid transactions.
	Events(block *commonpb.Block) []*peerpb.ChaincodeEvent
	// Background runs work until it is done or the channel closes. false: the channel
	// is closing, nothing was started.
	Background(work func(ctx context.Context)) bool
}

// Channel is the gateway's part in one channel.
type Channel struct {
	ChannelConfig
	gateway *Gateway
	commits commits
	survey  surveyor
	plans   plans
}

// ChannelConfig is what the gateway's part in a channel works with.
type ChannelConfig struct {
	Joined
	Name        string
	Ledger      *ledger.Ledger
	Definitions *lifecycle.Table
	Closing     <-chan struct{} // closed when the peer leaves the channel or stops
}

// NewChannel makes the gateway's part in a channel.
func (g *Gateway) NewChannel(config ChannelConfig) *Channel {
	c := &Channel{ChannelConfig: config, gateway: g}
	c.survey.channel = c
	return c
}

// Committed tells those who wait that a block is on disk: ids and codes of its
// transactions by position.
func (c *Channel) Committed(block uint64, txIDs []string, codes []byte) {
	c.commits.publish(block, txIDs, codes)
}

// AskPeersAgain makes the next look at the other peers ask them: the list of peers has
// changed, or identities may mean something else now.
func (c *Channel) AskPeersAgain() { c.survey.markStale() }

// record adds an event of this peer.
func (g *Gateway) record(e trace.Event) {
	if g.config.Trace == nil {
		return
	}
	e.Node = g.config.Own.Name
	g.config.Trace.Record(e)
}

// mspID is the peer's own organisation.
func (g *Gateway) mspID() string { return g.config.Own.MSPID }

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
func (g *Gateway) channelOf(proposal *signedProposal, unknown codes.Code) (*Channel, error) {
	if proposal.Channel() == "" {
		return nil, status.Error(codes.InvalidArgument, "no channel id provided")
	}
	c, ok := g.config.Channel(proposal.Channel())
	if !ok {
		return nil, status.Errorf(unknown, "channel '%s' not found: this peer has not joined it", proposal.Channel())
	}
	return c, nil
}

// within bounds one question of the gateway. The time stands still while a message of
// the transaction is held on purpose; as long as any hold is set there is no bound,
// because the message may be held in another process.
func (g *Gateway) within(ctx context.Context, txID string, d time.Duration) (context.Context, context.CancelFunc) {
	net := g.config.Net
	if net.Holding() {
		return context.WithCancel(ctx)
	}
	return net.WithTimeout(ctx, txID, d)
}

// HeightHint is the name under which a gateway tells an endorser how high the ledger
// is on which it has simulated the proposal already.
const HeightHint = "fabriscope-height"

// ask sends a proposal to one endorser. This peer asks itself without a detour
// over the network.
func (g *Gateway) ask(ctx context.Context, to *candidate, proposal *signedProposal, height uint64) (*peerpb.ProposalResponse, error) {
	ctx, cancel := g.within(ctx, proposal.TxID(), g.config.EndorsementTimeout)
	defer cancel()
	if to.local {
		return g.config.Endorse(ctx, proposal.signed, proposal.ParsedProposal)
	}
	conn, err := g.config.Connections.To(to.Target)
	if err != nil {
		return nil, err
	}
	ctx, release := g.config.Connections.Guarded(ctx, to.Target)
	defer release()
	response, err := peerpb.NewEndorserClient(conn).ProcessProposal(metadata.AppendToOutgoingContext(ctx, HeightHint, strconv.FormatUint(height, 10)), proposal.signed)
	if err != nil {
		return nil, deliver.Failure(ctx, err)
	}
	return response, nil
}

// try asks one endorser and judges its answer.
func (g *Gateway) try(ctx context.Context, c *Channel, to *candidate, proposal *signedProposal) (*peerpb.ProposalResponse, *endorserFailure) {
	response, err := g.ask(ctx, to, proposal, c.Ledger.Height())
	failed := judgeEndorser(response, err)
	if failed == nil {
		return response, nil
	}
	failed.detail = detailFor(to.Member, failed.message)
	if failed.gone && ctx.Err() == nil {
		c.survey.markStale()
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

// bestFirst lists the candidates that fit, best first.
func bestFirst(peers []*candidate, fits func(*candidate) bool) []*candidate {
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
func (g *Gateway) evaluateCandidates(s *survey, proposal *signedProposal, orgs []string) []*candidate {
	own := g.mspID()
	name := proposal.ChaincodeName
	if len(orgs) > 0 {
		return bestFirst(s.peers, func(p *candidate) bool { return slices.Contains(orgs, p.MSPID) && p.runs(name) })
	}
	list := bestFirst(s.peers, func(p *candidate) bool { return p.MSPID == own && p.runs(name) })
	if len(proposal.Transient) > 0 {
		return list // the data is for nobody else's eyes
	}
	return append(list, bestFirst(s.peers, func(p *candidate) bool { return p.MSPID != own && p.runs(name) })...)
}

// Evaluate has one endorser run a proposal and passes on what it answers.
func (g *Gateway) Evaluate(ctx context.Context, request *gatewaypb.EvaluateRequest) (*gatewaypb.EvaluateResponse, error) {
	if request == nil {
		return nil, status.Error(codes.InvalidArgument, "an evaluate request is required")
	}
	proposal, err := openProposal(request.GetProposedTransaction())
	if err != nil {
		return nil, err
	}
	c, err := g.channelOf(proposal, codes.Unavailable)
	if err != nil {
		return nil, err
	}
	var candidates []*candidate
	c.survey.lookUntil(ctx, func(s *survey) bool {
		candidates = g.evaluateCandidates(s, proposal, request.GetTargetOrganizations())
		return len(candidates) > 0
	})
	if len(candidates) == 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "no peers available to evaluate chaincode %s in channel %s", proposal.ChaincodeName, c.Name)
	}
	return g.evaluate(ctx, c, candidates, proposal)
}

// evaluate asks one candidate after the other.
func (g *Gateway) evaluate(ctx context.Context, c *Channel, candidates []*candidate, proposal *signedProposal) (*gatewaypb.EvaluateResponse, error) {
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
