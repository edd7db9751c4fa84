package paint

import (
	"fmt"
	"image"
	"image/color"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/chain"
)

// ValidationPainter paints the close-up of a validation; its zero value is ready.
type ValidationPainter struct{}

// Paint draws a close-up over the whole of dst.
func (p *ValidationPainter) Paint(dst *image.RGBA, v *chain.Validation, th *Theme) {
	c := NewImage(dst)
	b := dst.Bounds()
	r := view.Rect{X: float64(b.Min.X), Y: float64(b.Min.Y), W: float64(b.Dx()), H: float64(b.Dy())}
	c.Rect(r, 0, Style{Fill: th.Ground})
	DrawValidation(c, v, r.Inset(16*th.Scale), th)
}

// ValidationHeight is the height that the close-up needs at a theme's scale.
func ValidationHeight(v *chain.Validation, th *Theme) float64 {
	return (checkTop + cardHeight(v) + arcRoom + arcPitch*float64(max(1, min(len(v.Arcs), maxArcs)))) * th.Scale
}

// The close-up's layout, in pixels at scale 1.
const (
	checkTop  = 52  // where the cards begin
	checkMax  = 230 // a card's largest width where a page is full; fewer share what is left
	rangeRoom = 62  // more for a range that has changed: bracket, keys and arrow
	checkGap  = 14
	checkIn   = 12
	readPitch = 15
	arcDepth  = 32
	arcRoom   = 40
	arcPitch  = 28
	maxArcs   = 3
)

// leastShare is how much smaller than the theme's sizes the close-up may become where it has
// too little height.
const leastShare = 0.75

// DrawValidation draws the close-up of a validation into r. Few cards are wider than many.
func DrawValidation(c Canvas, v *chain.Validation, r view.Rect, th *Theme) {
	if need := ValidationHeight(v, th); need > r.H {
		th = th.Larger(max(leastShare, r.H/need))
	}
	d := checkDraw{c: c, th: th, k: th.Scale, v: v, r: r, height: cardHeight(v) * th.Scale}
	n := float64(max(1, min(v.Total, chain.PageSize)))
	d.width = min(checkMax*d.k*chain.PageSize/n, (r.W-(n-1)*checkGap*d.k)/n)
	d.head()
	for i := range v.Cards {
		if i > 0 {
			mid := d.place(i).Y + d.height/2
			c.Rect(view.Rect{X: d.place(i).X - checkGap*d.k, Y: mid - d.k, W: checkGap * d.k, H: 2 * d.k}, 0, Style{Fill: th.Line})
		}
		d.card(i)
	}
	d.stands()
	d.arcs()
}

func cardHeight(v *chain.Validation) float64 {
	lines := 1
	for i := range v.Cards {
		lines = max(lines, len(v.Cards[i].Read), len(v.Cards[i].Found))
	}
	return 122 + float64(2*lines)*readPitch + rangesRoom(v)
}

// rangesRoom is how much higher the cards are because of ranges that have changed.
func rangesRoom(v *chain.Validation) float64 {
	for i := range v.Cards {
		if v.Cards[i].Range != nil {
			return rangeRoom
		}
	}
	return 0
}

type checkDraw struct {
	c             Canvas
	th            *Theme
	k             float64
	v             *chain.Validation
	r             view.Rect
	width, height float64
}

// place is the frame of the i-th card of the page.
func (d *checkDraw) place(i int) view.Rect {
	return view.Rect{X: d.r.X + float64(i)*(d.width+checkGap*d.k), Y: d.r.Y + checkTop*d.k, W: d.width, H: d.height}
}

func (d *checkDraw) head() {
	d.c.Text(view.Point{X: d.r.X, Y: d.r.Y + 14*d.k}, d.v.Title, d.th.SansBold(13), d.th.Text)
	room := d.r.W
	if d.v.Total > chain.PageSize {
		room -= 180 * d.k
		d.pages()
	}
	d.c.Text(view.Point{X: d.r.X, Y: d.r.Y + 33*d.k}, Fit(d.v.Stage, d.th.Sans(10), room), d.th.Sans(10), d.th.Muted)
}

// pages shows where in the block the page is, and where the peer stands.
func (d *checkDraw) pages() {
	v, k := d.v, d.k
	bar := view.Rect{X: d.r.X + d.r.W - 160*k, Y: d.r.Y + 24*k, W: 160 * k, H: 6 * k}
	label := fmt.Sprintf("T%d-T%d / %d", v.First+1, v.First+len(v.Cards), v.Total)
	TextEnd(d.c, view.Point{X: bar.X + bar.W, Y: d.r.Y + 14*k}, label, d.th.Mono(10), d.th.Muted)
	d.c.Rect(bar, 3*k, Style{Fill: d.th.Sunken})
	part := func(from, to int, colour color.NRGBA) {
		x := bar.X + bar.W*float64(from)/float64(v.Total)
		w := max(3*k, bar.W*float64(to-from)/float64(v.Total))
		d.c.Rect(view.Rect{X: x, Y: bar.Y, W: w, H: bar.H}, 3*k, Style{Fill: colour})
	}
	part(v.First, v.First+len(v.Cards), d.th.Muted)
	if v.Stands >= 0 {
		part(v.Stands, v.Stands+1, d.th.Accent)
	}
}

func (d *checkDraw) card(i int) {
	card, th, k, r := &d.v.Cards[i], d.th, d.k, d.place(i)
	edge, width := th.Line, 1.2*k
	switch {
	case d.v.Stands == card.Position:
		edge, width = th.Accent, 2*k
	case card.Valid:
		edge = th.Valid
	case card.Code != "":
		edge = th.Invalid
	}
	d.c.Rect(r, 7*k, Style{Fill: th.Panel, Stroke: edge, Width: width})
	x, right := r.X+checkIn*k, r.X+r.W-checkIn*k
	w := d.c.Text(view.Point{X: x, Y: r.Y + 24*k}, card.Name, th.SansBold(16), th.Text)
	who := Fit(card.Creator, th.Sans(10), right-x-w-8*k)
	TextEnd(d.c, view.Point{X: right, Y: r.Y + 24*k}, who, th.Sans(10), th.Muted)
	y := r.Y + 44*k
	for _, line := range Wrap(card.Call, th.Sans(10), right-x, 2) {
		d.c.Text(view.Point{X: x, Y: y}, line, th.Sans(10), th.Text)
		y += 13 * k
	}
	y = r.Y + 76*k
	d.c.Text(view.Point{X: x, Y: y}, d.v.Book.L("read when simulated"), th.Sans(10), th.Muted)
	lines := (d.height/k - 122 - rangesRoom(d.v)) / readPitch / 2
	for n, line := range card.Read {
		d.c.Text(view.Point{X: x, Y: y + float64(n+1)*readPitch*k}, Fit(line, th.Mono(10), right-x), th.Mono(10), th.Class(view.Read))
	}
	if len(card.Read) == 0 {
		d.c.Text(view.Point{X: x, Y: y + readPitch*k}, "-", th.Mono(10), th.Faint)
	}
	y += (lines*readPitch + 20) * k
	d.found(card, view.Point{X: x, Y: y}, right-x)
	d.mark(card, r)
}

func (d *checkDraw) found(card *chain.CheckCard, at view.Point, room float64) {
	th, k := d.th, d.k
	d.c.Text(at, d.v.Book.L("found now"), th.Sans(10), th.Muted)
	if card.Range != nil && d.changed(card.Range, at, room) {
		return
	}
	for n, f := range card.Found {
		colour := th.Text
		if f.Stale {
			colour = th.Invalid
		}
		line := room
		if n == len(card.Found)-1 {
			line -= 22 * k // the mark stands there
		}
		d.c.Text(view.Point{X: at.X, Y: at.Y + float64(n+1)*readPitch*k}, Fit(f.Text, th.Mono(10), line), th.Mono(10), colour)
	}
	if len(card.Found) == 0 {
		text := "..."
		if card.Code != "" || len(card.Read) == 0 {
			text = "-"
		}
		d.c.Text(view.Point{X: at.X, Y: at.Y + readPitch*k}, text, th.Mono(10), th.Muted)
	}
}

// changed draws a range that has changed: a bracket over its keys and an arrow to the one that
// came in or went. It is false where there is no room for them.
func (d *checkDraw) changed(x *chain.Range, at view.Point, room float64) bool {
	th, k, f := d.th, d.k, d.th.Mono(10)
	gap, inner := 6*k, 7*k
	wide := -gap
	for i := range x.Keys {
		wide += TextWidth(x.Keys[i].Text, f) + 2*inner + gap
	}
	more := ""
	if x.More > 0 {
		more = d.v.Book.L("+{{.N}} more", x.More)
		wide += TextWidth(more, f) + gap
	}
	if wide > room {
		return false
	}
	box := view.Rect{X: at.X, Y: at.Y + 34*k, W: wide, H: 20 * k}
	top := box.Y - 6*k
	d.c.Path([]view.Point{{X: box.X, Y: top + 4*k}, {X: box.X, Y: top}, {X: box.X + wide, Y: top}, {X: box.X + wide, Y: top + 4*k}}, false,
		Style{Stroke: th.Class(view.Read), Width: 1.6 * k})
	d.c.Text(view.Point{X: box.X, Y: top - 5*k}, Fit(x.Text, f, room), f, th.Class(view.Read))
	left := box.X
	for i := range x.Keys {
		key := &x.Keys[i]
		r := view.Rect{X: left, Y: box.Y, W: TextWidth(key.Text, f) + 2*inner, H: box.H}
		edge, ink := th.Line, th.Text
		if key.New || key.Gone {
			edge, ink = th.Invalid, th.Invalid
			d.arrow(view.Point{X: r.X + r.W/2, Y: r.Y + r.H}, x.By, view.Rect{X: at.X, W: room})
		}
		d.c.Rect(r, 4*k, Style{Fill: th.Sunken, Stroke: edge, Width: 1.2 * k})
		d.c.Text(view.Point{X: r.X + inner, Y: Baseline(r.Y+r.H/2, f)}, key.Text, f, ink)
		if key.Gone {
			d.c.Rect(view.Rect{X: r.X + inner, Y: r.Y + r.H/2, W: r.W - 2*inner, H: k}, 0, Style{Fill: th.Invalid})
		}
		left += r.W + gap
	}
	d.c.Text(view.Point{X: left, Y: Baseline(box.Y+box.H/2, f)}, more, f, th.Muted)
	return true
}

// arrow points up at a key of a range, and says below who brought it or took it.
func (d *checkDraw) arrow(tip view.Point, text string, within view.Rect) {
	th, k, f := d.th, d.k, d.th.SansBold(10)
	foot := tip.Y + 17*k
	d.c.Rect(view.Rect{X: tip.X - 0.8*k, Y: tip.Y + 6*k, W: 1.6 * k, H: 11 * k}, 0, Style{Fill: th.Warn})
	d.c.Path([]view.Point{{X: tip.X, Y: tip.Y + 2*k}, {X: tip.X + 5*k, Y: tip.Y + 9*k}, {X: tip.X - 5*k, Y: tip.Y + 9*k}}, true, Style{Fill: th.Warn})
	w := TextWidth(text, f)
	x := max(within.X, min(tip.X-w/2, within.X+within.W-26*k-w)) // the mark stands at the right
	d.c.Text(view.Point{X: x, Y: foot + 11*k}, text, f, th.Warn)
}

// mark draws a tick or a cross, and the code of an invalid transaction.
func (d *checkDraw) mark(card *chain.CheckCard, r view.Rect) {
	if card.Code == "" {
		return
	}
	th, k := d.th, d.k
	at := view.Point{X: r.X + r.W - 21*k, Y: r.Y + r.H - 21*k}
	colour, icon := th.Valid, "check"
	if !card.Valid {
		colour, icon = th.Invalid, "cross"
		room := r.W - (2*checkIn+22)*k
		d.c.Text(view.Point{X: r.X + checkIn*k, Y: r.Y + r.H - 8*k}, Fit(codeWords(card.Code), th.SansBold(10), room), th.SansBold(10), th.Invalid)
	}
	d.c.Circle(at, 11*k, Style{Fill: Alpha(colour, 0.22)})
	Icon(d.c, icon, view.Rect{X: at.X - 7.5*k, Y: at.Y - 7.5*k, W: 15 * k, H: 15 * k}, colour, 2*k)
}

// stands points at the transaction that is being checked.
func (d *checkDraw) stands() {
	i := d.v.Stands - d.v.First
	if i < 0 || i >= len(d.v.Cards) {
		return
	}
	r, k := d.place(i), d.k
	x, y := r.X+r.W/2, r.Y+r.H+6*k
	d.c.Path([]view.Point{{X: x, Y: y}, {X: x + 8*k, Y: y + 9*k}, {X: x - 8*k, Y: y + 9*k}}, true, Style{Fill: d.th.Accent})
	TextMiddle(d.c, view.Point{X: x, Y: y + 24*k}, d.v.Book.L("the peer stands here"), d.th.SansBold(10), d.th.Accent)
}

// arcs draws from the cause of each conflict to its victim, the victim that is being
// checked first; what would lie upon another one goes a row lower.
func (d *checkDraw) arcs() {
	arcs := append([]chain.Arc(nil), d.v.Arcs...)
	for i, a := range arcs {
		if a.To == d.v.Stands {
			copy(arcs[1:i+1], arcs[:i])
			arcs[0] = a
		}
	}
	var rows [maxArcs][]view.Rect // what each row holds
	for _, a := range arcs[:min(len(arcs), maxArcs)] {
		from, to := d.ends(a)
		w := TextWidth(a.Text, d.th.SansBold(10)) + 20*d.k
		x := min(max((from+to)/2-w/2, d.r.X), d.r.X+d.r.W-w)
		span, row := view.Rect{X: min(x, from), W: max(x+w, to) - min(x, from)}, 0
		for row < maxArcs-1 && meets(rows[row], span, 8*d.k) {
			row++
		}
		rows[row] = append(rows[row], span)
		d.arc(from, to, row)
		d.label(a.Text, view.Rect{X: x, Y: d.place(0).Y + d.height + (arcRoom+2+float64(row)*arcPitch)*d.k, W: w, H: 22 * d.k})
	}
}

func meets(row []view.Rect, span view.Rect, gap float64) bool {
	for _, r := range row {
		if r.X < span.X+span.W+gap && span.X < r.X+r.W+gap {
			return true
		}
	}
	return false
}

// ends is where an arc leaves and arrives, from left to right.
func (d *checkDraw) ends(a chain.Arc) (from, to float64) {
	from = d.r.X - 10*d.k
	if i := a.From - d.v.First; i >= 0 {
		from = d.place(i).X + d.width/2
	}
	return from, d.place(a.To-d.v.First).X + d.width*0.14
}

// arc draws a dashed curve that leaves and arrives upright.
func (d *checkDraw) arc(from, to float64, row int) {
	bottom, depth := d.place(0).Y+d.height, (arcDepth+float64(row)*8)*d.k
	points := make([]view.Point, 0, 33)
	for i := 0; i <= 32; i++ {
		t := float64(i) / 32
		points = append(points, view.Point{X: from + (to-from)*t*t*(3-2*t), Y: bottom + 4*t*(1-t)*depth})
	}
	d.c.Path(points, false, Style{Stroke: d.th.Warn, Width: 1.6 * d.k, Dash: 3 * d.k})
}

func (d *checkDraw) label(text string, box view.Rect) {
	f := d.th.SansBold(10)
	d.c.Rect(box, 5*d.k, Style{Fill: d.th.Ground, Stroke: d.th.Warn, Width: d.k})
	d.c.Text(view.Point{X: box.X + 10*d.k, Y: Baseline(box.Y+box.H/2, f)}, text, f, d.th.Warn)
}
