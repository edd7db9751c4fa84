package peer

import (
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

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
	if c.peer.gateway.EventsRead() {
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

// Events lists the events of a stored block's valid transactions.
func (c *channel) Events(block *commonpb.Block) []*peerpb.ChaincodeEvent {
	if events := c.events.get(block.GetHeader().GetNumber()); events != nil {
		return *events
	}
	return blockEvents(block)
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
func blockEvents(block *commonpb.Block) []*peerpb.ChaincodeEvent {
	var events []*peerpb.ChaincodeEvent
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
	return events
}
