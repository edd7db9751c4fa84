package paint

import (
	"encoding/binary"
	"image"
	"image/color"
	"math"
	"sort"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/assets"
)

// TextWidth is the width of one line in pixels.
func TextWidth(text string, f Font) float64 { return letters().width(text, f) }

// Covers tells whether one face has every letter of a text.
func Covers(text string, f Font) bool { return letters().covers(text, f) }

// Fit is text if it is no wider than width, and otherwise its beginning with an ellipsis
// ("" if not even that has room).
func Fit(text string, f Font, width float64) string { return letters().fit(text, f, width) }

// Wrap breaks text into lines no wider than width, at spaces where there are any. It
// gives at most most lines (0: no limit); the last one then ends with an ellipsis.
func Wrap(text string, f Font, width float64, most int) []string {
	lines := Break(text, width, func(s string) float64 { return TextWidth(s, f) })
	if most > 0 && len(lines) > most {
		rest := strings.Join(lines[most-1:], " ")
		lines = append(lines[:most-1], Fit(rest, f, width))
	}
	return lines
}

// Break is Wrap for letters that somebody else measures.
func Break(text string, width float64, measure func(string) float64) []string {
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			joined := word
			if line != "" {
				joined = line + " " + word
			}
			if measure(joined) <= width {
				line = joined
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			for line = word; measure(line) > width; { // one word that is wider than the line
				n := Fitting(line, width, measure)
				if n == len(line) {
					break
				}
				lines, line = append(lines, line[:n]), line[n:]
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// Fitting is how many bytes of a text fit into width, at least one rune.
func Fitting(text string, width float64, measure func(string) float64) int {
	ends := make([]int, 0, len(text))
	for i := range text {
		if i > 0 {
			ends = append(ends, i)
		}
	}
	ends = append(ends, len(text))
	return ends[max(0, sort.Search(len(ends), func(i int) bool { return measure(text[:ends[i]]) > width })-1)]
}

// TextEnd writes a line that ends at p.
func TextEnd(c Canvas, p view.Point, text string, f Font, colour color.NRGBA) {
	c.Text(view.Point{X: p.X - TextWidth(text, f), Y: p.Y}, text, f, colour)
}

// TextMiddle writes a line whose middle is at p (its baseline at p.Y).
func TextMiddle(c Canvas, p view.Point, text string, f Font, colour color.NRGBA) {
	c.Text(view.Point{X: p.X - TextWidth(text, f)/2, Y: p.Y}, text, f, colour)
}

// Baseline is where a line's baseline lies if its capitals are to stand in the middle of y.
func Baseline(y float64, f Font) float64 { return y + 0.365*f.Size }

// The four faces, in the order of Font's two questions.
const faces = 4

func (f Font) face() int {
	n := 0
	if f.Mono {
		n = 2
	}
	if f.Bold {
		n++
	}
	return n
}

// letters are the embedded faces with the shapes of the letters drawn so far. The shapes
// are a memory of a pure function (face, size, letter to picture): bounded, guarded, and
// without an effect on what is drawn.
var letters = sync.OnceValue(newTypecase)

// typecase holds the faces. All methods may be called from several goroutines.
type typecase struct {
	mu     sync.Mutex
	fonts  [faces]*sfnt.Font
	ascii  [faces][128]letter // of runes; an advance of 0 is one not yet looked up
	runes  [faces]map[rune]letter
	kerns  map[pair]float32
	sizes  map[sized]*masks
	bytes  int // of all masks
	buffer sfnt.Buffer
	spans  spans
}

// letter is what a rune is written with.
type letter struct {
	face    uint8
	none    bool // nothing is written
	odd     bool // the sign for an unknown character
	glyph   sfnt.GlyphIndex
	advance float32 // in ems
}

type pair struct {
	face uint8
	a, b sfnt.GlyphIndex
}

// sized is a face at a size in quarters of a pixel.
type sized struct {
	face     uint8
	quarters uint16
}

// masks are the letters of one face and size, each at four places between two pixels.
type masks struct {
	low  [256][4]*mask // by glyph, which is where Latin letters mostly are
	rest map[uint32]*mask
}

// mask is the coverage of one letter, placed relative to the pen.
type mask struct {
	rect image.Rectangle
	pix  []uint8
}

// Bounds on the memory of shapes.
const (
	mostMaskBytes = 8 << 20
	mostRunes     = 20000
	mostKerns     = 50000
	largestFont   = 400 // pixels
)

func newTypecase() *typecase {
	t := &typecase{kerns: map[pair]float32{}, sizes: map[sized]*masks{}}
	for i, data := range [faces][]byte{assets.FontSans(), assets.FontSansBold(), assets.FontMono(), assets.FontMonoBold()} {
		f, err := sfnt.Parse(data)
		if err != nil {
			panic("paint: an embedded font is damaged: " + err.Error())
		}
		t.fonts[i], t.runes[i] = f, map[rune]letter{}
	}
	return t
}

func size(f Font) float64 {
	if !(f.Size > 0) {
		return 0
	}
	return math.Round(math.Min(f.Size, largestFont)*4) / 4
}

func (t *typecase) width(text string, f Font) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	pen := pen{t: t, f: f, size: size(f)}
	for _, r := range text {
		pen.next(r)
	}
	return pen.x
}

func (t *typecase) covers(text string, f Font) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range text {
		if l := t.letter(r, f.face()); l.none || int(l.face) != f.face() || l.odd {
			return false
		}
	}
	return true
}

func (t *typecase) fit(text string, f Font, width float64) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	pen := pen{t: t, f: f, size: size(f)}
	dots := float64(t.letter('…', f.face()).advance) * pen.size
	cut := -1 // where the ellipsis still has room
	for i, r := range text {
		if pen.x+dots <= width {
			cut = i
		}
		if pen.next(r); pen.x > width {
			if cut < 0 {
				return ""
			}
			return strings.TrimRight(text[:cut], " ") + "…"
		}
	}
	return text
}

// pen walks over a line.
type pen struct {
	t    *typecase
	f    Font
	size float64
	x    float64
	last letter
}

// next moves over one rune and tells where and with what it is written.
func (p *pen) next(r rune) (x float64, l letter) {
	l = p.t.letter(r, p.f.face())
	if l.none {
		return p.x, l
	}
	if p.last.advance > 0 && p.last.face == l.face && l.face < 2 {
		p.x += float64(p.t.kern(l.face, p.last.glyph, l.glyph)) * p.size
	}
	x = p.x
	p.x += float64(l.advance) * p.size
	p.last = l
	return x, l
}

// letter finds what a rune is written with: the face itself, its sister (Inter has more
// signs, JetBrains Mono more boxes), or the sign for an unknown character.
func (t *typecase) letter(r rune, face int) letter {
	if r >= 0 && r < 128 {
		l := &t.ascii[face][r]
		if l.advance == 0 {
			*l = t.find(r, face)
		}
		return *l
	}
	if l, ok := t.runes[face][r]; ok {
		return l
	}
	l := t.find(r, face)
	if len(t.runes[face]) > mostRunes {
		clear(t.runes[face])
	}
	t.runes[face][r] = l
	return l
}

func (t *typecase) find(r rune, face int) letter {
	switch {
	case r == '\n' || r == '\t' || r == '\r' || unicode.Is(unicode.Zs, r):
		r = ' '
	case unseen(r):
		return letter{none: true}
	}
	for i, r := range []rune{r, '\ufffd', '?'} {
		for _, f := range []int{face, face ^ 2} {
			g, err := t.fonts[f].GlyphIndex(&t.buffer, r)
			if err != nil || g == 0 {
				continue
			}
			em := t.fonts[f].UnitsPerEm()
			a, err := t.fonts[f].GlyphAdvance(&t.buffer, g, fixed.I(int(em)), font.HintingNone)
			if err == nil {
				return letter{face: uint8(f), odd: i > 0, glyph: g, advance: float32(a) / 64 / float32(em)}
			}
		}
	}
	return letter{none: true}
}

// unseen tells whether nothing is written for a character. Among these are the ones that
// turn the direction of writing: letters always stand in the order of the text.
func unseen(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

func (t *typecase) kern(face uint8, a, b sfnt.GlyphIndex) float32 {
	key := pair{face, a, b}
	if k, ok := t.kerns[key]; ok {
		return k
	}
	em := t.fonts[face].UnitsPerEm()
	k, err := t.fonts[face].Kern(&t.buffer, a, b, fixed.I(int(em)), font.HintingNone)
	if err != nil {
		k = 0
	}
	if len(t.kerns) > mostKerns {
		clear(t.kerns)
	}
	t.kerns[key] = float32(k) / 64 / float32(em)
	return t.kerns[key]
}

func (t *typecase) draw(m *Image, at view.Point, text string, f Font, ink color.RGBA) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	pen := pen{t: t, f: f, size: size(f)}
	x0, y := bounded(at.X), pixel(at.Y)
	out := ink.A == 0 || y+int(pen.size)+2 < m.clip.Min.Y || y-int(2*pen.size)-2 > m.clip.Max.Y
	for _, r := range text {
		x, l := pen.next(r)
		if x += x0; l.none || out || x > float64(m.clip.Max.X) || x+2*pen.size < float64(m.clip.Min.X) {
			continue
		}
		quarter := int(math.Floor(x*4 + 0.5))
		k := t.mask(l, pen.size, quarter&3)
		k.stamp(m, quarter>>2, y, ink)
	}
	return pen.x
}

// mask gives a letter's shape at a quarter of a pixel, drawing it the first time.
func (t *typecase) mask(l letter, size float64, quarter int) *mask {
	key := sized{l.face, uint16(size * 4)}
	s := t.sizes[key]
	if s == nil {
		s = &masks{rest: map[uint32]*mask{}}
		t.sizes[key] = s
		t.bytes += len(s.low) * 4 * 8
	}
	var k *mask
	low := int(l.glyph) < len(s.low)
	if low {
		k = s.low[l.glyph][quarter]
	} else {
		k = s.rest[uint32(l.glyph)<<2|uint32(quarter)]
	}
	if k != nil {
		return k
	}
	k = t.shape(l, size, float64(quarter)/4)
	if t.bytes += len(k.pix) + 64; t.bytes > mostMaskBytes {
		clear(t.sizes)
		t.bytes = 0
		return k
	}
	if low {
		s.low[l.glyph][quarter] = k
	} else {
		s.rest[uint32(l.glyph)<<2|uint32(quarter)] = k
	}
	return k
}

// shape draws one letter.
func (t *typecase) shape(l letter, size, shift float64) *mask {
	segments, err := t.fonts[l.face].LoadGlyph(&t.buffer, l.glyph, fixed.Int26_6(size*64), nil)
	if err != nil || len(segments) == 0 {
		return &mask{}
	}
	b := segments.Bounds()
	k := &mask{rect: image.Rect(b.Min.X.Floor(), b.Min.Y.Floor(), b.Max.X.Ceil()+1, b.Max.Y.Ceil())}
	k.pix = make([]uint8, k.rect.Dx()*k.rect.Dy())
	t.spans.begin(k.rect)
	at := func(p fixed.Point26_6) view.Point {
		return view.Point{X: float64(p.X)/64 + shift, Y: float64(p.Y) / 64}
	}
	var start, here view.Point
	for _, s := range segments {
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			t.spans.line(here, start)
			start, here = at(s.Args[0]), at(s.Args[0])
		case sfnt.SegmentOpLineTo:
			t.spans.line(here, at(s.Args[0]))
			here = at(s.Args[0])
		case sfnt.SegmentOpQuadTo:
			here = t.spans.curve(here, between(here, at(s.Args[0]), 2.0/3), between(at(s.Args[1]), at(s.Args[0]), 2.0/3), at(s.Args[1]))
		case sfnt.SegmentOpCubeTo:
			here = t.spans.curve(here, at(s.Args[0]), at(s.Args[1]), at(s.Args[2]))
		}
	}
	t.spans.line(here, start)
	t.spans.sweep(func(y int, runs []run) {
		row := k.pix[(y-k.rect.Min.Y)*k.rect.Dx():]
		for _, r := range runs {
			for x := r.x0; x < r.x1; x++ {
				row[x-k.rect.Min.X] = r.cover
			}
		}
	})
	return k
}

// stamp lays the letter in ink on the picture, the pen at x, y.
func (k *mask) stamp(m *Image, x, y int, ink color.RGBA) {
	r := k.rect.Add(image.Pt(x, y))
	seen := r.Intersect(m.clip)
	if seen.Empty() {
		return
	}
	width, l := seen.Dx(), lanesOf(ink)
	for y := seen.Min.Y; y < seen.Max.Y; y++ {
		from := (y-r.Min.Y)*r.Dx() + seen.Min.X - r.Min.X
		cover := k.pix[from : from+width]
		at := m.dst.PixOffset(seen.Min.X, y)
		pix := m.dst.Pix[at : at+4*width]
		for i, c := range cover {
			if c == 0 {
				continue
			}
			p := pix[4*i : 4*i+4 : 4*i+4]
			rest := uint64(255 - times(ink.A, c))
			binary.LittleEndian.PutUint32(p, packed(l*uint64(c)+half+lanes(binary.LittleEndian.Uint32(p))*rest))
		}
	}
}
