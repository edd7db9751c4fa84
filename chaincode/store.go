package chaincode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// store keeps a peer's installed packages, one file each, named as Fabric names them:
// label.hash.tar.gz. What is in memory is small; the bytes are read when a chaincode is
// launched or somebody asks for the package.
type store struct {
	dir string

	mu       sync.Mutex
	packages map[string]*Package // by id; Raw and Code are nil, Type too until it was read once
}

var storedName = regexp.MustCompile(`^(.+)\.([0-9a-f]{64})\.tar\.gz$`)

// openStore makes the directory or reads the names in it.
func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the installed chaincodes: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open the installed chaincodes: %w", err)
	}
	s := &store{dir: dir, packages: make(map[string]*Package)}
	for _, e := range entries {
		m := storedName.FindStringSubmatch(e.Name())
		if m == nil || !e.Type().IsRegular() {
			continue
		}
		id := m[1] + ":" + m[2]
		s.packages[id] = &Package{ID: id, Label: m[1]}
	}
	return s, nil
}

func (s *store) path(id string) string {
	label, hash, _ := strings.Cut(id, ":") // ids come from parsed packages or from the directory
	return filepath.Join(s.dir, label+"."+hash+".tar.gz")
}

// add writes the package, complete or not at all.
func (s *store) add(p *Package) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.packages[p.ID] != nil {
		// The words, with the id in them, are what install scripts look for.
		return fmt.Errorf("%w (package ID '%s')", ErrAlreadyInstalled, p.ID)
	}
	if err := writeFile(s.path(p.ID), p.Raw); err != nil {
		return fmt.Errorf("install %s: %w", p.ID, err)
	}
	s.packages[p.ID] = brief(p)
	return nil
}

// brief is the package without its bytes.
func brief(p *Package) *Package {
	b := *p
	b.Raw, b.Code = nil, nil
	return &b
}

// known gives the package without its bytes, or nil.
func (s *store) known(id string) *Package {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.packages[id]
}

// load reads the package, and notices if its file was changed.
func (s *store) load(id string) (*Package, error) {
	if s.known(id) == nil {
		return nil, fmt.Errorf("%w: %s", ErrNotInstalled, id)
	}
	path := s.path(id)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: its file %s is gone; install the package again after a restart of the peer", ErrNotInstalled, path)
	}
	if err != nil {
		return nil, fmt.Errorf("read package %s: %w", id, err)
	}
	p, err := ParsePackage(raw)
	if err == nil && p.ID != id {
		err = fmt.Errorf("%w: its hash is another one", ErrPackage)
	}
	if err != nil {
		return nil, fmt.Errorf("the file %s was changed since it was installed; remove it and install the package again: %w", path, err)
	}
	s.mu.Lock()
	s.packages[id] = brief(p)
	s.mu.Unlock()
	return p, nil
}

func (s *store) list() []*Package {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Package
	for _, p := range s.packages {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Package) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// writeFile makes the file appear with all its bytes, which are on the disk then.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".install-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
