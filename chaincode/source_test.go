package chaincode_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	// The contract in testdata is a module of its own, which is vendored from the
	// module cache. This import makes it a dependency of the program's tests too, so
	// that the module is in the cache, in the version that go.mod names.
	_ "github.com/hyperledger/fabric-contract-api-go/v2/contractapi"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// MustHaveGo skips a test on a computer without Go.
func MustHaveGo(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("no go command")
	}
}

// MustTree writes files, name and content by turns, and gives their directory.
func MustTree(t *testing.T, nameAndContent ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(nameAndContent); i += 2 {
		path := filepath.Join(dir, nameAndContent[i])
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(nameAndContent[i+1]), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func names(t *testing.T, p *chaincode.Package) (all []string) {
	t.Helper()
	err := launch.WalkCode(p.Code, func(f launch.File) error {
		all = append(all, f.Name)
		_, err := io.Copy(io.Discard, f.Data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func byKind(rec *trace.Recorder, kind trace.Kind) (found []trace.Event) {
	events, _, _ := rec.Since(0, 1<<20)
	for _, e := range events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

const module = "module example.com/cc\n\ngo 1.26\n"

func TestPackageSourceTakesWhatBelongsToTheProgram(t *testing.T) {
	MustHaveGo(t)
	dir := MustTree(t,
		"go.mod", module,
		"main.go", "package main\n\nimport \"example.com/cc/lib\"\n\nfunc main() { lib.F() }\n",
		"main_test.go", "package main\n",
		"main_windows.go", "package main\n",
		"lib/lib.go", "package lib\n\nimport _ \"embed\"\n\n//go:embed text.txt\nvar text string\n\nfunc F() { println(text) }\n",
		"lib/text.txt", "text",
		"unused/unused.go", "package unused\n",
		".env", "SECRET=1", "id_rsa", "key",
		"META-INF/statedb/couchdb/indexes/i.json", "{}",
		"META-INF/statedb/couchdb/indexes/README", "no",
	)
	raw, err := chaincode.PackageSource(t.Context(), dir, "cc")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"META-INF/statedb/couchdb/indexes/i.json", "src/go.mod", "src/lib/lib.go", "src/lib/text.txt", "src/main.go"}
	if got := names(t, p); !slices.Equal(got, want) || p.Path != "example.com/cc" {
		t.Errorf("got %q and path %s, want %q", got, p.Path, want)
	}
	again, err := chaincode.PackageSource(t.Context(), dir, "cc")
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("the second time gave other bytes: %v", err)
	}
}

func TestPackageSourceBelowTheModule(t *testing.T) {
	MustHaveGo(t)
	dir := MustTree(t, "go.mod", module, "cmd/cc/main.go", "package main\n\nfunc main() {}\n", "other/main.go", "package main\n\nfunc main() {}\n")
	raw, err := chaincode.PackageSource(t.Context(), filepath.Join(dir, "cmd", "cc"), "cc")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, p); p.Path != "example.com/cc/cmd/cc" || !slices.Equal(got, []string{"src/cmd/cc/main.go", "src/go.mod"}) {
		t.Errorf("got %q, path %s", got, p.Path)
	}
}

// The one program below a module's root is found.
func TestPackageSourceFindsTheProgram(t *testing.T) {
	MustHaveGo(t)
	dir := MustTree(t, "go.mod", module, "lib.go", "package cc\n", "cmd/cc/main.go", "package main\n\nfunc main() {}\n")
	raw, err := chaincode.PackageSource(t.Context(), dir, "cc")
	if err != nil {
		t.Fatal(err)
	}
	if p, err := chaincode.ParsePackage(raw); err != nil || p.Path != "example.com/cc/cmd/cc" {
		t.Errorf("got %+v, %v", p, err)
	}
}

// One folder may have several names.
func TestPackageSourceThroughALink(t *testing.T) {
	MustHaveGo(t)
	dir := MustTree(t, "cc/go.mod", module, "cc/main.go", "package main\n\nfunc main() {}\n")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	want, err := chaincode.PackageSource(t.Context(), filepath.Join(dir, "cc"), "cc")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := chaincode.PackageSource(t.Context(), filepath.Join(link, "cc"), "cc"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another package through a link, %v", err)
	}
}

func TestPackageSourceSaysWhatIsWrong(t *testing.T) {
	MustHaveGo(t)
	for name, tc := range map[string]struct {
		tree []string
		want string
	}{
		"no module":      {[]string{"main.go", "package main\n"}, "go mod init"},
		"not a program":  {[]string{"go.mod", module, "lib.go", "package lib\n"}, "package main"},
		"no Go files":    {[]string{"go.mod", module}, "no Go files"},
		"missing module": {[]string{"go.mod", module, "main.go", "package main\n\nimport _ \"example.com/missing\"\n\nfunc main() {}\n"}, "example.com/missing"},
		"cgo":            {[]string{"go.mod", module, "main.go", "package main\n\nfunc main() {}\n", "c.go", "package main\n\nimport \"C\"\n"}, "c.go is compiled only with cgo"},
		"cgo by a tag":   {[]string{"go.mod", module, "main.go", "package main\n\nfunc main() {}\n", "c.go", "//go:build cgo\n\npackage main\n"}, "c.go is compiled only with cgo"},
		"two programs":   {[]string{"go.mod", module, "a/main.go", "package main\n\nfunc main() {}\n", "b/main.go", "package main\n\nfunc main() {}\n"}, "there are several below it"},
		"syntax":         {[]string{"go.mod", module, "main.go", "package main\n\nimport (\n"}, "main.go:3"},
	} {
		dir := MustTree(t, tc.tree...)
		if _, err := chaincode.PackageSource(t.Context(), dir, "cc"); err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: got %v, want it to have %q and the folder", name, err, tc.want)
		}
	}
	if _, err := chaincode.PackageSource(t.Context(), "/nonexistent", "cc"); err == nil {
		t.Error("a folder that is not there was packaged")
	}
	dir := MustTree(t, "go.mod", module, "main.go", "package main\n\nfunc main() {}\n")
	if _, err := chaincode.PackageSource(t.Context(), dir, "a/b"); !errors.Is(err, chaincode.ErrPackage) {
		t.Errorf("a wrong label gave %v", err)
	}
}

// MustContract packages the contract in testdata.
func MustContract(t *testing.T, label string) []byte {
	t.Helper()
	MustHaveGo(t)
	raw, err := chaincode.PackageSource(t.Context(), filepath.Join("testdata", "contract"), label)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestOrdinaryContractRuns packages, compiles and runs a chaincode that was written for
// Fabric with its contract API, unchanged.
func TestOrdinaryContractRuns(t *testing.T) {
	raw := MustContract(t, "contract")
	rec := trace.NewRecorder(trace.Options{})
	h := cctest.MustHost(t, chaincode.Config{Runtime: chaincode.RuntimeProcess, Trace: rec})
	p, err := h.Install(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, p); slices.Contains(got, "src/greeting/greeting_test.go") || !slices.Contains(got, "src/vendor/modules.txt") {
		t.Errorf("the package has %d files, among them not the right ones", len(got))
	}
	b := &cctest.Bench{TB: t, Host: h, ID: p.ID, Ledger: cctest.NewLedger()}
	b.MustCall("Put", "1", "Moby Dick", "635")
	b.MustCall("Put", "2", "Emma", "474")
	for function, want := range map[string]string{
		"Get 1": `{"title":"Moby Dick","pages":635}`,
		"Pages": "1109",
		"Greet": "Hello from an embedded file.",
		"MSP":   "Org1MSP",
	} {
		args := strings.Fields(function)
		if got := b.MustCall(args[0], args[1:]...); got != want {
			t.Errorf("%s: got %s, want %s", function, got, want)
		}
	}
	if got := b.MustFail("Put", "1", "Dracula", "418"); got != "place 1 is taken" {
		t.Errorf("got %q", got)
	}
	if _, err := h.Execute(t.Context(), p.ID, b.Ledger.Invocation("Crash")); !errors.Is(err, chaincode.ErrStreamTerminated) {
		t.Errorf("Crash gave %v", err)
	}
	e, _, err := rec.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.ChaincodeExit })
	if err != nil || !strings.Contains(e.Note, "exit status 3") || !strings.Contains(e.Note, "about to crash") {
		t.Errorf("the trace has %+v, %v", e, err)
	}
	if got := b.MustCall("Pages"); got != "1109" {
		t.Errorf("after the crash: %s", got)
	}
	b.MustCall("Say", "a word from the shelf")
	said := func(e *trace.Event) bool { return e.Kind == trace.ChaincodeLog && e.Key == "a word from the shelf" }
	if e, _, err := rec.Wait(t.Context(), 0, said); err != nil || e.What != trace.Told || e.Name != p.ID || e.Other == "" || !e.Fits() {
		t.Errorf("what it prints is told as %+v, %v", e, err)
	}
	if _, err := h.Execute(t.Context(), p.ID, b.Ledger.Invocation("Panic", "the shelf is full")); !errors.Is(err, chaincode.ErrStreamTerminated) || !strings.Contains(err.Error(), "panic: the shelf is full") {
		t.Errorf("Panic gave %v", err)
	}
	for _, e := range append(byKind(rec, trace.LaunchStart), byKind(rec, trace.LaunchEnd)...) {
		if e.Name != "process" {
			t.Errorf("%s says that it runs as %q", e.Kind, e.Name)
		}
	}
	if n := len(byKind(rec, trace.BuildEnd)); n > 1 {
		t.Errorf("it was compiled %d times for an installation and three launches", n)
	}
}

func TestCompilerErrorsAreShown(t *testing.T) {
	MustHaveGo(t)
	dir := MustTree(t, "go.mod", module, "main.go", "package main\n\nfunc main() { undefinedFunction() }\n")
	raw, err := chaincode.PackageSource(t.Context(), dir, "cc")
	if err != nil {
		t.Fatal(err)
	}
	h := cctest.MustHost(t, chaincode.Config{Runtime: chaincode.RuntimeProcess, CacheDir: t.TempDir()})
	_, err = h.Install(t.Context(), raw)
	if !errors.Is(err, launch.ErrBuild) || !strings.Contains(err.Error(), "main.go:3:15: undefined: undefinedFunction") {
		t.Errorf("got %v", err)
	}
	if list := h.Installed(); len(list) != 0 {
		t.Errorf("%d packages are installed", len(list))
	}
}

// TestSampleBuildsFromItsPackage compiles a sample from the source in its package
// instead of running the one inside the program.
func TestSampleBuildsFromItsPackage(t *testing.T) {
	MustHaveGo(t)
	rec := trace.NewRecorder(trace.Options{})
	h := cctest.MustHost(t, chaincode.Config{Runtime: chaincode.RuntimeProcess, BuildSamples: true, Trace: rec, CacheDir: t.TempDir()})
	b := &cctest.Bench{TB: t, Host: h, ID: cctest.MustInstall(t, h, "counter", "counter"), Ledger: cctest.NewLedger()}
	if got := b.MustCall("Increment", "c"); got != "1" {
		t.Errorf("got %s", got)
	}
	if n := len(byKind(rec, trace.BuildEnd)); n != 1 {
		t.Errorf("%d builds were recorded", n)
	}
}
