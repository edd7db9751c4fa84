package clusterpb

import (
	"context"

	"google.golang.org/grpc"
)

// The services' names and those of their methods, as gRPC spells them.
const (
	raftService     = "fabriscope.v1.Raft"
	orderingService = "fabriscope.v1.Ordering"

	MethodAppendEntries   = "/" + raftService + "/AppendEntries"
	MethodPipeline        = "/" + raftService + "/AppendEntriesPipeline"
	MethodRequestVote     = "/" + raftService + "/RequestVote"
	MethodRequestPreVote  = "/" + raftService + "/RequestPreVote"
	MethodInstallSnapshot = "/" + raftService + "/InstallSnapshot"
	MethodTimeoutNow      = "/" + raftService + "/TimeoutNow"
	MethodForward         = "/" + orderingService + "/Forward"
	MethodChangeMember    = "/" + orderingService + "/ChangeMember"
)

// The streams' types.
type (
	PipelineServer = grpc.BidiStreamingServer[AppendRequest, AppendReply]
	PipelineClient = grpc.BidiStreamingClient[AppendRequest, AppendReply]
	SnapshotServer = grpc.ClientStreamingServer[SnapshotChunk, SnapshotReply]
	SnapshotClient = grpc.ClientStreamingClient[SnapshotChunk, SnapshotReply]
	ForwardServer  = grpc.BidiStreamingServer[ForwardRequest, ForwardReply]
	ForwardClient  = grpc.BidiStreamingClient[ForwardRequest, ForwardReply]
)

// RaftServer handles Raft's messages.
type RaftServer interface {
	AppendEntries(context.Context, *AppendRequest) (*AppendReply, error)
	RequestVote(context.Context, *VoteRequest) (*VoteReply, error)
	RequestPreVote(context.Context, *VoteRequest) (*VoteReply, error)
	TimeoutNow(context.Context, *TimeoutRequest) (*TimeoutReply, error)
	Pipeline(PipelineServer) error
	InstallSnapshot(SnapshotServer) error
}

// OrderingServer handles what a follower asks of the leader.
type OrderingServer interface {
	Forward(ForwardServer) error
	ChangeMember(context.Context, *MemberRequest) (*MemberReply, error)
}

// unary makes a gRPC method of a function of the server type S.
func unary[S, Q, A any](name, full string, handle func(S, context.Context, *Q) (*A, error)) grpc.MethodDesc {
	return grpc.MethodDesc{
		MethodName: name,
		Handler: func(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			request := new(Q)
			if err := decode(request); err != nil {
				return nil, err
			}
			call := func(ctx context.Context, request any) (any, error) {
				return handle(server.(S), ctx, request.(*Q))
			}
			if interceptor == nil {
				return call(ctx, request)
			}
			return interceptor(ctx, request, &grpc.UnaryServerInfo{Server: server, FullMethod: full}, call)
		},
	}
}

// RegisterRaft adds the Raft service to a server.
func RegisterRaft(to grpc.ServiceRegistrar, server RaftServer) {
	to.RegisterService(&grpc.ServiceDesc{
		ServiceName: raftService,
		HandlerType: (*RaftServer)(nil),
		Methods: []grpc.MethodDesc{
			unary("AppendEntries", MethodAppendEntries, RaftServer.AppendEntries),
			unary("RequestVote", MethodRequestVote, RaftServer.RequestVote),
			unary("RequestPreVote", MethodRequestPreVote, RaftServer.RequestPreVote),
			unary("TimeoutNow", MethodTimeoutNow, RaftServer.TimeoutNow),
		},
		Streams: []grpc.StreamDesc{{
			StreamName: "AppendEntriesPipeline", ServerStreams: true, ClientStreams: true,
			Handler: func(server any, stream grpc.ServerStream) error {
				return server.(RaftServer).Pipeline(&grpc.GenericServerStream[AppendRequest, AppendReply]{ServerStream: stream})
			},
		}, {
			StreamName: "InstallSnapshot", ClientStreams: true,
			Handler: func(server any, stream grpc.ServerStream) error {
				return server.(RaftServer).InstallSnapshot(&grpc.GenericServerStream[SnapshotChunk, SnapshotReply]{ServerStream: stream})
			},
		}},
	}, server)
}

// RegisterOrdering adds the Ordering service to a server.
func RegisterOrdering(to grpc.ServiceRegistrar, server OrderingServer) {
	to.RegisterService(&grpc.ServiceDesc{
		ServiceName: orderingService,
		HandlerType: (*OrderingServer)(nil),
		Methods:     []grpc.MethodDesc{unary("ChangeMember", MethodChangeMember, OrderingServer.ChangeMember)},
		Streams: []grpc.StreamDesc{{
			StreamName: "Forward", ServerStreams: true, ClientStreams: true,
			Handler: func(server any, stream grpc.ServerStream) error {
				return server.(OrderingServer).Forward(&grpc.GenericServerStream[ForwardRequest, ForwardReply]{ServerStream: stream})
			},
		}},
	}, server)
}

// Invoke makes a call that has one request and one answer.
func Invoke[Q, A any](ctx context.Context, on grpc.ClientConnInterface, method string, request *Q, options ...grpc.CallOption) (*A, error) {
	answer := new(A)
	if err := on.Invoke(ctx, method, request, answer, options...); err != nil {
		return nil, err
	}
	return answer, nil
}

// OpenPipeline opens a stream for appends.
func OpenPipeline(ctx context.Context, on grpc.ClientConnInterface) (PipelineClient, error) {
	return open[AppendRequest, AppendReply](ctx, on, MethodPipeline)
}

// OpenSnapshot opens a stream for a snapshot.
func OpenSnapshot(ctx context.Context, on grpc.ClientConnInterface) (SnapshotClient, error) {
	return open[SnapshotChunk, SnapshotReply](ctx, on, MethodInstallSnapshot)
}

// OpenForward opens a stream for envelopes.
func OpenForward(ctx context.Context, on grpc.ClientConnInterface) (ForwardClient, error) {
	return open[ForwardRequest, ForwardReply](ctx, on, MethodForward)
}

func open[Q, A any](ctx context.Context, on grpc.ClientConnInterface, method string) (*grpc.GenericClientStream[Q, A], error) {
	stream, err := on.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return nil, err
	}
	return &grpc.GenericClientStream[Q, A]{ClientStream: stream}, nil
}
