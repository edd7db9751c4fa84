package peer

import (
	"fmt"
	"sync/atomic"
)

// Concurrent calls that a service takes unless Limits says otherwise (wire.md I).
const (
	defaultEndorserCalls = 2500
	defaultDeliverCalls  = 2500
	defaultGatewayCalls  = 500
)

// limiter counts the calls of one service that are under way.
type limiter struct {
	service string // as Fabric names it in the refusal
	most    int64
	now     atomic.Int64
}

func newLimiter(service string, most, fallback int) *limiter {
	if most <= 0 {
		most = fallback
	}
	return &limiter{service: service, most: int64(most)}
}

// enter counts a call in; the caller must leave if there is no error.
func (l *limiter) enter() error {
	if l.now.Add(1) > l.most {
		l.now.Add(-1)
		return fmt.Errorf("too many requests for %s, exceeding concurrency limit (%d)", l.service, l.most)
	}
	return nil
}

func (l *limiter) leave() { l.now.Add(-1) }
