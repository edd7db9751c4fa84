package inspect

import (
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const (
	shownKeys    = 200
	shownHistory = 100
	shownBlocks  = 60
)

// stateNote says what is missing of the state, "" if it is whole.
func (a *about) stateNote(caughtUp bool) []Block {
	s := &a.x.state
	switch {
	case !caughtUp:
		a.doc.Partial = true
		return []Block{text(Warn, a.L("Blocks are still being read: the state of block {{.Block}} is shown.", max(s.next, 1)-1))}
	case s.whole() || !s.begun:
		return nil
	case s.dropped > 0:
		return []Block{text(Warn, a.L("There is more history than is kept: older versions are left out."))}
	case s.missing > 0:
		return []Block{text(Warn, a.L("The trace lacks {{.N}} blocks: keys that only they wrote are not shown, or not as they are.", s.missing))}
	}
	return []Block{text(Warn, a.L("The trace begins with block {{.Block}}: keys that only earlier blocks wrote are not shown.", s.from))}
}

// topHeight is the highest committed height of any peer at the moment.
func (a *about) topHeight() (height uint64) {
	for _, p := range a.all(facts.Peer) {
		node := a.at(p)
		h, _ := heightOf(&node)
		height = max(height, h)
	}
	return height
}

// ledger makes the document of a peer's state, history and blocks.
func (a *about) ledger(peer string) {
	a.doc.Title = a.L("Ledger of {{.Node}}", a.short(peer))
	node := a.at(peer)
	height, ok := heightOf(&node)
	if !ok {
		a.doc.Subtitle = a.L("has no block yet")
		return
	}
	a.doc.Subtitle = a.L("height {{.Height}}", height)
	if node.Hash != "" {
		a.doc.Subtitle += ", " + a.L("commit hash {{.Hash}}", hashText(node.Hash))
	}
	caughtUp := a.x.apply(height)
	a.add(a.stateNote(caughtUp)...)
	a.add(a.stateTable(height)...)
	a.add(a.ledgerBlocks(height))
}

// stateTable lists keys that the search fits, those of _lifecycle last.
func (a *about) stateTable(height uint64) []Block {
	b := Block{Form: Table, Title: a.L("State"), Header: []string{a.L("key"), a.L("value"), a.L("version")}, Search: true}
	search := strings.ToLower(strings.TrimSpace(a.in.Search))
	spaces := map[string]int{}
	var hidden, found int
	for _, k := range a.x.state.order() {
		v, ok := a.x.state.at(k, height)
		if !ok {
			continue
		}
		spaces[k.ns]++
		if k.ns == lifecycle && !strings.HasPrefix(search, lifecycle) {
			hidden++
			continue
		}
		if search != "" && !a.fits(search, k, v.value) {
			continue
		}
		found++
		if len(b.Rows) < shownKeys {
			b.Rows = append(b.Rows, []Cell{{Text: k.ns + "/" + a.keyText(k.key), Mono: true, Link: keySel(k.ns, k.key)}, mono(a.printable(string(v.value), 80)), mono(v.version.String()).to(txSel(v.txID))})
		}
	}
	b.More = found - len(b.Rows)
	b.Aside = weak(a.L("{{.N}} keys", found))
	n := Block{Form: Fields, Title: a.L("Namespaces")}
	for _, ns := range slices.Sorted(maps.Keys(spaces)) {
		n.row(ns, plain(a.L("{{.N}} keys", spaces[ns])))
	}
	out := []Block{b, n}
	if hidden > 0 && search == "" {
		out = append(out, text(Weak, a.L("The keys of _lifecycle, which hold the chaincode definitions, are shown by searching for _lifecycle.")))
	}
	return out
}

// fits tells whether a search is found in a key or its value.
func (a *about) fits(search string, k stateKey, value []byte) bool {
	return strings.Contains(strings.ToLower(k.ns+"/"+a.keyText(k.key)), search) || len(value) <= maxJSON && strings.Contains(strings.ToLower(string(value)), search)
}

// ledgerBlocks lists a peer's blocks, newest first.
func (a *about) ledgerBlocks(height uint64) Block {
	b := Block{Form: Table, Title: a.L("Blocks"), Header: []string{a.L("block"), a.L("hash"), a.L("transactions")}}
	for n := height; n > 0; n-- {
		if len(b.Rows) == shownBlocks {
			b.More = int(n)
			break
		}
		row := []Cell{blockCell(n - 1), weak("-"), weak("-")}
		if d := a.x.decode(n-1, a.seq); d != nil {
			row[1] = mono(hashText(d.Hash))
			invalid := 0
			for i := range d.Txs {
				if _, judged := d.Block.Code(i); judged && !d.Valid(i) {
					invalid++
				}
			}
			row[2] = plain(strconv.Itoa(len(d.Txs)))
			if invalid > 0 {
				row[2] = Cell{Text: a.L("{{.Number}}, {{.Invalid}} of them invalid", len(d.Txs), invalid), Tone: Bad}
			}
		}
		b.Rows = append(b.Rows, row)
	}
	return b
}

// key makes the document of a key: its value, its history, and which peer has which
// version.
func (a *about) key(ns, key string) {
	a.doc.Title = a.keyText(key)
	a.doc.Subtitle = a.L("key of chaincode {{.Name}}", ns)
	top := a.topHeight()
	caughtUp := a.x.apply(top)
	a.add(a.stateNote(caughtUp)...)
	k := stateKey{ns, key}
	versions := a.x.state.keys[k]
	for len(versions) > 0 && versions[len(versions)-1].version.Block >= top {
		versions = versions[:len(versions)-1]
	}
	if len(versions) == 0 {
		a.add(text(Weak, a.L("No valid transaction of the trace has written this key.")))
	} else {
		a.add(a.valueBlock(versions[len(versions)-1]))
	}
	a.add(a.keyPeers(k))
	history := Block{Form: Table, Title: a.L("History"), Header: []string{a.L("version"), a.L("written by"), a.L("value")}, Aside: weak(a.L("{{.N}} versions", len(versions)))}
	for i := len(versions) - 1; i >= 0; i-- {
		if len(history.Rows) == shownHistory {
			history.More = i + 1
			break
		}
		v := &versions[i]
		value := mono(a.printable(string(v.value), 120))
		if v.gone {
			value = Cell{Text: a.L("deleted"), Tone: Warn}
		}
		history.Rows = append(history.Rows, []Cell{mono(v.version.String()).to(blockSel(v.version.Block)), txCell(v.txID), value})
	}
	a.add(history)
}

func (a *about) valueBlock(v keyAt) Block {
	if v.gone {
		b := Block{Form: Fields}
		b.row(a.L("value"), Cell{Text: a.L("deleted"), Tone: Warn})
		b.row(a.L("since"), mono(v.version.String()).to(txSel(v.txID)))
		return b
	}
	b := Block{Form: Fields, Title: a.L("Value"), Aside: Cell{Text: a.L("version {{.V}}", v.version.String()), Mono: true, Tone: Weak, Link: txSel(v.txID)}}
	if fields, ok := a.objectOf(v.value); ok {
		for _, f := range fields {
			b.row(strings.Trim(f.name, `"`), mono(f.text))
		}
		return b
	}
	b.row(a.L("value"), mono(a.printable(string(v.value), 2000)))
	return b
}

// keyPeers says which version each peer has.
func (a *about) keyPeers(k stateKey) Block {
	b := Block{Form: Table, Title: a.L("At the peers"), Header: []string{a.L("peer"), a.L("height"), a.L("version")}}
	versions := map[string]bool{}
	for _, p := range a.all(facts.Peer) {
		node := a.at(p)
		h, ok := heightOf(&node)
		if !ok {
			continue
		}
		c := weak(a.L("absent"))
		if v, there := a.x.state.at(k, h); there {
			c = mono(v.version.String())
		}
		versions[c.Text] = true
		b.Rows = append(b.Rows, []Cell{a.nodeCell(p), mono(strconv.FormatUint(h, 10)), c})
	}
	if len(versions) > 1 {
		b.Aside = Cell{Text: a.L("they differ: a peer is behind"), Tone: Warn}
	}
	return b
}

// peers compares all peers: heights, commit hashes, and in words what that means.
func (a *about) peers() {
	a.doc.Title, a.doc.Subtitle = a.L("Peers compared"), a.L("the same blocks give the same commit hash")
	names := a.all(facts.Peer)
	if len(names) == 0 {
		a.add(text(Weak, a.L("The trace names no peer yet.")))
		return
	}
	b := Block{Form: Table, Header: []string{a.L("peer"), a.L("height"), a.L("commit hash"), a.L("state")}}
	heights := make([]uint64, len(names))
	for i, p := range names {
		node := a.at(p)
		heights[i], _ = heightOf(&node)
		b.Rows = append(b.Rows, []Cell{a.nodeCell(p), mono(strconv.FormatUint(heights[i], 10)), mono(hashText(node.Hash)), a.standing(&node)})
	}
	a.add(a.compared(names, heights), b)
}

// compared says in words how the peers stand to each other.
func (a *about) compared(names []string, heights []uint64) Block {
	for _, k := range a.x.world.Blocks().Until(a.seq) {
		if k.Parted(a.seq) {
			return a.parted(k)
		}
	}
	high := slices.Max(heights)
	var behind []string
	for i, p := range names {
		if heights[i] < high {
			behind = append(behind, a.L("{{.Peer}} (by {{.Blocks}})", a.short(p), high-heights[i]))
		}
	}
	if behind != nil {
		return Block{Form: Card, Title: a.L("Some peers are behind"), Tone: Warn, Text: a.L("{{.Peers}}. What they have committed is equal to what the others have: they only wait for blocks.", a.and(behind))}
	}
	return Block{Form: Card, Title: a.L("All peers agree"), Tone: Good, Text: a.L("All {{.Peers}} have height {{.Height}} and, block for block, the same commit hash: the same state, the same verdicts.", len(names), high)}
}

// parted says who has what at the first block at which the peers differ.
func (a *about) parted(k *facts.Block) Block {
	with := map[string][]string{}
	for i, peer := range a.x.world.Blocks().Peers {
		if hash := k.HashAt(i, a.seq); hash != "" {
			with[hash] = append(with[hash], a.short(peer))
		}
	}
	var groups []string
	for hash, peers := range with {
		groups = append(groups, a.L("{{.Peers}} with {{.Hash}}", a.and(peers), hashText(hash)))
	}
	sort.Strings(groups)
	return Block{Form: Card, Title: a.L("The peers have parted"), Tone: Bad, Links: []Cell{blockCell(k.Number)},
		Text: a.L("Up to block {{.Last}} all is equal; from block {{.First}} on the commit hashes differ: {{.Who}}. One of them has another state or other verdicts.", max(k.Number, 1)-1, k.Number, strings.Join(groups, "; "))}
}

// link makes the document of the connection between two nodes.
func (a *about) link(from, to string) {
	a.doc.Title = a.L("{{.Node}} and {{.Other}}", a.short(from), a.short(to))
	a.doc.Subtitle = a.L("link")
	rules := Block{Form: Table, Title: a.L("Rules"), Header: []string{a.L("from"), a.L("to"), a.L("what"), a.L("time")}}
	for _, e := range a.x.world.Changed(from, to, a.seq) {
		rules.Rows = append(rules.Rows, []Cell{a.nodeCell(e.Node), a.nodeCell(e.Other), plain(a.brief(&e)), mono(clock(e.Time))})
	}
	if n := len(rules.Rows); n > shownCalls {
		rules.Rows = rules.Rows[n-shownCalls:]
	}
	a.add(rules)
	a.add(a.traffic(from, to)...)
}

// recent is how many events before the moment a link's traffic is counted in.
const recent = 6_000

// traffic counts the messages of a link by kind, and lists the last ones.
func (a *about) traffic(one, two string) []Block {
	var kinds []string
	counts, lost := map[string]int{}, map[string]int{}
	sent := map[uint64]bool{} // messages whose sender records
	var events []trace.Event
	a.x.between(max(a.seq, recent)-recent, a.seq, func(e *trace.Event) {
		if e.Dir == trace.None || !(e.Node == one && e.Other == two || e.Node == two && e.Other == one) {
			return
		}
		switch kind := string(e.Kind); {
		case e.Dir == trace.Sent:
			sent[e.Msg] = true
			counts[kind]++
		case e.Dir == trace.Lost:
			lost[kind]++
		case e.Dir == trace.Received && !sent[e.Msg]: // from outside
			counts[kind]++
		default:
			return
		}
		kinds = appendNew(kinds, string(e.Kind))
		if !view.Quiet(e.Kind) {
			events = append(events, *e)
		}
	})
	if len(kinds) == 0 {
		return []Block{text(Weak, a.L("No message between the two lately."))}
	}
	table := Block{Form: Table, Title: a.L("Messages"), Header: []string{a.L("kind"), a.L("sent"), a.L("lost")}, Aside: weak(a.L("in the last {{.N}} events", min(recent, a.seq)))}
	for _, k := range kinds {
		l := Cell{Text: strconv.Itoa(lost[k]), Tone: Weak}
		if lost[k] > 0 {
			l.Tone = Bad
		}
		table.Rows = append(table.Rows, []Cell{plain(k), mono(strconv.Itoa(counts[k])), l})
	}
	list := Block{Form: Messages, Title: a.L("The last ones")}
	if n := len(events); n > shownCalls {
		events = events[n-shownCalls:]
	}
	for i := range events {
		list.List = append(list.List, a.messageLine(&events[i], events[0].Time))
	}
	return []Block{table, list}
}
