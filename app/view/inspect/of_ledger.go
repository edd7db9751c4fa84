package inspect

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
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
		return []Block{text(Warn, fmt.Sprintf("Blocks are still being read: the state of block %d is shown.", max(s.next, 1)-1))}
	case s.whole() || !s.begun:
		return nil
	case s.dropped > 0:
		return []Block{text(Warn, "There is more history than is kept: older versions are left out.")}
	case s.missing > 0:
		return []Block{text(Warn, fmt.Sprintf("The trace lacks %s: keys that only they wrote are not shown, or not as they are.", count(int(s.missing), "block")))}
	}
	return []Block{text(Warn, fmt.Sprintf("The trace begins with block %d: keys that only earlier blocks wrote are not shown.", s.from))}
}

// topHeight is the highest committed height of any peer at the moment.
func (a *about) topHeight() (height uint64) {
	for _, p := range a.nodes("peer") {
		if h, _, ok := a.heightOf(p); ok {
			height = max(height, h)
		}
	}
	return height
}

// ledger makes the document of a peer's state, history and blocks.
func (a *about) ledger(peer string) {
	a.doc.Title = "Ledger of " + view.Short(peer)
	height, commit, ok := a.heightOf(peer)
	if !ok {
		a.doc.Subtitle = "has no block yet"
		return
	}
	a.doc.Subtitle = fmt.Sprintf("height %d", height)
	if commit.Note != "" {
		a.doc.Subtitle += ", commit hash " + hashText(commit.Note)
	}
	caughtUp := a.x.apply(height)
	a.add(a.stateNote(caughtUp)...)
	a.add(a.stateTable(height)...)
	a.add(a.ledgerBlocks(height))
}

// stateTable lists keys that the search fits, those of _lifecycle last.
func (a *about) stateTable(height uint64) []Block {
	b := Block{Form: Table, Title: "State", Header: []string{"key", "value", "version"}, Search: true}
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
		if search != "" && !fits(search, k, v.value) {
			continue
		}
		found++
		if len(b.Rows) < shownKeys {
			b.Rows = append(b.Rows, []Cell{{Text: k.ns + "/" + keyText(k.key), Mono: true, Link: keySel(k.ns, k.key)}, mono(printable(string(v.value), 80)), mono(v.version.String()).to(txSel(v.txID))})
		}
	}
	b.More = found - len(b.Rows)
	b.Aside = Cell{Text: count(found, "key"), Tone: Weak}
	out := []Block{b}
	if len(spaces) > 0 {
		n := Block{Form: Fields, Title: "Namespaces"}
		names := make([]string, 0, len(spaces))
		for ns := range spaces {
			names = append(names, ns)
		}
		sort.Strings(names)
		for _, ns := range names {
			n.Rows = append(n.Rows, field(ns, plain(count(spaces[ns], "key"))))
		}
		out = append(out, n)
	}
	if hidden > 0 && search == "" {
		out = append(out, text(Weak, "The keys of _lifecycle, which hold the chaincode definitions, are shown by searching for _lifecycle."))
	}
	return out
}

// fits tells whether a search is found in a key or its value.
func fits(search string, k stateKey, value []byte) bool {
	return strings.Contains(strings.ToLower(k.ns+"/"+keyText(k.key)), search) || len(value) <= maxJSON && strings.Contains(strings.ToLower(string(value)), search)
}

// ledgerBlocks lists a peer's blocks, newest first.
func (a *about) ledgerBlocks(height uint64) Block {
	b := Block{Form: Table, Title: "Blocks", Header: []string{"block", "hash", "transactions"}}
	for n := height; n > 0; n-- {
		if len(b.Rows) == shownBlocks {
			b.More = int(n)
			break
		}
		row := []Cell{blockCell(n - 1), {Text: "-", Tone: Weak}, {Text: "-", Tone: Weak}}
		if d := a.x.decode(n-1, a.seq); d != nil {
			row[1] = mono(hashText(d.hash))
			invalid := 0
			for i := range d.txs {
				if c := d.code(i); c != "" && c != valid {
					invalid++
				}
			}
			row[2] = plain(strconv.Itoa(len(d.txs)))
			if invalid > 0 {
				row[2] = Cell{Text: fmt.Sprintf("%d, %d of them invalid", len(d.txs), invalid), Tone: Bad}
			}
		}
		b.Rows = append(b.Rows, row)
	}
	return b
}

// key makes the document of a key: its value, its history, and which peer has which
// version.
func (a *about) key(ns, key string) {
	a.doc.Title = keyText(key)
	a.doc.Subtitle = "key of chaincode " + ns
	top := a.topHeight()
	caughtUp := a.x.apply(top)
	a.add(a.stateNote(caughtUp)...)
	k := stateKey{ns, key}
	versions := a.x.state.keys[k]
	for len(versions) > 0 && versions[len(versions)-1].version.Block >= top {
		versions = versions[:len(versions)-1]
	}
	if len(versions) == 0 {
		a.add(text(Weak, "No valid transaction of the trace has written this key."))
	} else {
		a.add(valueBlock(versions[len(versions)-1]))
	}
	if p := a.keyPeers(k); len(p.Rows) > 0 {
		a.add(p)
	}
	history := Block{Form: Table, Title: "History", Header: []string{"version", "written by", "value"}, Aside: Cell{Text: count(len(versions), "version"), Tone: Weak}}
	for i := len(versions) - 1; i >= 0; i-- {
		if len(history.Rows) == shownHistory {
			history.More = i + 1
			break
		}
		v := &versions[i]
		value := mono(printable(string(v.value), 120))
		if v.gone {
			value = Cell{Text: "deleted", Tone: Warn}
		}
		history.Rows = append(history.Rows, []Cell{mono(v.version.String()).to(blockSel(v.version.Block)), txCell(v.txID), value})
	}
	if len(versions) > 0 {
		a.add(history)
	}
}

func valueBlock(v keyAt) Block {
	if v.gone {
		return Block{Form: Fields, Rows: [][]Cell{field("value", Cell{Text: "deleted", Tone: Warn}), field("since", mono(v.version.String()).to(txSel(v.txID)))}}
	}
	b := Block{Form: Fields, Title: "Value", Aside: Cell{Text: "version " + v.version.String(), Mono: true, Tone: Weak, Link: txSel(v.txID)}}
	if fields, ok := objectOf(v.value); ok {
		for _, f := range fields {
			b.Rows = append(b.Rows, field(strings.Trim(f.name, `"`), mono(f.text)))
		}
		return b
	}
	b.Rows = append(b.Rows, field("value", mono(printable(string(v.value), 2000))))
	return b
}

// keyPeers says which version each peer has.
func (a *about) keyPeers(k stateKey) Block {
	b := Block{Form: Table, Title: "At the peers", Header: []string{"peer", "height", "version"}}
	versions := map[string]bool{}
	for _, p := range a.nodes("peer") {
		h, _, ok := a.heightOf(p)
		if !ok {
			continue
		}
		c := Cell{Text: "absent", Tone: Weak}
		if v, there := a.x.state.at(k, h); there {
			c = mono(v.version.String())
		}
		versions[c.Text] = true
		b.Rows = append(b.Rows, []Cell{nodeCell(p), mono(strconv.FormatUint(h, 10)), c})
	}
	if len(versions) > 1 {
		b.Aside = Cell{Text: "they differ: a peer is behind", Tone: Warn}
	}
	return b
}

// peers compares all peers: heights, commit hashes, and in words what that means.
func (a *about) peers() {
	a.doc.Title, a.doc.Subtitle = "Peers compared", "the same blocks give the same commit hash"
	names := a.nodes("peer")
	b := Block{Form: Table, Header: []string{"peer", "height", "commit hash", "state"}}
	hashes := map[uint64]map[string][]string{} // block -> commit hash -> peers
	var low, high uint64
	for i, p := range names {
		life := upTo(a.x.of(p).life, a.seq)
		state, _ := standing(life)
		h, commit, _ := a.heightOf(p)
		if i == 0 || h < low {
			low = h
		}
		high = max(high, h)
		b.Rows = append(b.Rows, []Cell{nodeCell(p), mono(strconv.FormatUint(h, 10)), mono(hashText(commit.Note)), state})
		list := upTo(a.x.of(p).blocks, a.seq)
		for j := range list {
			if e := &list[j]; e.Kind == trace.Committed {
				if hashes[e.Block] == nil {
					hashes[e.Block] = map[string][]string{}
				}
				hashes[e.Block][e.Note] = appendNew(hashes[e.Block][e.Note], view.Short(p))
			}
		}
	}
	if len(names) == 0 {
		a.add(text(Weak, "The trace names no peer yet."))
		return
	}
	a.add(a.compared(names, hashes, low, high), b)
}

// compared says in words how the peers stand to each other.
func (a *about) compared(names []string, hashes map[uint64]map[string][]string, low, high uint64) Block {
	first, parted := uint64(0), false
	for n, byHash := range hashes {
		if len(byHash) > 1 && (!parted || n < first) {
			first, parted = n, true
		}
	}
	switch {
	case parted:
		var groups []string
		for hash, peers := range hashes[first] {
			groups = append(groups, and(peers)+" with "+hashText(hash))
		}
		sort.Strings(groups)
		return Block{Form: Card, Title: "The peers have parted", Tone: Bad, Links: []Cell{blockCell(first)},
			Text: fmt.Sprintf("Up to block %d all is equal; from block %d on the commit hashes differ: %s. One of them has another state or other verdicts.", max(first, 1)-1, first, strings.Join(groups, "; "))}
	case low != high:
		var behind []string
		for _, p := range names {
			if h, _, _ := a.heightOf(p); h < high {
				behind = append(behind, fmt.Sprintf("%s (by %d)", view.Short(p), high-h))
			}
		}
		return Block{Form: Card, Title: "Some peers are behind", Tone: Warn, Text: and(behind) + ". What they have committed is equal to what the others have: they only wait for blocks."}
	}
	return Block{Form: Card, Title: "All peers agree", Tone: Good, Text: fmt.Sprintf("All %d have height %d and, block for block, the same commit hash: the same state, the same verdicts.", len(names), high)}
}

// link makes the document of the connection between two nodes.
func (a *about) link(from, to string) {
	a.doc.Title = view.Short(from) + " and " + view.Short(to)
	a.doc.Subtitle = "link"
	rules := Block{Form: Table, Title: "Rules", Header: []string{"from", "to", "what", "time"}}
	for _, e := range upTo(a.x.rules, a.seq) {
		if e.Node != "" && !(e.Node == from && e.Other == to || e.Node == to && e.Other == from) {
			continue
		}
		rules.Rows = append(rules.Rows, []Cell{nodeCell(e.Node), nodeCell(e.Other), plain(e.Note), mono(clock(e.Time))})
	}
	if n := len(rules.Rows); n > shownCalls {
		rules.Rows = rules.Rows[n-shownCalls:]
	}
	if len(rules.Rows) > 0 {
		a.add(rules)
	}
	a.add(a.traffic(from, to)...)
}

// recent is how many events before the moment a link's traffic is counted in.
const recent = 6_000

// traffic counts the messages of a link by kind, and lists the last ones.
func (a *about) traffic(one, two string) []Block {
	from := uint64(0)
	if a.seq > recent {
		from = a.seq - recent
	}
	var kinds []string
	counts := map[string]int{}
	lost := map[string]int{}
	sent := map[uint64]bool{} // messages whose sender records
	var events []trace.Event
	for cursor := from; cursor < a.seq && a.x.src != nil; {
		some, next, _ := a.x.src.Since(cursor, 2048)
		if len(some) == 0 {
			break
		}
		for i := range some {
			e := &some[i]
			if e.Seq > a.seq || e.Dir == trace.None || !(e.Node == one && e.Other == two || e.Node == two && e.Other == one) {
				continue
			}
			if e.Dir == trace.Sent {
				sent[e.Msg] = true
			}
			outside := e.Dir == trace.Received && !sent[e.Msg]
			if e.Dir == trace.Lost {
				lost[string(e.Kind)]++
			}
			if e.Dir != trace.Sent && e.Dir != trace.Lost && !outside {
				continue
			}
			kinds = appendNew(kinds, string(e.Kind))
			if e.Dir != trace.Lost {
				counts[string(e.Kind)]++
			}
			if !view.Quiet(e.Kind) {
				events = append(events, *e)
			}
		}
		cursor = next
	}
	if len(kinds) == 0 {
		return []Block{text(Weak, "No message between the two lately.")}
	}
	table := Block{Form: Table, Title: "Messages", Header: []string{"kind", "sent", "lost"}, Aside: Cell{Text: fmt.Sprintf("in the last %d events", min(recent, a.seq)), Tone: Weak}}
	for _, k := range kinds {
		l := Cell{Text: strconv.Itoa(lost[k]), Tone: Weak}
		if lost[k] > 0 {
			l.Tone = Bad
		}
		table.Rows = append(table.Rows, []Cell{plain(k), mono(strconv.Itoa(counts[k])), l})
	}
	list := Block{Form: Messages, Title: "The last ones"}
	if n := len(events); n > shownCalls {
		events = events[n-shownCalls:]
	}
	for i := range events {
		list.List = append(list.List, messageLine(&events[i], events[0].Time))
	}
	return []Block{table, list}
}
