package wire

import (
	"bytes"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// AssembleTransaction makes the unsigned Payload of a transaction out of a
// proposal and the endorsers' answers. Every answer must be a success with an
// endorsement (else ErrNoEndorsement), and all must carry the same result (else
// *MismatchError). Two endorsements of one endorser count once.
func AssembleTransaction(p *ParsedProposal, responses []*peerpb.ProposalResponse) (payload []byte, err error) {
	endorsements, err := collectEndorsements(responses)
	if err != nil {
		return nil, fmt.Errorf("transaction %s: %w", p.TxID(), err)
	}
	action, err := proto.Marshal(&peerpb.ChaincodeActionPayload{
		ChaincodeProposalPayload: p.PayloadForTx,
		Action: &peerpb.ChaincodeEndorsedAction{
			ProposalResponsePayload: responses[0].GetPayload(),
			Endorsements:            endorsements,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("transaction %s: encode action: %w", p.TxID(), err)
	}
	transaction := mustMarshal(&peerpb.Transaction{
		Actions: []*peerpb.TransactionAction{{Header: p.RawSignatureHeader, Payload: action}},
	})
	return mustMarshal(&commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: p.RawChannelHeader, SignatureHeader: p.RawSignatureHeader},
		Data:   transaction,
	}), nil
}

// collectEndorsements checks the answers and returns their endorsements.
func collectEndorsements(responses []*peerpb.ProposalResponse) ([]*peerpb.Endorsement, error) {
	if len(responses) == 0 {
		return nil, fmt.Errorf("%w: no proposal responses given", ErrNoEndorsement)
	}
	endorsements := make([]*peerpb.Endorsement, 0, len(responses))
	seen := make(map[string]bool, len(responses))
	for i, r := range responses {
		if status := r.GetResponse().GetStatus(); status < 200 || status >= 400 {
			return nil, fmt.Errorf("%w: proposal response %d has status %d: %s", ErrNoEndorsement, i, status, r.GetResponse().GetMessage())
		}
		if len(r.GetPayload()) == 0 || r.GetEndorsement() == nil {
			return nil, fmt.Errorf("%w: proposal response %d has status %d but is not endorsed", ErrNoEndorsement, i, r.GetResponse().GetStatus())
		}
		if !bytes.Equal(r.GetPayload(), responses[0].GetPayload()) {
			return nil, &MismatchError{Index: i, First: responses[0].GetPayload(), Other: r.GetPayload()}
		}
		endorser := string(r.GetEndorsement().GetEndorser())
		if seen[endorser] {
			continue
		}
		seen[endorser] = true
		endorsements = append(endorsements, r.GetEndorsement())
	}
	return endorsements, nil
}

// SignEnvelope signs a Payload and puts it into an envelope.
func SignEnvelope(payload []byte, s Signer) (*commonpb.Envelope, error) {
	signature, err := s.Sign(payload)
	if err != nil {
		return nil, fmt.Errorf("sign envelope: %w", err)
	}
	return &commonpb.Envelope{Payload: payload, Signature: signature}, nil
}

// Transaction is everything that an envelope in a block holds, decoded for
// showing. Parts that are absent or did not decode are nil; Problems says which
// and why. A validator must not use it: it forgives what a validator judges.
type Transaction struct {
	Payload   []byte // what the creator signed
	Signature []byte

	RawChannelHeader   []byte
	RawSignatureHeader []byte
	ChannelHeader      *commonpb.ChannelHeader
	SignatureHeader    *commonpb.SignatureHeader
	Type               commonpb.HeaderType
	Channel            string
	TxID               string                    // as the header gives it
	Creator            *msppb.SerializedIdentity // nil if absent or malformed

	Config *commonpb.ConfigEnvelope // of a CONFIG transaction

	// Of an ENDORSER_TRANSACTION: its first action.
	Chaincode       string // name in the header extension
	RawActionHeader []byte // signature header inside the action; the proposal hash covers this one
	ProposalPayload []byte // as it stands in the action
	Spec            *peerpb.ChaincodeSpec
	Input           *peerpb.ChaincodeInput
	ResponsePayload []byte // ProposalResponsePayload bytes: what the endorsers signed
	ProposalHash    []byte // as the endorsers wrote it
	Action          *peerpb.ChaincodeAction
	RWSet           *RWSet
	Response        *peerpb.Response
	Event           *peerpb.ChaincodeEvent
	Endorsements    []*peerpb.Endorsement

	Problems []string // what is missing or malformed, in the order found
}

// ParseTransaction decodes the bytes of an envelope as far as it can. It fails
// with ErrMalformed only if there is no header to show: everything below is
// optional and its faults are listed in Problems.
func ParseTransaction(envelope []byte) (*Transaction, error) {
	var env commonpb.Envelope
	if err := proto.Unmarshal(envelope, &env); err != nil {
		return nil, malformed("envelope", err)
	}
	var payload commonpb.Payload
	if err := proto.Unmarshal(env.GetPayload(), &payload); err != nil {
		return nil, malformed("payload", err)
	}
	if payload.GetHeader() == nil {
		return nil, fmt.Errorf("payload: %w: it has no header", ErrMalformed)
	}
	t := &Transaction{
		Payload:            env.GetPayload(),
		Signature:          env.GetSignature(),
		RawChannelHeader:   payload.GetHeader().GetChannelHeader(),
		RawSignatureHeader: payload.GetHeader().GetSignatureHeader(),
	}
	t.parseHeaders()
	switch t.Type {
	case commonpb.HeaderType_ENDORSER_TRANSACTION:
		t.parseEndorserTransaction(payload.GetData())
	case commonpb.HeaderType_CONFIG:
		t.Config = decodePart[commonpb.ConfigEnvelope](t, "configuration", payload.GetData())
	}
	return t, nil
}

// message is a pointer to M that is a protobuf message.
type message[M any] interface {
	*M
	proto.Message
}

// decodePart decodes one part; where that fails it notes a problem and gives nil.
func decodePart[M any, P message[M]](t *Transaction, what string, raw []byte) P {
	m := P(new(M))
	if err := proto.Unmarshal(raw, m); err != nil {
		t.problem("%s does not decode: %v", what, err)
		return nil
	}
	return m
}

// problem notes a fault of the transaction.
func (t *Transaction) problem(format string, args ...any) {
	t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
}

// parseHeaders decodes both headers, the creator and the chaincode's name.
func (t *Transaction) parseHeaders() {
	t.ChannelHeader = decodePart[commonpb.ChannelHeader](t, "channel header", t.RawChannelHeader)
	t.SignatureHeader = decodePart[commonpb.SignatureHeader](t, "signature header", t.RawSignatureHeader)
	t.Type = commonpb.HeaderType(t.ChannelHeader.GetType())
	t.Channel = t.ChannelHeader.GetChannelId()
	t.TxID = t.ChannelHeader.GetTxId()
	if creator := t.SignatureHeader.GetCreator(); len(creator) > 0 {
		t.Creator = decodePart[msppb.SerializedIdentity](t, "creator", creator)
	}
	if t.Type == commonpb.HeaderType_ENDORSER_TRANSACTION {
		extension := decodePart[peerpb.ChaincodeHeaderExtension](t, "header extension", t.ChannelHeader.GetExtension())
		t.Chaincode = extension.GetChaincodeId().GetName()
	}
}

// parseEndorserTransaction decodes the first action.
func (t *Transaction) parseEndorserTransaction(raw []byte) {
	tx := decodePart[peerpb.Transaction](t, "transaction", raw)
	if tx == nil {
		return
	}
	if n := len(tx.GetActions()); n != 1 {
		t.problem("transaction has %d actions, must have 1", n)
		if n == 0 {
			return
		}
	}
	t.RawActionHeader = tx.GetActions()[0].GetHeader()
	payload := decodePart[peerpb.ChaincodeActionPayload](t, "action payload", tx.GetActions()[0].GetPayload())
	if payload == nil {
		return
	}
	t.ProposalPayload = payload.GetChaincodeProposalPayload()
	proposal := decodePart[peerpb.ChaincodeProposalPayload](t, "proposal payload", t.ProposalPayload)
	invocation := decodePart[peerpb.ChaincodeInvocationSpec](t, "proposal input", proposal.GetInput())
	t.Spec = invocation.GetChaincodeSpec()
	t.Input = t.Spec.GetInput()
	t.Endorsements = payload.GetAction().GetEndorsements()
	t.ResponsePayload = payload.GetAction().GetProposalResponsePayload()
	t.parseResult()
}

// parseResult decodes what the endorsers signed.
func (t *Transaction) parseResult() {
	response := decodePart[peerpb.ProposalResponsePayload](t, "proposal response payload", t.ResponsePayload)
	if response == nil {
		return
	}
	t.ProposalHash = response.GetProposalHash()
	t.Action = decodePart[peerpb.ChaincodeAction](t, "chaincode action", response.GetExtension())
	if t.Action == nil {
		return
	}
	t.Response = t.Action.GetResponse()
	if events := t.Action.GetEvents(); len(events) > 0 {
		t.Event = decodePart[peerpb.ChaincodeEvent](t, "chaincode event", events)
	}
	rwset, err := ParseRWSet(t.Action.GetResults())
	if err != nil {
		t.problem("%v", err)
		return
	}
	t.RWSet = rwset
}
