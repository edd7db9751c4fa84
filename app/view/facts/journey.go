package facts

import "github.com/fabriscope/fabriscope/internal/trace"

// Progress is what an event changes on a transaction's way from its client through the
// ordering service to its verdict.
type Progress struct {
	Sent   bool // it was sent for ordering, and is pending from now on
	Left   int  // so many are pending no longer: it, or others that nobody hears of any more
	Judged bool // it has its verdict: from the first peer that judges it, all come to the same
	Code   uint8
	Took   int64 // ns from its first event until its client knows the verdict, or until the verdict where no client tells; 0 = not now
}

// What is known of a transaction's way.
const (
	pending = 1 << iota // sent for ordering, without a verdict
	watched             // by a client of this network, who will say when it learns the verdict
	ended               // who asked knows what came of it
)

// patience is how long a transaction is said to be pending, in nanoseconds.
const patience = 300_000_000_000

// goesOn follows a transaction with an event. first tells that it is the first verdict on it.
func (t *Txs) goesOn(e *Step, first bool) (p Progress) {
	p.Left = t.giveUp(e.Now)
	tx := t.Tx(e.Tx)
	if tx == nil {
		return p
	}
	switch e.Info.Op {
	case OpSubmitted:
		tx.way |= watched
		p.Sent = tx.way&pending == 0
	case OpBroadcast, OpEnqueued:
		p.Sent = tx.way&pending == 0
	case OpBroadcastAnswer:
		if e.What == trace.Rejected && e.Dir == trace.Received {
			p.Left += tx.leaves()
		}
	case OpVerdict:
		if !first || e.Event.Block == 0 { // the first block is no transaction of anybody
			break
		}
		p.Judged = true
		p.Code, _ = CodeOf(e.Event)
		p.Left += tx.leaves()
		if tx.way&watched == 0 {
			p.Took = tx.ends(e.Now)
		}
	case OpCommitSeen:
		p.Left += tx.leaves()
		p.Took = tx.ends(e.Now)
	}
	if p.Sent {
		tx.way |= pending
	}
	return p
}

// leaves notes that a transaction is not pending; it gives 1 if it was.
func (tx *Tx) leaves() int {
	was := int(tx.way & pending)
	tx.way &^= pending
	return was
}

func (tx *Tx) ends(now int64) int64 {
	if tx.way&ended != 0 {
		return 0
	}
	tx.way |= ended
	return now - tx.First
}

// giveUp counts those that have been pending for too long or were forgotten, each once.
func (t *Txs) giveUp(now int64) (left int) {
	left, t.lost = t.lost, 0
	t.overdue = max(t.overdue, t.base)
	for ; ; t.overdue++ {
		tx := t.Tx(t.overdue)
		if tx == nil || now-tx.First < patience {
			return left
		}
		left += tx.leaves()
	}
}
