package chaincode

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fabriscope/fabriscope/internal/file"
	"github.com/fabriscope/fabriscope/internal/link"
)

// maxSocketPath is below what any system allows for a unix socket.
const maxSocketPath = 100

const socketPrefix = "fabriscope-cc-"

// socket is the unix socket that a peer's chaincodes dial. It is in a directory of its
// own, which may be mounted into containers, inside one that only the user can enter.
type socket struct {
	net.Listener
	outer string // 0700
	dir   string // 0711, holds the socket only
	path  string
	lock  *os.File // held while the program lives, so that others can tell a dead one's directory
}

func listen() (*socket, error) {
	var tooLong error
	for _, temp := range []string{os.TempDir(), "/tmp"} {
		sweep(temp)
		s, err := listenIn(temp)
		if err == nil || !errors.Is(err, errPathTooLong) {
			return s, err
		}
		tooLong = err
	}
	return nil, tooLong
}

var errPathTooLong = errors.New("the path of the chaincode socket is too long; set TMPDIR to a shorter directory")

func listenIn(temp string) (_ *socket, err error) {
	outer, err := os.MkdirTemp(temp, socketPrefix) // mode 0700
	if err != nil {
		return nil, fmt.Errorf("make the chaincode socket's directory: %w", err)
	}
	s := &socket{outer: outer, dir: filepath.Join(outer, "s"), path: filepath.Join(outer, "s", "cc.sock")}
	defer func() {
		if err != nil {
			_ = s.remove()
		}
	}()
	if len(s.path) >= maxSocketPath {
		return nil, fmt.Errorf("%w (%s)", errPathTooLong, s.path)
	}
	if s.lock, err = os.OpenFile(filepath.Join(outer, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, fmt.Errorf("lock the chaincode socket's directory: %w", err)
	}
	// The modes must not depend on the umask.
	if err := errors.Join(os.Mkdir(s.dir, 0o711), os.Chmod(s.dir, 0o711)); err != nil {
		return nil, err
	}
	if s.Listener, err = link.Listen("unix:" + s.path); err != nil {
		return nil, err
	}
	if err := os.Chmod(s.path, 0o666); err != nil {
		_ = s.Listener.Close()
		return nil, err
	}
	return s, nil
}

// remove deletes the directories; the server that used the listener has closed it.
func (s *socket) remove() error {
	err := os.RemoveAll(s.outer)
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// sweep removes what programs that were killed left in temp. A directory that is new
// may not have its lock yet.
func sweep(temp string) {
	entries, err := os.ReadDir(temp)
	if err != nil {
		return // listenIn will say it
	}
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), socketPrefix) {
			continue
		}
		dir := filepath.Join(temp, e.Name())
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < time.Minute || file.CheckPrivate(dir) != nil {
			continue
		}
		lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue // somebody else's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}
