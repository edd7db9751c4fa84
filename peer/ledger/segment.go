package ledger

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// segmentBytes is how many bytes of envelopes are stored together, unless one is
// larger. To read one transaction its whole segment is read.
const segmentBytes = 64 << 10

// maxSegment bounds what a damaged segment may make us allocate: twice the
// largest message.
const maxSegment = 200 << 20

// segmenter packs the envelopes of a block into segments.
type segmenter struct {
	first int64 // position of the first envelope in raw
	raw   []byte
	out   []byte // buffer for compressed data
}

// add takes the next envelope and calls put when a segment is full.
func (s *segmenter) add(pos int64, envelope []byte, put func(pos int64, data []byte) error) error {
	if len(s.raw) > 0 && len(s.raw)+len(envelope) > segmentBytes {
		if err := s.flush(put); err != nil {
			return err
		}
	}
	if len(s.raw) == 0 {
		s.first = pos
	}
	s.raw = binary.AppendUvarint(s.raw, uint64(len(envelope)))
	s.raw = append(s.raw, envelope...)
	return nil
}

// flush hands out what has been collected.
func (s *segmenter) flush(put func(pos int64, data []byte) error) error {
	if len(s.raw) == 0 {
		return nil
	}
	s.out = s2.Encode(s.out[:cap(s.out)], s.raw)
	s.raw = s.raw[:0]
	err := put(s.first, s.out)
	if cap(s.raw) > 4*segmentBytes { // a huge envelope must not stay in memory
		s.raw, s.out = nil, nil
	}
	return err
}

// unpack lists the envelopes of a segment. They share the segment's memory.
func unpack(data []byte) (envelopes [][]byte, err error) {
	if size, err := s2.DecodedLen(data); err != nil || size > maxSegment {
		return nil, fmt.Errorf("a segment of transactions says that it has %d bytes: %w", size, ErrCorrupt)
	}
	raw, err := s2.Decode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("a segment of transactions does not decompress: %w (%w)", ErrCorrupt, err)
	}
	for len(raw) > 0 {
		size, n := binary.Uvarint(raw)
		if n <= 0 || size > uint64(len(raw)-n) {
			return nil, fmt.Errorf("a segment of transactions ends too early: %w", ErrCorrupt)
		}
		end := n + int(size)
		envelopes = append(envelopes, raw[n:end:end])
		raw = raw[end:]
	}
	return envelopes, nil
}

// errNoTx: no transaction at a position.
var errNoTx = errors.New("no such transaction")

// readEnvelope reads one transaction.
func readEnvelope(from querier, pos int64) ([]byte, error) {
	var first int64
	var data []byte
	err := from.QueryRowContext(bg, "SELECT pos, data FROM segment WHERE pos <= ? ORDER BY pos DESC LIMIT 1", pos).Scan(&first, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoTx
	}
	if err != nil {
		return nil, err
	}
	envelopes, err := unpack(data)
	if err != nil {
		return nil, err
	}
	if pos-first >= int64(len(envelopes)) {
		return nil, errNoTx
	}
	return envelopes[pos-first], nil
}

// readEnvelopes reads all transactions of a block.
func readEnvelopes(from querier, number uint64) (data [][]byte, err error) {
	first := position(wire.Version{Block: number})
	err = eachRow(from, func(rows *sql.Rows) error {
		var pos int64
		var packed sql.RawBytes
		if err := rows.Scan(&pos, &packed); err != nil {
			return err
		}
		envelopes, err := unpack(packed)
		if err != nil {
			return err
		}
		if pos != first+int64(len(data)) {
			return fmt.Errorf("transactions from %s on are missing: %w", versionAt(first+int64(len(data))), ErrCorrupt)
		}
		data = append(data, envelopes...)
		return nil
	}, "SELECT pos, data FROM segment WHERE pos >= ? AND pos < ? ORDER BY pos", first, first+maxTxs)
	return data, err
}
