package ledger

import (
	"context"
	"database/sql"
	"strings"
)

// bulkSizes are the numbers of rows that one statement inserts. A row of its own
// costs some microseconds in the layers above SQLite, many rows in one statement
// share them.
var bulkSizes = [...]int{16, 4, 1}

// bulk inserts rows into one table.
type bulk struct {
	columns int
	stmts   [len(bulkSizes)]*sql.Stmt
	args    []any
}

// prepareBulk prepares "insert VALUES (...), (...)" for a number of columns.
func prepareBulk(ctx context.Context, conn *sql.Conn, insert string, columns int) (*bulk, error) {
	b := &bulk{columns: columns}
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	for i, size := range bulkSizes {
		var err error
		text := insert + " VALUES " + row + strings.Repeat(", "+row, size-1)
		if b.stmts[i], err = conn.PrepareContext(ctx, text); err != nil {
			b.close()
			return nil, err
		}
	}
	return b, nil
}

// add takes one row; it is written at the latest by flush.
func (b *bulk) add(values ...any) error {
	b.args = append(b.args, values...)
	if len(b.args) < bulkSizes[0]*b.columns {
		return nil
	}
	return b.flush()
}

// flush writes what is left.
func (b *bulk) flush() error {
	args := b.args
	defer func() {
		clear(b.args) // they keep blocks in memory
		b.args = b.args[:0]
	}()
	for i, size := range bulkSizes {
		for n := size * b.columns; len(args) >= n; args = args[n:] {
			if _, err := b.stmts[i].ExecContext(bg, args[:n]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// drop forgets rows that were not written, after an error.
func (b *bulk) drop() {
	clear(b.args)
	b.args = b.args[:0]
}

func (b *bulk) close() {
	for _, s := range b.stmts {
		if s != nil {
			_ = s.Close() // the connection is closed next
		}
	}
}
