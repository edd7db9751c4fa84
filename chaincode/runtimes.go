package chaincode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/process"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// The runtimes that Config.Runtime names.
const (
	RuntimeAuto    = "auto"
	RuntimeDocker  = "docker"
	RuntimeProcess = "process"
)

// askTimeout bounds the question whether a Docker engine is there.
const askTimeout = 3 * time.Second

// ForLabel says how the packages with one label are run, where that differs from the
// rest.
type ForLabel struct {
	Runtime string // as Config.Runtime; "": like the rest
	Build   bool   // compile it although it is a sample
}

// choice is a runtime in use and why.
type choice struct {
	runtime Runtime
	name    string
	why     string
	build   bool // samples must be compiled: there is no binary to make an image of
}

// choose follows the name of a runtime and remembers why.
func (h *Host) choose(name string) (choice, error) {
	if h.cfg.Use != nil {
		return choice{runtime: h.cfg.Use, name: "own", why: "the program brought its own"}, nil
	}
	switch name {
	case RuntimeProcess:
		return h.useProcess("the topology says so"), nil
	case RuntimeDocker:
		return h.useDocker()
	case RuntimeAuto, "":
		c, err := h.useDocker()
		if err != nil {
			c = h.useProcess(err.Error())
		}
		return c, nil
	}
	return choice{}, fmt.Errorf("there is no chaincode runtime %q; there are %s, %s and %s", name, RuntimeAuto, RuntimeDocker, RuntimeProcess)
}

func (h *Host) useProcess(why string) choice {
	return choice{runtime: process.New(process.Config{CacheDir: h.cfg.CacheDir, Log: h.cfg.Log}), name: RuntimeProcess, why: why}
}

func (h *Host) useDocker() (choice, error) {
	ctx, cancel := context.WithTimeout(h.ctx, askTimeout)
	defer cancel()
	rt, version, err := newDocker(ctx, h)
	if err != nil {
		return choice{}, err
	}
	return choice{runtime: rt, name: RuntimeDocker, why: "Docker engine " + version + " answers", build: !bundle.Available()}, nil
}

// SetLabel says how packages with a label are run from their next launch on. An
// unknown runtime, or one that is not there, is an error.
func (h *Host) SetLabel(label string, f ForLabel) error {
	if _, err := h.runtimeNamed(f.Runtime); err != nil {
		return fmt.Errorf("packages with label %s: %w", label, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.labels) >= maxLabels {
		return fmt.Errorf("packages with label %s: %d labels have runtimes of their own already", label, maxLabels)
	}
	h.labels[label] = f
	return nil
}

// maxLabels bounds how many labels may have a runtime of their own.
const maxLabels = 1000

// runtimeNamed gives the runtime of a name, made when it is first asked for.
func (h *Host) runtimeNamed(name string) (choice, error) {
	if name == "" || name == h.cfg.Runtime || name == h.first.name {
		return h.first, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.more[name]; ok {
		return c, nil
	}
	c, err := h.choose(name)
	if err == nil {
		h.more[name] = c
	}
	return c, err
}

// runtimeOf gives the runtime for packages with a label, and whether samples are
// compiled for it.
func (h *Host) runtimeOf(label string) (c choice, build bool, err error) {
	h.mu.Lock()
	f := h.labels[label]
	h.mu.Unlock()
	c, err = h.runtimeNamed(f.Runtime)
	return c, h.cfg.BuildSamples || f.Build || c.build, err
}

// newDocker makes the docker runtime if an engine answers. What dead programs have left
// there is removed in the background.
func newDocker(ctx context.Context, h *Host) (Runtime, string, error) {
	rt, err := docker.New(docker.Config{
		Peer: h.cfg.Peer, RunID: h.cfg.RunID, CacheDir: h.cfg.CacheDir, BuildPerPeer: h.cfg.BuildPerPeer,
		WarmCode: warmCode, Log: h.cfg.Log,
	})
	if err != nil {
		return nil, "", err
	}
	version, err := rt.Available(ctx)
	if err != nil {
		return nil, "", errors.Join(err, rt.Close())
	}
	h.tasks.Go(func() {
		if n, err := rt.Reap(h.ctx); err != nil && h.ctx.Err() == nil {
			h.cfg.Log.Warn("clear up at the Docker engine", "error", err)
		} else if n != (docker.Reaped{}) {
			h.cfg.Log.Info("removed what a dead program left at the Docker engine", "containers", n.Containers, "volumes", n.Volumes, "images", n.Images)
		}
	})
	return rt, version, nil
}

// warmCode is the source of a sample, which stands for all chaincodes: they have the
// shim and what it depends on in common.
func warmCode() ([]byte, error) {
	raw, err := PackageSample("asset", "warm")
	if err != nil {
		return nil, err
	}
	p, err := ParsePackage(raw)
	if err != nil {
		return nil, err
	}
	return p.Code, nil
}
