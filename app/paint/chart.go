package paint

import (
	"cmp"
	"image"
	"image/color"
	"math"
	"strconv"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/words"
)

// ChartPainter paints the charts; its zero value is ready.
type ChartPainter struct{}

// Paint draws the charts over the whole of dst.
func (ChartPainter) Paint(dst *image.RGBA, s *meter.Series, th *Theme, book *words.Book) {
	c := NewImage(dst)
	r := view.Rect{X: float64(dst.Rect.Min.X), Y: float64(dst.Rect.Min.Y), W: float64(dst.Rect.Dx()), H: float64(dst.Rect.Dy())}
	c.Rect(r, 0, Style{Fill: th.Ground})
	DrawCharts(c, s, r, th, book)
}

// DrawCharts draws throughput, latency percentiles and the share of each validation code,
// below each other or, where there is more width than height, beside each other.
func DrawCharts(c Canvas, s *meter.Series, r view.Rect, th *Theme, book *words.Book) {
	defer c.Clip(r)()
	charts := []func(d chartDraw){chartDraw.throughput, chartDraw.latency, chartDraw.codes}
	gap := 16 * th.Scale
	for i, draw := range charts {
		n, k := float64(len(charts)), float64(i)
		part := view.Rect{X: r.X + gap, W: r.W - 2*gap, H: (r.H - (n+1)*gap) / n}
		part.Y = r.Y + gap + k*(part.H+gap)
		if r.W > 2*r.H {
			part = view.Rect{Y: r.Y + gap, H: r.H - 2*gap, W: (r.W - (n+1)*gap) / n}
			part.X = r.X + gap + k*(part.W+gap)
		}
		if part.W > 40*th.Scale && part.H > 40*th.Scale {
			draw(chartDraw{c: c, s: s, th: th, k: th.Scale, r: part, book: book})
		}
	}
}

// chartDraw draws one chart into r.
type chartDraw struct {
	c    Canvas
	s    *meter.Series
	th   *Theme
	k    float64
	r    view.Rect
	plot view.Rect
	book *words.Book
}

// axis is what stands around a plot.
type axis struct {
	title  string
	value  string  // beside the title
	legend float64 // room for it below the title
	top    float64 // the value at the upper end
	label  func(v float64) string
}

// axes draws what stands around the plot and the grid, and makes room for the plot. It
// tells whether there is anything to plot.
func (d *chartDraw) axes(a axis) bool {
	th, k, label, legend, value := d.th, d.k, a.label, a.legend, a.value
	bold, small, mono := th.SansBold(13), th.Sans(11), th.Mono(10)
	valueWidth := TextWidth(value, small)
	d.c.Text(view.Point{X: d.r.X, Y: d.r.Y + 12*k}, Fit(a.title, bold, d.r.W-valueWidth-8*k), bold, th.Text)
	TextEnd(d.c, view.Point{X: d.r.X + d.r.W, Y: d.r.Y + 12*k}, value, small, th.Muted)
	gutter := math.Max(TextWidth(label(a.top), mono), TextWidth(label(a.top/2), mono)) + 6*k
	d.plot = view.Rect{X: d.r.X + gutter, Y: d.r.Y + 24*k + legend, W: d.r.W - gutter, H: d.r.H - 24*k - legend - 16*k}
	if d.plot.H < 16*k {
		return false
	}
	for i := range 3 {
		y := math.Round(d.plot.Y + d.plot.H*float64(i)/2)
		if i != 1 || d.s.Judged > 0 {
			d.c.Rect(view.Rect{X: d.plot.X, Y: y, W: d.plot.W, H: 1}, 0, Style{Fill: th.Line})
		}
		text := label(a.top * float64(2-i) / 2)
		TextEnd(d.c, view.Point{X: d.plot.X - 5*k, Y: Baseline(y, mono)}, text, mono, th.Muted)
	}
	if d.s.Judged == 0 {
		text := Fit(d.book.L("No transaction in this time"), small, d.plot.W)
		TextMiddle(d.c, view.Point{X: d.plot.X + d.plot.W/2, Y: Baseline(d.plot.Y+d.plot.H/2, small)}, text, small, th.Muted)
		return false
	}
	y := d.plot.Y + d.plot.H + 13*k
	d.c.Text(view.Point{X: d.plot.X, Y: y}, "-"+ago(time.Duration(len(d.s.Throughput))*cmp.Or(d.s.Step, time.Second)), mono, th.Muted)
	TextEnd(d.c, view.Point{X: d.plot.X + d.plot.W, Y: y}, d.book.L("now"), mono, th.Muted)
	return true
}

// ago writes a time span.
func ago(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.Itoa(int(d/time.Millisecond)) + " ms"
	case d < 5*time.Second && d%time.Second != 0:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s"
	}
	return strconv.Itoa(int(d/time.Minute)) + " min"
}

// throughput draws the transactions of every second.
func (d chartDraw) throughput() {
	unit := d.book.L("tx/s")
	top := nice(d.s.Peak)
	value := d.book.L("mean") + " " + amount(d.s.Mean) + " " + unit
	if !d.axes(axis{title: d.book.L("Throughput") + ", " + unit, value: value, top: top, label: amount}) {
		return
	}
	points := d.points(thinned(d.s.Throughput, d.most(), mean), top)
	if len(points) == 0 {
		return
	}
	bottom := d.plot.Y + d.plot.H
	area := append([]view.Point{{X: points[0].X, Y: bottom}}, points...)
	area = append(area, view.Point{X: points[len(points)-1].X, Y: bottom})
	d.c.Path(area, true, Style{Fill: Alpha(d.th.Accent, 0.18)})
	d.c.Path(points, false, Style{Stroke: d.th.Accent, Width: 1.6 * d.k})
}

// latency draws three percentiles, told apart by dashes and words as well as by colour.
func (d chartDraw) latency() {
	top := 0.0
	for _, v := range d.s.P99 {
		if !math.IsNaN(v) {
			top = math.Max(top, v)
		}
	}
	top = nice(top)
	legend := 14 * d.k
	unit, scale := "ms", 1.0
	if top >= 2000 {
		unit, scale = "s", 1000
	}
	label := func(v float64) string { return amount(v / scale) }
	if !d.axes(axis{title: d.book.L("Latency") + ", " + unit, legend: legend, top: top, label: label}) {
		return
	}
	x := d.r.X
	for _, line := range []struct {
		name   string
		values []float64
		all    float64
		style  Style
	}{
		{"p99", d.s.P99, d.s.All99, Style{Stroke: d.th.Class(view.Write), Width: 1.3 * d.k, Dash: 2 * d.k}},
		{"p95", d.s.P95, d.s.All95, Style{Stroke: d.th.Class(view.Raft), Width: 1.4 * d.k, Dash: 5 * d.k}},
		{"p50", d.s.P50, d.s.All50, Style{Stroke: d.th.Accent, Width: 1.8 * d.k}},
	} {
		values := thinned(line.values, d.most(), highest)
		d.broken(values, top, line.style)
		font, y := d.th.Sans(11), d.r.Y+26*d.k
		text := line.name + " " + duration(line.all)
		if x+20*d.k+TextWidth(text, font) > d.r.X+d.r.W {
			continue
		}
		d.c.Path([]view.Point{{X: x, Y: y - 4*d.k}, {X: x + 14*d.k, Y: y - 4*d.k}}, false, line.style)
		x += 18*d.k + d.c.Text(view.Point{X: x + 18*d.k, Y: y}, text, font, d.th.Text) + 12*d.k
	}
}

// broken draws a line with gaps where there is no value; a value between gaps is a dot.
func (d *chartDraw) broken(values []float64, top float64, s Style) {
	var part []view.Point
	flush := func() {
		switch len(part) {
		case 0:
		case 1:
			d.c.Circle(part[0], 1.6*d.k, Style{Fill: s.Stroke})
		default:
			d.c.Path(part, false, s)
		}
		part = part[:0]
	}
	for i, v := range values {
		if math.IsNaN(v) {
			flush()
			continue
		}
		part = append(part, d.point(i, len(values), v, top))
	}
	flush()
}

// codes draws how the verdicts of every second are shared out, and the legend in words.
func (d chartDraw) codes() {
	font := d.th.Mono(10)
	lines := min(len(d.s.Codes), max(1, int((d.r.H-24*d.k-50*d.k)/(13*d.k))))
	percent := func(v float64) string { return amount(v) + "%" }
	if !d.axes(axis{title: d.book.L("Validation codes"), value: amount(float64(d.s.Judged)) + " tx", legend: float64(lines) * 13 * d.k, top: 100, label: percent}) {
		return
	}
	seconds := len(d.s.Throughput)
	group := max(1, (seconds+d.most()-1)/d.most())
	for from := 0; from < seconds; from += group {
		d.stack(from, min(from+group, seconds), seconds)
	}
	for i, code := range d.s.Codes[:lines] {
		y := d.r.Y + 17*d.k + float64(i+1)*13*d.k - 4*d.k
		box := view.Rect{X: d.r.X, Y: y - 8*d.k, W: 9 * d.k, H: 9 * d.k}
		d.c.Rect(box, 2*d.k, Style{Fill: d.codeInk(i)})
		text, share := code.Name, amount(100*float64(code.Total)/float64(d.s.Judged))+"%"
		if i == lines-1 && lines < len(d.s.Codes) {
			text += ", ..."
		}
		TextEnd(d.c, view.Point{X: d.r.X + d.r.W, Y: y}, share, font, d.th.Text)
		room := d.r.W - 20*d.k - TextWidth(share, font)
		d.c.Text(view.Point{X: d.r.X + 14*d.k, Y: y}, Fit(text, font, room), font, d.th.Text)
	}
}

// stack draws the shares of some seconds, the first code at the bottom. A thin gap lies
// between two codes.
func (d *chartDraw) stack(from, to, seconds int) {
	total := 0
	for _, code := range d.s.Codes {
		for _, n := range code.N[from:to] {
			total += n
		}
	}
	if total == 0 {
		return
	}
	x0 := math.Round(d.plot.X + d.plot.W*float64(from)/float64(seconds))
	x1 := math.Round(d.plot.X + d.plot.W*float64(to)/float64(seconds))
	if x1-x0 > 4*d.k {
		x1 -= d.k
	}
	y := d.plot.Y + d.plot.H
	for i, code := range d.s.Codes {
		n := 0
		for _, v := range code.N[from:to] {
			n += v
		}
		h := d.plot.H * float64(n) / float64(total)
		if n > 0 {
			gap := math.Min(h/2, d.k)
			d.c.Rect(view.Rect{X: x0, Y: y - h, W: math.Max(1, x1-x0), H: h - gap}, 0, Style{Fill: d.codeInk(i)})
		}
		y -= h
	}
}

// codeInk gives the i-th code's colour: valid ones green, read conflicts red, others in turn.
func (d *chartDraw) codeInk(i int) color.NRGBA {
	th := d.th
	switch code := d.s.Codes[i].Code; code {
	case facts.Valid:
		return th.Valid
	case facts.Stale:
		return th.Invalid
	case facts.Phantom:
		return th.Class(view.Write)
	case facts.Unsatisfied:
		return th.Class(view.Raft)
	}
	return []color.NRGBA{th.Class(view.Block), th.Class(view.Read), th.Class(view.Endorsement), th.Muted}[i%4]
}

// most is how many values the plot's width can show.
func (d *chartDraw) most() int { return max(2, int(d.plot.W/(2*d.k))) }

func (d *chartDraw) points(values []float64, top float64) []view.Point {
	points := make([]view.Point, len(values))
	for i, v := range values {
		points[i] = d.point(i, len(values), v, top)
	}
	return points
}

func (d *chartDraw) point(i, n int, v, top float64) view.Point {
	return view.Point{X: d.plot.X + d.plot.W*(float64(i)+0.5)/float64(n), Y: d.plot.Y + d.plot.H*(1-v/top)}
}

// thinned joins neighbouring values until there are at most so many.
func thinned(values []float64, most int, join func([]float64) float64) []float64 {
	group := (len(values) + most - 1) / most
	if group <= 1 {
		return values
	}
	out := make([]float64, 0, most)
	for i := 0; i < len(values); i += group {
		out = append(out, join(values[i:min(i+group, len(values))]))
	}
	return out
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// highest is the largest value, NaN when there is none.
func highest(values []float64) float64 {
	most := math.NaN()
	for _, v := range values {
		if !math.IsNaN(v) && !(most >= v) {
			most = v
		}
	}
	return most
}

// nice is the end of an axis that shows v: 1, 2, 4, 5 or 10 times a power of ten.
func nice(v float64) float64 {
	if !(v > 0) {
		return 10
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 2, 4, 5} {
		if k*power >= v {
			return k * power
		}
	}
	return 10 * power
}

// amount writes a number shortly, thousands apart.
func amount(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 10 && v != math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return view.Thousands(uint64(math.Round(v)))
}

// duration writes milliseconds.
func duration(ms float64) string {
	if math.IsNaN(ms) {
		return "-"
	}
	d := time.Duration(ms * 1e6)
	switch {
	case ms >= 1000:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case ms >= 10:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
}
