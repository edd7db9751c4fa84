package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/process"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/chaincode/samples/bundle"
)

// parentCommand makes the test binary a program that starts a chaincode and then waits
// to be killed.
const parentCommand = "start-chaincode-and-wait"

func TestMain(m *testing.M) {
	samples.Hook()
	if len(os.Args) == 4 && os.Args[1] == parentCommand {
		in, err := process.New(process.Config{}).Start(context.Background(), spec("asset", os.Args[3]))
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(in.ID())
		select {}
	}
	os.Exit(m.Run())
}

func spec(sample, socket string) launch.Spec {
	return launch.Spec{PackageID: sample + ":00", Label: sample, Type: "golang", Sample: sample, Socket: socket, MSPID: "Org1MSP"}
}

// both runs a test with the embedded binary, if it is there, and without.
func both(t *testing.T, test func(t *testing.T, cfg process.Config)) {
	t.Run("program itself", func(t *testing.T) { test(t, process.Config{NoBundle: true, CacheDir: t.TempDir()}) })
	t.Run("embedded binary", func(t *testing.T) {
		if !bundle.Available() {
			t.Skip("built without the samples' binary (make build)")
		}
		test(t, process.Config{CacheDir: t.TempDir()})
	})
}

func TestEverySampleRuns(t *testing.T) {
	calls := map[string][]string{"asset": {"GetAllAssets"}, "counter": {"Increment", "c"}, "auction": {"Open", "a", "vase"}, "dice": {"Roll", "d"}, "limited": {"Increment", "c"}, "slow": {"Write", "3", "1"}, "stock": {"Add", "a", "box", "p0", "1"}}
	both(t, func(t *testing.T, cfg process.Config) {
		h := cctest.MustHost(t, chaincode.Config{Use: process.New(cfg)})
		for _, name := range samples.Names() {
			b := &cctest.Bench{TB: t, Host: h, ID: cctest.MustInstall(t, h, name, name), Ledger: cctest.NewLedger()}
			b.MustCall(calls[name][0], calls[name][1:]...)
		}
		for _, s := range h.Running() {
			if !strings.HasPrefix(s.Instance, "pid ") || s.Runtime != "own" {
				t.Errorf("Running has %+v", s)
			}
		}
	})
}

// MustStart starts a sample that finds no peer, so that only the process itself is
// looked at.
func MustStart(t *testing.T, cfg process.Config, s launch.Spec) (launch.Instance, int) {
	t.Helper()
	in, err := process.New(cfg).Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	pid, err := strconv.Atoi(strings.TrimPrefix(in.ID(), "pid "))
	if err != nil {
		t.Fatal(err)
	}
	return in, pid
}

// mustSilentSocket listens, but never says a word, so that a chaincode waits there.
func mustSilentSocket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 8)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestChildHasNothingOfTheCaller(t *testing.T) {
	t.Setenv("SECRET_OF_THE_CALLER", "1")
	both(t, func(t *testing.T, cfg process.Config) {
		_, pid := MustStart(t, cfg, spec("asset", mustSilentSocket(t)))
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			t.Skip(err)
		}
		got := strings.Split(strings.TrimSuffix(string(env), "\x00"), "\x00")
		allowed := map[string]bool{}
		for _, name := range []string{"HOME", "PATH", "TZ", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOTRACEBACK", "CORE_CHAINCODE_ID_NAME", "CORE_PEER_TLS_ENABLED", "CORE_PEER_LOCALMSPID"} {
			allowed[name] = true
		}
		for _, v := range got {
			if name, _, _ := strings.Cut(v, "="); !allowed[name] {
				t.Errorf("the chaincode was given %s", v)
			}
		}
		if len(got) < 5 {
			t.Errorf("its environment is %q", got)
		}
		if pgid, err := syscall.Getpgid(pid); err != nil || pgid != pid {
			t.Errorf("its process group is %d, %v", pgid, err)
		}
	})
}

func TestStop(t *testing.T) {
	both(t, func(t *testing.T, cfg process.Config) {
		in, pid := MustStart(t, cfg, spec("asset", mustSilentSocket(t)))
		if err := in.Err(); err != nil {
			t.Errorf("Err gave %v while it runs", err)
		}
		for range 2 {
			if err := in.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		<-in.Done()
		if err := in.Err(); err != nil {
			t.Errorf("Err gave %v after Stop", err)
		}
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	})
}

func TestExitIsTold(t *testing.T) {
	both(t, func(t *testing.T, cfg process.Config) {
		in, _ := MustStart(t, cfg, spec("asset", "/nonexistent/socket"))
		<-in.Done()
		if in.Err() == nil || !strings.Contains(in.Output(), "chaincode asset:") || !strings.Contains(in.Output(), "/nonexistent/socket") {
			t.Errorf("it ended with %v and said %q", in.Err(), in.Output())
		}
	})
}

// TestChildDiesWithAKilledParent kills a program that has started a chaincode with -9.
func TestChildDiesWithAKilledParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self, parentCommand, "-", mustSilentSocket(t))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
	if err != nil {
		t.Fatalf("the parent said %q", line)
	}
	// A pipe whose writing end the child holds would be best; /proc is what there is.
	child, err := os.Open(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Skip(err)
	}
	defer child.Close()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed, which is an error
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return // gone, or dead and waiting for somebody to notice
		}
		select {
		case <-deadline:
			t.Fatalf("chaincode process %d outlived its parent", pid)
		case <-tick.C:
		}
	}
}

func TestOtherTypesAreRefused(t *testing.T) {
	s := spec("", "/s")
	s.Type = "node"
	if _, err := process.New(process.Config{}).Start(t.Context(), s); !errors.Is(err, launch.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	s = spec("nonsense", "/s")
	if _, err := process.New(process.Config{}).Start(t.Context(), s); err == nil || !strings.Contains(err.Error(), "no sample") {
		t.Errorf("got %v", err)
	}
}

func TestNoGo(t *testing.T) {
	raw, err := chaincode.PackageSample("asset", "asset")
	if err != nil {
		t.Fatal(err)
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	s := launch.Spec{PackageID: p.ID, Type: p.Type, Path: p.Path, Code: p.Code}
	_, err = process.New(process.Config{Go: filepath.Join(t.TempDir(), "go")}).Start(t.Context(), s)
	if !errors.Is(err, launch.ErrUnavailable) || !strings.Contains(err.Error(), "install Go") {
		t.Errorf("got %v", err)
	}
}

// residentKiB reads a process's resident memory, and how much of it is its own.
func residentKiB(tb testing.TB, pid int) (all, own int) {
	tb.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Skip(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var n int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &n); err == nil {
			all = n
		}
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &n); err == nil {
			own = n
		}
	}
	return all, own
}

// BenchmarkLaunch is the time from the decision to launch a sample until it has
// registered, and the memory that it then has.
func BenchmarkLaunch(b *testing.B) {
	if !bundle.Available() {
		b.Skip("built without the samples' binary (make build)")
	}
	h := cctest.MustHost(b, chaincode.Config{Use: process.New(process.Config{})})
	id := cctest.MustInstall(b, h, "asset", "asset")
	var all, own int
	for b.Loop() {
		if err := h.Launch(b.Context(), id); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		var pid int
		if _, err := fmt.Sscanf(h.Running()[0].Instance, "pid %d", &pid); err != nil {
			b.Fatal(err)
		}
		all, own = residentKiB(b, pid)
		if err := h.Stop(id); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(all), "KiB-RSS")
	b.ReportMetric(float64(own), "KiB-own")
}

// BenchmarkInvoke is one invocation with a read and a write of a sample in its own
// process. CPU time of both processes is reported beside the latency.
func BenchmarkInvoke(b *testing.B) {
	for _, parallel := range []int{1, 32} {
		b.Run(fmt.Sprintf("parallel=%d", parallel), func(b *testing.B) {
			h := cctest.MustHost(b, chaincode.Config{Use: process.New(process.Config{})})
			id := cctest.MustInstall(b, h, "asset", "asset")
			if err := h.Launch(b.Context(), id); err != nil {
				b.Fatal(err)
			}
			var pid int
			if _, err := fmt.Sscanf(h.Running()[0].Instance, "pid %d", &pid); err != nil {
				b.Fatal(err)
			}
			ledger := cctest.NewLedger()
			if _, err := h.Execute(b.Context(), id, ledger.Invocation("CreateAsset", "a1", "blue", "5", "Ada", "300")); err != nil {
				b.Fatal(err)
			}
			mine, theirs := cpu(b, os.Getpid()), cpu(b, pid)
			b.SetParallelism(parallel)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					inv := ledger.Invocation("UpdateAsset", "a1", "blue", "5", "Ada", "300")
					if _, err := h.Execute(b.Context(), id, inv); err != nil {
						b.Error(err)
					}
				}
			})
			b.StopTimer()
			if n := ledger.Requests[peerpb.ChaincodeMessage_PUT_STATE]; n < b.N {
				b.Fatalf("%d writes in %d calls", n, b.N)
			}
			b.ReportMetric(float64((cpu(b, os.Getpid())-mine).Microseconds())/float64(b.N), "us-cpu-host/op")
			b.ReportMetric(float64((cpu(b, pid)-theirs).Microseconds())/float64(b.N), "us-cpu-chaincode/op")
			all, own := residentKiB(b, pid)
			b.ReportMetric(float64(all), "KiB-RSS")
			b.ReportMetric(float64(own), "KiB-own")
		})
	}
}

// cpu is the processor time that a process has used.
func cpu(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Skip(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(user+system) * time.Second / 100 // clock ticks
}
