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
	e := trace.Event{Kind: trace.RaftAppend, What: trace.Told, Channel: m.GetSender().GetChannel(), A: int64(m.GetTerm()), C: int64(m.GetCommitted())}
	if n := len(m.GetEntries()); n > 0 {
		e.B = int64(m.GetEntries()[n-1].GetIndex())
	} else {
		e.B = int64(m.GetPreviousIndex())
	}
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
	e := trace.Event{Kind: trace.RaftAppendReply, What: trace.Rejected, Channel: m.GetSender().GetChannel(), A: int64(m.GetTerm()), B: int64(m.GetLastIndex())}
	if m.GetSuccess() || m.GetHeartbeat() {
		e.What = trace.Accepted
	}
	switch {
	case m.GetHeartbeat():
		e.Kind = trace.RaftHeartbeatAck
		e.Note = fmt.Sprintf("term %d", m.GetTerm())
		if last := m.GetLastIndex(); last > 0 {
			e.Note += fmt.Sprintf(", has all up to entry %d", last)
		}
	case m.GetError() != "":
		e.What, e.Note = trace.Failed, m.GetError()
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
	return trace.Event{Channel: m.GetSender().GetChannel(), What: trace.Told, A: int64(m.GetTerm()), B: int64(m.GetLastIndex()), C: int64(m.GetLastTerm()),
		Note: fmt.Sprintf("term %d, last entry %d of term %d", m.GetTerm(), m.GetLastIndex(), m.GetLastTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *VoteReply) DescribeMessage() trace.Event {
	what, verdict := trace.Rejected, "refused"
	if m.GetGranted() {
		what, verdict = trace.Accepted, "granted"
	}
	return trace.Event{Channel: m.GetSender().GetChannel(), What: what, A: int64(m.GetTerm()), Note: fmt.Sprintf("%s, term %d", verdict, m.GetTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *SnapshotChunk) DescribeMessage() trace.Event {
	if m.GetSender() == nil {
		return trace.Event{Kind: trace.RaftSnapshot, What: trace.Told, C: int64(len(m.GetData())), Note: fmt.Sprintf("%d bytes", len(m.GetData()))}
	}
	return trace.Event{Kind: trace.RaftSnapshot, Channel: m.GetSender().GetChannel(), What: trace.Told, A: int64(m.GetTerm()), B: int64(m.GetLastIndex()), C: int64(len(m.GetData())),
		Note: fmt.Sprintf("term %d, stands for all up to entry %d of term %d", m.GetTerm(), m.GetLastIndex(), m.GetLastTerm())}
}

// DescribeMessage tells the trace what the message is about.
func (m *SnapshotReply) DescribeMessage() trace.Event {
	what, note := trace.Rejected, "refused"
	switch {
	case m.GetError() != "":
		what, note = trace.Failed, m.GetError()
	case m.GetSuccess():
		what, note = trace.Accepted, "installed"
	}
	return trace.Event{Channel: m.GetSender().GetChannel(), What: what, Note: note}
}

// DescribeMessage tells the trace what the message is about.
func (m *TimeoutRequest) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetSender().GetChannel(), What: trace.Told}
}

// DescribeMessage tells the trace what the message is about.
func (m *TimeoutReply) DescribeMessage() trace.Event {
	return trace.Event{Channel: m.GetSender().GetChannel(), What: caseOf(m.GetError()), Note: m.GetError()}
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
	what := trace.Rejected
	if m.GetStatus() == int32(commonpb.Status_SUCCESS) {
		what = trace.Accepted
	}
	return trace.Event{TxID: m.GetTxId(), What: what, A: int64(m.GetStatus()), Note: note, Msg: m.GetId()}
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
func (m *MemberReply) DescribeMessage() trace.Event {
	return trace.Event{What: caseOf(m.GetError()), Note: m.GetError()}
}

// caseOf tells an answer with an error from one without.
func caseOf(problem string) trace.What {
	if problem != "" {
		return trace.Failed
	}
	return trace.Accepted
}

func statusName(status int32) string { return commonpb.Status(status).String() }
