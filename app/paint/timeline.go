package paint

import (
	"image"
	"image/color"
	"math"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/timeline"
)

// TimelinePainter paints the timeline panel; its zero value is ready. While only the
// playhead moves, it copies the rest from the picture before.
type TimelinePainter struct {
	still  *image.RGBA
	frame  *timeline.Frame
	layout uint64
	theme  string
	scale  float64
}

// Paint draws a frame over the whole of dst.
func (p *TimelinePainter) Paint(dst *image.RGBA, f *timeline.Frame, th *Theme) {
	if p.still == nil || p.still.Rect != dst.Rect {
		*p = TimelinePainter{still: image.NewRGBA(dst.Rect)}
	}
	if p.frame != f || p.layout != f.Layout || p.theme != th.Name || p.scale != th.Scale {
		p.frame, p.layout, p.theme, p.scale = f, f.Layout, th.Name, th.Scale
		d := newTimelineDraw(NewImage(p.still), f, th)
		d.still()
	}
	copyPicture(dst, p.still)
	d := newTimelineDraw(NewImage(dst), f, th)
	d.span()
	d.playhead()
}

// DrawTimeline draws the timeline panel on any canvas. On a picture the thousands of bars,
// columns and lines go straight to the pixels.
func DrawTimeline(c Canvas, f *timeline.Frame, th *Theme) {
	d := newTimelineDraw(c, f, th)
	d.still()
	d.span()
	d.playhead()
}

func newTimelineDraw(c Canvas, f *timeline.Frame, th *Theme) timelineDraw {
	d := timelineDraw{c: c, f: f, th: th, k: f.Scale}
	d.pic, _ = c.(*Image)
	return d
}

// still draws everything but the playhead.
func (d *timelineDraw) still() {
	c, f, th := d.c, d.f, d.th
	c.Rect(view.Rect{W: f.W, H: f.H}, 0, Style{Fill: th.Ground})
	body := view.Rect{X: f.Gutter, Y: f.Header, W: f.W - f.Gutter, H: f.H - f.Header}
	restore := c.Clip(body)
	d.bundles()
	for _, t := range f.Ticks {
		d.box(t.X, f.Header, t.X+1, f.H, th.Grid)
	}
	restore()
	d.lanes()
	restore = c.Clip(body)
	d.columns()
	d.lines(func(l *timeline.Line) bool { return l.Tone != timeline.Lit && !l.Tick })
	for i := range f.Bars {
		d.bar(&f.Bars[i])
	}
	d.lines(func(l *timeline.Line) bool { return l.Tone != timeline.Lit && l.Tick })
	d.lines(func(l *timeline.Line) bool { return l.Tone == timeline.Lit })
	for i := range f.Bars {
		d.label(&f.Bars[i])
	}
	restore()
	d.header()
	if f.Empty {
		text, font := f.Book.L("Nothing has happened yet: messages and simulations appear here as they happen."), th.Sans(13)
		TextMiddle(c, view.Point{X: f.W / 2, Y: Baseline((f.Header+f.H)/2, font)}, Fit(text, font, f.W-32*d.k), font, th.Muted)
	}
}

func (d *timelineDraw) lines(wanted func(*timeline.Line) bool) {
	for i := range d.f.Lines {
		if l := &d.f.Lines[i]; wanted(l) {
			d.line(l)
		}
	}
}

// timelineDraw draws one frame.
type timelineDraw struct {
	c   Canvas
	pic *Image // c when it is a picture
	f   *timeline.Frame
	th  *Theme
	k   float64
}

// lanes draws the names, and the thin lines between lanes.
func (d *timelineDraw) lanes() {
	f, th := d.f, d.th
	restore := d.c.Clip(view.Rect{Y: f.Header, W: f.W, H: f.H - f.Header})
	defer restore()
	for i := range f.Lanes {
		l := &f.Lanes[i]
		if l.Y+l.H < f.Header || l.Y > f.H {
			continue
		}
		font, ink, x := th.Sans(11), th.Text, 16*d.k
		if l.Indent {
			ink, x = th.Muted, 28*d.k
		}
		if l.Selected {
			d.c.Rect(view.Rect{X: 6 * d.k, Y: l.Y + 1.5*d.k, W: f.Gutter - 12*d.k, H: l.H - 3*d.k}, 4*d.k, Style{Fill: th.Selected})
			ink = th.Accent
		}
		if l.Pinned {
			d.c.Rect(view.Rect{X: 2 * d.k, Y: l.Y + 3*d.k, W: 3 * d.k, H: l.H - 6*d.k}, 1.5*d.k, Style{Fill: th.Accent})
		}
		middle := math.Min(l.Y+l.H/2, l.Y+20*d.k)
		d.c.Text(view.Point{X: x, Y: Baseline(middle, font)}, Fit(l.Name, font, f.Gutter-x-4*d.k), font, ink)
		line := th.Grid
		if l.Pinned && i+1 < len(f.Lanes) && !f.Lanes[i+1].Pinned {
			line = th.Muted
		}
		d.box(f.Gutter, l.Y+l.H-1, f.W, l.Y+l.H, line)
	}
}

// header draws the title and the ruler.
func (d *timelineDraw) header() {
	f, th := d.f, d.th
	d.box(0, 0, f.W, f.Header, th.Ground)
	x := 16 * d.k
	x += d.c.Text(view.Point{X: x, Y: 19 * d.k}, f.Book.L("Timeline"), th.SansBold(13), th.Text) + 12*d.k
	note := th.Sans(11)
	d.c.Text(view.Point{X: x, Y: 19 * d.k}, Fit(f.Book.L("each slanted line is one message"), note, f.W-x-8*d.k), note, th.Muted)
	font := th.Mono(10)
	for _, t := range f.Ticks {
		d.box(t.X, f.Header-5*d.k, t.X+1, f.Header, th.Line)
		w := TextWidth(t.Label, font)
		if left := t.X + 4*d.k; left+w < f.W {
			d.c.Text(view.Point{X: left, Y: f.Header - 4*d.k}, t.Label, font, th.Muted)
		}
	}
	d.box(f.Gutter, f.Header-1, f.W, f.Header, th.Grid)
}

// note is where the words beside the title begin and end.
func (d *timelineDraw) note() (from, to float64) {
	from = 28*d.k + TextWidth(d.f.Book.L("Timeline"), d.th.SansBold(13))
	return from, math.Min(from+TextWidth(d.f.Book.L("each slanted line is one message"), d.th.Sans(11)), d.f.W-8*d.k)
}

// playhead draws the moment's line, its marker and its time.
// span marks the part of the time that is selected.
func (d *timelineDraw) span() {
	f, ink := d.f, d.th.Accent
	from, to := math.Round(f.Span[0]), math.Round(f.Span[1])
	if to <= from {
		return
	}
	d.c.Rect(view.Rect{X: from, Y: f.Header, W: to - from, H: f.H - f.Header}, 0, Style{Fill: Alpha(ink, 0.14)})
	for _, x := range []float64{from, to - 1} {
		d.c.Rect(view.Rect{X: x, Y: f.Header - 6*d.k, W: math.Max(1, math.Round(d.k)), H: f.H - f.Header + 6*d.k}, 0, Style{Fill: ink})
	}
}

func (d *timelineDraw) playhead() {
	f, th := d.f, d.th
	if f.Playhead < f.Gutter-1 || f.Playhead > f.W {
		return
	}
	x, top := math.Round(f.Playhead), f.Header-7*d.k
	half := math.Max(1, math.Round(1.5*d.k)) / 2
	for _, t := range f.Ticks { // its marker must not lie on a label of the ruler
		if w := TextWidth(t.Label, th.Mono(10)) + 4*d.k; x > t.X-8*d.k && x < t.X+w+8*d.k {
			d.box(t.X+1, 24*d.k, t.X+w+2*d.k, f.Header-1, th.Ground)
		}
	}
	d.c.Rect(view.Rect{X: x - half, Y: top, W: 2 * half, H: f.H - top}, 0, Style{Fill: th.Text})
	d.c.Path([]view.Point{{X: x - 6*d.k, Y: top - 1*d.k}, {X: x + 6*d.k, Y: top - 1*d.k}, {X: x, Y: top + 6*d.k}}, true, Style{Fill: th.Text})
	font := th.Mono(11)
	w := TextWidth(f.Clock, font)
	left := math.Min(math.Max(x-w/2, f.Gutter), f.W-w-6*d.k)
	pill := view.Rect{X: left - 6*d.k, Y: 5 * d.k, W: w + 12*d.k, H: 19 * d.k}
	if from, to := d.note(); pill.X < to && pill.X+pill.W > from { // half a note is worse than none
		pill.W = math.Max(pill.X+pill.W, to+2*d.k) - from
		pill.X = from
	}
	d.c.Rect(pill, 4*d.k, Style{Fill: th.Ground})
	d.c.Text(view.Point{X: left, Y: 19 * d.k}, f.Clock, font, th.Text)
}

// ink gives a class's colour at a tone.
func (d *timelineDraw) ink(class view.Class, tone timeline.Tone) color.NRGBA {
	c := d.th.Class(class)
	if tone == timeline.Dim {
		return Alpha(c, 0.3)
	}
	return c
}

// bundles shades the spaces between lanes; neighbours that look the same are one. They lie
// on the bare ground, so their colours are opaque: that spares reading the pixels.
func (d *timelineDraw) bundles() {
	all := d.f.Bundles
	for i := 0; i < len(all); {
		b, n := &all[i], i+1
		for n < len(all) && all[n].Y0 == b.Y0 && all[n].X <= all[n-1].X+b.W+0.1 && all[n].Class == b.Class && all[n].Tone == b.Tone &&
			shadeOf(all[n].Share) == shadeOf(b.Share) {
			n++
		}
		ink := Alpha(d.ink(b.Class, b.Tone), 0.05+0.2*float64(shadeOf(b.Share))/shades)
		d.box(b.X, b.Y0, all[n-1].X+b.W, b.Y1, d.opaque(ink))
		i = n
	}
}

// opaque is what a colour looks like on the bare ground.
func (d *timelineDraw) opaque(c color.NRGBA) color.NRGBA {
	g := d.th.Ground
	mix := func(a, b uint8) uint8 { return uint8((int(a)*int(c.A) + int(b)*(255-int(c.A)) + 127) / 255) }
	return color.NRGBA{R: mix(c.R, g.R), G: mix(c.G, g.G), B: mix(c.B, g.B), A: 255}
}

// columns draws pixel columns by how busy they were. They hide what lies below: opaque too.
func (d *timelineDraw) columns() {
	columns := d.f.Columns
	for len(columns) > 0 {
		a, n := &columns[0], 1
		for n < len(columns) && columns[n].Y == a.Y && columns[n].H == a.H && columns[n].Class == a.Class && columns[n].Tone == a.Tone {
			n++
		}
		var inks [shades + 1]color.NRGBA
		for i := range inks {
			inks[i] = d.opaque(Alpha(d.ink(a.Class, a.Tone), 0.2+0.6*float64(i)/shades))
		}
		if d.pic != nil {
			d.pic.columns(columns[:n], inks)
		} else {
			d.merged(columns[:n], inks)
		}
		columns = columns[n:]
	}
}

// merged draws the columns of one row for a document: neighbours that look the same are one.
func (d *timelineDraw) merged(columns []timeline.Column, inks [shades + 1]color.NRGBA) {
	for i := 0; i < len(columns); {
		a, n := &columns[i], i+1
		for n < len(columns) && columns[n].X == columns[n-1].X+1 && shadeOf(columns[n].Share) == shadeOf(a.Share) {
			n++
		}
		d.box(float64(a.X), float64(a.Y), float64(columns[n-1].X+1), float64(a.Y+a.H), inks[shadeOf(a.Share)])
		i = n
	}
}

// shades is how many steps of occupancy can be told apart.
const shades = 16

func shadeOf[F float32 | float64](share F) int { return int(share*shades + 0.5) }

// bar draws a bar without its label.
func (d *timelineDraw) bar(b *timeline.Bar) {
	f := d.f
	x0, x1 := math.Max(b.X0, f.Gutter-4*d.k), math.Min(b.X1, f.W+4*d.k)
	if x1 <= x0 {
		x1 = x0 + 1
	}
	if b.Kind == facts.Down {
		d.down(b, x0, x1)
		return
	}
	ink, ground := d.ink(b.Class, b.Tone), 0.34
	switch {
	case b.Tone == timeline.Lit:
		ground = 0.42
	case b.Overlaps:
		ground = 0.08
	case b.Kind == facts.Await, b.Kind == facts.Build, b.Kind == facts.Launch:
		ground = 0.14
	}
	edge := ink
	if b.Overlaps && b.Tone != timeline.Lit { // many may lie above each other
		edge = Alpha(ink, 0.35)
	}
	if b.Failed {
		edge = d.th.Invalid
		if b.Tone == timeline.Dim || b.Overlaps && b.Tone != timeline.Lit {
			edge = Alpha(edge, 0.35)
		}
	}
	if x1-x0 < 4*d.k {
		d.box(x0, b.Y, x1, b.Y+b.H, Alpha(edge, math.Min(1, ground+0.4)))
		return
	}
	d.frame(view.Rect{X: x0, Y: b.Y, W: x1 - x0, H: b.H}, Alpha(ink, ground), edge)
	if b.Failed && x1-x0 > 14*d.k && b.X1 <= f.W && (!b.Overlaps || b.Tone == timeline.Lit) {
		d.cross(view.Point{X: x1 - b.H/2, Y: b.Y + b.H/2}, 2.5*d.k, edge)
	}
}

// down hatches the time in which a node does not run.
func (d *timelineDraw) down(b *timeline.Bar, x0, x1 float64) {
	tone := 0.5
	if b.Tone == timeline.Dim {
		tone = 0.2
	}
	d.box(x0, b.Y, x1, b.Y+b.H, Alpha(d.th.Sunken, tone))
	step, ink := math.Round(8*d.k), Alpha(d.th.Faint, tone*0.7)
	if d.pic != nil {
		d.pic.hatch(pixel(x0), pixel(b.Y), pixel(x1), pixel(b.Y+b.H), int(step), ink)
		return
	}
	restore := d.c.Clip(view.Rect{X: math.Max(x0, d.f.Gutter), Y: math.Max(b.Y, d.f.Header), W: x1 - math.Max(x0, d.f.Gutter), H: b.H - math.Max(0, d.f.Header-b.Y)})
	for x := math.Floor((x0-b.H)/step) * step; x < x1; x += step {
		d.slant(view.Point{X: x, Y: b.Y + b.H}, view.Point{X: x + b.H, Y: b.Y}, d.k, ink)
	}
	restore()
}

// label writes in a bar, clipped to it.
func (d *timelineDraw) label(b *timeline.Bar) {
	if b.Label == "" {
		return
	}
	f := d.f
	font := d.th.Mono(10)
	if b.H < 12*d.k {
		font.Size = 8.5 * d.k
	}
	left, right := math.Max(b.X0, f.Gutter)+5*d.k, math.Min(b.X1, f.W)-3*d.k
	if b.Failed {
		right -= b.H / 2
	}
	ink := d.th.Text
	if b.Kind == facts.Down {
		ink = d.th.Muted
	}
	if b.Tone == timeline.Dim {
		ink = Alpha(ink, 0.45)
	}
	text := b.Label
	if TextWidth(text, font) > right-left { // rather its first word alone than an ellipsis
		if text, _, _ = strings.Cut(text, " "); b.Kind == facts.Down || TextWidth(text, font) > right-left {
			return
		}
	}
	d.c.Text(view.Point{X: left, Y: Baseline(b.Y+b.H/2, font)}, text, font, ink)
}

// line draws a message.
func (d *timelineDraw) line(l *timeline.Line) {
	width, ink := 1.2, d.ink(l.Class, l.Tone)
	switch {
	case l.Tone == timeline.Lit:
		width = 1.8
	case l.Tone == timeline.Dim: // many of them may lie above each other
		ink = Alpha(ink, 0.5)
	case l.Tone == timeline.Normal && !l.Tick:
		ink = Alpha(ink, 0.85)
	}
	a, b := view.Point{X: l.X0, Y: l.Y0}, view.Point{X: l.X1, Y: l.Y1}
	d.slant(a, b, width*d.k, ink)
	if l.Lost {
		d.cross(b, 3*d.k, d.th.Invalid)
	} else if l.Held {
		d.c.Circle(b, 3*d.k, Style{Fill: d.th.Ground, Stroke: d.th.Warn, Width: 1.5 * d.k})
	}
}

func (d *timelineDraw) cross(p view.Point, r float64, ink color.NRGBA) {
	d.slant(view.Point{X: p.X - r, Y: p.Y - r}, view.Point{X: p.X + r, Y: p.Y + r}, 1.4*d.k, ink)
	d.slant(view.Point{X: p.X - r, Y: p.Y + r}, view.Point{X: p.X + r, Y: p.Y - r}, 1.4*d.k, ink)
}

// box fills a rectangle with sides on whole pixels.
func (d *timelineDraw) box(x0, y0, x1, y1 float64, ink color.NRGBA) {
	if d.pic != nil {
		d.pic.flat(pixel(x0), pixel(y0), max(pixel(x1), pixel(x0)+1), pixel(y1), ink)
		return
	}
	x0, y0 = math.Round(x0), math.Round(y0)
	d.c.Rect(view.Rect{X: x0, Y: y0, W: math.Max(1, math.Round(x1)-x0), H: math.Round(y1) - y0}, 0, Style{Fill: ink})
}

// frame fills a bar and draws its edge.
func (d *timelineDraw) frame(r view.Rect, ground, edge color.NRGBA) {
	width := math.Max(1, math.Round(d.k))
	if d.pic != nil {
		d.pic.framed(pixel(r.X), pixel(r.Y), pixel(r.X+r.W), pixel(r.Y+r.H), int(width), ground, edge)
		return
	}
	x0, y0, x1, y1 := math.Round(r.X), math.Round(r.Y), math.Round(r.X+r.W), math.Round(r.Y+r.H)
	d.c.Rect(view.Rect{X: x0 + width/2, Y: y0 + width/2, W: x1 - x0 - width, H: y1 - y0 - width}, 1.5*d.k, Style{Fill: ground, Stroke: edge, Width: width})
}

// slant draws a line.
func (d *timelineDraw) slant(a, b view.Point, width float64, ink color.NRGBA) {
	if d.pic != nil {
		d.pic.slant(a, b, width, ink)
		return
	}
	d.c.Path([]view.Point{a, b}, false, Style{Stroke: ink, Width: width})
}
