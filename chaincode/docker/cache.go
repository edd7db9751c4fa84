package docker

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"

	"github.com/fabriscope/fabriscope/chaincode/internal/gocmd"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

const (
	// cacheVolume is the name of the volume with the compiler's cache.
	cacheVolume = "fabriscope-gocache"
	// lockCache is held while it is filled.
	lockCache = "gocache"
	// seedBrief bounds how long a build that somebody waits for looks for help at the
	// computer's own Go; seedLong does in the background.
	seedBrief = 20 * time.Second
	seedLong  = 3 * time.Minute
)

// standard are packages of the standard library that bring in, with what they import,
// nearly all that chaincodes use of it.
var standard = [...]string{
	"net/http", "crypto/tls", "encoding/json", "encoding/xml", "encoding/csv", "text/template", "math/big", "math/rand", "regexp",
	"os/exec", "log/slog", "expvar", "embed", "compress/gzip",
}

// Warm gets everything ready for the first build: the builder image, and the volume with
// the compiler's cache, filled with what chaincodes have in common. That takes seconds if
// this computer's own Go has compiled the same before, otherwise a minute; a build that
// comes meanwhile waits for it. tell, if not nil, hears of what takes long. A second call
// is quick.
func (r *Runtime) Warm(ctx context.Context, tell func(what string)) error {
	if tell == nil {
		tell = func(string) {}
	}
	ctx, end, err := r.enter(ctx)
	if err != nil {
		return err
	}
	defer end()
	b, err := r.builder(ctx, tell)
	if err != nil {
		return fmt.Errorf("prepare to build chaincode: %w", err)
	}
	spec := &launch.Spec{Label: "warm-up", Peer: r.cfg.Peer}
	id, err := r.engine.create(ctx, r.buildPlan(spec, b.image, launch.BuildPlan{Dir: "src", Target: "."}))
	if err != nil {
		return fmt.Errorf("prepare to build chaincode: %w", err)
	}
	defer r.destroy(id)
	full, err := r.fillCache(ctx, id, b, seedLong, tell)
	if err == nil && !full {
		err = r.compileStandard(ctx, id, b, tell)
	}
	if err != nil {
		return fmt.Errorf("prepare to build chaincode: %w", err)
	}
	return nil
}

// fillCache makes the cache in a builder container writable and, if it was never filled
// for this Go version, copies into it what this computer's Go has compiled, or compiles
// within the time given. full is false if that was not possible; it is no error.
func (r *Runtime) fillCache(ctx context.Context, id string, b *builder, within time.Duration, tell func(string)) (full bool, err error) {
	if full, err = r.engine.isFull(ctx, id, b); full || err != nil {
		return full, err
	}
	lock, err := r.cache.Lock(ctx, lockCache)
	if err != nil {
		return false, err
	}
	defer lock.Close()
	if full, err = r.engine.isFull(ctx, id, b); full || err != nil {
		return full, err
	}
	seed, seedErr := r.seed(ctx, b, within, tell)
	if seedErr != nil {
		r.log.Debug("the compiler's cache starts empty", "error", seedErr)
	}
	err = r.engine.copyIn(ctx, id, cacheDir, func(tw *tar.Writer) error { return writeCache(tw, seed, b) })
	return len(seed) > 0, err
}

// marker is a file in the cache that tells for which Go version it was filled.
func marker(b *builder) string { return "filled-for-" + b.version }

func (e *engine) isFull(ctx context.Context, id string, b *builder) (full bool, err error) {
	err = e.call(ctx, callLimit, "look into the compiler's cache", func(ctx context.Context) error {
		_, err := e.ContainerStatPath(ctx, id, path.Join(cacheDir, marker(b)))
		if errdefs.IsNotFound(err) {
			return nil
		}
		full = err == nil
		return err
	})
	return full, err
}

// seedFile is a file of the go command's cache.
type seedFile struct{ path, name string }

// seed lists the files of the computer's own Go cache that hold what chaincodes have in
// common. The go command compiles what is missing, which is no slower than in a container
// and helps the next time too.
func (r *Runtime) seed(ctx context.Context, b *builder, within time.Duration, tell func(string)) ([]seedFile, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it took longer than %s", within))
	defer cancel()
	tool, err := gocmd.Find(ctx, r.cfg.Go)
	if err != nil {
		return nil, err
	}
	if tool.Version != b.version {
		return nil, fmt.Errorf("this computer's Go is %s and the builder's is %s", tool.Version, b.version)
	}
	tell("filling the compiler's cache from this computer's " + tool.Version)
	out, err := tool.Run(ctx, "/", "env", "GOCACHE")
	if err != nil {
		return nil, err
	}
	root := strings.TrimSpace(string(out))
	listed, err := r.listCompiled(ctx, tool)
	if err != nil {
		return nil, err
	}
	var files []seedFile
	for line := range strings.Lines(string(listed)) {
		files = append(files, cacheEntry(root, line)...)
	}
	if len(files) == 0 {
		return nil, errors.New("the go command named no compiled packages")
	}
	return files, nil
}

// listCompiled has the go command compile what chaincodes have in common, and gives for
// each package a line with the file and the build id of the result.
func (r *Runtime) listCompiled(ctx context.Context, tool *gocmd.Tool) ([]byte, error) {
	list := func(dir string, packages ...string) ([]byte, error) {
		args := append([]string{"list", "-deps", "-export", "-trimpath", "-buildvcs=false", "-f", "{{.Export}} {{.BuildID}}"}, packages...)
		cmd := tool.Command(ctx, dir, args...)
		cmd.Env = append(cmd.Env, "GOPROXY=off") // it may take what is there, not fetch
		return cmd.Output()
	}
	if r.cfg.WarmCode != nil {
		out, err := r.listWarmCode(list)
		if err == nil {
			return out, nil
		}
		r.log.Debug("fill the compiler's cache without a chaincode's modules", "error", err)
	}
	return list("/", standard[:]...)
}

func (r *Runtime) listWarmCode(list func(dir string, packages ...string) ([]byte, error)) ([]byte, error) {
	code, err := r.cfg.WarmCode()
	if err != nil {
		return nil, err
	}
	plan, err := launch.PlanGoBuild(code, "")
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp("", "fabriscope-warm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	err = launch.WalkCode(code, func(f launch.File) error {
		name := filepath.Join(temp, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			return err
		}
		return writeFile(name, f.Data)
	})
	if err != nil {
		return nil, err
	}
	return list(filepath.Join(temp, filepath.FromSlash(plan.Dir)), append([]string{plan.Target}, standard[:]...)...)
}

// cacheEntry finds the two files that the go command's cache has for a compiled package:
// the result, which the line names, and the record of what it is the result of, whose
// name begins with the action part of the build id. (Go: cmd/go/internal/cache, buildid.go)
func cacheEntry(root, line string) []seedFile {
	export, id, ok := strings.Cut(strings.TrimSpace(line), " ")
	name, err := filepath.Rel(root, export)
	if !ok || err != nil || !filepath.IsLocal(name) {
		return nil // package unsafe has no result
	}
	action, _, _ := strings.Cut(id, "/")
	hash, err := base64.RawURLEncoding.DecodeString(action)
	if err != nil || len(hash) == 0 {
		return nil
	}
	prefix := hex.EncodeToString(hash)
	records, err := filepath.Glob(filepath.Join(root, prefix[:2], prefix+"*-a"))
	if err != nil || len(records) != 1 {
		return nil
	}
	record, err := filepath.Rel(root, records[0])
	if err != nil {
		return nil
	}
	return []seedFile{{export, name}, {records[0], record}}
}

// writeCache writes the files of a cache, which may be none, and the marker if there are any.
func writeCache(tw *tar.Writer, files []seedFile, b *builder) error {
	dirs := map[string]bool{}
	mkdir := func(name string) error {
		if dirs[name] {
			return nil
		}
		dirs[name] = true
		return tw.WriteHeader(mine(name+"/", tar.TypeDir, 0o755, 0))
	}
	if err := mkdir(goCache); err != nil {
		return err
	}
	for _, f := range files {
		name := path.Join(goCache, filepath.ToSlash(f.name))
		if err := mkdir(path.Dir(name)); err != nil {
			return err
		}
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if err := writeText(tw, name, data); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	return writeText(tw, marker(b), nil)
}

// compileStandard fills the cache with the standard library by compiling a program that
// imports it. Modules cannot be had here: a builder has no network.
func (r *Runtime) compileStandard(ctx context.Context, id string, b *builder, tell func(string)) error {
	lock, err := r.cache.Lock(ctx, lockCache)
	if err != nil {
		return err
	}
	defer lock.Close()
	if full, err := r.engine.isFull(ctx, id, b); full || err != nil {
		return err
	}
	tell("compiling the standard library for later builds")
	var text strings.Builder
	text.WriteString("package main\n\nimport (\n")
	for _, name := range standard {
		fmt.Fprintf(&text, "\t_ %q\n", name)
	}
	text.WriteString(")\n\nfunc main() {}\n")
	err = r.engine.copyIn(ctx, id, sourceDir, func(tw *tar.Writer) error {
		return errors.Join(writeText(tw, "src/go.mod", []byte("module warm\n")), writeText(tw, "src/main.go", []byte(text.String())))
	})
	if err != nil {
		return err
	}
	if err := r.engine.runBuilder(ctx, id); err != nil {
		return err
	}
	return r.engine.copyIn(ctx, id, cacheDir, func(tw *tar.Writer) error { return writeText(tw, marker(b), nil) })
}
