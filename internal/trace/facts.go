package trace

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// What says which of a kind's cases an event is. Events of run files that were written
// before facts were recorded are Untold: nothing is known of their A, B, C and Name.
type What uint8

// The cases. They are written to run files as numbers: new ones go to the end.
const (
	Untold What = iota
	Told        // the kind has one case; A, B, C and Name are given

	// Answers and results.
	Accepted
	Rejected // refused by who answers; Status says why
	Failed   // no answer: the call itself failed
	Valid
	Invalid
	Equal
	Differs

	// What a node is, and Raft's roles.
	IsPeer
	IsOrderer
	Follower
	Candidate
	Leader

	// Why a batch was cut.
	CutByCount
	CutByBytes
	CutByTimeout
	CutIdle
	CutByConfig

	// Reads and writes.
	Present
	Absent
	Put
	Delete
	Complete   // a range query was read to its end
	Incomplete // it was left before

	// Links.
	RuleHealed
	RuleCut
	RuleCutOneWay
	RuleShaped
	RuleShapedOneWay
	Parted

	// Holds.
	HoldRemoved
	HoldSpent

	// Faults.
	FaultLies
	FaultHonest
	FaultValueChanged

	// Chaincodes.
	CodeReady
	CodePaused
	CodeResumed
	CodeEnded
	Stopped

	// Progress.
	StepDone
	CaughtUp
	MemberAdded
	MemberRemoved
	PlainTextMissing
	PlainTextFound

	// Why a message is lost.
	LostCut     // a rule cuts the link
	LostGone    // the connection or the other end is gone
	LostGivenUp // its time was over, in the link or while it was held

	// Which blocks a reader asks for.
	SeekForEver
	SeekBounded

	PutMetadata // a key's own endorsement policy or other metadata

	// Waits for the disk.
	SyncLog     // what was written to the log reaches the disk
	SyncFile    // what was written to the file itself does
	SyncAwaited // no sync of its own: a commit waited until the disk had caught up

	FaultStateEdited // a value in a peer's state database, behind its back

	// How a rich query is answered.
	ByIndex // an index of the chaincode's package is walked
	NoIndex // every key of the chaincode is read

	LinesLeftOut // a chaincode printed more than is kept

	whatCount
)

var whatNames = [whatCount]string{
	Told: "told", Accepted: "accepted", Rejected: "rejected", Failed: "failed", Valid: "valid", Invalid: "invalid",
	Equal: "equal", Differs: "differs", IsPeer: "peer", IsOrderer: "orderer", Follower: "follower",
	Candidate: "candidate", Leader: "leader", CutByCount: "count", CutByBytes: "bytes",
	CutByTimeout: "timeout", CutIdle: "idle", CutByConfig: "config", Present: "present", Absent: "absent", Put: "put",
	Delete: "delete", Complete: "complete", Incomplete: "incomplete", RuleHealed: "healed", RuleCut: "cut",
	RuleCutOneWay: "cut-one-way", RuleShaped: "shaped", RuleShapedOneWay: "shaped-one-way", Parted: "parted",
	HoldRemoved: "removed", HoldSpent: "spent", FaultLies: "lies", FaultHonest: "honest", FaultValueChanged: "value-changed",
	CodeReady: "ready", CodePaused: "paused", CodeResumed: "resumed", CodeEnded: "ended", Stopped: "stopped",
	StepDone: "done", CaughtUp: "caught-up", MemberAdded: "member-added", MemberRemoved: "member-removed",
	PlainTextMissing: "plain-text-missing", PlainTextFound: "plain-text-found", LostCut: "link-cut",
	LostGone: "connection-gone", LostGivenUp: "given-up", SeekForEver: "for-ever", SeekBounded: "bounded",
	PutMetadata: "metadata", SyncLog: "log", SyncFile: "file", SyncAwaited: "awaited", FaultStateEdited: "state-edited",
	ByIndex: "index", NoIndex: "no-index",
	LinesLeftOut: "lines-left-out",
}

// String gives the case's word in listings, filters and exports; "" for Untold.
func (w What) String() string {
	if w >= whatCount {
		return "case " + strconv.Itoa(int(w))
	}
	return whatNames[w]
}

// Unit says what a number of an event counts.
type Unit uint8

// The units.
const (
	Unused     Unit = iota
	Number          // a count or an identity
	Bytes           // a size
	Duration        // nanoseconds
	Status          // 200, 404, ...: Fabric's statuses of answers
	Code            // a validation code, peer.TxValidationCode
	Millionths      // a probability
	Hash            // the first eight bytes of a digest
	Position        // a block number; PositionNewest and so on stand for what has no number
)

// Positions that a seek can ask for besides a block's number.
const (
	PositionNewest     = -1
	PositionOldest     = -2
	PositionNextCommit = -3
	PositionForEver    = -4
)

// Quantity names a number of a kind.
type Quantity struct {
	Name string // as in exports and scenarios, for example "term"; "" = the kind has no such number
	Unit Unit
}

// Kept is what the events of a kind carry besides nodes, transaction, block and key.
type Kept struct {
	Whats   []What // the cases that occur
	A, B, C Quantity
	Name    string // what Event.Name is, "" = unused
}

var (
	told     = []What{Told}
	answers  = []What{Accepted, Rejected, Failed}
	verdicts = []What{Valid, Invalid}
	status   = Quantity{"status", Status}
	code     = Quantity{"code", Code}
	term     = Quantity{"term", Number}
	took     = Quantity{"took", Duration}
	contains = Quantity{"transactions", Number}
)

// factsTable is the one place that says what A, B, C and Name mean.
var factsTable = map[Kind]Kept{
	ProposalResponse: {Whats: answers, A: status},
	GatewayAnswer:    {Whats: answers, A: status},
	BroadcastAnswer:  {Whats: answers, A: status},
	ForwardAnswer:    {Whats: answers, A: status},
	DeliverStatus:    {Whats: answers, A: status},
	PeerAnswer:       {Whats: answers, A: status},
	Seek:             {Whats: []What{SeekForEver, SeekBounded}, A: Quantity{"from", Position}, B: Quantity{"to", Position}},
	DeliverBlock:     {Whats: told, A: contains},
	DeliverFiltered:  {Whats: told, A: contains},

	RaftAppend:       {Whats: told, A: term, B: Quantity{"last_entry", Number}, C: Quantity{"committed", Number}},
	RaftHeartbeat:    {Whats: told, A: term, B: Quantity{"after_entry", Number}, C: Quantity{"committed", Number}},
	RaftAppendReply:  {Whats: answers, A: term, B: Quantity{"last_entry", Number}},
	RaftHeartbeatAck: {Whats: answers, A: term, B: Quantity{"last_entry", Number}},
	RaftVote:         {Whats: told, A: term, B: Quantity{"last_entry", Number}, C: Quantity{"last_term", Number}},
	RaftVoteReply:    {Whats: answers, A: term},
	RaftSnapshot:     {Whats: told, A: term, B: Quantity{"last_entry", Number}, C: Quantity{"bytes", Bytes}},
	RaftTimeoutNow:   {Whats: told},
	RaftOther:        {Whats: []What{Told, Accepted, Rejected, Failed}, A: term},

	ChaincodeCompleted: {Whats: answers, A: status},
	ChaincodeError:     {Whats: []What{Failed}},
	ChaincodeUnknown:   {Whats: told, A: Quantity{"type", Number}},

	SimulateStart: {Whats: told},
	SimulateEnd:   {Whats: answers, A: Quantity{"reads", Number}, B: Quantity{"writes", Number}, C: status},
	ReadAdded:     {Whats: []What{Present, Absent}, A: Quantity{"version_block", Number}, B: Quantity{"version_tx", Number}},
	RangeAdded:    {Whats: []What{Complete, Incomplete}, A: Quantity{"results", Number}},
	RichQuery:     {Whats: []What{ByIndex, NoIndex}, Name: "index"},
	WriteAdded:    {Whats: []What{Put, Delete, PutMetadata}, A: Quantity{"bytes", Bytes}},
	Endorsed:      {Whats: told, A: Quantity{"digest", Hash}},
	Refused:       {Whats: []What{Rejected}, A: status},
	Compared:      {Whats: []What{Equal, Differs}, A: Quantity{"results", Number}},
	Submitted:     {Whats: told},
	CommitSeen:    {Whats: verdicts, A: code},

	ChannelConfig: {Whats: told, A: Quantity{"max_messages", Number}, B: Quantity{"preferred_max_bytes", Bytes}, C: Quantity{"batch_timeout", Duration}},
	Enqueued:      {Whats: told, A: Quantity{"pending", Number}, B: Quantity{"pending_bytes", Bytes}},
	BlockCut:      {Whats: []What{CutByCount, CutByBytes, CutByTimeout, CutIdle, CutByConfig}, A: contains, B: Quantity{"batch", Number}, C: Quantity{"epoch", Number}},
	BlockWritten:  {Whats: told, A: contains, B: Quantity{"batch", Number}, C: Quantity{"epoch", Number}},
	BlockPulled:   {Whats: told, A: contains},
	ValidateFrom:  {Whats: told, A: contains},
	PolicyJudged:  {Whats: verdicts, A: code},
	VersionCheck:  {Whats: verdicts, A: code, B: Quantity{"found_block", Number}, C: Quantity{"found_tx", Number}, Name: "namespace"},
	Verdict:       {Whats: verdicts, A: code, B: Quantity{"position", Number}},
	Committed:     {Whats: told},

	DiskSync: {Whats: []What{SyncLog, SyncFile, SyncAwaited}, A: took, B: Quantity{"bytes", Bytes}, C: Quantity{"commits_wait", Number}},

	Installed:       {Whats: told, A: Quantity{"bytes", Bytes}, Name: "type"},
	BuildStart:      {Whats: told},
	BuildEnd:        {Whats: []What{StepDone, Failed}},
	LaunchStart:     {Whats: told, Name: "runtime"},
	LaunchEnd:       {Whats: []What{CodeReady, Failed}, A: took, Name: "runtime"},
	ChaincodeExit:   {Whats: []What{Stopped, CodeEnded}},
	IndexMade:       {Whats: told, Name: "chaincode"},
	ChaincodeLog:    {Whats: []What{Told, LinesLeftOut}, A: Quantity{"lines", Number}, Name: "package"},
	DefinitionKnown: {Whats: told, A: Quantity{"sequence", Number}, Name: "version"},

	NodeStart:    {Whats: []What{IsPeer, IsOrderer}},
	NodeReady:    {Whats: []What{IsPeer, IsOrderer}, Name: "address"},
	NodeStop:     {Whats: []What{IsPeer, IsOrderer}},
	NodeKilled:   {Whats: []What{IsPeer, IsOrderer}},
	ChannelJoin:  {Whats: []What{IsPeer, IsOrderer}, A: Quantity{"height", Number}},
	RaftRole:     {Whats: []What{Follower, Candidate, Leader, Stopped}, A: term},
	RaftLeader:   {Whats: told, A: term},
	LinkRule:     {Whats: []What{RuleHealed, RuleCut, RuleCutOneWay, RuleShaped, RuleShapedOneWay}, A: Quantity{"latency", Duration}, B: Quantity{"jitter", Duration}, C: Quantity{"loss", Millionths}},
	Partition:    {Whats: []What{Parted, RuleHealed}, A: Quantity{"group", Number}, B: Quantity{"groups", Number}, C: Quantity{"partition", Number}},
	HoldSet:      {Whats: told, A: Quantity{"hold", Number}, B: Quantity{"count", Number}, Name: "kind"},
	HoldGone:     {Whats: []What{HoldRemoved, HoldSpent}, A: Quantity{"hold", Number}, Name: "kind"},
	Say:          {Whats: told, A: Quantity{"step", Number}, Name: "text"},
	Step:         {Whats: []What{StepDone, Failed}, A: Quantity{"step", Number}, Name: "text"},
	Fault:        {Whats: []What{FaultLies, FaultHonest, FaultValueChanged, FaultStateEdited}},
	ErrorEvent:   {Whats: told},
	Progress:     {Whats: []What{Told, StepDone, CodePaused, CodeResumed, CaughtUp, MemberAdded, MemberRemoved, PlainTextMissing, PlainTextFound}, A: Quantity{"amount", Number}},
	NetworkReady: {Whats: told, A: took},
}

// FactsOf says what the events of a kind carry. A kind without facts gives the zero value.
func FactsOf(k Kind) Kept { return factsTable[k] }

// Fact is one number, case or name of an event, ready to be listed.
type Fact struct {
	Name  string
	Unit  Unit
	Value int64  // unless Text says it
	Text  string // of a case or a name
}

// Facts are an event's facts in the order of the table. As JSON they are one object.
type Facts []Fact

// MarshalJSON keeps numbers as numbers; they keep their units: nanoseconds, bytes.
func (f Facts) MarshalJSON() ([]byte, error) {
	values := make(map[string]any, len(f))
	for _, fact := range f {
		values[fact.Name] = fact.Value
		if fact.Unit == Unused {
			values[fact.Name] = fact.Text
		}
	}
	return json.Marshal(values)
}

// Facts lists what is known of an event besides nodes, transaction, block and key:
// nothing where it is Untold.
func (e *Event) Facts() Facts {
	if e.What == Untold {
		return nil
	}
	f := FactsOf(e.Kind)
	var facts Facts
	if e.What != Told {
		facts = append(facts, Fact{Name: "what", Text: e.What.String()})
	}
	for _, n := range []struct {
		Quantity
		value int64
	}{{f.A, e.A}, {f.B, e.B}, {f.C, e.C}} {
		if n.Name != "" {
			facts = append(facts, Fact{Name: n.Name, Unit: n.Unit, Value: n.value})
		}
	}
	if f.Name != "" && e.Name != "" {
		facts = append(facts, Fact{Name: f.Name, Text: e.Name})
	}
	return facts
}

// Fits tells whether an event carries what its kind allows. Messages of the chaincode
// stream that have no entry of their own carry nothing, and so does a message whose
// answer was an error (Failed) or that was lost (Lost...), whatever its kind.
func (e *Event) Fits() bool {
	if e.Dir == Lost {
		return e.What == Untold || e.What >= LostCut && e.What <= LostGivenUp
	}
	f, known := factsTable[e.Kind]
	if !known || e.Dir != None && e.What == Failed {
		return known || e.What == Untold || e.What == Failed
	}
	return e.What == Untold || slices.Contains(f.Whats, e.What)
}

// CaseOfCode tells a valid transaction, whose validation code is 0, from others.
func CaseOfCode(code int32) What {
	if code == 0 {
		return Valid
	}
	return Invalid
}

// Took is a duration that an event carries in A.
func (e *Event) Took() time.Duration { return time.Duration(e.A) }
