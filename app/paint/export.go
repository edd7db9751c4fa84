package paint

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"sort"
	"time"
)

// WritePNG writes a picture as PNG.
func WritePNG(w io.Writer, pic *image.RGBA) error {
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(w, pic); err != nil {
		return fmt.Errorf("write the picture: %w", err)
	}
	return nil
}

// Bounds of an animation: longer or larger ones are films.
const (
	MostFrames    = 1200
	mostGIFPixels = 160 << 20 // of all changed parts together, a byte each
)

// ErrTooLong is an animation with too many or too large frames.
var ErrTooLong = errors.New("the animation is too long or too large")

// WriteGIF writes n pictures as an animated GIF that repeats. All pictures have the size of the first one;
// frame(i) may return the same picture each time and is called twice for some i, so it
// must draw the same again. What does not change from one picture to the next is not
// written again.
func WriteGIF(w io.Writer, n int, delay time.Duration, frame func(i int) *image.RGBA) error {
	if n < 1 {
		return errors.New("an animation needs at least one picture")
	}
	if n > MostFrames {
		return fmt.Errorf("%w: %d pictures, at most %d; choose a shorter span or fewer pictures a second", ErrTooLong, n, MostFrames)
	}
	var sampled []*image.RGBA
	for i := 0; i < n; i += max(1, n/8) {
		sampled = append(sampled, copied(frame(i)))
	}
	p := newPalette(sampled)
	hundredths := max(2, int(delay/(10*time.Millisecond)))
	g := &gif.GIF{}
	var last []uint8
	pixels := 0
	for i := range n {
		pic := frame(i)
		now := p.map8(pic)
		r := pic.Rect
		if i > 0 {
			if r = changed(last, now, pic.Rect); r.Empty() {
				g.Delay[len(g.Delay)-1] += hundredths
				continue
			}
		}
		if pixels += r.Dx() * r.Dy(); pixels > mostGIFPixels {
			return fmt.Errorf("%w: over %d million changed pixels; choose a shorter span or a smaller size", ErrTooLong, mostGIFPixels>>20)
		}
		g.Image = append(g.Image, difference(last, now, pic.Rect, r, p.colours))
		g.Delay = append(g.Delay, hundredths)
		g.Disposal = append(g.Disposal, gif.DisposalNone)
		last = now
	}
	if err := gif.EncodeAll(w, g); err != nil {
		return fmt.Errorf("write the animation: %w", err)
	}
	return nil
}

func copied(pic *image.RGBA) *image.RGBA {
	c := image.NewRGBA(pic.Rect)
	copyPicture(c, pic)
	return c
}

// changed is the smallest rectangle with all pixels that differ.
func changed(a, b []uint8, size image.Rectangle) (r image.Rectangle) {
	w := size.Dx()
	for i := range b {
		if a[i] != b[i] {
			r = r.Union(image.Rect(i%w, i/w, i%w+1, i/w+1))
		}
	}
	return r.Add(size.Min)
}

// difference is the part r of a picture, with what did not change left transparent.
func difference(last, now []uint8, size, r image.Rectangle, colours color.Palette) *image.Paletted {
	out := image.NewPaletted(r.Sub(size.Min), colours)
	w := size.Dx()
	for y := range r.Dy() {
		from := (y+r.Min.Y-size.Min.Y)*w + r.Min.X - size.Min.X
		for x := range r.Dx() {
			c := now[from+x]
			if last != nil && last[from+x] == c {
				c = 0
			}
			out.Pix[y*out.Stride+x] = c
		}
	}
	return out
}

// gifPalette maps colours to 255 that stand for them; 0 is transparent.
type gifPalette struct {
	colours color.Palette
	nearest []uint8 // by 5 bits of each channel; 0 is not yet known
}

// newPalette takes the most frequent colours that are not too like each other: the grounds
// and all inks of a theme, and then the shades between them.
func newPalette(pics []*image.RGBA) *gifPalette {
	counts := map[uint32]int{}
	for _, pic := range pics {
		for i := 0; i+3 < len(pic.Pix); i += 4 {
			counts[uint32(pic.Pix[i])<<16|uint32(pic.Pix[i+1])<<8|uint32(pic.Pix[i+2])]++
		}
	}
	all := make([]uint32, 0, len(counts))
	for c := range counts {
		all = append(all, c)
	}
	sort.Slice(all, func(i, j int) bool {
		if counts[all[i]] != counts[all[j]] {
			return counts[all[i]] > counts[all[j]]
		}
		return all[i] < all[j]
	})
	const most = 50000
	all = all[:min(len(all), most)]
	var chosen []uint32
	taken := map[uint32]bool{}
	for _, apart := range []int{48, 28, 16, 9, 4, 0} {
		for _, c := range all {
			if len(chosen) < 255 && !taken[c] && farFrom(c, chosen, apart) {
				chosen, taken[c] = append(chosen, c), true
			}
		}
	}
	p := &gifPalette{colours: color.Palette{color.NRGBA{}}, nearest: make([]uint8, 1<<15)}
	for _, c := range chosen {
		p.colours = append(p.colours, color.NRGBA{R: uint8(c >> 16), G: uint8(c >> 8), B: uint8(c), A: 255})
	}
	// Exact for the frequent ones.
	for i := len(chosen) - 1; i >= 0; i-- {
		p.nearest[cell(chosen[i])] = uint8(i + 1)
	}
	return p
}

func cell(c uint32) int { return int(c>>19<<10 | c>>11&31<<5 | c>>3&31) }

func farFrom(c uint32, from []uint32, apart int) bool {
	for _, o := range from {
		if distance(c, o) < apart {
			return false
		}
	}
	return true
}

func distance(a, b uint32) int {
	d := 0
	for shift := 0; shift < 24; shift += 8 {
		x, y := int(a>>shift&255), int(b>>shift&255)
		d += max(x-y, y-x)
	}
	return d
}

// map8 gives a picture's pixels as numbers of the palette.
func (p *gifPalette) map8(pic *image.RGBA) []uint8 {
	out := make([]uint8, 0, pic.Rect.Dx()*pic.Rect.Dy())
	for y := pic.Rect.Min.Y; y < pic.Rect.Max.Y; y++ {
		row := pic.Pix[pic.PixOffset(pic.Rect.Min.X, y):]
		for x := 0; x < 4*pic.Rect.Dx(); x += 4 {
			c := uint32(row[x])<<16 | uint32(row[x+1])<<8 | uint32(row[x+2])
			n := p.nearest[cell(c)]
			if n == 0 {
				n = p.find(c)
				p.nearest[cell(c)] = n
			}
			out = append(out, n)
		}
	}
	return out
}

func (p *gifPalette) find(c uint32) uint8 {
	best, least := 1, 1<<30
	for i, col := range p.colours[1:] {
		n := col.(color.NRGBA)
		if d := distance(c, uint32(n.R)<<16|uint32(n.G)<<8|uint32(n.B)); d < least {
			best, least = i+1, d
		}
	}
	return uint8(best)
}
