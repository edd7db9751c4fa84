package paint

import (
	_ "embed" // the icons
	"fmt"
	"image/color"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fabriscope/fabriscope/app/view"
)

// iconTable says how every icon is drawn; its head explains how.
//
//go:embed icons.txt
var iconTable string

// icons are the parsed icons by name.
var icons = sync.OnceValue(func() map[string][]iconPart {
	parsed, err := parseIcons(iconTable)
	if err != nil {
		panic(err) // the table is part of the program, and a test reads it
	}
	return parsed
})

// iconPart is one line, shape or disc of an icon.
type iconPart struct {
	verb    string
	numbers []float64
}

// iconNumbers is how many numbers a part has; those of points have at least two points.
var iconNumbers = map[string]int{"ring": 3, "disc": 3, "box": 5, "block": 5, "arc": 5, "cubic": 8, "line": 0, "shape": 0, "solid": 0}

func parseIcons(table string) (map[string][]iconPart, error) {
	out := map[string][]iconPart{}
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, parts, _ := strings.Cut(line, ":")
		for part := range strings.SplitSeq(parts, ";") {
			words := strings.Fields(part)
			if len(words) == 0 {
				return nil, fmt.Errorf("icon %s: a part is empty", name)
			}
			p := iconPart{verb: words[0]}
			for _, w := range words[1:] {
				n, err := strconv.ParseFloat(w, 64)
				if err != nil {
					return nil, fmt.Errorf("icon %s: %w", name, err)
				}
				p.numbers = append(p.numbers, n)
			}
			want, known := iconNumbers[p.verb]
			if n := len(p.numbers); !known || want > 0 && n != want || want == 0 && (n < 4 || n%2 > 0) {
				return nil, fmt.Errorf("icon %s: %q is no part of an icon", name, part)
			}
			out[name] = append(out[name], p)
		}
	}
	return out, nil
}

// Icon draws a line icon into the largest square in the middle of r. IconNames lists the
// names; an unknown name draws nothing. width is the lines' width in pixels.
func Icon(c Canvas, name string, r view.Rect, colour color.NRGBA, width float64) {
	if !(r.W > 0 && r.H > 0) {
		return
	}
	side := math.Min(r.W, r.H)
	p := pencil{c: c, colour: colour, width: width, scale: side / 24, at: view.Point{X: r.X + (r.W-side)/2, Y: r.Y + (r.H-side)/2}}
	for _, part := range icons()[name] {
		p.draw(part)
	}
}

// IconNames lists the icons, sorted.
func IconNames() []string { return slices.Sorted(maps.Keys(icons())) }

// pencil draws in a square of 24 by 24.
type pencil struct {
	c      Canvas
	colour color.NRGBA
	width  float64
	scale  float64
	at     view.Point
}

func (p *pencil) on(x, y float64) view.Point {
	return view.Point{X: p.at.X + x*p.scale, Y: p.at.Y + y*p.scale}
}

func (p *pencil) points(xy []float64) []view.Point {
	out := make([]view.Point, len(xy)/2)
	for i := range out {
		out[i] = p.on(xy[2*i], xy[2*i+1])
	}
	return out
}

func (p *pencil) draw(part iconPart) {
	n := part.numbers
	at, stroke, fill := p.on(n[0], n[1]), Style{Stroke: p.colour, Width: p.width}, Style{Fill: p.colour}
	switch part.verb {
	case "line":
		p.c.Path(p.points(n), false, stroke)
	case "shape":
		p.c.Path(p.points(n), true, stroke)
	case "solid":
		p.c.Path(p.points(n), true, Style{Fill: p.colour, Stroke: p.colour, Width: p.width * 0.6})
	case "ring":
		p.c.Circle(at, n[2]*p.scale, stroke)
	case "disc":
		p.c.Circle(at, n[2]*p.scale, fill)
	case "box":
		p.c.Rect(view.Rect{X: at.X, Y: at.Y, W: n[2] * p.scale, H: n[3] * p.scale}, n[4]*p.scale, stroke)
	case "block":
		p.c.Rect(view.Rect{X: at.X, Y: at.Y, W: n[2] * p.scale, H: n[3] * p.scale}, n[4]*p.scale, fill)
	case "arc":
		p.c.Path(arcAround(nil, at, n[2]*p.scale, n[3]*math.Pi/180, n[4]*math.Pi/180), false, stroke)
	case "cubic":
		q := p.points(n)
		curve := make([]view.Point, 17)
		for i := range curve {
			curve[i] = onCurve(q[0], q[1], q[2], q[3], float64(i)/16)
		}
		p.c.Path(curve, false, stroke)
	}
}
