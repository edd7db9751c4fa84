package paint

import (
	"bufio"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/app/view"
)

// SVG is a Canvas that writes an SVG 1.1 document. The same drawing gives the same bytes.
// Texts stay texts: they name Inter and JetBrains Mono and carry their width, so that
// they keep their place where those fonts are not installed.
type SVG struct {
	w     *bufio.Writer
	name  string // before the ids of an inline picture
	clips int
	err   error
}

var _ Canvas = (*SVG)(nil)

// NewSVG starts a document of the given size in pixels. Close ends it.
func NewSVG(w io.Writer, width, height float64) *SVG {
	s := &SVG{w: bufio.NewWriter(w)}
	s.open(` xmlns="http://www.w3.org/2000/svg"`, width, height)
	return s
}

// NewInlineSVG starts a picture inside an HTML page. name is unlike those of the page's
// other pictures, which share one space of ids.
func NewInlineSVG(w io.Writer, name string, width, height float64) *SVG {
	s := &SVG{w: bufio.NewWriter(w), name: name}
	s.open("", width, height)
	return s
}

func (s *SVG) open(space string, width, height float64) {
	s.put(`<svg`, space, ` width="`, num(width), `" height="`, num(height),
		`" viewBox="0 0 `, num(width), ` `, num(height), `" stroke-linecap="round" stroke-linejoin="round">`, "\n")
}

// Title names the picture for people who do not see it. Call it first.
func (s *SVG) Title(title string) { s.put("<title>", escaped(title), "</title>\n") }

// Close ends the document and gives the first error of writing it.
func (s *SVG) Close() error {
	s.put("</svg>\n")
	if err := s.w.Flush(); s.err == nil && err != nil {
		s.err = err
	}
	if s.err != nil {
		return fmt.Errorf("write the picture: %w", s.err)
	}
	return nil
}

// Rect draws a rectangle with rounded corners.
func (s *SVG) Rect(r view.Rect, radius float64, style Style) {
	if !(r.W > 0 && r.H > 0) || invisible(style) {
		return
	}
	s.put(`<rect x="`, num(r.X), `" y="`, num(r.Y), `" width="`, num(r.W), `" height="`, num(r.H), `"`)
	if radius = math.Min(radius, math.Min(r.W, r.H)/2); radius > 0 {
		s.put(` rx="`, num(radius), `"`)
	}
	s.style(style)
}

// Path draws straight lines through points, closed or open.
func (s *SVG) Path(points []view.Point, closed bool, style Style) {
	if len(points) == 0 || invisible(style) {
		return
	}
	s.put(`<path d="`)
	for i, p := range points {
		command := "L"
		if i == 0 {
			command = "M"
		}
		s.put(command, num(p.X), " ", num(p.Y))
	}
	if closed {
		s.put("Z")
	}
	s.put(`"`)
	s.style(style)
}

// Circle draws a circle.
func (s *SVG) Circle(center view.Point, radius float64, style Style) {
	if !(radius > 0) || invisible(style) {
		return
	}
	s.put(`<circle cx="`, num(center.X), `" cy="`, num(center.Y), `" r="`, num(radius), `"`)
	s.style(style)
}

// Text writes one line, its baseline's left end at p; it gives the width.
func (s *SVG) Text(p view.Point, text string, f Font, c color.NRGBA) float64 {
	width := TextWidth(text, f)
	if c.A == 0 || width == 0 {
		return width
	}
	family, weight := "Inter, 'Segoe UI', Helvetica, Arial, sans-serif", "600"
	if f.Mono {
		family, weight = "'JetBrains Mono', Menlo, Consolas, monospace", "700"
	}
	s.put(`<text x="`, num(p.X), `" y="`, num(p.Y), `" font-family="`, family, `" font-size="`, num(size(f)), `"`)
	if f.Bold {
		s.put(` font-weight="`, weight, `"`)
	}
	s.put(` textLength="`, num(width), `" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`)
	s.paint("fill", c)
	s.put(">", escaped(text), "</text>\n")
	return width
}

// Clip restricts what follows to r, until the returned function is called.
func (s *SVG) Clip(r view.Rect) (restore func()) {
	s.clips++
	id := s.name + strconv.Itoa(s.clips)
	s.put(`<clipPath id="c`, id, `"><rect x="`, num(r.X), `" y="`, num(r.Y), `" width="`, num(math.Max(0, r.W)), `" height="`, num(math.Max(0, r.H)),
		`"/></clipPath><g clip-path="url(#c`, id, `)">`, "\n")
	open := true
	return func() {
		if open {
			open = false
			s.put("</g>\n")
		}
	}
}

func (s *SVG) style(style Style) {
	if style.Fill.A == 0 {
		s.put(` fill="none"`)
	} else {
		s.paint("fill", style.Fill)
	}
	if style.Stroke.A > 0 && style.Width > 0 {
		s.paint("stroke", style.Stroke)
		s.put(` stroke-width="`, num(style.Width), `"`)
		if style.Dash > 0 {
			s.put(` stroke-dasharray="`, num(style.Dash), `" stroke-linecap="round"`)
		}
	}
	s.put("/>\n")
}

func (s *SVG) paint(attribute string, c color.NRGBA) {
	s.put(" ", attribute, `="#`, fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B), `"`)
	if c.A < 255 {
		s.put(" ", attribute, `-opacity="`, num(float64(c.A)/255), `"`)
	}
}

func (s *SVG) put(parts ...string) {
	for _, p := range parts {
		if _, err := s.w.WriteString(p); err != nil && s.err == nil {
			s.err = err
		}
	}
}

func invisible(s Style) bool { return s.Fill.A == 0 && (s.Stroke.A == 0 || !(s.Width > 0)) }

// num writes a number with at most two decimals; what is no number is 0.
func num(v float64) string {
	v = math.Round(bounded(v)*100) / 100
	if v == 0 {
		return "0" // not -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// escaped is text as XML can carry it: characters that XML forbids become U+FFFD, and
// those that turn the direction of writing are left out, as in the picture.
func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == '\n' || r == '\t' || r == '\r':
			b.WriteByte(' ')
		case unseen(r):
		case r < 0x20 || r == 0x7f || r == 0xfffe || r == 0xffff || r == utf8.RuneError:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
