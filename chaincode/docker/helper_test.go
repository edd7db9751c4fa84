package docker_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// sharedCache is for tests that do not care who compiled the probe.
var sharedCache string

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == victimCommand {
		if err := victim(os.Args[2]); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if sharedCache, err = os.MkdirTemp("", "fabriscope-test-cache-"); err != nil {
		fmt.Println(err)
		return 1
	}
	defer os.RemoveAll(sharedCache)
	return m.Run()
}

// MustHappen waits until something is so.
func MustHappen(tb testing.TB, so func() bool) {
	tb.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline.C:
			tb.Fatal("it did not happen")
		}
	}
}

// MustRuntime makes a runtime. It skips the test if there is no engine.
func MustRuntime(tb testing.TB, cfg docker.Config) *docker.Runtime {
	tb.Helper()
	MustEngine(tb)
	rt, err := docker.New(prepared(tb, cfg))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := rt.Close(); err != nil {
			tb.Error(err)
		}
	})
	return rt
}

// MustLeaveNothing checks, when all that the test makes after it is closed, that nothing
// of this program is left at the engine.
func MustLeaveNothing(tb testing.TB) {
	tb.Helper()
	c := MustEngine(tb)
	tb.Cleanup(func() {
		if left := owned(tb, c, os.Getpid()); left != (things{}) {
			tb.Errorf("left behind: %s", left)
		}
	})
}

// prepared fills in what tests share.
func prepared(tb testing.TB, cfg docker.Config) docker.Config {
	tb.Helper()
	if cfg.Samples == "" && !bundle.Available() {
		cfg.Samples = MustSamples(tb)
	}
	if cfg.CacheDir == "" {
		cfg.CacheDir = tb.TempDir()
	}
	return cfg
}

// MustEngine gives a client of the engine, or skips the test.
func MustEngine(tb testing.TB) *client.Client {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	if _, err := docker.Available(ctx); err != nil {
		tb.Skipf("SKIPPED, NOTHING TESTED: %v", err)
	}
	c, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

var compileSamples sync.Mutex

// MustSamples compiles the samples' binary, for checkouts in which "make" did not run.
func MustSamples(tb testing.TB) string {
	tb.Helper()
	compileSamples.Lock()
	defer compileSamples.Unlock()
	out := filepath.Join(os.TempDir(), fmt.Sprintf("fabriscope-test-samples-%d", os.Getuid()))
	cmd := exec.Command("go", "build", "-tags", "grpcnotrace,netgo,osusergo", "-trimpath", "-buildvcs=false", "-ldflags=-s -w",
		"-o", out, "../samples/cmd/samples") // as the Makefile does, so that nothing is compiled twice
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if words, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("compile the samples: %v\n%s", err, words)
	}
	return out
}

// things counts what an owner has at the engine.
type things struct{ containers, volumes, images int }

func (t things) String() string {
	return fmt.Sprintf("%d containers, %d volumes, %d images", t.containers, t.volumes, t.images)
}

// owned counts the things of a process, the builder images not included.
func owned(tb testing.TB, c *client.Client, pid int) things {
	tb.Helper()
	ctx := context.Background()
	containers, err1 := c.ContainerList(ctx, container.ListOptions{All: true, Filters: ofOwner(pid, "")})
	volumes, err2 := c.VolumeList(ctx, volume.ListOptions{Filters: ofOwner(pid, "")})
	images, err3 := c.ImageList(ctx, image.ListOptions{Filters: ofOwner(pid, "image")})
	if err := errors.Join(err1, err2, err3); err != nil {
		tb.Fatal(err)
	}
	return things{len(containers), len(volumes.Volumes), len(images)}
}

// ofOwner selects what a process has of a kind, or of any.
func ofOwner(pid int, kind string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", "fabriscope.owner.pid="+strconv.Itoa(pid)))
	if kind != "" {
		f.Add("label", "fabriscope.kind="+kind)
	}
	return f
}

// MustSpec describes a chaincode whose peer is a listener that only accepts.
func MustSpec(tb testing.TB, label string) launch.Spec {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "fabriscope-test-")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	inner := filepath.Join(dir, "s")
	l := func() net.Listener {
		if err := errors.Join(os.Mkdir(inner, 0o711), os.Chmod(inner, 0o711)); err != nil {
			tb.Fatal(err)
		}
		l, err := net.Listen("unix", filepath.Join(inner, "cc.sock"))
		if err != nil {
			tb.Fatal(err)
		}
		return l
	}()
	tb.Cleanup(func() { l.Close() })
	if err := os.Chmod(filepath.Join(inner, "cc.sock"), 0o666); err != nil {
		tb.Fatal(err)
	}
	return launch.Spec{
		PackageID: label + ":00", Label: label, Type: "golang", MSPID: "Org1MSP", Peer: "peer0",
		Socket: filepath.Join(inner, "cc.sock"), SocketDir: inner,
	}
}

// MustProbe describes the probe, in the mode that its environment names.
func MustProbe(tb testing.TB, mode string) launch.Spec {
	tb.Helper()
	s := MustSpec(tb, "probe")
	s.Path, s.Code, s.Env = "example.com/probe", MustCode(tb, "testdata/probe"), []string{"PROBE=" + mode}
	return s
}

// MustCode packs the files of a directory as a package's source.
func MustCode(tb testing.TB, dir string) []byte {
	tb.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		files["src/"+e.Name()] = string(data)
	}
	return pack(files)
}

// pack makes a code.tar.gz, the same one of the same files.
func pack(files map[string]string) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name]
		// A buffer takes everything.
		_ = tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
		_, _ = tw.Write([]byte(text))
	}
	_ = errors.Join(tw.Close(), zw.Close())
	return buf.Bytes()
}

// MustStart starts a chaincode and stops it at the end of the test.
func MustStart(tb testing.TB, rt *docker.Runtime, spec launch.Spec) launch.Instance {
	tb.Helper()
	in, err := rt.Start(tb.Context(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := in.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	return in
}

// MustEnd waits for a chaincode's own end and gives its cause.
func MustEnd(tb testing.TB, in launch.Instance) error {
	tb.Helper()
	select {
	case <-in.Done():
	case <-time.After(time.Minute):
		tb.Fatal("the container did not end")
	}
	return in.Err()
}

// MustSay waits until a chaincode's output has the words in it.
func MustSay(tb testing.TB, in launch.Instance, words string) string {
	tb.Helper()
	MustHappen(tb, func() bool {
		select {
		case <-in.Done():
			if !strings.Contains(in.Output(), words) {
				tb.Fatalf("it ended (%v) and said %q", in.Err(), in.Output())
			}
		default:
		}
		return strings.Contains(in.Output(), words)
	})
	return in.Output()
}

// MustPeer makes a chaincode host of a peer with that name on the runtime.
func MustPeer(tb testing.TB, rt *docker.Runtime, name string, cfg chaincode.Config) *cctest.Bench {
	tb.Helper()
	if cfg.Trace == nil {
		cfg.Trace = trace.NewRecorder(trace.Options{})
	}
	cfg.Link = link.New(link.Config{Trace: cfg.Trace}).Endpoint(name, tls.Certificate{}, nil)
	cfg.Peer, cfg.MSPID, cfg.Dir, cfg.Use = name, "Org1MSP", tb.TempDir(), rt
	h, err := chaincode.NewHost(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
	})
	return &cctest.Bench{TB: tb, Host: h, Ledger: cctest.NewLedger()}
}
