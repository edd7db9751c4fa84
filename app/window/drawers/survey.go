package drawers

import (
	"context"
	"slices"
	"sync"
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
	s      *session.Session
	ctx    context.Context
	cancel context.CancelFunc
	asked  time.Time

	mu      sync.Mutex
	busy    bool
	version int
	nodes   []network.NodeStatus
	packs   map[string][]string // package labels by peer
}

func newSurvey(s *session.Session) *survey {
	v := &survey{s: s}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// ask begins a new look at the nodes if the last one is old.
func (v *survey) ask() {
	if v.s == nil || !v.s.Running() || time.Since(v.asked) < surveyEvery {
		return
	}
	n := v.s.Net()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busy || n == nil {
		return
	}
	v.busy, v.asked = true, time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(v.ctx, surveyTimeout)
		defer cancel()
		nodes := n.Status(ctx)
		packs := map[string][]string{}
		for _, s := range nodes {
			if s.Role != "peer" || !s.Running || len(packs) >= maxSurveyed {
				continue
			}
			installed, err := n.Installed(ctx, s.Name)
			if err != nil {
				continue // a peer that just went away has nothing to say
			}
			for _, p := range installed {
				packs[s.Name] = append(packs[s.Name], p.GetPackageId())
			}
			slices.Sort(packs[s.Name])
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		v.nodes, v.packs, v.busy = nodes, packs, false
		v.version++
	}()
}

// answer is the newest look; version changes with it.
func (v *survey) answer() (nodes []network.NodeStatus, packs map[string][]string, version int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.nodes, v.packs, v.version
}
