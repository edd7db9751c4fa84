// Package bundle embeds the static binary of all sample chaincodes, so that the
// first transaction waits for no compiler: the process runtime unpacks and runs it,
// the docker runtime makes an image of it.
//
// The binary is made by "make build" (chaincode/samples/cmd/samples into data/samples)
// and is not in the repository. Without it the program still works: it runs itself
// with the hidden command "chaincode NAME", which needs more memory.
package bundle

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

//go:embed all:data
var data embed.FS

const file = "data/samples"

// ErrAbsent: the program was built without the samples' binary.
var ErrAbsent = errors.New("this program was built without the samples' binary (make build puts it in)")

// Binary is the embedded Linux executable. It reads from the program's own file.
type Binary struct {
	*io.SectionReader
	id string
}

// ID names the content: two binaries that differ have different ids. It is a
// hexadecimal string of 32 characters.
func (b *Binary) ID() string { return b.id }

// Available says whether the binary is there.
func Available() bool {
	f, err := data.Open(file)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// Open gives the binary, or [ErrAbsent].
func Open() (*Binary, error) {
	f, err := data.Open(file)
	if err != nil {
		return nil, ErrAbsent
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the embedded binary: %w", err)
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, fmt.Errorf("embedded files cannot be read at an offset: %T", f)
	}
	s := io.NewSectionReader(r, 0, info.Size())
	id, err := Identify(s)
	if err != nil {
		return nil, err
	}
	return &Binary{s, id}, nil
}

// Identify computes the ID of a Go executable from its size, its beginning, where
// the linker leaves the build id, a hash of all that went into it, and its end.
// Reading all of it would bring ten megabytes of the program into memory for good.
func Identify(s *io.SectionReader) (string, error) {
	const edge = 16 << 10
	h := sha256.New()
	fmt.Fprintf(h, "%d\n", s.Size())
	head := min(edge, s.Size())
	tail := max(head, s.Size()-edge)
	for _, part := range []*io.SectionReader{
		io.NewSectionReader(s, 0, head), io.NewSectionReader(s, tail, s.Size()-tail),
	} {
		if _, err := io.Copy(h, part); err != nil {
			return "", fmt.Errorf("read the samples' binary: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), nil
}
