package orderer

import (
	"context"

	"github.com/fabriscope/fabriscope/orderer/store"
)

// FileMark is what the file of an ordering node's channel is marked with (sqlite.Mark).
const FileMark = store.FileMark

// CheckFile reads the whole file of a channel; see store.Check.
func CheckFile(ctx context.Context, path string, progress func(done, of uint64)) (height uint64, problems []string, err error) {
	return store.Check(ctx, path, progress)
}
