package inspect

import (
	"fmt"
	"sort"
	"strings"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const (
	lifecycle  = "_lifecycle"
	shownReads = 60
	shownLines = 240
)

// results shows what was read and written: once if all endorsers agree, side by side if
// they do not.
func (a *about) results(f *txFacts, p txPlace) []Block {
	set := f.rwset()
	if set == nil {
		if len(f.results) > 0 && len(f.refused) == 0 && !f.equal() {
			return []Block{text(Weak, "The endorsers' results cannot be read.")}
		}
		return a.growing(f)
	}
	if len(f.results) > 1 && !f.equal() {
		return []Block{a.pair(f)}
	}
	reads := a.readSet(f, p, set)
	reads.Aside = a.agreement(f)
	return []Block{reads, a.writeSet(f, p, set)}
}

// growing lists what the simulations have read and written so far, or all of it for a
// question, whose read-write set nobody sends.
func (a *about) growing(f *txFacts) []Block {
	b := Block{Form: Table, Title: "Read and written so far", Header: []string{"", "key", "", "peer"}}
	if f.evaluate && len(f.ends) > 0 {
		b.Title = "Read and written"
	}
	for i := range f.grown {
		if len(b.Rows) == shownReads {
			b.More = len(f.grown) - i
			break
		}
		e := &f.grown[i]
		word := "read"
		switch e.Kind {
		case trace.WriteAdded:
			word = "write"
		case trace.RangeAdded:
			word = "range"
		}
		key := Cell{Text: keyText(e.Key), Mono: true, Link: keySel(f.chaincode, e.Key)}
		if strings.HasPrefix(e.Key, "namespaces/fields/") && f.chaincode != lifecycle {
			key = Cell{Text: definitionText(e.Key), Tone: Weak, Link: keySel(lifecycle, e.Key)}
		}
		b.Rows = append(b.Rows, []Cell{{Text: word, Tone: Weak}, key, mono(printable(e.Note, 60)), nodeCell(e.Node)})
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return []Block{b}
}

// agreement is "Org1 = Org2" where several endorsers came to one result.
func (a *about) agreement(f *txFacts) Cell {
	var names []string
	orgs := map[string]int{}
	for _, s := range f.signers() {
		names = append(names, a.orgName(s.msp))
		orgs[s.msp]++
	}
	if len(names) < 2 {
		return Cell{}
	}
	if len(orgs) < len(names) {
		names = names[:0]
		for _, s := range f.signers() {
			names = append(names, view.Short(s.name))
		}
	}
	sort.Strings(names)
	if len(names) > 3 {
		return Cell{Text: fmt.Sprintf("%d endorsers agree", len(names)), Tone: Good}
	}
	return Cell{Text: strings.Join(names, " = "), Tone: Good}
}

// readSet is the table of what was read, and what the peers found at commit.
func (a *about) readSet(f *txFacts, p txPlace, set *wire.RWSet) Block {
	b := Block{Form: Table, Title: "Read set", Header: []string{"key", "read version", "at commit"}}
	var own, other [][]Cell
	for _, ns := range set.Namespaces {
		for _, r := range ns.KV.GetReads() {
			row := []Cell{a.keyCell(f, ns.Name, r.GetKey()), mono(readVersion(r.GetVersion())), a.atCommit(f, p, ns.Name, r)}
			if ns.Name == lifecycle && f.chaincode != lifecycle {
				row[0] = Cell{Text: definitionText(r.GetKey()), Tone: Weak, Link: keySel(ns.Name, r.GetKey())}
				other = append(other, row)
				continue
			}
			own = append(own, row)
		}
		for _, q := range ns.KV.GetRangeQueriesInfo() {
			own = append(own, []Cell{mono(rangeText(q)), plain(rangeCount(q)), a.rangeAtCommit(f)})
		}
		for _, c := range ns.Collections {
			for _, r := range c.Hashed.GetHashedReads() {
				own = append(own, []Cell{mono(fmt.Sprintf("%s: hash %x", c.Name, clip(r.GetKeyHash(), 4))), mono(readVersion(r.GetVersion())), {Text: "-", Tone: Weak}})
			}
		}
	}
	b.Rows = append(own, other...)
	if len(b.Rows) > shownReads {
		b.More = len(b.Rows) - shownReads
		b.Rows = b.Rows[:shownReads]
	}
	if len(b.Rows) == 0 {
		return Block{Form: Text, Title: b.Title, Text: "Nothing was read.", Tone: Weak}
	}
	return b
}

func clip(b []byte, n int) []byte { return b[:min(n, len(b))] }

// keyCell names a key, with its chaincode where that is not the one that was called.
func (a *about) keyCell(f *txFacts, ns, key string) Cell {
	name := keyText(key)
	if ns != f.chaincode {
		name = ns + "/" + name
	}
	return Cell{Text: name, Mono: true, Link: keySel(ns, key)}
}

// definitionText names the key of a chaincode's definition, which every endorser reads.
func definitionText(key string) string {
	if name, ok := strings.CutPrefix(key, "namespaces/fields/"); ok {
		return "definition of " + strings.TrimSuffix(name, "/Sequence")
	}
	return keyText(key)
}

func readVersion(v *kvrwsetpb.Version) string {
	if v, ok := wire.VersionOf(v); ok {
		return v.String()
	}
	return "absent"
}

// atCommit is the version that the peers found when they validated the block.
func (a *about) atCommit(f *txFacts, p txPlace, ns string, r *kvrwsetpb.KVRead) Cell {
	if len(f.verdicts) == 0 {
		return Cell{Text: "not yet", Tone: Weak}
	}
	read, was := wire.VersionOf(r.GetVersion())
	same := Cell{Text: readVersion(r.GetVersion()), Mono: true, Tone: Good}
	switch f.verdicts[0].Key {
	case valid:
		return same
	case peerpb.TxValidationCode_MVCC_READ_CONFLICT.String(), peerpb.TxValidationCode_PHANTOM_READ_CONFLICT.String():
	default:
		return Cell{Text: "not checked", Tone: Weak}
	}
	if p.position < 0 {
		return Cell{Text: "unknown", Tone: Weak}
	}
	oldest := uint64(0)
	if was {
		oldest = read.Block + 1
	}
	found, ok, sure := a.x.writerBefore(ns, r.GetKey(), p.number, p.position, min(oldest, p.number))
	switch {
	case !ok && sure, ok && was && found.version == read:
		return same
	case !ok:
		return Cell{Text: "unknown", Tone: Weak}
	case found.gone && !was:
		return same
	case found.gone:
		return Cell{Text: "deleted", Tone: Bad, Link: txSel(found.txID)}
	}
	return Cell{Text: found.version.String(), Mono: true, Tone: Bad, Link: txSel(found.txID)}
}

func rangeText(q *kvrwsetpb.RangeQueryInfo) string {
	if strings.HasPrefix(q.GetStartKey(), "\x00") && q.GetEndKey() == q.GetStartKey()+"\U0010ffff" {
		return keyText(q.GetStartKey()) + " ..."
	}
	from, to := "first", "last"
	if q.GetStartKey() != "" {
		from = keyText(q.GetStartKey())
	}
	if q.GetEndKey() != "" {
		to = keyText(q.GetEndKey())
	}
	return from + " .. " + to
}

func rangeCount(q *kvrwsetpb.RangeQueryInfo) string {
	if m := q.GetReadsMerkleHashes(); m != nil {
		return count(len(m.GetMaxLevelHashes()), "hash") + " of many keys"
	}
	return count(len(q.GetRawReads().GetKvReads()), "key")
}

func (a *about) rangeAtCommit(f *txFacts) Cell {
	switch {
	case len(f.verdicts) == 0:
		return Cell{Text: "not yet", Tone: Weak}
	case f.verdicts[0].Key == valid:
		return Cell{Text: "the same", Tone: Good}
	case f.verdicts[0].Key == peerpb.TxValidationCode_PHANTOM_READ_CONFLICT.String():
		return Cell{Text: "another result", Tone: Bad}
	}
	return Cell{Text: "not checked", Tone: Weak}
}

// writeSet shows each written value against the one before it.
func (a *about) writeSet(f *txFacts, p txPlace, set *wire.RWSet) Block {
	b := Block{Form: Diff, Title: "Write set"}
	switch {
	case f.evaluate:
		b.Aside = Cell{Text: "thrown away", Tone: Weak}
	case len(f.verdicts) == 0:
		b.Aside = Cell{Text: "not yet applied", Tone: Weak}
	case f.verdicts[0].Key == valid:
		b.Aside = Cell{Text: "applied", Tone: Good}
	default:
		b.Aside = Cell{Text: "not applied", Tone: Bad}
	}
	for _, ns := range set.Namespaces {
		for _, w := range ns.KV.GetWrites() {
			cell := a.keyCell(f, ns.Name, w.GetKey())
			b.Lines = append(b.Lines, Line{Text: cell.Text, Change: Label, Link: cell.Link})
			old, known := a.oldValue(f, p, set, ns.Name, w.GetKey())
			b.Lines = append(b.Lines, diff(old, known, w.GetValue(), w.GetIsDelete())...)
		}
		for _, m := range ns.KV.GetMetadataWrites() {
			b.Lines = append(b.Lines, Line{Text: keyText(m.GetKey()), Change: Label}, Line{Text: "(endorsement policy of the key)", Change: Added})
		}
		for _, c := range ns.Collections {
			for _, w := range c.Hashed.GetHashedWrites() {
				b.Lines = append(b.Lines, Line{Text: c.Name + " (private)", Change: Label},
					Line{Text: fmt.Sprintf("key hash %x, value hash %x", clip(w.GetKeyHash(), 4), clip(w.GetValueHash(), 4)), Change: Added})
			}
		}
	}
	if len(b.Lines) > shownLines {
		b.More = len(b.Lines) - shownLines
		b.Lines = b.Lines[:shownLines]
	}
	if len(b.Lines) == 0 {
		return Block{Form: Text, Title: b.Title, Text: "Nothing was written.", Tone: Weak}
	}
	return b
}

// oldValue is the value that a write replaces: what the chaincode was told when it read
// the key, or the latest valid write before it. known is false where the trace cannot
// tell; a nil value that is known was absent.
func (a *about) oldValue(f *txFacts, p txPlace, set *wire.RWSet, ns, key string) (old []byte, known bool) {
	for i := range set.Namespaces {
		if set.Namespaces[i].Name != ns {
			continue
		}
		for _, r := range set.Namespaces[i].KV.GetReads() {
			if r.GetKey() != key {
				continue
			}
			v, was := wire.VersionOf(r.GetVersion())
			if !was {
				return nil, true
			}
			if value, ok := a.x.toldValue(f, key); ok {
				return value, true
			}
			found, ok := a.x.versionOf(ns, key, v)
			return found.value, ok
		}
	}
	if p.position < 0 {
		return nil, false
	}
	found, ok, sure := a.x.writerBefore(ns, key, p.number, p.position, 0)
	return found.value, ok || sure
}

// toldValue is the value that a peer answered when the chaincode asked for a key.
func (x *Index) toldValue(f *txFacts, key string) ([]byte, bool) {
	asked := ""
	for i := range f.events {
		e := &f.events[i]
		switch {
		case e.Kind == trace.ChaincodeGetState && e.Key == key:
			asked = e.Node
			if view.PeerOf(asked) != "" {
				asked = e.Other
			}
		case e.Kind == trace.ChaincodeResponse && asked != "" && e.Node == asked:
			_, raw, ok := x.payload(e.Seq)
			m := &peerpb.ChaincodeMessage{}
			if !ok || proto.Unmarshal(raw, m) != nil {
				return nil, false
			}
			return m.GetPayload(), len(m.GetPayload()) > 0
		}
	}
	return nil, false
}

// pair sets the endorsers' read-write sets side by side.
func (a *about) pair(f *txFacts) Block {
	b := Block{Form: Pair, Title: "Read-write sets", Aside: Cell{Text: "they differ", Tone: Bad}}
	var order []string
	entries := make([]map[string]string, len(f.results))
	for i := range f.results {
		entries[i] = map[string]string{}
		for _, e := range entriesOf(&f.results[i], f.chaincode) {
			order = appendNew(order, e.name)
			entries[i][e.name] = e.text
		}
	}
	if len(order) > shownLines {
		b.More = len(order) - shownLines
		order = order[:shownLines]
	}
	for i := range f.results {
		r := &f.results[i]
		side := Side{Name: view.Short(r.peer), Link: nodeSel(r.peer)}
		for _, name := range order {
			side.Lines = append(side.Lines, lineOf(name, i, entries))
		}
		b.Sides = append(b.Sides, side)
	}
	return b
}

func lineOf(name string, i int, entries []map[string]string) Line {
	text, ok := entries[i][name]
	if !ok {
		return Line{Text: name + ": nothing", Change: Missing}
	}
	line := Line{Text: strings.TrimSuffix(name+": "+text, ": ")}
	for _, other := range entries {
		if theirs, there := other[name]; !there || theirs != text {
			line.Change = Differs
		}
	}
	return line
}

type entry struct{ name, text string }

// entriesOf lists a result line by line: reads, writes with a line for each field of a
// JSON value, the answer and the event.
func entriesOf(r *result, chaincode string) []entry {
	var out []entry
	if r.rwset != nil {
		for _, ns := range r.rwset.Namespaces {
			out = append(out, nsEntries(&ns, chaincode)...)
		}
	}
	if r.status != 200 || r.message != "" {
		out = append(out, entry{"status", strings.TrimSpace(fmt.Sprintf("%d %s", r.status, printable(r.message, 120)))})
	}
	if len(r.answer) > 0 {
		out = append(out, entry{"answer", printable(string(r.answer), 200)})
	}
	if event := eventOf(r.action); event != nil {
		out = append(out, entry{"event " + event.GetEventName(), printable(string(event.GetPayload()), 200)})
	}
	return out
}

func nsEntries(ns *wire.NsRWSet, chaincode string) []entry {
	var out []entry
	prefix := ""
	if ns.Name != chaincode {
		prefix = ns.Name + "/"
	}
	for _, r := range ns.KV.GetReads() {
		name := prefix + keyText(r.GetKey())
		if ns.Name == lifecycle {
			name = definitionText(r.GetKey())
		}
		out = append(out, entry{"read " + name, readVersion(r.GetVersion())})
	}
	for _, q := range ns.KV.GetRangeQueriesInfo() {
		raw, _ := proto.MarshalOptions{Deterministic: true}.Marshal(q)
		out = append(out, entry{"read " + prefix + rangeText(q), fmt.Sprintf("%s, %x", rangeCount(q), wire.Hash(raw)[:4])})
	}
	for _, w := range ns.KV.GetWrites() {
		name := "write " + prefix + keyText(w.GetKey())
		if w.GetIsDelete() {
			out = append(out, entry{name, "deleted"})
			continue
		}
		fields, ok := objectOf(w.GetValue())
		if !ok {
			out = append(out, entry{name, printable(string(w.GetValue()), 200)})
			continue
		}
		out = append(out, entry{name, ""})
		for _, f := range fields {
			out = append(out, entry{name + " " + f.name, f.text})
		}
	}
	for _, c := range ns.Collections {
		for _, w := range c.Hashed.GetHashedWrites() {
			out = append(out, entry{fmt.Sprintf("write %s%s hash %x", prefix, c.Name, clip(w.GetKeyHash(), 4)), fmt.Sprintf("hash %x", clip(w.GetValueHash(), 4))})
		}
	}
	return out
}

func eventOf(action *peerpb.ChaincodeAction) *peerpb.ChaincodeEvent {
	if action == nil || len(action.GetEvents()) == 0 {
		return nil
	}
	e := &peerpb.ChaincodeEvent{}
	if proto.Unmarshal(action.GetEvents(), e) != nil {
		return nil
	}
	return e
}
