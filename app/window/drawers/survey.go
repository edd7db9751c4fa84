package drawers

import (
	"context"
	"slices"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of asking the nodes how they are.
const (
	surveyEvery   = 2 * time.Second
	surveyTimeout = 5 * time.Second
	maxSurveyed   = 24 // peers that are asked for their packages
)

// survey is what the nodes say about themselves. It is asked for in the background while
// a drawer shows it; the answer is there at a later Refresh.
type survey struct {
	s       *session.Session
	asked   time.Time
	busy    bool
	version int // changes with the answer
	nodes   []network.NodeStatus
	packs   map[string][]string // package labels by peer
}

// ask begins a new look at the nodes if the last one is old.
func (v *survey) ask() {
	n := v.s.Net()
	if v.busy || n == nil || !v.s.Running() || time.Since(v.asked) < surveyEvery {
		return
	}
	v.busy, v.asked = true, time.Now()
	v.s.AskAside(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
		defer cancel()
		nodes := n.Nodes.Status(ctx)
		packs := map[string][]string{}
		for _, s := range nodes {
			if s.Role != "peer" || !s.Running || len(packs) >= maxSurveyed {
				continue
			}
			installed, err := n.Chaincodes.Installed(ctx, s.Name)
			if err != nil {
				continue // a peer that just went away has nothing to say
			}
			for _, p := range installed {
				packs[s.Name] = append(packs[s.Name], p.GetPackageId())
			}
			slices.Sort(packs[s.Name])
		}
		return func() {
			v.nodes, v.packs, v.busy = nodes, packs, false
			v.version++
		}
	})
}
