package network

import (
	"slices"

	"github.com/fabriscope/fabriscope/internal/link"
)

// ActiveHold is a hold that somebody set and nobody took away. One with a Count may have
// stopped its last message already.
type ActiveHold struct {
	ID     link.HoldID
	Filter link.Filter
}

// Holds lists the holds, oldest first.
func (n *Network) Holds() []ActiveHold {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []ActiveHold
	for id, h := range n.holds {
		out = append(out, ActiveHold{id, h.filter})
	}
	slices.SortFunc(out, func(a, b ActiveHold) int { return int(a.ID) - int(b.ID) })
	return out
}
