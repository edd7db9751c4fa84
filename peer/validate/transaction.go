package validate

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// transaction is one entry of a block as one peer judges it. What was decoded is the
// same for every peer, and may be shared by those of one process (shared.go): it is not
// changed any more. reason is set by the first check that fails, and nothing is checked
// after that.
type transaction struct {
	*content
	*results

	written []writtenNamespace // to be judged by policies
	reason  *Reason            // nil as long as the transaction is valid
}

// content is what the envelope says, and who has signed it.
type content struct {
	index int
	raw   []byte // envelope bytes as the block has them

	// From the headers, filled as far as they can be read, whatever the verdict:
	// a ledger indexes the ids of invalid transactions too.
	txID   string
	kind   commonpb.HeaderType
	header *commonpb.ChannelHeader

	envelope commonpb.Envelope
	payload  commonpb.Payload
	signer   *commonpb.SignatureHeader
	creator  *msp.Identity // known after authenticate

	// Of an ENDORSER_TRANSACTION.
	endorsed *peerpb.ChaincodeEndorsedAction
	response peerpb.ProposalResponsePayload
}

// results are what was endorsed, of an ENDORSER_TRANSACTION whose id is new.
type results struct {
	chaincode string // the invoked one
	action    *peerpb.ChaincodeAction
	rwset     *wire.RWSet
	ids       []*msp.Identity // whose endorsements hold
	endorsers []Endorser      // what became of each endorsement
}

func newTransaction(index int, raw []byte) *transaction {
	return &transaction{content: &content{index: index, raw: raw}, results: &results{}}
}

// code is the verdict so far.
func (t *transaction) code() peerpb.TxValidationCode {
	if t.reason == nil {
		return peerpb.TxValidationCode_VALID
	}
	return t.reason.Code
}

// fail ends the checks of the transaction. It returns false, so that a check can
// end with "return t.fail(...)".
func (t *transaction) fail(code peerpb.TxValidationCode, kind Kind, format string, args ...any) bool {
	t.reason = &Reason{Code: code, Kind: kind, Text: fmt.Sprintf(format, args...)}
	return false
}

// decodeHeaders is steps 1 to 4 of wire.md F.1: everything up to two readable,
// acceptable headers.
func (t *transaction) decodeHeaders() bool {
	if t.raw == nil {
		return t.fail(peerpb.TxValidationCode_NIL_ENVELOPE, KindEnvelope, "The block has an empty entry here: there is no envelope.")
	}
	if payload, signature, ok := wire.SplitPair(t.raw); ok {
		t.envelope.Payload, t.envelope.Signature = payload, signature
	} else if err := proto.Unmarshal(t.raw, &t.envelope); err != nil {
		return t.fail(peerpb.TxValidationCode_INVALID_OTHER_REASON, KindEnvelope, "The envelope cannot be decoded: %s.", clean(err))
	}
	if !splitPayload(t.envelope.GetPayload(), &t.payload) {
		if err := proto.Unmarshal(t.envelope.GetPayload(), &t.payload); err != nil {
			return t.fail(peerpb.TxValidationCode_BAD_PAYLOAD, KindEnvelope, "The payload of the envelope cannot be decoded: %s.", clean(err))
		}
	}
	if t.payload.GetHeader() == nil {
		return t.fail(peerpb.TxValidationCode_BAD_PAYLOAD, KindEnvelope, "The payload of the envelope has no header.")
	}
	header := new(commonpb.ChannelHeader)
	if err := proto.Unmarshal(t.payload.GetHeader().GetChannelHeader(), header); err != nil {
		return t.fail(peerpb.TxValidationCode_BAD_COMMON_HEADER, KindHeader, "The channel header cannot be decoded: %s.", clean(err))
	}
	t.header, t.kind, t.txID = header, commonpb.HeaderType(header.GetType()), header.GetTxId()
	signer := new(commonpb.SignatureHeader)
	if raw := t.payload.GetHeader().GetSignatureHeader(); !splitSignatureHeader(raw, signer) {
		if err := proto.Unmarshal(raw, signer); err != nil {
			return t.fail(peerpb.TxValidationCode_BAD_COMMON_HEADER, KindHeader, "The signature header cannot be decoded: %s.", clean(err))
		}
	}
	t.signer = signer
	return t.checkHeaders()
}

func (t *transaction) checkHeaders() bool {
	const code = peerpb.TxValidationCode_BAD_COMMON_HEADER
	switch t.kind {
	case commonpb.HeaderType_ENDORSER_TRANSACTION, commonpb.HeaderType_CONFIG, commonpb.HeaderType_CONFIG_UPDATE:
	default:
		return t.fail(code, KindHeader, "The channel header has type %d (%s), which is no kind of transaction.", int32(t.kind), t.kind)
	}
	if epoch := t.header.GetEpoch(); epoch != 0 {
		return t.fail(code, KindHeader, "The channel header has epoch %d; it must be 0.", epoch)
	}
	return t.checkSignatureHeader(t.signer, code, KindHeader, "signature header")
}

func (t *transaction) checkSignatureHeader(h *commonpb.SignatureHeader, code peerpb.TxValidationCode, kind Kind, what string) bool {
	if len(h.GetNonce()) == 0 {
		return t.fail(code, kind, "The %s has no nonce.", what)
	}
	if len(h.GetCreator()) == 0 {
		return t.fail(code, kind, "The %s has no creator.", what)
	}
	return true
}

// authenticate is step 5: the creator is known in the channel, its certificate
// is valid there and it signed the payload.
func (t *transaction) authenticate(channel string, members *msp.Set) bool {
	const code = peerpb.TxValidationCode_BAD_CREATOR_SIGNATURE
	if t.header.GetChannelId() != channel {
		return t.fail(code, KindCreator, "The transaction is for channel %q, where this channel's organisations mean nothing; this is channel %q.",
			t.header.GetChannelId(), channel)
	}
	if len(t.envelope.GetSignature()) == 0 {
		return t.fail(code, KindCreator, "The envelope has no signature.")
	}
	creator, err := members.Identity(t.signer.GetCreator())
	if err != nil {
		return t.fail(code, KindCreator, "The creator is not accepted in this channel: %s.", clean(err))
	}
	if err := creator.Verify(t.envelope.GetPayload(), t.envelope.GetSignature()); err != nil {
		return t.fail(code, KindCreator, "The envelope is not signed by its creator, %s: %s.",
			creator, strings.TrimPrefix(clean(err), creator.String()+": "))
	}
	t.creator = creator
	return true
}

// checkStructure is steps 6 to 8: the id, exactly one action, made from the
// proposal that was endorsed. The action's own header goes into the proposal
// hash; nothing compares its creator with the outer one.
func (t *transaction) checkStructure() bool {
	switch t.kind {
	case commonpb.HeaderType_CONFIG:
		if len(t.payload.GetData()) == 0 {
			return t.fail(peerpb.TxValidationCode_INVALID_CONFIG_TRANSACTION, KindConfig, "The configuration transaction holds no configuration.")
		}
		return true
	case commonpb.HeaderType_CONFIG_UPDATE:
		return t.fail(peerpb.TxValidationCode_UNSUPPORTED_TX_PAYLOAD, KindType,
			"A configuration update is a request to the ordering service; in a block it means nothing.")
	}
	if want := wire.TxID(t.signer.GetNonce(), t.signer.GetCreator()); t.txID != want {
		return t.fail(peerpb.TxValidationCode_BAD_PROPOSAL_TXID, KindTxID,
			"The header says that the transaction id is %q, but nonce and creator give %s.", t.txID, want)
	}
	return t.decodeAction()
}

// decodeAction is step 7.
func (t *transaction) decodeAction() bool {
	const code = peerpb.TxValidationCode_INVALID_ENDORSER_TRANSACTION
	if len(t.payload.GetData()) == 0 {
		return t.fail(code, KindStructure, "The payload has no transaction in it.")
	}
	outer, ok := splitActions(t.payload.GetData())
	if !ok {
		var whole peerpb.Transaction
		if err := proto.Unmarshal(t.payload.GetData(), &whole); err != nil {
			return t.fail(code, KindStructure, "The transaction cannot be decoded: %s.", clean(err))
		}
		if n := len(whole.GetActions()); n != 1 {
			return t.fail(code, KindStructure, "The transaction has %d actions; it must have exactly one.", n)
		}
		outer = whole.GetActions()[0]
	}
	return t.decodeOnlyAction(outer)
}

// decodeOnlyAction goes on with the action.
func (t *transaction) decodeOnlyAction(outer *peerpb.TransactionAction) bool {
	const code = peerpb.TxValidationCode_INVALID_ENDORSER_TRANSACTION
	var header commonpb.SignatureHeader
	if !splitSignatureHeader(outer.GetHeader(), &header) {
		if err := proto.Unmarshal(outer.GetHeader(), &header); err != nil {
			return t.fail(code, KindStructure, "The header of the action cannot be decoded: %s.", clean(err))
		}
	}
	if !t.checkSignatureHeader(&header, code, KindStructure, "header of the action") {
		return false
	}
	var action peerpb.ChaincodeActionPayload
	if !splitAction(outer.GetPayload(), &action) {
		if err := proto.Unmarshal(outer.GetPayload(), &action); err != nil {
			return t.fail(code, KindStructure, "The payload of the action cannot be decoded: %s.", clean(err))
		}
	}
	if action.GetAction() == nil {
		return t.fail(code, KindStructure, "The payload of the action has no endorsed action in it.")
	}
	if raw := action.GetAction().GetProposalResponsePayload(); !splitResult(raw, &t.response) {
		if err := proto.Unmarshal(raw, &t.response); err != nil {
			return t.fail(code, KindStructure, "The proposal response payload cannot be decoded: %s.", clean(err))
		}
	}
	if len(action.GetChaincodeProposalPayload()) == 0 {
		return t.fail(code, KindStructure, "The proposal payload is absent.")
	}
	want := wire.Hash(t.payload.GetHeader().GetChannelHeader(), outer.GetHeader(), action.GetChaincodeProposalPayload())
	if !bytes.Equal(want, t.response.GetProposalHash()) {
		return t.fail(code, KindStructure,
			"The endorsers signed a result for the proposal with hash %s, but the proposal in the transaction has hash %s: headers or arguments are not those that were endorsed.",
			short(t.response.GetProposalHash()), short(want))
	}
	t.endorsed = action.GetAction()
	return true
}

// decodeResult is steps 11 to 15: what was endorsed can be read and does not
// contradict itself.
func (t *transaction) decodeResult() bool {
	var extension peerpb.ChaincodeHeaderExtension
	if err := proto.Unmarshal(t.header.GetExtension(), &extension); err != nil {
		return t.fail(peerpb.TxValidationCode_BAD_HEADER_EXTENSION, KindResult, "The extension of the channel header cannot be decoded: %s.", clean(err))
	}
	t.chaincode = extension.GetChaincodeId().GetName()
	if len(t.response.GetExtension()) == 0 {
		return t.fail(peerpb.TxValidationCode_BAD_RESPONSE_PAYLOAD, KindResult, "The proposal response payload has no chaincode action in it.")
	}
	action := new(peerpb.ChaincodeAction)
	if err := proto.Unmarshal(t.response.GetExtension(), action); err != nil {
		return t.fail(peerpb.TxValidationCode_BAD_RESPONSE_PAYLOAD, KindResult, "The chaincode action cannot be decoded: %s.", clean(err))
	}
	rwset, err := wire.ParseRWSet(action.GetResults())
	if err != nil {
		return t.fail(peerpb.TxValidationCode_BAD_RWSET, KindResult, "The read-write set cannot be decoded: %s.", clean(err))
	}
	t.action, t.rwset = action, rwset
	return t.checkChaincode(extension.GetChaincodeId()) && t.checkEvent() && t.findWritten()
}

// checkChaincode is steps 12 and 13. The version is not compared with the
// definition: the read of the definition's Sequence key does that job.
func (t *transaction) checkChaincode(invoked *peerpb.ChaincodeID) bool {
	ran := t.action.GetChaincodeId()
	switch {
	case invoked == nil:
		return t.fail(peerpb.TxValidationCode_INVALID_OTHER_REASON, KindChaincode, "The header does not say which chaincode was invoked.")
	case ran == nil:
		return t.fail(peerpb.TxValidationCode_INVALID_OTHER_REASON, KindChaincode, "The result does not say which chaincode it is from.")
	case invoked.GetName() == "":
		return t.fail(peerpb.TxValidationCode_INVALID_CHAINCODE, KindChaincode, "The name of the invoked chaincode is empty.")
	case invoked.GetName() != ran.GetName():
		return t.fail(peerpb.TxValidationCode_INVALID_CHAINCODE, KindChaincode,
			"The header says that chaincode %q was invoked, but the result is from chaincode %q.", invoked.GetName(), ran.GetName())
	case ran.GetVersion() == "":
		return t.fail(peerpb.TxValidationCode_INVALID_CHAINCODE, KindChaincode, "The result names no version of chaincode %s.", ran.GetName())
	}
	return true
}

// checkEvent is step 14.
func (t *transaction) checkEvent() bool {
	if len(t.action.GetEvents()) == 0 {
		return true
	}
	var event peerpb.ChaincodeEvent
	if err := proto.Unmarshal(t.action.GetEvents(), &event); err != nil {
		return t.fail(peerpb.TxValidationCode_INVALID_OTHER_REASON, KindEvent, "The chaincode event cannot be decoded: %s.", clean(err))
	}
	if event.GetChaincodeId() != t.chaincode {
		return t.fail(peerpb.TxValidationCode_INVALID_OTHER_REASON, KindEvent,
			"The chaincode event says that it is from chaincode %q, but chaincode %q was invoked.", event.GetChaincodeId(), t.chaincode)
	}
	return true
}

// short shows the beginning of a hash.
func short(hash []byte) string {
	if len(hash) == 0 {
		return "(none)"
	}
	return hex.EncodeToString(hash[:min(4, len(hash))]) + "…"
}
