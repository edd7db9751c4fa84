package network

import (
	"context"
	"fmt"

	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// mostHeard bounds the events that Listen gives.
const mostHeard = 10_000

// Listen gives a chaincode's events as a client of the Gateway hears them, from a block on, up
// to that of a transaction. Only valid transactions have events there: a transaction that is
// not valid is never heard of, and waiting for it ends with ctx.
func (c *Client) Listen(ctx context.Context, chaincode string, from uint64, until string) ([]*peerpb.ChaincodeEvent, error) {
	start := &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: from}}}
	request, err := proto.Marshal(&gatewaypb.ChaincodeEventsRequest{ChannelId: c.net.topology.Channel, ChaincodeId: chaincode, Identity: c.signer.Creator(),
		StartPosition: start})
	if err != nil {
		return nil, fmt.Errorf("build the request for events of %s: %w", chaincode, err)
	}
	signature, err := c.signer.Sign(request)
	if err != nil {
		return nil, fmt.Errorf("sign the request for events of %s: %w", chaincode, err)
	}
	return throughGateway(ctx, c, func(ctx context.Context, gw gatewaypb.GatewayClient) ([]*peerpb.ChaincodeEvent, error) {
		ctx, cancel := context.WithCancel(ctx) // the stream has no end of its own
		defer cancel()
		stream, err := gw.ChaincodeEvents(ctx, &gatewaypb.SignedChaincodeEventsRequest{Request: request, Signature: signature})
		if err != nil {
			return nil, err
		}
		var heard []*peerpb.ChaincodeEvent
		for len(heard) < mostHeard {
			r, err := stream.Recv()
			if err != nil {
				return heard, err
			}
			for _, e := range r.GetEvents() {
				if heard = append(heard, e); e.GetTxId() == until {
					return heard, nil
				}
			}
		}
		return heard, fmt.Errorf("%s has set more than %d events since block %d, and none by transaction %.8s", chaincode, mostHeard, from, until)
	})
}
