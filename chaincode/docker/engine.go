package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// Time limits of single calls. Each is far above what a healthy engine needs, even one
// that starts fifty containers at once.
const (
	askLimit   = 3 * time.Second  // is there an engine?
	callLimit  = 30 * time.Second // create, start, inspect, remove, list
	patience   = 5 * time.Second  // what changes something, after it was given up
	closeLimit = 10 * time.Second // Close, as far as the engine is concerned
	copyLimit  = 3 * time.Minute  // files in and out of containers, imported images
	pullLimit  = 5 * time.Minute  // the builder image, if nothing else can serve
	pullBrief  = 20 * time.Second // the builder image, if the computer's own Go can serve
	oldestAPI  = "1.41"           // Docker 20.10, the oldest that was tried
	dockerSock = "/var/run/docker.sock"
)

// engine is a client of one Docker engine, with a time limit on every call and errors
// that tell what to do.
type engine struct {
	*client.Client
	host string
}

// connect prepares a client; nothing is sent yet. host is "unix:///path", or "" for
// DOCKER_HOST or the usual socket.
func connect(host string) (*engine, error) {
	options := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if host == "" && os.Getenv(client.EnvOverrideHost) == "" {
		host = usualHost(os.Getenv("XDG_RUNTIME_DIR"))
	}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	c, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("%w: the address of the Docker engine is not usable (look at DOCKER_HOST): %w", launch.ErrUnavailable, err)
	}
	return &engine{Client: c, host: c.DaemonHost()}, nil
}

// usualHost is the system's socket or, if there is none, that of a rootless engine.
func usualHost(runtimeDir string) string {
	if _, err := os.Stat(dockerSock); err != nil && runtimeDir != "" {
		own := filepath.Join(runtimeDir, "docker.sock")
		if _, err := os.Stat(own); err == nil {
			return "unix://" + own
		}
	}
	return "unix://" + dockerSock
}

// call bounds one call and explains its error. doing completes "it was to ...".
func (e *engine) call(ctx context.Context, limit time.Duration, doing string, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSilent{limit})
	defer cancel()
	err := f(ctx)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return explain(err, e.host, doing)
}

// settled is call for what changes something at the engine. It goes on for a while when
// ctx ends: a container of which one does not know whether it exists cannot be removed.
func (e *engine) settled(ctx context.Context, limit time.Duration, doing string, f func(context.Context) error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	detached, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(patience, func() { cancel(errSilent{patience}) })
	})
	defer stop()
	err := e.call(detached, limit, doing, f)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	return err
}

// errSilent: the engine did not answer in time.
type errSilent struct{ limit time.Duration }

func (e errSilent) Error() string { return fmt.Sprintf("no answer within %s", e.limit) }

// explain puts an error of the client into one sentence with a remedy.
func explain(err error, host, doing string) error {
	var silent errSilent
	switch {
	case err == nil:
		return nil
	case errors.As(err, &silent):
		return fmt.Errorf("%w: the Docker engine at %s gave no answer within %s when it was to %s; restart it (sudo systemctl restart docker)",
			launch.ErrUnavailable, host, silent.limit, doing)
	case errors.Is(err, fs.ErrPermission), strings.Contains(err.Error(), "permission denied while trying to connect"):
		return fmt.Errorf("%w: you have no permission to use the Docker engine at %s; run \"sudo usermod -aG docker $USER\" and log in again",
			launch.ErrUnavailable, host)
	case client.IsErrConnectionFailed(err):
		return fmt.Errorf("%w: no Docker engine answers at %s; %s", launch.ErrUnavailable, host, absent(exec.LookPath))
	case strings.Contains(err.Error(), "bind source path does not exist"):
		return fmt.Errorf("%w: the Docker engine at %s does not see this computer's files, so containers cannot reach the peer's socket; "+
			"run the program where the engine runs, or use the process runtime", launch.ErrUnavailable, host)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// absent tells what to do when nothing answers.
func absent(find func(string) (string, error)) string {
	for _, name := range []string{"dockerd", "docker", "dockerd-rootless.sh"} {
		if _, err := find(name); err == nil {
			return "start it (sudo systemctl start docker)"
		}
	}
	return "install Docker (sudo apt-get install docker.io) or use the process runtime"
}

// available asks the engine who it is, and checks that chaincode can run there: it must
// be on this computer, because containers reach the peer through a unix socket.
func (e *engine) available(ctx context.Context) (version string, err error) {
	refuse := func(why string, args ...any) (string, error) {
		return "", fmt.Errorf("%w: %s", launch.ErrUnavailable, fmt.Sprintf(why, args...))
	}
	if runtime.GOOS != "linux" {
		return refuse("containers reach the peer through a unix socket, which Docker hands on under Linux only; use the process runtime")
	}
	if !strings.HasPrefix(e.host, "unix://") {
		return refuse("the Docker engine at %s is not reached through a unix socket of this computer; unset DOCKER_HOST or use the process runtime", e.host)
	}
	var v struct{ name, api, os, arch, kernel string }
	err = e.call(ctx, askLimit, "tell its version", func(ctx context.Context) error {
		got, err := e.ServerVersion(ctx)
		v.name, v.api, v.os, v.arch, v.kernel = got.Version, got.APIVersion, got.Os, got.Arch, got.KernelVersion
		return err
	})
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile("/proc/sys/kernel/osrelease")
	switch {
	case versions.LessThan(v.api, oldestAPI):
		return refuse("Docker %s is too old; 20.10 or newer is needed", v.name)
	case v.os != "linux" || v.arch != runtime.GOARCH:
		return refuse("the Docker engine runs %s/%s containers, and this program is for linux/%s", v.os, v.arch, runtime.GOARCH)
	case err == nil && strings.TrimSpace(string(own)) != v.kernel:
		return refuse("the Docker engine runs in a virtual machine, where containers cannot reach the peer's socket; use the process runtime")
	}
	return v.name, nil
}
