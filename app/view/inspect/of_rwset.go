package inspect

import (
	"encoding/hex"
	"fmt"
	"sort"
	"strings"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
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
	for _, s := range f.signers() {
		a.signed = append(a.signed, s.name)
	}
	set := f.rwset()
	if set == nil {
		if len(f.results) > 0 && len(f.refused) == 0 && !f.equal() {
			return []Block{text(Weak, a.L("The endorsers' results cannot be read."))}
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
	b := Block{Form: Table, Title: a.L("Read and written so far"), Header: []string{"", a.L("key"), "", a.L("peer")}}
	if f.evaluate && len(f.ends) > 0 {
		b.Title = a.L("Read and written")
	}
	for i := range f.grown {
		if len(b.Rows) == shownReads {
			b.More = len(f.grown) - i
			break
		}
		e := &f.grown[i]
		word := a.L("read")
		switch e.Kind {
		case trace.WriteAdded:
			word = a.L("write")
		case trace.RangeAdded:
			word = a.L("range")
		case trace.RichQuery:
			word = a.L("rich query")
		}
		key := Cell{Text: a.keyText(e.Key), Mono: true, Link: keySel(f.chaincode, e.Key)}
		if e.Kind == trace.RichQuery { // its key is the query, no key of the state
			key = Cell{Text: a.printable(e.Key, 200), Mono: true}
		}
		if strings.HasPrefix(e.Key, "namespaces/fields/") && f.chaincode != lifecycle {
			key = Cell{Text: a.definitionText(e.Key), Tone: Weak, Link: keySel(lifecycle, e.Key)}
		}
		b.Rows = append(b.Rows, []Cell{{Text: word, Tone: Weak}, key, mono(a.printable(a.brief(e), 60)), a.nodeCell(e.Node)})
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
			names = append(names, a.short(s.name))
		}
	}
	sort.Strings(names)
	if len(names) > 3 {
		return Cell{Text: a.L("{{.N}} endorsers agree", len(names)), Tone: Good}
	}
	return Cell{Text: strings.Join(names, " = "), Tone: Good}
}

// readSet is the table of what was read, and what the peers found at commit.
func (a *about) readSet(f *txFacts, p txPlace, set *wire.RWSet) Block {
	b := Block{Form: Table, Title: a.L("Read set"), Text: a.L("Nothing was read."), Header: []string{a.L("key"), a.L("read version"), a.L("at commit")}}
	var own, other [][]Cell
	for _, ns := range set.Namespaces {
		for _, r := range ns.KV.GetReads() {
			row := []Cell{a.keyCell(f, ns.Name, r.GetKey()), mono(a.readVersion(r.GetVersion())), a.atCommit(f, p, facts.Read{Namespace: ns.Name, Key: r.GetKey(), Version: versionOf(r.GetVersion())})}
			if ns.Name == lifecycle && f.chaincode != lifecycle {
				row[0] = Cell{Text: a.definitionText(r.GetKey()), Tone: Weak, Link: keySel(ns.Name, r.GetKey())}
				other = append(other, row)
				continue
			}
			own = append(own, row)
		}
		for _, q := range ns.KV.GetRangeQueriesInfo() {
			own = append(own, []Cell{mono(a.rangeText(q)), plain(a.rangeCount(q)), a.atCommit(f, p, facts.Read{Namespace: ns.Name, Key: q.GetStartKey(), End: q.GetEndKey(), Ranged: true})})
		}
		for _, c := range ns.Collections {
			for _, r := range c.Hashed.GetHashedReads() {
				own = append(own, []Cell{mono(a.L("{{.Name}}: hash {{.Hash}}", c.Name, hex.EncodeToString(clip(r.GetKeyHash(), 4)))), mono(a.readVersion(r.GetVersion())), weak("-")})
			}
		}
	}
	b.Rows = append(own, other...)
	if len(b.Rows) > shownReads {
		b.More = len(b.Rows) - shownReads
		b.Rows = b.Rows[:shownReads]
	}
	return b
}

func clip(b []byte, n int) []byte { return b[:min(n, len(b))] }

// keyCell names a key, with its chaincode where that is not the one that was called.
func (a *about) keyCell(f *txFacts, ns, key string) Cell {
	name := a.keyText(key)
	if ns != f.chaincode {
		name = ns + "/" + name
	}
	return Cell{Text: name, Mono: true, Link: keySel(ns, key)}
}

// definitionText names the key of a chaincode's definition, which every endorser reads.
func (a *about) definitionText(key string) string {
	if name, ok := strings.CutPrefix(key, "namespaces/fields/"); ok {
		return a.L("definition of {{.Name}}", strings.TrimSuffix(name, "/Sequence"))
	}
	return a.keyText(key)
}

func (a *about) readVersion(v *kvrwsetpb.Version) string { return a.versionText(versionOf(v)) }

func (a *about) versionText(v *wire.Version) string {
	if v == nil {
		return a.L("absent")
	}
	return v.String()
}

func versionOf(v *kvrwsetpb.Version) *wire.Version {
	version, ok := wire.VersionOf(v)
	if !ok {
		return nil
	}
	return &version
}

// atCommit is what the peers found when they validated the block.
func (a *about) atCommit(f *txFacts, p txPlace, r facts.Read) Cell {
	if len(f.verdicts) == 0 {
		return weak(a.L("not yet"))
	}
	code, _ := facts.CodeOf(&f.verdicts[0])
	if code != facts.Valid && (!facts.Conflict(code) || r.Ranged && code != facts.Phantom) {
		return weak(a.L("not checked"))
	}
	found := a.x.world.Finds(p.number, p.position, &r, code, f.versionCheck(), nil)
	switch {
	case r.Ranged && found.Holds:
		return Cell{Text: a.L("the same"), Tone: Good}
	case r.Ranged:
		return Cell{Text: a.L("another result"), Tone: Bad}
	case !found.Known:
		return weak(a.L("unknown"))
	case found.Holds:
		return Cell{Text: a.versionText(r.Version), Mono: true, Tone: Good}
	case found.By.Gone():
		return Cell{Text: a.L("deleted"), Tone: Bad, Link: txSel(found.By.Tx)}
	}
	return Cell{Text: found.By.Version.String(), Mono: true, Tone: Bad, Link: txSel(found.By.Tx)}
}

func (a *about) rangeText(q *kvrwsetpb.RangeQueryInfo) string {
	if strings.HasPrefix(q.GetStartKey(), "\x00") && q.GetEndKey() == q.GetStartKey()+"\U0010ffff" {
		return a.keyText(q.GetStartKey()) + " ..."
	}
	from, to := a.L("first"), a.L("last")
	if q.GetStartKey() != "" {
		from = a.keyText(q.GetStartKey())
	}
	if q.GetEndKey() != "" {
		to = a.keyText(q.GetEndKey())
	}
	return from + " .. " + to
}

func (a *about) rangeCount(q *kvrwsetpb.RangeQueryInfo) string {
	if m := q.GetReadsMerkleHashes(); m != nil {
		return a.L("{{.N}} hashes of many keys", len(m.GetMaxLevelHashes()))
	}
	return a.L("{{.N}} keys", len(q.GetRawReads().GetKvReads()))
}

// writeSet shows each written value against the one before it.
func (a *about) writeSet(f *txFacts, p txPlace, set *wire.RWSet) Block {
	b := Block{Form: Diff, Title: a.L("Write set")}
	switch {
	case f.evaluate:
		b.Aside = weak(a.L("thrown away"))
	case len(f.verdicts) == 0:
		b.Aside = weak(a.L("not yet applied"))
	case f.verdicts[0].Key == valid:
		b.Aside = Cell{Text: a.L("applied"), Tone: Good}
	default:
		b.Aside = Cell{Text: a.L("not applied"), Tone: Bad}
	}
	for _, ns := range set.Namespaces {
		for _, w := range ns.KV.GetWrites() {
			cell := a.keyCell(f, ns.Name, w.GetKey())
			b.Lines = append(b.Lines, Line{Text: cell.Text, Change: Label, Link: cell.Link})
			old, known := a.oldValue(f, p, set, ns.Name, w.GetKey())
			b.Lines = append(b.Lines, a.diff(old, known, w.GetValue(), w.GetIsDelete())...)
		}
		for _, m := range ns.KV.GetMetadataWrites() {
			b.Lines = append(b.Lines, Line{Text: a.keyText(m.GetKey()), Change: Label}, Line{Text: a.L("(endorsement policy of the key)"), Change: Added})
		}
		for _, c := range ns.Collections {
			for _, w := range c.Hashed.GetHashedWrites() {
				b.Lines = append(b.Lines, Line{Text: a.L("{{.Name}} (private)", c.Name), Change: Label},
					Line{Text: a.L("key hash {{.Key}}, value hash {{.Value}}", hex.EncodeToString(clip(w.GetKeyHash(), 4)), hex.EncodeToString(clip(w.GetValueHash(), 4))), Change: Added})
			}
		}
	}
	if len(b.Lines) > shownLines {
		b.More = len(b.Lines) - shownLines
		b.Lines = b.Lines[:shownLines]
	}
	if len(b.Lines) == 0 {
		return Block{Form: Text, Title: b.Title, Text: a.L("Nothing was written."), Tone: Weak}
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
			found, ok := a.x.world.WriteOf(ns, key, v)
			if !ok {
				return nil, false
			}
			return found.Write.Value, true
		}
	}
	if p.position < 0 {
		return nil, false
	}
	found, ok, sure := a.x.world.LastWrite(p.number, p.position, &facts.Read{Namespace: ns, Key: key}, 0, nil)
	if !ok {
		return nil, sure
	}
	return found.Write.Value, true
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
			_, raw, ok := x.world.Payload(e.Seq)
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
	b := Block{Form: Pair, Title: a.L("Read-write sets"), Aside: Cell{Text: a.L("they differ"), Tone: Bad}}
	var order []string
	entries := make([]map[string]string, len(f.results))
	for i := range f.results {
		entries[i] = map[string]string{}
		for _, e := range a.entriesOf(&f.results[i], f.chaincode) {
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
		side := Side{Name: a.short(r.peer), Link: nodeSel(r.peer)}
		for _, name := range order {
			side.Lines = append(side.Lines, a.lineOf(name, i, entries))
		}
		b.Sides = append(b.Sides, side)
	}
	return b
}

func (a *about) lineOf(name string, i int, entries []map[string]string) Line {
	text, ok := entries[i][name]
	if !ok {
		return Line{Text: a.L("{{.What}}: nothing", name), Change: Missing}
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
func (a *about) entriesOf(r *result, chaincode string) []entry {
	var out []entry
	if r.rwset != nil {
		for _, ns := range r.rwset.Namespaces {
			out = append(out, a.nsEntries(&ns, chaincode)...)
		}
	}
	if r.status != 200 || r.message != "" {
		out = append(out, entry{"status", strings.TrimSpace(fmt.Sprintf("%d %s", r.status, a.printable(r.message, 120)))})
	}
	if len(r.answer) > 0 {
		out = append(out, entry{"answer", a.printable(string(r.answer), 200)})
	}
	if event := eventOf(r.action); event != nil {
		out = append(out, entry{"event " + event.GetEventName(), a.printable(string(event.GetPayload()), 200)})
	}
	return out
}

func (a *about) nsEntries(ns *wire.NsRWSet, chaincode string) []entry {
	var out []entry
	prefix := ""
	if ns.Name != chaincode {
		prefix = ns.Name + "/"
	}
	for _, r := range ns.KV.GetReads() {
		name := prefix + a.keyText(r.GetKey())
		if ns.Name == lifecycle {
			name = a.definitionText(r.GetKey())
		}
		out = append(out, entry{"read " + name, a.readVersion(r.GetVersion())})
	}
	for _, q := range ns.KV.GetRangeQueriesInfo() {
		raw, _ := proto.MarshalOptions{Deterministic: true}.Marshal(q)
		out = append(out, entry{"read " + prefix + a.rangeText(q), fmt.Sprintf("%s, %x", a.rangeCount(q), wire.Hash(raw)[:4])})
	}
	for _, w := range ns.KV.GetWrites() {
		name := "write " + prefix + a.keyText(w.GetKey())
		if w.GetIsDelete() {
			out = append(out, entry{name, "deleted"})
			continue
		}
		fields, ok := a.objectOf(w.GetValue())
		if !ok {
			out = append(out, entry{name, a.printable(string(w.GetValue()), 200)})
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
