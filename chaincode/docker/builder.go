package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"github.com/fabriscope/fabriscope/chaincode/internal/gocmd"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

const (
	// publicBuilder is the builder image that is pulled if there is none.
	publicBuilder = "golang:1.26-alpine"
	// ownBuilder is the name of builder images made of the computer's Go; the tag is
	// the Go version.
	ownBuilder = "fabriscope-builder"
	// lockBuilder is held while a builder image is looked for and fetched or made.
	lockBuilder = "builder"
	// goroot is where builder images have their toolchain.
	goroot = "/usr/local/go"
)

// builder is an image with a Go toolchain.
type builder struct {
	image   string
	version string // "go1.26.8", "" if it is not known
}

// builder finds, pulls or makes the builder image. tell hears of what takes long.
func (r *Runtime) builder(ctx context.Context, tell func(string)) (*builder, error) {
	lock, err := r.cache.Lock(ctx, lockBuilder)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if r.cfg.Builder != "" {
		return r.chosenBuilder(ctx, tell)
	}
	if b, err := r.engine.findBuilder(ctx, publicBuilder); b != nil || err != nil {
		return b, err
	}
	tool, goErr := gocmd.Find(ctx, r.cfg.Go)
	version, limit := "", pullLimit // any version will do if there is no Go to compare with
	if goErr == nil {
		version, limit = tool.Version, pullBrief
	}
	if b, err := r.engine.findOwnBuilder(ctx, version); b != nil || err != nil {
		return b, err
	}
	tell("fetching the builder image " + publicBuilder)
	pullErr := r.engine.pull(ctx, publicBuilder, limit)
	if pullErr == nil {
		return r.engine.findBuilder(ctx, publicBuilder)
	}
	if ctx.Err() != nil {
		return nil, pullErr
	}
	if goErr == nil {
		goErr = r.importToolchain(ctx, tool, tell)
	}
	if goErr != nil {
		return nil, fmt.Errorf("%w: there is no builder image: %s cannot be fetched (%w), and this computer's Go does not serve (%w); "+
			"run \"docker pull %s\" once with a network, or install Go from https://go.dev/dl",
			launch.ErrUnavailable, publicBuilder, pullErr, goErr, publicBuilder)
	}
	return &builder{image: ownBuilder + ":" + version, version: version}, nil
}

// chosenBuilder is the image that the configuration names, fetched if need be.
func (r *Runtime) chosenBuilder(ctx context.Context, tell func(string)) (*builder, error) {
	name := r.cfg.Builder
	if b, err := r.engine.findBuilder(ctx, name); b != nil || err != nil {
		return b, err
	}
	tell("fetching the builder image " + name)
	if err := r.engine.pull(ctx, name, pullLimit); err != nil {
		return nil, fmt.Errorf("%w: the builder image %s cannot be fetched: %w", launch.ErrUnavailable, name, err)
	}
	return r.engine.findBuilder(ctx, name)
}

// findOwnBuilder looks for a builder image that was made of this computer's Go, of that
// version or, if it is "", of any.
func (e *engine) findOwnBuilder(ctx context.Context, version string) (*builder, error) {
	all, err := e.ownBuilders(ctx)
	for _, b := range all {
		if version == "" || b.version == version {
			return &b, err
		}
	}
	return nil, err
}

func (e *engine) ownBuilders(ctx context.Context) (all []builder, err error) {
	err = e.call(ctx, callLimit, "list builder images", func(ctx context.Context) error {
		listed, err := e.ImageList(ctx, image.ListOptions{Filters: withLabels(map[string]string{labelKind: kindBuilderImage})})
		for _, i := range listed {
			for _, name := range i.RepoTags {
				all = append(all, builder{image: name, version: i.Labels[labelGo]})
			}
		}
		return err
	})
	return all, err
}

// findBuilder looks for the image; nil without an error means that it is not there.
func (e *engine) findBuilder(ctx context.Context, name string) (*builder, error) {
	var b *builder
	err := e.call(ctx, callLimit, "look for the builder image "+name, func(ctx context.Context) error {
		found, err := e.ImageInspect(ctx, name)
		if errdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		b = &builder{image: name}
		if found.Config != nil {
			b.version = goVersion(found.Config.Labels, found.Config.Env)
		}
		return nil
	})
	return b, err
}

// goVersion reads an image's Go version from our label or the official image's variable.
func goVersion(labels map[string]string, env []string) string {
	if v := labels[labelGo]; v != "" {
		return v
	}
	for _, kv := range env {
		if v, ok := strings.CutPrefix(kv, "GOLANG_VERSION="); ok {
			return "go" + v
		}
	}
	return ""
}

func (e *engine) pull(ctx context.Context, name string, limit time.Duration) error {
	return e.call(ctx, limit, "pull "+name, func(ctx context.Context) error {
		answer, err := e.ImagePull(ctx, name, image.PullOptions{})
		if err != nil {
			return err
		}
		return readProgress(answer)
	})
}

// importToolchain makes a builder image of the computer's Go.
func (r *Runtime) importToolchain(ctx context.Context, tool *gocmd.Tool, tell func(string)) error {
	name := ownBuilder + ":" + tool.Version
	out, err := tool.Run(ctx, "/", "env", "GOROOT", "GOTOOLDIR")
	if err != nil {
		return err
	}
	root, tools, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	for _, needed := range []string{filepath.Join(root, "bin", "go"), filepath.Join(tools, "compile")} {
		if err := mustBeStatic(needed); err != nil {
			return err
		}
	}
	tell("making a builder image of this computer's " + tool.Version)
	labels := r.owner.labels(kindBuilderImage, labelGo, tool.Version)
	err = r.engine.importImage(ctx, name, labels, func(tw *tar.Writer) error {
		return writeToolchain(tw, root, tools)
	})
	if err != nil {
		return err
	}
	// Those of earlier Go versions have had their day.
	all, err := r.engine.ownBuilders(ctx)
	for _, old := range all {
		if old.image != name {
			err = errors.Join(err, r.engine.removeImage(ctx, old.image))
		}
	}
	return err
}

// writeToolchain writes what of a Go installation compiling needs: no commands but go,
// compile, asm and link, no tests, no sources of commands.
func writeToolchain(tw *tar.Writer, root, tools string) error {
	w := &treeWriter{tw: tw, dirs: make(map[string]bool)}
	in := func(name string) string { return path.Join(strings.TrimPrefix(goroot, "/"), name) }
	toolDir := in(path.Join("pkg/tool", filepath.Base(tools)))
	for _, name := range []string{"compile", "asm", "link"} {
		if err := w.file(filepath.Join(tools, name), path.Join(toolDir, name), 0o755); err != nil {
			return err
		}
	}
	if err := w.file(filepath.Join(root, "bin", "go"), in("bin/go"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"VERSION", "go.env"} {
		if err := w.file(filepath.Join(root, name), in(name), 0o644); err != nil {
			return err
		}
	}
	for _, dir := range []string{"pkg/include", "src"} {
		if err := w.tree(filepath.Join(root, dir), in(dir), 0); err != nil {
			return err
		}
	}
	if err := w.dir("tmp", 0o1777); err != nil {
		return err
	}
	return w.text("etc/passwd", fmt.Sprintf("builder:x:%d:%d::/tmp:/nonexistent\n", nobody, nobody))
}

// treeWriter writes files with the directories above them.
type treeWriter struct {
	tw   *tar.Writer
	dirs map[string]bool
}

func (w *treeWriter) dir(name string, mode int64) error {
	if name == "." || w.dirs[name] {
		return nil
	}
	if err := w.dir(path.Dir(name), 0o755); err != nil {
		return err
	}
	w.dirs[name] = true
	return w.tw.WriteHeader(&tar.Header{Name: name + "/", Mode: mode, Typeflag: tar.TypeDir})
}

func (w *treeWriter) file(from, name string, mode int64) error {
	if err := w.dir(path.Dir(name), 0o755); err != nil {
		return err
	}
	return addFile(w.tw, from, name, mode)
}

func (w *treeWriter) text(name, content string) error {
	if err := w.dir(path.Dir(name), 0o755); err != nil {
		return err
	}
	if err := w.tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := w.tw.Write([]byte(content))
	return err
}

// maxTreeDepth ends a walk around a circle of symbolic links.
const maxTreeDepth = 24

// tree writes a directory of sources. Symbolic links are followed: distributions keep
// parts of Go elsewhere.
func (w *treeWriter) tree(from, name string, depth int) error {
	if depth > maxTreeDepth {
		return fmt.Errorf("%s is too deep; are there links in a circle?", from)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !isSource(name, e.Name()) {
			continue
		}
		under := filepath.Join(from, e.Name())
		info, err := os.Stat(under)
		if errors.Is(err, fs.ErrNotExist) { // a dead link
			continue
		}
		if err != nil {
			return err
		}
		switch {
		case info.IsDir():
			err = w.tree(under, path.Join(name, e.Name()), depth+1)
		case info.Mode().IsRegular():
			err = w.file(under, path.Join(name, e.Name()), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isSource tells whether compiling may need an entry of the directory dir.
func isSource(dir, name string) bool {
	if dir == path.Join(strings.TrimPrefix(goroot, "/"), "src") && name == "cmd" {
		return false
	}
	return name != "testdata" && !strings.HasSuffix(name, "_test.go") && !slices.Contains([]string{".git", "README.vendor"}, name)
}
