package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// What a caller can act on. The text of each says what to do; errors.Is finds
// them through every wrapping.
var (
	// ErrCorrupt: the file's structure is damaged or the file is not a database.
	ErrCorrupt = errors.New("the file is damaged or not a database; restore it from a copy, or delete it and let it be rebuilt")
	// ErrDiskFull: no room for a write. The transaction was rolled back, the file is intact.
	ErrDiskFull = errors.New("the disk is full; make room and try again (nothing that was committed is lost)")
	// ErrForeign: a sound database, but of another program or another sort of file.
	ErrForeign = errors.New("the file belongs to something else; choose another path")
	// ErrNewer: written by a newer version of the program.
	ErrNewer = errors.New("the file was written by a newer version; use that version to open it")
	// ErrBusy: another process kept the file locked for longer than 10 s.
	ErrBusy = errors.New("another process is using the file; stop it (two programs on one data directory?)")
	// ErrReadOnly: a write to a file that was opened, or lies, read-only.
	ErrReadOnly = errors.New("the file cannot be written; check its permissions and those of its folder")
)

// Explain translates an error of a statement on this file: it names the file
// and what was being done, and wraps one of the package's sentinel errors where
// one fits. nil stays nil. Update and View already do it.
func (db *DB) Explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	if sentinel := classify(err); sentinel != nil {
		where, remedy := "", ""
		if sentinel == ErrCorrupt {
			if _, bad := db.layer.sums(); bad > 0 {
				where = fmt.Sprintf("page %d is not what was written: ", bad)
			}
			if db.options.Remedy != "" {
				remedy = "; " + db.options.Remedy
			}
		}
		return fmt.Errorf("%s %s: %s%w (%w)%s", doing, db.path, where, sentinel, err, remedy)
	}
	return fmt.Errorf("%s %s: %w", doing, db.path, err)
}

// classify finds the sentinel that an error of SQLite or the system stands for;
// nil when there is none or the error already carries one.
func classify(err error) error {
	for _, sentinel := range []error{ErrCorrupt, ErrDiskFull, ErrForeign, ErrNewer, ErrBusy, ErrReadOnly} {
		if errors.Is(err, sentinel) {
			return nil
		}
	}
	if errors.Is(err, errCheck) {
		return ErrCorrupt
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return ErrDiskFull
	}
	var failure sqlite3.Error
	if !errors.As(err, &failure) {
		return nil
	}
	switch failure.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return ErrCorrupt
	case sqlite3.ErrFull:
		return ErrDiskFull
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return ErrBusy
	case sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return ErrReadOnly
	case sqlite3.ErrIoErr:
		if failure.SystemErrno == syscall.ENOSPC || failure.SystemErrno == syscall.EDQUOT {
			return ErrDiskFull
		}
		// A page that cannot be read to its end is a file that was cut short; one without its
		// checksum was changed by somebody else than us.
		if failure.ExtendedCode == sqlite3.ErrIoErrShortRead || failure.ExtendedCode == errPageSum {
			return ErrCorrupt
		}
	}
	return nil
}

// errCheck begins what SQLite's own check says.
var errCheck = errors.New("SQLite's check")

// errPageSum is SQLite's code for a page without its checksum, SQLITE_IOERR_DATA.
const errPageSum = sqlite3.ErrNoExtended(10 | 32<<8)

// magic is how every SQLite file begins.
const magic = "SQLite format 3\x00"

// checkHeader refuses a file that is not a database before SQLite touches it,
// so that nothing is written beside a file of another program. A missing or
// empty file passes: it becomes a new database.
func checkHeader(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	defer file.Close()
	head := make([]byte, len(magic))
	n, err := io.ReadFull(file, head)
	if err == io.EOF {
		return nil
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("open database: %w", err)
	}
	if string(head[:n]) != magic {
		return fmt.Errorf("open %s: %w", path, ErrCorrupt)
	}
	return nil
}
