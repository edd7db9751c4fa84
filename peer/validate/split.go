package validate

import (
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Seven of the messages that are nested in an envelope have two fields of bytes
// and nothing else. A decoder copies the bytes at each level, four times until it
// is down at the endorsements. What is here takes a message in its usual form
// apart without copying; ok is false for every other form, which is left to the
// decoder and may still be acceptable.

// splitPayload fills p, whose header is a pair within a pair.
func splitPayload(raw []byte, p *commonpb.Payload) bool {
	header, data, ok := wire.SplitPair(raw)
	if !ok {
		return false
	}
	channel, signature, ok := wire.SplitPair(header)
	if ok {
		p.Header = &commonpb.Header{ChannelHeader: channel, SignatureHeader: signature}
		p.Data = data
	}
	return ok
}

// splitSignatureHeader fills h.
func splitSignatureHeader(raw []byte, h *commonpb.SignatureHeader) (ok bool) {
	creator, nonce, ok := wire.SplitPair(raw)
	if ok {
		h.Creator, h.Nonce = creator, nonce
	}
	return ok
}

// splitActions gives the one action of a transaction.
func splitActions(raw []byte) (action *peerpb.TransactionAction, ok bool) {
	only, rest, ok := wire.CutField(raw, 0x0a)
	if !ok || len(rest) > 0 {
		return nil, false
	}
	header, payload, ok := wire.SplitPair(only)
	return &peerpb.TransactionAction{Header: header, Payload: payload}, ok
}

// splitAction fills a, whose second field is a message: the result and any number
// of endorsements.
func splitAction(raw []byte, a *peerpb.ChaincodeActionPayload) bool {
	proposal, endorsed, ok := wire.SplitPair(raw)
	if !ok {
		return false
	}
	result, rest, ok := wire.CutField(endorsed, 0x0a)
	if !ok {
		return false
	}
	var endorsements []*peerpb.Endorsement
	for len(rest) > 0 {
		var one []byte
		if one, rest, ok = wire.CutField(rest, 0x12); !ok {
			return false
		}
		endorser, signature, ok := wire.SplitPair(one)
		if !ok {
			return false
		}
		endorsements = append(endorsements, &peerpb.Endorsement{Endorser: endorser, Signature: signature})
	}
	a.ChaincodeProposalPayload = proposal
	a.Action = &peerpb.ChaincodeEndorsedAction{ProposalResponsePayload: result, Endorsements: endorsements}
	return true
}

// splitResult fills r.
func splitResult(raw []byte, r *peerpb.ProposalResponsePayload) bool {
	hash, extension, ok := wire.SplitPair(raw)
	if ok {
		r.ProposalHash, r.Extension = hash, extension
	}
	return ok
}
