//go:build !headless

package cli

import (
	"fmt"
	"slices"

	"github.com/fabriscope/fabriscope/app/window"
)

// openWindow shows the window until it is closed.
func (p *program) openWindow(o windowOptions) error {
	w := window.Options{Open: o.Files, Sample: o.Sample, Lesson: o.Lesson, Theme: o.Theme, Language: o.Language,
		Presenter: o.Presenter, Version: Version}
	if o.Theme != "" && !slices.Contains([]string{"dark", "light", "auto"}, o.Theme) {
		return fmt.Errorf("--theme is dark, light or auto; got %q", o.Theme)
	}
	if o.Size != "" {
		if n, err := fmt.Sscanf(o.Size, "%fx%f", &w.Width, &w.Height); n != 2 || err != nil || w.Width < 320 || w.Height < 240 || w.Width > 16384 || w.Height > 16384 {
			return fmt.Errorf("--size is width and height in pixels, such as 1440x900; got %q", o.Size)
		}
	}
	return window.Run(w)
}
