package sqlite

/*
// SQLite's functions come from another package, see files.c; ELF needs no flag for that.
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include <stdlib.h>
#include "files.h"
*/
import "C"

import (
	"errors"
	"sync"
	"time"
	"unsafe"
)

// Disk is what the files of one process share: whose turn it is to fold its log
// (see fold.go), and how fast they may sync. A nil Disk is a disk of its own, as
// fast as it is.
type Disk struct {
	turn chan struct{} // holds one token
	slow *C.disk
}

// NewDisk makes a disk. With a rate, in bytes a second, it is slowed down: a sync
// takes as long as a disk of that speed needs for what has been written since the
// one before, one file after the other. Writes themselves go to memory, as ever.
func NewDisk(bytesPerSecond int64) *Disk {
	d := &Disk{turn: make(chan struct{}, 1)}
	if bytesPerSecond > 0 {
		d.slow = C.disk_new(C.int64_t(bytesPerSecond)) // never freed: a file may outlive everything
	}
	return d
}

// Sync is one wait for the disk.
type Sync struct {
	Log        bool  // of the write-ahead log, not of the file
	Background bool  // nobody waited for it
	Bytes      int64 // written since the one before
	Took       time.Duration
	// Waited is no sync by itself: a commit waited so long until the disk had caught up.
	Waited bool
}

// layer stands between SQLite and the files of one database. It counts, times the
// syncs, and slows them down if the disk says so.
type layer struct {
	mu     sync.RWMutex // held for reading while a connection is opened
	c      *C.layer
	closed bool
}

var errLayerClosed = errors.New("the database is closed")

func newLayer(disk *Disk, journal string) (*layer, error) {
	var slow *C.disk
	if disk != nil {
		slow = disk.slow
	}
	path := C.CString(journal)
	defer C.free(unsafe.Pointer(path))
	c := C.layer_new(slow, path)
	if c == nil {
		return nil, errors.New("SQLite takes no file layer; is there any memory left?")
	}
	return &layer{c: c}, nil
}

// opening runs open with the name under which SQLite knows the layer.
func (l *layer) opening(background bool, open func(name string) error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return errLayerClosed
	}
	which := C.int(0)
	if background {
		which = 1
	}
	return open(C.GoString(C.layer_name(l.c, which)))
}

// each hands out the syncs that have not been handed out yet. Only the last 64 are kept.
func (l *layer) each(visit func(Sync)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	var r C.sync_record
	for !l.closed && C.layer_take(l.c, &r) != 0 {
		visit(Sync{Log: r.log != 0, Background: r.background != 0, Bytes: int64(r.bytes), Took: time.Duration(r.took)})
	}
}

// sums tells whether the file's pages carry checksums, bad the last page that does not
// have its own, 0 for none.
func (l *layer) sums() (sums bool, bad int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return false, 0
	}
	return C.layer_sums(l.c) != 0, int64(C.layer_bad(l.c))
}

// counts gives how many bytes have been written to the log and to the file.
func (l *layer) counts() (logged, written int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return 0, 0
	}
	return int64(C.layer_logged(l.c)), int64(C.layer_written(l.c))
}

// close forgets the layer. Files that are open stay usable.
func (l *layer) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		C.layer_release(l.c)
	}
}
