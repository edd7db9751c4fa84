package peer

import (
	"context"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// CommitStatus waits until a transaction is committed and tells its verdict.
func (g *gateway) CommitStatus(ctx context.Context, signed *gatewaypb.SignedCommitStatusRequest) (*gatewaypb.CommitStatusResponse, error) {
	if len(signed.GetRequest()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "a commit status request is required")
	}
	if err := g.enter(); err != nil {
		return nil, err
	}
	defer g.leave()
	request := &gatewaypb.CommitStatusRequest{}
	if err := proto.Unmarshal(signed.GetRequest(), request); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "invalid status request: %s", err)
	}
	switch {
	case len(request.GetIdentity()) == 0:
		return nil, status.Error(codes.InvalidArgument, "no identity provided")
	case request.GetChannelId() == "":
		return nil, status.Error(codes.InvalidArgument, "no channel ID provided")
	case request.GetTransactionId() == "":
		return nil, status.Error(codes.InvalidArgument, "transaction ID should not be empty")
	}
	c, err := g.mayAsk(resourceCommitStatus, request.GetChannelId(), policy.Signed{
		Data: signed.GetRequest(), Identity: request.GetIdentity(), Signature: signed.GetSignature(),
	})
	if err != nil {
		return nil, err
	}
	found, err := c.await(ctx, request.GetTransactionId())
	if err != nil {
		return nil, contextStatus(err, err.Error())
	}
	return &gatewaypb.CommitStatusResponse{Result: found.code, BlockNumber: found.block}, nil
}

// mayAsk finds a channel that the signer may ask about. A channel that is not here
// is refused in the same way: who may not ask learns nothing.
func (g *gateway) mayAsk(resource, channelName string, signed policy.Signed) (*channel, error) {
	c, ok := g.peer.channelNamed(channelName)
	if !ok {
		return nil, status.Errorf(codes.PermissionDenied, "channel '%s' not found: this peer has not joined it", channelName)
	}
	if _, err := c.settings().allow(resource, signed, g.peer.now()); err != nil {
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	return c, nil
}

// await gives the verdict on a transaction: it subscribes first and looks then, so
// that a commit in between is not missed.
func (c *channel) await(ctx context.Context, txID string) (verdict, error) {
	arrived, cancel := c.commits.await(txID)
	defer cancel()
	known, ok, err := c.ledger.TxStatus(txID)
	if err != nil {
		return verdict{}, err
	}
	if ok {
		return verdict{code: known.Code, block: known.Block}, nil
	}
	select {
	case v := <-arrived:
		return v, nil
	case <-ctx.Done():
		return verdict{}, ctx.Err()
	case <-c.ctx.Done():
		return verdict{}, fmt.Errorf("wait for transaction %s: %w", txID, ErrClosed)
	}
}

// ChaincodeEvents streams the events of a chaincode's valid transactions.
func (g *gateway) ChaincodeEvents(signed *gatewaypb.SignedChaincodeEventsRequest, stream gatewaypb.Gateway_ChaincodeEventsServer) error {
	if len(signed.GetRequest()) == 0 {
		return status.Error(codes.InvalidArgument, "a chaincode events request is required")
	}
	if err := g.enter(); err != nil {
		return err
	}
	defer g.leave()
	request := &gatewaypb.ChaincodeEventsRequest{}
	if err := proto.Unmarshal(signed.GetRequest(), request); err != nil {
		return status.Errorf(codes.InvalidArgument, "invalid chaincode events request: %s", err)
	}
	c, err := g.mayAsk(resourceEvents, request.GetChannelId(), policy.Signed{
		Data: signed.GetRequest(), Identity: request.GetIdentity(), Signature: signed.GetSignature(),
	})
	if err != nil {
		return err
	}
	reader, err := c.eventReader(request)
	if err != nil {
		return err
	}
	g.peer.eventReaders.Add(1)
	defer g.peer.eventReaders.Add(-1)
	return reader.stream(stream.Context(), stream.Send)
}

// eventReader walks over blocks and picks events.
type eventReader struct {
	channel   *channel
	chaincode string
	next      uint64 // block to read next
	after     string // skip everything up to the event of this transaction; "" skips nothing
}

// eventReader resolves where a request wants to start.
func (c *channel) eventReader(request *gatewaypb.ChaincodeEventsRequest) (*eventReader, error) {
	r := &eventReader{channel: c, chaincode: request.GetChaincodeId(), after: request.GetAfterTransactionId()}
	if r.after != "" {
		known, ok, err := c.ledger.TxStatus(r.after)
		if err != nil {
			return nil, status.Error(codes.Aborted, err.Error())
		}
		if ok {
			r.next = known.Block
			return r, nil
		}
	}
	switch start := request.GetStartPosition().GetType().(type) {
	case nil, *ordererpb.SeekPosition_NextCommit:
		r.next = c.ledger.Height()
	case *ordererpb.SeekPosition_Specified:
		r.next = start.Specified.GetNumber()
	default:
		return nil, status.Errorf(codes.InvalidArgument, "invalid start position type: %T", start)
	}
	return r, nil
}

// stream sends the events of one block after the other, and waits for more.
func (r *eventReader) stream(ctx context.Context, send func(*gatewaypb.ChaincodeEventsResponse) error) error {
	c := r.channel
	for {
		height, grown := c.ledger.Grown()
		if r.next >= height {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return contextStatus(ctx.Err(), ctx.Err().Error())
			case <-c.ctx.Done():
				return status.Error(codes.Unavailable, ErrClosed.Error())
			}
		}
		block, err := c.ledger.Block(r.next)
		if err != nil {
			return status.Error(codes.Aborted, err.Error())
		}
		events := r.events(block)
		if len(events) > 0 {
			if err := send(&gatewaypb.ChaincodeEventsResponse{Events: events, BlockNumber: r.next}); err != nil {
				return err
			}
		}
		r.next++
	}
}

// events picks the chaincode's events of one block.
func (r *eventReader) events(block *commonpb.Block) []*peerpb.ChaincodeEvent {
	all := r.channel.events.get(block.GetHeader().GetNumber())
	if all == nil {
		all = blockEvents(block)
	}
	var events []*peerpb.ChaincodeEvent
	for _, event := range *all {
		if event.GetChaincodeId() != r.chaincode {
			continue
		}
		if r.after != "" {
			if event.GetTxId() == r.after {
				r.after = ""
			}
			continue
		}
		events = append(events, event)
	}
	return events
}

// validEvents lists the events of a judged block's valid transactions.
func validEvents(result *validate.Result) *[]*peerpb.ChaincodeEvent {
	events := []*peerpb.ChaincodeEvent{}
	for i, tx := range result.Transactions {
		if result.Codes[i] == peerpb.TxValidationCode_VALID {
			if event := decodeEvent(tx.Event); event != nil {
				events = append(events, event)
			}
		}
	}
	return &events
}

// blockEvents lists the events of a stored block's valid transactions.
func blockEvents(block *commonpb.Block) *[]*peerpb.ChaincodeEvent {
	events := []*peerpb.ChaincodeEvent{}
	filter := wire.Filter(block)
	for i, raw := range block.GetData().GetData() {
		if i >= len(filter) || peerpb.TxValidationCode(filter[i]) != peerpb.TxValidationCode_VALID {
			continue
		}
		t, err := wire.ParseTransaction(raw)
		if err != nil || t.Type != commonpb.HeaderType_ENDORSER_TRANSACTION {
			continue
		}
		if event := soundEvent(t.Event); event != nil {
			events = append(events, event)
		}
	}
	return &events
}
