// Package docker is the runtime that runs each chaincode of each peer in a container of
// its own, on the computer's Docker engine. It is the only importer of Docker's SDK.
//
// It serves the launch of a chaincode, before step 3 of a transaction. A sample's image
// is made of the static binary that the program embeds; any other Go package is compiled
// in a builder container without network, which is then destroyed, and its image is made
// of the result. A chaincode's container has no network either: the directory with the
// peer's unix socket is mounted into it, and that is all it can reach.
//
// Nothing is left behind. Everything carries labels that name its owner, the program
// that made it; what a killed program leaves is removed by the next one (reap.go).
// Kept are only the builder image and the volume with the compiler's cache, which make
// the second build quick. Images are shared by all peers of all programs of a user, and
// go when the last container that uses them is gone.
//
// Read next: container.go (what a container may do), image.go, build.go, instance.go.
package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"github.com/fabriscope/fabriscope/chaincode/internal/filecache"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

var (
	// errClosed: the Runtime was closed.
	errClosed = errors.New("the docker runtime is closed")
	// errLost: a container disappeared while nobody looked.
	errLost = errors.New("its container was removed while the Docker engine did not answer, most likely because that was restarted")
)

// Config says how a Runtime works. The zero value is useful.
type Config struct {
	Peer  string // node name, for labels
	RunID string // of the network's run, for labels

	// Host is the engine's address, "unix:///path"; "" follows DOCKER_HOST or takes
	// the usual socket.
	Host string
	// Builder is an image with a Go toolchain in /usr/local/go; "" takes golang:1.26-alpine
	// or makes one of the computer's own Go (builder.go).
	Builder string
	// Go is this computer's go command, which serves if no builder image can be fetched,
	// and whose cache fills the builder's; "" looks for one in PATH and in /usr/local/go/bin.
	Go string
	// CacheVolume is the volume with the compiler's cache, which is kept; "" is
	// fabriscope-gocache.
	CacheVolume string
	// BuildPerPeer compiles a package once for each peer and run, instead of once for
	// the user.
	BuildPerPeer bool
	// Samples is the path of a static Linux executable to use in place of the embedded one.
	Samples string
	// WarmCode gives the code.tar.gz of a chaincode, not vendored, whose dependencies
	// the compiler's cache is filled with (cache.go); nil fills it with the standard
	// library's packages only.
	WarmCode func() ([]byte, error)
	// CacheDir is where compiled chaincodes are kept; "" is the user's cache directory
	// (~/.cache/fabriscope).
	CacheDir string
	Log      *slog.Logger // nil discards
}

// Runtime starts chaincodes in containers. Its methods may be called at once.
type Runtime struct {
	cfg    Config
	log    *slog.Logger
	id     string // random; in the labels of its containers
	owner  owner
	engine *engine
	cache  *filecache.Cache

	// Close first ends what is being started, then what runs, then what watches that.
	starting    context.Context
	stopStarts  context.CancelCauseFunc
	starts      sync.WaitGroup
	watching    context.Context
	stopWatches context.CancelFunc
	watches     sync.WaitGroup
	watchOnce   sync.Once

	mu        sync.Mutex
	instances map[string]*instance // by container id, until it is removed
	images    map[string]bool      // names, used at least once
	closed    bool
}

// New gives a Runtime. It does not ask the engine anything: see [Runtime.Available].
func New(cfg Config) (*Runtime, error) {
	r := &Runtime{
		cfg: cfg, log: cfg.Log, id: rand.Text(),
		instances: make(map[string]*instance), images: make(map[string]bool),
	}
	r.cfg.CacheVolume = cmp.Or(cfg.CacheVolume, cacheVolume)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if r.owner, err = self(); err != nil {
		return nil, fmt.Errorf("%w: %w", launch.ErrUnavailable, err)
	}
	if r.engine, err = connect(cfg.Host); err != nil {
		return nil, err
	}
	if r.cache, err = filecache.Open(cfg.CacheDir, "docker"); err != nil {
		return nil, err
	}
	r.starting, r.stopStarts = context.WithCancelCause(context.Background())
	r.watching, r.stopWatches = context.WithCancel(context.Background())
	return r, nil
}

// Available gives the engine's version, or one sentence, wrapping launch.ErrUnavailable,
// that says why chaincode cannot run in containers here and what to do.
func (r *Runtime) Available(ctx context.Context) (version string, err error) {
	return r.engine.available(ctx)
}

// Available is [Runtime.Available] for programs that only want to know.
func Available(ctx context.Context) (version string, err error) {
	r, err := New(Config{})
	if err != nil {
		return "", err
	}
	defer r.Close() // it has started nothing
	return r.Available(ctx)
}

// Start makes the chaincode's image if need be and starts a container. It returns as
// soon as that runs; that the chaincode registers is for the caller to wait for. ctx
// bounds the start only. If it fails, nothing is left.
//
// Errors: launch.ErrBuild with the compiler's words, launch.ErrCode for a bad archive,
// launch.ErrUnavailable if the engine does not answer, there is no builder image, or the
// chaincode's type is not golang.
func (r *Runtime) Start(ctx context.Context, spec launch.Spec) (launch.Instance, error) {
	spec.Limits = spec.Limits.WithDefaults()
	ctx, end, err := r.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	in, err := r.start(ctx, &spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.PackageID, err)
	}
	return in, nil
}

// Build makes the chaincode's image if need be. Errors are those of Start.
func (r *Runtime) Build(ctx context.Context, spec launch.Spec) error {
	spec.Limits = spec.Limits.WithDefaults()
	ctx, end, err := r.enter(ctx)
	if err != nil {
		return err
	}
	defer end()
	if _, _, err := r.image(ctx, &spec); err != nil {
		return fmt.Errorf("build %s: %w", spec.PackageID, err)
	}
	return nil
}

func (r *Runtime) start(ctx context.Context, spec *launch.Spec) (*instance, error) {
	for try := 0; ; try++ {
		image, args, err := r.image(ctx, spec)
		if err != nil {
			return nil, err
		}
		in, err := r.run(ctx, spec, image, append(args, spec.Arguments(path.Join(socketDir, filepath.Base(spec.Socket)))...))
		// Another program that has just ended may have removed the image that we
		// were about to use.
		if isImageGone(err) && try < 3 {
			continue
		}
		return in, err
	}
}

// enter begins something that Close ends and waits for: with the context that it gives,
// until end is called.
func (r *Runtime) enter(ctx context.Context) (_ context.Context, end func(), err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, nil, errClosed
	}
	r.starts.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.starting, func() { cancel(errClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		r.starts.Done()
	}, nil
}

// Close stops the chaincodes that still run and removes the images that nobody else
// uses. A second call does nothing.
func (r *Runtime) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	r.stopStarts(errClosed)
	r.starts.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	left := r.all()
	errs := make([]error, len(left))
	var stops sync.WaitGroup
	for i, in := range left {
		stops.Go(func() {
			errs[i] = in.Stop(ctx)
			in.detach()
		})
	}
	stops.Wait()
	r.stopWatches()
	r.watches.Wait()
	errs = append(errs, r.removeImages(ctx), r.engine.Close())
	return errors.Join(errs...)
}

// all lists the containers that are not removed yet.
func (r *Runtime) all() []*instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.instances))
}
