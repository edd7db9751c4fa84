package peer

import (
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabriscope/fabriscope/internal/link"
)

// The service between Fabriscope's own peers, which takes the place of Fabric's
// gossip: how are you, take this private data, give me that. Its messages are
// Fabric's gossip messages. The gateway asks for the status (gateway.MethodStatus).
const (
	peerServiceName  = "fabriscope.v1.Peer"
	peerServicePush  = "/" + peerServiceName + "/Push"
	peerServiceFetch = "/" + peerServiceName + "/Fetch"
)

// peerService answers other peers.
type peerService struct{ peer *Peer }

// peerServiceDesc describes the service to gRPC, by hand: three calls are not
// worth a compiler.
func peerServiceDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: peerServiceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unaryMethod("Status", (*peerService).Status),
			unaryMethod("Push", (*peerService).Push),
			unaryMethod("Fetch", (*peerService).Fetch),
		},
		Metadata: "fabriscope/v1/peer",
	}
}

// unaryMethod turns a method into what gRPC calls.
func unaryMethod[Q, A any](name string, call func(*peerService, context.Context, *Q) (*A, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(server any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			request := new(Q)
			if err := decode(request); err != nil {
				return nil, err
			}
			service, ok := server.(*peerService)
			if !ok {
				return nil, status.Error(codes.Internal, "wrong receiver")
			}
			handle := func(ctx context.Context, request any) (any, error) {
				q, ok := request.(*Q)
				if !ok {
					return nil, status.Error(codes.Internal, "wrong request")
				}
				return call(service, ctx, q)
			}
			if intercept == nil {
				return handle(ctx, request)
			}
			info := &grpc.UnaryServerInfo{Server: server, FullMethod: "/" + peerServiceName + "/" + name}
			return intercept(ctx, request, info, handle)
		},
	}
}

// Status says how high this peer's ledger of a channel is and which chaincodes it
// can run. Any node with a certificate of the network may ask.
func (s *peerService) Status(ctx context.Context, name *wrapperspb.StringValue) (*gossippb.StateInfo, error) {
	if who, _ := link.PeerName(ctx); who == "" {
		return nil, status.Error(codes.Unauthenticated, "show a TLS certificate of this network")
	}
	c, ok := s.peer.channelNamed(name.GetValue())
	if !ok {
		return nil, status.Errorf(codes.NotFound, "this peer is not in channel %q", name.GetValue())
	}
	return c.status(), nil
}

// Push takes a private write set that another peer of the organisation endorsed.
func (s *peerService) Push(ctx context.Context, message *gossippb.GossipMessage) (*emptypb.Empty, error) {
	c, err := s.privateChannel(ctx, message)
	if err != nil {
		return nil, err
	}
	if err := c.takePrivate(ctx, message.GetPrivateData().GetPayload()); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &emptypb.Empty{}, nil
}

// Fetch gives private write sets that another peer of the organisation lacks.
func (s *peerService) Fetch(ctx context.Context, message *gossippb.GossipMessage) (*gossippb.GossipMessage, error) {
	c, err := s.privateChannel(ctx, message)
	if err != nil {
		return nil, err
	}
	found, err := c.givePrivate(message.GetPrivateReq().GetDigests())
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &gossippb.GossipMessage{Channel: message.GetChannel(), Content: &gossippb.GossipMessage_PrivateRes{
		PrivateRes: &gossippb.RemotePvtDataResponse{Elements: found},
	}}, nil
}

// privateChannel finds the channel of a message about private data, and refuses
// callers that are not of the peer's own organisation.
func (s *peerService) privateChannel(ctx context.Context, message *gossippb.GossipMessage) (*channel, error) {
	c, ok := s.peer.channelNamed(string(message.GetChannel()))
	if !ok {
		return nil, status.Errorf(codes.NotFound, "this peer is not in channel %q", message.GetChannel())
	}
	who, cert := link.PeerName(ctx)
	if err := c.ownOrganisation(cert); err != nil {
		return nil, status.Errorf(codes.PermissionDenied, "private data of %s is not for %q: %s", s.peer.config.MSPID, who, err)
	}
	return c, nil
}

// ownOrganisation tells whether a TLS certificate was issued by the authority of
// this peer's organisation, as the channel's configuration names it.
func (c *channel) ownOrganisation(cert *x509.Certificate) error {
	if cert == nil {
		return fmt.Errorf("it showed no TLS certificate")
	}
	own := c.settings().bundle.MSPs().MSP(c.peer.config.MSPID)
	if own == nil {
		return fmt.Errorf("the organisation has left the channel")
	}
	roots := x509.NewCertPool()
	for _, root := range own.TLSRootsPEM() {
		roots.AppendCertsFromPEM(root)
	}
	_, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: c.peer.now()})
	return err
}

// status is what this peer says about itself on a channel.
func (c *channel) status() *gossippb.StateInfo {
	properties := &gossippb.Properties{LedgerHeight: c.ledger.Height()}
	for name, version := range c.definitions.Runnable() {
		properties.Chaincodes = append(properties.Chaincodes, &gossippb.Chaincode{Name: name, Version: version})
	}
	slices.SortFunc(properties.Chaincodes, func(a, b *gossippb.Chaincode) int { return strings.Compare(a.Name, b.Name) })
	return &gossippb.StateInfo{PkiId: c.peer.config.Signer.Creator(), Properties: properties}
}
