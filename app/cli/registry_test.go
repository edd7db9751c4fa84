package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The list of running networks lies where other users may have been first: it is not
// trusted then, and what it names is never deleted.
func TestListOfRunningNetworksIsNotTrusted(t *testing.T) {
	p := newProgram(t)
	list, precious := filepath.Join(p.tmp, "fabriscope"), filepath.Join(p.tmp, "fs-precious")
	entry, err := json.Marshal(map[string]any{"pid": 1 << 30, "dir": precious, "name": "x", "socket": filepath.Join(precious, "trace")})
	if err = errors.Join(err, os.Mkdir(precious, 0o700), os.WriteFile(filepath.Join(precious, "letters"), nil, 0o600), os.Mkdir(list, 0o700)); err != nil {
		t.Fatal(err)
	}
	write := func() string {
		path := filepath.Join(list, strconv.Itoa(1<<30)+".json")
		if err := os.WriteFile(path, entry, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	kept := func() {
		t.Helper()
		if _, err := os.Stat(filepath.Join(precious, "letters")); err != nil {
			t.Errorf("what an entry named was deleted: %v", err)
		}
	}
	// Our own list, with an entry of a network that is gone.
	path := write()
	if code, _, text := p.run("peers"); code != 2 || !strings.Contains(text, "no network is running") {
		t.Errorf("peers: code %d, %s", code, text)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an entry of a network that is gone was kept: %v", err)
	}
	kept()
	// One that others can write to, or that is a link.
	wrong := func(what string) {
		t.Helper()
		for _, args := range [][]string{{"peers"}, {"up", "--runtime", "process"}} {
			if code, _, text := p.run(args...); code != 2 || !strings.Contains(text, "not trusted") || !strings.Contains(text, "XDG_RUNTIME_DIR") {
				t.Errorf("%s, %s: code %d, %s", what, args[0], code, text)
			}
		}
		kept()
	}
	write()
	if err := os.Chmod(list, 0o770); err != nil {
		t.Fatal(err)
	}
	wrong("open to others")
	elsewhere := filepath.Join(p.tmp, "elsewhere")
	if err := errors.Join(os.Chmod(list, 0o700), os.Rename(list, elsewhere), os.Symlink(elsewhere, list)); err != nil {
		t.Fatal(err)
	}
	wrong("a link")
}
