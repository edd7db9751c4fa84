package stage

import (
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// describe is one event as a plain sentence, "" for what is not worth one.
func (w *World) describe(e *step) string {
	if e.Dir != trace.None {
		from, to := w.ends(e)
		switch e.Dir {
		case trace.Held:
			return fmt.Sprintf("A hold stops the %s from %s to %s%s.", kindWords(e.Kind), from, to, ofTx(e.TxID))
		case trace.Released:
			return fmt.Sprintf("The %s from %s to %s%s goes on.", kindWords(e.Kind), from, to, ofTx(e.TxID))
		case trace.Lost:
			return fmt.Sprintf("The %s from %s to %s%s is lost%s.", kindWords(e.Kind), from, to, ofTx(e.TxID), whyLost(e.Note))
		}
		switch {
		case e.info.chaincode:
			return w.chaincodeSentence(e)
		case strings.HasPrefix(string(e.Kind), "raft."):
			return raftSentence(e, from, to)
		}
		return w.messageSentence(e, from, to)
	}
	who := view.Short(e.Node)
	switch e.info.at {
	case peerKind:
		if e.info.names {
			return lifeOfChaincode(e, who)
		}
		return peerSentence(e, who)
	case ordererKind:
		return orderingSentence(e, who)
	case clientKind:
		return clientSentence(e, who)
	}
	return otherSentence(e, who)
}

// ends names a message's sender and receiver.
func (w *World) ends(e *step) (from, to string) {
	if e.from < 0 {
		return view.Short(e.Node), view.Short(e.Other)
	}
	return view.Short(w.reg.nodes[e.from].name), view.Short(w.reg.nodes[e.to].name)
}

// whyLost is the reason for a loss in a person's words; what only says that a connection is
// gone, in a program's, is left out.
func whyLost(note string) string {
	if note == "" || strings.Contains(note, "balancer") || strings.Contains(note, "code =") {
		return ": there is no connection"
	}
	return ": " + shortNote(note)
}

func kindWords(k trace.Kind) string {
	words := strings.NewReplacer(".", " ", "-", " ", "_", " ").Replace(string(k))
	return words + " message"
}

func ofTx(tx string) string {
	if tx == "" {
		return ""
	}
	return " of transaction " + view.ShortID(tx)
}

// tx names a transaction, with the function that it calls if that is known.
func (w *World) tx(e *step) string {
	name := "transaction " + view.ShortID(e.TxID)
	if fn := w.function(e.TxID); fn != "" {
		name += " (" + fn + ")"
	}
	return name
}

// shortNote keeps a long note to a part that fits a line.
func shortNote(note string) string {
	note = strings.TrimSuffix(strings.TrimSpace(note), ".")
	const most = 150
	if r := []rune(note); len(r) > most {
		return string(r[:most]) + "…"
	}
	return note
}

func (w *World) messageSentence(e *step, from, to string) string {
	sent := e.Dir == trace.Sent
	switch e.Kind {
	case trace.Proposal:
		if sent {
			return fmt.Sprintf("%s proposes %s to %s.", from, w.tx(e), to)
		}
		return fmt.Sprintf("%s has received %s's proposal of %s.", to, from, w.tx(e))
	case trace.ProposalResponse:
		ok := strings.HasPrefix(e.Note, "200")
		switch {
		case !ok:
			return fmt.Sprintf("%s answers %s that it does not endorse transaction %s: %s.", from, to, view.ShortID(e.TxID), shortNote(e.Note))
		case sent:
			return fmt.Sprintf("%s sends %s its endorsement of %s.", from, to, w.tx(e))
		}
		return fmt.Sprintf("%s has received the endorsement of %s for %s.", to, from, w.tx(e))
	case trace.GatewayCall:
		return fmt.Sprintf("%s calls %s of the gateway at %s%s.", from, e.Key, to, ofTx(e.TxID))
	case trace.GatewayAnswer:
		return fmt.Sprintf("The gateway at %s answers %s to %s%s.", from, e.Key, to, ofTx(e.TxID))
	case trace.Broadcast:
		if sent {
			return fmt.Sprintf("%s sends %s to %s to be ordered.", from, w.tx(e), to)
		}
		return fmt.Sprintf("%s has received %s from %s, to be ordered.", to, w.tx(e), from)
	case trace.BroadcastAnswer:
		if strings.HasPrefix(e.Note, "SUCCESS") {
			return fmt.Sprintf("%s tells %s that it has accepted transaction %s for ordering.", from, to, view.ShortID(e.TxID))
		}
		return fmt.Sprintf("%s refuses transaction %s of %s: %s.", from, view.ShortID(e.TxID), to, shortNote(e.Note))
	}
	return blockSentence(e, from, to, sent)
}

// blockSentence covers what passes around blocks, and the calls among peers.
func blockSentence(e *step, from, to string, sent bool) string {
	switch e.Kind {
	case trace.Forward:
		return fmt.Sprintf("%s passes transaction %s on to the leader %s.", from, view.ShortID(e.TxID), to)
	case trace.ForwardAnswer:
		return fmt.Sprintf("%s answers %s about transaction %s.", from, to, view.ShortID(e.TxID))
	case trace.Seek:
		return fmt.Sprintf("%s asks %s for blocks, %s.", from, to, shortNote(e.Note))
	case trace.DeliverBlock:
		if sent {
			return fmt.Sprintf("%s sends block %d to %s.", from, e.Block, to)
		}
		return fmt.Sprintf("%s has received block %d from %s.", to, e.Block, from)
	case trace.DeliverFiltered:
		return fmt.Sprintf("%s tells %s how the transactions of block %d ended.", from, to, e.Block)
	case trace.DeliverStatus:
		return fmt.Sprintf("%s ends its delivery of blocks to %s: %s.", from, to, shortNote(e.Note))
	case trace.PeerCall:
		return fmt.Sprintf("%s calls %s of %s.", from, e.Key, to)
	case trace.PeerAnswer:
		return fmt.Sprintf("%s answers the call %s of %s.", from, e.Key, to)
	case trace.Other:
		return fmt.Sprintf("%s calls %s of %s.", from, e.Key, to)
	}
	return ""
}

func raftSentence(e *step, from, to string) string {
	term := numberAfter(e.Note, "term ")
	switch e.Kind {
	case trace.RaftAppend:
		if strings.Contains(e.Note, "nothing after") {
			return fmt.Sprintf("The leader %s tells %s what is committed: %s.", from, to, e.Note)
		}
		return fmt.Sprintf("The leader %s sends %s new log entries: %s.", from, to, e.Note)
	case trace.RaftAppendReply:
		return fmt.Sprintf("%s answers the leader %s: %s.", from, to, e.Note)
	case trace.RaftVote:
		return fmt.Sprintf("%s asks %s for its vote, to lead in term %d.", from, to, term)
	case trace.RaftVoteReply:
		if strings.HasPrefix(e.Note, "granted") {
			return fmt.Sprintf("%s gives %s its vote for term %d.", from, to, term)
		}
		return fmt.Sprintf("%s refuses %s its vote for term %d.", from, to, term)
	case trace.RaftSnapshot:
		return fmt.Sprintf("%s sends %s a snapshot, since it was away for long.", from, to)
	case trace.RaftTimeoutNow:
		return fmt.Sprintf("%s hands the leadership over to %s.", from, to)
	case trace.RaftOther:
		return fmt.Sprintf("%s and %s exchange a message of Raft: %s.", from, to, shortNote(e.Note))
	}
	return ""
}

func (w *World) chaincodeSentence(e *step) string {
	code, peer := e.Other, e.Node
	if view.PeerOf(e.Node) != "" {
		code, peer = peer, code
	}
	c, p := view.Short(code)+" of "+view.Short(peer), view.Short(peer)
	tx := "transaction " + view.ShortID(e.TxID)
	switch e.Kind {
	case trace.ChaincodeTransaction, trace.ChaincodeInit:
		return fmt.Sprintf("%s asks its chaincode %s to simulate %s for %s.", p, view.Short(code), e.Note, tx)
	case trace.ChaincodeGetState:
		return fmt.Sprintf("Chaincode %s reads %s for %s (GetState).", c, e.Key, tx)
	case trace.ChaincodePutState:
		return fmt.Sprintf("Chaincode %s puts %s into the write set of %s (PutState).", c, e.Key, tx)
	case trace.ChaincodeDelState:
		return fmt.Sprintf("Chaincode %s puts the deletion of %s into the write set of %s (DelState).", c, e.Key, tx)
	case trace.ChaincodeResponse:
		return fmt.Sprintf("%s answers its chaincode %s for %s.", p, view.Short(code), w.tx(e))
	case trace.ChaincodeCompleted:
		return fmt.Sprintf("Chaincode %s has finished its call for %s: status %s.", c, w.tx(e), shortNote(e.Note))
	case trace.ChaincodeError:
		return fmt.Sprintf("Chaincode %s and its peer report an error for %s: %s.", c, tx, shortNote(e.Note))
	case trace.ChaincodeRegister:
		return fmt.Sprintf("Chaincode %s dials %s and registers.", view.Short(code), p)
	case trace.ChaincodeRegistered:
		return fmt.Sprintf("%s accepts the registration of its chaincode %s.", p, view.Short(code))
	case trace.ChaincodeReady:
		return fmt.Sprintf("%s tells its chaincode %s that it will send transactions now.", p, view.Short(code))
	}
	if e.info.call == "" {
		return ""
	}
	key := ""
	if e.Key != "" {
		key = " for " + e.Key
	}
	return fmt.Sprintf("Chaincode %s calls %s%s in %s.", c, e.info.call, key, tx)
}

func peerSentence(e *step, who string) string {
	tx := "transaction " + view.ShortID(e.TxID)
	switch e.Kind {
	case trace.SimulateStart:
		return fmt.Sprintf("%s opens a simulator for %s; it sees the state at height %d.", who, tx, e.Block)
	case trace.SimulateEnd:
		return fmt.Sprintf("%s has the complete read-write set of %s: %s.", who, tx, e.Note)
	case trace.ReadAdded:
		if e.Note == "absent" {
			return fmt.Sprintf("%s adds a read of %s, which does not exist, to the read set of %s.", who, e.Key, tx)
		}
		return fmt.Sprintf("%s adds a read of %s at version %s to the read set of %s.", who, e.Key, e.Note, tx)
	case trace.RangeAdded:
		return fmt.Sprintf("%s adds a range query from %s to the read set of %s: %s.", who, e.Key, tx, shortNote(e.Note))
	case trace.WriteAdded:
		return fmt.Sprintf("%s adds a write of %s (%s) to the write set of %s, not to the state.", who, e.Key, e.Note, tx)
	case trace.Endorsed:
		return fmt.Sprintf("%s signs its result of %s: that is its endorsement.", who, tx)
	case trace.Refused:
		return fmt.Sprintf("%s does not endorse %s: %s.", who, tx, shortNote(e.Note))
	case trace.BlockPulled:
		return fmt.Sprintf("%s takes in block %d with %s.", who, e.Block, transactions(e.Note))
	case trace.ValidateFrom:
		return fmt.Sprintf("%s begins to validate block %d with %s.", who, e.Block, transactions(e.Note))
	case trace.PolicyJudged:
		if e.Note == "VALID" {
			return fmt.Sprintf("%s finds the signatures and the endorsement policy of %s fulfilled.", who, tx)
		}
		return fmt.Sprintf("%s judges the signatures and the endorsement policy of %s: %s.", who, tx, e.Note)
	case trace.VersionCheck:
		if e.Note == "VALID" {
			return fmt.Sprintf("%s finds every version that %s has read still in place.", who, tx)
		}
		return fmt.Sprintf("%s checks the versions that %s has read: %s.", who, tx, e.Note)
	case trace.Verdict:
		if e.Key == "VALID" {
			return fmt.Sprintf("%s marks %s in block %d as valid.", who, tx, e.Block)
		}
		return fmt.Sprintf("%s marks %s in block %d as not valid, %s. %s", who, tx, e.Block, e.Key, e.Note)
	case trace.Committed:
		return fmt.Sprintf("%s has committed block %d: block, state and history are on disk.", who, e.Block)
	}
	return ""
}

// transactions puts "1 transactions" right.
func transactions(note string) string {
	if note == "1 transactions" {
		return "1 transaction"
	}
	return note
}

func lifeOfChaincode(e *step, who string) string {
	label, _, _ := strings.Cut(e.Key, ":")
	label = strings.Replace(label, "_", " ", 1)
	failed := ""
	if e.Note != "" {
		failed = ": " + shortNote(e.Note)
	}
	switch e.Kind {
	case trace.Installed:
		return fmt.Sprintf("The package of chaincode %s is installed at %s.", label, who)
	case trace.BuildStart:
		return fmt.Sprintf("A builder compiles chaincode %s for %s.", label, who)
	case trace.BuildEnd:
		return fmt.Sprintf("The build of chaincode %s for %s has ended%s.", label, who, failed)
	case trace.LaunchStart:
		return fmt.Sprintf("%s starts its chaincode %s.", who, label)
	case trace.LaunchEnd:
		if strings.HasPrefix(e.Note, "failed") {
			return fmt.Sprintf("The start of chaincode %s at %s %s.", label, who, shortNote(e.Note))
		}
		return fmt.Sprintf("Chaincode %s at %s is registered and ready after %s.", label, who, e.Note)
	case trace.ChaincodeExit:
		return fmt.Sprintf("Chaincode %s at %s has ended%s.", label, who, failed)
	}
	return ""
}

func orderingSentence(e *step, who string) string {
	switch e.Kind {
	case trace.Enqueued:
		if strings.HasPrefix(e.Note, "0 ") {
			return fmt.Sprintf("The leader %s adds transaction %s to the next block, which is complete with it.", who, view.ShortID(e.TxID))
		}
		return fmt.Sprintf("The leader %s adds transaction %s to the next block: %s.", who, view.ShortID(e.TxID), e.Note)
	case trace.BlockCut:
		why, rest, _ := strings.Cut(e.Note, ", ")
		reasons := map[string]string{"count": "it holds as many transactions as are allowed", "bytes": "it holds as many bytes as are allowed",
			"timeout": "its time is over", "idle": "nothing more is coming", "config": "a configuration stands in a block of its own"}
		if because, ok := reasons[why]; ok {
			return fmt.Sprintf("The leader %s cuts block %d with %s, because %s.", who, e.Block, rest, because)
		}
		return fmt.Sprintf("The leader %s cuts block %d: %s.", who, e.Block, e.Note)
	case trace.BlockWritten:
		return fmt.Sprintf("%s writes block %d: enough ordering nodes have it.", who, e.Block)
	case trace.RaftRole:
		switch e.Note {
		case "candidate":
			return fmt.Sprintf("%s hears no leader and becomes a candidate.", who)
		case "leader":
			return fmt.Sprintf("%s has won the election and leads in term %d.", who, e.Block)
		}
		return fmt.Sprintf("%s is a %s in term %d now.", who, e.Note, e.Block)
	case trace.RaftLeader:
		switch e.Other {
		case "":
			return fmt.Sprintf("%s knows no leader.", who)
		case e.Node:
			return fmt.Sprintf("%s leads the ordering service.", who)
		}
		return fmt.Sprintf("%s learns that %s leads.", who, view.Short(e.Other))
	}
	return ""
}

func clientSentence(e *step, who string) string {
	tx := "transaction " + view.ShortID(e.TxID)
	switch e.Kind {
	case trace.Compared:
		if e.Note == "equal" {
			return fmt.Sprintf("%s compares the endorsers' results of %s: they are equal.", who, tx)
		}
		return fmt.Sprintf("%s compares the endorsers' results of %s: %s.", who, tx, shortNote(e.Note))
	case trace.Submitted:
		return fmt.Sprintf("%s submits %s for ordering.", who, tx)
	case trace.CommitSeen:
		if e.Note == "VALID" {
			return fmt.Sprintf("%s learns that %s is valid.", who, tx)
		}
		return fmt.Sprintf("%s learns that %s is not valid: %s.", who, tx, e.Note)
	}
	return ""
}

func otherSentence(e *step, who string) string {
	note := shortNote(e.Note)
	switch e.Kind {
	case trace.NodeStart:
		return fmt.Sprintf("%s is being started.", who)
	case trace.NodeReady:
		return fmt.Sprintf("%s is ready.", who)
	case trace.NodeStop:
		return fmt.Sprintf("%s is stopped.", who)
	case trace.NodeKilled:
		return fmt.Sprintf("%s is killed, without warning.", who)
	case trace.ChannelJoin:
		return fmt.Sprintf("%s has joined the channel %s.", who, e.Channel)
	case trace.DefinitionKnown:
		return fmt.Sprintf("%s knows the new definition of chaincode %s: %s.", who, e.Key, note)
	case trace.LinkRule:
		if e.Node == "" && e.Other == "" {
			return "The links: " + note + "."
		}
		return fmt.Sprintf("The link between %s and %s is now: %s.", view.Short(e.Node), view.Short(e.Other), note)
	case trace.HoldSet:
		return "From now on a hold stops messages: " + holdText(e.Event) + "."
	case trace.HoldGone:
		return "A hold is taken away: " + holdText(e.Event) + "."
	case trace.Say:
		return strings.TrimSpace(e.Note)
	case trace.Step:
		switch e.Key {
		case "progress", "say": // told by an event of its own
			return ""
		case "look", "pace", "highlight", "close_up", "chapter", "reveal", "go_on", "ask", "task", "events", "settle", "expect":
			return "" // what a lesson shows and checks, not what the network does
		}
		return fmt.Sprintf("Script, %s: %s.", e.Key, note)
	case trace.Fault:
		return fmt.Sprintf("A fault at %s: %s.", who, note)
	case trace.ErrorEvent:
		return fmt.Sprintf("An error at %s: %s.", who, note)
	case trace.NetworkReady:
		return "The network is ready: all nodes have joined and the chaincodes can be called."
	case trace.Progress:
		if note == "paused" || note == "goes on" {
			label, _, _ := strings.Cut(e.Key, ":")
			return fmt.Sprintf("Chaincode %s of %s: %s.", strings.Replace(label, "_", " ", 1), who, note)
		}
		if e.Key != "" {
			return fmt.Sprintf("Done: %s, in %s.", e.Key, note)
		}
	}
	return ""
}
