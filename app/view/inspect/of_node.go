package inspect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const shownCalls = 40

// standing says whether a node runs, and since when.
func (a *about) standing(n *facts.Node) Cell {
	if n.Since == 0 {
		return weak(a.L("unknown"))
	}
	switch n.Life {
	case facts.Starting:
		return Cell{Text: a.L("starting since {{.Time}}", clock(n.Since)), Tone: Warn}
	case facts.Stopped:
		return weak(a.L("stopped at {{.Time}}", clock(n.Since)))
	case facts.Killed:
		return Cell{Text: a.L("killed at {{.Time}}", clock(n.Since)), Tone: Bad}
	}
	return Cell{Text: a.L("running since {{.Time}}", clock(n.Since)), Tone: Good}
}

// heightOf is a peer's committed height; the first block comes with the channel.
func heightOf(n *facts.Node) (height uint64, ok bool) {
	switch {
	case n.Known:
		return n.Height + 1, true
	case n.Joined:
		return 1, true
	}
	return 0, false
}

// peer makes the document of a peer.
func (a *about) peer(name string) {
	a.doc.Title = a.short(name)
	node, life := a.at(name), facts.Until(a.x.world.HistoryOf(name).Life, a.seq)
	a.doc.Subtitle = a.L("peer of {{.Org}}", a.orgOf(name))
	b := Block{Form: Fields}
	b.row(a.L("state"), a.standing(&node))
	b.row(a.L("address"), mono(node.Address))
	if height, ok := heightOf(&node); ok {
		b.row(a.L("height"), mono(strconv.FormatUint(height, 10)))
	}
	if node.Known {
		b.row(a.L("commit hash"), mono(hashText(node.Hash)))
		b.row(a.L("last block"), blockCell(node.Height))
		b.row(a.L("its verdicts"), plain(a.verdictCounts(name, node.Height)))
	}
	if fault, ok := a.x.last(life, facts.OpFault); ok {
		b.row(a.L("fault"), Cell{Text: a.brief(&fault), Tone: Warn})
	}
	b.row(a.L("ledger"), Cell{Text: a.L("state, history and blocks"), Link: view.Selection{What: view.SelectLedger, Node: name}})
	b.row(a.L("compare"), Cell{Text: a.L("with the other peers"), Link: view.Selection{What: view.SelectPeers}})
	a.add(b)
	a.add(a.chaincodesOf(life)...)
	a.add(a.simulations(name, len(node.Sims)))
	a.add(a.lifeBlock(life))
}

// orgOf is a node's organisation by its name: the domain after the first dot.
func (a *about) orgOf(name string) string {
	if _, domain, ok := strings.Cut(strings.TrimPrefix(name, "Admin@"), "."); ok {
		return a.short(domain)
	}
	return name
}

// verdictCounts sums a peer's verdicts on a block up: "9 VALID, 1 MVCC_READ_CONFLICT".
func (a *about) verdictCounts(peer string, number uint64) string {
	k := a.x.world.Blocks().Of(number)
	if k == nil {
		return ""
	}
	var codes []string
	counts := map[string]int{}
	for _, code := range k.Verdicts(a.x.world.Blocks().Peer(peer), a.seq) {
		name := facts.CodeName(code)
		codes = appendNew(codes, name)
		counts[name]++
	}
	for i, c := range codes {
		codes[i] = fmt.Sprintf("%d %s", counts[c], c)
	}
	return strings.Join(codes, ", ")
}

// chaincodesOf lists the packages on a peer and the definitions that it knows.
func (a *about) chaincodesOf(life []facts.Past) []Block {
	packages := Block{Form: Table, Title: a.L("Chaincode packages"), Header: []string{a.L("package"), a.L("state")}}
	var order []string
	state := map[string]*trace.Event{}
	defs := Block{Form: Table, Title: a.L("Committed definitions"), Header: []string{a.L("chaincode"), "", a.L("since")}}
	defAt := map[string]int{}
	for _, p := range life {
		if p.Op != facts.OpDefinition && (p.Op < facts.OpInstalled || p.Op > facts.OpExit) {
			continue
		}
		e, ok := a.x.world.Event(p.Seq)
		switch {
		case !ok:
		case p.Op == facts.OpDefinition:
			row := []Cell{plain(e.Key), plain(a.brief(&e)), blockCell(e.Block)}
			if at, ok := defAt[e.Key]; ok {
				defs.Rows[at] = row
				continue
			}
			defAt[e.Key] = len(defs.Rows)
			defs.Rows = append(defs.Rows, row)
		default:
			order = appendNew(order, e.Key)
			state[e.Key] = &e
		}
	}
	for _, id := range order {
		e := state[id]
		c := plain(a.packageState(e))
		if e.Other != "" {
			c.Link = nodeSel(e.Other)
		}
		packages.Rows = append(packages.Rows, []Cell{mono(packageText(id)), c})
	}
	return []Block{packages, defs}
}

// packageText shortens the hash in a package id.
func packageText(id string) string {
	label, hash, ok := strings.Cut(id, ":")
	if !ok || len(hash) < 8 {
		return id
	}
	return label + ":" + hash[:8]
}

func (a *about) packageState(e *trace.Event) string {
	switch e.Kind {
	case trace.Installed:
		return a.L("installed")
	case trace.BuildStart:
		return a.L("being built")
	case trace.BuildEnd:
		return a.L("built: {{.What}}", a.printable(words.Cause(e), 80))
	case trace.LaunchStart:
		return a.L("being started")
	case trace.LaunchEnd:
		return a.L("running")
	}
	return a.L("ended: {{.Cause}}", a.printable(words.Cause(e), 80))
}

// simulations lists what a peer simulates and simulated last.
func (a *about) simulations(peer string, running int) Block {
	b := Block{Form: Table, Title: a.L("Simulations"), Text: a.L("None so far."), Aside: weak(a.L("{{.N}} running", running)), Header: []string{a.L("transaction"), a.L("began"), a.L("took"), a.L("result")}}
	b.More = a.pairs(peer, []facts.Op{facts.OpSimulate}, []facts.Op{facts.OpSimulated, facts.OpRefused}, func(e, end *trace.Event) {
		row := []Cell{txCell(e.TxID), mono(clock(e.Time)), {Text: a.L("running"), Tone: Warn}, {}}
		if end != nil {
			row[2], row[3] = plain(span(end.Time-e.Time)), plain(a.printable(a.brief(end), 100))
		}
		b.Rows = append(b.Rows, row)
	})
	return b
}

// pairs goes through what began at a node, newest first, with how it ended, nil while it has
// not. It shows as many as a table has, and gives the number of the others.
func (a *about) pairs(node string, begins, ends []facts.Op, see func(begin, end *trace.Event)) (more int) {
	calls := facts.Until(a.x.world.HistoryOf(node).Calls, a.seq)
	ended := map[uint32]uint64{}
	shown := 0
	for i := len(calls) - 1; i >= 0; i-- {
		p := calls[i]
		switch {
		case slices.Contains(ends, p.Op):
			ended[p.Tx] = p.Seq
		case !slices.Contains(begins, p.Op):
		case shown == shownCalls:
			more++
		default:
			if e, ok := a.x.world.Event(p.Seq); ok {
				var end *trace.Event
				if last, ok := a.x.world.Event(ended[p.Tx]); ok {
					end = &last
				}
				see(&e, end)
				shown++
			}
			delete(ended, p.Tx)
		}
	}
	return more
}

// lifeBlock lists a node's last changes, newest first; votes have a table of their own.
func (a *about) lifeBlock(life []facts.Past) Block {
	const most = 24
	b := Block{Form: Table, Title: a.L("What happened"), Header: []string{a.L("time"), a.L("what"), ""}}
	for i := len(life) - 1; i >= 0; i-- {
		if len(b.Rows) == most {
			b.More = i + 1
			break
		}
		e, ok := a.x.world.Event(life[i].Seq)
		if !ok || e.Kind == trace.RaftVote || e.Kind == trace.RaftVoteReply {
			continue
		}
		b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(view.Selection{What: view.SelectMessage, Seq: e.Seq}), plain(strings.ReplaceAll(string(e.Kind), "-", " ")), plain(a.printable(a.brief(&e), 120))})
	}
	return b
}

// container makes the document of a chaincode at a peer, however it runs.
func (a *about) container(name string) {
	a.doc.Title = a.short(name)
	peer := view.PeerOf(name)
	a.doc.Subtitle = a.L("chaincode of {{.Peer}}", a.short(peer))
	life := facts.Until(a.x.world.HistoryOf(name).Life, a.seq)
	b := Block{Form: Fields}
	b.row(a.L("peer"), a.nodeCell(peer))
	var launch, ready *trace.Event
	ended := false
	id, runs := "", ""
	for i := range life {
		e, ok := a.x.world.Event(life[i].Seq)
		if !ok {
			continue
		}
		if strings.Contains(e.Key, ":") {
			id = e.Key
		}
		switch e.Kind {
		case trace.LaunchStart:
			launch, ready, ended, runs = &e, nil, false, e.Name
		case trace.LaunchEnd, trace.ChaincodeReady:
			if ready == nil {
				ready = &e
			}
			ended = false
		case trace.ChaincodeExit:
			ended = true
		}
	}
	b.row(a.L("package id"), mono(id))
	if runs != "" {
		b.row(a.L("runs as"), plain(a.RunsAs(runs)))
	}
	switch {
	case ended:
		b.row(a.L("state"), weak(a.L("ended")))
	case ready != nil:
		b.row(a.L("state"), Cell{Text: a.L("running since {{.Time}}", clock(ready.Time)), Tone: Good})
	case launch != nil:
		b.row(a.L("state"), Cell{Text: a.L("being started since {{.Time}}", clock(launch.Time)), Tone: Warn})
	}
	if launch != nil && ready != nil && ready.Time >= launch.Time {
		b.row(a.L("started in"), plain(span(ready.Time-launch.Time)))
	}
	calls := Block{Form: Table, Title: a.L("Calls"), Text: a.L("None so far: it waits for work."), Header: []string{a.L("transaction"), a.L("function"), a.L("took")}}
	calls.More = a.pairs(name, []facts.Op{facts.OpCall}, []facts.Op{facts.OpCompleted}, func(e, end *trace.Event) {
		took := Cell{Text: a.L("running"), Tone: Warn}
		if end != nil {
			took = plain(span(end.Time - e.Time))
		}
		calls.Rows = append(calls.Rows, []Cell{txCell(e.TxID), plain(a.printable(e.Key, 60)), took})
	})
	b.row(a.L("lanes in use"), plain(strconv.Itoa(a.lanes(name))))
	b.row(a.L("calls"), plain(strconv.Itoa(len(calls.Rows)+calls.More)))
	a.add(b, calls, a.printed(name), a.lifeBlock(life))
}

// printed lists what a chaincode printed last, newest first.
func (a *about) printed(name string) Block {
	const most = 40
	b := Block{Form: Table, Title: a.L("What it printed"), Header: []string{a.L("time"), a.L("line")}}
	lines := facts.Until(a.x.world.HistoryOf(name).Log, a.seq)
	for i := len(lines) - 1; i >= 0; i-- {
		if len(b.Rows) == most {
			b.More = i + 1
			break
		}
		e, ok := a.x.world.Event(lines[i].Seq)
		if !ok {
			continue
		}
		line := mono(a.printable(e.Key, 300))
		if e.What == trace.LinesLeftOut {
			line = weak(a.L("{{.N}} lines were left out", e.A))
		}
		b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(view.Selection{What: view.SelectMessage, Seq: e.Seq}), line})
	}
	return b
}

// lanes is how many calls a chaincode works on.
func (a *about) lanes(name string) int {
	i, _ := a.x.world.ID(name)
	peer := a.at(view.PeerOf(name))
	for _, c := range peer.Docked {
		if c.Node == i {
			return len(c.Lanes)
		}
	}
	return 0
}
