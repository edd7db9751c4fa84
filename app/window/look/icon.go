package look

import (
	"image"
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
)

// Picture is a small drawing on any paint.Canvas, as a widget: icons, pills, numbers
// that change often. Its picture is drawn into one image that is used again and again.
type Picture struct {
	widget.BaseWidget
	min   fyne.Size
	draw  func(c paint.Canvas, w, h float64, k *paint.Theme)
	image *image.RGBA
}

// NewPicture makes a picture of at least width by height. draw works in pixels of the
// theme's scale 1: what it draws is enlarged as a whole.
func NewPicture(width, height float32, draw func(c paint.Canvas, w, h float64, k *paint.Theme)) *Picture {
	p := &Picture{min: fyne.NewSize(width, height), draw: draw}
	p.ExtendBaseWidget(p)
	return p
}

// MinSize is the size it was made with, times the scale.
func (p *Picture) MinSize() fyne.Size { return fyne.NewSize(Px(p.min.Width), Px(p.min.Height)) }

// CreateRenderer is Fyne's.
func (p *Picture) CreateRenderer() fyne.WidgetRenderer {
	r := canvas.NewRaster(p.paint)
	r.ScaleMode = canvas.ImageScaleFastest
	return &rasterRenderer{p, r}
}

func (p *Picture) paint(w, h int) image.Image {
	if p.image == nil || p.image.Rect.Dx() != w || p.image.Rect.Dy() != h {
		p.image = image.NewRGBA(image.Rect(0, 0, w, h))
	}
	clear(p.image.Pix)
	size := p.Size()
	if w == 0 || h == 0 || size.Width == 0 {
		return p.image
	}
	k := Current()
	pixels := float64(w) / float64(size.Width)
	scale := pixels * k.Scale
	p.draw(scaled{paint.NewImage(p.image), scale}, float64(w)/scale, float64(h)/scale, k)
	return p.image
}

type rasterRenderer struct {
	of     fyne.Widget
	raster *canvas.Raster
}

func (r *rasterRenderer) Layout(s fyne.Size)           { r.raster.Resize(s) }
func (r *rasterRenderer) MinSize() fyne.Size           { return r.of.MinSize() }
func (r *rasterRenderer) Refresh()                     { r.raster.Refresh() }
func (r *rasterRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.raster} }
func (r *rasterRenderer) Destroy()                     {}

// scaled is a canvas on which everything is by times as large.
type scaled struct {
	paint.Canvas
	by float64
}

func (s scaled) rect(r view.Rect) view.Rect {
	return view.Rect{X: r.X * s.by, Y: r.Y * s.by, W: r.W * s.by, H: r.H * s.by}
}

func (s scaled) style(st paint.Style) paint.Style {
	st.Width, st.Dash = st.Width*s.by, st.Dash*s.by
	return st
}

func (s scaled) Rect(r view.Rect, radius float64, st paint.Style) {
	s.Canvas.Rect(s.rect(r), radius*s.by, s.style(st))
}

func (s scaled) Path(points []view.Point, closed bool, st paint.Style) {
	out := make([]view.Point, len(points))
	for i, p := range points {
		out[i] = view.Point{X: p.X * s.by, Y: p.Y * s.by}
	}
	s.Canvas.Path(out, closed, s.style(st))
}

func (s scaled) Circle(c view.Point, radius float64, st paint.Style) {
	s.Canvas.Circle(view.Point{X: c.X * s.by, Y: c.Y * s.by}, radius*s.by, s.style(st))
}

func (s scaled) Text(p view.Point, text string, f paint.Font, c color.NRGBA) float64 {
	f.Size *= s.by
	return s.Canvas.Text(view.Point{X: p.X * s.by, Y: p.Y * s.by}, text, f, c) / s.by
}

func (s scaled) Clip(r view.Rect) func() { return s.Canvas.Clip(s.rect(r)) }

// Icon is a line icon by its name in package paint, such as "book" or "play".
type Icon struct {
	*Picture
	name string
	tone Tone
}

// NewIcon makes an icon of size by size pixels.
func NewIcon(name string, size float32, tone Tone) *Icon {
	i := &Icon{name: name, tone: tone}
	i.Picture = NewPicture(size, size, func(c paint.Canvas, w, h float64, k *paint.Theme) {
		paint.Icon(c, i.name, view.Rect{W: w, H: h}, i.tone.Color(k), 1.6)
	})
	return i
}

// Set changes icon and tone.
func (i *Icon) Set(name string, tone Tone) {
	if i.name != name || i.tone != tone {
		i.name, i.tone = name, tone
		i.Refresh()
	}
}
