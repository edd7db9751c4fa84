// Package report turns a trace into words and files: the explanation of one
// transaction, listings, and exports for other tools. It reads the trace only, so
// it says the same about a live network and about a recorded run.
package report

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Source is a trace to read: a live recorder or a run file.
type Source interface {
	Since(cursor uint64, max int) (events []trace.Event, next uint64, lost uint64)
	ByTx(txID string) []trace.Event
	Payload(seq uint64) (name string, bytes []byte, ok bool)
}

// Explanation is everything a trace says about one transaction.
type Explanation struct {
	TxID      string        `json:"txid"`
	Channel   string        `json:"channel,omitempty"`
	Chaincode string        `json:"chaincode,omitempty"`
	Function  string        `json:"function,omitempty"`
	Args      []string      `json:"args,omitempty"`
	Creator   string        `json:"creator,omitempty"` // name (MSP id)
	Start     time.Time     `json:"start"`
	Journey   []Stage       `json:"journey"`
	Results   []Result      `json:"results"` // one of each endorser that answered
	Equal     bool          `json:"results_equal"`
	Answer    string        `json:"answer,omitempty"`
	Verdicts  []PeerVerdict `json:"verdicts,omitempty"`
	Code      string        `json:"code,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	Block     uint64        `json:"block,omitempty"`
	Messages  []Message     `json:"messages"`
}

// Stage is one station of a transaction.
type Stage struct {
	Name   string  `json:"name"`
	AtMS   float64 `json:"at_ms"` // since the first message
	Detail string  `json:"detail"`
	Failed bool    `json:"failed,omitempty"`
}

// Result is one endorser's result.
type Result struct {
	Peer    string `json:"peer"`
	Status  int32  `json:"status"`
	Message string `json:"message,omitempty"`
	Signed  bool   `json:"signed"`
	Reads   []Read `json:"reads"`
	Writes  []Kv   `json:"writes"`
	Digest  string `json:"digest"` // of the signed result; equal results have equal digests
}

// Read is one entry of a read set.
type Read struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Version   string `json:"version"` // block:transaction, or absent
}

// Kv is one entry of a write set.
type Kv struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Value     string `json:"value,omitempty"`
	Delete    bool   `json:"delete,omitempty"`
}

// PeerVerdict is what one peer said at commit.
type PeerVerdict struct {
	Peer   string `json:"peer"`
	Code   string `json:"code"`
	Reason string `json:"reason,omitempty"`
}

// Message is one message of the transaction.
type Message struct {
	Seq  uint64  `json:"seq"`
	AtMS float64 `json:"at_ms"`
	Kind string  `json:"kind"`
	From string  `json:"from"`
	To   string  `json:"to"`
	Key  string  `json:"key,omitempty"`
	Note string  `json:"note,omitempty"`
}

// FindTx gives the full id of the transaction that begins with prefix.
func FindTx(src Source, prefix string) (string, error) {
	prefix = strings.ToLower(prefix)
	if len(prefix) == 64 {
		if len(src.ByTx(prefix)) == 0 {
			return "", fmt.Errorf("no transaction %s in this trace", prefix)
		}
		return prefix, nil
	}
	found := map[string]bool{}
	var cursor uint64
	for {
		events, next, _ := src.Since(cursor, 4096)
		if len(events) == 0 {
			break
		}
		for i := range events {
			if id := events[i].TxID; id != "" && strings.HasPrefix(id, prefix) {
				found[id] = true
			}
		}
		cursor = next
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no transaction begins with %q in this trace; events with --kind verdict list the ids", prefix)
	case 1:
		for id := range found {
			return id, nil
		}
	}
	ids := make([]string, 0, len(found))
	for id := range found {
		ids = append(ids, id[:min(12, len(id))])
	}
	sort.Strings(ids)
	if len(ids) > 10 {
		ids = append(ids[:10], "...")
	}
	return "", fmt.Errorf("%d transactions begin with %q: write more of the id (%s)", len(found), prefix, strings.Join(ids, ", "))
}

// Explain collects what a trace says about one transaction (full id).
func Explain(src Source, txID string) (*Explanation, error) {
	events := src.ByTx(txID)
	if len(events) == 0 {
		return nil, fmt.Errorf("no transaction %s in this trace", txID)
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].Time < events[j].Time })
	b := &builder{src: src, x: &Explanation{TxID: txID, Start: time.Unix(0, events[0].Time)}, begin: events[0].Time, sent: sentMessages(events)}
	for i := range events {
		b.take(&events[i])
	}
	b.finish()
	return b.x, nil
}

func sentMessages(events []trace.Event) map[uint64]bool {
	sent := map[uint64]bool{}
	for i := range events {
		if events[i].Dir == trace.Sent && events[i].Msg != 0 {
			sent[events[i].Msg] = true
		}
	}
	return sent
}

// builder reads a transaction's events in order.
type builder struct {
	src   Source
	x     *Explanation
	begin int64
	sent  map[uint64]bool // messages whose sender records
}

func (b *builder) at(e *trace.Event) float64 { return float64(e.Time-b.begin) / 1e6 }

func (b *builder) take(e *trace.Event) {
	if e.Channel != "" {
		b.x.Channel = e.Channel
	}
	b.message(e)
	switch e.Kind {
	case trace.Proposal:
		if b.first(e) {
			b.proposal(e)
		}
	case trace.ProposalResponse:
		if b.first(e) {
			b.response(e)
		}
	case trace.SimulateEnd:
		b.stage(e, "simulated", e.Node+": "+e.Note, false)
	case trace.Endorsed:
		b.stage(e, "endorsed", e.Node+" signed "+e.Note, false)
	case trace.Refused:
		b.stage(e, "refused", e.Node+": "+e.Note, true)
	case trace.Compared:
		b.stage(e, "compared", e.Note, e.Note != "equal")
	case trace.Submitted:
		b.stage(e, "submitted", e.Node+" sent it for ordering", false)
	case trace.Enqueued:
		b.stage(e, "ordered", e.Node+" took it: "+e.Note, false)
	case trace.Verdict:
		b.verdict(e)
	case trace.CommitSeen:
		b.stage(e, "told", e.Node+" learned the verdict", false)
	}
}

// first tells whether an event is the first trace of its message: where it was
// sent, or where it arrived if its sender (an outside client, a chaincode) does not
// record.
func (b *builder) first(e *trace.Event) bool {
	return e.Dir == trace.Sent || e.Dir == trace.Received && !b.sent[e.Msg]
}

// message lists each message once.
func (b *builder) message(e *trace.Event) {
	m := Message{Seq: e.Seq, AtMS: b.at(e), Kind: string(e.Kind), From: e.Node, To: e.Other, Key: e.Key, Note: e.Note}
	if !b.first(e) {
		return
	}
	if e.Dir == trace.Received {
		m.From, m.To = e.Other, e.Node
	}
	b.x.Messages = append(b.x.Messages, m)
}

func (b *builder) stage(e *trace.Event, name, detail string, failed bool) {
	b.x.Journey = append(b.x.Journey, Stage{Name: name, AtMS: b.at(e), Detail: detail, Failed: failed})
}

func (b *builder) proposal(e *trace.Event) {
	client, peer := e.Node, e.Other
	if e.Dir == trace.Received {
		client, peer = e.Other, e.Node
	}
	b.stage(e, "proposed", client+" asked "+peer, false)
	_, raw, ok := b.src.Payload(e.Seq)
	if !ok || b.x.Chaincode != "" {
		return
	}
	signed := &peerpb.SignedProposal{}
	if proto.Unmarshal(raw, signed) != nil {
		return
	}
	p, err := wire.ParseProposal(signed)
	if err != nil {
		return
	}
	b.x.Chaincode = p.ChaincodeName
	for i, a := range p.Input.GetArgs() {
		if i == 0 {
			b.x.Function = printable(a)
		} else {
			b.x.Args = append(b.x.Args, printable(a))
		}
	}
	b.x.Creator = creatorName(p.Creator())
}

func (b *builder) response(e *trace.Event) {
	_, raw, ok := b.src.Payload(e.Seq)
	if !ok {
		return
	}
	pr := &peerpb.ProposalResponse{}
	if proto.Unmarshal(raw, pr) != nil {
		return
	}
	peer := e.Node
	if e.Dir == trace.Received {
		peer = e.Other
	}
	r := Result{Peer: peer, Status: pr.GetResponse().GetStatus(), Message: pr.GetResponse().GetMessage(), Signed: pr.GetEndorsement() != nil,
		Reads: []Read{}, Writes: []Kv{}}
	if len(pr.GetPayload()) > 0 {
		r.Digest = fmt.Sprintf("%x", wire.Hash(pr.GetPayload())[:6])
		prp, action := &peerpb.ProposalResponsePayload{}, &peerpb.ChaincodeAction{}
		if proto.Unmarshal(pr.GetPayload(), prp) == nil && proto.Unmarshal(prp.GetExtension(), action) == nil {
			if set, err := wire.ParseRWSet(action.GetResults()); err == nil {
				r.Reads, r.Writes = flatten(set)
			}
		}
	}
	if b.x.Answer == "" {
		b.x.Answer = printable(pr.GetResponse().GetPayload())
	}
	b.x.Results = append(b.x.Results, r)
}

// flatten lists a read-write set entry by entry.
func flatten(set *wire.RWSet) ([]Read, []Kv) {
	reads, writes := []Read{}, []Kv{}
	for _, ns := range set.Namespaces {
		for _, r := range ns.KV.GetReads() {
			reads = append(reads, Read{ns.Name, r.GetKey(), versionText(r.GetVersion())})
		}
		for _, q := range ns.KV.GetRangeQueriesInfo() {
			reads = append(reads, Read{ns.Name, fmt.Sprintf("range %q to %q", q.GetStartKey(), q.GetEndKey()), rangeText(q)})
		}
		for _, w := range ns.KV.GetWrites() {
			writes = append(writes, Kv{ns.Name, w.GetKey(), printable(w.GetValue()), w.GetIsDelete()})
		}
		for _, m := range ns.KV.GetMetadataWrites() {
			writes = append(writes, Kv{Namespace: ns.Name, Key: m.GetKey(), Value: "(key policy)"})
		}
		for _, c := range ns.Collections {
			for _, r := range c.Hashed.GetHashedReads() {
				reads = append(reads, Read{ns.Name + "/" + c.Name, fmt.Sprintf("hash %x", r.GetKeyHash()[:min(6, len(r.GetKeyHash()))]), versionText(r.GetVersion())})
			}
			for _, w := range c.Hashed.GetHashedWrites() {
				writes = append(writes, Kv{ns.Name + "/" + c.Name, fmt.Sprintf("hash %x", w.GetKeyHash()[:min(6, len(w.GetKeyHash()))]), fmt.Sprintf("hash %x", w.GetValueHash()[:min(6, len(w.GetValueHash()))]), w.GetIsDelete()})
			}
		}
	}
	return reads, writes
}

func versionText(v *kvrwsetpb.Version) string {
	if v == nil {
		return "absent"
	}
	return fmt.Sprintf("%d:%d", v.GetBlockNum(), v.GetTxNum())
}

func rangeText(q *kvrwsetpb.RangeQueryInfo) string {
	if m := q.GetReadsMerkleHashes(); m != nil {
		return fmt.Sprintf("%d hashes", len(m.GetMaxLevelHashes()))
	}
	return fmt.Sprintf("%d keys", len(q.GetRawReads().GetKvReads()))
}

func (b *builder) verdict(e *trace.Event) {
	b.x.Verdicts = append(b.x.Verdicts, PeerVerdict{Peer: e.Node, Code: e.Key, Reason: e.Note})
	if b.x.Code == "" {
		b.x.Code, b.x.Reason, b.x.Block = e.Key, e.Note, e.Block
		b.stage(e, "validated", fmt.Sprintf("%s in block %d", e.Key, e.Block), e.Key != peerpb.TxValidationCode_VALID.String())
	}
}

func (b *builder) finish() {
	b.x.Equal = len(b.x.Results) > 0
	for _, r := range b.x.Results {
		b.x.Equal = b.x.Equal && r.Digest == b.x.Results[0].Digest
	}
}

// creatorName gives "name (MSP id)" of a serialized identity.
func creatorName(creator []byte) string {
	id := &msppb.SerializedIdentity{}
	if proto.Unmarshal(creator, id) != nil {
		return "unknown"
	}
	if name := commonName(id.GetIdBytes()); name != "" {
		return name + " (" + id.GetMspid() + ")"
	}
	return id.GetMspid()
}

// printable shows bytes as text, shortened; bytes that are no text as their size.
func printable(b []byte) string {
	const most = 400
	text := string(b)
	if strings.ToValidUTF8(text, "") != text || strings.ContainsAny(text, "\x00") {
		return fmt.Sprintf("(%d bytes)", len(b))
	}
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// Text says the explanation in plain words.
func (x *Explanation) Text() string {
	var w strings.Builder
	fmt.Fprintf(&w, "Transaction %s\n", x.TxID)
	if x.Chaincode != "" {
		quoted := make([]string, len(x.Args))
		for i, a := range x.Args {
			quoted[i] = fmt.Sprintf("%q", a)
		}
		fmt.Fprintf(&w, "%s(%s) of %s by %s", x.Function, strings.Join(quoted, ", "), x.Chaincode, x.Creator)
		if x.Channel != "" {
			fmt.Fprintf(&w, ", channel %s", x.Channel)
		}
		w.WriteByte('\n')
	}
	w.WriteString("\nJourney\n")
	for _, s := range x.Journey {
		mark := " "
		if s.Failed {
			mark = "x"
		}
		fmt.Fprintf(&w, "%s %+9.3f ms  %-10s %s\n", mark, s.AtMS, s.Name, s.Detail)
	}
	x.writeResults(&w)
	x.writeVerdict(&w)
	fmt.Fprintf(&w, "\n%d messages\n", len(x.Messages))
	for _, m := range x.Messages {
		fmt.Fprintf(&w, "  %+9.3f ms  %-28s %s -> %s  %s\n", m.AtMS, m.Kind, m.From, m.To, strings.TrimSpace(m.Key+" "+m.Note))
	}
	return w.String()
}

func (x *Explanation) writeResults(w *strings.Builder) {
	if len(x.Results) == 0 {
		return
	}
	shown := x.Results
	if x.Equal {
		shown = x.Results[:1]
	}
	for _, r := range shown {
		who := r.Peer
		if x.Equal && len(x.Results) > 1 {
			who = fmt.Sprintf("equal at %d endorsers", len(x.Results))
		}
		fmt.Fprintf(w, "\nRead-write set (%s), status %d", who, r.Status)
		if r.Message != "" {
			fmt.Fprintf(w, ": %s", r.Message)
		}
		w.WriteByte('\n')
		for _, e := range r.Reads {
			fmt.Fprintf(w, "  read   %-12s %-40s %s\n", e.Namespace, e.Key, e.Version)
		}
		for _, e := range r.Writes {
			value := e.Value
			if e.Delete {
				value = "(deleted)"
			}
			fmt.Fprintf(w, "  write  %-12s %-40s %s\n", e.Namespace, e.Key, value)
		}
	}
	if !x.Equal && len(x.Results) > 1 {
		w.WriteString("\nThe endorsers' results are NOT equal.\n")
	}
	if x.Answer != "" {
		fmt.Fprintf(w, "\nAnswer: %s\n", x.Answer)
	}
}

func (x *Explanation) writeVerdict(w *strings.Builder) {
	switch {
	case x.Code == "":
		w.WriteString("\nNo verdict: this transaction was not seen in a block.\n")
	case x.Reason != "":
		fmt.Fprintf(w, "\nVerdict: %s in block %d\n  %s\n", x.Code, x.Block, strings.ReplaceAll(x.Reason, "\n", "\n  "))
	default:
		fmt.Fprintf(w, "\nVerdict: %s in block %d\n", x.Code, x.Block)
	}
	for _, v := range x.Verdicts {
		if v.Code != x.Code {
			fmt.Fprintf(w, "  but %s says %s\n", v.Peer, v.Code)
		}
	}
}

// JSON gives the explanation for machines, indented.
func (x *Explanation) JSON() ([]byte, error) { return json.MarshalIndent(x, "", "  ") }
