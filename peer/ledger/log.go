package ledger

import "time"

// logLimits bound the write-ahead log of the file.
//
// It is folded into the file in the background (package sqlite). SQLite starts it over
// only at a commit before which all of it has been folded, with nobody reading from it.
// Without load every pause between two commits is such a moment. Under load a commit
// makes one: above a limit it folds what is left, which is little. Views of the newest
// height are no obstacle: they are renewed before each commit. But while there is always
// some simulation from before the last block, that moment never comes, so above a second
// limit a commit waits for them, and far above it gives them up.
type logLimits struct {
	fold    int64         // log size from which a commit folds what is left
	patient int64         // from which it waits for older views
	giveUp  int64         // from which it gives older views up
	wait    time.Duration // how long a commit waits
}

// Bounds of the log; see logLimits.
const (
	logFold   = 16 << 20
	logLimit  = 128 << 20
	logGiveUp = 1 << 30
	logWait   = time.Second
)

var defaultLogLimits = logLimits{logFold, logLimit, logGiveUp, logWait}

// boundLog keeps the log within its limits. It is called just before a commit, with the
// view that is the newest one until then.
func (l *Ledger) boundLog(current *snapshot) error {
	w := l.writer
	size := l.db.LogBytes()
	if size < l.logLimits.fold {
		w.patience = 0
		return nil
	}
	if size < w.patience {
		return nil
	}
	size, all, err := l.foldLog(current)
	if err != nil {
		return err
	}
	if !all && size >= l.logLimits.patient {
		if size >= l.logLimits.giveUp {
			l.options.Log.Warn("simulations are given up: they keep the log of the ledger from starting over",
				"file", l.db.Path(), "log_bytes", size)
			l.snapshots.failOlder(current)
		} else {
			l.snapshots.awaitOlder(current, l.logLimits.wait)
		}
		if size, all, err = l.foldLog(current); err != nil {
			return err
		}
	}
	w.patience = 0
	if !all { // somebody holds a simulation: do not try again at every commit
		w.patience = size + l.logLimits.fold/4
	}
	return nil
}

// foldLog folds the log now. The newest view is renewed before it: there are only
// four marks for how far readers have the log in use, so a view that began beside
// older ones may stand behind the mark of one of them.
func (l *Ledger) foldLog(current *snapshot) (size int64, all bool, err error) {
	if err := current.renew(&l.snapshots, false); err != nil {
		return 0, false, err
	}
	return l.db.Fold()
}

// awaitOlder waits until no snapshot but the given one has a connection.
func (p *snapshots) awaitOlder(current *snapshot, patience time.Duration) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		p.mu.Lock()
		older := 0
		for _, s := range p.live {
			if s != current {
				older++
			}
		}
		if older == 0 {
			p.mu.Unlock()
			return
		}
		changed := make(chan struct{})
		p.changed = changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			return
		}
	}
}

// failOlder gives up every snapshot but the given one.
func (p *snapshots) failOlder(current *snapshot) {
	for _, s := range p.all() {
		if s != current {
			p.forget(s)
			p.keepConnection(s.fail(ErrSnapshotLost))
		}
	}
}
