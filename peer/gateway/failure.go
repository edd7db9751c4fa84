package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// endorserFailure is an endorser's answer that the gateway cannot use.
type endorserFailure struct {
	code    codes.Code // what the client gets if nobody else answers
	message string
	retry   bool // another peer may answer better
	gone    bool // the peer cannot be reached: look again who is there
	detail  *gatewaypb.ErrorDetail
}

// judgeEndorser applies the gateway's table (wire.md D.4) to what an endorser
// answered; nil means that the answer is good. Connections are never dropped, as a
// Fabric gateway does: they come back by themselves, and others use them.
func judgeEndorser(response *peerpb.ProposalResponse, err error) *endorserFailure {
	if err != nil && response == nil {
		code := status.Code(err)
		return &endorserFailure{
			code: codes.Unavailable, message: plainError(err), retry: true,
			gone: code == codes.Unavailable || code == codes.DeadlineExceeded,
		}
	}
	if err != nil {
		return &endorserFailure{code: codes.FailedPrecondition, message: plainError(err)}
	}
	answer := response.GetResponse()
	if answer.GetStatus() >= 200 && answer.GetStatus() < 400 {
		return nil
	}
	if answer.GetStatus() == 500 && len(response.GetPayload()) == 0 {
		return &endorserFailure{code: codes.Aborted, message: answer.GetMessage(), retry: true}
	}
	return &endorserFailure{
		code:    codes.Unknown,
		message: fmt.Sprintf("chaincode response %d, %s", answer.GetStatus(), answer.GetMessage()),
	}
}

// plainError is an error's text without gRPC's own prefix.
func plainError(err error) string {
	if s, ok := status.FromError(err); ok {
		return s.Message()
	}
	return err.Error()
}

// detailFor says at which peer it happened.
func detailFor(peer Member, message string) *gatewaypb.ErrorDetail {
	return &gatewaypb.ErrorDetail{Address: peer.Target.Addr, MspId: peer.MSPID, Message: strings.ToValidUTF8(message, "\uFFFD")}
}

// statusWithDetails is a gRPC error whose details the SDKs can show.
func statusWithDetails(code codes.Code, message string, details ...*gatewaypb.ErrorDetail) error {
	s := status.New(code, message)
	if len(details) == 0 {
		return s.Err()
	}
	packed := make([]protoadapt.MessageV1, len(details))
	for i, d := range details {
		packed[i] = protoadapt.MessageV1Of(d)
	}
	withDetails, err := s.WithDetails(packed...)
	if err != nil {
		return s.Err() // cannot happen: an ErrorDetail always packs
	}
	return withDetails.Err()
}

// contextStatus turns the end of a context into the gateway's words.
func contextStatus(err error, expired string) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, expired)
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, err.Error())
	}
	return status.Error(codes.Aborted, err.Error())
}
