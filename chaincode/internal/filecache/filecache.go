// Package filecache keeps files that are costly to make: compiled chaincodes, the
// unpacked sample binary, vendored sources. It serves the launch of a chaincode,
// before step 3 of a transaction.
//
// A file is made once per key, however many peers, and however many programs of the
// same user, ask for it at the same moment: the first one makes it under a lock, the
// others wait. Read next: chaincode/process, which fills it.
package filecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// keep is how many files a cache holds; the ones that were not used for longest go.
const keep = 24

// Cache is one directory of such files.
type Cache struct{ dir string }

// Open gives the cache with that name, below dir or, if dir is "", below the user's
// cache directory. The directory is made if need be. It must belong to the user and
// be closed to everybody else, because what is in it gets executed.
func Open(dir, name string) (*Cache, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err == nil {
			err = os.MkdirAll(filepath.Join(base, "fabriscope"), 0o700)
		}
		if err != nil { // no HOME, or one that cannot be written: a service account, perhaps
			base = filepath.Join(os.TempDir(), fmt.Sprintf("fabriscope-%d", os.Getuid()))
			if err := private(base); err != nil {
				return nil, err
			}
		}
		dir = filepath.Join(base, "fabriscope")
	}
	dir = filepath.Join(dir, name)
	if err := private(dir); err != nil {
		return nil, err
	}
	return &Cache{dir: dir}, nil
}

// private makes dir, or checks that the one that exists is nobody else's.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the cache directory: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("check the cache directory: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !ok || int(stat.Uid) != os.Getuid() {
		return fmt.Errorf("the cache directory %s belongs to somebody else; remove it or set XDG_CACHE_HOME", dir)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("other users may write to the cache directory %s; run chmod 700 on it", dir)
	}
	return nil
}

// File gives the path of the file with that key, which must be a plain file name.
// If there is none, create is called with the path of a file to write, in a
// directory that it may use for more and that is removed afterwards; nobody sees the
// file before it is complete. made tells whether that happened. ctx ends the wait
// for somebody else's create, and is create's own business.
func (c *Cache) File(ctx context.Context, key string, create func(path string) error) (path string, made bool, err error) {
	path = filepath.Join(c.dir, key)
	if c.hit(path) {
		return path, false, nil
	}
	lock, err := c.lock(ctx, key)
	if err != nil {
		return "", false, err
	}
	defer lock.Close() // which releases the lock
	if c.hit(path) {
		return path, false, nil
	}
	work, err := os.MkdirTemp(c.dir, "."+key+".*")
	if err != nil {
		return "", false, fmt.Errorf("make a working directory: %w", err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "out")
	if err := create(out); err != nil {
		return "", false, err
	}
	if err := os.Rename(out, path); err != nil {
		return "", false, fmt.Errorf("keep the new file: %w", err)
	}
	c.trim()
	return path, true, nil
}

// hit says whether the file is there, and marks it as used.
func (c *Cache) hit(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > time.Hour {
		_ = os.Chtimes(path, now, now) // only trim reads it
	}
	return true
}

// lock takes the key's lock file. It asks again and again, because a blocking flock
// cannot be given up when ctx ends.
func (c *Cache) lock(ctx context.Context, key string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(c.dir, "."+key+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	wait := 2 * time.Millisecond
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, 100*time.Millisecond)
		case <-ctx.Done():
			timer.Stop()
			f.Close()
			return nil, fmt.Errorf("wait for another process that makes the same file: %w", context.Cause(ctx))
		}
	}
}

// trim removes the files that were not used for longest. A lock file goes with its
// file; if somebody holds it they only do work twice.
func (c *Cache) trim() {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return // the cache only gets bigger; the next one tries again
	}
	type file struct {
		name string
		used time.Time
	}
	var files []file
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && info.Mode().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			files = append(files, file{e.Name(), info.ModTime()})
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(b.used.Compare(a.used), cmp.Compare(a.name, b.name)) })
	for _, f := range files[min(keep, len(files)):] {
		_ = os.Remove(filepath.Join(c.dir, f.name))
		_ = os.Remove(filepath.Join(c.dir, "."+f.name+".lock"))
	}
}
