package chaincode_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/external"
)

type entry struct {
	name, data string
	kind       byte // 0: regular file
}

// MustPack makes a gzip-compressed tar of the entries.
func MustPack(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, e := range entries {
		h := tar.Header{Name: e.name, Mode: 0o644, Typeflag: e.kind, Size: int64(len(e.data))}
		if e.kind == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag != tar.TypeReg {
			h.Size, h.Linkname = 0, e.data
		}
		if err := tw.WriteHeader(&h); err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(tw, e.data); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

func code(tb testing.TB) string {
	return string(MustPack(tb, entry{name: "src/go.mod", data: "module x\n"}, entry{name: "src/main.go", data: "package main\n"}))
}

func TestParsePackage(t *testing.T) {
	raw := MustPack(t, entry{name: "./metadata.json", data: `{"path":"example.com/x","type":"GoLang","label":"x_1.0"}`},
		entry{name: "code.tar.gz", data: code(t)}, entry{name: "something-else", data: "ignored"})
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("x_1.0:%x", sha256.Sum256(raw))
	if p.ID != want || p.Label != "x_1.0" || p.Type != "golang" || p.Path != "example.com/x" || string(p.Code) != code(t) || p.Sample != "" {
		t.Errorf("got %+v, want id %s", p, want)
	}
}

func TestParsePackageRefuses(t *testing.T) {
	meta := entry{name: "metadata.json", data: `{"path":"x","type":"golang","label":"x"}`}
	src := entry{name: "code.tar.gz", data: code(t)}
	with := func(text string) []byte { return MustPack(t, entry{name: "metadata.json", data: text}, src) }
	for name, raw := range map[string][]byte{
		"nothing":           nil,
		"rubbish":           []byte("rubbish"),
		"no metadata":       MustPack(t, src),
		"no code":           MustPack(t, meta),
		"code twice":        MustPack(t, meta, src, src),
		"link":              MustPack(t, meta, src, entry{name: "x", data: "/etc/passwd", kind: tar.TypeSymlink}),
		"directory":         MustPack(t, meta, src, entry{name: "x/", kind: tar.TypeDir}),
		"metadata no JSON":  with(`label: x`),
		"no label":          with(`{"type":"golang","path":"x"}`),
		"label with slash":  with(`{"type":"golang","path":"x","label":"../x"}`),
		"label with colon":  with(`{"type":"golang","path":"x","label":"a:b"}`),
		"label with space":  with(`{"type":"golang","path":"x","label":"a b"}`),
		"label too long":    with(`{"type":"golang","path":"x","label":"` + strings.Repeat("a", 300) + `"}`),
		"no type":           with(`{"path":"x","label":"x"}`),
		"path is a flag":    with(`{"type":"golang","path":"-x","label":"x"}`),
		"no module":         MustPack(t, meta, entry{name: "code.tar.gz", data: string(MustPack(t, entry{name: "src/main.go"}))}),
		"code leads out":    MustPack(t, meta, entry{name: "code.tar.gz", data: string(MustPack(t, entry{name: "../go.mod"}))}),
		"code no archive":   MustPack(t, meta, entry{name: "code.tar.gz", data: "rubbish"}),
		"ccaas, no address": MustPack(t, entry{name: "metadata.json", data: `{"type":"ccaas","label":"x"}`}, src),
		"many entries":      MustPack(t, append(make([]entry, 0), manyEntries(40)...)...),
		"big metadata":      with(`{"type":"golang","path":"x","label":"x","y":"` + strings.Repeat("a", 70<<10) + `"}`),
		"other type, links": MustPack(t, entry{name: "metadata.json", data: `{"type":"node","label":"x"}`}, entry{name: "code.tar.gz", data: string(MustPack(t, entry{name: "src/x", data: "/etc/passwd", kind: tar.TypeSymlink}))}),
	} {
		if p, err := chaincode.ParsePackage(raw); !errors.Is(err, chaincode.ErrPackage) {
			t.Errorf("%s: got %v, %v; want ErrPackage", name, p, err)
		}
	}
}

func manyEntries(n int) (all []entry) {
	for i := range n {
		all = append(all, entry{name: fmt.Sprint(i)})
	}
	return all
}

func TestSamplePackages(t *testing.T) {
	for _, name := range chaincode.SampleNames() {
		a, err := chaincode.PackageSample(name, "label-1")
		if err != nil {
			t.Fatal(err)
		}
		b, err := chaincode.PackageSample(name, "label-1")
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: two packages with one label differ: %v", name, err)
		}
		c, err := chaincode.PackageSample(name, "label-2")
		if err != nil || bytes.Equal(a, c) {
			t.Errorf("%s: two labels give one package: %v", name, err)
		}
		p, err := chaincode.ParsePackage(a)
		if err != nil || p.Sample != name || p.Type != chaincode.TypeGo {
			t.Errorf("%s: the package is taken for %+v, %v", name, p, err)
		}
	}
	if _, err := chaincode.PackageSample("nonsense", "x"); err == nil || !strings.Contains(err.Error(), "asset, counter") {
		t.Errorf("an unknown sample gave %v", err)
	}
}

// A package that says it is a sample, but has one line more, is not run as the sample.
func TestChangedSampleIsNotTheSample(t *testing.T) {
	raw, err := chaincode.PackageSample("asset", "asset")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry
	zr, err := gzip.NewReader(bytes.NewReader(p.Code))
	if err != nil {
		t.Fatal(err)
	}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{name: h.Name, data: string(data)})
	}
	pack := func() *chaincode.Package {
		raw := MustPack(t, entry{name: "./metadata.json", data: `{"path":"` + p.Path + `","type":"golang","label":"asset"}`},
			entry{name: "code.tar.gz", data: string(MustPack(t, entries...))})
		p, err := chaincode.ParsePackage(raw)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if got := pack().Sample; got != "asset" {
		t.Fatalf("the same files, packed by somebody else, are taken for %q", got)
	}
	entries[len(entries)-1].data += "\n// one line more\n"
	if got := pack().Sample; got != "" {
		t.Errorf("changed source is taken for the sample %q", got)
	}
}

func TestPackageExternal(t *testing.T) {
	raw, err := chaincode.PackageExternal("cc", external.Connection{Address: "localhost:9999"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil || p.Type != chaincode.TypeExternal {
		t.Fatalf("got %+v, %v", p, err)
	}
	if _, err := chaincode.PackageExternal("cc", external.Connection{Address: "nowhere"}); !errors.Is(err, external.ErrConnection) {
		t.Errorf("a wrong address gave %v", err)
	}
	if _, err := chaincode.PackageExternal("a/b", external.Connection{Address: "a:1"}); !errors.Is(err, chaincode.ErrPackage) {
		t.Errorf("a wrong label gave %v", err)
	}
}

// fabric-samples call the type of a chaincode that runs as a service "external".
func TestParsePackageExternalByItsOldName(t *testing.T) {
	inner := MustPack(t, entry{name: "connection.json", data: `{"address":"localhost:9999","dial_timeout":"10s","tls_required":false}`})
	raw := MustPack(t, entry{name: "./metadata.json", data: `{"type":"external","label":"basic_1.0"}`}, entry{name: "code.tar.gz", data: string(inner)})
	p, err := chaincode.ParsePackage(raw)
	if err != nil || p.Type != chaincode.TypeExternal {
		t.Fatalf("got %+v, %v", p, err)
	}
}

func ExamplePackageSample() {
	raw, err := chaincode.PackageSample("asset", "asset_1.0")
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Label, p.Type, p.Sample, p.ID == chaincode.PackageID("asset_1.0", raw))
	// Output: asset_1.0 golang asset true
}

func FuzzParsePackage(f *testing.F) {
	sample, err := chaincode.PackageSample("dice", "dice")
	if err != nil {
		f.Fatal(err)
	}
	ext, err := chaincode.PackageExternal("cc", external.Connection{Address: "localhost:9999"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sample)
	f.Add(ext)
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := chaincode.ParsePackage(raw)
		if err != nil {
			if !errors.Is(err, chaincode.ErrPackage) {
				t.Errorf("the error %v does not wrap ErrPackage", err)
			}
			return
		}
		if p.ID != chaincode.PackageID(p.Label, raw) || strings.ContainsAny(p.ID, "/\\\x00") {
			t.Errorf("package id %q", p.ID)
		}
	})
}

// FuzzParseFiles fuzzes what is inside well-formed archives, which FuzzParsePackage
// seldom gets at.
func FuzzParseFiles(f *testing.F) {
	f.Add(`{"path":"x","type":"golang","label":"x"}`, "src/go.mod", "module x")
	f.Add(`{"type":"ccaas","label":"x"}`, "connection.json", `{"address":"a:1"}`)
	f.Fuzz(func(t *testing.T, meta, name, data string) {
		var buf bytes.Buffer
		zw := gzip.NewWriter(&buf)
		tw := tar.NewWriter(zw)
		if tw.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Typeflag: tar.TypeReg}) != nil {
			return // no tar can hold that name
		}
		_, werr := io.WriteString(tw, data)
		if err := errors.Join(werr, tw.Close(), zw.Close()); err != nil {
			t.Fatal(err)
		}
		raw := MustPack(t, entry{name: "./metadata.json", data: meta}, entry{name: "code.tar.gz", data: buf.String()})
		if _, err := chaincode.ParsePackage(raw); err != nil && !errors.Is(err, chaincode.ErrPackage) {
			t.Errorf("the error %v does not wrap ErrPackage", err)
		}
	})
}

func BenchmarkParseSamplePackage(b *testing.B) {
	raw, err := chaincode.PackageSample("asset", "asset")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := chaincode.ParsePackage(raw); err != nil {
			b.Fatal(err)
		}
	}
}
