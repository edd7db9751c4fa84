package session

import (
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/network"
)

// Replays leads a person from a network that runs to a transaction of their own: it invites
// to the first one, shows it once in slow motion as the trace tells it, and any other one
// again when it is asked to. The network goes on meanwhile.
type Replays struct {
	s       *Session
	asked   bool          // the transaction that was invited to is submitted
	mine    string        // the first transaction that the person submitted, "" before
	outcome *Outcome      // of it, nil while it is under way
	took    time.Duration // that it has been under way for, of the screen's time
	wanted  bool          // it is to be shown once
	quiet   bool          // the person does not want to be led, or has been
	tx      string        // that is shown in slow motion, "" if none is
	until   uint64        // where it ends
	over    bool          // it has been shown to its end, or left before
}

// Guidance is what there is to say about transactions of one's own.
type Guidance uint8

// The guidances, in the order in which they come.
const (
	Silent    Guidance = iota
	Invited            // nothing was submitted yet
	Underway           // the first transaction has no outcome yet
	Replaying          // a transaction is shown in slow motion
	Replayed           // and has been
)

// Guidance tells what there is to say now.
func (r *Replays) Guidance() Guidance {
	switch {
	case r.tx != "" && r.over:
		return Replayed
	case r.tx != "":
		return Replaying
	case r.quiet || r.s.ScriptRun() != nil || !r.s.Running():
		return Silent
	case r.mine == "" && !r.asked:
		return Invited
	case r.outcome == nil:
		return Underway
	}
	return Silent
}

// Tx is the transaction that is spoken of, and what came of it, nil if that is not known.
func (r *Replays) Tx() (tx string, outcome *Outcome) {
	tx = r.mine
	if r.tx != "" {
		tx = r.tx
	}
	if tx == r.mine {
		outcome = r.outcome
	}
	return tx, outcome
}

// Took is how long the first transaction has been under way.
func (r *Replays) Took() time.Duration { return r.took }

// Dismiss ends the guidance.
func (r *Replays) Dismiss() {
	r.quiet, r.tx = true, ""
	r.s.Playhead.Until = 0
}

// Begin shows a transaction in slow motion; false if the trace holds nothing of it.
func (r *Replays) Begin(tx string) bool {
	first, last, ok := r.span(tx)
	if !ok {
		return false
	}
	r.tx, r.until, r.over = tx, last, false
	r.s.Select(view.Selection{What: view.SelectTx, TxID: tx})
	r.s.Playhead.Replay(r.s.Axis, first, last, time.Duration(r.s.settings.ReplayNS))
	return true
}

// Step goes to the transaction's beginning, to walk through it event by event.
func (r *Replays) Step() {
	if first, _, ok := r.span(r.tx); ok {
		r.over = true
		r.s.Playhead.Seek(r.s.Axis.Moment(first))
		r.s.Playhead.Playing = false
	}
}

// AtEnd tells whether the playhead stands where a replay ended.
func (r *Replays) AtEnd() bool {
	return r.tx != "" && r.over && !r.s.Playhead.Playing && r.s.Playhead.At.Seq == r.until
}

// span is where the trace speaks of a transaction, as far as it is shown.
func (r *Replays) span(tx string) (first, last uint64, ok bool) {
	begin, end, any := r.s.Axis.Bounds()
	if !any || tx == "" || r.s.source == nil {
		return 0, 0, false
	}
	events := r.s.source.ByTx(tx)
	if len(events) == 0 {
		return 0, 0, false
	}
	first, last = max(events[0].Seq, begin), min(events[len(events)-1].Seq, end)
	return first, last, first < last
}

// submitted hears of a transaction of the person's.
func (r *Replays) submitted(tx string) {
	if r.mine == "" {
		r.mine = tx
	}
}

// decided hears of outcomes. The first transaction of one's own is shown at once, unless
// the person looks at something else already.
func (r *Replays) decided(all []Outcome) {
	for i := range all {
		if all[i].TxID != r.mine || r.mine == "" || r.outcome != nil {
			continue
		}
		p := r.s.Playhead
		r.outcome = &all[i]
		r.wanted = r.tx == "" && !r.quiet && r.s.ScriptRun() == nil && p.Pace == view.Live && p.Playing
		r.quiet = true
	}
}

// follow keeps up with the playhead.
func (r *Replays) follow(dt time.Duration) {
	p := r.s.Playhead
	switch {
	case r.Guidance() == Underway:
		r.took += dt
	case r.wanted:
		r.wanted = !r.Begin(r.mine) // once the panels know it
	case r.tx == "":
	case p.Pace == view.Live:
		r.tx = ""
	case !r.over && p.Until == 0:
		if _, last, ok := r.span(r.tx); ok && last > r.until && p.At.Seq == r.until && !p.Playing {
			r.until, p.Until, p.Playing = last, last, true // more of it has happened meanwhile
			return
		}
		r.over = true
	}
}

// SubmitFirst submits the transaction that the person is invited to, once; false if there is
// none.
func (r *Replays) SubmitFirst(failed func(error)) bool {
	c, ok := r.s.FirstCall()
	if !ok || r.Guidance() != Invited {
		return ok
	}
	r.asked = true
	r.s.Submit(c, func(o Outcome) {
		if o.TxID == "" { // it did not even become a transaction
			r.asked = false
			failed(o.Err)
		}
	})
	return true
}

// FirstCall is a call that changes something and that a network which has just started can
// answer; false if none of its chaincodes is known well enough.
func (s *Session) FirstCall() (Call, bool) {
	identities := s.Identities()
	if len(identities) == 0 || s.topology == nil {
		return Call{}, false
	}
	for i := range s.topology.Chaincodes {
		cc := &s.topology.Chaincodes[i]
		names := []string{"CreateAsset", "Increment", "Open", "RollFair", "Write"}
		if len(cc.Call) > 0 { // there is something already
			names = slices.Insert(names, 0, "TransferAsset")
		}
		for _, name := range names {
			for _, f := range s.Functions(cc.Name) {
				if args := f.Examples(); f.Name == name && !f.Seen && !slices.Contains(args, "") {
					return Call{Identity: identities[0], Call: network.Call{Chaincode: cc.Name, Function: name, Args: args}}, true
				}
			}
		}
	}
	return Call{}, false
}

// submitted selects a transaction that the person has submitted, from its proposal on: also
// while a message of it is held.
func (s *Session) submitted(tx string) {
	s.Select(view.Selection{What: view.SelectTx, TxID: tx})
	s.Replays.submitted(tx)
}

// decided hears of the outcomes of one submission and selects what was rejected of it, unless
// the person has chosen something else since.
func (s *Session) decided(all []Outcome) {
	chosen := func(o Outcome) bool { return s.Selection() == view.Selection{What: view.SelectTx, TxID: o.TxID} }
	rejected := slices.IndexFunc(all, func(o Outcome) bool { return !o.Valid && o.TxID != "" })
	if rejected >= 0 && slices.ContainsFunc(all, chosen) {
		s.Select(view.Selection{What: view.SelectTx, TxID: all[rejected].TxID})
	}
	s.Replays.decided(all)
}
