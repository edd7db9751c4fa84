package stage_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// described is a network of any size.
func described(orgs, peers, orderers, clients int) facts.Layout {
	var l facts.Layout
	for o := 1; o <= orgs; o++ {
		org := facts.LayoutOrg{Name: fmt.Sprintf("Org%d", o)}
		for p := range peers {
			org.Peers = append(org.Peers, fmt.Sprintf("peer%d.org%d.example.com", p, o))
		}
		l.Orgs = append(l.Orgs, org)
	}
	for o := range orderers {
		l.Orderers = append(l.Orderers, fmt.Sprintf("orderer%d.example.com", o+1))
	}
	for c := range clients {
		name := fmt.Sprintf("client%d", c)
		if c%3 == 2 {
			name = fmt.Sprintf("Admin@org%d.example.com", c)
		}
		l.Clients = append(l.Clients, facts.LayoutClient{Name: name})
	}
	return l
}

type named struct {
	name string
	r    view.Rect
}

// boxes lists the boxes that must keep clear of one another, group by group.
func boxes(f *stage.Frame) (outer []named, inner [][]named) {
	for i := range f.Clients {
		outer = append(outer, named{f.Clients[i].Name, f.Clients[i].Rect})
	}
	for i := range f.Orgs {
		o := &f.Orgs[i]
		outer = append(outer, named{o.Name, o.Rect})
		group := []named{{o.Name, o.Rect}}
		for j := range o.Peers {
			group = append(group, named{o.Peers[j].Name, o.Peers[j].Rect})
		}
		inner = append(inner, group)
	}
	if f.Ordering.Rect.W > 0 {
		outer = append(outer, named{f.Ordering.Name, f.Ordering.Rect})
		group := []named{{f.Ordering.Name, f.Ordering.Rect}}
		for i := range f.Ordering.Nodes {
			group = append(group, named{f.Ordering.Nodes[i].Name, f.Ordering.Nodes[i].Rect})
		}
		inner = append(inner, append(group, named{"batch", f.Ordering.Batch.Rect}))
	}
	return outer, inner
}

func overlap(a, b view.Rect) bool {
	return a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H
}

func contains(a, b view.Rect) bool {
	return b.X >= a.X && b.Y >= a.Y && b.X+b.W <= a.X+a.W && b.Y+b.H <= a.Y+a.H
}

func mustKeepClear(t interface{ Fatalf(string, ...any) }, f *stage.Frame) {
	outer, inner := boxes(f)
	for i, a := range outer {
		if !contains(f.Bounds, a.r) {
			t.Fatalf("%s at %v lies outside %v", a.name, a.r, f.Bounds)
		}
		for _, b := range outer[i+1:] {
			if overlap(a.r, b.r) {
				t.Fatalf("%s at %v overlaps %s at %v", a.name, a.r, b.name, b.r)
			}
		}
	}
	for _, group := range inner {
		for i, a := range group[1:] {
			if !contains(group[0].r, a.r) {
				t.Fatalf("%s at %v sticks out of %s at %v", a.name, a.r, group[0].name, group[0].r)
			}
			for _, b := range group[i+2:] {
				if overlap(a.r, b.r) {
					t.Fatalf("%s at %v overlaps %s at %v", a.name, a.r, b.name, b.r)
				}
			}
		}
	}
}

// No box overlaps another one, whatever the network: 1 to 12 organisations, up to 60 nodes
// and beyond, any number of ordering nodes and clients.
func TestLayoutKeepsClear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		orgs, peers := rapid.IntRange(0, 12).Draw(t, "organisations"), rapid.IntRange(1, 20).Draw(t, "peers")
		l := described(orgs, peers, rapid.IntRange(0, 15).Draw(t, "orderers"), rapid.IntRange(0, 60).Draw(t, "clients"))
		w := stage.Alone(nil)
		w.Facts().Describe(l)
		mustKeepClear(t, w.Frame(view.Moment{}, stage.Options{}))
	})
}

// Every number of organisations and peers has the form that leaves room for it.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		orgs, peers int
		form        stage.Form
	}{{1, 1, stage.Full}, {2, 2, stage.Full}, {12, 1, stage.Full}, {6, 3, stage.Compact}, {6, 10, stage.Compact}, {12, 5, stage.Compact}, {12, 6, stage.Grouped}} {
		w := stage.Alone(nil)
		w.Facts().Describe(described(c.orgs, c.peers, 3, 2))
		f := w.Frame(view.Moment{}, stage.Options{})
		if f.Form != c.form {
			t.Errorf("%d organisations with %d peers have form %d, not %d", c.orgs, c.peers, f.Form, c.form)
		}
		if c.form == stage.Grouped && (len(f.Orgs[0].Peers) != 0 || f.Orgs[0].Group.Peers != c.peers) {
			t.Errorf("the group shows %+v", f.Orgs[0].Group)
		}
	}
}

// What a person moves stays where he put it, comes back from a file, and can be reset.
func TestMoving(t *testing.T) {
	w := stage.Alone(nil)
	w.Facts().Describe(described(2, 2, 3, 2))
	before, _ := w.Frame(view.Moment{}, stage.Options{}).Box("peer1.org1.example.com")
	key := w.Frame(view.Moment{}, stage.Options{}).StaticKey
	w.Move("Org1", view.Point{X: -400, Y: 900})
	w.Move("client0", view.Point{X: 12, Y: 34})
	f := w.Frame(view.Moment{}, stage.Options{})
	if f.StaticKey == key {
		t.Error("the slow layer is not drawn anew")
	}
	if org, _ := f.Box("Org1"); org.X != -400 || org.Y != 900 {
		t.Errorf("the organisation stands at %v", org)
	}
	after, _ := f.Box("peer1.org1.example.com")
	if after == before {
		t.Error("its peers stayed behind")
	}
	other := stage.Alone(nil)
	other.Facts().Describe(described(2, 2, 3, 2))
	other.SetPositions(w.Positions())
	if got, _ := other.Frame(view.Moment{}, stage.Options{}).Box("peer1.org1.example.com"); got != after {
		t.Errorf("from saved positions it stands at %v, not at %v", got, after)
	}
	other.ResetPositions()
	if got, _ := other.Frame(view.Moment{}, stage.Options{}).Box("peer1.org1.example.com"); got != before {
		t.Errorf("after a reset it stands at %v, not at %v", got, before)
	}
	if len(other.Positions()) != 0 {
		t.Error("positions are left")
	}
}

// Every box is hit in its middle, and can be taken hold of there.
func TestHits(t *testing.T) {
	w, events := MustWorld(t, "two-clients-one-key")
	last := events[len(events)-200]
	f := w.Frame(view.Moment{Seq: last.Seq, Time: last.Time}, stage.Options{})
	f.Dots = nil
	for _, name := range append(w.Nodes(), "basic_1.0@peer0.org2.example.com") {
		r, ok := f.Box(name)
		if !ok {
			continue // an administrator who has left
		}
		p := r.Center()
		if sel := f.Hit(p); sel.What != view.SelectNode || sel.Node != name && view.PeerOf(sel.Node) != name {
			t.Errorf("in the middle of %s there is %+v", name, sel)
		}
		if got, corner, ok := f.BoxAt(p); !ok || got != name && view.PeerOf(name) != got || view.PeerOf(name) == "" && corner != (view.Point{X: r.X, Y: r.Y}) {
			t.Errorf("a drag from the middle of %s moves %s", name, got)
		}
	}
	org, _ := f.Box("Org1")
	if sel := f.Hit(view.Point{X: org.X + 20, Y: org.Y + 10}); sel.What != view.SelectOrg || sel.Node != "Org1" {
		t.Errorf("at the organisation's name there is %+v", sel)
	}
	if sel := f.Hit(view.Point{X: -500, Y: -500}); sel.What != view.Nothing {
		t.Errorf("beside everything there is %+v", sel)
	}
	for i := range f.Links {
		l := &f.Links[i]
		a, b := l.Points[0], l.Points[1]
		mid := view.Point{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2}
		if sel, ok := f.HitLink(mid, 3); !ok || sel.What != view.SelectLink {
			t.Errorf("on the link from %s to %s there is %+v", l.A, l.B, sel)
		}
	}
	if names := w.Nodes(); len(names) != 11 || names[0] != "alice" {
		t.Errorf("nodes %v", names)
	}
}

// calls are n calls of one chaincode at each of two peers, none of which has ended.
func calls(n int) []trace.Event {
	var events []trace.Event
	for i := range n {
		for org := 1; org <= 2; org++ {
			peer := fmt.Sprintf("peer0.org%d.example.com", org)
			events = append(events, trace.Event{Seq: uint64(len(events) + 1), Time: int64(len(events)+1) * 1e6, Kind: trace.ChaincodeTransaction, Dir: trace.Sent,
				Node: peer, Other: "slow_1.0@" + peer, TxID: fmt.Sprintf("%04x", i), Key: "Write"})
		}
	}
	return events
}

// A container grows with its lanes as long as nothing becomes much smaller for it; what has no
// room then is counted.
func TestContainersGrow(t *testing.T) {
	for _, c := range []struct {
		peers, calls int
		lanes, more  int
	}{{1, 3, 3, 0}, {1, 8, 8, 0}, {1, 16, 13, 3}, {2, 3, 3, 0}, {2, 4, 4, 0}, {2, 8, 3, 5}, {8, 8, 3, 5}} {
		w := stage.Alone(nil)
		w.Facts().Describe(described(2, c.peers, 3, 2))
		before := w.Frame(view.Moment{}, stage.Options{Aspect: 1.9}).Bounds
		w.Add(calls(c.calls))
		f := w.Frame(view.Moment{Seq: 1 << 40}, stage.Options{Aspect: 1.9})
		x := f.Orgs[0].Peers[0].Containers[0]
		if len(x.Lanes) != c.lanes || x.More != c.more {
			t.Errorf("%d peers, %d calls: %d lanes and %d more, want %d and %d", c.peers, c.calls, len(x.Lanes), x.More, c.lanes, c.more)
		}
		for _, l := range x.Lanes {
			if l.Rect.Y < x.Rect.Y || l.Rect.Y+l.Rect.H > x.Rect.Y+x.Rect.H {
				t.Errorf("%d peers, %d calls: a lane at %v is not within its container at %v", c.peers, c.calls, l.Rect, x.Rect)
			}
		}
		smaller := max(f.Bounds.W/1.9, f.Bounds.H) / max(before.W/1.9, before.H)
		if smaller > 1.15 {
			t.Errorf("%d peers, %d calls: everything became %.2f times smaller", c.peers, c.calls, smaller)
		}
	}
}
