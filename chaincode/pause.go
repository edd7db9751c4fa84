package chaincode

import (
	"context"
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// pauser is an instance that can be frozen, which containers and child processes can.
// Twice the same is no error.
type pauser interface {
	Pause(ctx context.Context, on bool) error
}

// Pause freezes a running chaincode, or lets it go on. It is named by its package id, or
// by its label if only one of that label runs. A frozen chaincode keeps its stream; its
// invocations stand still until they time out.
//
// It fails if there is none of that name, or if the peer did not start it itself.
func (h *Host) Pause(name string, on bool) error {
	r, err := h.named(name)
	if err != nil {
		return err
	}
	h.mu.Lock()
	p, ok := r.instance.(pauser)
	h.mu.Unlock()
	if !ok {
		return fmt.Errorf("chaincode %s cannot be paused: only what the peer has started as a container or process can", r.id)
	}
	ctx, cancel := context.WithTimeout(h.ctx, stopTimeout)
	defer cancel()
	if err := p.Pause(ctx, on); err != nil {
		return fmt.Errorf("pause chaincode %s: %w", r.id, err)
	}
	what, note := trace.CodeResumed, "goes on"
	if on {
		what, note = trace.CodePaused, "paused"
	}
	r.record(trace.Progress, what, note)
	return nil
}

// named finds what runs under a package id or label.
func (h *Host) named(name string) (*running, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.active[name]; r != nil {
		return r, nil
	}
	var found *running
	for id, r := range h.active {
		if label, _, _ := strings.Cut(id, ":"); label != name {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("several chaincodes labelled %s run at peer %s; name one by its package id", name, h.cfg.Peer)
		}
		found = r
	}
	if found == nil {
		return nil, fmt.Errorf("no chaincode %s runs at peer %s; it starts with its first transaction", name, h.cfg.Peer)
	}
	return found, nil
}
