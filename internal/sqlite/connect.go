package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// mode is what a connection may do.
type mode string

const (
	readWrite mode = "rwc"
	readOnly  mode = "ro"
)

// connector opens connections with the settings of one DB. Using it with
// sql.OpenDB needs no driver registered under a global name.
type connector struct {
	path    string
	mode    mode
	options Options
	layer   *layer
	// background connections fold the log; nobody waits for their syncs.
	background bool
}

// Connect opens one connection and applies the settings that a connection string cannot carry.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	var connection driver.Conn
	err := c.layer.opening(c.background, func(name string) (err error) {
		connection, err = (&sqlite3.SQLiteDriver{ConnectHook: c.prepare}).Open(c.dsn(name))
		return err
	})
	return connection, err
}

// Driver is asked for by database/sql.
func (c connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

// dsn writes the connection string. The path is escaped: a name may hold "?" or "%".
func (c connector) dsn(layer string) string {
	path := strings.ReplaceAll(url.PathEscape(c.path), "%2F", "/")
	values := url.Values{}
	values.Set("mode", string(c.mode))
	values.Set("vfs", layer)
	values.Set("_busy_timeout", strconv.FormatInt(busyTimeout.Milliseconds(), 10))
	values.Set("_cache_size", strconv.Itoa(-c.options.CacheKiB))
	values.Set("_stmt_cache_size", strconv.Itoa(statementCache))
	if c.mode == readWrite {
		values.Set("_synchronous", c.options.Synchronous)
		// A writing transaction takes its lock at BEGIN: it can then never fail
		// half-way because another process wrote in between.
		values.Set("_txlock", "immediate")
	}
	return "file:" + path + "?" + values.Encode()
}

// prepare runs the remaining pragmas on a new connection.
func (c connector) prepare(connection *sqlite3.SQLiteConn) error {
	for name, make := range c.options.Functions {
		if err := connection.RegisterFunc(name, make(), true); err != nil {
			return fmt.Errorf("define the function %s: %w", name, err)
		}
	}
	pragmas := "PRAGMA temp_store=MEMORY;"
	if c.mode == readWrite {
		if c.options.Checksums {
			// Before anything is written: a new file then reserves the room.
			if err := connection.SetFileControlInt("main", sqlite3.SQLITE_FCNTL_RESERVE_BYTES, sumBytes); err != nil {
				return err
			}
		}
		pragmas += "PRAGMA journal_mode=WAL;"
	}
	if c.options.MmapBytes > 0 {
		pragmas += fmt.Sprintf("PRAGMA mmap_size=%d;", c.options.MmapBytes)
	}
	if c.mode == readWrite {
		// The log is folded in the background, see fold.go.
		pragmas += fmt.Sprintf("PRAGMA wal_autocheckpoint=0; PRAGMA journal_size_limit=%d;", walKept)
	}
	_, err := connection.Exec(pragmas, nil)
	return err
}
