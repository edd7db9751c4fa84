package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// Bounds of the search for layouts: a policy of many organisations has more ways
// to be satisfied than anybody needs to try.
const (
	maxLayouts     = 1024
	maxLayoutSlots = 128
)

// layoutSet is every way to satisfy some policies with the peers at hand. A group
// is a set of peers that count as equals for these policies; a layout says how
// many peers of which groups are enough. (wire.md D.4)
type layoutSet struct {
	groups  [][]int // of each group the peers in it, ascending
	layouts []layout
}

// layout is one way: ascending by group, quantities from 1.
type layout []slot

type slot struct{ group, quantity int }

// computeLayouts finds the layouts for policies that must all be satisfied.
// Each policy is given as its minimal sets of principals; peers are numbered
// from 0 to n-1, and satisfies tells whether a peer is what a principal asks for.
func computeLayouts(policies [][][]policy.Principal, n int, satisfies func(peer int, p *msppb.MSPPrincipal) bool) *layoutSet {
	grouping := newGrouping(n, satisfies)
	var merged []layout
	for i, sets := range policies {
		ways := grouping.layouts(sets)
		if i == 0 {
			merged = ways
			continue
		}
		merged = mergeLayouts(merged, ways)
	}
	possible := merged[:0:0]
	for _, l := range merged {
		if _, ok := assign(l, grouping.groups, nil); ok {
			possible = append(possible, l)
		}
	}
	return &layoutSet{groups: grouping.groups, layouts: dropSuperfluous(possible)}
}

// grouping numbers the distinct sets of peers that principals stand for.
type grouping struct {
	n           int
	satisfies   func(int, *msppb.MSPPrincipal) bool
	groups      [][]int
	byPeers     map[string]int
	byPrincipal map[string]int // -1: nobody
}

func newGrouping(n int, satisfies func(int, *msppb.MSPPrincipal) bool) *grouping {
	return &grouping{n: n, satisfies: satisfies, byPeers: map[string]int{}, byPrincipal: map[string]int{}}
}

// group is the number of a principal's group, -1 if no peer satisfies it.
func (g *grouping) group(p *msppb.MSPPrincipal) int {
	key := strconv.Itoa(int(p.GetPrincipalClassification())) + "\x00" + string(p.GetPrincipal())
	if id, ok := g.byPrincipal[key]; ok {
		return id
	}
	var peers []int
	for i := range g.n {
		if g.satisfies(i, p) {
			peers = append(peers, i)
		}
	}
	id := -1
	if len(peers) > 0 {
		id = g.number(peers)
	}
	g.byPrincipal[key] = id
	return id
}

func (g *grouping) number(peers []int) int {
	name := fmt.Sprint(peers)
	if id, ok := g.byPeers[name]; ok {
		return id
	}
	id := len(g.groups)
	g.groups = append(g.groups, peers)
	g.byPeers[name] = id
	return id
}

// layouts turns one policy's sets of principals into layouts. Sets that ask for
// somebody who is not there are left out.
func (g *grouping) layouts(sets [][]policy.Principal) []layout {
	seen := map[string]bool{}
	var out []layout
	for _, set := range sets {
		counts := map[int]int{}
		for _, p := range set {
			counts[g.group(p.Raw)]++
		}
		if counts[-1] > 0 || len(set) > maxLayoutSlots {
			continue
		}
		l := layoutOf(counts)
		if name := l.String(); !seen[name] && len(out) < maxLayouts {
			seen[name] = true
			out = append(out, l)
		}
	}
	return out
}

func layoutOf(counts map[int]int) layout {
	l := make(layout, 0, len(counts))
	for group, quantity := range counts {
		if quantity > 0 {
			l = append(l, slot{group, quantity})
		}
	}
	slices.SortFunc(l, func(a, b slot) int { return a.group - b.group })
	return l
}

// String names a layout, for comparing.
func (l layout) String() string {
	var b strings.Builder
	for _, s := range l {
		fmt.Fprintf(&b, "%d:%d ", s.group, s.quantity)
	}
	return b.String()
}

// quantity is how many peers of a group the layout asks for.
func (l layout) quantity(group int) int {
	for _, s := range l {
		if s.group == group {
			return s.quantity
		}
	}
	return 0
}

// mergeLayouts combines the ways to satisfy two policies: one endorsement counts
// for both, so quantities are not added.
func mergeLayouts(a, b []layout) []layout {
	seen := map[string]bool{}
	var out []layout
	for _, x := range a {
		for _, y := range b {
			counts := map[int]int{}
			for _, s := range x {
				counts[s.group] = s.quantity
			}
			for _, s := range y {
				counts[s.group] = max(counts[s.group], s.quantity)
			}
			l := layoutOf(counts)
			if name := l.String(); !seen[name] {
				seen[name] = true
				out = append(out, l)
			}
			if len(out) == maxLayouts {
				return out
			}
		}
	}
	return out
}

// dropSuperfluous removes layouts that ask for more than another one does.
func dropSuperfluous(layouts []layout) []layout {
	var out []layout
	for i, l := range layouts {
		covered := slices.ContainsFunc(layouts[:i], func(other layout) bool { return other.within(l) }) ||
			slices.ContainsFunc(layouts[i+1:], func(other layout) bool { return other.within(l) && !l.within(other) })
		if !covered {
			out = append(out, l)
		}
	}
	return out
}

// within tells whether everything the layout asks for is asked by the other one.
func (l layout) within(other layout) bool {
	for _, s := range l {
		if other.quantity(s.group) < s.quantity {
			return false
		}
	}
	return true
}

// assign picks distinct peers for a layout; ok is false if there are not enough.
// prefer orders the peers of a group, best first, and leaves out those that must
// not be asked; nil takes them as they are. Groups may overlap, so that a peer
// picked early can be needed elsewhere: then it is moved.
func assign(l layout, groups [][]int, prefer func(group []int) []int) (peers []int, ok bool) {
	var wanted [][]int // for each place the peers that could take it
	for _, s := range l {
		candidates := groups[s.group]
		if prefer != nil {
			candidates = prefer(candidates)
		}
		if len(candidates) < s.quantity {
			return nil, false
		}
		for range s.quantity {
			wanted = append(wanted, candidates)
		}
	}
	places := map[int]int{} // peer -> place
	for place := range wanted {
		if !assignPlace(place, wanted, places, map[int]bool{}) {
			return nil, false
		}
	}
	for peer := range places {
		peers = append(peers, peer)
	}
	slices.SortFunc(peers, func(a, b int) int { return places[a] - places[b] })
	return peers, true
}

// assignPlace finds a peer for a place, moving others if need be.
func assignPlace(place int, wanted [][]int, places map[int]int, tried map[int]bool) bool {
	for _, peer := range wanted[place] {
		if _, taken := places[peer]; !taken {
			places[peer] = place
			return true
		}
	}
	for _, peer := range wanted[place] {
		if tried[peer] {
			continue
		}
		tried[peer] = true
		if assignPlace(places[peer], wanted, places, tried) {
			places[peer] = place
			return true
		}
	}
	return false
}

// plan decides which peers to ask next until a layout is complete. It holds no
// connection and no clock: the gateway asks, and reports what came back.
type plan struct {
	groups   [][]int
	layouts  []layout // those still possible, the preferred one first
	rank     map[int]int
	accepted map[int]bool
	refused  map[int]bool
	chosen   []int // peers of the layout under way
}

// newPlan makes a plan. ranked lists all peers, the preferred one first; first
// is the peer that has endorsed already, -1 if there is none. Layouts that use
// the first peer come first, in random order; then the others.
func newPlan(set *layoutSet, ranked []int, first int, shuffle func(n int, swap func(i, j int))) *plan {
	p := &plan{groups: set.groups, rank: map[int]int{}, accepted: map[int]bool{}, refused: map[int]bool{}}
	for i, peer := range ranked {
		p.rank[peer] = i
	}
	var with, without []layout
	for _, l := range set.layouts {
		if first >= 0 && slices.ContainsFunc(l, func(s slot) bool { return slices.Contains(set.groups[s.group], first) }) {
			with = append(with, l)
		} else {
			without = append(without, l)
		}
	}
	shuffle(len(with), func(i, j int) { with[i], with[j] = with[j], with[i] })
	shuffle(len(without), func(i, j int) { without[i], without[j] = without[j], without[i] })
	p.layouts = append(with, without...)
	if first >= 0 {
		p.accepted[first] = true
	}
	return p
}

// next says whom to ask now. Nobody and ok means that the layout is complete
// (see endorsers); nobody and not ok means that no layout is possible any more.
func (p *plan) next() (ask []int, ok bool) {
	for len(p.layouts) > 0 {
		chosen, possible := assign(p.layouts[0], p.groups, p.prefer)
		if !possible {
			p.layouts = p.layouts[1:]
			continue
		}
		p.chosen = chosen
		for _, peer := range chosen {
			if !p.accepted[peer] {
				ask = append(ask, peer)
			}
		}
		return ask, true
	}
	return nil, false
}

// prefer puts peers that have endorsed already first, then the better ranked.
func (p *plan) prefer(group []int) []int {
	usable := make([]int, 0, len(group))
	for _, peer := range group {
		if !p.refused[peer] {
			usable = append(usable, peer)
		}
	}
	slices.SortStableFunc(usable, func(a, b int) int {
		if p.accepted[a] != p.accepted[b] {
			if p.accepted[a] {
				return -1
			}
			return 1
		}
		return p.rank[a] - p.rank[b]
	})
	return usable
}

// accept and refuse report what a peer answered.
func (p *plan) accept(peer int) { p.accepted[peer] = true }
func (p *plan) refuse(peer int) { p.refused[peer] = true }

// endorsers are the peers whose endorsements make up the complete layout.
func (p *plan) endorsers() []int { return p.chosen }
