package gateway

import (
	"context"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// Resources that the channel's configuration guards (wire.md G.6).
const (
	resourceCommitStatus = "gateway/CommitStatus"
	resourceEvents       = "gateway/ChaincodeEvents"
)

var errClosed = errors.New("the peer is closed")

// CommitStatus waits until a transaction is committed and tells its verdict.
func (g *Gateway) CommitStatus(ctx context.Context, signed *gatewaypb.SignedCommitStatusRequest) (*gatewaypb.CommitStatusResponse, error) {
	if len(signed.GetRequest()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "a commit status request is required")
	}
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
func (g *Gateway) mayAsk(resource, channelName string, signed policy.Signed) (*Channel, error) {
	c, ok := g.config.Channel(channelName)
	if !ok {
		return nil, status.Errorf(codes.PermissionDenied, "channel '%s' not found: this peer has not joined it", channelName)
	}
	if err := c.Allow(resource, signed); err != nil {
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	return c, nil
}

// await gives the verdict on a transaction: it subscribes first and looks then, so
// that a commit in between is not missed.
func (c *Channel) await(ctx context.Context, txID string) (verdict, error) {
	arrived, cancel := c.commits.await(txID)
	defer cancel()
	known, ok, err := c.Ledger.TxStatus(txID)
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
	case <-c.Closing:
		return verdict{}, fmt.Errorf("wait for transaction %s: %w", txID, errClosed)
	}
}

// ChaincodeEvents streams the events of a chaincode's valid transactions.
func (g *Gateway) ChaincodeEvents(signed *gatewaypb.SignedChaincodeEventsRequest, stream gatewaypb.Gateway_ChaincodeEventsServer) error {
	if len(signed.GetRequest()) == 0 {
		return status.Error(codes.InvalidArgument, "a chaincode events request is required")
	}
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
	g.readers.Add(1)
	defer g.readers.Add(-1)
	return reader.stream(stream.Context(), stream.Send)
}

// eventReader walks over blocks and picks events.
type eventReader struct {
	channel   *Channel
	chaincode string
	next      uint64 // block to read next
	after     string // skip everything up to the event of this transaction; "" skips nothing
}

// eventReader resolves where a request wants to start.
func (c *Channel) eventReader(request *gatewaypb.ChaincodeEventsRequest) (*eventReader, error) {
	r := &eventReader{channel: c, chaincode: request.GetChaincodeId(), after: request.GetAfterTransactionId()}
	if r.after != "" {
		known, ok, err := c.Ledger.TxStatus(r.after)
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
		r.next = c.Ledger.Height()
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
		height, grown := c.Ledger.Grown()
		if r.next >= height {
			select {
			case <-grown:
				continue
			case <-ctx.Done():
				return contextStatus(ctx.Err(), ctx.Err().Error())
			case <-c.Closing:
				return status.Error(codes.Unavailable, errClosed.Error())
			}
		}
		block, err := c.Ledger.Block(r.next)
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
	var events []*peerpb.ChaincodeEvent
	for _, event := range r.channel.Events(block) {
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
