package window

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"time"

	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/network/report"
)

// Sizes of exported pictures, in pixels.
const (
	exportMargin  = 24
	exportWidth   = 1600
	gifWidth      = 960
	gifFrames     = 60
	gifEvery      = 80 * time.Millisecond
	timelineWide  = 1600
	timelineTall  = 700
	exportEnlarge = 2 // PNG pixels for one of the model's
)

// showExport lists what can be saved.
func (s *Shell) showExport() {
	var shut func()
	row := func(title, explained, name string, write func(io.Writer) error) *look.TapCard {
		return look.NewTapRow(title, look.Column(0, look.Heading(title), look.Muted(explained).Cut()), func() {
			shut()
			s.saveFile(name, func(path string) { s.export(path, write) })
		})
	}
	base := fileName(s.session.Name())
	list := look.Column(6,
		row(lang.L("Stage as PNG"), lang.L("a picture of the network at the playhead"), base+"-stage.png", s.stagePNG),
		row(lang.L("Stage as SVG"), lang.L("the same, to be enlarged without loss"), base+"-stage.svg", s.stageSVG),
		row(lang.L("Timeline as PNG"), lang.L("what the timeline shows now"), base+"-timeline.png", s.timelinePNG),
		row(lang.L("Timeline as SVG"), lang.L("the same, to be enlarged without loss"), base+"-timeline.svg", s.timelineSVG),
		row(lang.L("Animation as GIF"), lang.L("the stage over the span that the timeline shows"), base+".gif", s.stageGIF),
	)
	if s.session.Source() != nil {
		list.Add(row(lang.L("Report as HTML"), lang.L("summary, charts, blocks and every invalid transaction, in one file"), base+".html", s.reportHTML))
	}
	shut = s.popUp(look.Column(10, look.Title(lang.L("Export")), list,
		container.NewHBox(look.Secondary(lang.L("Cancel"), func() { shut() }))), 480)
	s.win.Canvas().Focus(list.Objects[0].(*look.TapCard))
}

// export writes a file and says so, or why it could not.
func (s *Shell) export(path string, write func(io.Writer) error) {
	if err := writeFile(path, write); err != nil {
		s.showError(err)
		return
	}
	s.toast(lang.L("Saved {{.File}}", map[string]any{"File": path}))
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	w := bufio.NewWriter(f)
	if err = errors.Join(write(w), w.Flush(), f.Close()); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

// picture is the size and camera for a whole stage.
func picture(f *stage.Frame, widest float64) (w, h float64, cam view.Camera) {
	w, h = f.Bounds.W+2*exportMargin, f.Bounds.H+2*exportMargin
	k := 1.0
	if widest > 0 && w > widest {
		k = widest / w
	}
	cam = view.Camera{Scale: k, Origin: view.Point{X: f.Bounds.X - exportMargin, Y: f.Bounds.Y - exportMargin}}
	return w * k, h * k, cam
}

func (s *Shell) exportTheme() *paint.Theme {
	if s.dark {
		return paint.Dark()
	}
	return paint.Light()
}

func (s *Shell) stagePNG(to io.Writer) error {
	f := s.main.stageFrame()
	w, h, cam := picture(f, 0)
	cam.Scale *= exportEnlarge
	pic := image.NewRGBA(image.Rect(0, 0, int(w*exportEnlarge), int(h*exportEnlarge)))
	var p paint.StagePainter
	p.Paint(pic, f, cam, s.exportTheme().Larger(exportEnlarge))
	return paint.WritePNG(to, pic)
}

func (s *Shell) stageSVG(to io.Writer) error {
	f := s.main.stageFrame()
	w, h, cam := picture(f, 0)
	c := paint.NewSVG(to, w, h)
	paint.DrawStage(c, f, cam, s.exportTheme())
	return c.Close()
}

func (s *Shell) exportedTimeline(scale float64) *timeline.Frame {
	return s.main.timelineFrame(timelineWide*scale, timelineTall*scale, scale)
}

func (s *Shell) timelinePNG(to io.Writer) error {
	pic := image.NewRGBA(image.Rect(0, 0, timelineWide*exportEnlarge, timelineTall*exportEnlarge))
	var p paint.TimelinePainter
	p.Paint(pic, s.exportedTimeline(exportEnlarge), s.exportTheme().Larger(exportEnlarge))
	return paint.WritePNG(to, pic)
}

func (s *Shell) timelineSVG(to io.Writer) error {
	c := paint.NewSVG(to, timelineWide, timelineTall)
	paint.DrawTimeline(c, s.exportedTimeline(1), s.exportTheme())
	return c.Close()
}

// stageGIF lets the playhead cross the span that the timeline shows, evenly.
func (s *Shell) stageGIF(to io.Writer) error {
	n, window := s.session, s.main.window
	span := window.Span()
	if span <= 0 {
		return errors.New("the timeline shows nothing yet; let something happen first")
	}
	w, h, cam := picture(s.main.stageFrame(), gifWidth)
	pic := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	var p paint.StagePainter
	theme := s.exportTheme()
	return paint.WriteGIF(to, gifFrames, gifEvery, func(i int) *image.RGBA {
		at := n.Axis.At(window.From + int64(i)*span/gifFrames)
		p.Paint(pic, n.Stage.Frame(at, stage.Options{Selection: n.Selection()}), cam, theme)
		return pic
	})
}

// reportHTML writes the run as one page.
func (s *Shell) reportHTML(to io.Writer) error {
	meta := s.session.Meta()
	if meta.Name == "" {
		meta.Name = s.session.Name()
	}
	return report.WriteHTML(to, s.session.Source(), report.PageInfo{Meta: meta})
}
