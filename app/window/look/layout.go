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

// Grid puts objects into columns of one width, row by row; fewer objects than columns
// share the width.
func Grid(columns int, objects ...fyne.CanvasObject) *fyne.Container {
	return container.New(GridLayout{Columns: columns, Gap: 8, RowGap: 6}, objects...)
}

// GridLayout is the layout of a grid. Its rows are as high as their objects, or all as high
// as the highest if they are even.
type GridLayout struct {
	Columns     int
	Gap, RowGap float32
	Even        bool
}

// rows gives the height of every row and the width of the widest object.
func (g GridLayout) rows(objects []fyne.CanvasObject) (heights []float32, widest float32) {
	highest := float32(0)
	for i, o := range objects {
		m := o.MinSize()
		if i%g.Columns == 0 {
			heights = append(heights, 0)
		}
		last := len(heights) - 1
		heights[last], highest, widest = max(heights[last], m.Height), max(highest, m.Height), max(widest, m.Width)
	}
	for i := range heights {
		if g.Even {
			heights[i] = highest
		}
	}
	return heights, widest
}

// MinSize is as many of the widest as there are columns, and all rows.
func (g GridLayout) MinSize(objects []fyne.CanvasObject) fyne.Size {
	heights, widest := g.rows(objects)
	h := Px(g.RowGap) * float32(max(0, len(heights)-1))
	for _, row := range heights {
		h += row
	}
	n := float32(g.Columns)
	return fyne.NewSize(n*widest+(n-1)*Px(g.Gap), h)
}

// Layout is Fyne's.
func (g GridLayout) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	heights, _ := g.rows(objects)
	n := float32(max(1, min(g.Columns, len(objects))))
	w, y := (size.Width-(n-1)*Px(g.Gap))/n, float32(0)
	for i, o := range objects {
		o.Move(fyne.NewPos(float32(i%g.Columns)*(w+Px(g.Gap)), y))
		o.Resize(fyne.NewSize(w, heights[i/g.Columns]))
		if i%g.Columns == g.Columns-1 {
			y += heights[i/g.Columns] + Px(g.RowGap)
		}
	}
}

// Inset leaves x pixels free at the sides and y above and below.
func Inset(x, y float32, o fyne.CanvasObject) *fyne.Container {
	return container.New(layout.NewCustomPaddedLayout(Px(y), Px(y), Px(x), Px(x)), o)
}

// Show shows an object, or hides it.
func Show(o fyne.CanvasObject, on bool) {
	if on {
		o.Show()
	} else {
		o.Hide()
	}
}

// Able lets something be used, or not.
func Able(o fyne.Disableable, on bool) {
	if on {
		o.Enable()
	} else {
		o.Disable()
	}
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
	r := canvas.NewRectangle(color.Transparent)
	style := func() {
		k := Current()
		r.FillColor, r.StrokeColor = color.Color(color.Transparent), color.Color(color.Transparent)
		if p.fill != nil {
			r.FillColor = p.fill(k)
		}
		if p.line != nil {
			r.StrokeColor, r.StrokeWidth = p.line(k), Px(p.width)
		}
		r.CornerRadius = Px(p.radius)
	}
	style()
	return NewFilled(func() fyne.Size { return fyne.NewSize(1, 1) }, func() { style(); r.Refresh() }, r)
}

// Filled is the renderer of a widget whose objects all fill it.
type Filled struct {
	min     func() fyne.Size
	refresh func()
	objects []fyne.CanvasObject
}

// NewFilled makes the renderer; refresh brings the objects up to date.
func NewFilled(min func() fyne.Size, refresh func(), objects ...fyne.CanvasObject) *Filled {
	return &Filled{min, refresh, objects}
}

// Layout gives all objects the whole room.
func (f *Filled) Layout(s fyne.Size) {
	for _, o := range f.objects {
		o.Resize(s)
	}
}

// MinSize is the widget's.
func (f *Filled) MinSize() fyne.Size { return f.min() }

// Refresh is the widget's.
func (f *Filled) Refresh() { f.refresh() }

// Objects are all objects.
func (f *Filled) Objects() []fyne.CanvasObject { return f.objects }

// Destroy has nothing to do.
func (f *Filled) Destroy() {}

// The grounds that planes are made of.
func panel(k *paint.Theme) color.NRGBA         { return k.Panel }
func raised(k *paint.Theme) color.NRGBA        { return k.Raised }
func sunken(k *paint.Theme) color.NRGBA        { return k.Sunken }
func line(k *paint.Theme) color.NRGBA          { return k.Line }
func invalid(k *paint.Theme) color.NRGBA       { return k.Invalid }
func invalidGround(k *paint.Theme) color.NRGBA { return k.InvalidGround }
func bareGround(*paint.Theme) color.NRGBA      { return color.NRGBA{} }

// OnPanel puts content on the ground of bars and drawers.
func OnPanel(o fyne.CanvasObject) *fyne.Container {
	return container.NewStack(NewPlane(0, panel, nil), o)
}

// HLine is a thin line across; VLine one from top to bottom.
func HLine() fyne.CanvasObject { return container.NewStack(NewPlane(0, line, nil), Gap(0, 1)) }

// VLine is a thin line from top to bottom.
func VLine() fyne.CanvasObject { return container.NewStack(NewPlane(0, line, nil), Gap(1, 0)) }
