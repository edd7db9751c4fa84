package deliver

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// ErrEnded: the node ended the stream with a status instead of a block.
var ErrEnded = errors.New("the node ended the stream")

// At is the position of the block with that number.
func At(number uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: number}}}
}

// Newest is the position of the last block that the node has.
func Newest() *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
}

// Never is a stop that no chain reaches.
func Never() *ordererpb.SeekPosition { return At(math.MaxUint64) }

// Reader is somebody who reads the blocks of one channel.
type Reader struct {
	Channel string
	Signer  *msp.Signer
	Now     func() time.Time // nil means time.Now
}

// Blocks asks a node, an ordering node or a peer's counterpart of one, for blocks.
// next gives one after the other until ctx ends or the node has no more to give
// (ErrEnded, with its status).
func (r Reader) Blocks(ctx context.Context, node *grpc.ClientConn, seek *ordererpb.SeekInfo) (next func() (*commonpb.Block, error), err error) {
	stream, err := ordererpb.NewAtomicBroadcastClient(node).Deliver(ctx)
	if err != nil {
		return nil, err
	}
	return func() (*commonpb.Block, error) {
		response, err := stream.Recv()
		if err == nil && response.GetBlock() == nil {
			err = fmt.Errorf("%w with status %s", ErrEnded, response.GetStatus())
		}
		return response.GetBlock(), err
	}, r.send(stream, seek)
}

// Filtered asks a peer for filtered blocks: identifiers and verdicts. next is that of
// Blocks.
func (r Reader) Filtered(ctx context.Context, peer *grpc.ClientConn, seek *ordererpb.SeekInfo) (next func() (*peerpb.FilteredBlock, error), err error) {
	stream, err := peerpb.NewDeliverClient(peer).DeliverFiltered(ctx)
	if err != nil {
		return nil, err
	}
	return func() (*peerpb.FilteredBlock, error) {
		response, err := stream.Recv()
		if err == nil && response.GetFilteredBlock() == nil {
			err = fmt.Errorf("%w with status %s", ErrEnded, response.GetStatus())
		}
		return response.GetFilteredBlock(), err
	}, r.send(stream, seek)
}

// NewestBlock asks a node for its last block. With content HEADER_WITH_SIG the block
// comes without its transactions.
func (r Reader) NewestBlock(ctx context.Context, node *grpc.ClientConn, content ordererpb.SeekInfo_SeekContentType) (*commonpb.Block, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	next, err := r.Blocks(ctx, node, &ordererpb.SeekInfo{
		Start: Newest(), Stop: Newest(), Behavior: ordererpb.SeekInfo_FAIL_IF_NOT_READY, ContentType: content,
	})
	if err != nil {
		return nil, err
	}
	return next()
}

func (r Reader) send(stream interface {
	Send(*commonpb.Envelope) error
}, seek *ordererpb.SeekInfo) error {
	envelope, err := r.envelope(seek)
	if err != nil {
		return err
	}
	return stream.Send(envelope)
}

// envelope signs a seek.
func (r Reader) envelope(seek *ordererpb.SeekInfo) (*commonpb.Envelope, error) {
	now := time.Now
	if r.Now != nil {
		now = r.Now
	}
	data, err1 := proto.Marshal(seek)
	channelHeader, err2 := proto.Marshal(&commonpb.ChannelHeader{
		Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO), ChannelId: r.Channel, Timestamp: timestamppb.New(now()),
	})
	signatureHeader, err3 := proto.Marshal(&commonpb.SignatureHeader{Creator: r.Signer.Creator(), Nonce: wire.NewNonce()})
	payload, err4 := proto.Marshal(&commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: channelHeader, SignatureHeader: signatureHeader}, Data: data,
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, fmt.Errorf("encode a seek: %w", err)
	}
	return wire.SignEnvelope(payload, r.Signer)
}
