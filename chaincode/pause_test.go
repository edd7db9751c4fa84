package chaincode_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestPausedProcess(t *testing.T) { pauseAndGoOn(t, chaincode.RuntimeProcess) }

// The docker runtime as a host chooses it, with all that it needs from the host.
func TestPausedContainer(t *testing.T) {
	if _, err := chaincode.DockerVersion(t.Context()); err != nil {
		t.Skipf("SKIPPED, NOTHING TESTED: %v", err)
	}
	pauseAndGoOn(t, chaincode.RuntimeDocker)
}

// A paused chaincode's invocations time out; its stream survives.
func pauseAndGoOn(t *testing.T, runtime string) {
	cfg := chaincode.Config{Runtime: runtime, ExecuteTimeout: 2 * time.Second, Trace: trace.NewRecorder(trace.Options{})}
	h := cctest.MustHost(t, cfg)
	if name, why := h.RuntimeName(); name != runtime || why == "" {
		t.Fatalf("the runtime is %s (%s)", name, why)
	}
	b := &cctest.Bench{TB: t, Host: h, ID: cctest.MustInstall(t, h, "asset", "cc"), Ledger: cctest.NewLedger()}
	if err := h.Pause("cc", true); err == nil || !strings.Contains(err.Error(), "no chaincode cc runs") {
		t.Errorf("pausing what does not run gave %v", err)
	}
	if got := b.MustCall("AssetExists", "a1"); got != "false" {
		t.Fatalf("got %s", got)
	}
	before := h.Running()[0].Instance
	for _, name := range []string{"cc", b.ID, b.ID} { // by label, by id, and once too often
		if err := h.Pause(name, true); err != nil {
			t.Fatal(err)
		}
	}
	answered := make(chan error, 1)
	go func() {
		_, err := h.Execute(t.Context(), b.ID, b.Ledger.Invocation("AssetExists", "a1"))
		answered <- err
	}()
	if err := <-answered; !errors.Is(err, chaincode.ErrTimeout) {
		t.Errorf("a paused chaincode answered: %v", err)
	}
	if err := h.Pause("cc", false); err != nil {
		t.Fatal(err)
	}
	if got := b.MustCall("AssetExists", "a1"); got != "false" {
		t.Errorf("got %s", got)
	}
	if now := h.Running()[0].Instance; now != before {
		t.Errorf("it was restarted: %s became %s", before, now)
	}
	if err := h.Pause("cc", true); err != nil { // Close must cope with it
		t.Error(err)
	}
}

func TestPauseOfWhatCannotBePaused(t *testing.T) {
	h := cctest.MustHost(t, chaincode.Config{Use: cctest.InProcess{"a": nil}, Link: link.New(link.Config{}).Endpoint("p", tls.Certificate{}, nil)})
	if err := h.Pause("a", true); err == nil || !strings.Contains(err.Error(), "no chaincode a runs at peer peer0") {
		t.Errorf("got %v", err)
	}
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	b.MustCall("write")
	if err := b.Host.Pause("cc", true); err == nil || !strings.Contains(err.Error(), "cannot be paused") {
		t.Errorf("got %v", err)
	}
	other := cctest.MustInstall(t, b.Host, "counter", "cc")
	if err := b.Host.Launch(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if err := b.Host.Pause("cc", true); err == nil || !strings.Contains(err.Error(), "several chaincodes labelled cc") {
		t.Errorf("got %v", err)
	}
}
