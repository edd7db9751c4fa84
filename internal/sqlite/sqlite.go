// Package sqlite opens the files that Fabriscope keeps: one per peer and channel
// (blocks, state, history), one per ordering node (blocks, Raft log) and the run
// file of a recorded trace. It is the only importer of go-sqlite3.
//
// Every file is opened the same way: one connection that writes, a few that
// read, write-ahead logging, and numbered migrations that the owner embeds.
// Readers see the last committed state and never wait for the writer; a reader's
// transaction keeps seeing the one state it began with, which is what gives a
// simulation its committed height.
//
// In the life of a transaction this package serves the steps that must survive
// a crash: the ordering node's write of a block and the peer's commit of it.
//
// Read next: update.go (transactions), errors.go (what can go wrong and what to
// do then), migrate.go.
package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults and bounds. They are small because fifty peers live in one process.
const (
	defaultCacheKiB   = 256              // page cache of one connection
	defaultReaders    = 4                // read-only connections at most
	statementCache    = 48               // prepared statements kept by one connection
	busyTimeout       = 10 * time.Second // wait for a lock held by another process
	readerIdle        = time.Minute      // an unused reader is closed after this
	walKept           = 4 << 20          // the log file is cut to this when it is reused
	walLimit          = 16 << 20         // above this a commit waits until the log can start over
	checkUpTo         = 64 << 20         // larger files are not read whole at each start
	checkpointPatient = 250 * time.Millisecond
)

// Options say how a file is opened. The zero value opens an existing or new
// file for writing, with NORMAL synchronisation and no tables.
type Options struct {
	// Migrations bring the file to the newest layout; the first one makes
	// version 1. Each runs in a transaction of its own. See FromFS.
	Migrations []string

	// ReadOnly opens an existing file without a writer.
	ReadOnly bool

	// Readers is the most read-only connections, opened when needed; 0 means 4.
	Readers int

	// Synchronous is "NORMAL" (default: survives kill -9; a power cut may lose
	// the last commits but never corrupts), "FULL" (each commit is on the disk)
	// or "OFF" (for files that are thrown away).
	Synchronous string

	// CacheKiB is the page cache of each connection; 0 means 256.
	CacheKiB int

	// MmapBytes lets SQLite map that much of the file instead of reading it; 0 is off.
	MmapBytes int64

	// ApplicationID marks the file as one of a certain sort (PRAGMA
	// application_id). A file that carries another mark is refused. 0 = no mark.
	ApplicationID int32

	// FullCheck reads the whole file at opening whatever its size. Without it,
	// files above 64 MiB get a check of the header and the schema only.
	FullCheck bool

	// SkipCheck opens a file that may be damaged, to save what can be read.
	SkipCheck bool

	// Checksums lets every page carry a checksum, which is compared whenever the page is
	// read; a page that differs is ErrCorrupt. A file without them, up to 1 GiB, is
	// written anew with them when it is opened.
	Checksums bool

	// Functions are SQL functions by name. Each makes the function for one connection,
	// which calls it from one goroutine at a time. They must give equal results for equal
	// arguments; see RegisterFunc of mattn/go-sqlite3 for the types they can have.
	Functions map[string]func() any

	// Remedy is what ErrCorrupt says besides, for example a command.
	Remedy string

	// Disk is shared by the files of one process; see NewDisk. nil works.
	Disk *Disk

	// Synced hears of each wait for the disk, soon after it. It may be called from
	// several goroutines at once and must not use the database.
	Synced func(Sync)

	// Journal, for tests of power cuts, takes every change and every sync of the
	// file and its log in their order, see power_test.go.
	Journal string
}

// DB is an open file. All methods may be called from many goroutines.
type DB struct {
	path    string
	options Options
	writer  *sql.DB // nil when read-only
	reader  *sql.DB
	folder  *sql.DB // the connection that folds the log; nil when read-only
	layer   *layer
	folds   folds
	remove  string // directory to delete at Close, for OpenTemp

	writing sync.Mutex   // held by Update: one transaction at a time, in order of arrival
	tended  atomic.Int64 // size of the log file at which tend looks again
	closing sync.Once
	closed  error
}

// Open opens the file at path, creates it if it may, checks it and brings it to
// the newest layout. Errors: ErrCorrupt, ErrForeign, ErrNewer, ErrDiskFull,
// fs.ErrNotExist when a read-only file is missing.
func Open(path string, options Options) (*DB, error) {
	if path == "" {
		return nil, errors.New("open database: the path is empty")
	}
	if err := options.complete(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{path: path, options: options}
	if err := db.open(); err != nil {
		_ = db.Close() // the first error is the one that matters
		if remedy := options.Remedy; errors.Is(err, ErrCorrupt) && remedy != "" && !strings.HasSuffix(err.Error(), remedy) {
			err = fmt.Errorf("%w; %s", err, remedy)
		}
		return nil, err
	}
	return db, nil
}

// OpenTemp opens a file that is deleted at Close: the same code as for a kept
// file, without its safety against power cuts. For inspections and tests.
func OpenTemp(options Options) (*DB, error) {
	directory, err := os.MkdirTemp("", "fabriscope-")
	if err != nil {
		return nil, fmt.Errorf("open temporary database: %w", err)
	}
	options.Synchronous = "OFF"
	options.ReadOnly = false
	db, err := Open(filepath.Join(directory, "temporary.db"), options)
	if err != nil {
		_ = os.RemoveAll(directory)
		return nil, err
	}
	db.remove = directory
	return db, nil
}

// complete fills the defaults and refuses what cannot work.
func (o *Options) complete() error {
	if o.Readers <= 0 {
		o.Readers = defaultReaders
	}
	if o.CacheKiB <= 0 {
		o.CacheKiB = defaultCacheKiB
	}
	switch o.Synchronous {
	case "":
		o.Synchronous = "NORMAL"
	case "NORMAL", "FULL", "OFF":
	default:
		return fmt.Errorf("Synchronous is %q, must be NORMAL, FULL or OFF", o.Synchronous)
	}
	return nil
}

// open connects, checks and migrates.
func (db *DB) open() error {
	info, err := os.Stat(db.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && db.options.ReadOnly:
		return fmt.Errorf("open %s: %w", db.path, fs.ErrNotExist)
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("open database: %w", err)
	case info.IsDir():
		return fmt.Errorf("open %s: it is a directory, a file is needed", db.path)
	}
	if err := checkHeader(db.path); err != nil {
		return err
	}
	if info == nil { // for nobody else's eyes; the log and its index get the same mode
		f, err := os.OpenFile(db.path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return fmt.Errorf("open database: %w", err)
		}
		_ = f.Close() // nothing was written
	}
	if db.layer, err = newLayer(db.options.Disk, db.options.Journal); err != nil {
		return fmt.Errorf("open %s: %w", db.path, err)
	}
	db.folds.portion = foldMost
	if !db.options.ReadOnly {
		if log, err := os.Stat(db.path + "-wal"); err == nil {
			db.folds.began = -log.Size() // what a crash has left is folded soon
		}
		db.writer = db.connections(connector{mode: readWrite}, 1)
		db.folder = db.connections(connector{mode: readWrite, background: true}, 1)
	}
	db.reader = db.connections(connector{mode: readOnly}, db.options.Readers)
	db.reader.SetConnMaxIdleTime(readerIdle)
	db.tended.Store(walLimit)

	if err := db.check(info); err != nil {
		return err
	}
	if db.options.ReadOnly {
		return db.checkVersion()
	}
	if err := db.migrate(); err != nil {
		return err
	}
	if info == nil || info.Size() == 0 { // new: it has them
		return nil
	}
	return db.addChecksums()
}

// Check reads every page and every index and lists what is wrong, at most so many things.
// An error means that it could not look.
func (db *DB) Check(ctx context.Context, most int) (problems []string, err error) {
	rows, err := db.reader.QueryContext(ctx, fmt.Sprintf("PRAGMA integrity_check(%d)", most))
	if err != nil {
		if err = db.Explain("check", err); errors.Is(err, ErrCorrupt) {
			return []string{err.Error()}, nil
		}
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return problems, db.Explain("check", err)
		}
		if line != "ok" {
			problems = append(problems, strings.Join(strings.Fields(line), " "))
		}
	}
	if err := db.Explain("check", rows.Err()); errors.Is(err, ErrCorrupt) {
		problems = append(problems, err.Error())
	} else if err != nil {
		return problems, err
	}
	if sums, _ := db.layer.sums(); sums && len(problems) > 0 {
		if _, bad := db.layer.sums(); bad > 0 {
			problems[0] = fmt.Sprintf("page %d of %s is not what was written; %s", bad, db.path, problems[0])
		}
	}
	return problems, nil
}

// Mark reads the mark of a database file, its Options.ApplicationID, without opening it.
func Mark(path string) (int32, error) {
	if err := checkHeader(path); err != nil {
		return 0, err
	}
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open database: %w", err)
	}
	defer file.Close()
	var mark [4]byte
	const place = 68
	if _, err := file.ReadAt(mark[:], place); err != nil {
		return 0, fmt.Errorf("open %s: %w", path, ErrCorrupt)
	}
	return int32(binary.BigEndian.Uint32(mark[:])), nil
}

// sumBytes is the room at the end of each page.
const sumBytes = 8

// sumUpTo is the size of a file that gets its checksums when it is opened.
const sumUpTo = 1 << 30

// addChecksums writes a file anew whose pages have no room for checksums yet. If there is
// no room for that on the disk the file stays as it is.
func (db *DB) addChecksums() error {
	if sums, _ := db.layer.sums(); sums || !db.options.Checksums {
		return nil
	}
	if _, _, err := db.pass(); err != nil { // the header of a new file is in the log
		return err
	}
	info, err := os.Stat(db.path)
	if sums, _ := db.layer.sums(); err != nil || sums || info.Size() > sumUpTo {
		return err
	}
	ctx := context.Background()
	connection, err := db.writer.Conn(ctx)
	if err != nil {
		return db.Explain("open", err)
	}
	defer connection.Close() // back to the pool
	for _, statement := range []string{"PRAGMA temp_store=FILE", "VACUUM", "PRAGMA temp_store=MEMORY"} {
		if _, err := connection.ExecContext(ctx, statement); err != nil {
			err = db.Explain("add checksums to", err)
			if errors.Is(err, ErrDiskFull) {
				return nil
			}
			return err
		}
	}
	_, _, err = db.pass()
	return err
}

// connections makes a pool; nothing is opened yet.
func (db *DB) connections(c connector, most int) *sql.DB {
	c.path, c.options, c.layer = db.path, db.options, db.layer
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(most)
	pool.SetMaxIdleConns(most)
	return pool
}

// Path is the file's name as it was given to Open.
func (db *DB) Path() string { return db.path }

// Writer is the one connection that writes; nil for a read-only file. Use
// Update unless a transaction must outlive one function; never mix both from
// one goroutine, because there is a single connection. Pass
// context.Background() in hot code: a context that can be cancelled costs
// go-sqlite3 a goroutine for each statement.
func (db *DB) Writer() *sql.DB { return db.writer }

// Reader is the pool of read-only connections. A transaction begun on it sees,
// from its first read on, one committed state until it is rolled back.
func (db *DB) Reader() *sql.DB { return db.reader }

// Close ends all connections; the last one folds the log into the file. It
// waits for a running Update. Later calls return the first one's result.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.folds.close()
		db.writing.Lock()
		defer db.writing.Unlock()
		var errs []error
		// Readers first: the connection that closes last checkpoints the log,
		// and only one that may write can do that.
		if db.reader != nil {
			errs = append(errs, db.reader.Close())
		}
		if db.folder != nil {
			errs = append(errs, db.folder.Close())
		}
		if db.writer != nil {
			errs = append(errs, db.writer.Close())
		}
		if db.layer != nil {
			if db.options.Synced != nil {
				db.layer.each(db.options.Synced)
			}
			db.layer.close()
		}
		if db.remove != "" {
			errs = append(errs, os.RemoveAll(db.remove))
		}
		db.closed = db.Explain("close", errors.Join(errs...))
	})
	return db.closed
}

// CloseWhole closes the file for good: one file is left, without a log beside
// it, that can be read from a medium that cannot be written. While somebody
// else has the file open this is not possible, and it is Close.
func (db *DB) CloseWhole() error {
	if db.writer == nil {
		return db.Close()
	}
	db.folds.close()
	db.writing.Lock()
	if err := errors.Join(db.reader.Close(), db.folder.Close()); err == nil {
		ctx := context.Background()
		// What fails here leaves the log in use, which is no harm.
		if _, err := db.writer.ExecContext(ctx, pragmaBusy(checkpointPatient)); err == nil {
			_, _ = db.writer.ExecContext(ctx, "PRAGMA journal_mode=DELETE")
		}
	}
	db.writing.Unlock()
	return db.Close()
}

// check reads the header's marks and, for small files, every page.
func (db *DB) check(info fs.FileInfo) error {
	if db.options.SkipCheck {
		return nil
	}
	connection := db.writer
	if connection == nil {
		connection = db.reader
	}
	ctx := context.Background()
	var id int32
	var tables int
	err := connection.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM sqlite_schema), application_id FROM pragma_application_id").Scan(&tables, &id)
	if err != nil {
		return db.Explain("check", err)
	}
	if want := db.options.ApplicationID; want != 0 && id != want && (id != 0 || tables > 0) {
		return fmt.Errorf("open %s: %w", db.path, ErrForeign)
	}
	if info == nil || tables == 0 || (info.Size() > checkUpTo && !db.options.FullCheck) {
		return nil
	}
	var verdict string
	if err := connection.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return db.Explain("check", err)
	}
	if verdict != "ok" {
		return db.Explain("check", fmt.Errorf("%w: %s", errCheck, strings.Join(strings.Fields(verdict), " ")))
	}
	return nil
}
