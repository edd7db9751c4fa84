// Package process is the runtime that runs a chaincode as a child process of the
// program, on the same computer and as the same user: quick, and with no isolation
// at all, which the window says.
//
// It serves the launch of a chaincode, before step 3 of a transaction. A sample runs
// from the static binary that the program embeds, or from the program itself; any
// other Go package is compiled with the computer's Go (build.go). The child gets a
// process group of its own, an environment that has nothing of the caller's in it,
// and dies with the program even if that is killed with -9 (Linux).
//
// Read next: build.go, then chaincode/host.go, which calls Start.
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// Config says how a Runtime works. The zero value is useful.
type Config struct {
	// CacheDir is where compiled chaincodes are kept; "" is the user's cache
	// directory (~/.cache/fabriscope).
	CacheDir string
	// Go is the go command; "" looks for one in PATH and in /usr/local/go/bin.
	Go string
	// NoBundle makes samples run from the program itself even if the embedded
	// binary is there.
	NoBundle bool
	Log      *slog.Logger // nil discards
}

// Runtime starts chaincodes as child processes. It holds nothing, so it needs no end.
type Runtime struct {
	cfg Config
	log *slog.Logger
}

// New gives a Runtime.
func New(cfg Config) *Runtime {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Runtime{cfg: cfg, log: log}
}

// Start compiles the chaincode if need be and runs it. It returns as soon as the
// process exists; that it registers is for the caller to wait for. ctx bounds the
// compilation only.
//
// Errors: launch.ErrBuild with the compiler's words, launch.ErrUnavailable without a
// Go toolchain or for a type other than golang, launch.ErrCode for a bad archive.
func (r *Runtime) Start(ctx context.Context, spec launch.Spec) (launch.Instance, error) {
	path, args, err := r.executable(ctx, &spec)
	if err != nil {
		return nil, err
	}
	spec.Tell(launch.StepStart, filepath.Base(path))
	return r.run(path, append(args, spec.Arguments(spec.Socket)...), &spec)
}

// Build compiles the chaincode if need be. Errors are those of Start.
func (r *Runtime) Build(ctx context.Context, spec launch.Spec) error {
	_, _, err := r.executable(ctx, &spec)
	return err
}

// executable finds or makes what to run, and the arguments that come first.
func (r *Runtime) executable(ctx context.Context, spec *launch.Spec) (string, []string, error) {
	switch {
	case spec.Sample != "" && !spec.Build:
		if _, ok := samples.ByName(spec.Sample); !ok {
			return "", nil, fmt.Errorf("start %s: there is no sample %q in this program", spec.PackageID, spec.Sample)
		}
		if runtime.GOOS == "linux" && bundle.Available() && !r.cfg.NoBundle {
			path, _, err := bundle.Unpack(ctx, r.cfg.CacheDir)
			return path, []string{spec.Sample}, err
		}
		self, err := os.Executable()
		if err != nil {
			return "", nil, fmt.Errorf("start sample %s: find this program: %w", spec.Sample, err)
		}
		return self, []string{samples.Command, spec.Sample}, nil
	case spec.Type == "golang":
		path, err := r.build(ctx, spec)
		return path, nil, err
	default:
		return "", nil, fmt.Errorf("%w: %s is of type %s, and Fabriscope builds Go only; run it yourself as a service, and deploy its address "+
			"(fabriscope deploy NAME --address HOST:PORT, or a package of type ccaas)", launch.ErrUnavailable, spec.PackageID, spec.Type)
	}
}

// run starts the process.
func (r *Runtime) run(path string, args []string, spec *launch.Spec) (*instance, error) {
	in := &instance{
		name: spec.PackageID,
		out:  launch.NewOutput(spec),
		done: make(chan struct{}),
	}
	started := make(chan error, 1)
	go in.live(path, args, environment(spec), started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.PackageID, err)
	}
	r.log.Debug("chaincode process started", "package", spec.PackageID, "pid", in.pid)
	return in, nil
}

// environment is small on purpose: no variable of the program reaches a chaincode.
// One processor, if the limits do not say more, costs half as much as two for the same
// messages, because no thread has to wake another.
func environment(spec *launch.Spec) []string {
	processors := max(1, min(int(spec.Limits.CPUs), runtime.NumCPU()))
	env := []string{
		"HOME=/nonexistent",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=UTC",
		"GOMAXPROCS=" + fmt.Sprint(processors),
		"GOGC=50",
		"GOMEMLIMIT=" + fmt.Sprint(spec.Limits.WithDefaults().MemoryBytes),
		"GOTRACEBACK=single",
	}
	return append(env, spec.Environ()...)
}

// instance is one child process.
type instance struct {
	name string
	pid  int
	out  *launch.Output
	done chan struct{}

	mu      sync.Mutex
	stopped bool
	err     error
}

// live starts the process and waits for its end, both on one operating-system
// thread: the kernel's "die with your parent" means the thread that forked. The
// thread would be taken by the wait anyway.
func (in *instance) live(path string, args, env []string, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(in.done)
	var cmd *exec.Cmd
	for try := 0; ; try++ {
		cmd = exec.Command(path, args...)
		cmd.Env, cmd.Dir = env, "/"
		cmd.Stdout, cmd.Stderr = in.out, in.out
		cmd.SysProcAttr = attributes()
		cmd.WaitDelay = 2 * time.Second // a grandchild may hold the output open
		err := cmd.Start()
		if err == nil {
			break
		}
		// Another thread may have forked while the file was being written, and
		// then holds it open until its own exec.
		if errors.Is(err, syscall.ETXTBSY) && try < 50 {
			time.Sleep(2 * time.Millisecond)
			continue
		}
		started <- err
		return
	}
	in.pid = cmd.Process.Pid
	started <- nil
	err := cmd.Wait()
	killGroup(in.pid) // whatever it started itself
	in.out.Close()
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case in.stopped:
	case err == nil:
		in.err = errors.New("it ended by itself (exit status 0)")
	default:
		in.err = err
	}
}

// Stop kills the process with all that it started. Chaincode has no state of its
// own, so there is nothing that it would have to save.
func (in *instance) Stop(ctx context.Context) error {
	in.mu.Lock()
	in.stopped = true
	select {
	case <-in.done: // then the number may be somebody else's by now
	default:
		killGroup(in.pid)
	}
	in.mu.Unlock()
	select {
	case <-in.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of chaincode process %d: %w", in.pid, context.Cause(ctx))
	}
}

// Done is closed when the process has ended.
func (in *instance) Done() <-chan struct{} { return in.done }

// Err says why it ended, nil while it runs and after Stop.
func (in *instance) Err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// ID is "pid 1234".
func (in *instance) ID() string { return fmt.Sprintf("pid %d", in.pid) }

// Output is the end of what it wrote.
func (in *instance) Output() string { return in.out.String() }
