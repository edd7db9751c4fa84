package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const shownTxs = 200

// block makes the document of a block.
func (a *about) block(number uint64) {
	a.doc.Title = fmt.Sprintf("Block %d", number)
	b := a.x.blockAt(number)
	known := b != nil && b.first <= a.seq
	if number == 0 && !known {
		known = a.x.first <= 1
	}
	if !known {
		a.doc.Subtitle = "not in the trace up to this moment"
		return
	}
	d := a.x.decode(number, a.seq)
	cut, cutKnown := a.cutOf(number)
	var parts []string
	if d != nil {
		parts = append(parts, count(len(d.txs), "transaction"))
	} else if cutKnown {
		_, n, _ := strings.Cut(cut.Note, ", ")
		parts = append(parts, n)
	}
	if cutKnown {
		why, _, _ := strings.Cut(cut.Note, ", ")
		parts = append(parts, "cut by "+view.Short(cut.Node)+": "+cutReason(why))
	}
	a.doc.Subtitle = strings.Join(parts, ", ")
	if number == 0 {
		a.doc.Subtitle = "the channel's first configuration"
	}
	fields := Block{Form: Fields}
	if d != nil {
		fields.Rows = append(fields.Rows, field("hash", mono(d.hash)), field("previous hash", mono(d.prev).to(previous(number))), field("data hash", mono(d.data)))
	} else if next := a.x.decode(1, a.seq); number == 0 && next != nil {
		fields.Rows = append(fields.Rows, field("hash", mono(next.prev)), field("content", Cell{Text: "nobody sends the first block: nodes are given it when they join", Tone: Weak}))
	} else {
		fields.Rows = append(fields.Rows, field("content", Cell{Text: "no message with this block was seen yet, or it has left the memory", Tone: Weak}))
	}
	a.add(fields)
	judge, codes, reasons := a.codesOf(number)
	if d != nil {
		a.add(a.blockTxs(d, judge, codes, reasons))
	}
	a.add(a.blockPeers(number)...)
}

func previous(number uint64) view.Selection {
	if number == 0 {
		return view.Selection{}
	}
	return blockSel(number - 1)
}

func cutReason(why string) string {
	switch why {
	case "count":
		return "it was full"
	case "bytes":
		return "it had enough bytes"
	case "timeout":
		return "its time was up"
	case "idle":
		return "nothing else was waiting"
	case "config":
		return "a configuration stands alone"
	}
	return why
}

// cutOf is the cut that made a block: the last one before the moment.
func (a *about) cutOf(number uint64) (trace.Event, bool) {
	var best trace.Event
	for _, name := range a.x.names {
		e, ok := last(upTo(a.x.of(name).blocks, a.seq), func(e *trace.Event) bool { return e.Kind == trace.BlockCut && e.Block == number })
		if ok && e.Seq > best.Seq {
			best = e
		}
	}
	return best, best.Seq > 0
}

// codesOf gives the verdicts on a block at the moment: of the selected peer, or of the
// first one that has them.
func (a *about) codesOf(number uint64) (judge string, codes, reasons []string) {
	for _, name := range a.x.names {
		if a.in.Selection.Node != "" && name != a.in.Selection.Node {
			continue
		}
		begun, ok := last(upTo(a.x.of(name).blocks, a.seq), func(e *trace.Event) bool { return e.Kind == trace.ValidateFrom && e.Block == number })
		if !ok {
			continue
		}
		var c, r []string
		a.x.validation(number, name, begun.Seq, a.seq, func(e *trace.Event) {
			if e.Kind == trace.Verdict {
				c, r = append(c, e.Key), append(r, e.Note)
			}
		})
		if len(c) > len(codes) {
			judge, codes, reasons = name, c, r
		}
		if len(c) > 0 {
			break
		}
	}
	return judge, codes, reasons
}

func (a *about) blockTxs(d *decodedBlock, judge string, codes, reasons []string) Block {
	b := Block{Form: Table, Title: "Transactions", Header: []string{"", "id", "call", "verdict"}}
	if judge != "" {
		b.Aside = Cell{Text: "as " + view.Short(judge) + " found", Tone: Weak}
	}
	for i := range d.txs {
		if i == shownTxs {
			b.More = len(d.txs) - i
			break
		}
		t := &d.txs[i]
		verdict := Cell{Text: "not yet", Tone: Weak}
		if i < len(codes) {
			verdict = Cell{Text: codes[i], Tone: codeTone(codes[i])}
		}
		call := t.call
		if t.creator != "" {
			call += " by " + t.creator
		}
		b.Rows = append(b.Rows, []Cell{{Text: strconv.Itoa(i + 1), Tone: Weak}, txCell(t.id), plain(call), verdict})
	}
	return b
}

// blockPeers says how far each node is with a block.
func (a *about) blockPeers(number uint64) []Block {
	peers := Block{Form: Table, Title: "At the peers", Header: []string{"peer", "received", "validated in", "commit hash"}}
	orderers := Block{Form: Table, Title: "At the ordering nodes", Header: []string{"node", "written"}}
	var begin int64
	hashes := map[string]bool{}
	for _, name := range a.x.names {
		var got, from, done *trace.Event
		list := upTo(a.x.of(name).blocks, a.seq)
		for i := range list {
			e := &list[i]
			if e.Block != number {
				continue
			}
			if begin == 0 || e.Time < begin {
				begin = e.Time
			}
			switch e.Kind {
			case trace.BlockPulled:
				got = e
			case trace.ValidateFrom:
				from = e
			case trace.Committed:
				done = e
			case trace.BlockWritten:
				orderers.Rows = append(orderers.Rows, []Cell{nodeCell(name), mono(clock(e.Time))})
			}
		}
		if got == nil && from == nil && done == nil {
			continue
		}
		row := []Cell{nodeCell(name), {Text: "-", Tone: Weak}, {Text: "not yet", Tone: Weak}, {Text: "not yet", Tone: Weak}}
		if got != nil {
			row[1] = mono(clock(got.Time))
		}
		if from != nil && done != nil {
			row[2] = plain(span(done.Time - from.Time))
		}
		if done != nil {
			if row[3] = mono(hashText(done.Note)); done.Note != "" {
				hashes[done.Note] = true
			}
		}
		peers.Rows = append(peers.Rows, row)
	}
	if len(hashes) > 1 {
		peers.Aside = Cell{Text: "commit hashes differ", Tone: Bad, Link: view.Selection{What: view.SelectPeers}}
	} else if len(peers.Rows) > 1 && len(hashes) == 1 {
		peers.Aside = Cell{Text: "commit hashes are equal", Tone: Good}
	}
	var out []Block
	if len(peers.Rows) > 0 {
		out = append(out, peers)
	}
	if len(orderers.Rows) > 0 {
		out = append(out, orderers)
	}
	return out
}

// foreign makes documents of blocks of another network, from plain values.
func (a *about) foreign() {
	a.doc.Live = false
	switch s := a.in.Selection; s.What {
	case view.SelectBlock:
		for i := range a.in.Blocks {
			if b := &a.in.Blocks[i]; b.Number == s.Block {
				a.foreignBlock(b)
				return
			}
		}
	case view.SelectTx:
		for i := range a.in.Blocks {
			for j := range a.in.Blocks[i].Txs {
				if s.TxID != "" && a.in.Blocks[i].Txs[j].TxID == s.TxID {
					a.foreignTx(&a.in.Blocks[i], j)
					return
				}
			}
		}
	}
}

func (a *about) foreignBlock(b *ForeignBlock) {
	a.doc.Title = fmt.Sprintf("Block %d", b.Number)
	a.doc.Subtitle = count(len(b.Txs), "transaction")
	if b.Problem != "" {
		a.add(Block{Form: Card, Title: "About this block", Tone: Warn, Text: sentence(b.Problem)})
	}
	d := foreignDecoded(b)
	if d != nil {
		a.add(Block{Form: Fields, Rows: [][]Cell{field("hash", mono(d.hash)), field("previous hash", mono(d.prev).to(previous(b.Number))), field("data hash", mono(d.data))}})
	}
	t := Block{Form: Table, Title: "Transactions", Header: []string{"", "id", "call", "verdict", "in the file"}}
	for i := range b.Txs {
		if i == shownTxs {
			t.More = len(b.Txs) - i
			break
		}
		tx := &b.Txs[i]
		call := ""
		if d != nil && i < len(d.txs) {
			call = d.txs[i].call
		}
		t.Rows = append(t.Rows, []Cell{{Text: strconv.Itoa(i + 1), Tone: Weak}, txCell(tx.TxID), plain(call), codeCell(tx.Code, "cannot be found"), codeCell(tx.Recorded, "none")})
	}
	a.add(t)
}

func codeCell(code, none string) Cell {
	if code == "" {
		return Cell{Text: none, Tone: Weak}
	}
	return Cell{Text: code, Tone: codeTone(code)}
}

func foreignDecoded(b *ForeignBlock) *decodedBlock {
	if len(b.Raw) == 0 {
		return nil
	}
	block, err := blockOf(b.Raw)
	if err != nil {
		return nil
	}
	return newDecoded(block)
}

func (a *about) foreignTx(b *ForeignBlock, i int) {
	tx := &b.Txs[i]
	var envelope []byte
	if d := foreignDecoded(b); d != nil && i < len(d.txs) {
		envelope = d.txs[i].envelope
	}
	f := envelopeFacts(tx.TxID, envelope)
	a.doc.Title = "Transaction " + shortID(tx.TxID)
	a.doc.Subtitle = a.callBy(f)
	station := Station{Name: "Validated", Detail: "the verdict cannot be found again", Mark: Waiting}
	code := tx.Code
	if code == "" {
		code = tx.Recorded
	}
	if code != "" {
		station = Station{Name: "Valid", Mark: Done}
		if code != valid {
			station = Station{Name: "Invalid", Detail: code, Mark: Failed}
		}
	}
	a.add(Block{Form: Journey, Stations: []Station{
		{Name: "Ordered", Detail: fmt.Sprintf("block %d, position %d of %d", b.Number, i+1, len(b.Txs)), Mark: Done, Link: blockSel(b.Number)}, station}})
	if tx.Code != "" && tx.Recorded != "" && tx.Code != tx.Recorded {
		a.add(Block{Form: Card, Title: "The file says something else", Tone: Warn, Text: fmt.Sprintf("The rules give %s, the block records %s.", tx.Code, tx.Recorded)})
	}
	if tx.Reason != "" {
		a.add(Block{Form: Card, Title: "Why it was rejected", Tone: Bad, Text: tx.Reason, Links: foreignLinks(a.in.Blocks, tx.Reason)})
	}
	if code != "" {
		f.verdicts = []trace.Event{{Kind: trace.Verdict, Key: code, Block: b.Number}}
	}
	if set := f.rwset(); set != nil {
		a.add(a.foreignReads(f, set), a.writeSet(f, txPlace{position: -1}, set))
	}
	a.add(a.endorsements(f)...)
	a.add(a.details(f, txPlace{position: -1})...)
	if len(envelope) > 0 && len(envelope) <= bigMessage {
		a.add(Block{Form: Tree, Title: "Envelope", Nodes: decodeTree("common.Envelope", envelope)})
	}
}

// foreignReads is the read set without what was found at commit, which only a ledger tells.
func (a *about) foreignReads(f *txFacts, set *wire.RWSet) Block {
	b := a.readSet(f, txPlace{position: -1}, set)
	if b.Form == Table {
		b.Header = b.Header[:2]
		for i := range b.Rows {
			b.Rows[i] = b.Rows[i][:2]
		}
	}
	return b
}

// foreignLinks are the transactions that a reason names.
func foreignLinks(blocks []ForeignBlock, reason string) []Cell {
	var out []Cell
	for _, m := range named.FindAllStringSubmatch(reason, 4) {
		for i := range blocks {
			for j := range blocks[i].Txs {
				if id := blocks[i].Txs[j].TxID; strings.HasPrefix(id, m[1]) {
					out = append(out, Cell{Text: "Transaction " + shortID(id), Mono: true, Link: txSel(id)})
				}
			}
		}
	}
	return out
}
