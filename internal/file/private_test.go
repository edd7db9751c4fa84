package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/fabriscope/fabriscope/internal/file"
)

func TestCheckPrivate(t *testing.T) {
	dir := t.TempDir()
	made := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := made("own", 0o700)
	if err := file.CheckPrivate(own); err != nil {
		t.Error(err)
	}
	link, plain := filepath.Join(dir, "link"), filepath.Join(dir, "plain")
	if err := errors.Join(os.Symlink(own, link), os.WriteFile(plain, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	bad := []string{link, plain, made("readable", 0o750), made("enterable", 0o701), made("open", 0o777)}
	if os.Getuid() == 0 {
		foreign := made("foreign", 0o700)
		if err := os.Chown(foreign, 4711, 4711); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, foreign)
	}
	for _, path := range bad {
		if err := file.CheckPrivate(path); !errors.Is(err, file.ErrNotPrivate) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := file.CheckPrivate(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}
