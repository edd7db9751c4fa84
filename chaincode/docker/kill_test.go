package docker_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/docker"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/link"
)

// victimCommand makes the test binary a program with a running chaincode, a paused one
// and a build under way, that waits to be killed.
const victimCommand = "victim"

const victimReady = "ready to be killed"

// victim returns only if something goes wrong. arg is the cache directory, a bar, and the
// samples' binary.
func victim(arg string) error {
	cache, samples, _ := strings.Cut(arg, "|")
	rt, err := docker.New(docker.Config{CacheDir: cache, Samples: samples})
	if err != nil {
		return err
	}
	h, err := chaincode.NewHost(chaincode.Config{
		Peer: "victim", MSPID: "Org1MSP", Dir: cache, Use: rt, Link: link.New(link.Config{}).Endpoint("victim", tls.Certificate{}, nil),
	})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, name := range []string{"asset", "counter"} {
		raw, err := chaincode.PackageSample(name, name)
		if err != nil {
			return err
		}
		p, err := h.Install(context.Background(), raw)
		if err != nil {
			return err
		}
		if err := h.Launch(ctx, p.ID); err != nil {
			return err
		}
	}
	if err := h.Pause("counter", true); err != nil {
		return err
	}
	dir := filepath.Join(cache, "no-socket")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	_, err = rt.Start(ctx, launch.Spec{
		PackageID: "heavy:00", Label: "heavy", Type: "golang", Path: "example.com/heavy", Code: heavySource(),
		Socket: dir + "/cc.sock", SocketDir: dir,
		Progress: func(step, detail string) {
			if step == launch.StepCreate {
				fmt.Println(victimReady)
			}
		},
	})
	return err
}

// A program is killed with -9: its chaincodes end by themselves, and what cannot is
// removed by the next program, which leaves its own alone.
func TestKilledProgram(t *testing.T) {
	MustLeaveNothing(t)
	c := MustEngine(t)
	cfg := prepared(t, docker.Config{})
	own := MustStart(t, MustRuntime(t, docker.Config{CacheDir: sharedCache}), MustProbe(t, ""))

	cmd := exec.Command(os.Args[0], victimCommand, cfg.CacheDir+"|"+cfg.Samples)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer cmd.Process.Kill() //nolint:errcheck // it is dead already unless the test has failed
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != victimReady {
		t.Fatalf("the victim said %q", lines.Text())
	}
	MustHappen(t, func() bool { return len(listed(t, c, pid, "build", "running")) == 1 })
	if n := len(listed(t, c, pid, "chaincode", "running")); n != 1 {
		t.Fatalf("the victim has %d running chaincodes and not 1", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Wait(); err == nil {
		t.Fatal("the victim ended well")
	}
	MustHappen(t, func() bool { return len(listed(t, c, pid, "chaincode", "running")) == 0 })
	t.Logf("its chaincode's container was gone %s after the kill; left: %s", time.Since(begin), owned(t, c, pid))
	if n := len(listed(t, c, pid, "chaincode", "paused")); n != 1 {
		t.Errorf("%d paused containers, not 1", n)
	}

	begin = time.Now()
	n, err := MustRuntime(t, docker.Config{}).Reap(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("reaping took %s: %+v", time.Since(begin), n)
	if left := owned(t, c, pid); left != (things{}) {
		t.Errorf("of the dead program there are still %s", left)
	}
	if n.Containers < 2 {
		t.Errorf("only %d containers were reaped", n.Containers)
	}
	select {
	case <-own.Done():
		t.Errorf("a living program's container was reaped: %v", own.Err())
	default:
	}
	if _, err := c.ContainerInspect(t.Context(), own.ID()); err != nil {
		t.Error(err)
	}
}

// listed gives a process's containers of a kind in a state.
func listed(tb testing.TB, c *client.Client, pid int, kind, state string) []container.Summary {
	tb.Helper()
	f := ofOwner(pid, kind)
	if state != "" {
		f.Add("status", state)
	}
	all, err := c.ContainerList(context.Background(), container.ListOptions{All: true, Filters: f})
	if err != nil {
		tb.Fatal(err)
	}
	return all
}
