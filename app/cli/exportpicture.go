package cli

import (
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// pictureFlags say what a picture of a run shows.
type pictureFlags struct {
	of, theme, size string
	at, from, to    string
	length          time.Duration // of an animation on the screen
}

func (f *pictureFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.of, "of", "stage", "pictures: stage or timeline")
	cmd.Flags().StringVar(&f.at, "at", "", "pictures: the moment, as time since the beginning (3.29s) or as an event's number; else the verdict of --tx, the first that is not valid, or the last")
	cmd.Flags().StringVar(&f.from, "from", "", "timeline and gif: where the span begins, like --at")
	cmd.Flags().StringVar(&f.to, "to", "", "timeline and gif: where the span ends")
	cmd.Flags().StringVar(&f.theme, "theme", "dark", "pictures: dark or light")
	cmd.Flags().StringVar(&f.size, "size", "", "pictures: width and height in pixels, like 1440x900")
	cmd.Flags().DurationVar(&f.length, "length", 6*time.Second, "gif: how long it lasts")
}

// Bounds of pictures, and the pace of animations.
const (
	leastSide, mostSide     = 160, 4096
	stageMargin             = 24
	mostEnlarged            = 4.0
	timelineW, timelineFoot = 1440.0, 8.0
	framesPerSecond         = 12.5
)

// album draws pictures of one run.
type album struct {
	*report.Models
	theme     *paint.Theme
	w, h      int // 0: as large as the stage is
	selection view.Selection
	at        view.Moment
	from, to  int64 // nanoseconds since 1970; equal: no span was asked for
}

// newAlbum reads a run and finds the moment and the span that the flags name, for a picture or
// one that moves.
func newAlbum(run *runfile.Run, f *exportFlags, moving bool) (*album, error) {
	a := &album{}
	if err := a.parseLook(&f.pictureFlags); err != nil {
		return nil, err
	}
	count, err := run.Count()
	if err != nil {
		return nil, err
	}
	limit := max(int(min(count, mostPictured)), 1000)
	a.Models = report.NewModels(run, limit)
	var cursor uint64
	for {
		events, next, _ := run.Since(cursor, 4096)
		if len(events) == 0 {
			break
		}
		a.Add(events)
		cursor = next
	}
	if _, _, ok := a.Axis.Bounds(); !ok {
		return nil, errors.New("the run has no events to draw")
	}
	at, tx := a.Interesting()
	a.at = at
	if f.TxID != "" || !moving || f.from != "" || f.to != "" {
		tx = f.TxID // an animation of nothing in particular shows the transaction of that moment
	}
	if tx != "" {
		if err := a.followTx(run, tx); err != nil {
			return nil, err
		}
	}
	return a, a.parseMoments(&f.pictureFlags)
}

// mostPictured is how many events a picture's models remember: the last ones of longer runs.
const mostPictured = 2_000_000

func (a *album) parseLook(f *pictureFlags) error {
	switch f.theme {
	case "dark":
		a.theme = paint.Dark()
	case "light":
		a.theme = paint.Light()
	default:
		return fmt.Errorf("theme %q is not known: dark or light", f.theme)
	}
	if f.of != "stage" && f.of != "timeline" {
		return fmt.Errorf("there is no picture of %q: stage or timeline", f.of)
	}
	if f.size != "" {
		w, h, ok := strings.Cut(f.size, "x")
		var errW, errH error
		a.w, errW = strconv.Atoi(w)
		a.h, errH = strconv.Atoi(h)
		if !ok || errW != nil || errH != nil || min(a.w, a.h) < leastSide || max(a.w, a.h) > mostSide {
			return fmt.Errorf("size %q: write width x height, each from %d to %d pixels, like 1440x900", f.size, leastSide, mostSide)
		}
	}
	if f.length < time.Second/2 || f.length > paint.MostFrames/framesPerSecond*time.Second {
		return fmt.Errorf("length %s: an animation lasts from 0.5 to %.0f seconds", f.length, paint.MostFrames/framesPerSecond)
	}
	return nil
}

// followTx selects a transaction: its verdict is the moment, its life the span.
func (a *album) followTx(run *runfile.Run, prefix string) error {
	id, err := report.FindTx(run, prefix)
	if err != nil {
		return err
	}
	a.selection = view.Selection{What: view.SelectTx, TxID: id}
	for _, e := range run.ByTx(id) {
		if a.from == 0 || e.Time < a.from {
			a.from = e.Time
		}
		a.to = max(a.to, e.Time)
		if e.Kind == trace.Verdict {
			a.at = a.Axis.Moment(e.Seq)
		}
	}
	return nil
}

func (a *album) parseMoments(f *pictureFlags) error {
	for _, m := range []struct {
		name, text string
		set        func(view.Moment)
	}{
		{"at", f.at, func(m view.Moment) { a.at = m }},
		{"from", f.from, func(m view.Moment) { a.from = m.Time }},
		{"to", f.to, func(m view.Moment) { a.to = m.Time }},
	} {
		if m.text == "" {
			continue
		}
		if seq, err := strconv.ParseUint(m.text, 10, 64); err == nil {
			m.set(a.Axis.Moment(seq))
			continue
		}
		d, err := time.ParseDuration(m.text)
		if err != nil || d < 0 {
			return fmt.Errorf("--%s %s: write a time since the beginning like 3.29s or 120ms, or an event's number", m.name, m.text)
		}
		m.set(a.Axis.At(a.Axis.Start().Time + int64(d)))
	}
	switch {
	case f.from != "" && a.to == 0:
		a.to = a.Axis.End().Time
	case f.to != "" && a.from == 0:
		a.from = a.Axis.Start().Time
	}
	if a.from > a.to || a.from == a.to && a.from != 0 {
		return errors.New("--from must be before --to")
	}
	return nil
}

// writePicture writes the picture in a format: png, svg or gif.
func (a *album) writePicture(w io.Writer, format, of string, length time.Duration) error {
	if format == "gif" {
		return a.animate(w, of, length)
	}
	if of == "timeline" {
		f := a.timeline(a.at)
		if format == "svg" {
			s := paint.NewSVG(w, f.W, f.H)
			s.Title("Timeline of a run")
			paint.DrawTimeline(s, f, a.theme)
			return s.Close()
		}
		pic := image.NewRGBA(image.Rect(0, 0, int(f.W), int(f.H)))
		new(paint.TimelinePainter).Paint(pic, f, a.theme)
		return paint.WritePNG(w, pic)
	}
	f := a.Stage.Frame(a.at, stage.Options{Selection: a.selection})
	wide, high, cam := a.camera(f)
	if format == "svg" {
		s := paint.NewSVG(w, float64(wide), float64(high)+paint.FooterHigh)
		s.Title("Stage of a run")
		paint.DrawStage(s, f, cam, a.theme.Larger(max(1, cam.Scale)))
		a.footer(s, wide, high, a.at)
		return s.Close()
	}
	pic := image.NewRGBA(image.Rect(0, 0, wide, high))
	new(paint.StagePainter).Paint(pic, f, cam, a.theme.Larger(max(1, cam.Scale)))
	return paint.WritePNG(w, a.framed(pic, a.at))
}

// footer writes the moment and the caption below a stage.
func (a *album) footer(c paint.Canvas, w, h int, at view.Moment) {
	a.Footer(c, view.Rect{Y: float64(h), W: float64(w), H: paint.FooterHigh}, at, a.selection, a.theme)
}

// framed is a stage's picture with its footer.
func (a *album) framed(pic *image.RGBA, at view.Moment) *image.RGBA {
	w, h := pic.Rect.Dx(), pic.Rect.Dy()
	whole := image.NewRGBA(image.Rect(0, 0, w, h+int(paint.FooterHigh)))
	draw.Draw(whole, pic.Rect, pic, image.Point{}, draw.Src)
	a.footer(paint.NewImage(whole), w, h, at)
	return whole
}

// timeline lays the timeline out; without a size it is as high as its lanes.
func (a *album) timeline(at view.Moment) *timeline.Frame {
	o := timeline.Options{Window: a.Timeline.Fit(), W: float64(a.w), H: float64(a.h), At: at, Selection: a.selection}
	if a.to > a.from {
		margin := (a.to - a.from) / 20
		o.Window = timeline.Window{From: a.from - margin, To: a.to + margin}
	}
	if a.w > 0 {
		return a.Timeline.Frame(o)
	}
	o.W, o.H = timelineW, mostSide
	f := a.Timeline.Frame(o)
	if n := len(f.Lanes); n > 0 {
		o.H = max(leastSide, min(mostSide, f.Lanes[n-1].Y+f.Lanes[n-1].H+timelineFoot))
	}
	return a.Timeline.Frame(o)
}

// camera shows the whole stage, as large as the picture allows.
func (a *album) camera(f *stage.Frame) (w, h int, cam view.Camera) {
	w, h = a.w, a.h-int(paint.FooterHigh)
	if w == 0 {
		w, h = int(f.Bounds.W)+2*stageMargin, int(f.Bounds.H)+2*stageMargin
		if most := max(w, h); most > mostSide {
			w, h = w*mostSide/most, h*mostSide/most
		}
		w, h = max(w, leastSide), max(h, leastSide)
	}
	cam = view.Fit(f.Bounds, float64(w), float64(h), stageMargin)
	if larger := min(mostEnlarged, (float64(w)-2*stageMargin)/f.Bounds.W, (float64(h)-2*stageMargin)/f.Bounds.H); larger > 1 {
		cam = cam.Zoom(larger, view.Point{X: float64(w) / 2, Y: float64(h) / 2})
	}
	return w, h, cam
}

// animate lets the moment cross the span evenly.
func (a *album) animate(w io.Writer, of string, length time.Duration) error {
	span := a.to - a.from
	if span <= 0 {
		return errors.New("an animation needs a span: name a transaction with --tx, or a beginning and an end with --from and --to")
	}
	n := max(2, int(length.Seconds()*framesPerSecond))
	var stagePainter paint.StagePainter
	var timelinePainter paint.TimelinePainter
	var pic *image.RGBA
	size := func(w, h int) {
		if pic == nil {
			pic = image.NewRGBA(image.Rect(0, 0, w, h))
		}
	}
	o := stage.Options{Selection: a.selection, Scale: time.Duration(float64(span) / length.Seconds())}
	return paint.WriteGIF(w, n, time.Duration(float64(time.Second)/framesPerSecond), func(i int) *image.RGBA {
		at := a.Axis.At(a.from + int64(float64(i)/float64(n-1)*float64(span)))
		if of == "timeline" {
			f := a.timeline(at)
			size(int(f.W), int(f.H))
			timelinePainter.Paint(pic, f, a.theme)
			return pic
		}
		f := a.Stage.Frame(at, o)
		wide, high, cam := a.camera(f)
		size(wide, high)
		stagePainter.Paint(pic, f, cam, a.theme.Larger(max(1, cam.Scale)))
		return a.framed(pic, at)
	})
}
