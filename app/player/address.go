package player

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// An address names a moment of a run, what is selected and how much the timeline shows. It
// is the part of a link behind its #:
//
//	event=1234     the moment of an event
//	at=0c56        the verdict of a transaction, by the beginning of its id, or its last event
//	at=0c56:commit another stop of it: submit, endorse, order, verdict, commit
//	block=9        the first commit of a block
//	sel=tx:0c56, node:NAME, block:9, key:CHAINCODE/KEY, ledger:NAME, link:A|B, peers, event:N, span:A-B
//	zoom=NS        how many nanoseconds the timeline shows
//
// They are joined by &; what is not understood is left out.

// kindsOfStop are the events that are a transaction's stops, by their names in addresses.
var kindsOfStop = map[string]trace.Kind{"submit": trace.Broadcast, "endorse": trace.Proposal, "order": trace.BlockCut,
	"verdict": trace.Verdict, "commit": trace.Committed}

// GoTo puts the playhead where an address says and selects what it names, and tells
// whether it names anything. Before everything has been read it is kept until then.
func (p *Player) GoTo(address string) bool {
	if !p.run.done {
		p.goal = address
		return false
	}
	values, err := url.ParseQuery(strings.TrimPrefix(address, "#"))
	if err != nil {
		return false
	}
	went := false
	if at := values.Get("at"); at != "" {
		id, stop, _ := strings.Cut(at, ":")
		if tx, seq, ok := p.stop(id, stop); ok {
			p.Select(view.Selection{What: view.SelectTx, TxID: tx})
			p.pauseAt(seq)
			went = true
		}
	}
	if n, err := strconv.ParseUint(values.Get("block"), 10, 64); err == nil {
		if p.scanAll(func(e *trace.Event) bool { return e.Kind == trace.Committed && e.Block == n }) {
			p.Select(view.Selection{What: view.SelectBlock, Block: n})
			went = true
		}
	}
	if n, err := strconv.ParseUint(values.Get("event"), 10, 64); err == nil {
		p.pauseAt(n)
		went = true
	}
	if sel, ok := p.parseSelection(values.Get("sel")); ok {
		p.Select(sel)
		went = true
	}
	if n, err := strconv.ParseInt(values.Get("zoom"), 10, 64); err == nil && n > 0 {
		from := p.playhead.At.Time - n*3/10
		p.window = p.timeline.Clamp(timeline.Window{From: from, To: from + n})
		p.span = p.window.Span()
	} else if went {
		p.showSelection()
	}
	p.arrived = p.arrived || went
	return went
}

// showSelection lets the timeline show all of a transaction that an address names.
func (p *Player) showSelection() {
	if tx := p.selection.Tx(); tx != "" {
		if w, ok := p.timeline.OfTx(tx); ok && w.Span() < int64(10*time.Second) {
			p.window, p.follows, p.span = w, false, w.Span()
		}
	}
	p.reveal()
}

// scanAll puts the playhead at the first event that fits.
func (p *Player) scanAll(fits func(*trace.Event) bool) bool { return p.scan(p.run.First-1, 1, fits) }

// stop finds the position of a stop of a transaction, "" for its verdict.
func (p *Player) stop(prefix, name string) (tx string, seq uint64, ok bool) {
	tx, ok = p.txOf(prefix)
	if !ok {
		return "", 0, false
	}
	kind, known := kindsOfStop[name]
	if !known {
		kind = trace.Verdict
	}
	for _, e := range p.run.ByTx(tx) {
		if e.Kind == kind {
			return tx, e.Seq, true
		}
		seq = e.Seq
	}
	if block, _, found := p.chain.Find(p.axis.End(), tx); found {
		for i := range p.run.events {
			if e := &p.run.events[i]; e.Kind == kind && e.Block == block {
				return tx, e.Seq, true
			}
		}
	}
	return tx, seq, true
}

// txOf finds the one transaction whose id begins with a text.
func (p *Player) txOf(prefix string) (tx string, ok bool) {
	if prefix == "" {
		return "", false
	}
	for id := range p.run.byTx {
		if strings.HasPrefix(id, strings.ToLower(prefix)) {
			if tx != "" {
				return "", false
			}
			tx = id
		}
	}
	return tx, tx != ""
}

func (p *Player) parseSelection(text string) (view.Selection, bool) {
	kind, rest, _ := strings.Cut(text, ":")
	number, err := strconv.ParseUint(rest, 10, 64)
	switch {
	case kind == "tx":
		tx, ok := p.txOf(rest)
		return view.Selection{What: view.SelectTx, TxID: tx}, ok
	case kind == "node" && rest != "":
		return view.Selection{What: view.SelectNode, Node: rest}, true
	case kind == "ledger" && rest != "":
		return view.Selection{What: view.SelectLedger, Node: rest}, true
	case kind == "org" && rest != "":
		return view.Selection{What: view.SelectOrg, Node: rest}, true
	case kind == "block" && err == nil:
		return view.Selection{What: view.SelectBlock, Block: number}, true
	case kind == "event" && err == nil && number >= p.run.First && number-p.run.First < uint64(len(p.run.events)):
		return view.Selection{What: view.SelectMessage, Seq: number, TxID: p.run.events[number-p.run.First].TxID}, true
	case kind == "link":
		a, b, ok := strings.Cut(rest, "|")
		return view.Selection{What: view.SelectLink, Node: a, Other: b}, ok
	case kind == "key":
		ns, key, ok := strings.Cut(rest, "/")
		return view.Selection{What: view.SelectKey, Namespace: ns, Key: key}, ok
	case kind == "span":
		a, b, _ := strings.Cut(rest, "-")
		from, err := strconv.ParseUint(a, 10, 64)
		to, errTo := strconv.ParseUint(b, 10, 64)
		return view.Span(from, to), err == nil && errTo == nil
	case kind == "peers":
		return view.Selection{What: view.SelectPeers}, true
	}
	return view.Selection{}, false
}

// Address names the moment that is shown, for a link.
func (p *Player) Address() string {
	if !p.run.done {
		return ""
	}
	address := "event=" + strconv.FormatUint(p.playhead.At.Seq, 10)
	if sel := nameOf(p.selection); sel != "" {
		address += "&sel=" + url.QueryEscape(sel)
	}
	if p.span > 0 {
		address += "&zoom=" + strconv.FormatInt(p.span, 10)
	}
	return address
}

// nameOf writes a selection for an address.
func nameOf(s view.Selection) string {
	switch s.What {
	case view.SelectTx:
		return "tx:" + s.TxID
	case view.SelectNode:
		return "node:" + s.Node
	case view.SelectLedger:
		return "ledger:" + s.Node
	case view.SelectOrg:
		return "org:" + s.Node
	case view.SelectBlock:
		return "block:" + strconv.FormatUint(s.Block, 10)
	case view.SelectMessage:
		return "event:" + strconv.FormatUint(s.Seq, 10)
	case view.SelectLink:
		return "link:" + s.Node + "|" + s.Other
	case view.SelectKey:
		return "key:" + s.Namespace + "/" + s.Key
	case view.SelectSpan:
		return "span:" + strconv.FormatUint(s.Seq, 10) + "-" + strconv.FormatUint(s.Until, 10)
	case view.SelectPeers:
		return "peers"
	}
	return ""
}
