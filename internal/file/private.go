package file

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// ErrNotPrivate: a folder is not this user's own, or others may look into it.
var ErrNotPrivate = errors.New("it is not this user's own private folder")

// CheckPrivate tells whether a folder is this user's own and closed to everybody else
// (mode 0700), and no link to one. Where other users can write, as in the temporary
// folder, anybody can make a folder with a name that is known beforehand.
func CheckPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is a link or a file: %w", dir, ErrNotPrivate)
	case !ok || int(stat.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user: %w", dir, ErrNotPrivate)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users (mode %04o): %w", dir, info.Mode().Perm(), ErrNotPrivate)
	}
	return nil
}
