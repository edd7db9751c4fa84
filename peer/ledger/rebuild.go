package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// RecordedBatch collects the effects of a block that has been validated before,
// trusting the verdicts in its filter.
func RecordedBatch(block *commonpb.Block, before State) (*Batch, error) {
	number := block.GetHeader().GetNumber()
	batch := NewBatch(number, before)
	filter := wire.Filter(block)
	for i, envelope := range block.GetData().GetData() {
		if i >= len(filter) || peerpb.TxValidationCode(filter[i]) != peerpb.TxValidationCode_VALID {
			continue
		}
		if err := applyRecorded(batch, uint64(i), envelope); err != nil {
			return nil, fmt.Errorf("block %d, transaction %d: %w", number, i, err)
		}
	}
	return batch, nil
}

func applyRecorded(batch *Batch, tx uint64, envelope []byte) error {
	peek, ok := wire.PeekEnvelope(envelope)
	if !ok {
		return errors.New("marked valid, but it does not decode")
	}
	switch peek.Type {
	case commonpb.HeaderType_CONFIG:
		config, err := configOf(envelope)
		if err != nil {
			return err
		}
		batch.SetConfig(tx, config)
	case commonpb.HeaderType_ENDORSER_TRANSACTION:
		endorsed, err := decodeEndorsed(envelope)
		if err != nil {
			return err
		}
		set, err := wire.ParseRWSet(endorsed.results)
		if err != nil {
			return err
		}
		return batch.Apply(tx, set)
	}
	return nil
}

// configOf takes the marshalled common.Config out of a CONFIG transaction.
func configOf(envelope []byte) ([]byte, error) {
	var env commonpb.Envelope
	var payload commonpb.Payload
	var config commonpb.ConfigEnvelope
	if err := errors.Join(
		proto.Unmarshal(envelope, &env),
		proto.Unmarshal(env.GetPayload(), &payload),
		proto.Unmarshal(payload.GetData(), &config),
	); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	return proto.Marshal(config.GetConfig())
}

// RebuildReport says what a rebuilt ledger consists of.
type RebuildReport struct {
	Height     uint64 // blocks in the new file
	Found      uint64 // blocks that the old file should have had, as far as it could tell
	CommitHash []byte // after the last block
	Stopped    string // why blocks are missing; "" if none are
}

// Rebuild makes the ledger at path new from the blocks in it and their recorded
// verdicts: state, history, private data and all indexes. The old file is read
// block by block and replaced at the end, so it may be damaged in any way that
// leaves its first blocks readable; the peer fetches the missing rest again from
// an ordering node. The ledger must not be open. progress, if not nil, is called
// after every block.
//
// If not even block 0 can be read the error says to delete the file.
func Rebuild(ctx context.Context, path string, progress func(done, of uint64)) (RebuildReport, error) {
	if _, err := os.Stat(path); err != nil {
		return RebuildReport{}, fmt.Errorf("rebuild ledger: %w", err)
	}
	old, err := openDamaged(path)
	if err != nil {
		return RebuildReport{}, hopeless(path, err)
	}
	defer old.Close()
	next := path + ".rebuild"
	removeFile(next) // what an interrupted rebuild has left
	report, err := rebuildInto(ctx, old, next, progress)
	if err != nil {
		removeFile(next)
		return report, err
	}
	if err := old.Close(); err != nil {
		return report, fmt.Errorf("rebuild ledger %s: %w", path, err)
	}
	// The old log must be gone before the new file takes the name: it would be
	// taken for the new one's.
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(path + suffix) // usually closing has removed it
	}
	if err := os.Rename(next, path); err != nil {
		return report, fmt.Errorf("rebuild ledger %s: %w", path, err)
	}
	return report, nil
}

// hopeless is the error for a file without a readable first block.
func hopeless(path string, err error) error {
	return fmt.Errorf("rebuild ledger %s: not even its first block can be read (%w); delete the file, the peer fetches the whole chain again from an ordering node", path, err)
}

func removeFile(path string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		_ = os.Remove(path + suffix) // it is fine if there is none
	}
}

// damaged is a database file that is read without any trust.
type damaged struct{ db *sqlite.DB }

// openDamaged opens a file without checks: no migrations, so that nothing is
// written, and no savepoint.
func openDamaged(path string) (*damaged, error) {
	db, err := sqlite.Open(path, sqlite.Options{Readers: 1, CacheKiB: readerCacheKiB, SkipCheck: true, Functions: functions()})
	if err != nil {
		return nil, err
	}
	return &damaged{db}, nil
}

// Close closes the file; a second call does nothing.
func (d *damaged) Close() error { return d.db.Close() }

// height is how many blocks the file should have.
func (d *damaged) height() (height uint64) {
	_ = d.db.Reader().QueryRowContext(bg, "SELECT coalesce(max(height), 0) FROM savepoint").Scan(&height) // 0 if it cannot tell
	var last int64
	if d.db.Reader().QueryRowContext(bg, "SELECT coalesce(max(number), -1) FROM block").Scan(&last) == nil {
		height = max(height, uint64(last+1))
	}
	return height
}

// block reads a block and compares it with its hashes; nil if there is none.
func (d *damaged) block(number uint64, previous []byte) (*commonpb.Block, error) {
	row, err := readBlockRow(d.db.Reader(), "number = ?", int64(number))
	if err != nil || row == nil {
		return nil, err
	}
	block, err := readBlock(d.db.Reader(), row)
	if err != nil {
		return nil, err
	}
	switch header := block.GetHeader(); {
	case number > 0 && !bytes.Equal(header.GetPreviousHash(), previous):
		return nil, fmt.Errorf("block %d does not continue block %d", number, number-1)
	case !bytes.Equal(wire.DataHash(block.GetData().GetData()), header.GetDataHash()):
		return nil, fmt.Errorf("block %d: the transactions are not those of its data hash", number)
	}
	return block, nil
}

// rebuildInto copies and replays blocks into a new file until one is missing or
// damaged.
func rebuildInto(ctx context.Context, old *damaged, path string, progress func(done, of uint64)) (report RebuildReport, err error) {
	report.Found = old.height()
	l, err := Open(path, Options{})
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for number := uint64(0); ; number++ {
		block, readErr := old.block(number, l.Info().GetCurrentBlockHash())
		if number == 0 && (block == nil || readErr != nil) {
			return report, hopeless(path[:len(path)-len(".rebuild")], errors.Join(readErr, ErrCorrupt))
		}
		if readErr != nil {
			report.Stopped = readErr.Error()
		}
		if block == nil {
			break
		}
		if why, err := l.replay(ctx, old, block); err != nil || why != "" {
			report.Stopped = why
			if err != nil {
				return report, err
			}
			break
		}
		if progress != nil {
			progress(number+1, max(report.Found, number+1))
		}
	}
	report.Height, report.CommitHash = l.Height(), l.CommitHash()
	if report.Stopped == "" && report.Height < report.Found {
		report.Stopped = fmt.Sprintf("block %d is missing", report.Height)
	}
	return report, nil
}

// replay commits one block of the old file. why is not empty if the block cannot
// be what a peer has committed.
func (l *Ledger) replay(ctx context.Context, old *damaged, block *commonpb.Block) (why string, err error) {
	view, err := l.View()
	if err != nil {
		return "", err
	}
	defer view.Close()
	number := block.GetHeader().GetNumber()
	if len(wire.Filter(block)) != len(block.GetData().GetData()) {
		return fmt.Sprintf("block %d: its verdicts are damaged", number), nil
	}
	batch, err := RecordedBatch(block, view)
	if err != nil {
		return err.Error(), nil
	}
	private, err := privateOf(old.db.Reader(), number)
	if err != nil {
		// Plain text cannot be fetched from an ordering node, but the chain and its
		// public effects do not depend on it.
		private = nil
	}
	before := l.tip
	if after := before.next(block, batch.Updates()); !bytes.Equal(after.commitHash, wire.CommitHash(block)) {
		return fmt.Sprintf("block %d: its verdicts lead to commit hash %x, recorded is %x", number, after.commitHash, wire.CommitHash(block)), nil
	}
	_, err = l.Commit(ctx, block, batch, private)
	return "", err
}
