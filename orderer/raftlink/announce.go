package raftlink

import (
	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// follower is what a leader knows of another node: up to where it has the log.
type follower struct {
	id     raft.ServerID
	target raft.ServerAddress
	wake   chan struct{}

	// Guarded by Transport.mu.
	header    raft.RPCHeader
	term      uint64 // of the leadership under which it acknowledged
	index     uint64 // last entry that it has for sure
	entryTerm uint64 // that entry's term
	committed uint64 // what it should learn
	told      uint64 // what it was told
}

// acknowledged notes that a follower has everything up to the end of an append.
func (t *Transport) acknowledged(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) {
	if !resp.Success || resp.Term > args.Term {
		return
	}
	index, entryTerm := args.PrevLogEntry, args.PrevLogTerm
	if n := len(args.Entries); n > 0 {
		index, entryTerm = args.Entries[n-1].Index, args.Entries[n-1].Term
	}
	if index == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.followers[id]
	if f == nil {
		f = &follower{id: id, wake: make(chan struct{}, 1)}
		t.followers[id] = f
		go t.announcer(f)
	}
	if args.Term > f.term || index > f.index {
		f.header, f.target, f.term, f.index, f.entryTerm = args.RPCHeader, target, args.Term, index, entryTerm
	}
	f.told = max(f.told, min(args.LeaderCommitIndex, index))
	f.poke()
}

// poke wakes the announcer if there is something to tell; Transport.mu is held.
func (f *follower) poke() {
	if min(f.committed, f.index) > f.told {
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// Announce tells the followers at once that the log is committed up to an index.
// Raft itself tells them with the next append, which under little load is a
// timer's worth later; readers of their blocks would wait that long. What is sent
// is an ordinary append without entries, after the last entry that the follower
// has acknowledged, and never claims more than that entry to be committed.
func (t *Transport) Announce(committed uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.followers {
		f.committed = max(f.committed, committed)
		f.poke()
	}
}

// Acknowledged is the index up to which a follower is known to have the log; 0
// when nothing is known.
func (t *Transport) Acknowledged(id raft.ServerID) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.followers[id]; f != nil {
		return f.index
	}
	return 0
}

// announcer sends one follower's notices, the newest only.
func (t *Transport) announcer(f *follower) {
	for {
		select {
		case <-f.wake:
		case <-t.closed.Done():
			return
		}
		t.mu.Lock()
		commit := min(f.committed, f.index)
		args := &raft.AppendEntriesRequest{RPCHeader: f.header, Term: f.term, PrevLogEntry: f.index, PrevLogTerm: f.entryTerm, LeaderCommitIndex: commit}
		target, due := f.target, commit > f.told
		t.mu.Unlock()
		if !due {
			continue
		}
		// Whatever comes back, Raft's own appends put it right.
		reply, err := invoke[clusterpb.AppendRequest, clusterpb.AppendReply](t, f.id, target, clusterpb.MethodAppendEntries, t.config.VoteTimeout, t.appendRequest(args))
		if err == nil && reply.GetSuccess() {
			t.mu.Lock()
			f.told = max(f.told, commit)
			f.poke()
			t.mu.Unlock()
		}
	}
}
