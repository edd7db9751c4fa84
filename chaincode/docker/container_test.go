package docker_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode/docker"
)

// What a chaincode's container may do, as the probe in it and the engine see it.
func TestContainerIsHardened(t *testing.T) {
	MustLeaveNothing(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache, RunID: "run7"})
	spec := MustProbe(t, "")
	spec.Limits.MemoryBytes, spec.Limits.Processes, spec.Limits.CPUs = 64<<20, 50, 0.5
	t.Setenv("FABRISCOPE_SECRET", "must not get in")
	in := MustStart(t, rt, spec)
	var got map[string]string
	if err := json.Unmarshal([]byte(MustSay(t, in, "}\n")), &got); err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{
		"Uid": "65532 65532 65532 65532", "Gid": "65532 65532 65532 65532",
		"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2",
		"args": "-peer.address=unix:///run/fabriscope/cc.sock", "socket": "ok", "interfaces": "lo ok",
		"outside":  "dial tcp 1.1.1.1:443: connect: network is unreachable",
		"write /x": "open /x: read-only file system", "write /run/fabriscope/x": "open /run/fabriscope/x: read-only file system",
		"write /proc/sys/kernel/hostname": "open /proc/sys/kernel/hostname: read-only file system", "write /tmp/x": "ok",
		"root": ".dockerenv chaincode dev etc proc run sys tmp ok",
	} {
		if got[what] != want {
			t.Errorf("%s: got %q, want %q", what, got[what], want)
		}
	}
	for name, wanted := range map[string]bool{
		"CORE_CHAINCODE_ID_NAME=probe:00": true, "CORE_PEER_TLS_ENABLED=false": true, "CORE_PEER_LOCALMSPID=Org1MSP": true,
		"GOMAXPROCS=1": true, "GOMEMLIMIT=60397974": true, "SECRET": false,
	} {
		if strings.Contains(got["env"], name) != wanted {
			t.Errorf("%s in the environment: %v\n%s", name, !wanted, got["env"])
		}
	}
	c, err := MustEngine(t).ContainerInspect(t.Context(), in.ID())
	if err != nil {
		t.Fatal(err)
	}
	h := c.HostConfig
	if h.Memory != 64<<20 || h.MemorySwap != 64<<20 || h.NanoCPUs != 5e8 || h.PidsLimit == nil || *h.PidsLimit != 50 || h.ShmSize != 1<<20 {
		t.Errorf("limits: %+v, shm %d", h.Resources, h.ShmSize)
	}
	if !h.AutoRemove || h.NetworkMode != "none" || h.Privileged || h.LogConfig.Config["max-size"] != "1m" || len(c.Mounts) != 1 || c.Mounts[0].RW {
		t.Errorf("host configuration: %+v, mounts %+v", h, c.Mounts)
	}
	for name, want := range map[string]string{"kind": "chaincode", "run": "run7", "peer": "peer0", "package": "probe:00"} {
		if v := c.Config.Labels["fabriscope."+name]; v != want {
			t.Errorf("label %s: got %q, want %q", name, v, want)
		}
	}
}

func TestEndHasACause(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	rt := MustRuntime(t, docker.Config{CacheDir: sharedCache})
	for mode, want := range map[string]string{
		"exit 0": "it ended by itself (exit status 0)",
		"exit 3": "exit status 3",
		"memory": "it used more than its 32 MiB of memory and was killed; give chaincode more memory or let it keep less",
		"":       "somebody killed it (exit status 137)",
	} {
		spec := MustProbe(t, mode)
		spec.Limits.MemoryBytes = 32 << 20
		in := MustStart(t, rt, spec)
		if mode == "" {
			MustSay(t, in, "}\n")
			if err := c.ContainerKill(t.Context(), in.ID(), "KILL"); err != nil {
				t.Fatal(err)
			}
		}
		if err := MustEnd(t, in); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", mode, err, want)
		}
		if mode == "exit 3" && in.Output() != "these are my last words\n" {
			t.Errorf("it said %q", in.Output())
		}
	}
}

func TestStop(t *testing.T) {
	MustLeaveNothing(t)
	in := MustStart(t, MustRuntime(t, docker.Config{CacheDir: sharedCache}), MustProbe(t, ""))
	MustSay(t, in, "}\n")
	for range 2 {
		begin := time.Now()
		if err := in.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("stopped after %s", time.Since(begin))
	}
	select {
	case <-in.Done():
	default:
		t.Error("Done is open after Stop")
	}
	if err := in.Err(); err != nil {
		t.Errorf("a stopped chaincode has the error %v", err)
	}
	if _, err := MustEngine(t).ContainerInspect(t.Context(), in.ID()); err == nil {
		t.Error("the container is there after Stop")
	}
}

func TestOutputIsBounded(t *testing.T) {
	MustLeaveNothing(t)
	spec := MustProbe(t, "flood")
	spec.Limits.OutputBytes = 5000
	in := MustStart(t, MustRuntime(t, docker.Config{CacheDir: sharedCache}), spec)
	if out := MustSay(t, in, "the end of the flood"); len(out) > 5100 {
		t.Errorf("%d bytes are kept", len(out))
	}
}

func TestPause(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	in := MustStart(t, MustRuntime(t, docker.Config{CacheDir: sharedCache}), MustProbe(t, ""))
	p, ok := in.(interface {
		Pause(ctx context.Context, on bool) error
	})
	if !ok {
		t.Fatal("a container cannot be paused")
	}
	for _, on := range []bool{true, true, false, false, true} {
		if err := p.Pause(t.Context(), on); err != nil {
			t.Fatal(err)
		}
		now, err := c.ContainerInspect(t.Context(), in.ID())
		if err != nil {
			t.Fatal(err)
		}
		if now.State.Paused != on {
			t.Errorf("paused: %v, want %v", now.State.Paused, on)
		}
	}
	// It is stopped while it is paused.
	if err := in.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.Pause(t.Context(), true); err == nil {
		t.Error("a stopped chaincode was paused")
	}
}
