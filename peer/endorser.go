package peer

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/gateway"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// endorserService is the peer as others see it that want a proposal endorsed.
type endorserService struct {
	peerpb.UnimplementedEndorserServer
	peer *Peer
}

// ProcessProposal checks, simulates and signs a proposal. As in Fabric, refusals
// of the caller are gRPC errors, while failures of the chaincode or of this peer
// are answers with status 500 (wire.md D.2).
func (s *endorserService) ProcessProposal(ctx context.Context, signed *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
	s.peer.catchUp(ctx, signed)
	response, err := s.peer.endorse(ctx, signed)
	if err != nil {
		return nil, status.Error(codes.Unknown, err.Error())
	}
	return response, nil
}

// catchUpPatience is how long an endorser that is behind waits for its blocks.
const catchUpPatience = 300 * time.Millisecond

// catchUp lets an endorser that is a few milliseconds behind the gateway commit the
// block that it is working on. Without it, a client that submits, waits for the
// verdict at its gateway and submits again would often get two different results.
func (p *Peer) catchUp(ctx context.Context, signed *peerpb.SignedProposal) {
	hints := metadata.ValueFromIncomingContext(ctx, gateway.HeightHint)
	if len(hints) == 0 {
		return
	}
	height, err := strconv.ParseUint(hints[0], 10, 64)
	if err != nil {
		return
	}
	peek, _ := wire.PeekProposal(signed.GetProposalBytes())
	c, ok := p.channelNamed(peek.Channel)
	if !ok {
		return
	}
	var patience <-chan time.Time
	for {
		now, grown := c.ledger.Grown()
		if now >= height {
			return
		}
		if patience == nil {
			timer := time.NewTimer(catchUpPatience)
			defer timer.Stop()
			patience = timer.C
		}
		select {
		case <-grown:
		case <-patience:
			return
		case <-ctx.Done():
			return
		case <-c.ctx.Done():
			return
		}
	}
}

// timeWindow is how far a proposal's timestamp may be from the peer's clock.
const timeWindow = 15 * time.Minute

// endorse works on one proposal. A refusal of the caller gives an answer and an
// error; over gRPC only the error arrives, the gateway of this peer sees both.
func (p *Peer) endorse(ctx context.Context, signed *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
	proposal, err := wire.ParseProposal(signed)
	if err != nil {
		return p.refuse(nil, err)
	}
	return p.endorseParsed(ctx, signed, proposal)
}

// endorseSafely is endorseParsed for the gateway, which may call it in a goroutine of
// its own, where nobody else would catch a panic.
func (p *Peer) endorseSafely(ctx context.Context, signed *peerpb.SignedProposal, proposal *wire.ParsedProposal) (response *peerpb.ProposalResponse, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			p.log.Error("panic", logKeyError, fault, "stack", string(debug.Stack()))
			response, err = p.fail(proposal, fmt.Sprintf("panic: %v", fault)), nil
		}
	}()
	return p.endorseParsed(ctx, signed, proposal)
}

// endorseParsed is endorse for a proposal that was decoded already.
func (p *Peer) endorseParsed(ctx context.Context, signed *peerpb.SignedProposal, proposal *wire.ParsedProposal) (*peerpb.ProposalResponse, error) {
	if err := p.checkAge(proposal); err != nil {
		return p.refuse(proposal, err)
	}
	tx := &transaction{peer: p, signed: signed, proposal: proposal}
	if name := proposal.Channel(); name != "" {
		channel, ok := p.channelNamed(name)
		if !ok {
			return p.fail(proposal, fmt.Sprintf("channel '%s' not found", name)), nil
		}
		tx.channel = channel
	}
	if err := tx.checkCaller(); err != nil {
		return p.refuse(proposal, err)
	}
	response, err := tx.endorse(ctx)
	if err != nil {
		return p.fail(proposal, err.Error()), nil
	}
	return response, nil
}

// refuse answers a caller who may not have this done.
func (p *Peer) refuse(proposal *wire.ParsedProposal, err error) (*peerpb.ProposalResponse, error) {
	return p.fail(proposal, err.Error()), err
}

// fail answers 500 and records why.
func (p *Peer) fail(proposal *wire.ParsedProposal, message string) *peerpb.ProposalResponse {
	message = plainText(message)
	event := trace.Event{Kind: trace.Refused, What: trace.Rejected, A: 500, Note: message}
	if proposal != nil {
		event.Channel, event.TxID, event.Key = proposal.Channel(), proposal.TxID(), proposal.ChaincodeName
	}
	p.record(event)
	return &peerpb.ProposalResponse{Response: &peerpb.Response{Status: 500, Message: message}}
}

// checkAge is the first look at a proposal: a certificate that has expired, or a
// time that cannot be now.
func (p *Peer) checkAge(proposal *wire.ParsedProposal) error {
	now := p.now()
	set := p.locals.msps
	if channel, ok := p.channelNamed(proposal.Channel()); ok {
		set = channel.settings().bundle.MSPs()
	}
	if expires := set.CertificateEnd(proposal.Creator()); !expires.IsZero() && now.After(expires) {
		return errors.New("proposal client identity expired")
	}
	stamp := proposal.ChannelHeader.GetTimestamp() // absent it means 1970, as all over the protocol
	if off := now.Sub(stamp.AsTime()).Abs(); !stamp.IsValid() || off > timeWindow {
		return fmt.Errorf("proposal timestamp %s is more than %s off this peer's clock; set the clocks right and send a new proposal",
			stamp.AsTime().UTC().Format(time.RFC3339), timeWindow)
	}
	return nil
}

// checkCaller is steps 4 to 6 of wire.md D.2: the headers, who signed, that the
// id is new, and whether the channel lets this caller propose.
func (tx *transaction) checkCaller() error {
	p := tx.proposal
	if err := p.CheckHeader(); err != nil {
		return fmt.Errorf("error validating proposal: %w", err)
	}
	if len(p.Signature) == 0 {
		return errors.New("error validating proposal: empty signature bytes")
	}
	if err := tx.authenticate(); err != nil {
		return fmt.Errorf("error validating proposal: %w", err)
	}
	if tx.channel == nil {
		return nil
	}
	_, used, err := tx.channel.ledger.TxStatus(p.TxID())
	if err != nil {
		return err
	}
	if used {
		return fmt.Errorf("duplicate transaction found [%s]. Creator [%x]", p.TxID(), p.Creator())
	}
	if wire.IsSystemChaincode(p.ChaincodeName) {
		return nil
	}
	return tx.channel.settings().check(resourcePropose, tx.creator)
}

// authenticate finds out who signed the proposal. Its errors do not tell a
// stranger what exactly is wrong; the trace does.
func (tx *transaction) authenticate() error {
	p := tx.proposal
	set := tx.peer.locals.msps
	if tx.channel != nil {
		set = tx.channel.settings().bundle.MSPs()
	}
	id, err := set.Identity(p.Creator())
	if err == nil {
		err = id.Verify(p.Bytes, p.Signature)
	}
	if err == nil {
		tx.creator = id
		return nil
	}
	tx.peer.record(trace.Event{Kind: trace.ErrorEvent, Channel: p.Channel(), TxID: p.TxID(), Key: p.ChaincodeName,
		What: trace.Told, Note: "the proposal's creator is not accepted: " + err.Error()})
	var serialized msppb.SerializedIdentity
	if errors.Is(err, msp.ErrMalformed) || errors.Is(err, msp.ErrUnknownMSP) || proto.Unmarshal(p.Creator(), &serialized) != nil {
		return fmt.Errorf("access denied: channel [%s] creator org unknown, creator is malformed", p.Channel())
	}
	return fmt.Errorf("access denied: channel [%s] creator org [%s]", p.Channel(), serialized.GetMspid())
}

// endorse is steps 7 to 10: simulate, and sign what came out.
func (tx *transaction) endorse(ctx context.Context) (*peerpb.ProposalResponse, error) {
	var sim *ledger.Simulator
	if tx.needsSimulator() {
		var err error
		if sim, err = tx.channel.ledger.NewSimulator(ctx, tx.proposal.TxID()); err != nil {
			return nil, err
		}
		defer sim.Done()
		tx.record(trace.Event{Kind: trace.SimulateStart, What: trace.Told, Block: sim.Height()})
	}
	d, err := tx.definition(sim)
	if err != nil {
		return nil, err
	}
	out, err := tx.run(ctx, sim, d)
	if err != nil {
		return nil, fmt.Errorf("error in simulation: %w", err)
	}
	result := &ledger.SimResult{}
	if sim != nil {
		if result, err = sim.Result(); err != nil {
			return nil, fmt.Errorf("error in simulation: %w", err)
		}
		sim.Done() // early: signing needs no view of the state
		if tx.peer.config.Trace != nil {
			tx.record(simulated(result, out.response))
		}
		if err := tx.keepPrivate(ctx, result); err != nil {
			return nil, fmt.Errorf("error in simulation: %w", err)
		}
	}
	return tx.answer(out, result)
}

// simulated says what a simulation led to.
func simulated(result *ledger.SimResult, response *peerpb.Response) trace.Event {
	counts := wire.CountRWSet(result.Public)
	reads, writes := counts.Reads+counts.HashedReads, counts.Writes+counts.HashedWrites
	e := trace.Event{Kind: trace.SimulateEnd, What: trace.Accepted, Block: result.Height, A: int64(reads), B: int64(writes), C: int64(response.GetStatus()),
		Note: fmt.Sprintf("%d reads, %d ranges, %d writes, status %d", reads, counts.RangeQueries, writes, response.GetStatus())}
	if response.GetStatus() >= 400 {
		e.What = trace.Rejected
	}
	return e
}

// record adds what all events of a transaction have in common.
func (tx *transaction) record(e trace.Event) {
	if tx.peer.config.Trace == nil {
		return
	}
	tx.recordAbout(tx.proposal.ChaincodeName, e)
}

// recordAbout is record for something else than the chaincode, such as a state key.
func (tx *transaction) recordAbout(key string, e trace.Event) {
	e.Channel, e.TxID, e.Key = tx.proposal.Channel(), tx.proposal.TxID(), key
	tx.peer.record(e)
}

// answer puts the response together, and signs it if it is a success
// (wire.md C.4 and the table in D.2).
func (tx *transaction) answer(out *outcome, result *ledger.SimResult) (*peerpb.ProposalResponse, error) {
	status := out.response.GetStatus()
	response := &peerpb.ProposalResponse{Response: out.response} // a version only with an endorsement, as Fabric's
	if status < 500 && (tx.channel == nil || status >= 400) {
		if status >= 400 {
			tx.record(trace.Event{Kind: trace.Refused, What: trace.Rejected, A: int64(status), Note: fmt.Sprintf("status %d: %s", status, out.response.GetMessage())})
		}
		return response, nil
	}
	event := out.event
	if status >= 400 {
		event = nil
	}
	public := tx.peer.resultToSign(tx, result.Public)
	payload, err := tx.payload(out, event, public)
	if err != nil {
		return nil, err
	}
	response.Payload = payload
	response.Interest = result.Interest
	if status >= 400 {
		tx.record(trace.Event{Kind: trace.Refused, What: trace.Rejected, A: int64(status), Note: fmt.Sprintf("status %d: %s", status, out.response.GetMessage())})
		return response, nil
	}
	creator := tx.peer.config.Signer.Creator()
	signature, err := tx.peer.config.Signer.SignParts(payload, creator)
	if err != nil {
		return nil, fmt.Errorf("could not sign the proposal response payload: %w", err)
	}
	response.Version = 1
	response.Endorsement = &peerpb.Endorsement{Endorser: creator, Signature: signature}
	if tx.peer.config.Trace != nil {
		digest := wire.Hash(payload)[:8]
		tx.record(trace.Event{Kind: trace.Endorsed, What: trace.Told, A: int64(binary.BigEndian.Uint64(digest)), Note: hex.EncodeToString(digest)})
	}
	return response, nil
}

// payload encodes what the endorsement signs.
func (tx *transaction) payload(out *outcome, event *peerpb.ChaincodeEvent, results []byte) ([]byte, error) {
	action := &peerpb.ChaincodeAction{
		Results: results, Response: out.response,
		ChaincodeId: &peerpb.ChaincodeID{Name: tx.proposal.ChaincodeName, Version: out.version},
	}
	if event != nil {
		// The chaincode's word for whose event it is does not count.
		raw, err := proto.Marshal(&peerpb.ChaincodeEvent{
			ChaincodeId: tx.proposal.ChaincodeName, TxId: tx.proposal.TxID(), EventName: event.GetEventName(), Payload: event.GetPayload(),
		})
		if err != nil {
			return nil, fmt.Errorf("failed to marshal chaincode event: %w", err)
		}
		action.Events = raw
	}
	extension, err := proto.Marshal(action)
	if err != nil {
		return nil, fmt.Errorf("failed to marshal chaincode action: %w", err)
	}
	payload, err := proto.Marshal(&peerpb.ProposalResponsePayload{ProposalHash: tx.proposal.Hash(), Extension: extension})
	if err != nil {
		return nil, fmt.Errorf("failed to marshal proposal response payload: %w", err)
	}
	return payload, nil
}
