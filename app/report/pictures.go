package report

import (
	"bytes"
	"fmt"
	"html/template"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/view/timeline"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Models are the models behind the pictures of one run: stage and timeline, and the places
// in the trace. They remember the last events of longer runs.
type Models struct {
	Axis     *view.Axis
	Stage    *stage.World
	Timeline *timeline.Index

	world *facts.World
	meter *meter.Meter
	seen  int

	rejected, judged interest
}

// interest is a verdict that somebody may want to see.
type interest struct {
	seq uint64
	tx  string
}

// Interesting is the moment that says most about a run: its first verdict that is not valid, else
// its last verdict, else its end; and the transaction there, "" for none.
func (m *Models) Interesting() (at view.Moment, tx string) {
	for _, of := range []interest{m.rejected, m.judged} {
		if of.seq != 0 {
			return m.Axis.Moment(of.seq), of.tx
		}
	}
	return m.Axis.End(), ""
}

// Footer writes below a picture when it is, since the run began, and what happens there.
func (m *Models) Footer(c paint.Canvas, r view.Rect, at view.Moment, sel view.Selection, th *paint.Theme) {
	since := time.Duration(at.Time - m.world.Origin())
	paint.DrawFooter(c, r, fmt.Sprintf("%.4f s", since.Seconds()), m.Stage.Caption(at, sel), th)
}

// NewModels makes models that remember about limit events.
func NewModels(src view.Source, limit int) *Models {
	world := facts.New(src, limit)
	return &Models{Axis: view.NewAxis(limit), Stage: stage.New(world), Timeline: timeline.New(world), world: world, meter: meter.New()}
}

// Add takes new events, in order.
func (m *Models) Add(events []trace.Event) {
	m.Axis.Add(events)
	m.world.Add(events, func(e *facts.Step, gap bool) {
		m.Timeline.Take(e, gap)
		m.meter.Take(e, gap)
	})
	m.Stage.Take(events)
	m.seen += len(events)
	for i := range events {
		e := &events[i]
		if e.Kind != trace.Verdict {
			continue
		}
		m.judged = interest{e.Seq, e.TxID}
		if code, ok := facts.CodeOf(e); ok && code != facts.Valid && m.rejected.seq == 0 {
			m.rejected = m.judged
		}
	}
}

// mostModelled is how many events the pictures of a page remember.
const mostModelled = 400_000

// pictures are what a page shows of its run, and the documents of its transactions.
type pictures struct {
	*Models
	src    Source
	index  *inspect.Index
	series meter.Series
	drawn  int
}

func newPictures(src Source) *pictures {
	models := NewModels(src, mostModelled)
	return &pictures{Models: models, src: src, index: inspect.New(models.world)}
}

func (p *pictures) add(events []trace.Event) {
	p.Add(events)
}

// mostSteps is about how many values a chart of a short run has.
const mostSteps = 60

// close counts once more in finer steps if the run was too short for a value a second.
func (p *pictures) close() error {
	if p.seen == 0 {
		return nil
	}
	from, to := p.Axis.Start(), p.Axis.End()
	step := time.Second
	if span := time.Duration(to.Time - from.Time); span < mostSteps*time.Second && span > 0 {
		step = max(10*time.Millisecond, span/mostSteps)
		p.meter = meter.Alone(step)
		err := each(p.src, nil, func(e *trace.Event) error {
			p.meter.Add([]trace.Event{*e})
			return nil
		})
		if err != nil {
			return err
		}
	}
	p.series = p.meter.Series(view.Moment{Seq: to.Seq, Time: to.Time + int64(step)}, time.Hour)
	return nil
}

// draw makes a picture that lies in the page.
func (p *pictures) draw(title string, w, h float64, picture func(c paint.Canvas, th *paint.Theme)) (template.HTML, error) {
	p.drawn++
	var out bytes.Buffer
	s := paint.NewInlineSVG(&out, "p"+string(rune('a'+p.drawn%26))+string(rune('a'+p.drawn/26))+"-", w, h)
	s.Title(title)
	picture(s, paint.Light())
	err := s.Close()
	return template.HTML(out.String()), err // package paint escapes every text
}

// The size of pictures on a page.
const (
	pictureW  = 1040.0
	chartsH   = 210.0
	leastHigh = 160.0
	mostHigh  = 2400.0
)

// charts are throughput, latency and validation codes over time.
func (p *pictures) charts() (template.HTML, error) {
	if p.series.Judged == 0 {
		return "", nil
	}
	return p.draw("Throughput, latency and validation codes", pictureW, chartsH, func(c paint.Canvas, th *paint.Theme) {
		paint.DrawCharts(c, &p.series, view.Rect{W: pictureW, H: chartsH}, th, nil)
	})
}

// covers says which part of a run the charts show, "" if they show all of it: what lies
// longer ago is only counted.
func (p *pictures) covers() string {
	s := &p.series
	if s.Skipped <= 0 {
		return ""
	}
	shown := time.Duration(len(s.Throughput)) * s.Step
	return fmt.Sprintf("The charts show the last %s of the run, from %s after its first event on. Transactions judged before that, which are not in the charts: %d.",
		shown, s.Skipped.Round(time.Second), s.Earlier)
}

// opening is the stage at the moment that says most about the run.
func (p *pictures) opening() (template.HTML, error) {
	if p.seen == 0 {
		return "", nil
	}
	const margin = 24
	at, tx := p.Interesting()
	sel := view.Selection{}
	if tx != "" {
		sel = view.Selection{What: view.SelectTx, TxID: tx}
	}
	f := p.Stage.Frame(at, stage.Options{Selection: sel})
	scale := min(1, pictureW/(f.Bounds.W+2*margin))
	h := max(leastHigh, min(mostHigh, (f.Bounds.H+2*margin)*scale))
	cam := view.Fit(f.Bounds, pictureW, h, margin)
	return p.draw("The network", pictureW, h+paint.FooterHigh, func(c paint.Canvas, th *paint.Theme) {
		paint.DrawStage(c, f, cam, th.Larger(max(1, cam.Scale)))
		p.Footer(c, view.Rect{Y: h, W: pictureW, H: paint.FooterHigh}, at, sel, th)
	})
}

// timelineOf is the timeline of the whole run, or of one transaction's life.
func (p *pictures) timelineOf(txID string) (template.HTML, error) {
	if p.seen == 0 {
		return "", nil
	}
	o := timeline.Options{Window: p.Timeline.Fit(), W: pictureW, H: mostHigh, At: p.Axis.End()}
	title := "Timeline of the run"
	if events := p.src.ByTx(txID); txID != "" && len(events) > 0 {
		title, o.Selection = "Timeline of the transaction", view.Selection{What: view.SelectTx, TxID: txID}
		o.Window = timeline.Window{From: events[0].Time, To: events[0].Time}
		for i := range events {
			o.Window.From, o.Window.To = min(o.Window.From, events[i].Time), max(o.Window.To, events[i].Time)
		}
		margin := (o.Window.To-o.Window.From)/20 + 1
		o.Window = timeline.Window{From: o.Window.From - margin, To: o.Window.To + margin}
	}
	f := p.Timeline.Frame(o)
	if n := len(f.Lanes); n > 0 {
		o.H = max(leastHigh, min(mostHigh, f.Lanes[n-1].Y+f.Lanes[n-1].H+8))
		f = p.Timeline.Frame(o)
	}
	return p.draw(title, o.W, o.H, func(c paint.Canvas, th *paint.Theme) { paint.DrawTimeline(c, f, th) })
}
