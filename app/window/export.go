package window

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"os"
	"time"

	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/player/write"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// Sizes of exported pictures, in pixels.
const (
	exportMargin  = 24
	gifWidth      = 960
	gifFrames     = 60
	gifEvery      = 80 * time.Millisecond
	timelineWide  = 1600
	timelineTall  = 700
	exportEnlarge = 2 // PNG pixels for one of the model's
)

// showExport lists what can be saved.
func (s *Shell) showExport() {
	row := func(title, explained, name string, export func(path string)) *look.TapCard {
		return look.NewTapRow(title, look.Column(0, look.Heading(title), look.Muted(explained).Cut()), s.shut(func() { s.saveFile(name, export) }))
	}
	written := func(write func(io.Writer) error) func(path string) {
		return func(path string) { s.saved(path)(writeFile(path, write)) }
	}
	base := fileName(s.session.Name())
	animated := words.L("the stage over the span that the timeline shows")
	if _, _, ofTx := s.animatedSpan(); ofTx {
		animated = words.L("the stage over the life of the selected transaction")
	}
	list := look.Column(6,
		row(words.L("Stage as PNG"), words.L("a picture of the network at the playhead"), base+"-stage.png", written(s.stagePNG)),
		row(words.L("Stage as SVG"), words.L("the same, to be enlarged without loss"), base+"-stage.svg", written(s.stageSVG)),
		row(words.L("Timeline as PNG"), words.L("what the timeline shows now"), base+"-timeline.png", written(s.timelinePNG)),
		row(words.L("Timeline as SVG"), words.L("the same, to be enlarged without loss"), base+"-timeline.svg", written(s.timelineSVG)),
		row(words.L("Animation as GIF"), animated, base+".gif", s.exportGIF))
	if s.session.Source() != nil {
		list.Add(row(words.L("Page for a browser"), words.L("the run in motion, forwards and backwards, with its report; one file"), base+".html", written(s.reportHTML)))
	}
	s.popUp(look.Column(10, look.Title(words.L("Export")), list,
		container.NewHBox(look.Secondary(words.L("Cancel"), func() { s.closePopup() }))), 480)
	s.win.Canvas().Focus(list.Objects[0].(*look.TapCard))
}

// saved says that a file was written, or why it could not be.
func (s *Shell) saved(path string) func(error) {
	return s.told(words.L("Saved {{.File}}", map[string]any{"File": path}))
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
	whole := image.NewRGBA(image.Rect(0, 0, pic.Rect.Dx(), pic.Rect.Dy()+exportEnlarge*int(paint.FooterHigh)))
	draw.Draw(whole, pic.Rect, pic, image.Point{}, draw.Src)
	s.footer(paint.Scaled(paint.NewImage(whole), exportEnlarge, view.Point{}), w, float64(pic.Rect.Dy())/exportEnlarge)
	return paint.WritePNG(to, whole)
}

func (s *Shell) stageSVG(to io.Writer) error {
	f := s.main.stageFrame()
	w, h, cam := picture(f, 0)
	c := paint.NewSVG(to, w, h+paint.FooterHigh)
	paint.DrawStage(c, f, cam, s.exportTheme())
	s.footer(c, w, h)
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

// animatedSpan is what an animation shows: the life of the selected transaction, else what the
// timeline shows.
func (s *Shell) animatedSpan() (from, span int64, ofTx bool) {
	w := s.main.window
	if tx := s.session.Selection().Tx(); tx != "" {
		if life, ok := s.session.Timeline.OfTx(tx); ok {
			w, ofTx = life, true
		}
	}
	return w.From, w.Span(), ofTx
}

// footer writes below a stage of a width and height when it is, and what happens there.
func (s *Shell) footer(c paint.Canvas, w, h float64) {
	m := s.main
	text, _ := m.captionText()
	since := time.Duration(m.n.Playhead.At.Time - m.n.Axis.Start().Time)
	paint.DrawFooter(c, view.Rect{Y: h, W: w, H: paint.FooterHigh}, fmt.Sprintf("%.4f s", since.Seconds()), text, s.exportTheme())
}

// exportGIF writes the animation in the background and tells how far it is.
func (s *Shell) exportGIF(path string) {
	from, span, _ := s.animatedSpan()
	if span <= 0 {
		s.showError(words.NewFault("the timeline shows nothing yet", "let something happen first"))
		return
	}
	if s.session.Source() == nil {
		s.showError(words.NewFault("blocks of another network have no messages that could move", "export the chain's report instead"))
		return
	}
	a := &animation{from: from, span: span, selection: s.session.Selection(), theme: s.exportTheme(), world: s.session.StageCopy()}
	for i := range a.moments {
		a.moments[i] = s.session.Axis.At(a.from + int64(i)*span/gifFrames)
	}
	tell := func(percent int) {
		s.do(func() { s.toast(words.L("Animation: {{.Percent}} %", map[string]any{"Percent": percent})) })
	}
	s.toast(words.L("Animation: {{.Percent}} %", map[string]any{"Percent": 0}))
	go func() {
		err := writeFile(path, func(to io.Writer) error { return a.write(to, tell) })
		s.do(func() { s.saved(path)(err) })
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
	return write.Page(to, s.session.Source(), report.PageInfo{Meta: meta}, s.session.PageHead(write.MostEvents))
}
