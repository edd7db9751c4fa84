package ledger

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// snapshot is the state at one height, shared by all views of that height. It
// holds a database connection with an open read transaction from the first read
// that the cache cannot answer, or from just before the next commit; until then
// nothing but a height.
type snapshot struct {
	height uint64
	refs   int // open views; guarded by Ledger.mu

	mu     sync.Mutex // one statement at a time on the connection
	conn   *sql.Conn
	failed error // why it can no longer be read
}

// snapshots is the bounded pool of connections behind the snapshots.
//
// Nobody ever waits for a connection: when all of them serve heights that
// somebody still looks at, the oldest height is given up and its views fail with
// ErrSnapshotLost. That takes as many blocks as there are connections (64 unless
// configured) while one simulation is held; a waiting pool would instead stop
// commits, and two channels that call each other could wait for ever.
type snapshots struct {
	db    *sqlite.DB
	limit int

	mu   sync.Mutex
	idle []*sql.Conn
	live []*snapshot // with a connection, oldest first

	changed chan struct{} // closed when the list of live snapshots has become shorter
}

// idleConns is how many unused connections stay open for the next snapshot.
const idleConns = 2

// open gives s a connection that sees the newest committed state, unless it has
// one. The caller holds s.mu and knows that the newest state is that of s.height.
func (p *snapshots) open(s *snapshot) error {
	if s.conn != nil || s.failed != nil {
		return s.failed
	}
	conn, err := p.connectionFor(s)
	if err != nil {
		return err
	}
	if err := beginRead(conn, s.height); err != nil {
		p.forget(s)
		_ = conn.Close()
		return p.db.Explain("read", err)
	}
	s.conn = conn
	return nil
}

// beginRead starts the read transaction and fixes what it sees by reading the
// height, which must be the expected one.
func beginRead(conn *sql.Conn, height uint64) error {
	ctx := context.Background()
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		return err
	}
	var found uint64
	err := conn.QueryRowContext(ctx, "SELECT coalesce(max(height), 0) FROM savepoint").Scan(&found)
	if err == nil && found != height {
		err = fmt.Errorf("the file is at height %d while %d was expected; does another program write to it?", found, height)
	}
	if err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // nothing to lose in a read transaction
	}
	return err
}

// connectionFor finds a connection for s and lists s among the live ones.
func (p *snapshots) connectionFor(s *snapshot) (*sql.Conn, error) {
	p.mu.Lock()
	p.live = append(p.live, s)
	if n := len(p.idle); n > 0 {
		conn := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return conn, nil
	}
	var oldest *snapshot
	if len(p.live) > p.limit {
		oldest = p.live[0]
		p.live = p.live[1:]
	}
	p.mu.Unlock()
	if oldest != nil {
		if conn := oldest.fail(ErrSnapshotLost); conn != nil {
			return conn, nil
		}
	}
	conn, err := p.db.Reader().Conn(context.Background())
	if err != nil {
		p.forget(s)
		return nil, p.db.Explain("read", err)
	}
	return conn, nil
}

// forget takes s off the list of live snapshots.
func (p *snapshots) forget(s *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.live, s); i >= 0 {
		p.live = slices.Delete(p.live, i, i+1)
	}
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// release takes the connection of a snapshot that nobody looks at any more.
func (p *snapshots) release(s *snapshot) {
	conn := s.fail(ErrDone) // first, so that whoever waits for the list finds no transaction open
	p.forget(s)
	p.keepConnection(conn)
}

// keepConnection keeps a connection for later or closes it.
func (p *snapshots) keepConnection(conn *sql.Conn) {
	if conn == nil {
		return
	}
	p.mu.Lock()
	keep := len(p.idle) < idleConns
	if keep {
		p.idle = append(p.idle, conn)
	}
	p.mu.Unlock()
	if !keep {
		_ = conn.Close() // back to the pool of database/sql, which closes it when idle
	}
}

// all lists the snapshots that hold a connection.
func (p *snapshots) all() []*snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.live)
}

// close closes the idle connections. The live snapshots have failed before.
func (p *snapshots) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.idle {
		_ = conn.Close()
	}
	p.idle = nil
}

// fail ends the snapshot for the given reason and hands out its connection, if
// it had one, with no transaction open. The first reason stays.
func (s *snapshot) fail(why error) *sql.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = why
	}
	conn := s.conn
	s.conn = nil
	if conn == nil {
		return nil
	}
	if _, err := conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = conn.Close() // a connection in an unknown state is of no use
		return nil
	}
	return conn
}

// read runs one look at the state on the snapshot's connection.
func (s *snapshot) read(pool *snapshots, look func(conn *sql.Conn) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := pool.open(s); err != nil {
		return err
	}
	if err := look(s.conn); err != nil {
		return pool.db.Explain("read", err)
	}
	return nil
}

// renew begins the snapshot's transaction anew, after a checkpoint or before one:
// it then needs nothing of the log that has been folded into the file. If it has
// none, one is opened if open is set: before a commit, which it must outlast.
// Called with no commit under way.
func (s *snapshot) renew(pool *snapshots, open bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if s.conn == nil {
		if !open {
			return nil
		}
		return pool.open(s)
	}
	if _, err := s.conn.ExecContext(bg, "ROLLBACK"); err != nil {
		return pool.db.Explain("read", err)
	}
	return pool.db.Explain("read", beginRead(s.conn, s.height))
}

// acquire gives the snapshot of the newest height.
func (l *Ledger) acquire() (*snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	l.current.refs++
	return l.current, nil
}

// release gives a snapshot back. The newest one keeps its connection.
func (l *Ledger) release(s *snapshot) {
	l.mu.Lock()
	s.refs--
	last := s.refs == 0 && s != l.current
	l.mu.Unlock()
	if last {
		l.snapshots.release(s)
	}
}
