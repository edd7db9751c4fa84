package ledger

import (
	"errors"
	"fmt"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// What a caller can act on; errors.Is finds them through every wrapping.
var (
	// ErrCorrupt: the file is damaged or its parts contradict each other. The
	// text of the wrapping error names the file and the command that repairs it.
	ErrCorrupt = sqlite.ErrCorrupt
	// ErrDiskFull: no room for the block. Nothing of it was stored.
	ErrDiskFull = sqlite.ErrDiskFull
	// ErrWrongChannel: the file holds another channel's ledger.
	ErrWrongChannel = errors.New("the file holds the ledger of another channel; choose another path")
	// ErrOutOfOrder: the block is not the next one, or does not continue the chain.
	ErrOutOfOrder = errors.New("the block does not continue the chain")
	// ErrNotFound: no such block or transaction. The wrapping error is a
	// *NotFoundError with the text that clients expect.
	ErrNotFound = errors.New("not found in the ledger")
	// ErrClosed: the ledger, or the simulation, has ended.
	ErrClosed = errors.New("the ledger is closed")
	// ErrDone: a request after Simulator.Done.
	ErrDone = errors.New("this instance should not be used after calling Done()")
	// ErrSnapshotLost: the view was held open over so many blocks that its
	// height had to be given up (see maxSnapshots). Simulate again.
	ErrSnapshotLost = errors.New("the simulation was held open over too many blocks; its committed height is no longer kept, simulate again")
	// ErrTooLarge: a write set beyond what one message can carry.
	ErrTooLarge = errors.New("the write set is larger than the 100 MiB that one message can carry")
	// ErrUnknownRequest: a chaincode message that is not a request to the ledger.
	// The stream it came on cannot go on.
	ErrUnknownRequest = errors.New("not a request that chaincode can make")
)

// NotFoundError says what was looked for, in the words that clients compare.
type NotFoundError struct{ text string }

// Error is the text that qscc passes on (wire.md F.6).
func (e *NotFoundError) Error() string { return e.text }

// Unwrap makes it an ErrNotFound.
func (e *NotFoundError) Unwrap() error { return ErrNotFound }

func noSuchBlock(number uint64) error {
	return &NotFoundError{fmt.Sprintf("no such block number [%d] in index", number)}
}

func noSuchHash(hash []byte) error {
	return &NotFoundError{fmt.Sprintf("no such block hash [%x] in index", hash)}
}

func noSuchTx(id string) error {
	return &NotFoundError{fmt.Sprintf("no such transaction ID [%s] in index", id)}
}

// corrupt builds the error for a file that contradicts itself.
func corrupt(path, format string, args ...any) error {
	return fmt.Errorf("ledger %s: %s: %w; %s", path, fmt.Sprintf(format, args...), ErrCorrupt, remedy(path))
}

// remedy says what helps against damage.
func remedy(path string) string {
	return fmt.Sprintf("`fabriscope ledger rebuild %s` makes it new from its blocks", path)
}
