package docker_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/launch"
)

// proxy stands between a runtime and the engine, so that the engine can go away for it.
type proxy struct {
	tb   testing.TB
	path string
	to   string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	silent   bool              // takes connections and passes nothing on
	seen     func(data []byte) // called with what goes to the engine, before it goes
}

func MustProxy(tb testing.TB) *proxy {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "fabriscope-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	p := &proxy{tb: tb, path: filepath.Join(dir, "docker.sock"), to: strings.TrimPrefix(MustEngine(tb).DaemonHost(), "unix://")}
	p.open()
	tb.Cleanup(p.cut)
	return p
}

func (p *proxy) host() string { return "unix://" + p.path }

func (p *proxy) open() {
	p.tb.Helper()
	l, err := net.Listen("unix", p.path)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
}

func (p *proxy) serve(in net.Conn) {
	p.mu.Lock()
	p.conns = append(p.conns, in)
	silent := p.silent
	p.mu.Unlock()
	if silent {
		return
	}
	out, err := net.Dial("unix", p.to)
	if err != nil {
		in.Close()
		return
	}
	p.mu.Lock()
	p.conns = append(p.conns, out)
	p.mu.Unlock()
	go func() {
		_, _ = io.Copy(in, out)
		in.Close()
	}()
	_, _ = io.Copy(out, &spy{in, p})
	if half, ok := out.(*net.UnixConn); ok {
		_ = half.CloseWrite()
	}
}

// spy shows what is read to proxy.seen.
type spy struct {
	io.Reader
	p *proxy
}

func (s *spy) Read(b []byte) (int, error) {
	n, err := s.Reader.Read(b)
	s.p.mu.Lock()
	seen := s.p.seen
	s.p.mu.Unlock()
	if seen != nil {
		seen(b[:n])
	}
	return n, err
}

// cut ends all connections and takes no more.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener.Close()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// hush lets the engine seem to hang.
func (p *proxy) hush(silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent = silent
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// The engine goes away and comes back: nothing hangs, errors are one sentence, what runs
// goes on, and what was to be stopped meanwhile is stopped.
func TestEngineGoesAway(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	p := MustProxy(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache, Host: p.host()})
	stays, stopped, vanishes := MustStart(t, rt, MustProbe(t, "")), MustStart(t, rt, MustProbe(t, "")), MustStart(t, rt, MustProbe(t, ""))

	p.cut()
	_, err := rt.Start(t.Context(), MustProbe(t, ""))
	MustBeSentence(t, err, "no Docker engine answers at "+p.host())
	err = stopped.Stop(t.Context())
	MustBeSentence(t, err, "no Docker engine answers at "+p.host())
	if err := c.ContainerRemove(t.Context(), vanishes.ID(), container.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}

	p.open()
	// Either the engine remembers what happened, or we find it gone.
	if err := MustEnd(t, vanishes); err == nil || !strings.Contains(err.Error(), "removed while the Docker engine did not answer") &&
		!strings.Contains(err.Error(), "somebody killed it") {
		t.Errorf("got %v", err)
	}
	if err := MustEnd(t, stopped); err != nil {
		t.Errorf("a stopped chaincode has the error %v", err)
	}
	select {
	case <-stays.Done():
		t.Errorf("a chaincode ended with the engine's connection: %v", stays.Err())
	default:
	}
	// News arrive again.
	if err := c.ContainerKill(t.Context(), stays.ID(), "KILL"); err != nil {
		t.Fatal(err)
	}
	if err := MustEnd(t, stays); err == nil || !strings.Contains(err.Error(), "137") {
		t.Errorf("got %v", err)
	}
}

// An engine that takes calls and never answers holds nobody up for long.
func TestEngineHangs(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	p := MustProxy(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache, Host: p.host()})
	in := MustStart(t, rt, MustProbe(t, ""))
	p.hush(true)
	_, err := rt.Available(t.Context())
	MustBeSentence(t, err, "gave no answer within 3s when it was to tell its version")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := rt.Start(ctx, MustProbe(t, "")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := rt.Close(); err == nil {
		t.Error("Close has removed a container of an engine that hangs")
	}
	if err := c.ContainerRemove(context.Background(), in.ID(), container.RemoveOptions{Force: true}); err != nil {
		t.Error(err)
	}
	p.hush(false)
	MustRemoveImages(t)
}

// A start is given up at the moment when the engine makes the container.
func TestStartIsGivenUp(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	p := MustProxy(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache, Host: p.host()})
	MustSay(t, MustStart(t, rt, MustProbe(t, "")), "}\n") // the image is there
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough of it")
	p.mu.Lock()
	p.seen = func(data []byte) {
		if bytes.Contains(data, []byte("/containers/create")) {
			cancel(enough) // and now the engine gets it
		}
	}
	p.mu.Unlock()
	if _, err := rt.Start(ctx, MustProbe(t, "")); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
	if n := len(listed(t, c, os.Getpid(), "chaincode", "created")); n != 0 {
		t.Errorf("%d containers are left in state created", n)
	}
}

// Another program removes the image between our look at it and its use.
func TestImageIsMadeAgain(t *testing.T) {
	MustLeaveNothing(t)
	p := MustProxy(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache, Host: p.host()})
	spec := MustProbe(t, "")
	var said steps
	spec.Progress = said.tell
	var once sync.Once
	p.mu.Lock()
	p.seen = func(data []byte) {
		if bytes.Contains(data, []byte("/containers/create?name=fabriscope-probe")) {
			once.Do(func() { MustRemoveImages(t) })
		}
	}
	p.mu.Unlock()
	MustSay(t, MustStart(t, rt, spec), "}\n")
	if n := said.count("image fabriscope-chaincode"); n != 2 {
		t.Errorf("the image was made %d times, not 2:\n%s", n, &said)
	}
}

func TestUnavailable(t *testing.T) {
	silent := filepath.Join(t.TempDir(), "no.sock")
	for host, words := range map[string]string{
		"unix://" + silent:      "no Docker engine answers at unix://" + silent,
		"tcp://192.0.2.1:2375":  "is not reached through a unix socket of this computer",
		"unix:///etc/passwd":    "no Docker engine answers",
		"nonsense, not an addr": "look at DOCKER_HOST",
	} {
		rt, err := docker.New(docker.Config{Host: host, CacheDir: t.TempDir()})
		if err == nil {
			_, err = rt.Available(t.Context())
			if closeErr := rt.Close(); closeErr != nil {
				t.Error(closeErr)
			}
		}
		MustBeSentence(t, err, words)
	}
}

// MustBeSentence checks that an error says that the runtime is not available, in one
// sentence with these words.
func MustBeSentence(tb testing.TB, err error, words string) {
	tb.Helper()
	if !errors.Is(err, launch.ErrUnavailable) || !strings.Contains(err.Error(), words) || strings.ContainsAny(err.Error(), "\n") || len(err.Error()) > 300 {
		tb.Errorf("got %v, want a sentence with %q", err, words)
	}
}

// MustRemoveImages removes this program's images.
func MustRemoveImages(tb testing.TB) {
	c := MustEngine(tb)
	all, err := c.ImageList(context.Background(), image.ListOptions{Filters: ofOwner(os.Getpid(), "image")})
	if err != nil {
		tb.Error(err)
	}
	for _, i := range all {
		if _, err := c.ImageRemove(context.Background(), i.ID, image.RemoveOptions{Force: true}); err != nil {
			tb.Error(err)
		}
	}
}
