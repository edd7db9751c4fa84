package clusterpb

import (
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// IsHeartbeat tells whether an append only says "I am still the leader".
func (m *AppendRequest) IsHeartbeat() bool {
	return m.GetPreviousIndex() == 0 && m.GetPreviousTerm() == 0 && m.GetCommitted() == 0 && len(m.GetEntries()) == 0
}

// DescribeMessage tells the trace what the message is about.
func (m *AppendRequest) DescribeMessage() trace.Event {
	e := trace.Event{Kind: trace.RaftAppend, Channel: m.GetSender().GetChannel()}
	switch entries := m.GetEntries(); {
	case m.IsHeartbeat():
		e.Kind, e.Note = trace.RaftHeartbeat, fmt.Sprintf("term %d", m.GetTerm())
	case len(entries) == 0: // how followers learn what is committed; it goes on while nothing happens
		e.Kind = trace.RaftHeartbeat
		e.Note = fmt.Sprintf("term %d, nothing after entry %d, committed %d", m.GetTerm(), m.GetPreviousIndex(), m.GetCommitted())
	case len(entries) == 1:
		e.Note = fmt.Sprintf("term %d, entry %d, %d bytes, committed %d", m.GetTerm(), entries[0].GetIndex(), len(entries[0].GetData()), m.GetCommitted())
	default:
		e.Note = fmt.Sprintf("term %d, entries %d to %d, committed %d", m.GetTerm(), entries[0].GetIndex(), entries[len(entries)-1].GetIndex(), m.GetCommitted())
	}
	return e
}

// DescribeMessage tells the trace what the message is about.
func (m *AppendReply) DescribeMessage() trace.Event {
	e := trace.Event{Kind: trace.RaftAppendReply, Channel: m.GetSender().GetChannel()}
	switch {
	case m.GetHeartbeat():
		e.Kind = trace.RaftHeartbeatAck
		e.Note = fmt.Sprintf("term %d", m.GetTerm())
		if last := m.GetLastIndex(); last > 0 {
			e.Note += fmt.Sprintf(", has all up to entry %d", last)
		}
	case m.GetError() != "":
		e.Note = m.GetError()
	case m.GetSuccess():
		e.Note = fmt.Sprintf("term %d, has all up to entry %d", m.GetTerm(), m.GetLastIndex())
	default:
		e.Note = fmt.Sprintf("term %d, refused, its last entry is %d", m.GetTerm(), m.GetLastIndex())
	}
	return e
}

// DescribeMessage tells the trace what the message is about. The method tells
// whether it is a vote or a pre-vote.
func (m *VoteRequest) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetSender().GetChannel(),
		Note: fmt.Sprintf("term %d, last entry %d of term %d", m.GetTerm(), m.GetLastIndex(), m.GetLastTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *VoteReply) DescribeMessage() trace.Event {
	verdict := "refused"
	if m.GetGranted() {
		verdict = "granted"
	}
	return trace.Event{Channel: m.GetSender().GetChannel(), Note: fmt.Sprintf("%s, term %d", verdict, m.GetTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *SnapshotChunk) DescribeMessage() trace.Event {
	if m.GetSender() == nil {
		return trace.Event{Kind: trace.RaftSnapshot, Note: fmt.Sprintf("%d bytes", len(m.GetData()))}
	}
	return trace.Event{Kind: trace.RaftSnapshot, Channel: m.GetSender().GetChannel(),
		Note: fmt.Sprintf("term %d, stands for all up to entry %d of term %d", m.GetTerm(), m.GetLastIndex(), m.GetLastTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *SnapshotReply) DescribeMessage() trace.Event {
	note := "refused"
	switch {
	case m.GetError() != "":
		note = m.GetError()
	case m.GetSuccess():
		note = "installed"
	}
	return trace.Event{Channel: m.GetSender().GetChannel(), Note: note}
}

// DescribeMessage tells the trace what the message is about.
func (m *TimeoutRequest) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetSender().GetChannel()}
}

// DescribeMessage tells the trace what the message is about.
func (m *TimeoutReply) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetSender().GetChannel(), Note: m.GetError()}
}

// DescribeMessage tells the trace what the message is about.
func (m *ForwardRequest) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetChannel(), TxID: m.GetTxId(), Msg: m.GetId()}
}

// DescribeMessage tells the trace what the message is about.
func (m *ForwardReply) DescribeMessage() trace.Event {
	note := statusName(m.GetStatus())
	if m.GetInfo() != "" {
		note += ": " + m.GetInfo()
	}
	return trace.Event{TxID: m.GetTxId(), Note: note, Msg: m.GetId()}
}

// DescribeMessage tells the trace what the message is about.
func (m *MemberRequest) DescribeMessage() trace.Event {
	note := "add at " + m.GetAddress()
	if m.GetRemove() {
		note = "remove"
	}
	return trace.Event{Channel: m.GetChannel(), Key: m.GetName(), Note: note}
}

// DescribeMessage tells the trace what the message is about.
func (m *MemberReply) DescribeMessage() trace.Event { return trace.Event{Note: m.GetError()} }

func statusName(status int32) string { return commonpb.Status(status).String() }
