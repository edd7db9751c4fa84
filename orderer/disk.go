package orderer

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/orderer/store"
)

// errStalled: the disk took too long. Raft then gives up the leadership.
var errStalled = errors.New("the disk did not answer in time")

// disk stands between one Raft instance and the store, because of what Raft does
// when the disk misbehaves. A leader whose disk stalls goes on sending heartbeats
// while nothing is committed any more (hashicorp/raft issues 503, 666): here a
// write that takes too long fails, and the leader steps down. Raft panics when its
// term cannot be written or an entry not be read: here these are tried again until
// they succeed or the instance has ended. An instance that has ended hears nobody
// and speaks to nobody (its transport is closed first), so what it believes to
// have written does not matter.
type disk struct {
	*store.Log
	stall   time.Duration
	alone   func() bool // whether no other node could lead; asked once Raft has started
	ended   <-chan struct{}
	report  func(doing string, err error)
	started atomic.Bool // NewRaft is over: errors cannot be returned any more
	stuck   atomic.Bool // a write that has failed towards Raft is still under way
}

// The pauses between attempts at something that must succeed.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// StoreLogs appends entries, within bounds of time.
func (d *disk) StoreLogs(logs []*raft.Log) error {
	return d.bounded("append to Raft's log", func() error { return d.Log.StoreLogs(logs) })
}

// StoreLog appends one entry, within bounds of time.
func (d *disk) StoreLog(log *raft.Log) error { return d.StoreLogs([]*raft.Log{log}) }

// DeleteRange removes entries, within bounds of time.
func (d *disk) DeleteRange(min, max uint64) error {
	return d.bounded("shorten Raft's log", func() error { return d.Log.DeleteRange(min, max) })
}

// bounded runs a write and gives up waiting after d.stall, unless there is nobody else to
// lead: then giving up would only lose what was taken in. The write itself may still happen: the store's rules make that harmless (see store.Log.StoreLogs),
// but no other write of this instance begins before it is over.
func (d *disk) bounded(doing string, write func() error) error {
	if d.stuck.Load() {
		return errStalled
	}
	done := make(chan error, 1)
	go func() { done <- write() }()
	timer := time.NewTimer(d.stall)
	defer timer.Stop()
	for waiting := true; waiting; {
		select {
		case err := <-done:
			if err != nil && !errors.Is(err, store.ErrFenced) {
				d.report(doing, err)
			}
			return err
		case <-timer.C:
			d.report(doing, errStalled)
			if waiting = d.started.Load() && d.alone(); waiting {
				timer.Reset(d.stall)
			}
		case <-d.ended:
			waiting = false
		}
	}
	d.stuck.Store(true)
	go func() {
		<-done
		d.stuck.Store(false)
	}()
	return errStalled
}

// Set keeps a value. It does not return before that succeeded or the instance ended.
func (d *disk) Set(key, value []byte) error {
	return d.retryUntilDone("keep Raft's vote", func() error { return d.Log.Set(key, value) })
}

// SetUint64 keeps a number, like Set.
func (d *disk) SetUint64(key []byte, value uint64) error {
	return d.retryUntilDone("keep Raft's term", func() error { return d.Log.SetUint64(key, value) })
}

func (d *disk) retryUntilDone(doing string, write func() error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := write()
		if err == nil || errors.Is(err, store.ErrFenced) {
			return nil
		}
		if !d.started.Load() {
			return err
		}
		d.report(doing, err)
		if !d.wait(pause) {
			return nil
		}
	}
}

// GetLog reads an entry. It does not return an error other than ErrLogNotFound
// once Raft runs; the goroutine of an instance that has ended stops here instead.
func (d *disk) GetLog(index uint64, log *raft.Log) error {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := d.Log.GetLog(index, log)
		if err == nil || errors.Is(err, raft.ErrLogNotFound) || !d.started.Load() {
			return err
		}
		d.report("read Raft's log", err)
		if !d.wait(pause) {
			runtime.Goexit() // Raft would panic on any answer
		}
	}
}

// wait waits before the next attempt; false when the instance has ended.
func (d *disk) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-d.ended:
		return false
	}
}
