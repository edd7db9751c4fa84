package orderer

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/raft"
)

// When a whole service starts again, Raft's own timers would let it wait for one
// to two seconds. Its members ask each other earlier, one after the other.
const (
	earlyFirst = 60 * time.Millisecond  // for a leader that is there to make itself known
	earlyStep  = 120 * time.Millisecond // between one member's turn and the next one's
	earlyTurns = 3                      // how often each member may try
)

// standEarly stands for election before Raft's timer does, if a majority says in
// a pre-vote that it knows no leader and would give its vote. A service that has a
// leader is not disturbed: its members refuse pre-votes.
func (i *instance) standEarly() {
	servers := i.servers()
	slices.SortFunc(servers, func(a, b raft.Server) int { return strings.Compare(string(a.ID), string(b.ID)) })
	turn := slices.IndexFunc(servers, func(s raft.Server) bool { return s.ID == raft.ServerID(i.c.node.config.Name) })
	if turn < 0 || servers[turn].Suffrage != raft.Voter {
		return
	}
	timer := time.NewTimer(earlyFirst + time.Duration(turn)*earlyStep)
	defer timer.Stop()
	for range earlyTurns {
		select {
		case <-timer.C:
		case <-i.ended:
			return
		}
		if i.leader() != "" || i.raft.State() != raft.Follower {
			return
		}
		if i.wouldWin(servers) {
			_ = i.transport.ElectNow() // if it fails, the instance has ended
			return
		}
		timer.Reset(time.Duration(len(servers)) * earlyStep)
	}
}

// wouldWin asks the other voters for a pre-vote.
func (i *instance) wouldWin(servers []raft.Server) bool {
	stats := i.raft.Stats()
	lastTerm, _ := strconv.ParseUint(stats["last_log_term"], 10, 64)
	snapshotTerm, _ := strconv.ParseUint(stats["last_snapshot_term"], 10, 64)
	request := &raft.RequestPreVoteRequest{
		RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(i.c.node.config.Name), Addr: []byte(i.transport.LocalAddr())},
		Term:         i.raft.CurrentTerm() + 1,
		LastLogIndex: i.raft.LastIndex(),
		LastLogTerm:  max(lastTerm, snapshotTerm),
	}
	voters := 0
	answers := make(chan bool, len(servers))
	for _, s := range servers {
		if s.Suffrage != raft.Voter {
			continue
		}
		voters++
		if s.ID == raft.ServerID(i.c.node.config.Name) {
			answers <- true
			continue
		}
		go func() {
			var response raft.RequestPreVoteResponse
			err := i.transport.RequestPreVote(s.ID, s.Address, request, &response)
			answers <- err == nil && response.Granted
		}()
	}
	granted := 0
	for range voters {
		if <-answers {
			granted++
		}
		if granted > voters/2 {
			return true
		}
	}
	return false
}
