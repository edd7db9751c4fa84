package stage_test

import (
	"fmt"
	"sort"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// stream makes the events of a network of two organisations under load, in the shape of
// recorded ones: rate transactions a second, ten in a block, for a number of milliseconds.
func stream(rate, milliseconds int) []trace.Event {
	s := &streamer{at: 1_795_000_000_000_000_000}
	for i := range rate * milliseconds / 1000 {
		s.transaction(i, s.at+int64(i)*1e9/int64(rate))
	}
	sort.SliceStable(s.events, func(i, j int) bool { return s.events[i].Time < s.events[j].Time })
	for i := range s.events {
		s.events[i].Seq = uint64(i + 1)
	}
	return s.events
}

type streamer struct {
	at     int64
	msg    uint64
	events []trace.Event
}

func (s *streamer) add(at int64, e trace.Event) {
	e.Time, e.Channel = at, "mychannel"
	s.events = append(s.events, e)
}

func (s *streamer) pass(at int64, kind trace.Kind, from, to, tx string, block uint64, note string) int64 {
	s.msg++
	e := trace.Event{Kind: kind, Dir: trace.Sent, Node: from, Other: to, TxID: tx, Block: block, Note: note, Msg: s.msg}
	s.add(at, e)
	e.Dir, e.Node, e.Other = trace.Received, to, from
	s.add(at+180e3, e)
	return at + 180e3
}

func (s *streamer) transaction(i int, at int64) {
	tx := fmt.Sprintf("%064x", uint64(i)*0x9e3779b97f4a7c15+1)
	client := []string{"alice", "bob"}[i%2]
	end := at
	for p := range 2 {
		end = max(end, s.endorse(at+int64(p)*40e3, client, fmt.Sprintf("peer0.org%d.example.com", p+1), tx, i))
	}
	s.add(end, trace.Event{Kind: trace.Compared, Node: client, TxID: tx, Note: "equal"})
	s.add(end+20e3, trace.Event{Kind: trace.Submitted, Node: client, TxID: tx})
	end = s.pass(end+30e3, trace.Broadcast, client, "orderer.example.com", tx, 0, "")
	s.pass(end+90e3, trace.BroadcastAnswer, "orderer.example.com", client, tx, 0, "SUCCESS")
	s.add(end+100e3, trace.Event{Kind: trace.Enqueued, Node: "orderer.example.com", TxID: tx, Note: fmt.Sprintf("%d pending, %d bytes", (i+1)%10, (i+1)%10*3500)})
	if i%10 == 9 {
		s.block(end+110e3, i)
	}
}

func (s *streamer) endorse(at int64, client, peer, tx string, i int) int64 {
	code := "basic_1.0@" + peer
	at = s.pass(at, trace.Proposal, client, peer, tx, 0, "")
	s.add(at+50e3, trace.Event{Kind: trace.SimulateStart, Node: peer, TxID: tx, Key: "basic", Block: uint64(i / 10)})
	s.add(at+60e3, trace.Event{Kind: trace.ReadAdded, Node: peer, TxID: tx, Key: "namespaces/fields/basic/Sequence", Note: "2:0"})
	stream := func(after int64, kind trace.Kind, dir trace.Dir, key, note string) {
		s.msg++
		s.add(at+after, trace.Event{Kind: kind, Dir: dir, Node: peer, Other: code, TxID: tx, Key: key, Note: note, Msg: s.msg})
	}
	key := fmt.Sprintf("asset%d", i%100)
	stream(100e3, trace.ChaincodeTransaction, trace.Sent, "", "TransferAsset")
	stream(900e3, trace.ChaincodeGetState, trace.Received, key, "")
	s.add(at+920e3, trace.Event{Kind: trace.ReadAdded, Node: peer, TxID: tx, Key: key, Note: "3:0"})
	stream(930e3, trace.ChaincodeResponse, trace.Sent, "", "")
	stream(1600e3, trace.ChaincodePutState, trace.Received, key, "")
	s.add(at+1610e3, trace.Event{Kind: trace.WriteAdded, Node: peer, TxID: tx, Key: key, Note: "75 bytes"})
	stream(1620e3, trace.ChaincodeResponse, trace.Sent, "", "")
	stream(2100e3, trace.ChaincodeCompleted, trace.Received, "", "200")
	s.add(at+2150e3, trace.Event{Kind: trace.SimulateEnd, Node: peer, TxID: tx, Key: "basic", Note: "2 reads, 0 ranges, 1 writes, status 200"})
	s.add(at+2260e3, trace.Event{Kind: trace.Endorsed, Node: peer, TxID: tx, Key: "basic", Note: "17152e99ae964fb3"})
	return s.pass(at+2270e3, trace.ProposalResponse, peer, client, tx, 0, "200")
}

func (s *streamer) block(at int64, last int) {
	number := uint64(last/10 + 4)
	const leader = "orderer.example.com"
	s.add(at, trace.Event{Kind: trace.BlockCut, Node: leader, Block: number, Note: "count, 10 transactions"})
	for _, follower := range []string{"orderer2.example.com", "orderer3.example.com"} {
		end := s.pass(at+300e3, trace.RaftAppend, leader, follower, "", 0, fmt.Sprintf("term 2, entry %d, 35000 bytes, committed %d", number+3, number+2))
		end = s.pass(end+500e3, trace.RaftAppendReply, follower, leader, "", 0, fmt.Sprintf("term 2, has all up to entry %d", number+3))
		s.add(end+700e3, trace.Event{Kind: trace.BlockWritten, Node: follower, Block: number})
	}
	s.add(at+1500e3, trace.Event{Kind: trace.BlockWritten, Node: leader, Block: number})
	for p := range 4 {
		peer := fmt.Sprintf("peer%d.org%d.example.com", p/2, p%2+1)
		end := s.pass(at+1600e3+int64(p)*100e3, trace.DeliverBlock, leader, peer, "", number, "10 transactions")
		s.add(end+10e3, trace.Event{Kind: trace.BlockPulled, Node: peer, Other: leader, Block: number, Note: "10 transactions"})
		s.add(end+100e3, trace.Event{Kind: trace.ValidateFrom, Node: peer, Block: number, Note: "10 transactions"})
		for i := last - 9; i <= last; i++ {
			tx := fmt.Sprintf("%064x", uint64(i)*0x9e3779b97f4a7c15+1)
			s.add(end+1500e3, trace.Event{Kind: trace.PolicyJudged, Node: peer, TxID: tx, Block: number, Note: "VALID"})
			s.add(end+1600e3, trace.Event{Kind: trace.VersionCheck, Node: peer, TxID: tx, Block: number, Note: "VALID"})
			s.add(end+1700e3, trace.Event{Kind: trace.Verdict, Node: peer, TxID: tx, Block: number, Key: "VALID"})
			if p == 0 {
				s.add(end+2500e3, trace.Event{Kind: trace.CommitSeen, Node: []string{"alice", "bob"}[i%2], TxID: tx, Block: number, Note: "VALID"})
			}
		}
		s.add(end+2000e3, trace.Event{Kind: trace.Committed, Node: peer, Block: number, Note: fmt.Sprintf("%064x", number*0x9e3779b97f4a7c15)})
	}
}
