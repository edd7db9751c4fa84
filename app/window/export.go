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
	)
	list.Add(look.NewTapRow(lang.L("Animation as GIF"), look.Column(0, look.Heading(lang.L("Animation as GIF")),
		look.Muted(lang.L("the stage over the span that the timeline shows")).Cut()), func() {
		shut()
		s.saveFile(base+".gif", s.exportGIF)
	}))
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

// exportGIF writes the animation in the background and tells how far it is.
func (s *Shell) exportGIF(path string) {
	span := s.main.window.Span()
	if span <= 0 {
		s.showError(errors.New("the timeline shows nothing yet; let something happen first"))
		return
	}
	if s.session.Source() == nil {
		s.showError(errors.New("blocks of another network have no messages that could move; export the chain's report instead"))
		return
	}
	a := &animation{from: s.main.window.From, span: span, selection: s.session.Selection(), theme: s.exportTheme(), world: s.session.StageCopy()}
	for i := range a.moments {
		a.moments[i] = s.session.Axis.At(a.from + int64(i)*span/gifFrames)
	}
	tell := func(percent int) {
		s.do(func() { s.toast(lang.L("Animation: {{.Percent}} %", map[string]any{"Percent": percent})) })
	}
	s.toast(lang.L("Animation: {{.Percent}} %", map[string]any{"Percent": 0}))
	go func() {
		err := writeFile(path, func(to io.Writer) error { return a.write(to, tell) })
		s.do(func() {
			if err != nil {
				s.showError(err)
				return
			}
			s.toast(lang.L("Saved {{.File}}", map[string]any{"File": path}))
		})
	}()
}

// animation is a stage of its own, which crosses a span while the window goes on with its.
type animation struct {
	from, span int64
	moments    [gifFrames]view.Moment
	selection  view.Selection
	theme      *paint.Theme
	world      func() *stage.World // made in the background
}

// write lets the playhead cross the span evenly.
func (a *animation) write(to io.Writer, tell func(percent int)) error {
	world := a.world()
	o := stage.Options{Selection: a.selection}
	w, h, cam := picture(world.Frame(a.moments[gifFrames-1], o), gifWidth)
	pic := image.NewRGBA(image.Rect(0, 0, int(w), int(h)))
	var p paint.StagePainter
	done := -1
	return paint.WriteGIF(to, gifFrames, gifEvery, func(i int) *image.RGBA {
		// Pictures are asked for twice: some at first, for the colours.
		if percent := i * 100 / gifFrames; percent >= done+10 || i == 0 && done > 0 {
			done = percent
			tell(percent)
		}
		p.Paint(pic, world.Frame(a.moments[i], o), cam, a.theme)
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
