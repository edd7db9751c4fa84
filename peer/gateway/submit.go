package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Submit sends a signed transaction to the ordering service: to one node after the
// other, in random order, until one takes it. It waits for nothing else.
func (g *Gateway) Submit(ctx context.Context, request *gatewaypb.SubmitRequest) (*gatewaypb.SubmitResponse, error) {
	if request == nil {
		return nil, status.Error(codes.InvalidArgument, "a submit request is required")
	}
	envelope := request.GetPreparedTransaction()
	if envelope == nil {
		return nil, status.Error(codes.InvalidArgument, "a prepared transaction is required")
	}
	if len(envelope.GetSignature()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "prepared transaction must be signed")
	}
	c, ok := g.config.Channel(request.GetChannelId())
	if !ok {
		return nil, status.Errorf(codes.FailedPrecondition, "channel '%s' not found: this peer has not joined it", request.GetChannelId())
	}
	targets := append([]link.Target(nil), c.Orderers()...)
	if len(targets) == 0 {
		return nil, status.Error(codes.Unavailable, "no orderer nodes available")
	}
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	targets = g.config.Connections.AnsweringFirst(targets)
	return g.submit(ctx, c, request.GetTransactionId(), envelope, targets)
}

func (g *Gateway) submit(ctx context.Context, c *Channel, txID string, envelope *commonpb.Envelope, targets []link.Target) (*gatewaypb.SubmitResponse, error) {
	var details []*gatewaypb.ErrorDetail
	for _, target := range targets {
		response, err := g.send(ctx, target, txID, envelope)
		if ctx.Err() != nil {
			return nil, contextStatus(ctx.Err(), "submit timeout expired while broadcasting to ordering service")
		}
		code := response.GetStatus()
		switch {
		case err != nil:
			details = append(details, &gatewaypb.ErrorDetail{Address: target.Addr, MspId: g.ordererMSP(c, target), Message: plainError(err)})
			continue
		case code == commonpb.Status_SUCCESS:
			g.record(trace.Event{Kind: trace.Submitted, What: trace.Told, Other: target.Name, Channel: c.Name, TxID: txID})
			return &gatewaypb.SubmitResponse{}, nil
		}
		message := fmt.Sprintf("received unsuccessful response from orderer: status=%s, info=%s", code, response.GetInfo())
		if code >= 400 && code < 500 {
			return nil, status.Error(codes.Aborted, message) // a verdict on the transaction; no other node would differ
		}
		details = append(details, &gatewaypb.ErrorDetail{Address: target.Addr, MspId: g.ordererMSP(c, target), Message: message})
	}
	return nil, statusWithDetails(codes.Unavailable, "no orderers could successfully process transaction", details...)
}

// send gives the envelope to one node, within the time for one.
func (g *Gateway) send(ctx context.Context, target link.Target, txID string, envelope *commonpb.Envelope) (*ordererpb.BroadcastResponse, error) {
	ctx, cancel := g.within(ctx, txID, g.config.BroadcastTimeout)
	defer cancel()
	return g.broadcasts.Send(ctx, target, envelope)
}

// ordererMSP is the organisation of an ordering node, as far as the configuration
// tells.
func (g *Gateway) ordererMSP(c *Channel, target link.Target) string {
	orgs := c.Bundle().Orderers()
	for _, org := range orgs {
		for _, endpoint := range org.Endpoints {
			if endpoint == target.Addr {
				return org.MSPID
			}
		}
	}
	if len(orgs) == 1 {
		return orgs[0].MSPID
	}
	return ""
}
