package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Check reads a whole file of an ordering node and changes nothing: every page with its
// checksum, every block with its hashes and its place in the chain. It gives the number of
// blocks and at most 20 problems; an error means that the file could not be looked at.
// progress, if not nil, is called after every block.
func Check(ctx context.Context, path string, progress func(done, of uint64)) (height uint64, problems []string, err error) {
	const most = 20
	db, err := sqlite.Open(path, sqlite.Options{ReadOnly: true, Readers: 1, SkipCheck: true})
	if errors.Is(err, sqlite.ErrCorrupt) {
		return 0, []string{err.Error()}, nil
	}
	if err != nil {
		return 0, nil, fmt.Errorf("check channel: %w", err)
	}
	defer db.Close()
	if problems, err = db.Check(ctx, most); err != nil {
		return 0, nil, fmt.Errorf("check channel: %w", err)
	}
	err = db.View(ctx, func(tx *sql.Tx) error {
		var of uint64
		if err := tx.QueryRow("SELECT coalesce(max(number) + 1, 0) FROM block").Scan(&of); err != nil {
			return err
		}
		var previous []byte
		for number := uint64(0); number < of && len(problems) < most && ctx.Err() == nil; number++ {
			block, _, err := readBlock(tx, number)
			if err != nil {
				problems = append(problems, err.Error())
				previous = nil
				continue
			}
			if previous != nil && !bytes.Equal(block.Header.PreviousHash, previous) {
				problems = append(problems, fmt.Sprintf("block %d: its previous hash is not that of block %d", number, number-1))
			}
			previous = wire.BlockHash(block.Header)
			height++
			if progress != nil {
				progress(number+1, of)
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return height, problems, ctx.Err()
	}
	if err != nil {
		problems = append(problems, err.Error())
	}
	return height, problems, nil
}
