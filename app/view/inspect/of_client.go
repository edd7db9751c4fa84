package inspect

import (
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// client makes the document of a client with its transactions.
func (a *about) client(name string) {
	a.doc.Title = view.Short(name)
	a.doc.Subtitle = "client"
	calls := upTo(a.x.of(name).calls, a.seq)
	b := Block{Form: Table, Title: "Transactions", Header: []string{"id", "call", "began", "result"}}
	var order []string
	result := map[string]Cell{}
	begin := map[string]int64{}
	for i := len(calls) - 1; i >= 0; i-- {
		e := &calls[i]
		if e.TxID == "" {
			continue
		}
		order = appendNew(order, e.TxID)
		begin[e.TxID] = e.Time
		if _, known := result[e.TxID]; known {
			continue
		}
		switch {
		case e.Kind == trace.CommitSeen:
			result[e.TxID] = Cell{Text: e.Note, Tone: codeTone(e.Note)}
		case e.Kind == trace.Submitted:
			result[e.TxID] = Cell{Text: "being ordered", Tone: Weak}
		case e.Kind == trace.Compared && e.Note != "equal":
			result[e.TxID] = Cell{Text: "the results differ", Tone: Bad}
		}
		if len(order) > maxClientTxs {
			break
		}
	}
	for _, id := range order {
		if len(b.Rows) == shownCalls {
			b.More = len(order) - shownCalls
			break
		}
		brief := a.x.brief(id, a.seq)
		if a.doc.Subtitle == "client" && brief.mspID != "" {
			a.doc.Subtitle = "client, " + brief.creator + " of " + a.orgName(brief.mspID)
		}
		r, ok := result[id]
		if !ok {
			r = Cell{Text: "an answer only, or not yet sent on", Tone: Weak}
			if a.x.refused(id, a.seq) {
				r = Cell{Text: "not endorsed", Tone: Bad}
			}
		}
		b.Rows = append(b.Rows, []Cell{txCell(id), plain(brief.call), mono(clock(begin[id])), r})
	}
	if len(b.Rows) == 0 {
		a.add(text(Weak, "It has not asked for anything yet."))
		return
	}
	a.add(b)
}

// maxClientTxs bounds how many transactions of one client are gone through.
const maxClientTxs = 300

// org makes the document of an organisation.
func (a *about) org(name string) {
	a.doc.Title, a.doc.Subtitle = name, "organisation"
	var nodes []string
	for _, o := range a.in.Orgs {
		if o.Name == name || o.MSP == name {
			a.doc.Subtitle = "organisation, " + o.MSP
			nodes = o.Nodes
		}
	}
	if nodes == nil {
		for _, n := range a.x.names {
			if strings.EqualFold(orgOf(n), name) && a.roleOf(n) != "container" {
				nodes = append(nodes, n)
			}
		}
	}
	b := Block{Form: Table, Title: "Nodes", Header: []string{"node", "", "height", "state"}}
	for _, n := range nodes {
		life := upTo(a.x.of(n).life, a.seq)
		state, _ := standing(life)
		role := a.roleOf(n)
		height := Cell{Text: "-", Tone: Weak}
		if h, _, ok := a.heightOf(n); ok && role == "peer" {
			height = mono(strconv.FormatUint(h, 10))
		}
		b.Rows = append(b.Rows, []Cell{nodeCell(n), plain(role), height, state})
	}
	if len(b.Rows) == 0 {
		a.add(text(Weak, "The trace names no node of this organisation."))
		return
	}
	a.add(b)
}
