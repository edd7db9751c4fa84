package docker_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// warmCode is what the chaincode host gives the runtime.
func warmCode() ([]byte, error) {
	raw, err := chaincode.PackageSample("asset", "warm")
	if err != nil {
		return nil, err
	}
	p, err := chaincode.ParsePackage(raw)
	if err != nil {
		return nil, err
	}
	return p.Code, nil
}

// steps collects what a launch tells.
type steps struct {
	mu  sync.Mutex
	all []string
}

func (s *steps) tell(step, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, step+" "+detail)
}

// count counts the steps that begin so.
func (s *steps) count(prefix string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range s.all {
		if strings.HasPrefix(step, prefix) {
			n++
		}
	}
	return n
}

func (s *steps) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.all, "\n")
}

func TestWarm(t *testing.T) {
	MustLeaveNothing(t)
	rt := MustRuntime(t, docker.Config{WarmCode: warmCode})
	var said steps
	for i := range 2 {
		begin := time.Now()
		if err := rt.Warm(t.Context(), func(what string) { said.tell("warm", what) }); err != nil {
			t.Fatal(err)
		}
		t.Logf("call %d took %s\n%s", i+1, time.Since(begin), &said)
	}
}

// An ordinary contract is compiled from its source, once for two peers.
func TestContractFromSource(t *testing.T) {
	MustLeaveNothing(t)
	raw, err := chaincode.PackageSource(t.Context(), "../testdata/contract", "contract")
	if err != nil {
		t.Skipf("SKIPPED, NOTHING TESTED: %v", err)
	}
	cache := t.TempDir()
	for _, peer := range []string{"peer0", "peer1"} {
		rt := MustRuntime(t, docker.Config{Peer: peer, CacheDir: cache, WarmCode: warmCode})
		rec := trace.NewRecorder(trace.Options{})
		b := MustPeer(t, rt, peer, chaincode.Config{Trace: rec})
		p, err := b.Host.Install(context.Background(), raw)
		if err != nil {
			t.Fatal(err)
		}
		b.ID = p.ID
		begin := time.Now()
		b.MustCall("Put", "b1", "Go", "300")
		t.Logf("%s: first answer after %s", peer, time.Since(begin))
		if got := b.MustCall("Get", "b1"); got != `{"title":"Go","pages":300}` {
			t.Errorf("got %s", got)
		}
		if peer != "peer1" {
			continue
		}
		if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("Crash")); !errors.Is(err, chaincode.ErrStreamTerminated) {
			t.Errorf("the crash gave %v", err)
		}
		MustHappen(t, func() bool { return exitNote(rec) != "" })
		if note := exitNote(rec); note != "exit status 3; its last words: about to crash" {
			t.Errorf("its end is explained as %q", note)
		}
	}
}

// A sample is compiled like anybody's chaincode if the topology says so.
func TestSampleFromSource(t *testing.T) {
	MustLeaveNothing(t)
	rt := MustRuntime(t, docker.Config{WarmCode: warmCode})
	rec := trace.NewRecorder(trace.Options{})
	b := MustPeer(t, rt, "peer0", chaincode.Config{BuildSamples: true, Trace: rec})
	b.ID = cctest.MustInstall(t, b.Host, "counter", "counter")
	b.MustCall("Add", "k", "5")
	events, _, _ := rec.Since(0, 10_000)
	if !slices.ContainsFunc(events, func(e trace.Event) bool { return e.Kind == trace.BuildEnd && e.Note != "failed" }) {
		t.Error("the trace tells of no build")
	}
}

// exitNote is what the trace says about a chaincode's end, "" before it.
func exitNote(rec *trace.Recorder) string {
	events, _, _ := rec.Since(0, 10_000)
	for _, e := range events {
		if e.Kind == trace.ChaincodeExit {
			return e.Note
		}
	}
	return ""
}

// Peers at once compile a package once, or once each if the topology says so.
func TestBuildsAreShared(t *testing.T) {
	const peers = 3
	for each, want := range map[bool]int{false: 1, true: peers} {
		t.Run(fmt.Sprintf("for each peer %v", each), func(t *testing.T) {
			MustLeaveNothing(t)
			cache := t.TempDir()
			var all, built steps
			var wg sync.WaitGroup
			for i := range peers {
				rt := MustRuntime(t, docker.Config{CacheDir: cache, RunID: t.Name(), BuildPerPeer: each})
				spec := MustProbe(t, "")
				spec.Peer = fmt.Sprint("peer", i)
				spec.Progress = func(step, detail string) {
					all.tell(step, detail)
					if step == launch.StepBuilt && detail != "cached" {
						built.tell(step, detail)
					}
				}
				wg.Go(func() {
					in, err := rt.Start(t.Context(), spec)
					if err != nil {
						t.Error(err)
						return
					}
					MustSay(t, in, "}\n")
				})
			}
			wg.Wait()
			if n := built.count(""); n != want {
				t.Errorf("%d peers compiled; it should be %d:\n%s", n, want, &all)
			}
			if n := all.count("create builder"); n != want {
				t.Errorf("%d builder containers; it should be %d:\n%s", n, want, &all)
			}
		})
	}
}

func TestBuildFails(t *testing.T) {
	MustLeaveNothing(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache})
	mod := "module example.com/bad\n\ngo 1.24\n"
	for name, tc := range map[string]struct {
		files map[string]string
		path  string
		want  error
		words string
	}{
		"does not compile": {map[string]string{"src/go.mod": mod, "src/main.go": "package main\n\nfunc main() { nothing() }\n"},
			"example.com/bad", launch.ErrBuild, "undefined: nothing"},
		"not vendored": {map[string]string{"src/go.mod": mod + "\nrequire example.com/other v1.0.0\n", "src/main.go": "package main\n\nimport _ \"example.com/other\"\n\nfunc main() {}\n"},
			"example.com/bad", launch.ErrBuild, "go mod vendor"},
		"no program": {map[string]string{"src/go.mod": mod, "src/bad.go": "package bad\n"},
			"example.com/bad", launch.ErrBuild, "is no executable"},
		"no module":    {map[string]string{"src/main.go": "package main\n"}, "example.com/bad", launch.ErrCode, "no go.mod"},
		"strange path": {map[string]string{"src/go.mod": mod}, "-o=/cache/x", launch.ErrCode, "not a Go import path"},
	} {
		t.Run(name, func(t *testing.T) {
			spec := MustSpec(t, "bad")
			spec.Code, spec.Path = pack(tc.files), tc.path
			_, err := rt.Start(t.Context(), spec)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, want %v with %q in it", err, tc.want, tc.words)
			}
		})
	}
}

func TestOtherLanguagesAreRefused(t *testing.T) {
	rt := MustRuntime(t, docker.Config{})
	spec := MustSpec(t, "cc")
	spec.Type = "node"
	if _, err := rt.Start(t.Context(), spec); !errors.Is(err, launch.ErrUnavailable) || !strings.Contains(err.Error(), "ccaas") {
		t.Errorf("got %v", err)
	}
	spec.Type, spec.Sample = "golang", "nonsense"
	if _, err := rt.Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), `no sample "nonsense"`) {
		t.Errorf("got %v", err)
	}
}

// heavySource is a program that the compiler needs some ten seconds for.
func heavySource() []byte {
	var text strings.Builder
	text.WriteString("package main\n\nfunc main() {\n")
	for i := range 1500 {
		fmt.Fprintf(&text, "\tf%d(map[string]int{})\n", i)
	}
	text.WriteString("}\n")
	for i := range 1500 {
		fmt.Fprintf(&text, "func f%d(m map[string]int) {\n", i)
		for j := range 60 {
			fmt.Fprintf(&text, "\tm[\"%d\"] += len(m) * %d\n", i*j, j)
		}
		text.WriteString("}\n")
	}
	return pack(map[string]string{"src/go.mod": "module example.com/heavy\n\ngo 1.24\n", "src/main.go": text.String()})
}

// Who gives a build up gets an answer at once, and the builder container is gone.
func TestBuildIsGivenUp(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	rt := MustRuntime(t, docker.Config{})
	spec := MustSpec(t, "heavy")
	spec.Code, spec.Path = heavySource(), "example.com/heavy"
	for name, when := range map[string]func(*steps) bool{
		"while its container is made": func(s *steps) bool { return s.count("create builder") > 0 },
		"while it compiles":           func(*steps) bool { return len(listed(t, c, os.Getpid(), "build", "running")) > 0 },
	} {
		t.Run(name, func(t *testing.T) {
			var said steps
			spec.Progress = said.tell
			ctx, cancel := context.WithCancelCause(t.Context())
			ended := make(chan error, 1)
			go func() {
				_, err := rt.Start(ctx, spec)
				ended <- err
			}()
			MustHappen(t, func() bool { return when(&said) })
			enough := errors.New("enough of it")
			cancel(enough)
			if err := <-ended; !errors.Is(err, enough) {
				t.Errorf("got %v", err)
			}
			if left := listed(t, c, os.Getpid(), "build", ""); len(left) > 0 {
				t.Errorf("%d builder containers are left", len(left))
			}
		})
	}
}

func TestBuildTakesTooLong(t *testing.T) {
	MustLeaveNothing(t)
	rt := MustRuntime(t, docker.Config{})
	spec := MustSpec(t, "heavy")
	spec.Code, spec.Path, spec.Limits.BuildTimeout = heavySource(), "example.com/heavy", time.Second
	if _, err := rt.Start(t.Context(), spec); !errors.Is(err, launch.ErrBuild) || !strings.Contains(err.Error(), "longer than 1s") {
		t.Errorf("got %v", err)
	}
}
