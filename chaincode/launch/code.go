package launch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// Bounds of a code archive. They are well above what a vendored Go chaincode
// needs (a gRPC chaincode with all it depends on has some 800 files and 15 MB).
const (
	MaxCodeFiles    = 20_000
	MaxCodeBytes    = 256 << 20 // unpacked, all files together
	MaxCodeFileSize = 64 << 20  // unpacked, one file
	maxNameBytes    = 1024
	maxNameDepth    = 64
)

// File is one regular file of a code archive.
type File struct {
	Name string // clean, relative, with slashes: "src/go.mod"
	Size int64
	Data io.Reader // valid during the visit only
}

// WalkCode unpacks code, a code.tar.gz, and calls visit for each regular file in
// archive order. Directories are left out; anything that is neither (links,
// devices), that leads out of the archive, that appears twice or that breaks a
// bound is an error that wraps [ErrCode]. visit's own error ends the walk.
func WalkCode(code []byte, visit func(File) error) error {
	return walk(code, bounds{files: MaxCodeFiles, bytes: MaxCodeBytes, fileSize: MaxCodeFileSize}, visit)
}

// bounds are the limits of one walk, so that tests need no archives of that size.
type bounds struct {
	files           int
	bytes, fileSize int64
}

func walk(code []byte, max bounds, visit func(File) error) error {
	zr, err := gzip.NewReader(bytes.NewReader(code))
	if err != nil {
		return fmt.Errorf("%w: not gzip: %w", ErrCode, err)
	}
	budget := &bounded{r: zr, left: max.bytes + int64(max.files)*2048}
	tr := tar.NewReader(budget)
	seen := make(map[string]bool)
	for entries := 0; ; entries++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: read tar: %w", ErrCode, err)
		}
		if entries >= max.files {
			return fmt.Errorf("%w: more than %d entries", ErrCode, max.files)
		}
		switch h.Typeflag {
		case tar.TypeDir, tar.TypeXGlobalHeader:
			continue
		case tar.TypeReg:
		default:
			return fmt.Errorf("%w: %q is not a regular file", ErrCode, Clip(h.Name))
		}
		name, err := CleanName(h.Name)
		if err != nil {
			return err
		}
		if seen[name] {
			return fmt.Errorf("%w: %q is in it twice", ErrCode, name)
		}
		seen[name] = true
		if h.Size > max.fileSize {
			return fmt.Errorf("%w: %q has %d bytes, more than %d", ErrCode, name, h.Size, max.fileSize)
		}
		if err := visit(File{Name: name, Size: h.Size, Data: tr}); err != nil {
			return err
		}
	}
}

// CleanName gives the safe relative form of a name in an archive, or an error
// that wraps [ErrCode] if it is absolute, leads out of the archive, or is not
// something that every file system can hold.
func CleanName(name string) (string, error) {
	clean := path.Clean(strings.TrimPrefix(name, "./"))
	switch {
	case len(name) > maxNameBytes, strings.Count(clean, "/") > maxNameDepth:
		return "", fmt.Errorf("%w: the name %q is too long", ErrCode, Clip(name))
	case name == "", clean == ".", strings.HasPrefix(name, "/"), clean == "..", strings.HasPrefix(clean, "../"),
		strings.ContainsRune(name, 0):
		return "", fmt.Errorf("%w: the name %q leads out of the archive", ErrCode, Clip(name))
	}
	if strings.ContainsAny(name, "\\:") {
		return "", fmt.Errorf("%w: the name %q has a backslash or a colon, which not every file system can hold; pack it with slashes", ErrCode, Clip(name))
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." || len(part) > 255 {
			return "", fmt.Errorf("%w: the name %q is not plain", ErrCode, Clip(name))
		}
	}
	return clean, nil
}

var validImportPath = regexp.MustCompile(`^[A-Za-z0-9.][A-Za-z0-9._~+/-]{0,254}$`)

// BuildPlan tells how a Go package's source is compiled: run the go command in
// Dir, an archive directory ("src" or below), on Target, with -mod=vendor if
// Vendored. (wire.md G.4)
type BuildPlan struct {
	Dir      string
	Target   string
	Vendored bool
}

// PlanGoBuild looks for the go.mod in a code archive and decides how to build
// it. importPath is the package's path from metadata.json, which a module at
// src/ is asked to build; a module at src/<importPath> is built at its own root.
func PlanGoBuild(code []byte, importPath string) (BuildPlan, error) {
	// The path becomes an argument of the go command.
	if importPath != "" && !validImportPath.MatchString(importPath) {
		return BuildPlan{}, fmt.Errorf("%w: the package's path %q is not a Go import path", ErrCode, Clip(importPath))
	}
	mods, vendors := map[string]bool{}, map[string]bool{}
	err := WalkCode(code, func(f File) error {
		if path.Base(f.Name) == "go.mod" {
			mods[path.Dir(f.Name)] = true
		}
		if dir, ok := strings.CutSuffix(f.Name, "/vendor/modules.txt"); ok {
			vendors[dir] = true
		}
		return nil
	})
	if err != nil {
		return BuildPlan{}, err
	}
	if mods["src"] {
		target := importPath
		if target == "" {
			target = "."
		}
		return BuildPlan{Dir: "src", Target: target, Vendored: vendors["src"]}, nil
	}
	if dir := path.Join("src", importPath); importPath != "" && mods[dir] {
		return BuildPlan{Dir: dir, Target: ".", Vendored: vendors[dir]}, nil
	}
	return BuildPlan{}, fmt.Errorf("%w: no go.mod in src/ (nor in src/%s); a chaincode must be a Go module", ErrCode, importPath)
}

// bounded ends with an error, not with EOF, when more than left bytes were read:
// that is what tells a gzip bomb from a short file.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errors.New("it unpacks to more than a chaincode may have")
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

// Clip shortens a name for an error: somebody else chose it.
func Clip(name string) string {
	if len(name) > 80 {
		return name[:80] + "..."
	}
	return name
}
