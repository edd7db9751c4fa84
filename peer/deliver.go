package peer

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/validate"
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

// serve counts a reader in and serves it.
func (d *deliverService) serve(server *deliver.Server, s deliver.Stream) error {
	if err := d.peer.deliverCalls.enter(); err != nil {
		return status.Error(codes.Unknown, err.Error())
	}
	defer d.peer.deliverCalls.leave()
	return server.Serve(s)
}

// Deliver sends whole blocks.
func (d *deliverService) Deliver(s peerpb.Deliver_DeliverServer) error {
	return d.serve(d.peer.blocks, stream(s, func(_ *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
		return &peerpb.DeliverResponse{Type: &peerpb.DeliverResponse_Block{Block: b}}, nil
	}))
}

// DeliverFiltered sends what became of each transaction, and no data.
func (d *deliverService) DeliverFiltered(s peerpb.Deliver_DeliverFilteredServer) error {
	d.peer.filteredReaders.Add(1)
	defer d.peer.filteredReaders.Add(-1)
	return d.serve(d.peer.filtered, stream(s, func(request *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
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
	return d.serve(d.peer.blocks, stream(s, func(request *deliver.Request, b *commonpb.Block) (*peerpb.DeliverResponse, error) {
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

// recentKept is how many blocks' extracts are kept for readers who follow the chain.
const recentKept = 8

// recent is something made out of each of the newest blocks: once, out of what
// validation has decoded, instead of by every reader.
type recent[T any] struct {
	mu      sync.Mutex
	numbers [recentKept]uint64
	values  [recentKept]*T
}

// get gives the value for a block, nil if there is none.
func (r *recent[T]) get(number uint64) *T {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := number % recentKept; r.numbers[i] == number {
		return r.values[i]
	}
	return nil
}

// put keeps the value for a block; nil takes it back.
func (r *recent[T]) put(number uint64, value *T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers[number%recentKept], r.values[number%recentKept] = number, value
}

// keepExtracts makes what readers of a block that is about to be committed will want.
func (c *channel) keepExtracts(result *validate.Result) {
	number := result.Block.GetHeader().GetNumber()
	if c.peer.filteredReaders.Load() > 0 {
		c.filtered.put(number, filteredResult(c.name, result))
	}
	if c.peer.eventReaders.Load() > 0 {
		c.events.put(number, validEvents(result))
	}
}

// dropExtracts takes them back: the block was not committed.
func (c *channel) dropExtracts(number uint64) {
	c.filtered.put(number, nil)
	c.events.put(number, nil)
}

// filteredResult makes the filtered block of a block that was just judged.
func filteredResult(channelName string, result *validate.Result) *peerpb.FilteredBlock {
	data := result.Block.GetData().GetData()
	out := &peerpb.FilteredBlock{ChannelId: channelName, Number: result.Block.GetHeader().GetNumber()}
	for i, known := range result.Transactions {
		if result.Codes[i] != peerpb.TxValidationCode_VALID {
			out.FilteredTransactions = append(out.FilteredTransactions, filteredTransaction(data[i], result.Codes[i]))
			continue
		}
		tx := &peerpb.FilteredTransaction{Txid: known.TxID, Type: known.Type, TxValidationCode: result.Codes[i]}
		if known.Type == commonpb.HeaderType_ENDORSER_TRANSACTION {
			tx.Data = filteredActions(decodeEvent(known.Event))
		}
		out.FilteredTransactions = append(out.FilteredTransactions, tx)
	}
	return out
}

// filteredBlock takes a block's data away and leaves the verdicts.
func filteredBlock(channelName string, b *commonpb.Block) *peerpb.FilteredBlock {
	filter := wire.Filter(b)
	out := &peerpb.FilteredBlock{ChannelId: channelName, Number: b.GetHeader().GetNumber()}
	for i, raw := range b.GetData().GetData() {
		code := peerpb.TxValidationCode_NOT_VALIDATED
		if i < len(filter) {
			code = peerpb.TxValidationCode(filter[i])
		}
		out.FilteredTransactions = append(out.FilteredTransactions, filteredTransaction(raw, code))
	}
	return out
}

func filteredTransaction(envelope []byte, code peerpb.TxValidationCode) *peerpb.FilteredTransaction {
	tx := &peerpb.FilteredTransaction{TxValidationCode: code}
	if t, err := wire.ParseTransaction(envelope); err == nil {
		tx.Txid, tx.Type = t.TxID, t.Type
		if t.Type == commonpb.HeaderType_ENDORSER_TRANSACTION {
			tx.Data = filteredActions(soundEvent(t.Event))
		}
	}
	return tx
}

// filteredActions leaves of a transaction's action the event's name.
func filteredActions(event *peerpb.ChaincodeEvent) *peerpb.FilteredTransaction_TransactionActions {
	actions := &peerpb.FilteredTransactionActions{}
	if event != nil {
		actions.ChaincodeActions = []*peerpb.FilteredChaincodeAction{{ChaincodeEvent: &peerpb.ChaincodeEvent{
			ChaincodeId: event.GetChaincodeId(), TxId: event.GetTxId(), EventName: event.GetEventName(),
		}}}
	}
	return &peerpb.FilteredTransaction_TransactionActions{TransactionActions: actions}
}

// decodeEvent decodes a transaction's chaincode event, nil if there is none.
func decodeEvent(raw []byte) *peerpb.ChaincodeEvent {
	if len(raw) == 0 {
		return nil
	}
	event := &peerpb.ChaincodeEvent{}
	if proto.Unmarshal(raw, event) != nil {
		return nil
	}
	return soundEvent(event)
}

// soundEvent is the event, nil unless it has a chaincode, a name and a transaction.
func soundEvent(event *peerpb.ChaincodeEvent) *peerpb.ChaincodeEvent {
	if event.GetChaincodeId() == "" || event.GetEventName() == "" || event.GetTxId() == "" {
		return nil
	}
	return event
}
