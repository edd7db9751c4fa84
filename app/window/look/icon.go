package look

import (
	"image"

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
	return NewFilled(p.MinSize, r.Refresh, r)
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
	p.draw(paint.Scaled(paint.NewImage(p.image), scale, view.Point{}), float64(w)/scale, float64(h)/scale, k)
	return p.image
}

// Painted is a drawing to press.
type Painted struct {
	Press
	picture *Picture
	hint    string
}

// NewPainted makes a drawing to press of at least width by height, see NewPicture; hint says
// what pressing it does. draw finds in p whether the mouse or the keyboard is at it.
func NewPainted(width, height float32, hint string, tapped func(), draw func(p *Painted, c paint.Canvas, w, h float64, k *paint.Theme)) *Painted {
	p := &Painted{}
	p.Init(p, width, height, hint, tapped, draw)
	return p
}

// Init is NewPainted for a widget that embeds one; its constructor calls it once.
func (p *Painted) Init(of fyne.Widget, width, height float32, hint string, tapped func(), draw func(p *Painted, c paint.Canvas, w, h float64, k *paint.Theme)) {
	p.hint = hint
	p.picture = NewPicture(width, height, func(c paint.Canvas, w, h float64, k *paint.Theme) { draw(p, c, w, h, k) })
	p.Press.Init(of, tapped)
}

// Hint is what pressing it does.
func (p *Painted) Hint() string { return p.hint }

// CreateRenderer is Fyne's.
func (p *Painted) CreateRenderer() fyne.WidgetRenderer {
	return NewFilled(p.picture.MinSize, p.picture.Refresh, p.picture)
}

// Refresh draws it anew.
func (p *Painted) Refresh() { p.picture.Refresh() }

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
