// Package file writes files so that they are there wholly or as before, and tells
// whether a folder is the user's own.
package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteAtomically writes a file and the folders above it. A crash in between leaves the
// old file as it was.
func WriteAtomically(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("keep %s: %w", path, err)
	}
	return nil
}
