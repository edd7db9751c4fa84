package deliver

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// TimeWindow is how far the timestamp of a request may be from this computer's
// clock, in either direction.
const TimeWindow = 15 * time.Minute

// Refusal is an answer other than SUCCESS and the reason for it. The protocol
// carries only the status; the reason is for the log and the trace.
type Refusal struct {
	Status commonpb.Status
	Reason error
}

// Error gives the status and the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %v", r.Status, r.Reason) }

// Unwrap gives the reason.
func (r *Refusal) Unwrap() error { return r.Reason }

func refuse(status commonpb.Status, format string, values ...any) *Refusal {
	return &Refusal{Status: status, Reason: fmt.Errorf(format, values...)}
}

// Request is one SeekInfo envelope, decoded.
type Request struct {
	Channel string
	Creator []byte        // marshalled msp.SerializedIdentity of the reader
	Signed  policy.Signed // what the reader signed
	data    []byte        // marshalled SeekInfo: decoded only when the channel is known
}

// Parse decodes the headers of a request and checks its time and, where there is
// one to check, its binding to the TLS connection. tlsCertHash is the SHA-256 of
// the reader's TLS certificate (DER), nil when it showed none. The signature is
// judged later, when the channel is known. It returns a *Refusal with
// BAD_REQUEST for whatever is wrong.
func Parse(envelope *commonpb.Envelope, now time.Time, tlsCertHash []byte) (*Request, *Refusal) {
	var payload commonpb.Payload
	if err := proto.Unmarshal(envelope.GetPayload(), &payload); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "decode payload: %w", err)
	}
	if payload.Header == nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "the payload has no header")
	}
	var channelHeader commonpb.ChannelHeader
	if err := proto.Unmarshal(payload.Header.ChannelHeader, &channelHeader); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "decode channel header: %w", err)
	}
	var signatureHeader commonpb.SignatureHeader
	if err := proto.Unmarshal(payload.Header.SignatureHeader, &signatureHeader); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "decode signature header: %w", err)
	}
	if err := checkTime(&channelHeader, now); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "%w", err)
	}
	if err := checkBinding(channelHeader.TlsCertHash, tlsCertHash); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "%w", err)
	}
	return &Request{
		Channel: channelHeader.ChannelId,
		Creator: signatureHeader.Creator,
		Signed: policy.Signed{
			Data:      envelope.Payload,
			Identity:  signatureHeader.Creator,
			Signature: envelope.Signature,
		},
		data: payload.Data,
	}, nil
}

// seek decodes the SeekInfo.
func (r *Request) seek() (*ordererpb.SeekInfo, *Refusal) {
	seek := &ordererpb.SeekInfo{}
	if err := proto.Unmarshal(r.data, seek); err != nil {
		return nil, refuse(commonpb.Status_BAD_REQUEST, "decode SeekInfo: %w", err)
	}
	return seek, nil
}

func checkTime(header *commonpb.ChannelHeader, now time.Time) error {
	if header.Timestamp == nil {
		return errors.New("the channel header has no timestamp")
	}
	if err := header.Timestamp.CheckValid(); err != nil {
		return fmt.Errorf("the channel header's timestamp: %w", err)
	}
	if off := now.Sub(header.Timestamp.AsTime()).Abs(); off > TimeWindow {
		return fmt.Errorf("the channel header's timestamp is %s off this node's clock, at most %s is allowed: set the clocks right", off.Round(time.Second), TimeWindow)
	}
	return nil
}

// checkBinding compares the certificate hash in the header with that of the
// connection. Our servers ask for a certificate without demanding one, so a
// reader who shows one may not know that it should be in the header: only a
// wrong hash is refused, not a missing one.
func checkBinding(claimed, actual []byte) error {
	if len(actual) == 0 || len(claimed) == 0 || bytes.Equal(claimed, actual) {
		return nil
	}
	return errors.New("the channel header's tls_cert_hash is not that of this connection's client certificate")
}
