package raftlink

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// errBroken: the pipeline has failed, or the follower refused an append.
var errBroken = errors.New("the pipeline of appends has ended")

// pipeline sends appends without waiting for each answer. Raft never looks at the
// error of a pipelined append, only at its answer, and stops reading answers after
// the first bad one while it may still send. Its own transport then waits for ever
// (hashicorp/raft issue 612): here every wait ends with the pipeline, and the
// pipeline ends with the first bad answer, or when no answer comes in time.
type pipeline struct {
	t      *Transport
	id     raft.ServerID
	target raft.ServerAddress
	stream clusterpb.PipelineClient
	cancel context.CancelFunc

	slots  chan struct{}          // one token for each append on its way
	done   chan raft.AppendFuture // answers for Raft
	broken chan struct{}          // closed when no further append makes sense
	closed chan struct{}          // closed by Raft: nobody reads done
	once   [2]sync.Once

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*appendFuture // nil once it has ended
	watch   *time.Timer              // runs while appends are on their way
}

// AppendEntriesPipeline opens a pipeline to a follower.
func (t *Transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	on, err := t.connection(id, target)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(t.closed)
	stream, err := clusterpb.OpenPipeline(ctx, on)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a pipeline to %s: %w", id, err)
	}
	p := &pipeline{
		t: t, id: id, target: target, stream: stream, cancel: cancel,
		slots:   make(chan struct{}, inflight),
		done:    make(chan raft.AppendFuture, inflight),
		broken:  make(chan struct{}),
		closed:  make(chan struct{}),
		waiting: make(map[uint64]*appendFuture),
	}
	p.watch = time.AfterFunc(time.Hour, p.giveUp)
	p.watch.Stop()
	go p.receive()
	return p, nil
}

// AppendEntries sends one append. It waits while too many are on their way.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	select {
	case <-p.broken:
		return nil, errBroken
	default:
	}
	select {
	case p.slots <- struct{}{}:
	case <-p.broken: // giveUp closes it if no answer comes in time
		return nil, errBroken
	}
	limit(args)
	request := p.t.appendRequest(args)
	f := &appendFuture{start: time.Now(), args: args, resp: resp, ready: make(chan struct{})}
	p.mu.Lock()
	if p.waiting == nil { // it has ended meanwhile, and nobody would answer
		p.mu.Unlock()
		return nil, errBroken
	}
	p.last++
	request.Id = p.last
	p.waiting[request.Id] = f
	if len(p.waiting) == 1 {
		p.watch.Reset(p.t.config.Timeout)
	}
	p.mu.Unlock()
	if err := p.stream.Send(request); err != nil {
		p.fail()
		return nil, fmt.Errorf("append to %s: %w", p.id, err)
	}
	return f, nil
}

// Consumer is where Raft takes the answers from.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.done }

// Close gives up everything on its way.
func (p *pipeline) Close() error {
	p.once[0].Do(func() { close(p.closed) })
	p.fail()
	return nil
}

// fail ends the pipeline; receive then answers what is open.
func (p *pipeline) fail() {
	p.once[1].Do(func() { close(p.broken) })
	p.cancel()
}

// giveUp ends the pipeline when nothing was answered for too long, unless
// somebody holds messages back.
func (p *pipeline) giveUp() {
	if held := p.t.config.Held; held == nil || !held() {
		p.fail()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		p.watch.Reset(p.t.config.Timeout)
	}
}

// receive takes the answers until the stream ends.
func (p *pipeline) receive() {
	defer p.finish()
	for {
		reply, err := p.stream.Recv()
		if err != nil {
			return
		}
		p.mu.Lock()
		f := p.waiting[reply.GetId()]
		delete(p.waiting, reply.GetId())
		if len(p.waiting) == 0 {
			p.watch.Stop()
		} else {
			p.watch.Reset(p.t.config.Timeout)
		}
		p.mu.Unlock()
		if f == nil {
			continue // an answer to nothing
		}
		if reply.GetError() != "" {
			f.err = errors.New(reply.Error)
		} else {
			fillAppend(f.resp, reply)
			p.t.acknowledged(p.id, p.target, f.args, f.resp)
		}
		bad := f.err != nil || !f.resp.Success
		if !p.answerRaft(f) || bad {
			return
		}
		<-p.slots
	}
}

// answerRaft gives an answer to Raft; false when Raft has closed the pipeline.
func (p *pipeline) answerRaft(f *appendFuture) bool {
	close(f.ready)
	select {
	case p.done <- f:
		return true
	case <-p.closed:
		return false
	}
}

// finish ends the pipeline and answers what is still open with nothing, which
// makes Raft fall back to single appends.
func (p *pipeline) finish() {
	p.fail()
	p.mu.Lock()
	p.watch.Stop()
	open := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, f := range open {
		f.err = errBroken
		if !p.answerRaft(f) {
			return
		}
	}
}

// appendFuture is one append of a pipeline.
type appendFuture struct {
	start time.Time
	args  *raft.AppendEntriesRequest
	resp  *raft.AppendEntriesResponse
	ready chan struct{}
	err   error
}

func (f *appendFuture) Error() error                          { <-f.ready; return f.err }
func (f *appendFuture) Start() time.Time                      { return f.start }
func (f *appendFuture) Request() *raft.AppendEntriesRequest   { return f.args }
func (f *appendFuture) Response() *raft.AppendEntriesResponse { return f.resp }
