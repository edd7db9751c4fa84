package words

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Teller tells events in sentences.
type Teller struct {
	Book     *Book
	Name     func(node string) string                      // a node's name as the person knows it
	Function func(tx string) string                        // which function a transaction calls, "" = unknown; nil = nobody knows
	Until    func(e *trace.Event) (end string, known bool) // the key at which a range ends; nil = nobody knows
}

// told is one way to tell a kind of event. The first that fits is taken.
type told struct {
	dir  trace.Dir  // None: of any
	what trace.What // Untold: of any
	id   string
}

// sentences has what is said about each kind. The places of a text are those of value.
var sentences = map[trace.Kind][]told{
	trace.Proposal: {
		{trace.Sent, 0, "{{.From}} proposes {{.Call}} to {{.To}}."},
		{trace.Received, 0, "{{.To}} has received {{.From}}'s proposal of {{.Call}}."},
	},
	trace.ProposalResponse: {
		{0, trace.Rejected, "{{.From}} answers {{.To}} that it does not endorse {{.Tx}}: {{.Note}}."},
		{0, trace.Failed, "{{.From}} answers {{.To}} that it does not endorse {{.Tx}}: {{.Note}}."},
		{trace.Sent, 0, "{{.From}} sends {{.To}} its endorsement of {{.Call}}."},
		{trace.Received, 0, "{{.To}} has received the endorsement of {{.From}} for {{.Call}}."},
	},
	trace.GatewayCall:   {{0, 0, "{{.From}} calls {{.Key}} of the gateway at {{.To}}{{.Of}}."}},
	trace.GatewayAnswer: {{0, 0, "The gateway at {{.From}} answers {{.Key}} to {{.To}}{{.Of}}."}},
	trace.Broadcast: {
		{trace.Sent, 0, "{{.From}} sends {{.Call}} to {{.To}} to be ordered."},
		{trace.Received, 0, "{{.To}} has received {{.Call}} from {{.From}}, to be ordered."},
	},
	trace.BroadcastAnswer: {
		{0, trace.Rejected, "{{.From}} refuses {{.Tx}} of {{.To}}: {{.Note}}."},
		{0, trace.Failed, "{{.From}} refuses {{.Tx}} of {{.To}}: {{.Note}}."},
		{0, 0, "{{.From}} tells {{.To}} that it has accepted {{.Tx}} for ordering."},
	},
	trace.Forward:       {{0, 0, "{{.From}} passes {{.Tx}} on to the leader {{.To}}."}},
	trace.ForwardAnswer: {{0, 0, "{{.From}} answers {{.To}} about {{.Tx}}."}},
	trace.Seek:          {{0, trace.SeekForEver, "{{.From}} asks {{.To}} for blocks, from {{.Position}} on for ever."}, {0, trace.SeekBounded, "{{.From}} asks {{.To}} for blocks, from {{.Position}} to {{.Until}}."}, {0, 0, "{{.From}} asks {{.To}} for blocks, {{.Note}}."}},
	trace.DeliverBlock: {
		{trace.Sent, 0, "{{.From}} sends block {{.Block}} to {{.To}}."},
		{trace.Received, 0, "{{.To}} has received block {{.Block}} from {{.From}}."},
	},
	trace.DeliverFiltered: {{0, 0, "{{.From}} tells {{.To}} how the transactions of block {{.Block}} ended."}},
	trace.DeliverStatus:   {{0, 0, "{{.From}} ends its delivery of blocks to {{.To}}: {{.Note}}."}},
	trace.PeerCall:        {{0, 0, "{{.From}} calls {{.Key}} of {{.To}}."}},
	trace.PeerAnswer:      {{0, 0, "{{.From}} answers the call {{.Key}} of {{.To}}."}},
	trace.Other:           {{0, 0, "{{.From}} calls {{.Key}} of {{.To}}."}},

	trace.RaftAppend: {{0, trace.Told, "The leader {{.From}} sends {{.To}} new log entries, up to entry {{.B}} of term {{.A}}; entries up to {{.C}} are committed."},
		{0, 0, "The leader {{.From}} sends {{.To}} new log entries: {{.Note}}."}},
	trace.RaftAppendReply: {{0, trace.Accepted, "{{.From}} answers the leader {{.To}} in term {{.A}}: it has all up to entry {{.B}}."},
		{0, trace.Rejected, "{{.From}} answers the leader {{.To}} in term {{.A}}: the entries don't fit its log, which ends with entry {{.B}}."},
		{0, 0, "{{.From}} answers the leader {{.To}}: {{.Note}}."}},
	trace.RaftVote: {{0, 0, "{{.From}} asks {{.To}} for its vote, to lead in term {{.A}}."}},
	trace.RaftVoteReply: {{0, trace.Accepted, "{{.From}} gives {{.To}} its vote for term {{.A}}."},
		{0, trace.Rejected, "{{.From}} refuses {{.To}} its vote for term {{.A}}."}, {0, 0, "{{.From}} answers {{.To}}, who asked for its vote: {{.Note}}."}},
	trace.RaftSnapshot:   {{0, 0, "{{.From}} sends {{.To}} a snapshot, since it was away for long."}},
	trace.RaftTimeoutNow: {{0, 0, "{{.From}} hands the leadership over to {{.To}}."}},
	trace.RaftOther:      {{0, 0, "{{.From}} and {{.To}} exchange a message of Raft: {{.Note}}."}},

	trace.ChaincodeTransaction: {{0, 0, "{{.Peer}} asks its chaincode {{.Code}} to simulate {{.Function}} for {{.Tx}}."}},
	trace.ChaincodeInit:        {{0, 0, "{{.Peer}} asks its chaincode {{.Code}} to simulate {{.Function}} for {{.Tx}}."}},
	trace.ChaincodeGetState:    {{0, 0, "Chaincode {{.Code}} of {{.Peer}} reads {{.Key}} for {{.Tx}} (GetState)."}},
	trace.ChaincodePutState:    {{0, 0, "Chaincode {{.Code}} of {{.Peer}} puts {{.Key}} into the write set of {{.Tx}} (PutState)."}},
	trace.ChaincodeDelState:    {{0, 0, "Chaincode {{.Code}} of {{.Peer}} puts the deletion of {{.Key}} into the write set of {{.Tx}} (DelState)."}},
	trace.ChaincodeResponse:    {{0, 0, "{{.Peer}} answers its chaincode {{.Code}} for {{.Call}}."}},
	trace.ChaincodeCompleted: {{0, trace.Accepted, "Chaincode {{.Code}} of {{.Peer}} has finished its call for {{.Call}}: status {{.A}}."},
		{0, 0, "Chaincode {{.Code}} of {{.Peer}} has finished its call for {{.Call}}: status {{.Note}}."}},
	trace.ChaincodeError:      {{0, 0, "Chaincode {{.Code}} of {{.Peer}} and its peer report an error for {{.Tx}}: {{.Note}}."}},
	trace.ChaincodeRegister:   {{0, 0, "Chaincode {{.Code}} dials {{.Peer}} and registers."}},
	trace.ChaincodeRegistered: {{0, 0, "{{.Peer}} accepts the registration of its chaincode {{.Code}}."}},
	trace.ChaincodeReady:      {{0, 0, "{{.Peer}} tells its chaincode {{.Code}} that it will send transactions now."}},

	trace.SimulateStart: {{0, 0, "{{.Node}} opens a simulator for {{.Tx}}; it sees the state at height {{.Block}}."}},
	trace.SimulateEnd: {{0, trace.Accepted, "{{.Node}} has the complete read-write set of {{.Tx}}: {{.Reads}}, {{.Writes}}, status {{.C}}."},
		{0, trace.Rejected, "{{.Node}} has the complete read-write set of {{.Tx}}: {{.Reads}}, {{.Writes}}, status {{.C}}."},
		{0, 0, "{{.Node}} has the complete read-write set of {{.Tx}}: {{.Note}}."}},
	trace.ReadAdded: {{0, trace.Absent, "{{.Node}} adds a read of {{.Key}}, which does not exist, to the read set of {{.Tx}}."},
		{0, trace.Present, "{{.Node}} adds a read of {{.Key}} at version {{.A}}:{{.B}} to the read set of {{.Tx}}."},
		{0, 0, "{{.Node}} adds a read of {{.Key}} to the read set of {{.Tx}}: {{.Note}}."}},
	trace.RangeAdded: {{0, trace.Complete, "{{.Node}} adds a range query ({{.Range}}) to the read set of {{.Tx}}: {{.N}} keys, read to its end."},
		{0, trace.Incomplete, "{{.Node}} adds a range query ({{.Range}}) to the read set of {{.Tx}}: {{.N}} keys, left before its end."},
		{0, 0, "{{.Node}} adds a range query ({{.Range}}) to the read set of {{.Tx}}: {{.Note}}."}},
	trace.RichQuery: {{0, trace.ByIndex, "{{.Node}} answers a rich query of {{.Tx}} with the index {{.Name}}."},
		{0, 0, "{{.Node}} answers a rich query of {{.Tx}} without an index: it reads all keys of the chaincode."}},
	trace.WriteAdded: {{0, trace.Put, "{{.Node}} adds a write of {{.Key}} ({{.N}} bytes) to the write set of {{.Tx}}, not to the state."},
		{0, trace.Delete, "{{.Node}} adds the deletion of {{.Key}} to the write set of {{.Tx}}, not to the state."},
		{0, trace.PutMetadata, "{{.Node}} adds a policy of {{.Key}}'s own to the write set of {{.Tx}}, not to the state."},
		{0, 0, "{{.Node}} adds a write of {{.Key}} ({{.Note}}) to the write set of {{.Tx}}, not to the state."}},
	trace.Endorsed:     {{0, 0, "{{.Node}} signs its result of {{.Tx}}: that is its endorsement."}},
	trace.Refused:      {{0, 0, "{{.Node}} does not endorse {{.Tx}}: {{.Note}}."}},
	trace.BlockPulled:  {{0, trace.Told, "{{.Node}} takes in block {{.Block}} with {{.N}} transactions."}, {0, 0, "{{.Node}} takes in block {{.Block}} with {{.Note}}."}},
	trace.ValidateFrom: {{0, trace.Told, "{{.Node}} begins to validate block {{.Block}} with {{.N}} transactions."}, {0, 0, "{{.Node}} begins to validate block {{.Block}} with {{.Note}}."}},
	trace.PolicyJudged: {{0, trace.Valid, "{{.Node}} finds the signatures and the endorsement policy of {{.Tx}} fulfilled."},
		{0, trace.Invalid, "{{.Node}} has judged signatures and endorsement policy of {{.Tx}}: {{.Verdict}}. {{.Meaning}}"},
		{0, 0, "{{.Node}} judges the signatures and the endorsement policy of {{.Tx}}: {{.Note}}."}},
	trace.VersionCheck: {{0, trace.Valid, "{{.Node}} finds every version that {{.Tx}} has read still in place."},
		{0, trace.Invalid, "{{.Node}} has checked what {{.Tx}} has read: {{.Verdict}}. {{.Meaning}}"},
		{0, 0, "{{.Node}} checks the versions that {{.Tx}} has read: {{.Note}}."}},
	trace.Verdict: {{0, trace.Valid, "{{.Node}} marks {{.Tx}} in block {{.Block}} as valid."},
		{0, trace.Invalid, "{{.Node}} marks {{.Tx}} in block {{.Block}} as not valid, {{.Key}}. {{.Reason}}"},
		{0, 0, "{{.Node}} marks {{.Tx}} in block {{.Block}}: {{.Key}}. {{.Note}}"}},
	trace.Committed: {{0, 0, "{{.Node}} has committed block {{.Block}}: block, state and history are on disk."}},

	trace.DiskSync: {{0, trace.SyncAwaited, "A commit of {{.Node}} waited {{.Took}} until the disk had caught up."},
		{0, 0, "{{.Node}} has {{.Bytes}} on the disk after {{.Took}}."}},

	trace.Installed:   {{0, 0, "The package of chaincode {{.Label}} is installed at {{.Node}}."}},
	trace.BuildStart:  {{0, 0, "A builder compiles chaincode {{.Label}} for {{.Node}}."}},
	trace.BuildEnd:    {{0, 0, "The build of chaincode {{.Label}} for {{.Node}} has ended{{.Because}}."}},
	trace.LaunchStart: {{0, 0, startsCode}},
	trace.LaunchEnd: {{0, trace.CodeReady, "Chaincode {{.Label}} at {{.Node}} is registered and ready after {{.Took}}."},
		{0, trace.Failed, "The start of chaincode {{.Label}} at {{.Node}} failed{{.Because}}."},
		{0, 0, "The start of chaincode {{.Label}} at {{.Node}} has ended{{.Because}}."}},
	trace.ChaincodeExit: {{0, 0, "Chaincode {{.Label}} at {{.Node}} has ended{{.Because}}."}},
	trace.IndexMade:     {{0, 0, "{{.Node}} has made the index {{.Key}} for the rich queries of chaincode {{.Name}}."}},
	trace.ChaincodeLog: {{0, trace.LinesLeftOut, "Chaincode {{.Package}} at {{.Node}} printed so much that {{.A}} lines are left out."},
		{0, 0, "Chaincode {{.Package}} at {{.Node}} prints: {{.Key}}"}},
	trace.DefinitionKnown: {{0, trace.Told, "{{.Node}} knows the new definition of chaincode {{.Key}}: version {{.Name}}, sequence {{.A}}."}, {0, 0, "{{.Node}} knows the new definition of chaincode {{.Key}}: {{.Note}}."}},

	trace.Enqueued: {{0, trace.Told, "The leader {{.Node}} adds {{.Tx}} to the next block: {{.N}} pending, {{.Bytes}}."},
		{0, 0, "The leader {{.Node}} adds {{.Tx}} to the next block: {{.Note}}."}},
	trace.BlockCut: {
		{0, trace.CutByCount, "The leader {{.Node}} cuts block {{.Block}} with {{.N}} transactions, because it holds as many transactions as are allowed."},
		{0, trace.CutByBytes, "The leader {{.Node}} cuts block {{.Block}} with {{.N}} transactions, because it holds as many bytes as are allowed."},
		{0, trace.CutByTimeout, "The leader {{.Node}} cuts block {{.Block}} with {{.N}} transactions, because its time is over."},
		{0, trace.CutIdle, "The leader {{.Node}} cuts block {{.Block}} with {{.N}} transactions, because nothing more is coming."},
		{0, trace.CutByConfig, "The leader {{.Node}} cuts block {{.Block}} with {{.N}} transactions, because a configuration stands in a block of its own."},
		{0, 0, "The leader {{.Node}} cuts block {{.Block}}: {{.Note}}."},
	},
	trace.BlockWritten: {{0, 0, "{{.Node}} writes block {{.Block}}: enough ordering nodes have it."}},
	trace.RaftRole: {
		{0, trace.Candidate, "{{.Node}} hears no leader and becomes a candidate."},
		{0, trace.Leader, "{{.Node}} has won the election and leads in term {{.A}}."},
		{0, trace.Follower, "{{.Node}} is a follower in term {{.A}} now."},
		{0, trace.Stopped, "{{.Node}} has stopped taking part in Raft."},
		{0, 0, "{{.Node}} is a {{.Note}} now."},
	},

	trace.Compared: {{0, trace.Equal, "{{.Node}} compares the endorsers' results of {{.Tx}}: they are equal."},
		{0, 0, "{{.Node}} compares the endorsers' results of {{.Tx}}: {{.Note}}."}},
	trace.Submitted: {{0, 0, "{{.Node}} submits {{.Tx}} for ordering."}},
	trace.CommitSeen: {{0, trace.Valid, "{{.Node}} learns that {{.Tx}} is valid."},
		{0, 0, "{{.Node}} learns that {{.Tx}} is not valid: {{.Note}}."}},

	trace.NodeStart:   {{0, 0, "{{.Node}} is being started."}},
	trace.NodeReady:   {{0, 0, "{{.Node}} is ready."}},
	trace.NodeStop:    {{0, 0, "{{.Node}} is stopped."}},
	trace.NodeKilled:  {{0, 0, "{{.Node}} is killed, without warning."}},
	trace.ChannelJoin: {{0, 0, "{{.Node}} has joined the channel {{.Channel}}."}},
	trace.Partition: {{0, trace.Parted, "A partition divides the network into {{.Groups}}; {{.Node}} stands in group {{.Group}}."},
		{0, trace.RuleHealed, "The partition is over: the groups reach one another again."}},
	trace.LinkRule: {
		{0, trace.RuleHealed, "The link between {{.Node}} and {{.Other}} is as it was."},
		{0, trace.RuleCut, "The link between {{.Node}} and {{.Other}} is cut."},
		{0, trace.RuleCutOneWay, "The link from {{.Node}} to {{.Other}} is cut; the way back is open."},
		{0, trace.RuleShaped, "The link between {{.Node}} and {{.Other}} has now: {{.Shape}}."},
		{0, trace.RuleShapedOneWay, "The link from {{.Node}} to {{.Other}} has now: {{.Shape}}."},
	},
	trace.HoldSet:  {{0, 0, "From now on a hold stops messages: {{.Hold}}."}},
	trace.HoldGone: {{0, trace.HoldSpent, "A hold has stopped what it was set for: {{.Hold}}."}, {0, 0, "A hold is taken away: {{.Hold}}."}},
	trace.Fault: {
		{0, trace.FaultLies, "A fault at {{.Node}}: it lies about what it endorses."},
		{0, trace.FaultHonest, "{{.Node}} is honest again."},
		{0, trace.FaultValueChanged, "A fault at {{.Node}}: the value written to {{.Key}} was changed before endorsing."},
		{0, trace.FaultStateEdited, "A fault at {{.Node}}: somebody changed the value of {{.Key}} in its state database; no block says so."},
		{0, 0, "A fault at {{.Node}}: {{.Note}}."},
	},
	trace.ErrorEvent:   {{0, 0, "An error at {{.Node}}: {{.Note}}."}},
	trace.NetworkReady: {{0, 0, "The network is ready: all nodes have joined and the chaincodes can be called."}},
	trace.Progress: {
		{0, trace.StepDone, "Done: {{.Step}}, in {{.Took}}."},
		{0, trace.CodePaused, "Chaincode {{.Label}} of {{.Node}} is paused."},
		{0, trace.CodeResumed, "Chaincode {{.Label}} of {{.Node}} goes on."},
		{0, trace.Told, "Chaincode {{.Label}} of {{.Node}}: {{.Note}}."},
		{0, trace.CaughtUp, "{{.Node}} has caught up: {{.N}} blocks fetched."},
		{0, trace.MemberAdded, "{{.Node}} has taken {{.Key}} into the ordering service."},
		{0, trace.MemberRemoved, "{{.Node}} has removed {{.Key}} from the ordering service."},
	},
}

// What is said about any message that is on its way and about what has no kind of its own.
const (
	holdStops    = "A hold stops the {{.Kind}} message from {{.From}} to {{.To}}{{.Of}}."
	goesOn       = "The {{.Kind}} message from {{.From}} to {{.To}}{{.Of}} goes on."
	lostCut      = "The {{.Kind}} message from {{.From}} to {{.To}}{{.Of}} is lost: the link is cut."
	lostGivenUp  = "The {{.Kind}} message from {{.From}} to {{.To}}{{.Of}} is lost: its time was over."
	lostGone     = "The {{.Kind}} message from {{.From}} to {{.To}}{{.Of}} is lost: there is no connection."
	codeCalls    = "Chaincode {{.Code}} of {{.Peer}} calls {{.Request}} in {{.Tx}}."
	codeLists    = "Chaincode {{.Code}} of {{.Peer}} lists keys ({{.Range}}) in {{.Tx}} (GetStateByRange)."
	codeCallsFor = "Chaincode {{.Code}} of {{.Peer}} calls {{.Request}} for {{.Key}} in {{.Tx}}."
	scriptStep   = "Script, {{.Key}}: {{.Note}}."
	scriptDid    = "Script: {{.Key}}."
	linksHealed  = "All links are whole again."
	linksNow     = "The links: {{.Note}}."
	noLeader     = "{{.Node}} knows no leader."
	leads        = "{{.Node}} leads the ordering service."
	learnsLeader = "{{.Node}} learns that {{.Other}} leads."
	startsCode   = "{{.Node}} starts its chaincode {{.Label}}."
	fillsBlock   = "The leader {{.Node}} adds {{.Tx}} to the next block, which is complete with it."
)

// quietSteps are the steps of a scenario that show and check, and do nothing to the network;
// and those that are told by an event of their own.
var quietSteps = map[string]bool{"progress": true, "say": true, "look": true, "conceal": true, "pace": true, "highlight": true, "close_up": true, "chapter": true,
	"reveal": true, "go_on": true, "ask": true, "task": true, "events": true, "settle": true, "expect": true}

// Event is one event as a plain sentence, "" for what is not worth one. from and to are the
// ends of a message.
func (t *Teller) Event(e *trace.Event, from, to string) string {
	if e.Kind == trace.Say {
		return strings.TrimSpace(t.Book.Said(e))
	}
	id := t.choose(e)
	if id == "" {
		return ""
	}
	return t.fill(id, e, from, to)
}

func (t *Teller) fill(id string, e *trace.Event, from, to string) string {
	return t.Book.fill(id, func(name string) any { return t.value(e, from, to, name) })
}

// fitting is the first of some ways to tell an event that fits it, "" if none does.
func fitting(ways []told, e *trace.Event) string {
	for _, s := range ways {
		if (s.dir == trace.None || s.dir == e.Dir) && (s.what == trace.Untold || s.what == e.What) {
			return s.id
		}
	}
	return ""
}

// choose finds the text that fits an event, "" if there is none.
func (t *Teller) choose(e *trace.Event) string {
	switch e.Dir {
	case trace.Held:
		return holdStops
	case trace.Released:
		return goesOn
	case trace.Lost:
		switch e.What {
		case trace.LostCut:
			return lostCut
		case trace.LostGivenUp:
			return lostGivenUp
		}
		return lostGone
	}
	switch e.Kind {
	case trace.Step:
		switch {
		case quietSteps[e.Key]:
			return ""
		case e.Note == "":
			return scriptDid
		}
		return scriptStep
	case trace.LaunchStart:
		return cmp.Or(runtimes[e.Name].starts, startsCode)
	case trace.RaftLeader:
		switch e.Other {
		case "":
			return noLeader
		case e.Node:
			return leads
		}
		return learnsLeader
	case trace.Progress:
		if e.What == trace.Told && e.Key == "" {
			return ""
		}
	case trace.Enqueued:
		if e.What == trace.Told && e.A == 0 {
			return fillsBlock
		}
	case trace.LinkRule:
		switch {
		case e.Node != "" || e.Other != "":
		case e.What == trace.RuleHealed:
			return linksHealed
		default:
			return linksNow
		}
	}
	ways, known := sentences[e.Kind]
	switch {
	case e.Kind == rangeAsked:
		return codeLists
	case known || Request(e.Kind) == "":
		return fitting(ways, e)
	case e.Key != "":
		return codeCallsFor
	}
	return codeCalls
}

// value is what stands in a place of an event's text.
func (t *Teller) value(e *trace.Event, from, to, name string) any {
	switch name {
	case "From":
		return t.Name(from)
	case "To":
		return t.Name(to)
	case "Node":
		return t.Name(e.Node)
	case "Other":
		return t.Name(e.Other)
	case "Peer", "Code":
		code, peer := e.Other, e.Node
		if host(e.Node) != "" {
			code, peer = peer, code
		}
		if name == "Peer" {
			return t.Name(peer)
		}
		return t.Name(code)
	case "A", "N", "Term", "Height":
		return e.A
	case "B":
		return e.B
	case "C", "Status":
		return e.C
	case "Block":
		return e.Block
	case "Key":
		return KeyText(e.Key)
	case "Function": // files of earlier versions have it in the note only
		if e.Key == "" {
			return e.Note
		}
		return e.Key
	case "Name", "V":
		return e.Name
	case "Channel":
		return e.Channel
	}
	return t.phrase(e, name)
}

// phrase is what stands in the places that have words of their own.
func (t *Teller) phrase(e *trace.Event, name string) string {
	b := t.Book
	switch name {
	case "Tx":
		return b.L("transaction {{.ID}}", shortID(e.TxID))
	case "Call":
		if t.Function != nil {
			if fn := t.Function(e.TxID); fn != "" {
				return b.L("transaction {{.ID}} ({{.Function}})", shortID(e.TxID), fn)
			}
		}
		return b.L("transaction {{.ID}}", shortID(e.TxID))
	case "Of":
		if e.TxID == "" {
			return ""
		}
		return b.L(" of transaction {{.ID}}", shortID(e.TxID))
	case "Note":
		return b.Line(e.Note)
	case "Range":
		return t.span(e)
	case "Verdict":
		code, _ := CodeOf(e)
		return code.String()
	case "Meaning":
		code, _ := CodeOf(e)
		return b.Code(code)
	case "Because":
		if e.Note == "" {
			return ""
		}
		return ": " + b.Line(strings.TrimPrefix(e.Note, "failed: "))
	case "Reason":
		return b.Reason(e)
	case "Kind":
		return strings.NewReplacer(".", " ", "-", " ", "_", " ").Replace(string(e.Kind))
	case "Request":
		return Request(e.Kind)
	case "Package":
		return Label(e.Name)
	case "Label":
		return Label(e.Key)
	case "Step":
		return b.StartStep(e.Key)
	case "Took":
		return Took(time.Duration(e.A))
	case "Reads":
		return b.L("{{.N}} reads", e.A)
	case "Writes":
		return b.L("{{.N}} writes", e.B)
	case "Bytes":
		return b.L("{{.N}} bytes", e.B)
	case "Size":
		return b.L("{{.N}} bytes", e.A)
	case "Transactions":
		return b.L("{{.N}} transactions", e.A)
	case "Role":
		return b.Role(e.What)
	case "Cut":
		return b.CutReason(e.What)
	case "Position":
		return b.position(e.A)
	case "Until":
		return b.position(e.B)
	case "Groups":
		return b.L("{{.N}} groups", e.B)
	case "Group":
		return strconv.FormatInt(e.A+1, 10)
	case "Shape":
		return b.Shape(time.Duration(e.A), time.Duration(e.B), float64(e.C)/1e6)
	case "Hold":
		return b.Hold(Hold{Kind: e.Name, From: t.Name(e.Node), To: t.Name(e.Other), Tx: e.TxID, Key: e.Key})
	}
	return "{{." + name + "}}"
}

// position is what a reader of blocks asks for.
func (b *Book) position(n int64) string {
	switch n {
	case trace.PositionNewest:
		return b.L("the newest one")
	case trace.PositionOldest:
		return b.L("the first one")
	case trace.PositionNextCommit:
		return b.L("the next one")
	}
	return strconv.FormatInt(n, 10)
}

// Reason says why a transaction is not valid, as far as an event tells.
func (b *Book) Reason(e *trace.Event) string {
	if b.Tag() == "en" {
		return e.Note
	}
	code, _ := CodeOf(e)
	return b.Code(code)
}

// FullReason says why a transaction is not valid with all that its peer told. Peers explain it
// in English; other languages say first what the code means.
func (b *Book) FullReason(e *trace.Event) string {
	if b.Tag() == "en" {
		return e.Note
	}
	return strings.TrimSpace(b.Reason(e) + " " + e.Note)
}

// Shape says what is done to a link's messages.
func (b *Book) Shape(latency, jitter time.Duration, loss float64) string {
	var parts []string
	if latency > 0 {
		parts = append(parts, b.L("latency {{.Time}}", latency))
	}
	if jitter > 0 {
		parts = append(parts, b.L("jitter {{.Time}}", jitter))
	}
	if loss > 0 {
		parts = append(parts, b.L("loss {{.Percent}} %", strconv.FormatFloat(loss*100, 'g', 3, 64)))
	}
	return strings.Join(parts, ", ")
}

// Hold is what a hold stops; empty fields are any.
type Hold struct {
	Kind, From, To, Tx, Key string
	Count                   int // of messages; 0: every one
}

// Hold says what a hold stops.
func (b *Book) Hold(h Hold) string {
	text := b.L("holding every message")
	if h.Kind != "" {
		text = b.L("holding {{.Kind}}", h.Kind)
	}
	if h.From != "" {
		text += b.L(" from {{.Node}}", h.From)
	}
	if h.To != "" {
		text += b.L(" to {{.Node}}", h.To)
	}
	if h.Tx != "" {
		text += b.L(" of transaction {{.ID}}", shortID(h.Tx))
	}
	if h.Key != "" {
		text += b.L(" with key {{.Key}}", h.Key)
	}
	if h.Count > 0 {
		text += b.L(", the next {{.N}}", h.Count)
	}
	return text
}

// rangeAsked is a chaincode's request to list keys.
const rangeAsked = trace.ChaincodePrefix + "get_state_by_range"

// span says from which key to which an event's range goes, as far as is known.
func (t *Teller) span(e *trace.Event) string {
	from := t.Book.L("the first key")
	if e.Key != "" {
		from = KeyText(e.Key)
	}
	if t.Until == nil {
		return t.Book.L("from {{.Key}}", from)
	}
	end, known := t.Until(e)
	switch {
	case !known:
		return t.Book.L("from {{.Key}}", from)
	case end == "":
		return t.Book.L("from {{.From}} to {{.To}}", from, t.Book.L("the last key"))
	}
	return t.Book.L("from {{.From}} to {{.To}}", from, KeyText(end))
}

// What gRPC puts around the cause of an error: its codes, and who met it.
var (
	grpcWords = regexp.MustCompile(`(?:rpc error: )?code = \w+ desc = |\b(?:Unavailable|Canceled|DeadlineExceeded|Internal|Aborted): |` +
		`transport: (?:Error while dialing: |authentication handshake failed: )?|error reading (?:from server|server preface): |connection error: `)
	grpcQuote = regexp.MustCompile(`connection error: desc = "([^"]*)"?`)
	dialled   = regexp.MustCompile(`dial (?:tcp|unix) (\S+): connect: (?:connection refused|no such file or directory)`)
)

// causes are the last words of errors that say little, in a person's words.
var causes = map[string]string{
	"context deadline exceeded":        "its time was over",
	"context canceled":                 "it was given up",
	"EOF":                              "the connection ended",
	"the client connection is closing": "the connection is being closed",
	"connection reset by peer":         "the other side ended the connection",
	"stream terminated by RST_STREAM":  "the other side ended the call",
}

// Cause is what an event that tells of an end or a failure says of its cause.
func Cause(e *trace.Event) string { return e.Note }

// Plain is what whoever recorded an event wrote to it, in English: for documents that show an
// event as it is, and the result that an answer carries.
func Plain(e *trace.Event) string { return e.Note }

// Line is a note as a part of a sentence: what gRPC puts around an error's cause is left out, and
// causes that say little are said in a person's words. Very long ones end in an ellipsis.
func (b *Book) Line(note string) string {
	note = grpcWords.ReplaceAllString(grpcQuote.ReplaceAllString(note, "$1"), "")
	note = dialled.ReplaceAllStringFunc(note, func(found string) string {
		return b.L("nobody answers at {{.Address}}", dialled.FindStringSubmatch(found)[1])
	})
	note = strings.TrimSuffix(strings.TrimSpace(note), ".")
	for said, id := range causes {
		if rest, ok := strings.CutSuffix(note, said); ok {
			note = rest + b.L(id)
			break
		}
	}
	const most = 400
	if r := []rune(note); len(r) > most {
		return string(r[:most]) + "…"
	}
	return note
}

// Request is the shim's name of what a chaincode asks for, "" for other kinds:
// chaincode.get_state is GetState.
func Request(k trace.Kind) string {
	name, ok := strings.CutPrefix(string(k), string(trace.ChaincodePrefix))
	if !ok || k == trace.ChaincodeUnknown {
		return ""
	}
	parts := strings.Split(name, "_")
	for i, part := range parts {
		if part != "" {
			parts[i] = strings.ToUpper(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, "")
}

// Label is a package's label or id as a person knows it: "basic_1.0:ab12" is "basic 1.0".
// The name may have underscores of its own.
func Label(packageID string) string {
	label, _, _ := strings.Cut(packageID, ":")
	if i := strings.LastIndexByte(label, '_'); i > 0 {
		return label[:i] + " " + label[i+1:]
	}
	return label
}

// Took is a duration with as many digits as a person wants to know.
func Took(d time.Duration) string {
	if d < 10*time.Millisecond {
		return d.Round(time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

func shortID(id string) string { return id[:min(4, len(id))] }

// host is the peer that a chaincode's node name belongs to, "" for other nodes.
func host(node string) string {
	if label, peer, ok := strings.Cut(node, "@"); ok && strings.Contains(label, "_") {
		return peer
	}
	return ""
}
