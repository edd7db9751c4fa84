package window

import (
	"image"
	"sync"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"github.com/go-gl/glfw/v3.4/glfw"
)

// hookEscape lets the window hear Escape before the focused widget does. Fyne hands a key to the
// focused widget only, and its file dialogs focus widgets that do nothing with Escape. What is
// beneath Fyne can be asked only while it draws, so an object that is drawn once does it.
func (s *Shell) hookEscape() {
	none := image.NewRGBA(image.Rect(0, 0, 1, 1))
	hook := sync.OnceFunc(func() {
		w := glfw.GetCurrentContext()
		if w == nil {
			return
		}
		var before glfw.KeyCallback
		before = w.SetKeyCallback(func(w *glfw.Window, key glfw.Key, code int, action glfw.Action, mods glfw.ModifierKey) {
			if key == glfw.KeyEscape && s.foreignDialog() {
				if action == glfw.Press {
					s.closePopup()
				}
				return
			}
			before(w, key, code, action, mods)
		})
	})
	dot := canvas.NewRaster(func(int, int) image.Image { hook(); return none })
	dot.Resize(fyne.NewSize(1, 1))
	s.hook = container.NewWithoutLayout(dot)
	if c, ok := s.win.Content().(*fyne.Container); ok {
		c.Add(s.hook)
	}
}

// foreignDialog tells whether a dialog of Fyne's has the keyboard.
func (s *Shell) foreignDialog() bool {
	return s.win.Canvas().Overlays().Top() != nil && s.win.Canvas().Focused() != nil
}
