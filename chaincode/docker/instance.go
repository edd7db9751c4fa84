package docker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// afterword is how long the rest of the output, and the news that memory ran out, are
// waited for when a container has ended: they come by other ways than its end.
const afterword = 150 * time.Millisecond

// instance is one container.
type instance struct {
	rt     *Runtime
	id     string
	name   string
	memory int64
	out    *launch.Output

	drained chan struct{} // closed when the output has ended
	ending  sync.Once
	done    chan struct{} // closed when the container has ended
	removal sync.Once
	gone    chan struct{} // closed when it is removed

	mu       sync.Mutex
	stopped  bool
	attached *types.HijackedResponse // the connection that brings the output
	oom      chan struct{}           // closed when the engine said that memory ran out
	err      error
}

// run makes a container and starts it. Nothing is left if that fails.
func (r *Runtime) run(ctx context.Context, spec *launch.Spec, image string, args []string) (*instance, error) {
	labels := r.labels(kindChaincode, spec)
	p := chaincodePlan(spec, image, args, labels)
	id, err := r.engine.create(ctx, p)
	if err != nil {
		return nil, err
	}
	spec.Tell(launch.StepCreate, p.name+" "+shortID(id))
	in := &instance{
		rt: r, id: id, name: p.name, memory: spec.Limits.MemoryBytes, out: launch.NewOutput(spec),
		drained: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}), oom: make(chan struct{}),
	}
	if err := r.startWatched(ctx, in); err != nil {
		return nil, errors.Join(err, r.discard(in))
	}
	spec.Tell(launch.StepStart, shortID(id))
	r.log.Debug("chaincode container started", "package", spec.PackageID, "container", shortID(id))
	return in, nil
}

// startWatched makes everything that happens to the container known to in, and starts it.
func (r *Runtime) startWatched(ctx context.Context, in *instance) error {
	r.watchOnce.Do(func() { r.watches.Go(r.watch) })
	r.mu.Lock()
	r.instances[in.id] = in
	r.mu.Unlock()
	// Before the start, so that the first words are not lost. The connection lives as
	// long as the container: the limit is on the answer only.
	life, end := context.WithCancel(context.Background())
	err := r.engine.call(ctx, callLimit, "attach to container "+in.name, func(limit context.Context) error {
		stop := context.AfterFunc(limit, end)
		defer stop()
		attached, err := r.engine.ContainerAttach(life, in.id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
		if err != nil {
			return err
		}
		in.mu.Lock()
		in.attached = &attached
		in.mu.Unlock()
		r.watches.Go(func() {
			defer end()
			defer close(in.drained)
			defer in.out.Close()
			_, _ = stdcopy.StdCopy(in.out, in.out, attached.Reader) // it ends with the container, or with detach
		})
		return nil
	})
	if err != nil {
		end()
		return err
	}
	return r.engine.settled(ctx, callLimit, "start container "+in.name, func(ctx context.Context) error {
		return r.engine.ContainerStart(ctx, in.id, container.StartOptions{})
	})
}

// discard removes a container that did not start.
func (r *Runtime) discard(in *instance) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	return in.Stop(ctx)
}

func (r *Runtime) labels(kind string, spec *launch.Spec) map[string]string {
	return r.owner.labels(kind, labelRun, r.cfg.RunID, labelPeer, spec.Peer, labelPackage, spec.PackageID, labelRuntime, r.id)
}

// create makes a container and gives its id.
func (e *engine) create(ctx context.Context, p plan) (id string, err error) {
	err = e.settled(ctx, callLimit, "create container "+p.name, func(ctx context.Context) error {
		made, err := e.ContainerCreate(ctx, p.config, p.host, p.network, nil, p.name)
		id = made.ID
		return err
	})
	if err != nil && !errdefs.IsNotFound(err) {
		// It may come into being after all.
		ctx, cancel := context.WithTimeout(context.Background(), askLimit)
		defer cancel()
		_ = e.remove(ctx, p.name) // else the reaper gets it
	}
	return id, err
}

// remove ends a container and removes it with its unnamed volumes. That it is gone, or
// going, is no error.
func (e *engine) remove(ctx context.Context, id string) error {
	return e.call(ctx, callLimit, "remove container "+shortID(id), func(ctx context.Context) error {
		err := e.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
			return nil
		}
		return err
	})
}

// Stop kills the container and returns when it is removed. Chaincode has no state of its
// own, so there is nothing that it would have to save.
func (in *instance) Stop(ctx context.Context) error {
	in.mu.Lock()
	in.stopped = true
	in.mu.Unlock()
	select {
	case <-in.gone:
		return nil
	default:
	}
	if err := in.rt.engine.remove(ctx, in.id); err != nil {
		return fmt.Errorf("%w; it is removed as soon as the engine answers, or by the next start of this program", err)
	}
	if err := in.rt.settle(ctx, in); err != nil {
		return err
	}
	in.detach()
	return nil
}

// end closes done, once.
func (in *instance) end(err error) {
	in.ending.Do(func() {
		in.mu.Lock()
		if !in.stopped {
			in.err = err
		}
		in.mu.Unlock()
		close(in.done)
	})
}

// removed is called when the container is gone.
func (in *instance) removed() {
	in.removal.Do(func() {
		in.rt.mu.Lock()
		delete(in.rt.instances, in.id)
		in.rt.mu.Unlock()
		close(in.gone)
	})
	in.mu.Lock()
	stopped := in.stopped
	in.mu.Unlock()
	if stopped {
		in.end(nil)
	}
}

// detach ends the connection that brings the output.
func (in *instance) detach() {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.attached != nil {
		in.attached.Close()
	}
}

// died is called, in a goroutine of its own, when the container has ended.
func (in *instance) died(code int) {
	timer := time.NewTimer(afterword)
	defer timer.Stop()
	select {
	case <-in.drained:
	case <-timer.C:
	}
	oom := false
	select {
	case <-in.oom:
		oom = true
	default:
		if code == exitKilled {
			select {
			case <-in.oom:
				oom = true
			case <-timer.C:
			}
		}
	}
	in.end(exitCause(code, oom, in.memory))
}

// ranOut is called when the engine says that memory ran out.
func (in *instance) ranOut() {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.oom:
	default:
		close(in.oom)
	}
}

// exitKilled is the exit status of a process that SIGKILL ended.
const exitKilled = 137

// exitCause says why a container that nobody stopped has ended.
func exitCause(code int, oom bool, memory int64) error {
	switch {
	case oom:
		return fmt.Errorf("it used more than its %d MiB of memory and was killed; give chaincode more memory or let it keep less", memory>>20)
	case code == 0:
		return errors.New("it ended by itself (exit status 0)")
	case code == exitKilled:
		return errors.New("somebody killed it (exit status 137)")
	case code > 128 && code < 128+65:
		return fmt.Errorf("signal %d ended it (exit status %d)", code-128, code)
	}
	return fmt.Errorf("exit status %d", code)
}

// Pause freezes the container, or lets it go on. It may be called twice in a row.
func (in *instance) Pause(ctx context.Context, on bool) error {
	doing, f := "unpause", in.rt.engine.ContainerUnpause
	if on {
		doing, f = "pause", in.rt.engine.ContainerPause
	}
	return in.rt.engine.call(ctx, callLimit, doing+" container "+in.name, func(ctx context.Context) error {
		err := f(ctx, in.id)
		if err == nil || errdefs.IsNotFound(err) {
			return err
		}
		// It may be so already.
		now, inspectErr := in.rt.engine.ContainerInspect(ctx, in.id)
		if inspectErr == nil && now.State != nil && now.State.Running && now.State.Paused == on {
			return nil
		}
		return err
	})
}

// Done is closed when the container has ended.
func (in *instance) Done() <-chan struct{} { return in.done }

// Err says why it ended, nil while it runs and after Stop.
func (in *instance) Err() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.err
}

// ID is the container's short id, as docker ps shows it.
func (in *instance) ID() string { return shortID(in.id) }

// Output is the end of what it wrote.
func (in *instance) Output() string { return in.out.String() }

func shortID(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}
