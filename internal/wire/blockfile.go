package wire

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"
)

// MaxBlockBytes bounds one block in a file. The gRPC services refuse messages
// beyond 100 MiB, so no larger block can have existed.
const MaxBlockBytes = 100 << 20

// ReadBlockFiles reads the blocks of several files, one after the other, up to the first
// error, which names the file. A folder stands for the block files in it: those that a
// peer keeps (blockfile_000000, ...) or else those that end in ".block", by number.
func ReadBlockFiles(names []string) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		for _, name := range names {
			files, err := blockFiles(name)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, file := range files {
				if !readBlockFile(file, yield) {
					return
				}
			}
		}
	}
}

// blockFiles lists the files that a name stands for.
func blockFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%w; name files with blocks", err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	for _, pattern := range []string{"blockfile_*", "*.block"} {
		files, err := fs.Glob(os.DirFS(name), pattern)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		slices.SortFunc(files, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		for i := range files {
			files[i] = filepath.Join(name, files[i])
		}
		if len(files) > 0 {
			return files, nil
		}
	}
	return nil, fmt.Errorf("%s is a folder without blocks: neither blockfile_* (a peer's block store) nor *.block is in it", name)
}

// readBlockFile passes the blocks of one file on; false ends the reading.
func readBlockFile(name string, yield func(*commonpb.Block, error) bool) bool {
	f, err := os.Open(name)
	if err != nil {
		yield(nil, fmt.Errorf("%w; name files with blocks", err))
		return false
	}
	defer f.Close()
	for block, err := range ReadBlocks(f) {
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		if !yield(block, err) || err != nil {
			return false
		}
	}
	return true
}

// ReadBlocks reads blocks from a file in one of the usual forms: many blocks, each
// preceded by its length as a varint; one block alone (what "peer channel fetch" writes);
// or a peer's block store as it lies on disk. Any of them may be compressed by gzip. It
// ends at the end of the file or after the first error, which wraps ErrMalformed or
// ErrTooLarge or is the reader's own.
//
// Blocks from before there was a commit hash lack its metadata entry; it is there, empty,
// in what comes out, as a peer does it.
func ReadBlocks(r io.Reader) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		in, err := plainReader(r)
		if err != nil {
			yield(nil, fmt.Errorf("read blocks: %w", err))
			return
		}
		next, alone, err := blockForm(in)
		if err != nil {
			yield(nil, fmt.Errorf("read blocks: %w", err))
			return
		}
		for i := 0; ; i++ {
			b, err := next(in)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("read blocks: entry %d: %w", i, err))
				return
			}
			growMetadata(b)
			if !yield(b, nil) || alone {
				return
			}
		}
	}
}

// plainReader takes the compression off, if there is one.
func plainReader(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, 32<<10)
	head, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !bytes.Equal(head, []byte{0x1f, 0x8b, 8}) { // gzip, deflated
		return in, nil
	}
	plain, err := gzip.NewReader(in)
	if err != nil {
		return nil, malformed("gzip", err)
	}
	return bufio.NewReaderSize(gzipped{plain}, 32<<10), nil
}

// gzipped calls what is wrong with compressed data by its name.
type gzipped struct{ r *gzip.Reader }

func (g gzipped) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = malformed("gzip", err)
	}
	return n, err
}

// hashTag is how a hash begins in a peer's block store: its length.
const hashTag = 32

// blockForm tells by the first bytes how the blocks lie in a file, and whether there can be
// one only.
//
// A lone block begins with tag 0a and the length of its header, which is never 10: no
// header is that short. Of the others each entry begins with its length; a block then goes
// on with tag 0a and a header that is longer than 32 bytes, an entry of a block store with
// the block's number and the length of the data hash, 32.
func blockForm(in *bufio.Reader) (next func(*bufio.Reader) (*commonpb.Block, error), alone bool, err error) {
	head, err := in.Peek(2*binary.MaxVarintLen64 + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, false, err
	}
	if len(head) >= 2 && head[0] == 0x0a && head[1] != 0x0a {
		return readLoneBlock, true, nil
	}
	if _, n := binary.Uvarint(head); n > 0 {
		if _, m := binary.Uvarint(head[n:]); m > 0 && len(head) > n+m && head[n+m] == hashTag {
			return readStoredBlock, false, nil
		}
	}
	return readDelimitedBlock, false, nil
}

// readLoneBlock decodes everything that is left.
func readLoneBlock(r *bufio.Reader) (*commonpb.Block, error) {
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
	raw, size, err := readEntry(r)
	if err != nil {
		return nil, err
	}
	if uint64(len(raw)) < size {
		return nil, fmt.Errorf("%w: the file ends after %d of %d bytes of the block", ErrMalformed, len(raw), size)
	}
	return decodeBlock(raw)
}

// readEntry reads a length and as many bytes as there are of it; io.EOF where the file
// ends before the length.
func readEntry(r *bufio.Reader) (raw []byte, size uint64, err error) {
	if _, err := r.Peek(1); err != nil {
		return nil, 0, err
	}
	size, err = binary.ReadUvarint(r)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: length: %w", ErrMalformed, noEOF(err))
	}
	if size > MaxBlockBytes {
		return nil, 0, fmt.Errorf("%w: %d bytes announced, at most %d are read", ErrTooLarge, size, MaxBlockBytes)
	}
	// ReadAll grows with what really comes, not with what a length promises.
	raw, err = io.ReadAll(io.LimitReader(r, int64(size)))
	return raw, size, err
}

// readStoredBlock reads an entry of a peer's block store: after its length the number, the
// hashes of the data and of the block before, the envelopes, and the metadata, each
// preceded by its length or count as a varint. A last entry that is not whole is being
// written by the peer, or was when it ended; a peer takes no notice of it either.
func readStoredBlock(r *bufio.Reader) (*commonpb.Block, error) {
	raw, size, err := readEntry(r)
	if errors.Is(err, io.ErrUnexpectedEOF) || err == nil && uint64(len(raw)) < size {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	f := fields{raw: raw}
	b := &commonpb.Block{Header: &commonpb.BlockHeader{}, Data: &commonpb.BlockData{}, Metadata: &commonpb.BlockMetadata{}}
	b.Header.Number = f.uvarint()
	b.Header.DataHash, b.Header.PreviousHash = f.bytes(), f.bytes()
	b.Data.Data = f.list()
	b.Metadata.Metadata = f.list()
	if f.bad || len(f.raw) > 0 {
		return nil, fmt.Errorf("%w: the entry of %d bytes is no block of a peer's block store", ErrMalformed, size)
	}
	return b, nil
}

// fields takes varints and bytes off what is left of an entry.
type fields struct {
	raw []byte
	bad bool // more was asked for than there is
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.raw)
	if n <= 0 {
		f.bad, f.raw = true, nil
		return 0
	}
	f.raw = f.raw[n:]
	return v
}

func (f *fields) bytes() []byte {
	size := f.uvarint()
	if size > uint64(len(f.raw)) {
		f.bad, f.raw = true, nil
		return nil
	}
	out := f.raw[:size:size]
	f.raw = f.raw[size:]
	return out
}

func (f *fields) list() (out [][]byte) {
	for n := f.uvarint(); n > 0 && !f.bad; n-- { // each takes a byte at least: a false count ends soon
		out = append(out, f.bytes())
	}
	return out
}

// noEOF keeps an end of file inside an entry from looking like a clean end.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// decodeBlock decodes one block and insists on a header: other messages, envelopes above
// all, look like blocks with an odd one.
func decodeBlock(raw []byte) (*commonpb.Block, error) {
	b := new(commonpb.Block)
	if err := proto.Unmarshal(raw, b); err != nil {
		return nil, malformed("block", err)
	}
	if b.GetHeader() == nil || len(b.GetHeader().ProtoReflect().GetUnknown()) > 0 {
		return nil, fmt.Errorf("block: %w: it has no header", ErrMalformed)
	}
	return b, nil
}
