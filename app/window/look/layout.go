package look

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/paint"
)

// Column puts objects below one another with gap pixels between them.
func Column(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedVBoxLayout(Px(gap)), objects...)
}

// Row puts objects beside one another with gap pixels between them.
func Row(gap float32, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedHBoxLayout(Px(gap)), objects...)
}

// Line puts left at the left, right at the right, and centres both on the row's height;
// left may be cut.
func Line(left fyne.CanvasObject, right ...fyne.CanvasObject) *fyne.Container {
	r := make([]fyne.CanvasObject, len(right))
	for i, o := range right {
		r[i] = Middle(o)
	}
	return container.NewBorder(nil, nil, nil, Row(8, r...), MiddleWide(left))
}

// Middle centres an object on the height that it is given.
func Middle(o fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCenterLayout(), o)
}

// MiddleWide centres an object on the height and lets it have the whole width.
func MiddleWide(o fyne.CanvasObject) *fyne.Container { return container.New(middleLayout{}, o) }

type middleLayout struct{}

func (middleLayout) MinSize(o []fyne.CanvasObject) fyne.Size { return o[0].MinSize() }

func (middleLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	h := o[0].MinSize().Height
	o[0].Move(fyne.NewPos(0, (s.Height-h)/2))
	o[0].Resize(fyne.NewSize(s.Width, h))
}

// Inset leaves x pixels free at the sides and y above and below.
func Inset(x, y float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedLayout(Px(y), Px(y), Px(x), Px(x)), o)
}

// Gap is empty space of a size.
func Gap(width, height float32) fyne.CanvasObject {
	r := canvas.NewRectangle(color.Transparent)
	r.SetMinSize(fyne.NewSize(Px(width), Px(height)))
	return r
}

// Sized gives an object a least size.
func Sized(width, height float32, o fyne.CanvasObject) *fyne.Container {
	return container.NewStack(Gap(width, height), o)
}

// Plane is a coloured ground, with rounded corners and a border if it has them.
type Plane struct {
	widget.BaseWidget
	fill, line func(*paint.Theme) color.NRGBA
	radius     float32
	width      float32
}

// NewPlane makes a ground; fill and line choose their colours from the theme, nil for none.
func NewPlane(radius float32, fill, line func(*paint.Theme) color.NRGBA) *Plane {
	p := &Plane{fill: fill, line: line, radius: radius, width: 1}
	p.ExtendBaseWidget(p)
	return p
}

// Thick sets the border's width.
func (p *Plane) Thick(width float32) *Plane { p.width = width; return p }

// CreateRenderer is Fyne's.
func (p *Plane) CreateRenderer() fyne.WidgetRenderer {
	r := &planeRenderer{p, canvas.NewRectangle(color.Transparent)}
	r.style()
	return r
}

type planeRenderer struct {
	p *Plane
	r *canvas.Rectangle
}

func (r *planeRenderer) style() {
	k := Current()
	r.r.FillColor, r.r.StrokeColor = color.Color(color.Transparent), color.Color(color.Transparent)
	if r.p.fill != nil {
		r.r.FillColor = r.p.fill(k)
	}
	if r.p.line != nil {
		r.r.StrokeColor, r.r.StrokeWidth = r.p.line(k), Px(r.p.width)
	}
	r.r.CornerRadius = Px(r.p.radius)
}

func (r *planeRenderer) Layout(s fyne.Size)           { r.r.Resize(s) }
func (r *planeRenderer) MinSize() fyne.Size           { return fyne.NewSize(1, 1) }
func (r *planeRenderer) Refresh()                     { r.style(); r.r.Refresh() }
func (r *planeRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.r} }
func (r *planeRenderer) Destroy()                     {}

// The grounds that planes are made of.
func panel(k *paint.Theme) color.NRGBA         { return k.Panel }
func raised(k *paint.Theme) color.NRGBA        { return k.Raised }
func sunken(k *paint.Theme) color.NRGBA        { return k.Sunken }
func line(k *paint.Theme) color.NRGBA          { return k.Line }
func invalid(k *paint.Theme) color.NRGBA       { return k.Invalid }
func invalidGround(k *paint.Theme) color.NRGBA { return k.InvalidGround }

// OnPanel puts content on the ground of bars and drawers.
func OnPanel(o fyne.CanvasObject) *fyne.Container {
	return container.NewStack(NewPlane(0, panel, nil), o)
}

// HLine is a thin line across; VLine one from top to bottom.
func HLine() fyne.CanvasObject { return container.NewStack(NewPlane(0, line, nil), Gap(0, 1)) }

// VLine is a thin line from top to bottom.
func VLine() fyne.CanvasObject { return container.NewStack(NewPlane(0, line, nil), Gap(1, 0)) }
