package docker

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

const (
	// settleEvery is how often the engine is asked whether a container is gone, in case
	// that its event got lost.
	settleEvery = 500 * time.Millisecond
	// watchAgain is the longest wait before the engine's events are asked for again.
	watchAgain = 2 * time.Second
)

// watch follows the engine's events about this Runtime's containers until Close. If the
// engine goes away, it waits for it to come back, and then looks at every container.
func (r *Runtime) watch() {
	// An event may come between a container's start and our first connection.
	since := time.Now().Add(-time.Second)
	wait := 50 * time.Millisecond
	for first := true; r.watching.Err() == nil; first = false {
		ctx, cancel := context.WithCancel(r.watching)
		begin := time.Now()
		since = r.follow(ctx, since, !first)
		cancel()
		if time.Since(begin) > watchAgain {
			wait = 50 * time.Millisecond
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-r.watching.Done():
			timer.Stop()
		}
		wait = min(2*wait, watchAgain)
	}
}

// follow handles events until the connection ends, and gives the time of the last one.
func (r *Runtime) follow(ctx context.Context, since time.Time, again bool) time.Time {
	filter := withLabels(map[string]string{labelRuntime: r.id, labelKind: kindChaincode})
	filter.Add("type", string(events.ContainerEventType))
	for _, action := range []events.Action{events.ActionOOM, events.ActionDie, events.ActionDestroy} {
		filter.Add("event", string(action))
	}
	messages, errs := r.engine.Events(ctx, events.ListOptions{
		Since:   fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond()),
		Filters: filter,
	})
	if again {
		r.watches.Go(func() { r.reconcile(ctx) })
	}
	for {
		select {
		case m := <-messages:
			since = time.Unix(0, m.TimeNano)
			r.handle(m)
		case err := <-errs:
			if r.watching.Err() == nil {
				r.log.Debug("lost the events of the Docker engine", "error", err)
			}
			return since
		}
	}
}

func (r *Runtime) handle(m events.Message) {
	r.mu.Lock()
	in := r.instances[m.Actor.ID]
	r.mu.Unlock()
	if in == nil {
		return
	}
	switch m.Action {
	case events.ActionOOM:
		in.ranOut()
	case events.ActionDie:
		code, err := strconv.Atoi(m.Actor.Attributes["exitCode"])
		if err != nil {
			code = -1
		}
		r.watches.Go(func() { in.died(code) })
	case events.ActionDestroy:
		in.removed()
	}
}

// reconcile looks at every container after events may have been lost.
func (r *Runtime) reconcile(ctx context.Context) {
	for _, in := range r.all() {
		if !r.look(ctx, in) {
			return
		}
	}
}

// look asks the engine what became of a container, and gives false if it does not answer.
func (r *Runtime) look(ctx context.Context, in *instance) bool {
	var state *container.State
	err := r.engine.call(ctx, callLimit, "inspect container "+in.name, func(ctx context.Context) error {
		now, err := r.engine.ContainerInspect(ctx, in.id)
		if err == nil && now.ContainerJSONBase != nil {
			state = now.State
		}
		return err
	})
	in.mu.Lock()
	stopped := in.stopped
	in.mu.Unlock()
	switch {
	case errdefs.IsNotFound(err):
		in.removed()
		in.end(errLost)
	case err != nil:
		return false
	case state != nil && (state.Status == container.StateExited || state.Status == container.StateDead):
		if state.OOMKilled {
			in.ranOut()
		}
		in.died(state.ExitCode)
		_ = r.engine.remove(ctx, in.id)
	case stopped: // and the engine was away at that moment
		_ = r.engine.remove(ctx, in.id)
	}
	return true
}

// settle waits until a container whose removal was ordered is gone.
func (r *Runtime) settle(ctx context.Context, in *instance) error {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		select {
		case <-in.gone:
			return nil
		case <-tick.C:
			r.look(ctx, in)
		case <-ctx.Done():
			return fmt.Errorf("wait for the removal of container %s: %w", in.name, context.Cause(ctx))
		}
	}
}
