package session

import (
	"slices"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of one frame.
const (
	maxPerTick = 20_000               // events
	tickBudget = 8 * time.Millisecond // spent on events of a recording
	tickBatch  = 2_000
	stepBatch  = 4_096
	stepSearch = 400_000 // events looked at for the next event of a selection
)

// Tick is called once a frame: it gives new events to the panels, moves the playhead by
// dt of the screen's time and tells the outcomes of actions. It says whether anything
// that is shown may have changed.
func (s *Session) Tick(dt time.Duration) (changed bool) {
	if s.closed {
		return false
	}
	changed = s.addEvents()
	if s.Playhead.Tick(dt, s.Axis) {
		changed = true
	}
	if s.script != nil {
		s.script.rest(dt)
	}
	s.document.age += dt
	held, asked := s.held.version, s.asked.version
	s.pollHeld(dt)
	s.askLive(dt)
	for _, t := range s.outcomes.take() {
		t.f()
		changed = true
	}
	return changed || s.held.version != held || s.asked.version != asked
}

// addEvents takes what is new in the trace.
func (s *Session) addEvents() bool {
	switch {
	case s.run != nil:
		return s.addRecorded()
	case s.recorder == nil:
		return false
	}
	taken := false
	for begin := time.Now(); time.Since(begin) < tickBudget; taken = true {
		events, next, lost := s.recorder.Since(s.cursor, tickBatch)
		if len(events) == 0 {
			break
		}
		s.cursor, s.lost = next, s.lost+lost
		s.take(events)
	}
	return taken
}

// take gives events to everything that learns from them.
func (s *Session) take(events []trace.Event) {
	s.Axis.Add(events)
	s.nodes.add(events)
	s.Panels.add(events)
	s.tellSteps(events)
	s.held.watch(events)
}

// Lost tells how many events left the memory before this session could show them.
func (s *Session) Lost() uint64 { return s.lost }

// Behind tells how many events of the trace are not shown yet.
func (s *Session) Behind() uint64 {
	if s.recorder == nil {
		return 0
	}
	return s.recorder.Last() - s.cursor
}

// Selection is the one thing that all panels show as chosen.
func (s *Session) Selection() view.Selection { return s.selection }

// Select chooses one thing for all panels and tells the listeners.
func (s *Session) Select(sel view.Selection) {
	if sel == s.selection {
		return
	}
	s.selection = sel
	s.document.forget()
	for _, f := range s.listeners {
		f(sel)
	}
}

// OnSelect makes f hear of every change of the selection. Listeners stay until Close.
func (s *Session) OnSelect(f func(view.Selection)) { s.listeners = append(s.listeners, f) }

// StepSelection moves the playhead to the next (dir > 0) or previous event of what is
// selected and pauses there. It is false where there is none within reach.
func (s *Session) StepSelection(dir int) bool {
	seq, ok := s.nextOf(s.selection, s.Playhead.At.Seq, dir)
	if !ok {
		return false
	}
	s.Playhead.Seek(s.Axis.Moment(seq))
	s.Playhead.Playing = false
	return true
}

// nextOf finds the next event of a selection after (dir > 0) or before a position.
func (s *Session) nextOf(sel view.Selection, from uint64, dir int) (uint64, bool) {
	if s.source == nil || sel.What == view.Nothing {
		return 0, false
	}
	if tx := sel.Tx(); tx != "" {
		events := s.source.ByTx(tx)
		i, found := slices.BinarySearchFunc(events, from, func(e trace.Event, seq uint64) int {
			switch {
			case e.Seq < seq:
				return -1
			case e.Seq > seq:
				return 1
			}
			return 0
		})
		switch {
		case dir > 0 && found:
			i++
		case dir < 0:
			i--
		}
		if i < 0 || i >= len(events) {
			return 0, false
		}
		return events[i].Seq, true
	}
	return s.scan(from, dir, func(e *trace.Event) bool { return concerns(sel, e) })
}

// scan looks for an event forwards or backwards, within bounds.
func (s *Session) scan(from uint64, dir int, fits func(*trace.Event) bool) (uint64, bool) {
	first, last, ok := s.Axis.Bounds()
	if !ok {
		return 0, false
	}
	if dir > 0 {
		for cursor, looked := from, 0; cursor < last && looked < stepSearch; looked += stepBatch {
			events, next, _ := s.source.Since(cursor, stepBatch)
			if len(events) == 0 {
				return 0, false
			}
			for i := range events {
				if events[i].Seq > from && fits(&events[i]) {
					return events[i].Seq, true
				}
			}
			cursor = next
		}
		return 0, false
	}
	for end, looked := from, 0; end > first && looked < stepSearch; looked += stepBatch {
		begin := uint64(0)
		if end > stepBatch {
			begin = end - stepBatch
		}
		begin = max(begin, first-1)
		events, _, _ := s.source.Since(begin, int(end-begin))
		for i := len(events) - 1; i >= 0; i-- {
			if events[i].Seq < from && fits(&events[i]) {
				return events[i].Seq, true
			}
		}
		end = begin
	}
	return 0, false
}

// concerns tells whether an event is about a selection other than a transaction.
func concerns(sel view.Selection, e *trace.Event) bool {
	if view.Quiet(e.Kind) {
		return false
	}
	switch sel.What {
	case view.SelectNode, view.SelectLedger:
		return e.Node == sel.Node || e.Other == sel.Node
	case view.SelectOrg:
		return inOrg(e.Node, sel.Node) || inOrg(e.Other, sel.Node)
	case view.SelectLink:
		return e.Node == sel.Node && e.Other == sel.Other || e.Node == sel.Other && e.Other == sel.Node
	case view.SelectBlock:
		return e.Block == sel.Block && aboutBlock(e.Kind) && (sel.Node == "" || e.Node == sel.Node || e.Other == sel.Node)
	case view.SelectKey:
		return e.Key == sel.Key && aboutKey(e.Kind) && (sel.Node == "" || e.Node == sel.Node || e.Other == sel.Node)
	case view.SelectMessage:
		return e.Seq == sel.Seq
	case view.SelectPeers:
		return e.Kind == trace.Committed
	}
	return false
}

// inOrg tells whether a node's name lies in an organisation's domain, by the usual names.
func inOrg(node, org string) bool {
	if peer := view.PeerOf(node); peer != "" {
		node = peer
	}
	for _, part := range strings.Split(node, ".") {
		if strings.EqualFold(part, org) {
			return true
		}
	}
	return false
}

func aboutBlock(k trace.Kind) bool {
	switch k {
	case trace.BlockCut, trace.BlockWritten, trace.BlockPulled, trace.ValidateFrom, trace.PolicyJudged, trace.VersionCheck,
		trace.Verdict, trace.Committed, trace.DeliverBlock, trace.DeliverFiltered:
		return true
	}
	return false
}

func aboutKey(k trace.Kind) bool {
	switch k {
	case trace.ReadAdded, trace.WriteAdded, trace.RangeAdded, trace.ChaincodeGetState, trace.ChaincodePutState, trace.ChaincodeDelState:
		return true
	}
	return false
}
