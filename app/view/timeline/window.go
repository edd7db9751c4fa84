package timeline

import (
	"math"
	"strconv"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
)

// The narrowest and widest window, in nanoseconds.
const (
	minSpan = int64(1_000)
	maxSpan = int64(24 * time.Hour)
)

// Window is the part of the trace that is shown: [From, To) in nanoseconds since 1970, and
// how far the lanes are scrolled, in pixels.
type Window struct {
	From, To int64
	Scroll   float64
}

// Span is the window's width in nanoseconds.
func (w Window) Span() int64 { return w.To - w.From }

// Zoom shows factor times less time around a place: 0 is the left edge, 1 the right one.
func (w Window) Zoom(factor, atShare float64) Window {
	if factor <= 0 {
		return w
	}
	span := min(max(int64(float64(w.Span())/factor), minSpan), maxSpan)
	at := w.From + int64(float64(w.Span())*atShare)
	w.From = at - int64(float64(span)*atShare)
	w.To = w.From + span
	return w
}

// Pan moves the window by a share of its width: 1 shows what comes next.
func (w Window) Pan(share float64) Window {
	by := int64(float64(w.Span()) * share)
	w.From, w.To = w.From+by, w.To+by
	return w
}

// Around shows span nanoseconds with at in the middle.
func (w Window) Around(at, span int64) Window {
	span = min(max(span, minSpan), maxSpan)
	w.From = at - span/2
	w.To = w.From + span
	return w
}

// Reveal moves the window as little as needed so that at is inside, a tenth from its edges.
func (w Window) Reveal(at int64) Window {
	margin := w.Span() / 10
	by := int64(0)
	if at < w.From+margin {
		by = at - w.From - margin
	} else if at > w.To-margin {
		by = at - w.To + margin
	}
	w.From, w.To = w.From+by, w.To+by
	return w
}

// Clamp keeps the window on what the index remembers: at least a tenth of it stays on the
// trace, and it is at most a little wider than all of it.
func (x *Index) Clamp(w Window) Window {
	first, last, ok := x.Bounds()
	if !ok {
		return w
	}
	most := max((last-first)*5/4, 10*minSpan)
	if span := w.Span(); span > most {
		at := w.From + span/2
		w = w.Around(at, most)
	} else if span < minSpan {
		w = w.Around(w.From, minSpan)
	}
	tenth := w.Span() / 10
	by := int64(0)
	if w.To < first+tenth {
		by = first + tenth - w.To
	} else if w.From > last-tenth {
		by = last - tenth - w.From
	}
	w.From, w.To = w.From+by, w.To+by
	w.Scroll = max(0, w.Scroll)
	return w
}

// Fit shows all that the index remembers.
func (x *Index) Fit() Window {
	first, last, ok := x.Bounds()
	if !ok {
		return Window{From: 0, To: int64(time.Second)}
	}
	span := max(last-first, minSpan)
	return Window{From: first - span/50 - 1, To: last + span/50 + 1}
}

// FollowAt shows span nanoseconds that end shortly after at: a window that runs along with
// a playhead. Before the trace's beginning there is nothing to see, so a young trace fills
// it from the left.
func (x *Index) FollowAt(at, span int64) Window {
	span = min(max(span, minSpan), maxSpan)
	to := max(at+span/20, x.Origin()+span-span/20)
	return Window{From: to - span, To: to}
}

// OfTx shows the whole way of a transaction; ok is false when it is not remembered.
func (x *Index) OfTx(txID string) (w Window, ok bool) {
	m := x.world.Messages()
	tx := m.Tx(m.Find(txID))
	if tx == nil {
		return Window{}, false
	}
	span := max(tx.Last-tx.First, minSpan)
	return Window{From: tx.First - span/10, To: tx.Last + span/10}, true
}

// Tick is one line of the ruler.
type Tick struct {
	X     float64
	Label string // time since the trace's first event
}

// ticks lays out the ruler: steps of 1, 2 or 5 times a power of ten, at least room apart.
func ticks(w Window, origin int64, x0, width, room float64, into []Tick) []Tick {
	span := w.Span()
	if span <= 0 || width <= 0 {
		return into
	}
	step := niceStep(float64(span) * room / width)
	first := floorTo(w.From-origin, step)
	if first < w.From-origin {
		first += step
	}
	for t := first; t < w.To-origin; t += step {
		x := x0 + float64(t+origin-w.From)/float64(span)*width
		into = append(into, Tick{X: x, Label: stamp(t, step)})
	}
	return into
}

func floorTo(v, step int64) int64 {
	f := v - v%step
	if f > v {
		f -= step
	}
	return f
}

func niceStep(least float64) int64 {
	power := math.Pow(10, math.Floor(math.Log10(math.Max(least, 1))))
	for _, k := range []float64{1, 2, 5, 10} {
		if k*power >= least {
			return int64(k * power)
		}
	}
	return int64(10 * power)
}

// stamp writes a time since the beginning with as many decimals as the step needs. Below
// a millisecond steps the seconds stay in front, so neighbouring labels can be told apart.
func stamp(t, step int64) string {
	decimals := 0
	for s := step; s < int64(time.Second) && decimals < 9; s *= 10 {
		decimals++
	}
	return strconv.FormatFloat(float64(t)/1e9, 'f', decimals, 64) + " s"
}

// clockLabel is the playhead's time, to a thousandth of what the window shows.
func clockLabel(at view.Moment, origin, span int64) string {
	return stamp(at.Time-origin, min(max(span/500, 1), int64(time.Millisecond)))
}
