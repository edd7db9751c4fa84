package session_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func tarred(t *testing.T, names ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: 2, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func MustBytes(t *testing.T) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// A file is what it holds, whatever it is called.
func TestRecognise(t *testing.T) {
	must := MustBytes(t)
	block := conformance.Blocks(t)[0]
	raw := must(proto.Marshal(block))
	lone := block.GetData().GetData()[0]
	dir := t.TempDir()
	l, err := ledger.Open(filepath.Join(dir, "ledger"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	other, err := sqlite.Open(filepath.Join(dir, "other"), sqlite.Options{Migrations: nil, ApplicationID: 7})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string // of the file; content nil: it is there
		content []byte
		kind    session.FileKind
		what    string
	}{
		{"topology.txt", must(assets.Topology("two-organisations")), session.TopologyFile, "a topology"},
		{"scenario.txt", must(assets.Scenario("leader-dies")), session.ScenarioFile, "a scenario"},
		{"damaged.star", []byte("network(\"two-org"), session.ScenarioFile, "a scenario"},
		{"plain.star", []byte("x"), session.ScenarioFile, ""},
		{"odd.yaml", []byte("name: x"), session.TopologyFile, ""},
		{"topology.json", []byte(`{"organizations": [{"name": "Org1"}]}`), session.TopologyFile, "a topology"},
		{"run", must(os.ReadFile("../../internal/trace/runfile/testdata/version-1.fscope")), session.RunFile, "a recorded run"},
		{"ledger", nil, "", "a peer's ledger"},
		{"other", nil, "", "a database (SQLite) of another program"},
		{"all", conformance.Read(t, "blocks.pb"), session.BlockFile, "blocks"},
		{"lone", raw, session.BlockFile, "blocks"},
		{"zip", zipped(t, raw), session.BlockFile, "blocks, compressed"},
		{"block.json", must(protojson.Marshal(block)), "", "a block as JSON"},
		{"envelope", lone, "", "an envelope (a single transaction, or a channel.tx)"},
		{"config", must(proto.Marshal(&commonpb.Config{ChannelGroup: &commonpb.ConfigGroup{Groups: map[string]*commonpb.ConfigGroup{"Orderer": {}}}})), "", "a channel configuration"},
		{"config.json", []byte(`{"channel_group": {}}`), "", "a channel configuration as JSON"},
		{"profile.json", []byte(`{"client": {}, "organizations": {}}`), "", "a connection profile"},
		{"package.tgz", zipped(t, tarred(t, "metadata.json", "code.tar.gz")), "", "a chaincode package"},
		{"archive.block", zipped(t, tarred(t, "readme")), "", "an archive (tar.gz)"},
		{"notes.gz", zipped(t, []byte("notes")), "", "compressed (gzip)"},
		{"key.pem", []byte("-----BEGIN PRIVATE KEY-----\n"), "", "a certificate or key (PEM)"},
		{"configtx.yaml", []byte("Organizations:\n  - &Org1\nProfiles:\n  x: 1\n"), "", "a file of another program (configtx.yaml)"},
		{"picture.fscope", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), "", "a file of another program (image/png)"},
		{"README.md", []byte("# A text\nIt says: much.\n"), "", "a text"},
		{"noise", []byte{0x01, 0x02, 0xff, 0x80}, "", "a file of an unknown kind"},
		{"nothing.yaml", nil, session.TopologyFile, ""},
		{"empty.yaml", []byte("\n"), "", "empty"},
	} {
		path := filepath.Join(dir, c.name)
		if c.content != nil {
			if err := os.WriteFile(path, c.content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got := session.Recognise(path)
		if got.Kind != c.kind || got.What != c.what {
			t.Errorf("%s: %q %q, want %q %q", c.name, got.Kind, got.What, c.kind, c.what)
		}
	}
	if got := session.Recognise(t.TempDir()); got.Kind != "" || got.What != "a folder" {
		t.Errorf("a folder: %+v", got)
	}
}

// Whoever opens a file of another kind hears what it is and what to do with it.
func TestOtherKindIsNamed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "net.fscope")
	if err := os.WriteFile(path, MustBytes(t)(assets.Topology("two-organisations")), 0o600); err != nil {
		t.Fatal(err)
	}
	want := path + " is a topology (\"fabriscope up " + path + "\" starts it); name a run file (.fscope)"
	if _, err := session.OpenRun(path, session.StartOptions{}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	for _, err := range session.ReadBlocks([]string{path}) {
		if err == nil || !strings.HasPrefix(err.Error(), path+" is a topology (") {
			t.Errorf("blocks: %v", err)
		}
	}
	if _, err := session.OpenTopology(path); err != nil {
		t.Errorf("the ending does not matter: %v", err)
	}
}

func FuzzRecognise(f *testing.F) {
	b, err := json.Marshal(map[string]any{"header": 1, "data": 2, "metadata": 3})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("organizations:\n"))
	f.Add([]byte("SQLite format 3\x00"))
	f.Add([]byte{0x1f, 0x8b, 8, 0})
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if c := session.Recognise(path); c.What == "" {
			t.Errorf("%q is nothing: %+v", b, c)
		}
	})
}
