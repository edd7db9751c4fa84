package window

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/window/look"
)

// divider is the thin line between two panels; it is dragged to move the border.
type divider struct {
	widget.BaseWidget
	upright bool
	moved   func(by float32)
	ended   func()
	line    *canvas.Rectangle
	hovered bool
}

const dividerGrip = 6 // how wide it is for the mouse

func newDivider(upright bool, moved func(by float32), ended func()) *divider {
	d := &divider{upright: upright, moved: moved, ended: ended, line: canvas.NewRectangle(color.Transparent)}
	d.ExtendBaseWidget(d)
	return d
}

func (d *divider) Dragged(e *fyne.DragEvent) {
	if d.upright {
		d.moved(e.Dragged.DX)
	} else {
		d.moved(e.Dragged.DY)
	}
}

func (d *divider) DragEnd() { d.ended() }

func (d *divider) MouseIn(*desktop.MouseEvent)    { d.hovered = true; d.Refresh() }
func (d *divider) MouseMoved(*desktop.MouseEvent) {}
func (d *divider) MouseOut()                      { d.hovered = false; d.Refresh() }

func (d *divider) Cursor() desktop.Cursor {
	if d.upright {
		return desktop.HResizeCursor
	}
	return desktop.VResizeCursor
}

func (d *divider) CreateRenderer() fyne.WidgetRenderer { return &dividerRenderer{d} }

type dividerRenderer struct{ d *divider }

func (r *dividerRenderer) Layout(s fyne.Size) {
	w := look.Px(1)
	if r.d.hovered {
		w = look.Px(2)
	}
	if r.d.upright {
		r.d.line.Move(fyne.NewPos((s.Width-w)/2, 0))
		r.d.line.Resize(fyne.NewSize(w, s.Height))
	} else {
		r.d.line.Move(fyne.NewPos(0, (s.Height-w)/2))
		r.d.line.Resize(fyne.NewSize(s.Width, w))
	}
	r.style()
}

func (r *dividerRenderer) style() {
	r.d.line.FillColor = look.Current().Line
	if r.d.hovered {
		r.d.line.FillColor = look.Current().Accent
	}
}

func (r *dividerRenderer) MinSize() fyne.Size { return fyne.NewSize(1, 1) }
func (r *dividerRenderer) Refresh() {
	r.Layout(r.d.Size())
	r.d.line.Refresh()
}
func (r *dividerRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.d.line} }
func (r *dividerRenderer) Destroy()                     {}
