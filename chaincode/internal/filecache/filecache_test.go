package filecache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/filecache"
)

func MustOpen(t *testing.T) (*filecache.Cache, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := filecache.Open(dir, "test")
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Join(dir, "test")
}

func TestFileIsMadeOnce(t *testing.T) {
	_, dir := MustOpen(t)
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			c, err := filecache.Open(filepath.Dir(dir), "test") // each has its own, as each peer does
			if err != nil {
				t.Error(err)
				return
			}
			path, _, err := c.File(t.Context(), "k", func(path string) error {
				made.Add(1)
				return os.WriteFile(path, []byte("content"), 0o700)
			})
			if b, err2 := os.ReadFile(path); err != nil || err2 != nil || string(b) != "content" {
				t.Errorf("got %q, %v, %v", b, err, err2)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("it was made %d times", made.Load())
	}
}

func TestFailedFileLeavesNothing(t *testing.T) {
	c, dir := MustOpen(t)
	boom := errors.New("boom")
	if _, _, err := c.File(t.Context(), "k", func(path string) error {
		return errors.Join(os.WriteFile(path, []byte("half"), 0o700), boom)
	}); !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".lock") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

func TestWaitingEndsWithContext(t *testing.T) {
	c, _ := MustOpen(t)
	inside, leave := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _, err := c.File(context.Background(), "k", func(path string) error {
			close(inside)
			<-leave
			return os.WriteFile(path, nil, 0o700)
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-inside
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.File(ctx, "k", func(string) error { return errors.New("made twice") }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(leave)
	wg.Wait()
}

func TestOldFilesGo(t *testing.T) {
	c, dir := MustOpen(t)
	for i := range 40 {
		if _, _, err := c.File(t.Context(), fmt.Sprintf("k%02d", i), func(path string) error { return os.WriteFile(path, nil, 0o700) }); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			files++
		}
	}
	if files != 24 {
		t.Errorf("%d files are kept", files)
	}
}

func TestOpenRefusesDirectoryThatOthersWrite(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "open"), 0o700), os.Chmod(filepath.Join(dir, "open"), 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := filecache.Open(dir, "open"); err == nil {
		t.Error("a directory that everybody may write to was accepted")
	}
}
