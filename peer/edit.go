package peer

import (
	"context"
	"path/filepath"

	"github.com/fabriscope/fabriscope/peer/ledger"
)

// EditState changes a value in the state database of a peer that keeps its data in dir and does
// not run, behind its back: the version stays, and no block tells of it. It exists to show who
// notices. Errors: ledger.ErrNotFound where the key does not exist.
func EditState(ctx context.Context, dir, channel, namespace, key string, value []byte) error {
	return ledger.Edit(ctx, filepath.Join(dir, channelsFolder, channel, ledgerFile), namespace, key, value)
}
