package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// Inside a builder container.
const (
	sourceDir = "/src"   // a volume with the package's files
	outputDir = "/out"   // a volume
	resultDir = "bin"    // in there, writable
	cacheDir  = "/cache" // the volume that is kept
	goCache   = "go-build"
)

const (
	buildMemory = 4 << 30
	buildPIDs   = 1024
	maxResult   = 512 << 20 // bytes of an executable
)

// binary compiles the package in a builder container and gives the executable's path. The
// result is kept by the hash of the source, so four peers, or four programs, compile one
// package once.
func (r *Runtime) binary(ctx context.Context, spec *launch.Spec) (string, error) {
	plan, err := launch.PlanGoBuild(spec.Code, spec.Path)
	if err != nil {
		return "", err
	}
	begin := time.Now()
	spec.Tell(launch.StepBuild, "in a builder container")
	file, made, err := r.cache.File(ctx, "chaincode-"+r.buildKey(spec), func(out string) error {
		return r.compile(ctx, spec, plan, out)
	})
	switch {
	case err != nil:
		spec.Tell(launch.StepBuilt, "failed")
		return "", err
	case made:
		spec.Tell(launch.StepBuilt, time.Since(begin).Round(time.Millisecond).String())
	default:
		spec.Tell(launch.StepBuilt, "cached")
	}
	return file, nil
}

// compile runs one builder container from its making to its end and writes the
// executable to out.
func (r *Runtime) compile(ctx context.Context, spec *launch.Spec, build launch.BuildPlan, out string) error {
	tell := func(what string) { spec.Tell(launch.StepImage, what) }
	b, err := r.builder(ctx, tell)
	if err != nil {
		return err
	}
	id, err := r.engine.create(ctx, r.buildPlan(spec, b.image, build))
	if err != nil {
		return err
	}
	defer r.destroy(id)
	spec.Tell(launch.StepCreate, "builder "+shortID(id))
	ctx, cancel := context.WithTimeoutCause(ctx, spec.Limits.BuildTimeout,
		fmt.Errorf("%w: it took longer than %s", launch.ErrBuild, spec.Limits.BuildTimeout))
	defer cancel()
	if _, err := r.fillCache(ctx, id, b, seedBrief, tell); err != nil {
		return err
	}
	if err := r.engine.copyIn(ctx, id, sourceDir, func(tw *tar.Writer) error { return writeSource(tw, spec.Code) }); err != nil {
		return err
	}
	err = r.engine.runBuilder(ctx, id)
	if errors.Is(err, launch.ErrBuild) && !build.Vendored && lacksModules(err.Error()) {
		return fmt.Errorf("%w\nThe package has no vendor directory, and a builder container has no network: "+
			"run \"go mod vendor\" in the chaincode's folder and package it again", err)
	}
	if err != nil {
		return err
	}
	return r.engine.fetchResult(ctx, id, out)
}

// lacksModules tells whether the go command complained about modules that are not there.
func lacksModules(words string) bool {
	return strings.Contains(words, "GOPROXY=off") || strings.Contains(words, "missing go.sum entry") ||
		strings.Contains(words, "no required module provides")
}

// destroy removes a builder container with its volumes, whatever happened to it.
func (r *Runtime) destroy(id string) {
	if err := r.engine.remove(context.Background(), id); err != nil {
		r.log.Error("remove a builder container", "container", shortID(id), "error", err)
	}
}

// buildPlan describes a builder container: like a chaincode's without network, rights and
// writable root. It runs the go command on the files that are copied into it.
func (r *Runtime) buildPlan(spec *launch.Spec, image string, build launch.BuildPlan) plan {
	labels := r.labels(kindBuild, spec)
	pids := int64(buildPIDs)
	host := hardened()
	host.Resources = container.Resources{Memory: buildMemory, MemorySwap: buildMemory, PidsLimit: &pids}
	host.Tmpfs = map[string]string{"/tmp": "rw,exec,nosuid,nodev,size=2g,mode=1777"}
	host.Mounts = []mount.Mount{
		{Type: mount.TypeVolume, Target: sourceDir, VolumeOptions: &mount.VolumeOptions{Labels: labels}},
		{Type: mount.TypeVolume, Target: outputDir, VolumeOptions: &mount.VolumeOptions{Labels: labels}},
		{Type: mount.TypeVolume, Source: r.cfg.CacheVolume, Target: cacheDir,
			VolumeOptions: &mount.VolumeOptions{Labels: map[string]string{labelKind: kindCache}}},
	}
	mod := "-mod=readonly"
	if build.Vendored {
		mod = "-mod=vendor"
	}
	return plan{
		name: containerName("build-"+spec.Label, spec.Peer),
		config: &container.Config{
			Image: image, Entrypoint: []string{goroot + "/bin/go"},
			Cmd: []string{"build", mod, "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
				"-o", path.Join(outputDir, resultDir, "chaincode"), "--", build.Target},
			Env: []string{
				"CGO_ENABLED=0", "GOCACHE=" + path.Join(cacheDir, goCache), "HOME=/tmp", "GOTMPDIR=/tmp", "GOPATH=/tmp/gopath",
				"GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GOENV=off", "GOTELEMETRY=off", "PATH=" + goroot + "/bin",
			},
			User: user(), WorkingDir: path.Join(sourceDir, build.Dir), Labels: labels,
		},
		host: host,
	}
}

// copyIn unpacks the tar archive that write writes into a directory of a container, which
// must be a volume.
func (e *engine) copyIn(ctx context.Context, id, dir string, write func(*tar.Writer) error) error {
	pr, pw := io.Pipe()
	go func() {
		tw := tar.NewWriter(pw)
		err := write(tw)
		if err == nil {
			err = tw.Close()
		}
		pw.CloseWithError(err)
	}()
	defer pr.Close() // lets the writer end if the engine has stopped to read
	return e.call(ctx, copyLimit, "copy files into a builder container", func(ctx context.Context) error {
		return e.CopyToContainer(ctx, id, dir, pr, container.CopyToContainerOptions{})
	})
}

// mine is the header of something that the builder may write to.
func mine(name string, kind byte, mode, size int64) *tar.Header {
	return &tar.Header{Name: name, Typeflag: kind, Mode: mode, Size: size, Uid: nobody, Gid: nobody, ModTime: time.Now()}
}

// writeSource turns a package's code archive into one whose files and directories belong
// to the builder's user.
func writeSource(tw *tar.Writer, code []byte) error {
	w := &treeWriter{tw: tw, dirs: make(map[string]bool)}
	return launch.WalkCode(code, func(f launch.File) error {
		if err := w.dir(path.Dir(f.Name), 0o755); err != nil {
			return err
		}
		if err := tw.WriteHeader(mine(f.Name, tar.TypeReg, 0o644, f.Size)); err != nil {
			return err
		}
		if _, err := io.Copy(tw, f.Data); err != nil {
			return fmt.Errorf("%w: unpack %s: %w", launch.ErrCode, f.Name, err)
		}
		return nil
	})
}

// runBuilder starts a builder container and waits for its end. If the compiler finds
// fault, the error wraps launch.ErrBuild and has its words.
func (e *engine) runBuilder(ctx context.Context, id string) error {
	err := e.copyIn(ctx, id, outputDir, func(tw *tar.Writer) error {
		return tw.WriteHeader(mine(resultDir+"/", tar.TypeDir, 0o755, 0))
	})
	if err != nil {
		return err
	}
	err = e.settled(ctx, callLimit, "start a builder container", func(ctx context.Context) error {
		return e.ContainerStart(ctx, id, container.StartOptions{})
	})
	if err != nil {
		return err
	}
	code, err := e.waitBuilder(ctx, id)
	if err != nil || code == 0 {
		return err
	}
	var oom bool
	words := launch.NewTail(16 << 10)
	err = e.call(ctx, callLimit, "read the compiler's words", func(ctx context.Context) error {
		now, err := e.ContainerInspect(ctx, id)
		if err != nil {
			return err
		}
		oom = now.State != nil && now.State.OOMKilled
		logs, err := e.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
		if err != nil {
			return err
		}
		defer logs.Close()
		_, err = stdcopy.StdCopy(words, words, logs)
		return err
	})
	switch {
	case err != nil:
		return err
	case oom:
		return fmt.Errorf("%w: compiling it took more than %d MiB of memory", launch.ErrBuild, buildMemory>>20)
	case code == exitKilled:
		return fmt.Errorf("%w: somebody killed the builder container", launch.ErrBuild)
	}
	return fmt.Errorf("%w:\n%s", launch.ErrBuild, strings.TrimSpace(words.String()))
}

// waitBuilder waits for the end of a container and gives its exit status.
func (e *engine) waitBuilder(ctx context.Context, id string) (int, error) {
	ended, failed := e.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case w := <-ended:
		if w.Error != nil {
			return 0, fmt.Errorf("wait for a builder container: %s", w.Error.Message)
		}
		return int(w.StatusCode), nil
	case err := <-failed:
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, explain(err, e.host, "wait for a builder container")
	}
}

// fetchResult copies the executable out of a builder container.
func (e *engine) fetchResult(ctx context.Context, id, out string) error {
	return e.call(ctx, copyLimit, "copy the compiled chaincode out of its builder container", func(ctx context.Context) error {
		data, _, err := e.CopyFromContainer(ctx, id, path.Join(outputDir, resultDir, "chaincode"))
		if err != nil {
			return err
		}
		defer data.Close()
		tr := tar.NewReader(data)
		h, err := tr.Next()
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxResult {
			return fmt.Errorf("%w: the result is no executable of at most %d MiB", launch.ErrBuild, maxResult>>20)
		}
		if err := writeFile(out, tr); err != nil {
			return err
		}
		if err := mustBeStatic(out); err != nil {
			return fmt.Errorf("%w: the result is no executable; a chaincode is a program: package main with a function main (%w)", launch.ErrBuild, err)
		}
		return nil
	})
}

func writeFile(name string, from io.Reader) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, from); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// writeText writes a file that is in memory.
func writeText(tw *tar.Writer, name string, text []byte) error {
	if err := tw.WriteHeader(mine(name, tar.TypeReg, 0o644, int64(len(text)))); err != nil {
		return err
	}
	_, err := io.Copy(tw, bytes.NewReader(text))
	return err
}
