package raftlink

import (
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// header is Raft's view of a message's sender.
func header(s *clusterpb.Sender) raft.RPCHeader {
	return raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersion(s.GetProtocol()),
		ID:              []byte(s.GetName()),
		Addr:            []byte(s.GetAddress()),
	}
}

// sender is the other direction.
func (t *Transport) sender(h raft.RPCHeader) *clusterpb.Sender {
	return &clusterpb.Sender{Channel: t.config.Channel, Protocol: uint32(h.ProtocolVersion), Name: t.config.Name, Address: t.config.Address}
}

func (t *Transport) appendRequest(from *raft.AppendEntriesRequest) *clusterpb.AppendRequest {
	to := &clusterpb.AppendRequest{
		Sender:        t.sender(from.RPCHeader),
		Term:          from.Term,
		PreviousIndex: from.PrevLogEntry,
		PreviousTerm:  from.PrevLogTerm,
		Committed:     from.LeaderCommitIndex,
	}
	if len(from.Entries) > 0 {
		entries := make([]clusterpb.Entry, len(from.Entries))
		to.Entries = make([]*clusterpb.Entry, len(from.Entries))
		for i, l := range from.Entries {
			e := &entries[i]
			e.Index, e.Term, e.Type, e.Data, e.Extensions = l.Index, l.Term, uint32(l.Type), l.Data, l.Extensions
			if !l.AppendedAt.IsZero() {
				e.Appended = l.AppendedAt.UnixNano()
			}
			to.Entries[i] = e
		}
	}
	return to
}

// check refuses what would make Raft panic. Ordering nodes trust each other, but
// not so far that one with a fault brings down the others.
func check(request *clusterpb.AppendRequest) error {
	next := request.GetPreviousIndex() + 1
	for _, e := range request.GetEntries() {
		if e.GetIndex() != next {
			return fmt.Errorf("entry %d where %d should be: %w", e.GetIndex(), next, ErrMalformed)
		}
		next++
		switch raft.LogType(e.GetType()) {
		case raft.LogCommand, raft.LogNoop, raft.LogBarrier:
		case raft.LogConfiguration:
			if err := checkConfiguration(e.GetData()); err != nil {
				return fmt.Errorf("entry %d: %w", e.GetIndex(), err)
			}
		default:
			return fmt.Errorf("entry %d has type %d: %w", e.GetIndex(), e.GetType(), ErrMalformed)
		}
	}
	return nil
}

// checkConfiguration tries a configuration's bytes: Raft panics on bad ones.
func checkConfiguration(encoded []byte) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("configuration: %w: %v", ErrMalformed, reason)
		}
	}()
	raft.DecodeConfiguration(encoded)
	return nil
}

func toAppend(from *clusterpb.AppendRequest) *raft.AppendEntriesRequest {
	to := &raft.AppendEntriesRequest{
		RPCHeader:         header(from.GetSender()),
		Term:              from.GetTerm(),
		Leader:            []byte(from.GetSender().GetAddress()),
		PrevLogEntry:      from.GetPreviousIndex(),
		PrevLogTerm:       from.GetPreviousTerm(),
		LeaderCommitIndex: from.GetCommitted(),
	}
	if n := len(from.GetEntries()); n > 0 {
		logs := make([]raft.Log, n)
		to.Entries = make([]*raft.Log, n)
		for i, e := range from.Entries {
			l := &logs[i]
			l.Index, l.Term, l.Type, l.Data, l.Extensions = e.GetIndex(), e.GetTerm(), raft.LogType(e.GetType()), e.GetData(), e.GetExtensions()
			if e.GetAppended() != 0 {
				l.AppendedAt = time.Unix(0, e.GetAppended())
			}
			to.Entries[i] = l
		}
	}
	return to
}

func (t *Transport) appendReply(request *clusterpb.AppendRequest, response any, err error) *clusterpb.AppendReply {
	reply := &clusterpb.AppendReply{Sender: t.self(), Id: request.GetId(), Heartbeat: len(request.GetEntries()) == 0}
	if from, ok := response.(*raft.AppendEntriesResponse); ok && from != nil {
		reply.Term, reply.LastIndex, reply.Success, reply.NoRetryBackoff = from.Term, from.LastLog, from.Success, from.NoRetryBackoff
	}
	reply.Error = text(err)
	if reply.Success && len(request.GetEntries()) > 0 {
		// Raft answers with what it had before; the trace should show what it has now.
		reply.LastIndex = max(reply.LastIndex, request.Entries[len(request.Entries)-1].GetIndex())
	}
	return reply
}

func fillAppend(to *raft.AppendEntriesResponse, from *clusterpb.AppendReply) {
	to.RPCHeader = header(from.GetSender())
	to.Term, to.LastLog, to.Success, to.NoRetryBackoff = from.GetTerm(), from.GetLastIndex(), from.GetSuccess(), from.GetNoRetryBackoff()
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
