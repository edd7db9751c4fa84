package process

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/internal/filecache"
	"github.com/fabriscope/fabriscope/chaincode/internal/gocmd"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// build compiles the package with the computer's Go and gives the executable's path.
// The result is kept by the hash of the source and the Go version, so four peers, or
// four programs, compile one package once.
func (r *Runtime) build(ctx context.Context, spec *launch.Spec) (string, error) {
	plan, err := launch.PlanGoBuild(spec.Code, spec.Path)
	if err != nil {
		return "", fmt.Errorf("build %s: %w", spec.PackageID, err)
	}
	tool, err := gocmd.Find(ctx, r.cfg.Go)
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %w", spec.PackageID, launch.ErrUnavailable, err)
	}
	cache, err := filecache.Open(r.cfg.CacheDir, "build")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, spec.Limits.WithDefaults().BuildTimeout)
	defer cancel()
	path, _, err := cache.File(ctx, buildKey(spec, tool), func(out string) error {
		begin := time.Now()
		spec.Tell(launch.StepBuild, tool.Version)
		err := compile(ctx, tool, spec.Code, plan, out)
		if err != nil {
			spec.Tell(launch.StepBuilt, "failed")
			return err
		}
		spec.Tell(launch.StepBuilt, time.Since(begin).Round(time.Millisecond).String())
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("build %s: %w", spec.PackageID, err)
	}
	return path, nil
}

func buildKey(spec *launch.Spec, tool *gocmd.Tool) string {
	h := sha256.New()
	fmt.Fprintf(h, "1\n%s\n%s\n%d\n", tool.Version, spec.Path, len(spec.Code))
	h.Write(spec.Code)
	return "chaincode-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// compile unpacks the source beside out, runs the go command on it and writes the
// executable to out.
func compile(ctx context.Context, tool *gocmd.Tool, code []byte, plan launch.BuildPlan, out string) error {
	root := filepath.Join(filepath.Dir(out), "source")
	if err := unpack(code, root); err != nil {
		return err
	}
	defer os.RemoveAll(root)
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out}
	if plan.Vendored {
		args = append(args, "-mod=vendor")
	} else {
		args = append(args, "-mod=readonly")
	}
	cmd := tool.Command(ctx, filepath.Join(root, filepath.FromSlash(plan.Dir)), append(args, "--", plan.Target)...)
	words := launch.NewTail(16 << 10)
	cmd.Stdout, cmd.Stderr = words, words
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: it was given up: %w", launch.ErrBuild, context.Cause(ctx))
	case errors.As(err, &exit):
		return fmt.Errorf("%w:\n%s", launch.ErrBuild, strings.TrimSpace(words.String()))
	default:
		return fmt.Errorf("run %s: %w", tool.Path, err)
	}
}

// unpack writes the files of a code archive below dir, which it makes.
func unpack(code []byte, dir string) error {
	return launch.WalkCode(code, func(f launch.File) error {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		w, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if _, err := io.Copy(w, f.Data); err != nil {
			w.Close()
			return fmt.Errorf("%w: unpack %s: %w", launch.ErrCode, f.Name, err)
		}
		return w.Close()
	})
}
