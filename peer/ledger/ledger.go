package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Defaults and bounds.
const (
	plainReaders      = 4       // connections for reads outside views
	defaultReaders    = 64      // connections for views of different heights, see maxSnapshots
	defaultCacheBytes = 1 << 20 // state cache, grows with use
	writerCacheKiB    = 2048    // pages kept by the writing connection
	readerCacheKiB    = 128     // pages kept by a reading connection
	recentBytes       = 2 << 20 // newest blocks kept decoded, at least one
)

// FileMark is what a ledger's file is marked with (sqlite.Mark): "fscl".
const FileMark = 0x6673636c

//go:embed migrations/*.sql
var migrations embed.FS

// Options say how a ledger is opened. The zero value works.
type Options struct {
	// Channel is the name of the channel. A file of another channel is refused.
	// Empty: take the file as it is.
	Channel string

	// Node is the peer's name in the trace.
	Node string

	// Readers is the most database connections for views; every height with an
	// open view needs one. 0 means 64; unused ones are closed.
	Readers int

	// CacheBytes bounds the cache of state entries. 0 means 1 MiB.
	CacheBytes int

	// CouchDB answers rich queries and keeps CouchDB's rules for keys and values. Without
	// it the state is a key-value store, as with LevelDB, and refuses them.
	CouchDB bool

	// Trace takes the growth of read-write sets; nil is off.
	Trace *trace.Recorder

	// Log takes what an operator should know; nil discards.
	Log *slog.Logger

	// Disk is what the files of one process share; nil works.
	Disk *sqlite.Disk
}

// Ledger is one peer's copy of one channel. All methods may be called from many
// goroutines; commits happen one after the other.
type Ledger struct {
	options   Options
	logLimits logLimits
	db        *sqlite.DB
	cache     *stateCache
	index     txIndex

	committing sync.Mutex // held by whoever writes to the file
	writer     *writer

	mu        sync.Mutex // guards what follows
	tip       tip
	current   *snapshot // the view that new readers share
	snapshots snapshots
	recent    []*commonpb.Block // the newest blocks, oldest first
	grown     chan struct{}     // closed when the next block is committed
	closed    bool
}

// tip is where the chain ends.
type tip struct {
	channel    string
	height     uint64 // number of blocks
	hash       []byte // header hash of the last block
	previous   []byte // header hash of the one before it
	commitHash []byte // of the last block; nil after block 0
}

// Open opens the ledger at path, or creates an empty one. It compares the
// savepoint with the blocks: a file that is damaged or contradicts itself is
// refused with ErrCorrupt and the command that repairs it.
func Open(path string, options Options) (*Ledger, error) {
	return open(path, options, sqlite.Open)
}

// OpenTemp opens an empty ledger whose file is deleted at Close, for inspecting
// foreign blocks and for tests.
func OpenTemp(options Options) (*Ledger, error) {
	return open("", options, func(_ string, o sqlite.Options) (*sqlite.DB, error) { return sqlite.OpenTemp(o) })
}

func open(path string, options Options, openFile func(string, sqlite.Options) (*sqlite.DB, error)) (*Ledger, error) {
	if options.Readers <= 0 {
		options.Readers = defaultReaders
	}
	if options.CacheBytes <= 0 {
		options.CacheBytes = defaultCacheBytes
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	layout, err := sqlite.FromFS(files)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	db, err := openFile(path, sqlite.Options{
		Migrations: layout, Readers: options.Readers + plainReaders, CacheKiB: readerCacheKiB, ApplicationID: FileMark,
		Checksums: true, Remedy: remedy(path), Disk: options.Disk, Synced: sqlite.Recorded(options.Trace, options.Node, options.Channel),
		Functions: functions(),
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	l := &Ledger{options: options, logLimits: defaultLogLimits, index: txIndex{limit: recentTxs}, db: db, snapshots: snapshots{limit: options.Readers, db: db}}
	if err := l.start(); err != nil {
		_ = l.Close() // the first error is the one that matters
		return nil, err
	}
	return l, nil
}

// start reads the savepoint and prepares the connections.
func (l *Ledger) start() error {
	var err error
	if l.writer, err = newWriter(l.db); err != nil {
		return err
	}
	if l.tip, err = l.checkSavepoint(); err != nil {
		return err
	}
	if want := l.options.Channel; want != "" && l.tip.channel != "" && l.tip.channel != want {
		return fmt.Errorf("ledger %s: it belongs to channel %s, not %s: %w", l.db.Path(), l.tip.channel, want, ErrWrongChannel)
	}
	if l.options.Channel == "" {
		l.options.Channel = l.tip.channel
	}
	l.cache = newStateCache(l.options.CacheBytes, l.tip.height)
	l.current = &snapshot{height: l.tip.height}
	return nil
}

// checkSavepoint compares what the savepoint says with the stored blocks.
func (l *Ledger) checkSavepoint() (tip, error) {
	var t tip
	var since int64
	conn, path, ctx := l.writer.conn, l.db.Path(), context.Background()
	err := conn.QueryRowContext(ctx, "SELECT channel, height, hash, commit_hash, indexed FROM savepoint").
		Scan(&t.channel, &t.height, &t.hash, &t.commitHash, &since)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return tip{}, l.db.Explain("read the savepoint of", err)
	}
	fresh := err != nil
	var blocks, last uint64
	var lastTx int64
	err = conn.QueryRowContext(ctx, "SELECT count(*), coalesce(max(number), 0), (SELECT coalesce(max(pos), -1) FROM tx) FROM block").
		Scan(&blocks, &last, &lastTx)
	if err != nil {
		return tip{}, l.db.Explain("read the blocks of", err)
	}
	switch {
	case fresh && blocks == 0 && lastTx < 0:
		return tip{}, nil
	case fresh:
		return tip{}, corrupt(path, "it has %d blocks and no savepoint", blocks)
	case blocks != t.height || last+1 != t.height:
		return tip{}, corrupt(path, "the savepoint says %d blocks, there are %d, the last is number %d", t.height, blocks, last)
	}
	if err := l.index.load(conn, since, position(wire.Version{Block: t.height})); err != nil {
		return tip{}, l.db.Explain("read the transactions of", err)
	}
	return t, l.checkLastBlock(&t, lastTx)
}

// checkLastBlock compares the savepoint's hashes with the last block.
func (l *Ledger) checkLastBlock(t *tip, lastTx int64) error {
	path := l.db.Path()
	row, err := readBlockRow(l.writer.conn, "number = ?", int64(t.height-1))
	if err != nil {
		return err
	}
	if row == nil || string(row.header().hash) != string(t.hash) {
		return corrupt(path, "the savepoint's hash is not that of block %d", t.height-1)
	}
	if row.txs > 0 && versionAt(lastTx).Block != row.number || lastTx >= 0 && versionAt(lastTx).Block == row.number && versionAt(lastTx).Tx+1 != row.txs {
		return corrupt(path, "block %d should end the list of transactions, which ends with %s", row.number, versionAt(lastTx))
	}
	block, err := row.decode(nil)
	if err != nil {
		return corrupt(path, "block %d: %v", row.number, err)
	}
	if string(commitHashOf(block)) != string(t.commitHash) {
		return corrupt(path, "the savepoint's commit hash is not that of block %d", row.number)
	}
	t.previous = row.previous
	return nil
}

// Close ends all views; simulations that still run fail with ErrClosed. It waits
// for a commit that is under way. Later calls do nothing.
func (l *Ledger) Close() error {
	l.committing.Lock()
	defer l.committing.Unlock()
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	if l.grown != nil {
		close(l.grown)
		l.grown = nil
	}
	live := l.snapshots.all()
	if l.current != nil {
		live = append(live, l.current)
	}
	l.mu.Unlock()
	for _, s := range live {
		l.snapshots.keepConnection(s.fail(ErrClosed))
	}
	l.snapshots.close()
	var errs []error
	if l.writer != nil {
		errs = append(errs, l.writer.close())
	}
	return errors.Join(append(errs, l.db.Close())...)
}

// Path is the name of the file.
func (l *Ledger) Path() string { return l.db.Path() }

// Channel is the channel's name; "" for an empty ledger opened without one.
func (l *Ledger) Channel() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.options.Channel
}

// Height is the number of committed blocks.
func (l *Ledger) Height() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tip.height
}

// CommitHash is the commit hash after the last block: equal at all peers that
// agree on the chain's effects; nil before block 1.
func (l *Ledger) CommitHash() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tip.commitHash
}

// CouchDB tells whether the state follows CouchDB's rules.
func (l *Ledger) CouchDB() bool { return l.options.CouchDB }

// Info gives height and header hashes in the form that clients ask for.
func (l *Ledger) Info() *commonpb.BlockchainInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &commonpb.BlockchainInfo{
		Height: l.tip.height, CurrentBlockHash: l.tip.hash, PreviousBlockHash: l.tip.previous,
	}
}

// Grown gives the height and a channel that is closed when it has grown, or when
// the ledger is closed.
func (l *Ledger) Grown() (height uint64, grown <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.grown == nil {
		l.grown = make(chan struct{})
		if l.closed {
			close(l.grown)
		}
	}
	return l.tip.height, l.grown
}
