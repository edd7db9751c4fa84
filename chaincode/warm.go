package chaincode

import (
	"context"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// warmer is a runtime that can get ready for its first build: the docker runtime fetches
// or makes the builder image and fills the compiler's cache.
type warmer interface {
	Warm(ctx context.Context, tell func(what string)) error
}

// warm gets the runtime ready in the background when a package is installed that it will
// have to compile, so that the first transaction waits less.
func (h *Host) warm(p *Package) {
	chosen, build, err := h.runtimeOf(p.Label)
	if err != nil {
		return // the launch will say so
	}
	w, ok := chosen.runtime.(warmer)
	if !ok || p.Type != TypeGo || p.Sample != "" && !build {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.warming {
		return
	}
	h.warming = true
	h.tasks.Go(func() {
		err := w.Warm(h.ctx, func(what string) { h.record(trace.Event{Kind: trace.Progress, What: trace.Told, Note: what}) })
		if err != nil && h.ctx.Err() == nil {
			h.cfg.Log.Warn("a chaincode's first build will fail or be slow", "peer", h.cfg.Peer, "error", err)
		}
	})
}
