package paint

import (
	"image"
	"math"
	"math/bits"
	"slices"

	"github.com/fabriscope/fabriscope/app/view"
)

// spans turns outlines into anti-aliased coverage, row by row. It keeps exact signed areas
// of one row only and remembers which of its cells were touched, so the cost is that of
// the outline's length and of the pixels that are really painted: a thin frame around the
// whole stage costs no more than its four sides.
type spans struct {
	clip   image.Rectangle
	edges  []edge
	active []int32
	acc    []float32 // signed area per cell of the present row
	used   []uint64  // which cells of acc are not zero
	low    int       // the first and last word of used that are not 0
	high   int
	runs   []run
}

// edge is one side of an outline, from its upper end to its lower one.
type edge struct {
	x, y0, y1, slope float64
	sign             float32
}

// run is a stretch of one row with the same coverage (1 to 255).
type run struct {
	x0, x1 int
	cover  uint8
}

// far bounds coordinates: what lies further out cannot be seen, and sums stay exact.
const far = 1 << 20

// begin starts a new figure that will be seen within clip only.
func (s *spans) begin(clip image.Rectangle) {
	s.clip, s.edges = clip, s.edges[:0]
	s.low, s.high = math.MaxInt, -1
}

// line adds one side of an outline.
func (s *spans) line(a, b view.Point) {
	top, bottom := float64(s.clip.Min.Y), float64(s.clip.Max.Y)
	if a.Y == b.Y || a.Y <= top && b.Y <= top || a.Y >= bottom && b.Y >= bottom {
		return
	}
	ax, ay, bx, by := bounded(a.X), bounded(a.Y), bounded(b.X), bounded(b.Y)
	sign := float32(1)
	if ay > by {
		ax, ay, bx, by, sign = bx, by, ax, ay, -1
	}
	if ay == by {
		return
	}
	e := edge{x: ax, y0: ay, y1: by, slope: (bx - ax) / (by - ay), sign: sign}
	if by > bottom {
		e.y1 = bottom
	}
	if ay < top {
		e.x, e.y0 = ax+(top-ay)*e.slope, top
	}
	s.edges = append(s.edges, e)
}

// outline adds a closed outline.
func (s *spans) outline(points []view.Point) {
	for i := range points {
		s.line(points[i], points[(i+1)%len(points)])
	}
}

func bounded(v float64) float64 {
	switch {
	case v != v:
		return 0
	case v > far:
		return far
	case v < -far:
		return -far
	}
	return v
}

// sweep gives the figure's runs row by row. Areas that are enclosed more than once count
// once (the non-zero rule).
func (s *spans) sweep(paint func(y int, runs []run)) {
	if len(s.edges) == 0 || s.clip.Empty() {
		return
	}
	width := s.clip.Dx()
	if len(s.acc) < width+2 {
		s.acc, s.used = make([]float32, width+2), make([]uint64, (width+2+63)/64)
	}
	slices.SortFunc(s.edges, func(a, b edge) int {
		if a.y0 < b.y0 {
			return -1
		} else if a.y0 > b.y0 {
			return 1
		}
		return 0
	})
	s.active = s.active[:0]
	next := 0
	for y := int(math.Floor(s.edges[0].y0)); y < s.clip.Max.Y; y++ {
		for next < len(s.edges) && s.edges[next].y0 < float64(y+1) {
			s.active = append(s.active, int32(next))
			next++
		}
		kept := s.active[:0]
		for _, i := range s.active {
			e := &s.edges[i]
			ya, yb := e.y0, e.y1
			if top := float64(y); ya < top {
				ya = top
			}
			if bottom := float64(y + 1); yb > bottom {
				yb = bottom
			}
			if yb > ya {
				left := e.x + (ya-e.y0)*e.slope - float64(s.clip.Min.X)
				s.cross(left, left+(yb-ya)*e.slope, float32(yb-ya)*e.sign, width)
			}
			if e.y1 > float64(y+1) {
				kept = append(kept, i)
			}
		}
		s.active = kept
		if s.collect(width); len(s.runs) > 0 {
			paint(y, s.runs)
		}
		if len(s.active) == 0 {
			if next == len(s.edges) {
				return
			}
			y = max(y, int(math.Floor(s.edges[next].y0))-1)
		}
	}
}

// cross adds a piece of an edge within one row: it goes from xa to xb and covers area of
// the row's height (signed). What lies left of the clip covers the whole row, what lies
// right of it nothing.
func (s *spans) cross(xa, xb float64, area float32, width int) {
	if xa > xb {
		xa, xb = xb, xa
	}
	w := float64(width)
	if xa >= w {
		return
	}
	if xb <= 0 {
		s.add(0, area)
		return
	}
	if xa < 0 {
		part := area * float32(-xa/(xb-xa))
		s.add(0, part)
		area -= part
		xa = 0
	}
	if xb > w {
		area *= float32((w - xa) / (xb - xa))
		xb = w
	}
	first, last := int(xa), int(math.Ceil(xb))
	if last <= first+1 {
		beyond := float32((xa+xb)/2 - float64(first))
		s.add(first, area*(1-beyond))
		s.add(first+1, area*beyond)
		return
	}
	// The piece crosses several cells: the first and last are triangles, those between
	// get equal shares.
	step := float32(1 / (xb - xa))
	head := 1 - float32(xa-float64(first))
	a0 := 0.5 * step * head * head
	tail := float32(xb - float64(last) + 1)
	am := 0.5 * step * tail * tail
	s.add(first, area*a0)
	if last == first+2 {
		s.add(first+1, area*(1-a0-am))
	} else {
		a1 := step * (1.5 - float32(xa-float64(first)))
		s.add(first+1, area*(a1-a0))
		for x := first + 2; x < last-1; x++ {
			s.add(x, area*step)
		}
		a2 := a1 + float32(last-first-3)*step
		s.add(last-1, area*(1-a2-am))
	}
	s.add(last, area*am)
}

func (s *spans) add(x int, area float32) {
	s.acc[x] += area
	word := x >> 6
	s.used[word] |= 1 << (x & 63)
	if word < s.low {
		s.low = word
	}
	if word > s.high {
		s.high = word
	}
}

// collect sums the row's cells to runs and empties them.
func (s *spans) collect(width int) {
	s.runs = s.runs[:0]
	sum, from, cover := float32(0), 0, uint8(0)
	for w := s.low; w <= s.high; w++ {
		word := s.used[w]
		s.used[w] = 0
		for word != 0 {
			x := w<<6 + bits.TrailingZeros64(word)
			word &= word - 1
			sum += s.acc[x]
			s.acc[x] = 0
			now := coverage(sum)
			if now == cover {
				continue
			}
			if cover > 0 && from < min(x, width) {
				s.runs = append(s.runs, run{from + s.clip.Min.X, min(x, width) + s.clip.Min.X, cover})
			}
			from, cover = x, now
		}
	}
	s.low, s.high = len(s.used), -1
	if cover > 0 && from < width {
		s.runs = append(s.runs, run{from + s.clip.Min.X, s.clip.Max.X, cover})
	}
}

func coverage(sum float32) uint8 {
	if sum < 0 {
		sum = -sum
	}
	if sum >= 1 {
		return 255
	}
	return uint8(sum*255 + 0.5)
}
