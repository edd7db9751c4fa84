package launch_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// MustTar packs headers; each regular file holds its own name unless data says more.
func MustTar(tb testing.TB, data map[string]string, headers ...tar.Header) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, h := range headers {
		body, ok := data[h.Name]
		if !ok {
			body = h.Name
		}
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(body))
		}
		h.Mode = 0o644
		if err := tw.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(tw, body); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func regular(names ...string) []tar.Header {
	var all []tar.Header
	for _, n := range names {
		all = append(all, tar.Header{Name: n, Typeflag: tar.TypeReg})
	}
	return all
}

func TestWalkCodeVisitsRegularFiles(t *testing.T) {
	headers := append(regular("src/main.go", "./src/go.mod"), tar.Header{Name: "src/", Typeflag: tar.TypeDir})
	var got []string
	err := launch.WalkCode(MustTar(t, nil, headers...), func(f launch.File) error {
		data, err := io.ReadAll(f.Data)
		got = append(got, f.Name+"="+string(data))
		return err
	})
	if want := []string{"src/main.go=src/main.go", "src/go.mod=./src/go.mod"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestWalkCodeRefuses(t *testing.T) {
	for name, code := range map[string][]byte{
		"not gzip":         []byte("nonsense"),
		"empty":            {},
		"parent":           MustTar(t, nil, regular("../x")...),
		"parent inside":    MustTar(t, nil, regular("src/../../x")...),
		"parent, harmless": MustTar(t, nil, regular("src/../x")...),
		"absolute":         MustTar(t, nil, regular("/etc/passwd")...),
		"backslash":        MustTar(t, nil, regular(`src\..\x`)...),
		"colon":            MustTar(t, nil, regular("src/a:b")...),
		"long part":        MustTar(t, nil, regular("src/"+strings.Repeat("a", 256))...),
		"deep":             MustTar(t, nil, regular(strings.Repeat("a/", 70)+"x")...),
		"symbolic link":    MustTar(t, nil, tar.Header{Name: "src/x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}),
		"hard link":        MustTar(t, nil, tar.Header{Name: "src/x", Typeflag: tar.TypeLink, Linkname: "src/y"}),
		"device":           MustTar(t, nil, tar.Header{Name: "src/x", Typeflag: tar.TypeChar}),
		"twice":            MustTar(t, nil, regular("src/x", "./src/x")...),
		"cut off":          MustTar(t, nil, regular("src/x")...)[:40],
	} {
		err := launch.WalkCode(code, func(f launch.File) error { _, err := io.Copy(io.Discard, f.Data); return err })
		if !errors.Is(err, launch.ErrCode) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v, want ErrCode", name, err)
		}
	}
}

func TestWalkCodeStopsBombs(t *testing.T) {
	fill := strings.Repeat("\x00", 1<<20)
	data := map[string]string{"a": fill, "b": fill, "c": fill}
	bomb := MustTar(t, data, regular("a", "b", "c")...)
	if len(bomb) > 10<<10 {
		t.Fatalf("the bomb itself has %d bytes", len(bomb))
	}
	ignore := func(launch.File) error { return nil }
	for name, tc := range map[string]struct {
		files           int
		bytes, fileSize int64
		want            string
	}{
		"within the bounds": {3, 4 << 20, 1 << 20, ""},
		"too many files":    {2, 4 << 20, 1 << 20, "more than 2 entries"},
		"a file too big":    {3, 4 << 20, 1<<20 - 1, `"a" has 1048576 bytes`},
		"too much in all":   {3, 2 << 20, 1 << 20, "unpacks to more"},
	} {
		err := launch.WalkCodeWithin(bomb, tc.files, tc.bytes, tc.fileSize, ignore)
		if tc.want == "" && err != nil || tc.want != "" && (!errors.Is(err, launch.ErrCode) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestPlanGoBuild(t *testing.T) {
	for _, tc := range []struct {
		name, path string
		files      []string
		want       launch.BuildPlan
		fails      bool
	}{
		{"module at src", "example.com/cc", []string{"src/go.mod", "src/main.go"}, launch.BuildPlan{Dir: "src", Target: "example.com/cc"}, false},
		{"vendored", "example.com/cc/cmd", []string{"src/go.mod", "src/vendor/modules.txt"}, launch.BuildPlan{Dir: "src", Target: "example.com/cc/cmd", Vendored: true}, false},
		{"no path", "", []string{"src/go.mod"}, launch.BuildPlan{Dir: "src", Target: "."}, false},
		{"module below src", "example.com/cc", []string{"src/example.com/cc/go.mod", "src/example.com/cc/vendor/modules.txt"}, launch.BuildPlan{Dir: "src/example.com/cc", Target: ".", Vendored: true}, false},
		{"no module", "example.com/cc", []string{"src/main.go"}, launch.BuildPlan{}, true},
		{"somebody else's module", "example.com/cc", []string{"src/vendor/x/go.mod"}, launch.BuildPlan{}, true},
		{"path is a flag", "-toolexec=sh", []string{"src/go.mod"}, launch.BuildPlan{}, true},
		{"path with spaces", "a b", []string{"src/go.mod"}, launch.BuildPlan{}, true},
	} {
		got, err := launch.PlanGoBuild(MustTar(t, nil, regular(tc.files...)...), tc.path)
		if got != tc.want || tc.fails != errors.Is(err, launch.ErrCode) || !tc.fails && err != nil {
			t.Errorf("%s: got %+v, %v; want %+v", tc.name, got, err, tc.want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tail := launch.NewTail(10)
	write := func(s string) {
		if n, err := io.WriteString(tail, s); n != len(s) || err != nil {
			t.Fatalf("write gave %d, %v", n, err)
		}
	}
	write("hello")
	if got := tail.String(); got != "hello" {
		t.Errorf("got %q", got)
	}
	for range 1000 {
		write("abc")
	}
	if got := tail.String(); got != "...cabcabcabc" {
		t.Errorf("got %q", got)
	}
	write(strings.Repeat("x", 100))
	if got := tail.String(); got != "..."+strings.Repeat("x", 10) {
		t.Errorf("got %q", got)
	}
}

func TestEnvironIsWhatTheShimNeeds(t *testing.T) {
	s := launch.Spec{PackageID: "cc:00", MSPID: "Org1MSP", Env: []string{"A=b"}}
	want := []string{"CORE_CHAINCODE_ID_NAME=cc:00", "CORE_PEER_TLS_ENABLED=false", "CORE_PEER_LOCALMSPID=Org1MSP", "A=b"}
	if got := s.Environ(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.Arguments("/s/cc.sock"); !slices.Equal(got, []string{"-peer.address=unix:///s/cc.sock"}) {
		t.Errorf("got %q", got)
	}
}

func FuzzWalkCode(f *testing.F) {
	f.Add(MustTar(f, nil, regular("src/main.go", "src/go.mod")...))
	f.Add(MustTar(f, nil, tar.Header{Name: "x", Typeflag: tar.TypeSymlink, Linkname: "y"}))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, code []byte) {
		files := 0
		err := launch.WalkCode(code, func(f launch.File) error {
			files++
			if f.Name == "" || strings.HasPrefix(f.Name, "/") || strings.HasPrefix(f.Name, "../") || f.Name == ".." {
				t.Errorf("the name %q came through", f.Name)
			}
			_, err := io.Copy(io.Discard, f.Data)
			return err
		})
		if err == nil && files > launch.MaxCodeFiles {
			t.Errorf("%d files came through", files)
		}
	})
}
