package raftlink

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// Server receives Raft's messages for all channels of a node.
type Server struct {
	// Identify tells whether the caller, who is known by his TLS certificate
	// (link.PeerName), is who sent says. It comes first: a stranger must not make
	// this node wait.
	Identify func(ctx context.Context, sent *clusterpb.Sender) error
	// Find returns the transport of a channel. It may wait, as long as ctx
	// allows, for a channel that is just being joined. The error goes back.
	Find func(ctx context.Context, channel string) (*Transport, error)
	// Allow tells whether the caller may take part in the channel.
	Allow func(ctx context.Context, sent *clusterpb.Sender) error
	// Peers learn the senders' addresses.
	Peers *Peers
}

var _ clusterpb.RaftServer = (*Server)(nil)

// receive finds the channel, checks the sender and delivers.
func (s *Server) receive(ctx context.Context, sent *clusterpb.Sender, command any, reader io.Reader) (*Transport, any, error) {
	t, err := s.open(ctx, sent)
	if err != nil {
		return nil, nil, err
	}
	response, err := t.deliver(ctx, command, reader)
	return t, response, err
}

func (s *Server) open(ctx context.Context, sent *clusterpb.Sender) (*Transport, error) {
	if err := s.Identify(ctx, sent); err != nil {
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	t, err := s.Find(ctx, sent.GetChannel())
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	if err := s.Allow(ctx, sent); err != nil {
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	s.Peers.SetAddress(sent.GetName(), sent.GetAddress())
	return t, nil
}

// failed tells an error of the call itself, which the caller should see as such,
// from one of Raft's, which goes into the answer.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	switch {
	case errors.Is(err, ErrClosed):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return nil
}

// AppendEntries handles one append or heartbeat.
func (s *Server) AppendEntries(ctx context.Context, request *clusterpb.AppendRequest) (*clusterpb.AppendReply, error) {
	if err := check(request); err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	t, response, err := s.receive(ctx, request.GetSender(), toAppend(request), nil)
	if failure := failed(err); failure != nil {
		return nil, failure
	}
	return t.appendReply(request, response, err), nil
}

// Pipeline handles appends in the order of their arrival.
func (s *Server) Pipeline(stream clusterpb.PipelineServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reply, err := s.AppendEntries(stream.Context(), request)
		if err != nil {
			return err
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// RequestVote handles a candidate's question.
func (s *Server) RequestVote(ctx context.Context, request *clusterpb.VoteRequest) (*clusterpb.VoteReply, error) {
	t, response, err := s.receive(ctx, request.GetSender(), &raft.RequestVoteRequest{
		RPCHeader: header(request.GetSender()), Term: request.GetTerm(), Candidate: []byte(request.GetSender().GetAddress()),
		LastLogIndex: request.GetLastIndex(), LastLogTerm: request.GetLastTerm(), LeadershipTransfer: request.GetTransfer(),
	}, nil)
	if failure := failed(err); failure != nil {
		return nil, failure
	}
	reply := &clusterpb.VoteReply{Sender: t.self(), Error: text(err)}
	if from, ok := response.(*raft.RequestVoteResponse); ok && from != nil {
		reply.Term, reply.Granted = from.Term, from.Granted
	}
	return reply, nil
}

// RequestPreVote handles a question before an election.
func (s *Server) RequestPreVote(ctx context.Context, request *clusterpb.VoteRequest) (*clusterpb.VoteReply, error) {
	t, response, err := s.receive(ctx, request.GetSender(), &raft.RequestPreVoteRequest{
		RPCHeader: header(request.GetSender()), Term: request.GetTerm(), LastLogIndex: request.GetLastIndex(), LastLogTerm: request.GetLastTerm(),
	}, nil)
	if failure := failed(err); failure != nil {
		return nil, failure
	}
	reply := &clusterpb.VoteReply{Sender: t.self(), Error: text(err)}
	if from, ok := response.(*raft.RequestPreVoteResponse); ok && from != nil {
		reply.Term, reply.Granted = from.Term, from.Granted
	}
	return reply, nil
}

// TimeoutNow handles the leader's wish that this node takes over.
func (s *Server) TimeoutNow(ctx context.Context, request *clusterpb.TimeoutRequest) (*clusterpb.TimeoutReply, error) {
	t, _, err := s.receive(ctx, request.GetSender(), &raft.TimeoutNowRequest{RPCHeader: header(request.GetSender())}, nil)
	if failure := failed(err); failure != nil {
		return nil, failure
	}
	return &clusterpb.TimeoutReply{Sender: t.self(), Error: text(err)}, nil
}

// InstallSnapshot handles a snapshot.
func (s *Server) InstallSnapshot(stream clusterpb.SnapshotServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if first.GetSize() < 0 || first.GetSize() > maxSnapshot {
		return status.Errorf(codes.InvalidArgument, "a snapshot of %d bytes, at most %d are taken", first.GetSize(), maxSnapshot)
	}
	if err := checkConfiguration(first.GetConfiguration()); err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	ctx, cancel := context.WithTimeout(stream.Context(), snapshotTime)
	defer cancel()
	t, response, err := s.receive(ctx, first.GetSender(), &raft.InstallSnapshotRequest{
		RPCHeader: header(first.GetSender()), SnapshotVersion: raft.SnapshotVersion(first.GetVersion()), Term: first.GetTerm(),
		Leader: []byte(first.GetSender().GetAddress()), LastLogIndex: first.GetLastIndex(), LastLogTerm: first.GetLastTerm(),
		Configuration: first.GetConfiguration(), ConfigurationIndex: first.GetConfigurationIndex(), Size: first.GetSize(),
	}, &chunks{stream: stream, left: first.GetSize()})
	if failure := failed(err); failure != nil {
		return failure
	}
	reply := &clusterpb.SnapshotReply{Sender: t.self(), Error: text(err)}
	if from, ok := response.(*raft.InstallSnapshotResponse); ok && from != nil {
		reply.Term, reply.Success = from.Term, from.Success
	}
	return stream.SendAndClose(reply)
}

// chunks reads a snapshot's bytes from its stream.
type chunks struct {
	stream clusterpb.SnapshotServer
	rest   []byte
	left   int64 // bytes that may still come
}

// Read gives the next bytes.
func (c *chunks) Read(into []byte) (int, error) {
	for len(c.rest) == 0 {
		message, err := c.stream.Recv()
		if err != nil {
			return 0, err // io.EOF at the end
		}
		c.rest = message.GetData()
		if c.left -= int64(len(c.rest)); c.left < 0 {
			return 0, errors.New("the snapshot is longer than announced")
		}
	}
	n := copy(into, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Wait is how long Find should wait at most for a channel that is being joined.
const Wait = 2 * time.Second
