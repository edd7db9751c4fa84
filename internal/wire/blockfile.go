package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"
)

// MaxBlockBytes bounds one block in a file. The gRPC services refuse messages
// beyond 100 MiB, so no larger block can have existed.
const MaxBlockBytes = 100 << 20

// ReadBlocks reads blocks from a file in either of the two usual forms: many
// blocks, each preceded by its length as a varint, or one block alone (what
// "peer channel fetch" writes). It ends at the end of the file or after the first
// error, which wraps ErrMalformed or ErrTooLarge or is the reader's own.
func ReadBlocks(r io.Reader) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		in := bufio.NewReaderSize(r, 32<<10)
		head, err := in.Peek(2)
		if err != nil && !errors.Is(err, io.EOF) {
			yield(nil, fmt.Errorf("read blocks: %w", err))
			return
		}
		// A lone block begins with tag 0a and the length of its header, a stream
		// with a length and then tag 0a. Both together would be a stream whose
		// first block has 10 bytes, too few for a header.
		if len(head) == 2 && head[0] == 0x0a && head[1] != 0x0a {
			yield(readLoneBlock(in))
			return
		}
		for i := 0; ; i++ {
			b, err := readDelimitedBlock(in)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("read blocks: entry %d: %w", i, err))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// readLoneBlock decodes everything that is left.
func readLoneBlock(r io.Reader) (*commonpb.Block, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxBlockBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read block: %w", err)
	}
	if len(raw) > MaxBlockBytes {
		return nil, fmt.Errorf("read block: %w: more than %d bytes", ErrTooLarge, MaxBlockBytes)
	}
	return decodeBlock(raw)
}

// readDelimitedBlock reads a length and a block; io.EOF where the file ends
// between two blocks.
func readDelimitedBlock(r *bufio.Reader) (*commonpb.Block, error) {
	if _, err := r.Peek(1); err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, fmt.Errorf("%w: length: %w", ErrMalformed, noEOF(err))
	}
	if size > MaxBlockBytes {
		return nil, fmt.Errorf("%w: %d bytes announced, at most %d are read", ErrTooLarge, size, MaxBlockBytes)
	}
	// ReadAll grows with what really comes, not with what a length promises.
	raw, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return nil, err
	}
	if uint64(len(raw)) < size {
		return nil, fmt.Errorf("%w: the file ends after %d of %d bytes of the block", ErrMalformed, len(raw), size)
	}
	return decodeBlock(raw)
}

// noEOF keeps an end of file inside an entry from looking like a clean end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decodeBlock decodes one block and insists on a header.
func decodeBlock(raw []byte) (*commonpb.Block, error) {
	b := new(commonpb.Block)
	if err := proto.Unmarshal(raw, b); err != nil {
		return nil, malformed("block", err)
	}
	if b.GetHeader() == nil {
		return nil, fmt.Errorf("block: %w: it has no header", ErrMalformed)
	}
	return b, nil
}

// WriteBlock appends a block to a file of many blocks: its length as a varint and
// its bytes.
func WriteBlock(w io.Writer, b *commonpb.Block) error {
	raw, err := proto.Marshal(b)
	if err != nil {
		return fmt.Errorf("write block %d: %w", b.GetHeader().GetNumber(), err)
	}
	if _, err := w.Write(binary.AppendUvarint(nil, uint64(len(raw)))); err != nil {
		return fmt.Errorf("write block %d: %w", b.GetHeader().GetNumber(), err)
	}
	if _, err := w.Write(raw); err != nil {
		return fmt.Errorf("write block %d: %w", b.GetHeader().GetNumber(), err)
	}
	return nil
}
