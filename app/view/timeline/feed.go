package timeline

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// openKey finds the bar that an event ends.
type openKey struct {
	lane  uint16
	kind  Kind
	tx    uint32
	block uint64
}

type openBar struct {
	track *track
	index int
}

// feed takes one event at time t, which never runs backwards.
func (x *Index) feed(e *trace.Event, t int64) {
	if e.Dir != trace.None {
		x.feedMessage(e, t)
		return
	}
	switch e.Kind {
	case trace.SimulateStart, trace.SimulateEnd, trace.Refused, trace.WriteAdded, trace.Compared, trace.Submitted, trace.CommitSeen:
		x.feedTx(e, t)
	case trace.Enqueued, trace.BlockCut, trace.BlockWritten, trace.ValidateFrom, trace.Verdict, trace.Committed:
		x.feedBlock(e, t)
	case trace.BuildStart, trace.BuildEnd, trace.LaunchStart, trace.LaunchEnd, trace.ChaincodeExit,
		trace.NodeStart, trace.NodeReady, trace.NodeStop, trace.NodeKilled:
		x.feedLife(e, t)
	case trace.RaftRole:
		if e.Note != "leader" {
			x.deposed(x.lane(e.Node), t)
		}
	case trace.Endorsed, trace.ReadAdded, trace.RangeAdded:
		x.txs.number(e.TxID, t)
	}
}

// feedTx takes what a peer or a client does with one transaction.
func (x *Index) feedTx(e *trace.Event, t int64) {
	lane, tx := x.lane(e.Node), x.txs.number(e.TxID, t)
	x.lanes[lane].touch(t)
	switch e.Kind {
	case trace.SimulateStart:
		x.lanes[lane].learn(peer)
		x.begin(openKey{lane: lane, kind: Simulate, tx: tx}, e.Seq, t)
	case trace.SimulateEnd:
		x.end(openKey{lane: lane, kind: Simulate, tx: tx}, t, flagIf(!succeeded(e.Note), failed))
	case trace.Refused:
		x.end(openKey{lane: lane, kind: Simulate, tx: tx}, t, failed)
	case trace.WriteAdded:
		if o, ok := x.open[openKey{lane: lane, kind: Simulate, tx: tx}]; ok {
			o.track.at(o.index).flags |= writes
		}
	case trace.Compared:
		x.end(openKey{lane: lane, kind: Propose, tx: tx}, t, flagIf(e.Note != "equal", failed))
	case trace.Submitted:
		x.end(openKey{lane: lane, kind: Propose, tx: tx}, t, 0)
		x.begin(openKey{lane: lane, kind: Await, tx: tx}, e.Seq, t)
	case trace.CommitSeen:
		if info := x.txs.info(tx); info != nil {
			info.block = e.Block + 1
		}
		x.end(openKey{lane: lane, kind: Await, tx: tx}, t, flagIf(e.Note != "VALID", failed))
	}
}

// succeeded reads the status at the end of a simulation's note; Fabric's chaincode
// statuses from 400 on are errors.
func succeeded(note string) bool {
	_, status, ok := strings.Cut(note, "status ")
	return !ok || status < "400"
}

func flagIf(condition bool, flag uint8) uint8 {
	if condition {
		return flag
	}
	return 0
}

// feedBlock takes what happens to batches and blocks. There is one batch at a time: only
// the leader's envelopes count. Its bar lasts until the leader has written the block.
func (x *Index) feedBlock(e *trace.Event, t int64) {
	lane := x.lane(e.Node)
	l := x.lanes[lane]
	l.touch(t)
	filling := openKey{lane: lane, kind: Order}
	switch e.Kind {
	case trace.Enqueued:
		l.learn(orderer)
		if _, ok := x.open[filling]; !ok {
			x.begin(filling, e.Seq, t)
			x.batch = x.batch[:0]
		}
		x.batch = append(x.batch, x.txs.number(e.TxID, t))
	case trace.BlockCut:
		l.learn(orderer)
		x.cut(filling, e.Block, t)
	case trace.BlockWritten:
		l.learn(orderer)
		x.written(l, lane, e.Block, t)
	case trace.ValidateFrom:
		l.learn(peer)
		x.begin(openKey{lane: lane, kind: Validate, block: e.Block + 1}, e.Seq, t)
	case trace.Verdict:
		if info := x.txs.info(x.txs.number(e.TxID, t)); info != nil {
			info.block = e.Block + 1
		}
	case trace.Committed:
		x.end(openKey{lane: lane, kind: Validate, block: e.Block + 1}, t, 0)
	}
}

// cut closes the batch: what is enqueued now belongs to the next one. The leader writes its
// blocks in the order in which it cut them, so they wait in a row; the number of the block
// is sure only when it is written.
func (x *Index) cut(filling openKey, block uint64, t int64) {
	x.begin(filling, x.next-1, t) // unless the batch began before the first known event, it is open
	o := x.open[filling]
	delete(x.open, filling)
	o.track.at(o.index).block = block + 1
	l := x.lanes[filling.lane]
	l.cuts++
	x.open[openKey{lane: filling.lane, kind: Order, block: l.cuts}] = o
	for _, tx := range x.batch {
		if info := x.txs.info(tx); info != nil {
			info.block = block + 1
		}
	}
	x.batch = x.batch[:0]
}

// written ends the bar of the batch that was cut first and is not written yet. Ordering nodes
// that do not lead have none.
func (x *Index) written(l *lane, lane uint16, block uint64, t int64) {
	for l.wrote < l.cuts {
		l.wrote++
		key := openKey{lane: lane, kind: Order, block: l.wrote}
		if o, ok := x.open[key]; ok {
			o.track.at(o.index).block = block + 1
			x.end(key, t, 0)
			return
		}
	}
}

// deposed ends the batches of a leader that is none any more: they may never be written.
func (x *Index) deposed(lane uint16, t int64) {
	for key := range x.open {
		if key.lane == lane && key.kind == Order {
			x.end(key, t, failed)
		}
	}
}

// feedLife takes starts and ends of nodes and containers. A container that is being built
// or started is a bar of its own lane where it has one, else of its peer's.
func (x *Index) feedLife(e *trace.Event, t int64) {
	node := e.Node
	if view.PeerOf(e.Other) != "" {
		node = e.Other
	}
	lane := x.lane(node)
	l := x.lanes[lane]
	l.touch(t)
	bad := flagIf(strings.Contains(e.Note, "failed") || strings.Contains(e.Note, "error"), failed)
	switch e.Kind {
	case trace.BuildStart:
		x.begin(openKey{lane: lane, kind: Build}, e.Seq, t)
	case trace.BuildEnd:
		x.end(openKey{lane: lane, kind: Build}, t, bad)
	case trace.LaunchStart:
		x.end(openKey{lane: lane, kind: Down}, t, 0)
		x.begin(openKey{lane: lane, kind: Launch}, e.Seq, t)
	case trace.LaunchEnd:
		x.end(openKey{lane: lane, kind: Launch}, t, bad)
	case trace.ChaincodeExit:
		x.endAll(lane, t)
		x.begin(openKey{lane: lane, kind: Down}, e.Seq, t)
	case trace.NodeStart, trace.NodeReady:
		if e.Note == "orderer" {
			l.learn(orderer)
		} else if e.Note == "peer" {
			l.learn(peer)
		}
		if e.Kind == trace.NodeReady {
			x.end(openKey{lane: lane, kind: Down}, t, 0)
		}
	case trace.NodeStop, trace.NodeKilled:
		x.endAll(lane, t)
		x.begin(openKey{lane: lane, kind: Down}, e.Seq, t)
	}
}

// begin opens a bar, unless it is open already.
func (x *Index) begin(key openKey, seq uint64, t int64) {
	if _, ok := x.open[key]; ok {
		return
	}
	l := x.lanes[key.lane]
	row := 0
	if key.kind != Down { // lies behind all rows
		row = l.freeRow(t)
		l.rows[row].open++
	}
	track := l.track(key.kind, row)
	x.open[key] = openBar{track, track.add(bar{start: t, seq: seq, tx: key.tx, block: key.block})}
}

// end closes a bar if it is open.
func (x *Index) end(key openKey, t int64, flags uint8) {
	o, ok := x.open[key]
	if !ok {
		return
	}
	delete(x.open, key)
	o.track.finish(o.index, t, flags)
	if key.kind == Down {
		return
	}
	row := &x.lanes[key.lane].rows[o.track.row]
	row.open--
	row.end = t
}

// endAll closes all that runs on a node that stops, and what runs in a peer's containers.
func (x *Index) endAll(lane uint16, t int64) {
	node := x.lanes[lane].node
	for key := range x.open {
		if key.kind != Down && (key.lane == lane || x.lanes[key.lane].peer == node) {
			x.end(key, t, failed)
		}
	}
}

// feedMessage takes one end of a message.
func (x *Index) feedMessage(e *trace.Event, t int64) {
	if e.Node == "" || e.Other == "" {
		return
	}
	from, to := x.lane(e.Node), x.lane(e.Other)
	class := view.ClassOf(e.Kind)
	calm := view.Quiet(e.Kind)
	if !calm {
		x.lanes[from].touch(t)
	}
	tx := x.txs.number(e.TxID, t)
	stream := strings.HasPrefix(string(e.Kind), string(trace.ChaincodePrefix))
	if stream {
		if e.Dir == trace.Sent || e.Dir == trace.Received {
			x.feedCall(e, tx, t)
		}
	} else if class == view.Raft {
		x.lanes[from].learn(orderer)
	} else {
		x.feedClient(e, tx, t)
	}
	number, known := x.msgs.open[e.Msg]
	g := message{sent: t, seq: e.Seq, tx: tx, block: blockOf(e), from: from, to: to, class: uint8(class), flags: flagIf(calm, quiet)}
	switch e.Dir {
	case trace.Received:
		if known { // from our end, or held before it was taken
			x.arrive(number, e, t)
			return
		}
		g.from, g.to, g.flags = to, from, g.flags|singleB|flagIf(stream, tick)
		x.msgs.add(g)
	case trace.Sent:
		g.flags |= flagIf(stream, singleA|tick)
		number = x.msgs.add(g)
		if e.Msg != 0 && !stream {
			x.msgs.open[e.Msg] = number
		}
	case trace.Released: // its arrival, if we see that, is told later
		if old, c := x.msgs.at(number); known && old != nil {
			old.received = t
			c.until = max(c.until, t)
		}
	case trace.Held, trace.Lost:
		back := x.backwards(e)
		if back {
			g.from, g.to = to, from
		}
		g.flags |= flagIf(stream, tick) | flagIf(stream && !back, singleA) | flagIf(stream && back, singleB)
		x.stopped(number, known, e, g)
	}
}

// blockOf is the number of the block that a message carries, plus one; 0 if none.
func blockOf(e *trace.Event) uint32 {
	if e.Kind == trace.DeliverBlock || e.Kind == trace.DeliverFiltered {
		return uint32(e.Block + 1)
	}
	return 0
}

// backwards tells whether the end that recorded a held or lost message is its receiver: a
// request comes from the side of the clients, an answer or a block goes there.
func (x *Index) backwards(e *trace.Event) bool {
	node, other := x.lanes[x.lane(e.Node)].role, x.lanes[x.lane(e.Other)].role
	switch e.Kind {
	case trace.Proposal, trace.GatewayCall:
		return other == client
	case trace.Broadcast, trace.Seek:
		return other == client || node == orderer
	case trace.ProposalResponse, trace.GatewayAnswer, trace.DeliverFiltered:
		return node == client
	case trace.BroadcastAnswer, trace.DeliverBlock, trace.DeliverStatus:
		return node == client || other == orderer
	case trace.ChaincodeTransaction, trace.ChaincodeInit, trace.ChaincodeResponse, trace.ChaincodeRegistered, trace.ChaincodeReady:
		return node == container
	}
	return other == container // everything else of a stream is said by the chaincode
}

// arrive completes a message whose sending is known.
func (x *Index) arrive(number int, e *trace.Event, t int64) {
	delete(x.msgs.open, e.Msg)
	g, c := x.msgs.at(number)
	if g == nil {
		return
	}
	g.received, g.later = t, uint32(min(e.Seq-g.seq, 1<<32-1))
	c.until = max(c.until, t)
}

// stopped marks a message that a hold or a cut link keeps from arriving.
func (x *Index) stopped(number int, known bool, e *trace.Event, g message) {
	flag := flagIf(e.Dir == trace.Held, held) | flagIf(e.Dir == trace.Lost, lost)
	if known {
		if old, _ := x.msgs.at(number); old != nil {
			old.flags |= flag
		}
	} else {
		g.flags |= flag
		number = x.msgs.add(g)
		if e.Msg != 0 {
			x.msgs.open[e.Msg] = number
		}
	}
	if e.Dir == trace.Lost {
		delete(x.msgs.open, e.Msg)
	}
}

// feedCall makes the bar of a call inside a container from the messages of its stream.
func (x *Index) feedCall(e *trace.Event, tx uint32, t int64) {
	node := e.Other
	if view.PeerOf(node) == "" {
		node = e.Node
	}
	lane := x.lane(node)
	if l := x.lanes[lane]; l.role != container {
		return
	}
	x.lanes[lane].touch(t)
	key := openKey{lane: lane, kind: Call, tx: tx}
	switch e.Kind {
	case trace.ChaincodeTransaction, trace.ChaincodeInit:
		x.begin(key, e.Seq, t)
	case trace.ChaincodeCompleted:
		x.end(key, t, flagIf(e.Note >= "400", failed))
	case trace.ChaincodeError:
		x.end(key, t, failed)
	default:
		if view.ClassOf(e.Kind) == view.Write {
			if o, ok := x.open[key]; ok {
				o.track.at(o.index).flags |= writes
			}
		}
	}
}

// feedClient makes the bar in which a client waits for its endorsers: from the first
// proposal until all that were asked have answered.
func (x *Index) feedClient(e *trace.Event, tx uint32, t int64) {
	var asks bool
	switch {
	case (e.Kind == trace.Proposal || e.Kind == trace.GatewayCall) && e.Dir == trace.Sent:
		asks = true
	case (e.Kind == trace.ProposalResponse || e.Kind == trace.GatewayAnswer) && (e.Dir == trace.Received || e.Dir == trace.Lost):
	default:
		return
	}
	lane := x.lane(e.Node)
	info := x.txs.info(tx)
	if info == nil || x.lanes[lane].role != client {
		return
	}
	key := openKey{lane: lane, kind: Propose, tx: tx}
	if asks {
		info.waiting++
		x.begin(key, e.Seq, t)
	} else if info.waiting--; info.waiting <= 0 {
		info.waiting = 0
		x.end(key, t, 0)
	}
}
