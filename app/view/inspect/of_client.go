package inspect

import (
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// client makes the document of a client with its transactions.
func (a *about) client(name string) {
	a.doc.Title = a.short(name)
	a.doc.Subtitle = a.L("client")
	b := Block{Form: Table, Title: a.L("Transactions"), Header: []string{a.L("id"), a.L("call"), a.L("began"), a.L("result")}}
	var order []uint32
	ends, begins := map[uint32]facts.Past{}, map[uint32]facts.Past{}
	calls := facts.Until(a.x.world.HistoryOf(name).Calls, a.seq)
	for i := len(calls) - 1; i >= 0 && len(order) <= maxClientTxs; i-- {
		p := calls[i]
		if _, known := ends[p.Tx]; !known && p.Tx != 0 {
			order = append(order, p.Tx)
			ends[p.Tx] = p
		}
		begins[p.Tx] = p
	}
	for _, tx := range order {
		if len(b.Rows) == shownCalls {
			b.More = len(order) - shownCalls
			break
		}
		begin, _ := a.x.world.Event(begins[tx].Seq)
		end, ok := a.x.world.Event(ends[tx].Seq)
		if !ok {
			continue
		}
		brief := a.callOfTx(end.TxID)
		if a.doc.Subtitle == a.L("client") && brief.mspID != "" {
			a.doc.Subtitle = a.L("client, {{.Name}} of {{.Org}}", brief.creator, a.orgName(brief.mspID))
		}
		b.Rows = append(b.Rows, []Cell{txCell(end.TxID), plain(brief.call), mono(clock(begin.Time)), a.cameOf(&end)})
	}
	if len(b.Rows) == 0 {
		b = text(Weak, a.L("It has not asked for anything yet."))
	}
	a.add(b)
}

// cameOf is what came of a client's transaction, by the last that the client did about it.
func (a *about) cameOf(e *trace.Event) Cell {
	switch {
	case e.Kind == trace.CommitSeen:
		return verdictCell(e)
	case e.Kind == trace.Submitted:
		return weak(a.L("being ordered"))
	case e.Kind == trace.Compared && e.What == trace.Differs:
		return Cell{Text: a.L("the results differ"), Tone: Bad}
	case a.x.refused(e.TxID, a.seq):
		return Cell{Text: a.L("not endorsed"), Tone: Bad}
	}
	return weak(a.L("an answer only, or not yet sent on"))
}

// maxClientTxs bounds how many transactions of one client are gone through.
const maxClientTxs = 300

// org makes the document of an organisation.
func (a *about) org(name string) {
	a.doc.Title, a.doc.Subtitle = name, a.L("organisation")
	var nodes []string
	for _, o := range a.in.Orgs {
		if o.Name == name || o.MSP == name {
			a.doc.Subtitle = a.L("organisation, {{.MSP}}", o.MSP)
			nodes = o.Nodes
		}
	}
	if nodes == nil {
		for i := range a.x.world.Nodes {
			if n := a.x.world.Nodes[i].Name; strings.EqualFold(a.orgOf(n), name) && a.being(n) != facts.Code {
				nodes = append(nodes, n)
			}
		}
	}
	b := Block{Form: Table, Title: a.L("Nodes"), Header: []string{a.L("node"), "", a.L("height"), a.L("state")}}
	for _, n := range nodes {
		role, node := a.being(n), a.at(n)
		height := weak("-")
		if h, ok := heightOf(&node); ok && role == facts.Peer {
			height = mono(strconv.FormatUint(h, 10))
		}
		b.Rows = append(b.Rows, []Cell{a.nodeCell(n), plain(a.beingWord(role)), height, a.standing(&node)})
	}
	if len(b.Rows) == 0 {
		b = text(Weak, a.L("The trace names no node of this organisation."))
	}
	a.add(b)
}

// verdictCell is the verdict that a client has learned.
func verdictCell(e *trace.Event) Cell {
	code := codeOf(e)
	if code == "" {
		code = words.Cause(e)
	}
	return Cell{Text: code, Tone: codeTone(code)}
}

// beingWord is what a kind of node is called.
func (a *about) beingWord(being facts.Being) string {
	switch being {
	case facts.Peer:
		return a.L("peer")
	case facts.Orderer:
		return a.L("ordering node")
	case facts.Code:
		return a.L("chaincode")
	}
	return a.L("client")
}

// callOfTx gives a transaction's call without reading all of it. It is kept: the first
// proposal says it, and that does not change.
func (a *about) callOfTx(id string) callBrief {
	x := a.x
	if x.briefsIn != a.Book {
		x.briefs, x.briefsIn = nil, a.Book
	}
	if b, ok := x.briefs[id]; ok {
		return b
	}
	events := x.world.EventsOf(id, a.seq)
	for i := range events {
		e := &events[i]
		if e.Kind != trace.Proposal && e.Kind != trace.GatewayCall {
			continue
		}
		f := &txFacts{id: id}
		if f.proposal(x, e); f.args == nil {
			continue
		}
		call := a.lifecycleCall(f.chaincode, f.args)
		if call == "" {
			call = a.callOf(f.args, 20)
		}
		if x.briefs == nil || len(x.briefs) >= maxBriefs {
			x.briefs = map[string]callBrief{}
		}
		x.briefs[id] = callBrief{call, f.creator, f.mspID}
		return x.briefs[id]
	}
	return callBrief{}
}
