package network_test

import (
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// mustBlocks reads a node's blocks below height through its Deliver service, and
// checks that each follows the one before.
func (n *net) mustBlocks(node string, height uint64) []*commonpb.Block {
	n.t.Helper()
	receive := n.mustDeliver(node, &ordererpb.SeekInfo{Start: oldest, Stop: blockNumber(height - 1)})
	var blocks []*commonpb.Block
	var previous []byte
	for uint64(len(blocks)) < height {
		b, err := receive()
		if err != nil {
			n.t.Fatalf("blocks of %s: %v", node, err)
		}
		if b.GetHeader().GetNumber() != uint64(len(blocks)) || len(blocks) > 0 && string(b.GetHeader().GetPreviousHash()) != string(previous) {
			n.t.Fatalf("%s: block %d does not follow block %d", node, b.GetHeader().GetNumber(), len(blocks)-1)
		}
		previous = wire.BlockHash(b.GetHeader())
		blocks = append(blocks, b)
	}
	return blocks
}

// mustDeliver asks a peer or an ordering node for blocks.
func (n *net) mustDeliver(node string, seek *ordererpb.SeekInfo) (receive func() (*commonpb.Block, error)) {
	n.t.Helper()
	signed := mustSeek(n.t, n.mustUser1(), "mychannel", seek)
	if strings.HasPrefix(node, "orderer") {
		stream, err := ordererpb.NewAtomicBroadcastClient(n.mustDial(node, "example.com")).Deliver(n.ctx())
		if err == nil {
			err = stream.Send(signed)
		}
		if err != nil {
			n.t.Fatal(err)
		}
		return func() (*commonpb.Block, error) {
			r, err := stream.Recv()
			return r.GetBlock(), err
		}
	}
	_, org, _ := strings.Cut(node, ".")
	stream, err := peerpb.NewDeliverClient(n.mustDial(node, org)).Deliver(n.ctx())
	if err == nil {
		err = stream.Send(signed)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return func() (*commonpb.Block, error) {
		r, err := stream.Recv()
		return r.GetBlock(), err
	}
}
