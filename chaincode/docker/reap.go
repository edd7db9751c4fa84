package docker

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
)

// Reaped counts what [Runtime.Reap] removed.
type Reaped struct{ Containers, Volumes, Images int }

// Reap removes what programs that are dead have left at the engine: containers, their
// volumes, and images that no container uses. It touches nothing without our labels and
// nothing of a program that lives, as far as this one can see.
func (r *Runtime) Reap(ctx context.Context) (Reaped, error) {
	var n Reaped
	ctx, end, err := r.enter(ctx)
	if err != nil {
		return n, err
	}
	defer end()
	// Containers first: they hold the others.
	err = errors.Join(r.reapContainers(ctx, &n), r.reapVolumes(ctx, &n), r.reapImages(ctx, &n))
	if err != nil {
		return n, fmt.Errorf("remove what dead programs left: %w", err)
	}
	return n, nil
}

// orphaned tells whether labels name an owner that is dead.
func (r *Runtime) orphaned(labels map[string]string) bool {
	o, ok := ownerOf(labels)
	return ok && o.dead(r.owner, startOf)
}

func (r *Runtime) reapContainers(ctx context.Context, n *Reaped) error {
	var errs []error
	for _, kind := range []string{kindChaincode, kindBuild} {
		var all []container.Summary
		err := r.engine.call(ctx, callLimit, "list containers", func(ctx context.Context) (err error) {
			all, err = r.engine.ContainerList(ctx, container.ListOptions{All: true, Filters: withLabels(map[string]string{labelKind: kind})})
			return err
		})
		errs = append(errs, err)
		for _, c := range all {
			if r.orphaned(c.Labels) {
				errs = append(errs, r.engine.remove(ctx, c.ID))
				n.Containers++
			}
		}
	}
	return errors.Join(errs...)
}

func (r *Runtime) reapVolumes(ctx context.Context, n *Reaped) error {
	var all []*volume.Volume
	err := r.engine.call(ctx, callLimit, "list volumes", func(ctx context.Context) error {
		listed, err := r.engine.VolumeList(ctx, volume.ListOptions{Filters: withLabels(map[string]string{labelKind: kindBuild})})
		all = listed.Volumes
		return err
	})
	errs := []error{err}
	for _, v := range all {
		if !r.orphaned(v.Labels) {
			continue
		}
		n.Volumes++
		errs = append(errs, r.engine.call(ctx, callLimit, "remove volume "+v.Name, func(ctx context.Context) error {
			err := r.engine.VolumeRemove(ctx, v.Name, false)
			if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
				return nil // somebody else removes it, or its container, at this moment
			}
			return err
		}))
	}
	return errors.Join(errs...)
}

func (r *Runtime) reapImages(ctx context.Context, n *Reaped) error {
	var all []image.Summary
	err := r.engine.call(ctx, callLimit, "list images", func(ctx context.Context) (err error) {
		all, err = r.engine.ImageList(ctx, image.ListOptions{Filters: withLabels(map[string]string{labelKind: kindImage})})
		return err
	})
	errs := []error{err}
	for _, i := range all {
		if r.orphaned(i.Labels) {
			errs = append(errs, r.engine.removeImage(ctx, i.ID))
			n.Images++
		}
	}
	return errors.Join(errs...)
}
