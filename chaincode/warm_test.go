package chaincode_test

import (
	"context"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// builder is a runtime that can get ready for builds.
type builder struct {
	cctest.InProcess
	asked chan struct{}
}

func (b *builder) Warm(_ context.Context, tell func(string)) error {
	tell("getting ready")
	b.asked <- struct{}{}
	return nil
}

func TestRuntimeIsWarmedByPackagesToCompile(t *testing.T) {
	for build, want := range map[bool]int{false: 0, true: 1} {
		rec := trace.NewRecorder(trace.Options{})
		rt := &builder{asked: make(chan struct{}, 10)}
		h := cctest.MustHost(t, chaincode.Config{Use: rt, BuildSamples: build, Trace: rec})
		cctest.MustInstall(t, h, "asset", "a")
		cctest.MustInstall(t, h, "asset", "b")
		if err := h.Close(); err != nil { // which waits for what goes on in the background
			t.Fatal(err)
		}
		if n := len(rt.asked); n != want {
			t.Errorf("samples compiled: %v; the runtime was asked %d times to get ready, not %d", build, n, want)
		}
		told := 0
		events, _, _ := rec.Since(0, 100)
		for _, e := range events {
			if e.Kind == trace.Progress && e.Note == "getting ready" {
				told++
			}
		}
		if told != want {
			t.Errorf("the trace tells it %d times, not %d", told, want)
		}
	}
}
