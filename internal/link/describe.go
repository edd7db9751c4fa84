package link

import (
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// describe fills in what a message is about: kind, channel, transaction, block,
// key and note. It runs for every message that passes, so it scans and never
// decodes; nothing may be decided upon what it says.
func (c *call) describe(e *trace.Event, answer bool, message any) {
	if answer {
		e.Channel, e.TxID = c.about.Channel, c.about.TxID
		if e.Key == "" && c.method.order != perTx {
			e.Key = c.about.Key
		}
	}
	switch m := message.(type) {
	case *peerpb.ChaincodeMessage:
		describeChaincode(e, m)
	case *peerpb.SignedProposal:
		describeProposal(e, m)
	case *peerpb.ProposalResponse:
		describeStatus(e, m.GetResponse())
	case *commonpb.Envelope:
		c.describeEnvelope(e, m)
	case *ordererpb.BroadcastResponse:
		describeAnswer(e, int32(m.GetStatus()), strings.TrimSuffix(m.GetStatus().String()+": "+m.GetInfo(), ": "))
	case *ordererpb.DeliverResponse:
		describeBlock(e, m.GetBlock(), m.GetStatus())
	case *peerpb.DeliverResponse:
		describeDelivery(e, m)
	case Describer:
		c.merge(e, answer, m.DescribeMessage())
	default:
		describeGateway(e, message)
	}
	if answer && e.What == trace.Untold && (e.Kind == trace.GatewayAnswer || e.Kind == trace.PeerAnswer) {
		e.What, e.A = trace.Accepted, 200 // it came back, and its message has no status
	}
}

// merge takes over what a message says about itself.
func (c *call) merge(e *trace.Event, answer bool, own trace.Event) {
	if own.Msg != 0 {
		e.Msg = c.messageID(answer, own.Msg|ownNumber)
	}
	if own.Kind != "" {
		e.Kind = own.Kind
	}
	if own.Channel != "" {
		e.Channel = own.Channel
	}
	if own.TxID != "" {
		e.TxID = own.TxID
	}
	if own.Key != "" {
		e.Key = own.Key
	}
	e.Block, e.Note = own.Block, own.Note
	e.What, e.A, e.B, e.C, e.Name = own.What, own.A, own.B, own.C, own.Name
}

// describeAnswer fills in the status of an answer: what is not a success is refused.
func describeAnswer(e *trace.Event, status int32, note string) {
	e.What, e.A, e.Note = trace.Rejected, int64(status), note
	if status >= 200 && status < 400 {
		e.What = trace.Accepted
	}
}

func describeStatus(e *trace.Event, r *peerpb.Response) {
	describeAnswer(e, r.GetStatus(), statusNote(r))
}

// ownNumber sets the numbers that messages give themselves apart from counted ones.
const ownNumber = 1 << 62

func describeProposal(e *trace.Event, m *peerpb.SignedProposal) {
	if peek, ok := wire.PeekProposal(m.GetProposalBytes()); ok {
		e.Channel, e.TxID, e.Key = peek.Channel, peek.TxID, peek.Chaincode
	} else {
		e.Note = "not a proposal"
	}
}

func (c *call) describeEnvelope(e *trace.Event, m *commonpb.Envelope) {
	peek, ok := wire.PeekPayload(m.GetPayload())
	if !ok {
		e.Note = "not an envelope"
		return
	}
	e.Channel, e.TxID = peek.Channel, peek.TxID
	switch {
	case e.Kind == trace.Seek:
		describeSeek(e, m.GetPayload())
	case peek.Type != commonpb.HeaderType_ENDORSER_TRANSACTION:
		e.Note = strings.ToLower(strings.ReplaceAll(peek.Type.String(), "_", " "))
	}
}

// describeSeek says which blocks are asked for. Seeks are rare: it may decode.
func describeSeek(e *trace.Event, payload []byte) {
	var outer commonpb.Payload
	var seek ordererpb.SeekInfo
	if proto.Unmarshal(payload, &outer) != nil || proto.Unmarshal(outer.GetData(), &seek) != nil {
		e.Note = "not a seek"
		return
	}
	var from, to string
	e.A, from = seekPosition(seek.GetStart())
	e.B, to = seekPosition(seek.GetStop())
	e.What, e.Note = trace.SeekBounded, "from "+from+" to "+to
	if e.B == trace.PositionForEver {
		e.What = trace.SeekForEver
	}
}

func seekPosition(p *ordererpb.SeekPosition) (number int64, words string) {
	switch position := p.GetType().(type) {
	case *ordererpb.SeekPosition_Newest:
		return trace.PositionNewest, "newest"
	case *ordererpb.SeekPosition_Oldest:
		return trace.PositionOldest, "oldest"
	case *ordererpb.SeekPosition_NextCommit:
		return trace.PositionNextCommit, "next"
	case *ordererpb.SeekPosition_Specified:
		if position.Specified.GetNumber() >= 1<<63 {
			return trace.PositionForEver, "ever"
		}
		return int64(position.Specified.GetNumber()), fmt.Sprint(position.Specified.GetNumber())
	default:
		return trace.PositionOldest, "nothing"
	}
}

func describeBlock(e *trace.Event, block *commonpb.Block, status commonpb.Status) {
	if block == nil {
		e.Kind = trace.DeliverStatus
		describeAnswer(e, int32(status), status.String())
		return
	}
	e.Kind, e.Block = trace.DeliverBlock, block.GetHeader().GetNumber()
	describeCount(e, len(block.GetData().GetData()))
}

func describeDelivery(e *trace.Event, m *peerpb.DeliverResponse) {
	switch kind := m.GetType().(type) {
	case *peerpb.DeliverResponse_FilteredBlock:
		e.Kind, e.Block = trace.DeliverFiltered, kind.FilteredBlock.GetNumber()
		describeCount(e, len(kind.FilteredBlock.GetFilteredTransactions()))
	case *peerpb.DeliverResponse_BlockAndPrivateData:
		describeBlock(e, kind.BlockAndPrivateData.GetBlock(), 0)
	default:
		describeBlock(e, m.GetBlock(), m.GetStatus())
	}
}

func describeCount(e *trace.Event, transactions int) {
	e.What, e.A, e.Note = trace.Told, int64(transactions), fmt.Sprint(transactions, " transactions")
	if transactions == 1 {
		e.Note = "1 transaction"
	}
}

// statusNote is a chaincode response's status, with its text unless it is a success.
func statusNote(r *peerpb.Response) string {
	switch {
	case r == nil:
		return "no response"
	case r.GetStatus() == 200:
		return "200"
	default:
		return strings.TrimSuffix(fmt.Sprint(r.GetStatus(), " ", r.GetMessage()), " ")
	}
}

func describeGateway(e *trace.Event, message any) {
	switch m := message.(type) {
	case *gatewaypb.EvaluateRequest:
		e.Channel, e.TxID = m.GetChannelId(), m.GetTransactionId()
	case *gatewaypb.EvaluateResponse:
		describeStatus(e, m.GetResult())
	case *gatewaypb.EndorseRequest:
		e.Channel, e.TxID = m.GetChannelId(), m.GetTransactionId()
	case *gatewaypb.SubmitRequest:
		e.Channel, e.TxID = m.GetChannelId(), m.GetTransactionId()
	case *gatewaypb.SignedCommitStatusRequest:
		e.TxID, e.Channel = string(field(m.GetRequest(), 1)), string(field(m.GetRequest(), 2))
	case *gatewaypb.CommitStatusResponse:
		e.Block, e.What, e.A, e.Note = m.GetBlockNumber(), trace.Accepted, 200, m.GetResult().String()
	case *gatewaypb.SignedChaincodeEventsRequest:
		e.Channel, e.Note = string(field(m.GetRequest(), 1)), "of chaincode "+text(field(m.GetRequest(), 2))
	case *gatewaypb.ChaincodeEventsResponse:
		e.Block, e.Note = m.GetBlockNumber(), fmt.Sprint(len(m.GetEvents()), " events")
	}
}

// chaincodeKind is "chaincode." and the message type in lower case.
func chaincodeKind(t peerpb.ChaincodeMessage_Type) trace.Kind {
	switch t {
	case peerpb.ChaincodeMessage_GET_STATE:
		return trace.ChaincodeGetState
	case peerpb.ChaincodeMessage_PUT_STATE:
		return trace.ChaincodePutState
	case peerpb.ChaincodeMessage_RESPONSE:
		return trace.ChaincodeResponse
	case peerpb.ChaincodeMessage_TRANSACTION:
		return trace.ChaincodeTransaction
	case peerpb.ChaincodeMessage_COMPLETED:
		return trace.ChaincodeCompleted
	}
	name, known := peerpb.ChaincodeMessage_Type_name[int32(t)]
	if !known {
		return trace.ChaincodeUnknown
	}
	return trace.ChaincodePrefix + trace.Kind(strings.ToLower(name))
}

// Bounds of texts that come from outside.
const (
	maxNote    = 300
	maxKey     = 1024
	maxChannel = 249 // Fabric's own bound
	maxTxID    = 128 // twice a hash in hex
)

// clip bounds every text of a described message.
func clip(e *trace.Event) {
	e.Channel, e.TxID = cut(e.Channel, maxChannel), cut(e.TxID, maxTxID)
	e.Key, e.Note = cut(e.Key, maxKey), cut(e.Note, maxNote)
}

// cut shortens a text that is too long.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	// A copy: a part of a long text would keep the whole in memory.
	return strings.ToValidUTF8(strings.Clone(text[:limit]), "") + "..."
}

func describeChaincode(e *trace.Event, m *peerpb.ChaincodeMessage) {
	e.Kind, e.TxID, e.Channel, e.Key = chaincodeKind(m.GetType()), m.GetTxid(), m.GetChannelId(), ""
	if e.Kind == trace.ChaincodeUnknown {
		e.What, e.A, e.Note = trace.Told, int64(m.GetType()), fmt.Sprint("type ", int32(m.GetType()))
	}
	switch m.GetType() {
	case peerpb.ChaincodeMessage_GET_STATE, peerpb.ChaincodeMessage_PUT_STATE, peerpb.ChaincodeMessage_DEL_STATE,
		peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY, peerpb.ChaincodeMessage_GET_STATE_METADATA,
		peerpb.ChaincodeMessage_PUT_STATE_METADATA, peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH,
		peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE:
		e.Key = text(field(m.GetPayload(), 1)) // key, or the range's start
	case peerpb.ChaincodeMessage_REGISTER:
		e.Key = text(field(m.GetPayload(), 2)) // ChaincodeID.name
	case peerpb.ChaincodeMessage_TRANSACTION, peerpb.ChaincodeMessage_INIT:
		e.Key = text(field(m.GetPayload(), 1)) // ChaincodeInput.args[0]: the function
		e.Note = e.Key
	case peerpb.ChaincodeMessage_INVOKE_CHAINCODE:
		e.Key = text(field(field(m.GetPayload(), 2), 2)) // ChaincodeSpec.chaincode_id.name
	case peerpb.ChaincodeMessage_COMPLETED:
		describeCompleted(e, m.GetPayload())
	case peerpb.ChaincodeMessage_ERROR:
		e.What, e.Note = trace.Failed, text(m.GetPayload())
	}
}

// describeCompleted reads status (1) and message (2) of an encoded Response.
func describeCompleted(e *trace.Event, response []byte) {
	number, typ, n := protowire.ConsumeTag(response)
	if n < 0 || number != 1 || typ != protowire.VarintType {
		return
	}
	status, m := protowire.ConsumeVarint(response[n:])
	if m < 0 {
		return
	}
	note := "200"
	if status != 200 {
		note = strings.TrimSuffix(fmt.Sprint(status, " ", text(field(response, 2))), " ")
	}
	describeAnswer(e, int32(status), note)
}

// text makes a string of bytes from outside; not much longer than can be used.
func text(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), maxKey+1)]), "\ufffd")
}

// field is the first length-delimited field of that number; nil when there is
// none or the bytes are malformed.
func field(b []byte, number protowire.Number) []byte {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if typ != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
				return nil
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return nil
		}
		if num == number {
			return value
		}
		b = b[n:]
	}
	return nil
}
