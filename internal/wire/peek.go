package wire

import (
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protowire"
)

// Peek is what the recording of a message needs to know about it.
type Peek struct {
	Type      commonpb.HeaderType // header type of the channel header
	Channel   string              // channel id, "" for calls that concern none
	TxID      string              // transaction id as written in the header, not recomputed
	Chaincode string              // name in the header extension, "" where there is none
}

// PeekProposal looks into the bytes of a Proposal (SignedProposal.proposal_bytes)
// without decoding it. ok is false when the bytes are no proposal; it never
// panics and allocates only the three strings.
//
// What it sees is what a decoder sees. It does not check what a decoder checks
// besides, such as that texts are UTF-8.
func PeekProposal(proposal []byte) (p Peek, ok bool) {
	header, ok := lastField(proposal, 1)
	if !ok {
		return Peek{}, false
	}
	return peekHeader(header)
}

// PeekEnvelope looks into the bytes of an Envelope in the same way.
func PeekEnvelope(envelope []byte) (p Peek, ok bool) {
	payload, ok := lastField(envelope, 1)
	if !ok {
		return Peek{}, false
	}
	return PeekPayload(payload)
}

// PeekPayload looks into the bytes of a Payload (Envelope.payload) in the same
// way.
func PeekPayload(payload []byte) (p Peek, ok bool) {
	channelHeader, ok := lastInner(payload, 1, 1)
	if !ok {
		return Peek{}, false
	}
	return peekChannelHeader(channelHeader)
}

// peekHeader reads a common.Header: its first field is the channel header.
func peekHeader(header []byte) (p Peek, ok bool) {
	channelHeader, ok := lastField(header, 1)
	if !ok {
		return Peek{}, false
	}
	return peekChannelHeader(channelHeader)
}

// peekChannelHeader reads type (1), channel_id (4), tx_id (5) and the chaincode
// name in the extension (7).
func peekChannelHeader(b []byte) (p Peek, ok bool) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return Peek{}, false
		}
		b = b[n:]
		switch {
		case typ == protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return Peek{}, false
			}
			if num == 1 {
				p.Type = commonpb.HeaderType(int32(v))
			}
			b = b[n:]
		case typ == protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return Peek{}, false
			}
			switch num {
			case 4:
				p.Channel = string(v)
			case 5:
				p.TxID = string(v)
			case 7:
				p.Chaincode = peekExtension(v)
			}
			b = b[n:]
		default:
			n := protowire.ConsumeFieldValue(num, typ, b)
			if n < 0 {
				return Peek{}, false
			}
			b = b[n:]
		}
	}
	return p, true
}

// peekExtension is the name in ChaincodeHeaderExtension.chaincode_id (field 2),
// whose field 2 is the name. An extension of another kind gives "".
func peekExtension(extension []byte) string {
	name, _ := lastInner(extension, 2, 2)
	return string(name)
}

// lastField is the content of the last length-delimited field with this number.
// ok is false when there is none or the bytes are not well-formed.
func lastField(b []byte, number protowire.Number) (content []byte, ok bool) {
	for len(b) > 0 {
		value, rest, found := nextField(b, number)
		if rest == nil {
			return nil, false
		}
		if found {
			content, ok = value, true
		}
		b = rest
	}
	return content, ok
}

// lastInner is the last field with number inner in the message in field outer.
// Where that message occurs several times the decoder makes one of all of them,
// so each is looked at.
func lastInner(b []byte, outer, inner protowire.Number) (content []byte, ok bool) {
	for len(b) > 0 {
		message, rest, found := nextField(b, outer)
		if rest == nil {
			return nil, false
		}
		b = rest
		for found && len(message) > 0 {
			value, rest, foundInner := nextField(message, inner)
			if rest == nil {
				return nil, false
			}
			if foundInner {
				content, ok = value, true
			}
			message = rest
		}
	}
	return content, ok
}

// nextField takes the first field off b. found tells that it is length-delimited
// and has this number. rest is nil if b is not well-formed, else never nil.
func nextField(b []byte, number protowire.Number) (value, rest []byte, found bool) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return nil, nil, false
	}
	b = b[n:]
	if num == number && typ == protowire.BytesType {
		value, n = protowire.ConsumeBytes(b)
		found = true
	} else {
		n = protowire.ConsumeFieldValue(num, typ, b)
	}
	if n < 0 {
		return nil, nil, false
	}
	return value, b[n:], found
}
