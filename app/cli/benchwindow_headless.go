//go:build headless

package cli

import (
	"context"
	"time"

	"github.com/fabriscope/fabriscope/network"
)

func (p *program) benchInWindow(context.Context, *network.Topology, func(context.Context, *network.Network) error) error {
	return p.openWindow(windowOptions{})
}

func mainThread() time.Duration { return 0 }
