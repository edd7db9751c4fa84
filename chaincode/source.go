package chaincode

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	gobuild "go/build"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/chaincode/internal/gocmd"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// maxSourceBytes bounds what PackageSource collects, uncompressed.
const maxSourceBytes = 200 << 20

// PackageSource makes a package of the Go chaincode in the folder dir, which is a
// main package in a module (at its root or below). It takes what the go command says
// the program is made of, nothing that lies around besides, and CouchDB index files
// under META-INF. Modules that it depends on are vendored into the package, from the
// folder's vendor directory or with "go mod vendor" into a copy, so that building it
// needs no network. dir itself is not changed. Equal files give equal bytes.
//
// It needs the go command. Errors say what to change in the folder.
func PackageSource(ctx context.Context, dir, label string) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("package the chaincode in %s: %w", dir, err) }
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fail(err)
	}
	if info, err := os.Stat(dir); err != nil {
		return fail(err)
	} else if !info.IsDir() {
		return fail(errors.New("it is not a folder"))
	}
	// The go command names files by their real paths; one folder may have several.
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return fail(err)
	}
	tool, err := gocmd.Find(ctx, "")
	if err != nil {
		return fail(err)
	}
	temp, err := os.MkdirTemp("", "fabriscope-package-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(temp)
	c := collector{ctx: ctx, tool: tool, dir: dir, temp: temp}
	importPath, err := c.module()
	if err != nil {
		return fail(err)
	}
	code, err := archive(c.sorted())
	if err != nil {
		return fail(err)
	}
	raw, err := build(metadata{Path: importPath, Type: TypeGo, Label: label}, code)
	if err != nil {
		return fail(err)
	}
	return raw, nil
}

// collector gathers the files of one package.
type collector struct {
	ctx   context.Context
	tool  *gocmd.Tool
	dir   string // the main package
	root  string // its module
	temp  string // for go.mod, go.sum and vendor
	files []entry
	size  int
}

func (c *collector) sorted() []entry {
	sortFiles(c.files)
	return c.files
}

// module collects everything and gives the main package's import path.
func (c *collector) module() (string, error) {
	root, err := findModule(c.dir)
	if err != nil {
		return "", err
	}
	c.root = root
	// The go command may want to write go.sum; let it have a copy.
	modfile := filepath.Join(c.temp, "go.mod")
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) && name == "go.sum" {
			continue
		}
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(c.temp, name), data, 0o600); err != nil {
			return "", err
		}
	}
	vendor, flags, err := c.vendor(modfile)
	if err != nil {
		return "", err
	}
	importPath, err := c.list(flags)
	if err != nil {
		// Many keep the program below the folder that they think of as the chaincode.
		below := c.programsBelow(flags)
		if len(below) > 1 {
			return "", fmt.Errorf("it is no program itself, and there are several below it; choose one with --path: %s", strings.Join(below, ", "))
		}
		if len(below) == 0 || below[0] == c.dir {
			return "", err
		}
		c.dir, c.files, c.size = below[0], nil, 0
		if importPath, err = c.list(flags); err != nil {
			return "", err
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := c.addIfThere(filepath.Join(c.temp, name), "src/"+name); err != nil {
			return "", err
		}
	}
	if err := c.addTree(vendor, "src/vendor", func(string) bool { return true }); err != nil {
		return "", err
	}
	// Index definitions for CouchDB belong to the package although this program
	// has no CouchDB: the same package may be installed on a real peer.
	err = c.addTree(filepath.Join(c.dir, "META-INF", "statedb"), "META-INF/statedb", func(name string) bool {
		return strings.HasSuffix(name, ".json")
	})
	return importPath, err
}

// vendor gives the directory with the vendored modules, which may not exist if there
// are none, and the flags with which the go command looks at the module.
func (c *collector) vendor(modfile string) (dir string, flags []string, err error) {
	dir = filepath.Join(c.root, "vendor")
	if _, err := os.Stat(filepath.Join(dir, "modules.txt")); err == nil {
		return dir, []string{"-mod=vendor"}, nil
	}
	dir = filepath.Join(c.temp, "vendor")
	if _, err := c.tool.Run(c.ctx, c.root, "mod", "vendor", "-modfile="+modfile, "-o", dir); err != nil {
		return "", nil, fmt.Errorf("collect the modules it depends on (does \"go build\" work in the folder? "+
			"\"go mod tidy\" often helps): %w", err)
	}
	return dir, []string{"-mod=readonly", "-modfile=" + modfile}, nil
}

// listed is what "go list -json" says of one package.
type listed struct {
	Dir, ImportPath, Name string
	Standard              bool
	Module                *struct{ Main bool }
	GoFiles, CgoFiles     []string
	IgnoredGoFiles        []string
	SFiles, HFiles        []string
	EmbedFiles            []string
	Error                 *struct{ Err string }
}

// list adds the files of the main package and of the packages of its own module that
// it imports.
func (c *collector) list(flags []string) (importPath string, err error) {
	args := append([]string{"list", "-deps",
		"-json=Dir,ImportPath,Name,Standard,Module,GoFiles,CgoFiles,IgnoredGoFiles,SFiles,HFiles,EmbedFiles,Error"}, flags...)
	out, err := c.tool.Run(c.ctx, c.dir, append(args, ".")...)
	if err != nil {
		return "", fmt.Errorf("ask what it is made of: %w", err)
	}
	var last listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the answer of \"go list\": %w", err)
		}
		last = p // the package that was asked for comes after all it imports
		if p.Standard || p.Module == nil || !p.Module.Main {
			continue
		}
		if err := p.mustNotNeedC(); err != nil {
			return "", err
		}
		for _, name := range slices.Concat(p.GoFiles, p.SFiles, p.HFiles, p.EmbedFiles) {
			if err := c.addSource(filepath.Join(p.Dir, name)); err != nil {
				return "", err
			}
		}
	}
	if last.Name != "main" {
		return "", fmt.Errorf("its package is %q, but a chaincode is a program: package main with a function main that starts the shim", last.Name)
	}
	return last.ImportPath, nil
}

// mustNotNeedC refuses files that only a builder with a C compiler would compile. Left out
// without a word, the chaincode would be another program than on a peer of Fabric's.
func (p *listed) mustNotNeedC() error {
	withC := gobuild.Default
	withC.GOOS, withC.CgoEnabled = "linux", true
	for _, name := range slices.Concat(p.CgoFiles, p.IgnoredGoFiles) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		needed, err := withC.MatchFile(p.Dir, name)
		if err != nil {
			return fmt.Errorf("read %s: %w", filepath.Join(p.Dir, name), err)
		}
		if needed {
			return fmt.Errorf("%s is compiled only with cgo (it imports \"C\", or asks for cgo in a build line), and chaincode is built here "+
				"without a C compiler: write that part in Go, or run the chaincode yourself as a service (--address HOST:PORT)", filepath.Join(p.Dir, name))
		}
	}
	return nil
}

// programsBelow are the folders in and below the package's with a package main, none if
// the go command cannot tell.
func (c *collector) programsBelow(flags []string) (folders []string) {
	args := append([]string{"list", "-e", "-f", `{{if eq .Name "main"}}{{.Dir}}{{end}}`}, flags...)
	out, err := c.tool.Run(c.ctx, c.dir, append(args, "./...")...)
	if err != nil {
		return nil
	}
	return strings.Fields(string(out))
}

// addSource adds a file of the module under the same name below src.
func (c *collector) addSource(path string) error {
	rel, err := filepath.Rel(c.root, path)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("the file %s is outside the module", path)
	}
	return c.add(path, "src/"+filepath.ToSlash(rel))
}

func (c *collector) addIfThere(path, name string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return c.add(path, name)
}

// addTree adds the regular files below dir, if there is one, that want accepts.
func (c *collector) addTree(dir, under string, want func(name string) bool) error {
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || !d.Type().IsRegular() || !want(d.Name()) {
			return err
		}
		return c.add(p, path.Join(under, filepath.ToSlash(rel)))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c *collector) add(path, name string) error {
	if len(c.files) >= launch.MaxCodeFiles {
		return fmt.Errorf("it has more than %d files", launch.MaxCodeFiles)
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if c.size += int(info.Size()); c.size > maxSourceBytes {
		return fmt.Errorf("it has more than %d MB of source (at %s)", maxSourceBytes>>20, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c.files = append(c.files, entry{name, data})
	return nil
}

// findModule goes up from dir to the folder with go.mod.
func findModule(dir string) (string, error) {
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(filepath.Join(d, "go.mod")); err == nil && info.Mode().IsRegular() {
			return d, nil
		}
		if d == filepath.Dir(d) {
			return "", errors.New("there is no go.mod in it or above it; run \"go mod init\" and \"go mod tidy\" in it")
		}
	}
}

func sortFiles(files []entry) {
	slices.SortFunc(files, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
}

// vendorSample gives the code archive of a sample with the modules it depends on in
// it, for a build that has no network.
func vendorSample(ctx context.Context, p *Package) ([]byte, error) {
	temp, err := os.MkdirTemp("", "fabriscope-sample-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	files, err := sampleFiles(p.Sample)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name := filepath.Join(temp, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, f.data, 0o600); err != nil {
			return nil, err
		}
	}
	raw, err := PackageSource(ctx, filepath.Join(temp, "src"), p.Label)
	if err != nil {
		return nil, err
	}
	vendored, err := ParsePackage(raw)
	if err != nil {
		return nil, err
	}
	return vendored.Code, nil
}
