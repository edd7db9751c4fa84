package wire

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// NonceLength is the length in bytes of the nonces that this package makes.
const NonceLength = 24

// Signer signs for one identity. *msp.Signer is one; it is an interface so that
// this package needs to know nothing about certificates and keys.
type Signer interface {
	// Creator is the serialized identity that goes into headers.
	Creator() []byte
	// Sign signs the SHA-256 digest of the message.
	Sign(message []byte) ([]byte, error)
}

// TxID is the id of a transaction: the lower-case hex of the SHA-256 of nonce and
// creator.
func TxID(nonce, creator []byte) string { return hex.EncodeToString(Hash(nonce, creator)) }

// ProposalSpec says what a proposal asks for.
type ProposalSpec struct {
	Channel     string                    // "" for calls that concern no channel
	Chaincode   string                    // name of the chaincode, required
	Args        [][]byte                  // the function's name is the first one
	Transient   map[string][]byte         // seen by endorsers only, never part of the transaction
	Init        bool                      // the initialising call that some definitions require
	Type        commonpb.HeaderType       // 0 means ENDORSER_TRANSACTION
	SpecType    peerpb.ChaincodeSpec_Type // 0 like the SDKs; the CLI says GOLANG
	Creator     []byte                    // serialized identity of the client, required
	Nonce       []byte                    // nil: NonceLength random bytes
	Time        time.Time                 // zero: now
	TLSCertHash []byte                    // SHA-256 of the client's TLS certificate, if the call uses one
}

// Proposal is a proposal that is ready to be signed.
type Proposal struct {
	TxID   string
	Bytes  []byte          // the encoded Proposal: what is signed and sent
	Parsed *ParsedProposal // the same, decoded; AssembleTransaction needs it
}

// NewProposal builds a proposal. It fails if a required part is missing or a name
// is not valid UTF-8.
func NewProposal(spec ProposalSpec) (*Proposal, error) {
	if err := spec.complete(); err != nil {
		return nil, fmt.Errorf("new proposal: %w", err)
	}
	txID := TxID(spec.Nonce, spec.Creator)
	id := &peerpb.ChaincodeID{Name: spec.Chaincode}
	p := &ParsedProposal{
		ChannelHeader: &commonpb.ChannelHeader{
			Type:        int32(spec.Type),
			Timestamp:   timestamppb.New(spec.Time),
			ChannelId:   spec.Channel,
			TxId:        txID,
			Extension:   mustMarshal(&peerpb.ChaincodeHeaderExtension{ChaincodeId: id}),
			TlsCertHash: spec.TLSCertHash,
		},
		SignatureHeader: &commonpb.SignatureHeader{Creator: spec.Creator, Nonce: spec.Nonce},
		Extension:       &peerpb.ChaincodeHeaderExtension{ChaincodeId: id},
		Spec: &peerpb.ChaincodeSpec{
			Type:        spec.SpecType,
			ChaincodeId: id,
			Input:       &peerpb.ChaincodeInput{Args: spec.Args, IsInit: spec.Init},
		},
		ChaincodeName: spec.Chaincode,
		Transient:     spec.Transient,
	}
	p.Input = p.Spec.Input
	p.RawChannelHeader = mustMarshal(p.ChannelHeader)
	p.RawSignatureHeader = mustMarshal(p.SignatureHeader)
	p.Payload = &peerpb.ChaincodeProposalPayload{
		Input:        mustMarshal(&peerpb.ChaincodeInvocationSpec{ChaincodeSpec: p.Spec}),
		TransientMap: spec.Transient,
	}
	p.PayloadForTx = payloadForTx(p.Payload.Input)
	p.Bytes = mustMarshal(&peerpb.Proposal{
		Header:  mustMarshal(&commonpb.Header{ChannelHeader: p.RawChannelHeader, SignatureHeader: p.RawSignatureHeader}),
		Payload: mustMarshal(p.Payload),
	})
	return &Proposal{TxID: txID, Bytes: p.Bytes, Parsed: p}, nil
}

// complete checks the specification and fills in what may be left out.
func (s *ProposalSpec) complete() error {
	switch {
	case s.Chaincode == "":
		return errors.New("no chaincode name given")
	case len(s.Creator) == 0:
		return errors.New("no creator given: the proposal needs the client's serialized identity")
	case !utf8.ValidString(s.Channel), !utf8.ValidString(s.Chaincode):
		return fmt.Errorf("channel %q or chaincode %q is not valid UTF-8", s.Channel, s.Chaincode)
	}
	for name := range s.Transient {
		if !utf8.ValidString(name) {
			return fmt.Errorf("transient name %q is not valid UTF-8", name)
		}
	}
	if s.Type == 0 {
		s.Type = commonpb.HeaderType_ENDORSER_TRANSACTION
	}
	if s.Time.IsZero() {
		s.Time = time.Now()
	}
	if len(s.Nonce) == 0 {
		s.Nonce = NewNonce()
	}
	return nil
}

// NewNonce is NonceLength random bytes.
func NewNonce() []byte {
	nonce := make([]byte, NonceLength)
	_, _ = rand.Read(nonce) // never fails: the runtime ends the program instead
	return nonce
}

// Sign signs the proposal with the creator's key.
func (p *Proposal) Sign(s Signer) (*peerpb.SignedProposal, error) {
	signature, err := s.Sign(p.Bytes)
	if err != nil {
		return nil, fmt.Errorf("sign proposal %s: %w", p.TxID, err)
	}
	return &peerpb.SignedProposal{ProposalBytes: p.Bytes, Signature: signature}, nil
}

// ParsedProposal is a proposal taken apart. The raw fields are the bytes as they
// came: hashes are computed over them and never over a new encoding.
type ParsedProposal struct {
	Bytes              []byte // the encoded Proposal
	Signature          []byte // the client's, nil if the proposal is not signed yet
	RawChannelHeader   []byte
	RawSignatureHeader []byte
	ChannelHeader      *commonpb.ChannelHeader
	SignatureHeader    *commonpb.SignatureHeader
	Extension          *peerpb.ChaincodeHeaderExtension
	Payload            *peerpb.ChaincodeProposalPayload // with the transient map
	PayloadForTx       []byte                           // the payload's bytes without the transient map: what the transaction carries
	Spec               *peerpb.ChaincodeSpec
	Input              *peerpb.ChaincodeInput
	ChaincodeName      string // from the header extension; never empty
	Transient          map[string][]byte
}

// TxID is the transaction id as the channel header gives it.
func (p *ParsedProposal) TxID() string { return p.ChannelHeader.GetTxId() }

// Channel is the channel id, "" for a call that concerns no channel.
func (p *ParsedProposal) Channel() string { return p.ChannelHeader.GetChannelId() }

// Creator is the client's serialized identity.
func (p *ParsedProposal) Creator() []byte { return p.SignatureHeader.GetCreator() }

// Hash is the proposal hash, which ties an endorsement to this proposal.
func (p *ParsedProposal) Hash() []byte {
	return Hash(p.RawChannelHeader, p.RawSignatureHeader, p.PayloadForTx)
}

// ParseProposal decodes a signed proposal to the chaincode input. It fails with
// ErrMalformed if a part is missing or does not decode. It checks no rule beyond
// that: see [ParsedProposal.CheckHeader].
func ParseProposal(signed *peerpb.SignedProposal) (*ParsedProposal, error) {
	if len(signed.GetProposalBytes()) == 0 {
		return nil, fmt.Errorf("proposal: %w: it is empty", ErrMalformed)
	}
	var proposal peerpb.Proposal
	if err := proto.Unmarshal(signed.GetProposalBytes(), &proposal); err != nil {
		return nil, malformed("proposal", err)
	}
	var header commonpb.Header
	if err := proto.Unmarshal(proposal.GetHeader(), &header); err != nil {
		return nil, malformed("proposal header", err)
	}
	p := &ParsedProposal{
		Bytes:              signed.GetProposalBytes(),
		Signature:          signed.GetSignature(),
		RawChannelHeader:   header.GetChannelHeader(),
		RawSignatureHeader: header.GetSignatureHeader(),
		ChannelHeader:      new(commonpb.ChannelHeader),
		SignatureHeader:    new(commonpb.SignatureHeader),
		Extension:          new(peerpb.ChaincodeHeaderExtension),
	}
	if err := p.parseHeaders(); err != nil {
		return nil, err
	}
	return p, p.parsePayload(proposal.GetPayload())
}

// parseHeaders decodes the two headers and the chaincode's name.
func (p *ParsedProposal) parseHeaders() error {
	if err := proto.Unmarshal(p.RawChannelHeader, p.ChannelHeader); err != nil {
		return malformed("proposal channel header", err)
	}
	if err := proto.Unmarshal(p.RawSignatureHeader, p.SignatureHeader); err != nil {
		return malformed("proposal signature header", err)
	}
	if err := proto.Unmarshal(p.ChannelHeader.GetExtension(), p.Extension); err != nil {
		return malformed("proposal header extension", err)
	}
	p.ChaincodeName = p.Extension.GetChaincodeId().GetName()
	if p.ChaincodeName == "" {
		return fmt.Errorf("proposal header extension: %w: it names no chaincode", ErrMalformed)
	}
	return nil
}

// parsePayload decodes the payload down to the chaincode input.
func (p *ParsedProposal) parsePayload(raw []byte) error {
	p.Payload = new(peerpb.ChaincodeProposalPayload)
	if err := proto.Unmarshal(raw, p.Payload); err != nil {
		return malformed("proposal payload", err)
	}
	var invocation peerpb.ChaincodeInvocationSpec
	if err := proto.Unmarshal(p.Payload.GetInput(), &invocation); err != nil {
		return malformed("proposal input", err)
	}
	p.Spec = invocation.GetChaincodeSpec()
	p.Input = p.Spec.GetInput()
	if p.Input == nil {
		return fmt.Errorf("proposal input: %w: it has no chaincode specification with an input", ErrMalformed)
	}
	p.Transient = p.Payload.GetTransientMap()
	p.PayloadForTx = payloadForTx(p.Payload.GetInput())
	return nil
}

// CheckHeader applies the rules for the headers of a proposal: type
// ENDORSER_TRANSACTION or CONFIG, epoch 0, nonce and creator present, and the
// transaction id recomputed. Its errors wrap ErrMalformed.
func (p *ParsedProposal) CheckHeader() error {
	ch, sh := p.ChannelHeader, p.SignatureHeader
	kind := commonpb.HeaderType(ch.GetType())
	switch {
	case kind != commonpb.HeaderType_ENDORSER_TRANSACTION && kind != commonpb.HeaderType_CONFIG:
		return fmt.Errorf("proposal header: %w: type %s cannot be proposed", ErrMalformed, kind)
	case ch.GetEpoch() != 0:
		return fmt.Errorf("proposal header: %w: epoch is %d, must be 0", ErrMalformed, ch.GetEpoch())
	case len(sh.GetNonce()) == 0:
		return fmt.Errorf("proposal header: %w: no nonce", ErrMalformed)
	case len(sh.GetCreator()) == 0:
		return fmt.Errorf("proposal header: %w: no creator", ErrMalformed)
	}
	if want := TxID(sh.GetNonce(), sh.GetCreator()); ch.GetTxId() != want {
		return fmt.Errorf("proposal header: %w: transaction id is %q, nonce and creator give %s", ErrMalformed, ch.GetTxId(), want)
	}
	return nil
}

// payloadForTx encodes ChaincodeProposalPayload{input}.
func payloadForTx(input []byte) []byte {
	if len(input) == 0 {
		return nil
	}
	b := make([]byte, 0, len(input)+6)
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	return protowire.AppendBytes(b, input)
}
