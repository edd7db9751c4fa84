package peer

import (
	"crypto/sha256"
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// ledgerSource is a ledger as a chain of blocks that grows.
type ledgerSource struct{ *ledger.Ledger }

// Grown is closed at the next block.
func (s ledgerSource) Grown() <-chan struct{} {
	_, grown := s.Ledger.Grown()
	return grown
}

// deliverChannel finds channels for readers, who need the right to a resource.
func (p *Peer) deliverChannel(resource string) func(name string) (*deliver.Channel, bool) {
	return func(name string) (*deliver.Channel, bool) {
		c, ok := p.channelNamed(name)
		if !ok {
			return nil, false
		}
		return &deliver.Channel{
			Source:   ledgerSource{c.ledger},
			Sequence: func() uint64 { return c.settings().bundle.Sequence() },
			Gone:     c.ctx.Done(),
			Judge: func(signed policy.Signed) (time.Time, error) {
				id, err := c.settings().allow(resource, signed, p.now())
				if err != nil {
					return time.Time{}, err
				}
				return id.Cert().NotAfter, nil
			},
		}, true
	}
}

// deliverService serves blocks to clients.
type deliverService struct {
	peerpb.UnimplementedDeliverServer
	peer *Peer
}

// responder is what the three calls' streams have in common.
type responder interface {
	peerpb.Deliver_DeliverServer
}

// stream adapts a gRPC stream; block sends one block in the call's own form.
func stream(s responder, block func(*deliver.Request, *commonpb.Block) (*peerpb.DeliverResponse, error)) deliver.Stream {
	var hash []byte
	if _, cert := link.PeerName(s.Context()); cert != nil {
		sum := sha256.Sum256(cert.Raw)
		hash = sum[:]
	}
	return deliver.Stream{
		Context: s.Context(), Recv: s.Recv, TLSCertHash: hash,
		Block: func(request *deliver.Request, b *commonpb.Block) error {
			response, err := block(request, b)
			if err != nil {
				return err
			}
			return s.Send(response)
		},
		Status: func(end commonpb.Status) error {
			return s.Send(&peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Status{Status: end}})
		},
	}
}

// Deliver sends whole blocks.
func (d *deliverService) Deliver(s peerpb.Deliver_DeliverServer) error {
	return d.peer.blocks.Serve(stream(s, func(_ *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
		return &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Block{Block: b}}, nil
	}))
}

// DeliverFiltered sends what became of each transaction, and no data.
func (d *deliverService) DeliverFiltered(s peerpb.Deliver_DeliverFilteredServer) error {
	d.peer.filteredReaders.Add(1)
	defer d.peer.filteredReaders.Add(-1)
	return d.peer.filtered.Serve(stream(s, func(request *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
		var out *peerpb.FilteredBlock
		if c, ok := d.peer.channelNamed(request.Channel); ok {
			out = c.filtered.get(b.GetHeader().GetNumber())
		}
		if out == nil {
			out = filteredBlock(request.Channel, b)
		}
		return &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_FilteredBlock{FilteredBlock: out}}, nil
	}))
}

// DeliverWithPrivateData sends whole blocks and the private data that this peer
// has, to readers of its own organisation: it holds nobody else's.
func (d *deliverService) DeliverWithPrivateData(s peerpb.Deliver_DeliverWithPrivateDataServer) error {
	return d.peer.blocks.Serve(stream(s, func(request *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
		private, err := d.peer.privateDataFor(request, b.GetHeader().GetNumber())
		if err != nil {
			return nil, err
		}
		return &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_BlockAndPrivateData{
			BlockAndPrivateData: &peerpb.BlockAndPrivateData{Block: b, PrivateDataMap: private},
		}}, nil
	}))
}

// privateDataFor is the private data of a block that the reader is entitled to.
func (p *Peer) privateDataFor(request *deliver.Request, block uint64) (map[uint64]*rwsetpb.TxPvtReadWriteSet, error) {
	if p.locals.checkMember(request.Creator) != nil {
		return nil, nil
	}
	c, ok := p.channelNamed(request.Channel)
	if !ok {
		return nil, fmt.Errorf("deliver block %d of channel %s: %w", block, request.Channel, ErrNotJoined)
	}
	private, err := c.ledger.PrivateOf(block)
	if err != nil || len(private) == 0 {
		return nil, err
	}
	return private, nil
}
