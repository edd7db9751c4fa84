package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

const shownCalls = 40

// standing is what a node's own events say about whether it runs.
func standing(life []trace.Event) (Cell, string) {
	e, ok := last(life, isKind(trace.NodeStart, trace.NodeReady, trace.NodeStop, trace.NodeKilled))
	if !ok {
		return Cell{Text: "unknown", Tone: Weak}, ""
	}
	switch e.Kind {
	case trace.NodeStart:
		return Cell{Text: "starting since " + clock(e.Time), Tone: Warn}, ""
	case trace.NodeReady:
		return Cell{Text: "running since " + clock(e.Time), Tone: Good}, e.Note
	case trace.NodeKilled:
		return Cell{Text: "killed at " + clock(e.Time), Tone: Bad}, ""
	}
	return Cell{Text: "stopped at " + clock(e.Time), Tone: Weak}, ""
}

// heightOf is a peer's committed height at the moment, with the last commit.
func (a *about) heightOf(peer string) (height uint64, commit trace.Event, ok bool) {
	commit, ok = last(upTo(a.x.of(peer).blocks, a.seq), isKind(trace.Committed))
	if ok {
		return commit.Block + 1, commit, true
	}
	if _, joined := last(upTo(a.x.of(peer).life, a.seq), isKind(trace.ChannelJoin)); joined {
		return 1, commit, true // the first block came with the channel
	}
	return 0, commit, false
}

// peer makes the document of a peer.
func (a *about) peer(name string) {
	a.doc.Title = view.Short(name)
	life := upTo(a.x.of(name).life, a.seq)
	state, address := standing(life)
	height, commit, known := a.heightOf(name)
	a.doc.Subtitle = "peer of " + orgOf(name)
	b := Block{Form: Fields, Rows: [][]Cell{field("state", state)}}
	if address != "" {
		b.Rows = append(b.Rows, field("address", mono(address)))
	}
	if known {
		b.Rows = append(b.Rows, field("height", mono(strconv.FormatUint(height, 10))))
	}
	if commit.Seq > 0 {
		b.Rows = append(b.Rows, field("commit hash", mono(hashText(commit.Note))), field("last block", blockCell(commit.Block)))
		if counts := a.verdictCounts(name, commit.Block); counts != "" {
			b.Rows = append(b.Rows, field("its verdicts", plain(counts)))
		}
	}
	if fault, ok := last(life, isKind(trace.Fault)); ok {
		b.Rows = append(b.Rows, field("fault", Cell{Text: fault.Note, Tone: Warn}))
	}
	b.Rows = append(b.Rows, field("ledger", Cell{Text: "state, history and blocks", Link: view.Selection{What: view.SelectLedger, Node: name}}),
		field("compare", Cell{Text: "with the other peers", Link: view.Selection{What: view.SelectPeers}}))
	a.add(b)
	a.add(a.chaincodesOf(name, life)...)
	a.add(a.simulations(name))
	a.add(lifeBlock(life))
}

// orgOf is a node's organisation by its name: the domain after the first dot.
func orgOf(name string) string {
	if _, domain, ok := strings.Cut(strings.TrimPrefix(name, "Admin@"), "."); ok {
		return view.Short(domain)
	}
	return name
}

// verdictCounts sums a peer's verdicts on a block up: "9 VALID, 1 MVCC_READ_CONFLICT".
func (a *about) verdictCounts(peer string, number uint64) string {
	begun, ok := last(upTo(a.x.of(peer).blocks, a.seq), func(e *trace.Event) bool { return e.Kind == trace.ValidateFrom && e.Block == number })
	if !ok {
		return ""
	}
	var codes []string
	counts := map[string]int{}
	a.x.validation(number, peer, begun.Seq, a.seq, func(e *trace.Event) {
		if e.Kind == trace.Verdict {
			codes = appendNew(codes, e.Key)
			counts[e.Key]++
		}
	})
	for i, c := range codes {
		codes[i] = fmt.Sprintf("%d %s", counts[c], c)
	}
	return strings.Join(codes, ", ")
}

// chaincodesOf lists the packages on a peer and the definitions that it knows.
func (a *about) chaincodesOf(peer string, life []trace.Event) []Block {
	packages := Block{Form: Table, Title: "Chaincode packages", Header: []string{"package", "state"}}
	var order []string
	state := map[string]*trace.Event{}
	defs := Block{Form: Table, Title: "Committed definitions", Header: []string{"chaincode", "", "since"}}
	defAt := map[string]int{}
	for i := range life {
		e := &life[i]
		switch e.Kind {
		case trace.Installed, trace.BuildStart, trace.BuildEnd, trace.LaunchStart, trace.LaunchEnd, trace.ChaincodeExit:
			order = appendNew(order, e.Key)
			state[e.Key] = e
		case trace.DefinitionKnown:
			row := []Cell{plain(e.Key), plain(e.Note), blockCell(e.Block)}
			if at, ok := defAt[e.Key]; ok {
				defs.Rows[at] = row
				continue
			}
			defAt[e.Key] = len(defs.Rows)
			defs.Rows = append(defs.Rows, row)
		}
	}
	for _, id := range order {
		e := state[id]
		c := plain(packageState(e))
		if e.Other != "" {
			c.Link = nodeSel(e.Other)
		}
		packages.Rows = append(packages.Rows, []Cell{mono(packageText(id)), c})
	}
	var out []Block
	if len(packages.Rows) > 0 {
		out = append(out, packages)
	}
	if len(defs.Rows) > 0 {
		out = append(out, defs)
	}
	return out
}

// packageText shortens the hash in a package id.
func packageText(id string) string {
	label, hash, ok := strings.Cut(id, ":")
	if !ok || len(hash) < 8 {
		return id
	}
	return label + ":" + hash[:8]
}

func packageState(e *trace.Event) string {
	switch e.Kind {
	case trace.Installed:
		return "installed"
	case trace.BuildStart:
		return "being built"
	case trace.BuildEnd:
		return "built, " + e.Note
	case trace.LaunchStart:
		return "being started"
	case trace.LaunchEnd:
		return "running"
	}
	return "ended: " + e.Note
}

// simulations lists what a peer simulates and simulated last.
func (a *about) simulations(peer string) Block {
	b := Block{Form: Table, Title: "Simulations", Header: []string{"transaction", "began", "took", "result"}}
	calls := upTo(a.x.of(peer).calls, a.seq)
	ends := map[string]*trace.Event{}
	running := 0
	for i := len(calls) - 1; i >= 0; i-- {
		e := &calls[i]
		switch e.Kind {
		case trace.SimulateEnd, trace.Refused:
			ends[e.TxID] = e
		case trace.SimulateStart:
			row := []Cell{txCell(e.TxID), mono(clock(e.Time)), {Text: "running", Tone: Warn}, {}}
			if end := ends[e.TxID]; end != nil {
				row[2], row[3] = plain(span(end.Time-e.Time)), plain(printable(end.Note, 60))
				delete(ends, e.TxID)
			} else {
				running++
			}
			if len(b.Rows) < shownCalls {
				b.Rows = append(b.Rows, row)
			} else {
				b.More++
			}
		}
	}
	if len(b.Rows) == 0 {
		return Block{Form: Text, Title: b.Title, Text: "None so far.", Tone: Weak}
	}
	b.Aside = Cell{Text: fmt.Sprintf("%d running", running), Tone: Weak}
	return b
}

// lifeBlock lists a node's last changes, newest first.
func lifeBlock(life []trace.Event) Block {
	const most = 24
	b := Block{Form: Table, Title: "What happened", Header: []string{"time", "what", ""}}
	for i := len(life) - 1; i >= 0; i-- {
		if len(b.Rows) == most {
			b.More = i + 1
			break
		}
		e := &life[i]
		if e.Kind == trace.RaftVote || e.Kind == trace.RaftVoteReply {
			continue // they have a table of their own
		}
		note := e.Note
		if note == "" || e.Kind == trace.LaunchStart || e.Kind == trace.LaunchEnd || e.Kind == trace.Installed {
			note = strings.TrimSpace(packageText(e.Key) + " " + note)
		}
		if e.Kind == trace.RaftLeader {
			if note = view.Short(e.Other); note == "" {
				note = "none"
			}
		}
		if e.Kind == trace.RaftRole {
			note = fmt.Sprintf("%s, term %d", note, e.Block)
		}
		b.Rows = append(b.Rows, []Cell{mono(clock(e.Time)).to(view.Selection{What: view.SelectMessage, Seq: e.Seq}), plain(strings.ReplaceAll(string(e.Kind), "-", " ")), plain(printable(note, 80))})
	}
	return b
}

// container makes the document of a chaincode's container or process at a peer.
func (a *about) container(name string) {
	a.doc.Title = view.Short(name)
	peer := view.PeerOf(name)
	a.doc.Subtitle = "chaincode of " + view.Short(peer)
	n := a.x.of(name)
	life := upTo(n.life, a.seq)
	b := Block{Form: Fields}
	row := func(k string, c Cell) { b.Rows = append(b.Rows, field(k, c)) }
	row("peer", nodeCell(peer))
	var launch, ready *trace.Event
	ended := false
	id := ""
	for i := range life {
		e := &life[i]
		if strings.Contains(e.Key, ":") {
			id = e.Key
		}
		switch e.Kind {
		case trace.LaunchStart:
			launch, ready, ended = e, nil, false
		case trace.LaunchEnd, trace.ChaincodeReady:
			if ready == nil {
				ready = e
			}
			ended = false
		case trace.ChaincodeExit:
			ended = true
		}
	}
	if id != "" {
		row("package id", mono(id))
	}
	switch {
	case ended:
		row("state", Cell{Text: "ended", Tone: Weak})
	case ready != nil:
		row("state", Cell{Text: "running since " + clock(ready.Time), Tone: Good})
	case launch != nil:
		row("state", Cell{Text: "being started since " + clock(launch.Time), Tone: Warn})
	}
	if launch != nil && ready != nil && ready.Time >= launch.Time {
		row("started in", plain(span(ready.Time-launch.Time)))
	}
	calls, running, total := callsOf(upTo(n.calls, a.seq))
	row("lanes in use", plain(strconv.Itoa(running)))
	row("calls", plain(strconv.Itoa(total)))
	a.add(b, calls, lifeBlock(life))
}

// callsOf lists a chaincode's calls, newest first.
func callsOf(events []trace.Event) (b Block, running, total int) {
	b = Block{Form: Table, Title: "Calls", Header: []string{"transaction", "function", "took"}}
	ends := map[string]*trace.Event{}
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		switch e.Kind {
		case trace.ChaincodeCompleted, trace.ChaincodeError:
			ends[e.TxID] = e
		case trace.ChaincodeTransaction, trace.ChaincodeInit:
			total++
			took := Cell{Text: "running", Tone: Warn}
			if end := ends[e.TxID]; end != nil {
				took = plain(span(end.Time - e.Time))
				delete(ends, e.TxID)
			} else {
				running++
			}
			if len(b.Rows) < shownCalls {
				b.Rows = append(b.Rows, []Cell{txCell(e.TxID), plain(printable(e.Key, 60)), took})
			} else {
				b.More++
			}
		}
	}
	if len(b.Rows) == 0 {
		b = Block{Form: Text, Title: "Calls", Text: "None so far: it waits for work.", Tone: Weak}
	}
	return b, running, total
}
