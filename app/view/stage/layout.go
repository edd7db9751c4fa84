package stage

import (
	"cmp"
	"math"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// Sizes of the layout, in units of the plane.
const (
	fullPeers    = 12 // up to this many peers have room for words
	compactPeers = 64 // up to this many peers have a box of their own
	manyClients  = 10

	peerW, peerH       = 350.0, 84.0
	compactW, compactH = 178.0, 48.0
	groupW, groupH     = 250.0, 104.0
	orgHead, orgPad    = 36.0, 16.0
	peerGap            = 14.0
	clientW, clientH   = 130.0, 58.0
	adminH             = 42.0
	ordererW, ordererH = 108.0, 64.0
	orderingHead       = 44.0
	orderingFoot       = 62.0
	orderingPad        = 26.0
	gapClients         = 78.0
	gapOrdering        = 112.0
	gapColumns         = 34.0
	gapRows            = 20.0
	legendRoom         = 48.0
	dockLength         = 24.0
	laneHead, laneH    = 22.0, 17.0 // of a container with words
	leastLane          = 10.5       // lanes stand no closer
	aspect             = 1.9        // of the panel that the layout tries to fill
	mostSpread         = 150.0      // more between columns than usual, together
	leastSpread        = -50.0
)

// geometry is where everything stands. It depends on what is known of the network as a
// whole and on what was moved, never on the moment, so boxes stand still while time passes.
type geometry struct {
	form       Form
	slots      int
	lanes      int         // of a container, at least
	columns    int         // of peers within an organisation
	rects      []view.Rect // by node
	orgs       []view.Rect // by organisation
	orgOrder   []int32
	clients    []int32
	orderers   []int32
	ordering   view.Rect
	middle     view.Rect // all organisations
	gapX       []float64 // between columns of organisations, and beside them
	laneY      []float64 // between rows, and above and below them
	columnOf   []int     // by organisation
	rowOf      []int
	routes     [][]view.Point // by pair
	bounds     view.Rect
	smallBoxes bool    // clients
	spread     float64 // more room for links, beside the organisations
}

// layout gives the geometry for what is known now.
func (w *World) layout() *geometry {
	// A node may be known before anybody knows what it is.
	fresh := w.geo != nil && w.geoVersion == w.facts.Version && w.geoAspect == w.aspect && len(w.geo.rects) == len(w.facts.Nodes)
	if fresh && len(w.geo.routes) == len(w.facts.Pairs) {
		return w.geo
	}
	if !fresh {
		w.geo, w.geoAspect = arrange(&w.facts.Registry, w.aspect), w.aspect
		w.geo.shift(&w.facts.Registry, w.moved)
		w.geo.measure()
		w.geoVersion = w.facts.Version
		w.changes++
	}
	for i := len(w.geo.routes); i < len(w.facts.Pairs); i++ {
		w.geo.routes = append(w.geo.routes, w.geo.route(&w.facts.Registry, &w.facts.Pairs[i], w.moved))
	}
	return w.geo
}

// arrange chooses the form and the number of columns with which everything is largest in a
// panel of the usual shape. The boxes keep their order in panels of other shapes; only the
// links between them become longer or shorter.
func arrange(r *facts.Registry, shape float64) *geometry {
	base := newGeometry(r)
	var best *geometry
	bestScale, bestColumns := 0.0, 0
	for columns := 1; columns <= max(1, len(base.orgOrder)); columns++ {
		for inner := 1; inner <= 4; inner++ {
			if base.form != Compact && inner > 1 {
				break
			}
			g := base.copy(r)
			g.columns = inner
			g.place(r, columns)
			scale := 1 / max(g.bounds.W/aspect, g.bounds.H)
			if best == nil || scale > bestScale*1.02 {
				best, bestScale, bestColumns = g, scale, columns
			}
		}
	}
	best = best.heighten(r, bestColumns, cmp.Or(shape, aspect))
	if spread := math.Round(max(leastSpread, min(best.bounds.H*shape-best.bounds.W, mostSpread))); shape > 0 && spread != 0 {
		g := base.copy(r)
		g.columns, g.lanes, g.spread = best.columns, best.lanes, spread
		g.place(r, bestColumns)
		best = g
	}
	return best
}

// mostSmaller is how much smaller everything may become so that containers show their lanes.
const mostSmaller = 1.08

// heighten gives containers room for as many lanes as one ever had, as far as the panel has
// room for that.
func (g *geometry) heighten(r *facts.Registry, columns int, shape float64) *geometry {
	if g.form != Full {
		return g
	}
	least := max(g.bounds.W/shape, g.bounds.H)
	for lanes := r.Lanes; lanes > g.lanes; lanes-- {
		h := newGeometry(r).copy(r)
		h.columns, h.lanes = g.columns, lanes
		h.place(r, columns)
		if max(h.bounds.W/shape, h.bounds.H) <= least*mostSmaller {
			return h
		}
	}
	return g
}

func newGeometry(r *facts.Registry) *geometry {
	g := &geometry{slots: max(1, r.Slots)}
	g.lanes = int((g.containerHeight() - laneHead) / laneH)
	peers := 0
	for i := range r.Orgs {
		if len(r.Orgs[i].Peers) > 0 {
			g.orgOrder = append(g.orgOrder, int32(i))
			peers += len(r.Orgs[i].Peers)
		}
	}
	switch {
	case peers > compactPeers:
		g.form = Grouped
	case peers > fullPeers:
		g.form = Compact
	}
	for i := range r.Nodes {
		switch r.Nodes[i].Being {
		case facts.Client:
			g.clients = append(g.clients, int32(i))
		case facts.Orderer:
			g.orderers = append(g.orderers, int32(i))
		}
	}
	sort.SliceStable(g.clients, func(a, b int) bool {
		x, y := &r.Nodes[g.clients[a]], &r.Nodes[g.clients[b]]
		if x.Admin() != y.Admin() {
			return y.Admin()
		}
		return x.Order < y.Order || x.Order == y.Order && facts.Natural(x.Name, y.Name)
	})
	sort.SliceStable(g.orderers, func(a, b int) bool { return facts.Natural(r.Nodes[g.orderers[a]].Name, r.Nodes[g.orderers[b]].Name) })
	sort.SliceStable(g.orgOrder, func(a, b int) bool {
		x, y := g.orgOrder[a], g.orgOrder[b]
		if a, b := r.Orgs[x].Order, r.Orgs[y].Order; a != b {
			return a < b
		}
		return facts.Natural(r.Orgs[x].Title, r.Orgs[y].Title)
	})
	for i := range r.Orgs {
		peers := r.Orgs[i].Peers
		sort.SliceStable(peers, func(a, b int) bool { return facts.Natural(r.Nodes[peers[a]].Name, r.Nodes[peers[b]].Name) })
	}
	g.smallBoxes = len(g.clients) > manyClients
	return g
}

func (g *geometry) copy(r *facts.Registry) *geometry {
	c := *g
	c.rects = make([]view.Rect, len(r.Nodes))
	c.orgs = make([]view.Rect, len(r.Orgs))
	c.columnOf, c.rowOf = make([]int, len(r.Orgs)), make([]int, len(r.Orgs))
	return &c
}

// peerSize is the size of one peer's box.
func (g *geometry) peerSize() (w, h float64) {
	if g.form == Compact {
		return compactW, compactH
	}
	return peerW, 10 + float64(g.slots)*g.containerHeight() + float64(g.slots-1)*6
}

func (g *geometry) containerHeight() float64 {
	least := peerH - 10
	if g.slots > 1 {
		least = 58
	}
	return max(least, laneHead+laneH*float64(g.lanes))
}

// orgSize is the size of an organisation with n peers.
func (g *geometry) orgSize(n int) (w, h float64) {
	if g.form == Grouped {
		return groupW, groupH
	}
	pw, ph := g.peerSize()
	gap := g.gap()
	columns := min(max(1, g.columns), max(1, n))
	rows := (n + columns - 1) / columns
	return float64(columns)*pw + float64(columns-1)*gap + 2*orgPad, orgHead + float64(rows)*ph + float64(rows-1)*gap + orgPad - 2
}

func (g *geometry) gap() float64 {
	if g.form == Compact {
		return 8
	}
	return peerGap
}

// place puts everything down: organisations in a grid of rows, clients left of it, the
// ordering service right of it, each centred.
func (g *geometry) place(r *facts.Registry, columns int) {
	rows := (len(g.orgOrder) + columns - 1) / columns
	widths, heights := make([]float64, columns), make([]float64, rows)
	for i, org := range g.orgOrder {
		ow, oh := g.orgSize(len(r.Orgs[org].Peers))
		widths[i%columns], heights[i/columns] = max(widths[i%columns], ow), max(heights[i/columns], oh)
	}
	gridH := max(0, gapRows*float64(rows-1))
	for _, h := range heights {
		gridH += h
	}
	ring := g.ring(len(g.orderers))
	orderingW, orderingH := 0.0, 0.0
	if len(g.orderers) > 0 {
		orderingW = max(260, ring.W+2*orderingPad)
		orderingH = max(300, orderingHead+ring.H+orderingFoot+8)
	}
	x, clientsH := g.placeClients(r, max(gridH, orderingH))
	total := max(gridH, orderingH, clientsH)
	g.centreClients(r, clientsH, total)
	if x > 0 {
		x += gapClients + math.Round(g.spread*0.45)
	}
	g.gapX = append(g.gapX, x-gapColumns/2)
	g.middle = view.Rect{X: x, Y: (total - gridH) / 2, H: gridH}
	for i, org := range g.orgOrder {
		column, row := i%columns, i/columns
		corner := view.Point{X: x, Y: g.middle.Y}
		for _, cw := range widths[:column] {
			corner.X += cw + gapColumns
		}
		for _, rh := range heights[:row] {
			corner.Y += rh + gapRows
		}
		g.columnOf[org], g.rowOf[org] = column, row
		g.placeOrg(r, org, corner, widths[column])
	}
	for column, cw := range widths {
		x += cw
		g.middle.W = x - g.middle.X
		if column < len(widths)-1 {
			x += gapColumns
		}
		g.gapX = append(g.gapX, g.middle.X+g.middle.W+gapColumns/2)
	}
	y := g.middle.Y - gapRows/2
	g.laneY = append(g.laneY, y)
	for _, rh := range heights {
		y += rh + gapRows
		g.laneY = append(g.laneY, y)
	}
	if orderingW > 0 {
		if len(g.orgOrder) > 0 {
			x += gapOrdering + math.Round(g.spread*0.55)
		}
		g.ordering = view.Rect{X: x, Y: (total - orderingH) / 2, W: orderingW, H: orderingH}
		g.placeOrderers(ring)
	}
	g.measure()
}

// placeOrg puts an organisation's box and its peers at a corner. All organisations of a
// column are as wide as the widest.
func (g *geometry) placeOrg(r *facts.Registry, org int32, corner view.Point, width float64) {
	peers := r.Orgs[org].Peers
	_, h := g.orgSize(len(peers))
	g.orgs[org] = view.Rect{X: corner.X, Y: corner.Y, W: width, H: h}
	if g.form == Grouped {
		for _, p := range peers {
			g.rects[p] = g.orgs[org]
		}
		return
	}
	pw, ph := g.peerSize()
	gap := g.gap()
	for i, p := range peers {
		column, row := i%g.columns, i/g.columns
		g.rects[p] = view.Rect{X: corner.X + orgPad + float64(column)*(pw+gap), Y: corner.Y + orgHead + float64(row)*(ph+gap), W: pw, H: ph}
	}
}

// clientGrid gives how many columns the clients take and how far apart they stand.
func (g *geometry) clientGrid(named int, height float64) (columns int, pitch float64) {
	if named == 0 {
		return 1, 0
	}
	least := clientH + 14
	if g.smallBoxes {
		least = adminH + 10
	}
	perColumn := max(int(max(height, 520)/least), 1)
	columns = (named + perColumn - 1) / perColumn
	perColumn = (named + columns - 1) / columns
	return columns, math.Max(least, math.Min(150, height/float64(perColumn)))
}

// placeClients puts the clients down, administrators below the others, and gives how wide
// and high they are. Their first row begins at 0.
func (g *geometry) placeClients(r *facts.Registry, height float64) (w, h float64) {
	named := 0
	for _, c := range g.clients {
		if !r.Nodes[c].Admin() {
			named++
		}
	}
	columns, pitch := g.clientGrid(named, height)
	rows := (named + columns - 1) / columns
	for i, c := range g.clients[:named] {
		h := clientH
		if g.smallBoxes {
			h = adminH
		}
		g.rects[c] = view.Rect{X: float64(i/rows) * (clientW + 14), Y: (float64(i%rows)+0.5)*pitch - h/2, W: clientW, H: h}
		w = max(w, g.rects[c].X+clientW)
	}
	h = float64(rows) * pitch
	admins := len(g.clients) - named
	wide := max(1, columns)
	if perColumn := int(max(height, 520)) / int(adminH+10); admins > perColumn*wide {
		wide = (admins + perColumn - 1) / perColumn
	}
	for i, c := range g.clients[named:] {
		g.rects[c] = view.Rect{X: float64(i%wide) * (clientW + 14), Y: h + float64(i/wide)*(adminH+10), W: clientW, H: adminH}
		w = max(w, g.rects[c].X+clientW)
	}
	return w, h + float64((admins+wide-1)/wide)*(adminH+10)
}

// centreClients moves the clients to their height: the named ones to the middle of
// everything as far as the administrators leave room for that.
func (g *geometry) centreClients(r *facts.Registry, height, total float64) {
	named := height
	for _, c := range g.clients {
		if r.Nodes[c].Admin() {
			named = min(named, g.rects[c].Y)
		}
	}
	for _, c := range g.clients {
		if r.Nodes[c].Admin() {
			g.rects[c].Y += total - height
		} else {
			g.rects[c].Y += min((total-named)/2, total-height)
		}
	}
}

// ring gives the extent of the ordering nodes' boxes when they stand on an ellipse.
func (g *geometry) ring(n int) view.Rect {
	var bounds view.Rect
	for _, c := range ringCentres(n) {
		bounds = bounds.Union(view.Rect{X: c.X - ordererW/2, Y: c.Y - ordererH/2, W: ordererW, H: ordererH})
	}
	return bounds
}

// ringCentres puts n boxes on an ellipse, the first one at the left, as wide as needed so
// that they keep clear of one another.
func ringCentres(n int) []view.Point {
	switch n {
	case 0:
		return nil
	case 1:
		return []view.Point{{}}
	case 2:
		return []view.Point{{Y: -72}, {Y: 72}}
	}
	centres := make([]view.Point, n)
	for rx, ry := 70.0, 108.0; ; rx, ry = rx*1.05, ry*1.05 {
		for i := range centres {
			a := math.Pi + 2*math.Pi*float64(i)/float64(n)
			centres[i] = view.Point{X: math.Round(rx * math.Cos(a)), Y: math.Round(ry * math.Sin(a))}
		}
		if apart(centres, ordererW+12, ordererH+16) {
			return centres
		}
	}
}

func apart(centres []view.Point, w, h float64) bool {
	for i, a := range centres {
		for _, b := range centres[i+1:] {
			if math.Abs(a.X-b.X) < w && math.Abs(a.Y-b.Y) < h {
				return false
			}
		}
	}
	return true
}

func (g *geometry) placeOrderers(ring view.Rect) {
	free := g.ordering.H - orderingHead - orderingFoot
	x := g.ordering.X + (g.ordering.W-ring.W)/2 - ring.X
	y := g.ordering.Y + orderingHead + (free-ring.H)/2 - ring.Y
	for i, c := range ringCentres(len(g.orderers)) {
		g.rects[g.orderers[i]] = view.Rect{X: x + c.X - ordererW/2, Y: y + c.Y - ordererH/2, W: ordererW, H: ordererH}
	}
}

// batchRect is the bar of the next block, at the foot of the ordering service.
func (g *geometry) batchRect() view.Rect {
	o := g.ordering
	return view.Rect{X: o.X + 20, Y: o.Y + o.H - 18, W: o.W - 40, H: 4}
}

// containerRect is the place of one of several chaincodes in their peer's box: they share
// its height.
func (g *geometry) containerRect(peer view.Rect, slot, docked int) view.Rect {
	switch g.form {
	case Compact:
		return view.Rect{X: peer.X + peer.W - 64, Y: peer.Y + 6, W: 58, H: peer.H - 12}
	case Grouped:
		return view.Rect{}
	}
	h := (peer.H - 10 - 6*float64(docked-1)) / float64(docked)
	return view.Rect{X: peer.X + peer.W - 161, Y: peer.Y + 5 + float64(slot)*(h+6), W: 150, H: h}
}

// measure computes the bounds, with room for the legend below.
func (g *geometry) measure() {
	var b view.Rect
	for _, c := range g.clients {
		b = b.Union(g.rects[c])
	}
	for _, o := range g.orgOrder {
		b = b.Union(g.orgs[o])
	}
	if len(g.orderers) > 0 {
		b = b.Union(g.ordering)
	}
	b.H += legendRoom
	g.bounds = b
}
