package network

import (
	"context"
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// throughGateway makes a call of the Gateway service, at a running peer of the client's
// own organisation; if that one hangs, at the next.
func throughGateway[A any](ctx context.Context, c *Client, call func(context.Context, gatewaypb.GatewayClient) (A, error)) (answer A, err error) {
	peers, err := c.net.homePeers(c)
	if err != nil {
		return answer, err
	}
	for _, peer := range peers {
		conn, err := c.conns.To(peer)
		if err != nil {
			return answer, err
		}
		guarded, release := c.conns.Guarded(ctx, peer)
		answer, err = call(guarded, gatewaypb.NewGatewayClient(conn))
		hung, failure := deliver.Hung(guarded), deliver.Failure(guarded, err)
		release()
		if failure == nil {
			return answer, nil
		}
		if !hung || peer == peers[len(peers)-1] {
			return answer, describeStatus(failure)
		}
	}
	return answer, ErrNoEndorser // homePeers gives one at least
}

func (c *Client) evaluateThroughGateway(ctx context.Context, call Call, p *proposal, result *Result) (*Result, error) {
	r, err := throughGateway(ctx, c, func(ctx context.Context, gw gatewaypb.GatewayClient) (*gatewaypb.EvaluateResponse, error) {
		return gw.Evaluate(ctx, &gatewaypb.EvaluateRequest{TransactionId: p.TxID, ChannelId: c.net.topology.Channel,
			ProposedTransaction: p.signed, TargetOrganizations: c.net.mspIDs(call.Endorsers)})
	})
	if err != nil {
		return result, err
	}
	result.Payload, result.Status = r.GetResult().GetPayload(), r.GetResult().GetStatus()
	return result, nil
}

// submitThroughGateway lets one peer collect the endorsements, and asks it for the
// verdict.
func (c *Client) submitThroughGateway(ctx context.Context, call Call, p *proposal) (*Result, error) {
	result := &Result{TxID: p.TxID}
	channel := c.net.topology.Channel
	prepared, err := throughGateway(ctx, c, func(ctx context.Context, gw gatewaypb.GatewayClient) (*gatewaypb.EndorseResponse, error) {
		return gw.Endorse(ctx, &gatewaypb.EndorseRequest{TransactionId: p.TxID, ChannelId: channel,
			ProposedTransaction: p.signed, EndorsingOrganizations: c.net.mspIDs(call.Endorsers)})
	})
	if err != nil {
		return result, err
	}
	envelope := prepared.GetPreparedTransaction()
	if envelope == nil {
		return result, errors.New("the gateway answered without a transaction")
	}
	c.fillFromEnvelope(envelope, result)
	if envelope.Signature, err = c.signer.Sign(envelope.Payload); err != nil {
		return result, fmt.Errorf("sign the transaction: %w", err)
	}
	c.net.trace.Record(trace.Event{Kind: trace.Submitted, What: trace.Told, Node: c.Name, Channel: channel, TxID: p.TxID})
	_, err = throughGateway(ctx, c, func(ctx context.Context, gw gatewaypb.GatewayClient) (*gatewaypb.SubmitResponse, error) {
		return gw.Submit(ctx, &gatewaypb.SubmitRequest{TransactionId: p.TxID, ChannelId: channel, PreparedTransaction: envelope})
	})
	if err != nil {
		return result, err
	}
	request, err := proto.Marshal(&gatewaypb.CommitStatusRequest{TransactionId: p.TxID, ChannelId: channel, Identity: c.signer.Creator()})
	if err != nil {
		return result, fmt.Errorf("build the commit status request: %w", err)
	}
	signature, err := c.signer.Sign(request)
	if err != nil {
		return result, fmt.Errorf("sign the commit status request: %w", err)
	}
	status, err := throughGateway(ctx, c, func(ctx context.Context, gw gatewaypb.GatewayClient) (*gatewaypb.CommitStatusResponse, error) {
		return gw.CommitStatus(ctx, &gatewaypb.SignedCommitStatusRequest{Request: request, Signature: signature})
	})
	if err != nil {
		return result, err
	}
	result.Block, result.Code = status.GetBlockNumber(), status.GetResult()
	return result, nil
}

// fillFromEnvelope reads the chaincode's answer and the endorsers out of a
// prepared transaction.
func (c *Client) fillFromEnvelope(envelope *commonpb.Envelope, result *Result) {
	raw, err := proto.Marshal(envelope)
	if err != nil {
		return
	}
	tx, err := wire.ParseTransaction(raw)
	if err != nil {
		return
	}
	result.Payload, result.Status = tx.Response.GetPayload(), tx.Response.GetStatus()
	for _, e := range tx.Endorsements {
		result.Endorsers = append(result.Endorsers, identityName(e.GetEndorser()))
	}
}
