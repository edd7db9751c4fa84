package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A network's files are sound after it has stopped; one bit that is changed is found, named
// and repaired.
func TestLedgerCheck(t *testing.T) {
	p := newProgram(t)
	dir := filepath.Join(t.TempDir(), "net")
	p.must("up", "--time", "--runtime", "process", "--cut", "idle", "--dir", dir)
	ledgers, _ := filepath.Glob(filepath.Join(dir, "nodes", "*", "channels", "*", "ledger.db"))
	channels, _ := filepath.Glob(filepath.Join(dir, "nodes", "*", "*.channel.db"))
	if len(ledgers) == 0 || len(channels) == 0 {
		t.Fatalf("%d ledgers and %d files of ordering nodes in %s", len(ledgers), len(channels), dir)
	}
	out := p.must(append([]string{"ledger", "check"}, append(ledgers, channels...)...)...)
	if n := strings.Count(out, "everything is as it was written"); n != len(ledgers)+len(channels) {
		t.Errorf("%d of %d files are sound:\n%s", n, len(ledgers)+len(channels), out)
	}
	file, err := os.ReadFile(ledgers[0])
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("CHANNEL_CONFIG_ENV_BYTES") // stands in the state
	at := bytes.LastIndex(file, key)
	if at < 0 {
		t.Fatal("the configuration is not in the state")
	}
	file[at+len(key)/2] ^= 1
	if err := os.WriteFile(ledgers[0], file, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := p.run("ledger", "check", ledgers[0])
	if code != 1 || !strings.Contains(out, ledgers[0]) || !strings.Contains(out, "fabriscope ledger rebuild") || !strings.Contains(errOut, "1 file") {
		t.Errorf("exit code %d, %q, %q; want 1, the file and the remedy", code, out, errOut)
	}
	p.must("ledger", "rebuild", ledgers[0])
	p.must("ledger", "check", ledgers[0])
	p.wantNothingLeft()
}
