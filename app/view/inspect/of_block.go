package inspect

import (
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const shownTxs = 200

// block makes the document of a block.
func (a *about) block(number uint64) {
	a.doc.Title = a.L("Block {{.Block}}", number)
	b := a.x.world.Blocks().Of(number)
	if b != nil && b.First > a.seq {
		b = nil
	}
	if b == nil && (number > 0 || a.x.world.Begun() > 1) {
		a.doc.Subtitle = a.L("not in the trace up to this moment")
		return
	}
	d := a.x.decode(number, a.seq)
	cut, cutKnown := cutOf(b, a.seq)
	var parts []string
	if d != nil {
		parts = append(parts, a.L("{{.N}} transactions", len(d.Txs)))
	} else if cutKnown {
		parts = append(parts, a.L("{{.N}} transactions", len(cut.IDs)))
	}
	if cutKnown {
		parts = append(parts, a.L("cut by {{.Node}}: {{.Why}}", a.short(cut.Node), a.CutReason(cut.Why)))
	}
	a.doc.Subtitle = strings.Join(parts, ", ")
	if number == 0 {
		a.doc.Subtitle = a.L("the channel's first configuration")
	}
	fields := Block{Form: Fields}
	if d != nil {
		fields = a.hashes(d)
	} else if next := a.x.decode(1, a.seq); number == 0 && next != nil {
		fields.row(a.L("hash"), mono(next.Prev))
		fields.row(a.L("content"), weak(a.L("nobody sends the first block: nodes are given it when they join")))
	} else {
		fields.row(a.L("content"), weak(a.L("no message with this block was seen yet, or it has left the memory")))
	}
	a.add(fields)
	if d != nil {
		a.add(a.blockTxs(d))
	}
	if b != nil {
		a.add(a.blockPeers(b)...)
	}
}

// hashes are those of a block and of the one before it.
func (a *about) hashes(d *facts.Content) Block {
	b, previous := Block{Form: Fields}, mono(d.Prev)
	if d.Number > 0 {
		previous.Link = blockSel(d.Number - 1)
	}
	b.row(a.L("hash"), mono(d.Hash))
	b.row(a.L("previous hash"), previous)
	b.row(a.L("data hash"), mono(d.Data))
	return b
}

// cutOf is the cut that made a block: the last one before the moment.
func cutOf(b *facts.Block, seq uint64) (cut facts.Cut, ok bool) {
	for i := 0; b != nil && i < len(b.Cuts) && b.Cuts[i].Seq <= seq; i++ {
		cut, ok = b.Cuts[i], true
	}
	return cut, ok
}

// judge is whose verdicts on a block are shown: the selected peer's, or those of the first
// one that has any. It is -1 while there are none.
func (a *about) judge(b *facts.Block) int {
	blocks, first := a.x.world.Blocks(), -1
	if peer := a.in.Selection.Node; peer != "" {
		return blocks.Peer(peer)
	}
	for i := range b.At {
		if len(b.Verdicts(i, a.seq)) > 0 && (first < 0 || b.At[i].Judged[0] < b.At[first].Judged[0]) {
			first = i
		}
	}
	return first
}

// blockTxs lists the transactions of a block with the verdicts at the moment.
func (a *about) blockTxs(d *facts.Content) Block {
	judge := a.judge(d.Block)
	codes := d.Block.Verdicts(judge, a.seq)
	b := a.txTable(len(d.Txs), func(i int) (id, call string, verdicts []Cell) {
		t, verdict := &d.Txs[i], weak(a.L("not yet"))
		if i < len(codes) {
			verdict = codeCell(facts.CodeName(codes[i]), "")
		}
		call = a.callIn(t)
		if t.Creator != "" {
			call = a.L("{{.Call}} by {{.Who}}", call, shortName(t.Creator))
		}
		return t.ID, call, []Cell{verdict}
	})
	if len(codes) > 0 {
		b.Aside = weak(a.L("as {{.Peer}} found", a.short(a.x.world.Blocks().Peers[judge])))
	}
	return b
}

// txTable lists n transactions in their order: id, call and verdicts as row gives them.
func (a *about) txTable(n int, row func(i int) (id, call string, verdicts []Cell), more ...string) Block {
	b := Block{Form: Table, Title: a.L("Transactions"), Header: append([]string{"", a.L("id"), a.L("call"), a.L("verdict")}, more...), More: max(0, n-shownTxs)}
	for i := range min(n, shownTxs) {
		id, call, verdicts := row(i)
		b.Rows = append(b.Rows, append([]Cell{weak(strconv.Itoa(i + 1)), txCell(id), plain(call)}, verdicts...))
	}
	return b
}

// blockPeers says how far each node is with a block.
func (a *about) blockPeers(k *facts.Block) []Block {
	peers := Block{Form: Table, Title: a.L("At the peers"), Header: []string{a.L("peer"), a.L("received"), a.L("validated in"), a.L("commit hash")}}
	notYet := weak(a.L("not yet"))
	hashes := 0
	for _, name := range a.all(facts.Peer) {
		i := a.x.world.Blocks().Peer(name)
		if i < 0 || i >= len(k.At) {
			continue
		}
		p := &k.At[i]
		pulled, begun, done := p.Pulled != 0 && p.Pulled <= a.seq, p.Start != 0 && p.Start <= a.seq, p.Committed != 0 && p.Committed <= a.seq
		if !pulled && !begun && !done {
			continue
		}
		row := []Cell{a.nodeCell(name), weak("-"), notYet, notYet}
		if pulled {
			row[1] = a.timeOf(p.Pulled)
		}
		if begun && done {
			from, _ := a.x.world.Event(max(p.Start, p.Anew))
			to, _ := a.x.world.Event(p.Committed)
			row[2] = plain(span(to.Time - from.Time))
		}
		if done {
			hash := k.HashAt(i, a.seq)
			if row[3] = mono(hashText(hash)); hash != "" {
				hashes++
			}
		}
		peers.Rows = append(peers.Rows, row)
	}
	if k.Parted(a.seq) {
		peers.Aside = Cell{Text: a.L("commit hashes differ"), Tone: Bad, Link: view.Selection{What: view.SelectPeers}}
	} else if len(peers.Rows) > 1 && hashes > 0 {
		peers.Aside = Cell{Text: a.L("commit hashes are equal"), Tone: Good}
	}
	orderers := Block{Form: Table, Title: a.L("At the ordering nodes"), Header: []string{a.L("node"), a.L("written")}}
	for _, name := range a.all(facts.Orderer) {
		for _, at := range k.Written {
			if at.Node == name && at.Seq <= a.seq {
				orderers.Rows = append(orderers.Rows, []Cell{a.nodeCell(name), a.timeOf(at.Seq)})
			}
		}
	}
	return []Block{peers, orderers}
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
	a.doc.Title = a.L("Block {{.Block}}", b.Number)
	a.doc.Subtitle = a.L("{{.N}} transactions", len(b.Txs))
	if b.Problem != "" {
		a.add(Block{Form: Card, Title: a.L("About this block"), Tone: Warn, Text: sentence(b.Problem)})
	}
	d := foreignDecoded(b)
	if d != nil {
		a.add(a.hashes(d))
	}
	a.add(a.txTable(len(b.Txs), func(i int) (id, call string, verdicts []Cell) {
		tx := &b.Txs[i]
		if d != nil && i < len(d.Txs) {
			call = a.callIn(&d.Txs[i])
		}
		return tx.TxID, call, []Cell{codeCell(tx.Code, a.L("cannot be found")), codeCell(tx.Recorded, a.L("none"))}
	}, a.L("in the file")))
}

func codeCell(code, none string) Cell {
	if code == "" {
		return Cell{Text: none, Tone: Weak}
	}
	return Cell{Text: code, Tone: codeTone(code)}
}

func foreignDecoded(b *ForeignBlock) *facts.Content {
	if len(b.Raw) == 0 {
		return nil
	}
	block, err := blockOf(b.Raw)
	if err != nil {
		return nil
	}
	return facts.NewContent(block)
}

func (a *about) foreignTx(b *ForeignBlock, i int) {
	tx := &b.Txs[i]
	var envelope []byte
	if d := foreignDecoded(b); d != nil && i < len(d.Txs) {
		envelope = d.Txs[i].Envelope
	}
	f := a.x.envelopeFacts(tx.TxID, envelope)
	a.doc.Title = a.L("Transaction {{.ID}}", shortID(tx.TxID))
	a.doc.Subtitle = a.callBy(f)
	station := Station{Name: a.L("Validated"), Detail: a.L("the verdict cannot be found again"), Mark: Waiting}
	code := tx.Code
	if code == "" {
		code = tx.Recorded
	}
	if code != "" {
		station = Station{Name: a.L("Valid"), Mark: Done}
		if code != valid {
			station = Station{Name: a.L("Invalid"), Detail: code, Mark: Failed}
		}
	}
	a.add(Block{Form: Journey, Stations: []Station{
		{Name: a.L("Ordered"), Detail: a.L("block {{.Block}}, position {{.Position}} of {{.Total}}", b.Number, i+1, len(b.Txs)), Mark: Done, Link: blockSel(b.Number)}, station}})
	if tx.Code != "" && tx.Recorded != "" && tx.Code != tx.Recorded {
		a.add(Block{Form: Card, Title: a.L("The file says something else"), Tone: Warn, Text: a.L("The rules give {{.Code}}, the block records {{.Recorded}}.", tx.Code, tx.Recorded)})
	}
	if code != "" {
		f.verdicts = []trace.Event{{Kind: trace.Verdict, Key: code, Block: b.Number, Note: tx.Reason}}
	}
	if f.by, f.bySaid = tx.By, true; tx.Reason != "" {
		a.add(a.why(f, txPlace{position: -1})...)
	}
	a.doc.Tx = a.called(f)
	if set := f.rwset(); set != nil {
		a.add(a.foreignReads(f, set), a.writeSet(f, txPlace{position: -1}, set))
	}
	a.add(a.endorsements(f)...)
	a.add(a.details(f, txPlace{position: -1})...)
	if len(envelope) > 0 && len(envelope) <= bigMessage {
		a.add(Block{Form: Tree, Title: a.L("Envelope"), Nodes: a.decodeTree("common.Envelope", envelope)})
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
