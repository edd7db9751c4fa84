package session

import (
	"cmp"

	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// PageHead is what a page says of a recorded run and its topology. Which events it holds is
// up to who writes it.
func PageHead(meta trace.Meta) player.Head {
	h := player.Head{Name: cmp.Or(meta.Name, "run"), Program: meta.Program}
	t, err := network.ParseTopology(meta.Name, []byte(meta.Topology))
	if meta.Topology == "" || err != nil {
		return h // the models tell from the trace what they can
	}
	describePage(&h, t)
	return h
}

func describePage(h *player.Head, t *network.Topology) {
	layout := layoutOf(t)
	h.Layout, h.Orgs, h.Policies = &layout, orgsOf(t), policiesOf(t)
}

// PageHead is what a page says of this session: its last events, most at the most, as far as
// they can be gone back to.
func (s *Session) PageHead(most uint64) player.Head {
	h := player.Head{Name: s.name, Contents: true}
	if s.topology != nil {
		describePage(&h, s.topology)
	}
	first, last, ok := s.Axis.Bounds()
	if !ok {
		return h
	}
	h.First, h.Events, h.Of = first, last-first+1, last
	if h.Events > most {
		h.First, h.Events = last-most+1, most
	}
	return h
}
