package window

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/sqlite"
)

// A recording of which a part cannot be read says so when it is opened, and in the bar as
// long as it is shown.
func TestADamagedRecordingIsAnnounced(t *testing.T) {
	whole, err := os.ReadFile(race)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "damaged.fscope")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(path, sqlite.Options{SkipCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE chunk SET events = zeroblob(length(events)) WHERE first = (SELECT max(first) FROM chunk)")
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s, pump := MustShell(t, Options{})
	s.open([]string{path})
	until(t, pump, "the damage is announced", func() bool {
		return s.session != nil && s.note.object.Visible() && strings.Contains(s.note.text.Text(), "damaged")
	})
	until(t, pump, "the bar says it", func() bool { return s.main.bar.lag.Visible() && s.main.bar.lag.text.Text() == s.session.Damage() })
	if said := s.session.Damage(); !strings.Contains(said, "missing") {
		t.Errorf("it says %q", said)
	}
}
