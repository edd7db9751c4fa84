package chaincode

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// Bounds of a package.
const (
	MaxPackageBytes  = 100 << 20 // as it is sent: what one gRPC message may hold
	maxCodeBytes     = 99 << 20  // code.tar.gz inside it
	maxMetadataBytes = 64 << 10
	maxEntries       = 16 // of the outer archive
	maxLabelBytes    = 255
)

// The package types that the program makes itself. Others are accepted; a runtime
// says at launch whether it can run them.
const (
	TypeGo       = "golang"
	TypeExternal = "ccaas"
)

// typeExternalOld is the other name of TypeExternal, from before Fabric had its own
// builder for it; fabric-samples still use it.
const typeExternalOld = "external"

// Package is a parsed chaincode package (wire.md G.4): a gzip-compressed tar of
// metadata.json and code.tar.gz. Its fields are never changed.
type Package struct {
	ID    string // label:hash, hash being lower-case hex of SHA-256 over Raw
	Label string
	Type  string // lower case
	Path  string // from metadata.json; for golang the import path of the main package
	Code  []byte // code.tar.gz
	Raw   []byte // the whole file
	// Sample names the sample chaincode whose source Code is, exactly as this
	// program has it; "" for everything else.
	Sample string
}

// String gives the package id.
func (p *Package) String() string { return p.ID }

type metadata struct {
	Path  string `json:"path"`
	Type  string `json:"type"`
	Label string `json:"label"`
}

var validLabel = regexp.MustCompile(`^[[:alnum:]][[:alnum:]_.+-]*$`)

// PackageID computes the id of a package file.
func PackageID(label string, raw []byte) string {
	sum := sha256.Sum256(raw)
	return label + ":" + hex.EncodeToString(sum[:])
}

// ParsePackage reads and checks a package: its two archives, every name and size in
// them, the metadata, and for golang that there is a module to build. All errors wrap
// ErrPackage. raw is kept.
func ParsePackage(raw []byte) (*Package, error) {
	if len(raw) > MaxPackageBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, more than %d", ErrPackage, len(raw), MaxPackageBytes)
	}
	meta, code, err := readOuter(raw, maxCodeBytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPackage, err)
	}
	p := &Package{Label: meta.Label, Type: strings.ToLower(meta.Type), Path: meta.Path, Code: code, Raw: raw}
	if p.Type == typeExternalOld {
		p.Type = TypeExternal
	}
	switch {
	case len(p.Label) > maxLabelBytes:
		return nil, fmt.Errorf("%w: the label has %d letters, more than %d", ErrPackage, len(p.Label), maxLabelBytes)
	case !validLabel.MatchString(p.Label):
		return nil, fmt.Errorf("%w: the label %q is not a letter or digit followed by letters, digits and _.+-", ErrPackage, launch.Clip(p.Label))
	case p.Type == "":
		return nil, fmt.Errorf("%w: metadata.json has no type", ErrPackage)
	}
	switch p.Type {
	case TypeGo:
		_, err = launch.PlanGoBuild(code, p.Path)
	case TypeExternal:
		_, err = external.FromCode(code)
	default:
		err = launch.WalkCode(code, func(f launch.File) error {
			_, err := io.Copy(io.Discard, f.Data)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPackage, err)
	}
	p.ID = PackageID(p.Label, raw)
	p.Sample = recogniseSample(p)
	return p, nil
}

// readOuter takes the two files out of the outer archive. maxCode bounds code.tar.gz.
func readOuter(raw []byte, maxCode int64) (meta metadata, code []byte, err error) {
	zr, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return meta, nil, fmt.Errorf("it is not a gzip-compressed tar archive: %w", err)
	}
	// A package is not compressed much further than its code already is; what
	// unpacks to more than both files may have is a bomb.
	tr := tar.NewReader(&capped{r: zr, left: maxCode + maxMetadataBytes + (maxEntries+2)*1024})
	var text []byte
	for entries := 0; ; entries++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		switch {
		case err != nil:
			return meta, nil, fmt.Errorf("read the archive: %w", err)
		case entries >= maxEntries:
			return meta, nil, fmt.Errorf("the archive has more than %d entries", maxEntries)
		case h.Typeflag != tar.TypeReg:
			return meta, nil, fmt.Errorf("%q in the archive is not a regular file", launch.Clip(h.Name))
		}
		var max int64
		var into *[]byte
		switch strings.TrimPrefix(h.Name, "./") {
		case "metadata.json":
			max, into = maxMetadataBytes, &text
		case "code.tar.gz":
			max, into = maxCode, &code
		default:
			continue // Fabric ignores it as well
		}
		if *into != nil {
			return meta, nil, fmt.Errorf("%s is in the archive twice", h.Name)
		}
		if h.Size > max {
			return meta, nil, fmt.Errorf("%s has %d bytes, more than %d", h.Name, h.Size, max)
		}
		// What was announced need not come: grow with what does.
		var buf bytes.Buffer
		if _, err := io.Copy(&buf, tr); err != nil {
			return meta, nil, fmt.Errorf("read %s: %w", h.Name, err)
		}
		*into = append([]byte{}, buf.Bytes()...)
	}
	switch {
	case text == nil:
		return meta, nil, errors.New("metadata.json is missing")
	case code == nil:
		return meta, nil, errors.New("code.tar.gz is missing")
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		return meta, nil, fmt.Errorf("metadata.json: %w", err)
	}
	return meta, code, nil
}

// capped fails when more than left bytes are read.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errors.New("it unpacks to more than a package may have")
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// entry is one file of an archive to be made.
type entry struct {
	name string
	data []byte
}

// archive makes a gzip-compressed tar whose bytes depend on the files alone: no
// times, no users, the order as given.
func archive(files []entry) ([]byte, error) {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f.data)), ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
		if err := tw.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
		if _, err := tw.Write(f.data); err != nil {
			return nil, fmt.Errorf("pack %s: %w", f.name, err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return buf.Bytes(), nil
}

// build makes a package of a code archive and checks it like anybody else's.
func build(meta metadata, code []byte) ([]byte, error) {
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("pack metadata.json: %w", err)
	}
	raw, err := archive([]entry{{"metadata.json", text}, {"code.tar.gz", code}})
	if err != nil {
		return nil, err
	}
	if _, err := ParsePackage(raw); err != nil {
		return nil, err
	}
	return raw, nil
}

// PackageExternal makes a package for a chaincode that somebody else runs and that
// the peer dials (chaincode as a service).
func PackageExternal(label string, conn external.Connection) ([]byte, error) {
	text, err := conn.JSON()
	if err != nil {
		return nil, err
	}
	code, err := archive([]entry{{external.FileName, text}})
	if err != nil {
		return nil, err
	}
	return build(metadata{Type: TypeExternal, Label: label}, code)
}
