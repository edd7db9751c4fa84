// Package raftlink carries hashicorp/raft's messages between ordering nodes over
// gRPC, through internal/link, so that each one is recorded, can be slowed down,
// cut and held like any other message.
//
// It serves the ordering step: appends replicate the entries that become blocks,
// votes elect the node that cuts them. A Transport belongs to one Raft instance of
// one channel; Peers and Server are shared by all channels of a node.
//
// Read next: transport.go (sending), pipeline.go (sending without waiting),
// server.go (receiving).
package raftlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// Defaults and bounds.
const (
	defaultTimeout  = 10 * time.Second // one append with its entries
	defaultVoteTime = time.Second
	snapshotTime    = 5 * time.Minute // includes the blocks that the receiver fetches
	inflight        = 8               // appends of a pipeline without an answer
	maxAppend       = 16 << 20        // bytes of entries in one append, unless one has more
	chunk           = 32 << 10        // bytes of a snapshot in one message
	maxSnapshot     = 4 << 20
)

// Config says whose messages a Transport carries.
type Config struct {
	Channel string
	Name    string // of this node, which is its Raft id
	Address string // where it listens, "host:port"
	Peers   *Peers

	// Timeout is for one append; 0 means 10 s.
	Timeout time.Duration
	// VoteTimeout is for asking for a vote, heartbeats and the like; 0 means 1 s.
	VoteTimeout time.Duration
	// Held tells whether somebody holds messages of Raft back on purpose:
	// timeouts then stand still. Nil means never.
	Held func() bool
}

// Transport is one Raft instance's connection to the others.
type Transport struct {
	config  Config
	consume chan raft.RPC
	closed  context.Context
	close   context.CancelFunc

	mu        sync.Mutex
	heartbeat func(raft.RPC)
	followers map[raft.ServerID]*follower
}

var _ interface {
	raft.Transport
	raft.WithPreVote
	raft.WithClose
} = (*Transport)(nil)

// New makes a transport.
func New(config Config) *Transport {
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.VoteTimeout == 0 {
		config.VoteTimeout = defaultVoteTime
	}
	t := &Transport{config: config, consume: make(chan raft.RPC), followers: make(map[raft.ServerID]*follower)}
	t.closed, t.close = context.WithCancel(context.Background())
	return t
}

// Close ends everything that is on its way. From then on nothing is sent and
// nothing is received: what the Raft instance believes concerns nobody any more.
func (t *Transport) Close() error {
	t.close()
	return nil
}

// Consumer is where Raft takes requests from.
func (t *Transport) Consumer() <-chan raft.RPC { return t.consume }

// LocalAddr is this node's address.
func (t *Transport) LocalAddr() raft.ServerAddress { return raft.ServerAddress(t.config.Address) }

// EncodePeer writes an address for a message.
func (t *Transport) EncodePeer(_ raft.ServerID, address raft.ServerAddress) []byte {
	return []byte(address)
}

// DecodePeer reads it.
func (t *Transport) DecodePeer(address []byte) raft.ServerAddress {
	return raft.ServerAddress(address)
}

// SetHeartbeatHandler takes Raft's fast path for heartbeats, which does not wait
// for the disk.
func (t *Transport) SetHeartbeatHandler(handle func(raft.RPC)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heartbeat = handle
}

func (t *Transport) self() *clusterpb.Sender {
	return &clusterpb.Sender{Channel: t.config.Channel, Protocol: uint32(raft.ProtocolVersionMax), Name: t.config.Name, Address: t.config.Address}
}

// connection finds the way to a node, unless the transport is closed.
func (t *Transport) connection(id raft.ServerID, address raft.ServerAddress) (*grpc.ClientConn, error) {
	if t.closed.Err() != nil {
		return nil, ErrClosed
	}
	return t.config.Peers.Connection(string(id), string(address))
}

// patience is a context that ends with the transport or, unless messages are
// held back, after a time.
func (t *Transport) patience(timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.closed)
	var timer *time.Timer
	timer = time.AfterFunc(time.Hour, func() {
		if t.config.Held != nil && t.config.Held() {
			timer.Reset(timeout)
			return
		}
		cancel()
	})
	timer.Reset(timeout)
	return ctx, func() { timer.Stop(); cancel() }
}

// invoke makes a unary call that ends with the transport.
func invoke[Q, A any](t *Transport, id raft.ServerID, address raft.ServerAddress, method string, timeout time.Duration, request *Q, options ...grpc.CallOption) (*A, error) {
	on, err := t.connection(id, address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := t.patience(timeout)
	defer cancel()
	answer, err := clusterpb.Invoke[Q, A](ctx, on, method, request, options...)
	if err != nil {
		return nil, fmt.Errorf("%s to %s: %w", method, id, err)
	}
	return answer, nil
}

// AppendEntries sends one append and waits for the answer.
func (t *Transport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	limit(args)
	request := t.appendRequest(args)
	// Raft waits longer and longer after each failure, up to ten seconds. An
	// append therefore waits for the connection instead of failing at once: a
	// node that comes back gets it as soon as it is there.
	timeout, wait := t.config.Timeout, grpc.WaitForReady(true)
	if request.IsHeartbeat() {
		timeout, wait = t.config.VoteTimeout, grpc.WaitForReady(false)
	}
	reply, err := invoke[clusterpb.AppendRequest, clusterpb.AppendReply](t, id, target, clusterpb.MethodAppendEntries, timeout, request, wait)
	if err != nil {
		return err
	}
	if reply.GetError() != "" {
		return errors.New(reply.Error)
	}
	fillAppend(resp, reply)
	t.acknowledged(id, target, args, resp)
	return nil
}

// limit keeps an append below gRPC's message size: Raft limits the number of
// entries only. A leader may always send fewer, and Raft looks at Entries again
// to see how far the follower is.
func limit(args *raft.AppendEntriesRequest) {
	bytes := 0
	for i, l := range args.Entries {
		bytes += len(l.Data)
		if bytes > maxAppend && i > 0 {
			args.Entries = args.Entries[:i]
			return
		}
	}
}

// RequestVote asks for a vote.
func (t *Transport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	request := &clusterpb.VoteRequest{Sender: t.sender(args.RPCHeader), Term: args.Term, LastIndex: args.LastLogIndex, LastTerm: args.LastLogTerm, Transfer: args.LeadershipTransfer}
	reply, err := t.vote(id, target, clusterpb.MethodRequestVote, request)
	if err != nil {
		return err
	}
	resp.RPCHeader, resp.Term, resp.Granted = header(reply.GetSender()), reply.GetTerm(), reply.GetGranted()
	return nil
}

// RequestPreVote asks whether a vote would be given.
func (t *Transport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	request := &clusterpb.VoteRequest{Sender: t.sender(args.RPCHeader), Term: args.Term, LastIndex: args.LastLogIndex, LastTerm: args.LastLogTerm}
	reply, err := t.vote(id, target, clusterpb.MethodRequestPreVote, request)
	if err != nil {
		return err
	}
	resp.RPCHeader, resp.Term, resp.Granted = header(reply.GetSender()), reply.GetTerm(), reply.GetGranted()
	return nil
}

func (t *Transport) vote(id raft.ServerID, target raft.ServerAddress, method string, request *clusterpb.VoteRequest) (*clusterpb.VoteReply, error) {
	reply, err := invoke[clusterpb.VoteRequest, clusterpb.VoteReply](t, id, target, method, t.config.VoteTimeout, request, grpc.WaitForReady(true))
	if err != nil {
		return nil, err
	}
	if reply.GetError() != "" {
		return nil, errors.New(reply.Error)
	}
	return reply, nil
}

// TimeoutNow tells a node to start an election at once.
func (t *Transport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, _ *raft.TimeoutNowResponse) error {
	request := &clusterpb.TimeoutRequest{Sender: t.sender(args.RPCHeader)}
	reply, err := invoke[clusterpb.TimeoutRequest, clusterpb.TimeoutReply](t, id, target, clusterpb.MethodTimeoutNow, t.config.VoteTimeout, request)
	if err != nil {
		return err
	}
	if reply.GetError() != "" {
		return errors.New(reply.Error)
	}
	return nil
}

// ElectNow makes this node's own Raft instance start an election without waiting
// for its timer: the first leader of a new network need not take a second.
func (t *Transport) ElectNow() error {
	_, err := t.deliver(t.closed, &raft.TimeoutNowRequest{RPCHeader: header(t.self())}, nil)
	return err
}

// InstallSnapshot sends a snapshot.
func (t *Transport) InstallSnapshot(id raft.ServerID, target raft.ServerAddress, args *raft.InstallSnapshotRequest, resp *raft.InstallSnapshotResponse, data io.Reader) error {
	on, err := t.connection(id, target)
	if err != nil {
		return err
	}
	ctx, cancel := t.patience(snapshotTime)
	defer cancel()
	stream, err := clusterpb.OpenSnapshot(ctx, on)
	if err != nil {
		return fmt.Errorf("send snapshot to %s: %w", id, err)
	}
	message := &clusterpb.SnapshotChunk{
		Sender: t.sender(args.RPCHeader), Term: args.Term, LastIndex: args.LastLogIndex, LastTerm: args.LastLogTerm,
		Configuration: args.Configuration, ConfigurationIndex: args.ConfigurationIndex, Version: int64(args.SnapshotVersion), Size: args.Size,
	}
	for {
		if err := stream.Send(message); err != nil {
			break // the reason comes with the answer
		}
		piece := make([]byte, chunk)
		n, err := io.ReadFull(data, piece)
		if n == 0 {
			break
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("send snapshot to %s: %w", id, err)
		}
		message = &clusterpb.SnapshotChunk{Data: piece[:n]}
	}
	reply, err := stream.CloseAndRecv()
	if err != nil {
		return fmt.Errorf("send snapshot to %s: %w", id, err)
	}
	if reply.GetError() != "" {
		return errors.New(reply.Error)
	}
	resp.RPCHeader, resp.Term, resp.Success = header(reply.GetSender()), reply.GetTerm(), reply.GetSuccess()
	return nil
}

// deliver hands a request to Raft and waits for its answer.
func (t *Transport) deliver(ctx context.Context, command any, reader io.Reader) (any, error) {
	answer := make(chan raft.RPCResponse, 1)
	rpc := raft.RPC{Command: command, Reader: reader, RespChan: answer}
	if handle := t.fastPath(command); handle != nil {
		handle(rpc)
	} else {
		select {
		case t.consume <- rpc:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.closed.Done():
			return nil, ErrClosed
		}
	}
	select {
	case response := <-answer:
		return response.Response, response.Error
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.closed.Done():
		return nil, ErrClosed
	}
}

func (t *Transport) fastPath(command any) func(raft.RPC) {
	a, ok := command.(*raft.AppendEntriesRequest)
	if !ok || a.Term == 0 || a.PrevLogEntry != 0 || a.PrevLogTerm != 0 || len(a.Entries) > 0 || a.LeaderCommitIndex != 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heartbeat
}
