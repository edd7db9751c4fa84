package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

func TestSelfIsAlive(t *testing.T) {
	me, err := self()
	if err != nil {
		t.Skipf("SKIPPED: %v", err)
	}
	read, ok := ownerOf(me.labels(kindChaincode, labelPeer, "peer0"))
	if !ok || read != me {
		t.Errorf("the labels give %+v, %v; want %+v", read, ok, me)
	}
	if me.dead(me, startOf) {
		t.Error("this program is dead")
	}
	if _, ok := ownerOf(map[string]string{labelKind: kindChaincode}); ok {
		t.Error("labels without an owner have one")
	}
}

func TestWhoIsDead(t *testing.T) {
	me := owner{pid: 1, start: "10", boot: "b", space: "s"}
	processes := map[int]string{1: "10", 2: "20", 3: ""} // 3 may not be looked at
	start := func(pid int) (string, bool) { s, ok := processes[pid]; return s, ok }
	for name, tc := range map[string]struct {
		o    owner
		dead bool
	}{
		"alive":              {owner{2, "20", "b", "s"}, false},
		"gone":               {owner{4, "40", "b", "s"}, true},
		"number used again":  {owner{2, "19", "b", "s"}, true},
		"before the reboot":  {owner{2, "20", "a", "s"}, true},
		"another namespace":  {owner{4, "40", "b", "z"}, false},
		"of a hidden user":   {owner{3, "30", "b", "s"}, false},
		"elsewhere, earlier": {owner{2, "20", "a", "z"}, true},
	} {
		if got := tc.o.dead(me, start); got != tc.dead {
			t.Errorf("%s: dead is %v", name, got)
		}
	}
}

func TestParseStat(t *testing.T) {
	rest := " 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 1"
	for stat, want := range map[string]string{
		"12 (go) S 1" + rest:             "4711",
		"12 (a b) R (x) S 1" + rest:      "4711",
		"12 (go) Z 1" + rest:             "",
		"12 (go) S 1 1":                  "",
		"":                               "",
		"12 (x)":                         "",
		"12 (new\nline) S 1" + rest + "": "4711",
	} {
		if got, ok := parseStat(stat); got != want || ok != (want != "") {
			t.Errorf("%q: got %q, %v", stat, got, ok)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("12 (go) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1 1")
	f.Add("12 (a ) b) ")
	f.Fuzz(func(t *testing.T, stat string) {
		if start, ok := parseStat(stat); ok && (start == "" || !strings.Contains(stat, start)) {
			t.Errorf("%q gave %q", stat, start)
		}
	})
}

func TestExitCause(t *testing.T) {
	for want, err := range map[string]error{
		"it used more than its 64 MiB of memory": exitCause(137, true, 64<<20),
		"exit status 0":                          exitCause(0, false, 0),
		"somebody killed it":                     exitCause(137, false, 0),
		"signal 15":                              exitCause(143, false, 0),
		"exit status 2":                          exitCause(2, false, 0),
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	host := "unix:///x"
	for want, err := range map[string]error{
		"you have no permission to use the Docker engine at unix:///x": fmt.Errorf("dial: %w", fs.ErrPermission),
		"when it was to dance; restart it":                             fmt.Errorf("x: %w", errSilent{time.Second}),
		"does not see this computer's files":                           errors.New("Error response: invalid mount config: bind source path does not exist: /tmp/x"),
	} {
		if got := explain(err, host, "dance"); !errors.Is(got, launch.ErrUnavailable) || !strings.Contains(got.Error(), want) {
			t.Errorf("got %v, want %q", got, want)
		}
	}
	if got := explain(context.Canceled, host, "dance"); !errors.Is(got, context.Canceled) || got.Error() != "dance: context canceled" {
		t.Errorf("got %v", got)
	}
	if explain(nil, host, "dance") != nil {
		t.Error("no error became one")
	}
}

func TestAbsent(t *testing.T) {
	has := func(names ...string) func(string) (string, error) {
		return func(n string) (string, error) {
			if slices.Contains(names, n) {
				return n, nil
			}
			return "", errors.New("no")
		}
	}
	if got := absent(has("docker")); !strings.HasPrefix(got, "start it") {
		t.Errorf("got %q", got)
	}
	if got := absent(has()); !strings.HasPrefix(got, "install Docker") {
		t.Errorf("got %q", got)
	}
}

func TestContainerName(t *testing.T) {
	for _, tc := range [][3]string{
		{"asset", "peer0.org1.example.com", "fabriscope-asset-peer0.org1.example.com-"},
		{"a+b/ü", "", "fabriscope-a-b----"},
		{strings.Repeat("x", 500), "p", "fabriscope-" + strings.Repeat("x", 100) + "-"},
	} {
		a, b := containerName(tc[0], tc[1]), containerName(tc[0], tc[1])
		if !strings.HasPrefix(a, tc[2]) || a == b || len(a) != len(tc[2])+6 {
			t.Errorf("%s, %s gave %s and %s", tc[0], tc[1], a, b)
		}
	}
}

func TestGoVersion(t *testing.T) {
	if v := goVersion(map[string]string{labelGo: "go1.2"}, []string{"GOLANG_VERSION=1.3"}); v != "go1.2" {
		t.Errorf("got %s", v)
	}
	if v := goVersion(nil, []string{"PATH=/", "GOLANG_VERSION=1.3"}); v != "go1.3" {
		t.Errorf("got %s", v)
	}
	if v := goVersion(nil, nil); v != "" {
		t.Errorf("got %s", v)
	}
}

func TestCacheEntry(t *testing.T) {
	root := t.TempDir()
	id := "AAECAwQFBgcICQoLDA0O" // 000102...0e
	write := func(name string) string {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	result := write("ab/abcd-d")
	write("00/000102030405060708090a0b0c0d0e77-a")
	got := cacheEntry(root, result+" "+id+"/whatever\n")
	if len(got) != 2 || got[0].name != "ab/abcd-d" || got[1].name != "00/000102030405060708090a0b0c0d0e77-a" {
		t.Errorf("got %+v", got)
	}
	for _, line := range []string{"", " ", result, "/elsewhere " + id, result + " !!!/x", result + " /x", result + " BBBB/x"} {
		if got := cacheEntry(root, line); got != nil {
			t.Errorf("%q gave %+v", line, got)
		}
	}
}

func FuzzReadProgress(f *testing.F) {
	f.Add([]byte(`{"status":"Pulling"}{"error":"no such image"}`))
	f.Add([]byte(`{"error":1}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		err := readProgress(io.NopCloser(bytes.NewReader(answer)))
		if len(bytes.Trim(answer, " \t\r\n")) == 0 && err != nil { // JSON's white space
			t.Error(err)
		}
	})
}

func TestReadProgress(t *testing.T) {
	for answer, want := range map[string]string{
		`{"status":"Importing"}` + "\n" + `{"status":"sha256:1"}`: "<nil>",
		`{"status":"x"}{"error":"no space left"}`:                 "no space left",
		`{"status":`: "read the engine's answer: unexpected EOF",
	} {
		if got := fmt.Sprint(readProgress(io.NopCloser(strings.NewReader(answer)))); got != want {
			t.Errorf("%s: got %s", answer, got)
		}
	}
}

// What of a Go installation goes into a builder image; links are followed.
func TestWriteToolchain(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	write := func(names ...string) {
		for _, name := range names {
			path := filepath.Join(root, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(name), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("bin/go", "bin/gofmt", "VERSION", "go.env", "pkg/include/textflag.h", "api/go1.txt", "test/x.go",
		"pkg/tool/linux_amd64/compile", "pkg/tool/linux_amd64/asm", "pkg/tool/linux_amd64/link", "pkg/tool/linux_amd64/vet",
		"src/fmt/print.go", "src/fmt/print_test.go", "src/fmt/testdata/x", "src/cmd/go/main.go", "src/internal/cmd/x.go")
	err := errors.Join(os.WriteFile(filepath.Join(elsewhere, "linked.go"), nil, 0o600), os.Symlink(elsewhere, filepath.Join(root, "src/linked")),
		os.Symlink("/nowhere", filepath.Join(root, "src/dead")))
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := writeToolchain(tar.NewWriter(&buf), root, filepath.Join(root, "pkg/tool/linux_amd64")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for tr := tar.NewReader(&buf); ; {
		h, err := tr.Next()
		if err != nil {
			break
		}
		if h.Typeflag == tar.TypeReg {
			got = append(got, strings.TrimPrefix(h.Name, "usr/local/go/"))
		}
	}
	slices.Sort(got)
	want := []string{"VERSION", "bin/go", "etc/passwd", "go.env", "pkg/include/textflag.h", "pkg/tool/linux_amd64/asm",
		"pkg/tool/linux_amd64/compile", "pkg/tool/linux_amd64/link", "src/fmt/print.go", "src/internal/cmd/x.go", "src/linked/linked.go"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := os.Symlink(root, filepath.Join(root, "src/circle")); err != nil {
		t.Fatal(err)
	}
	if err := writeToolchain(tar.NewWriter(io.Discard), root, filepath.Join(root, "pkg/tool/linux_amd64")); err == nil || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("a circle of links gave %v", err)
	}
}
