package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network/load"
)

// maxLoadsShown bounds the list of loads that are over.
const maxLoadsShown = 10

// loads is the drawer that makes many transactions.
type loads struct {
	s *session.Session
	h Host

	gate      *gate
	kinds     []string
	workload  *Choice
	about     *look.Text
	clients   *look.Entry
	seconds   *look.Entry
	rate      *look.Entry
	hotKeys   *look.Entry
	hotRow    *fyne.Container
	chaincode *Choice
	identity  *Choice
	wrong     complaint
	start     *look.Button
	list      *list
	runs      []*session.LoadRun // newest first
	charts    *look.Picture
	drawn     int64 // the second that the charts show
}

// NewLoad makes the drawer "Load".
func NewLoad(s *session.Session, h Host) *Panel {
	d := &loads{s: s, h: h, kinds: load.Workloads(), list: newList(h)}
	d.about = look.Muted("").Wrapped()
	d.clients, d.seconds, d.rate, d.hotKeys = look.NewEntry(), look.NewEntry(), look.NewEntry(), look.NewEntry()
	d.clients.Text, d.seconds.Text, d.hotKeys.Text = "8", "10", "1"
	d.rate.PlaceHolder = words.L("as many as go")
	d.chaincode, d.identity = newSelect(nil, nil), newSelect(nil, nil)
	d.hotRow = look.FormRow(words.L("Hot keys"), d.hotKeys)
	d.workload = newSelect(d.kinds, func(string) { d.chosen() })
	d.wrong = newComplaint()
	d.start = look.Primary(words.L("Start the load"), d.begin).WithIcon("play")
	d.gate = newGate(s, d.start)
	d.charts = look.NewPicture(240, 440, d.draw)
	d.runs = slices.Clone(s.Loads()) // of an earlier time that the drawer was open
	page := scroll(d.gate.box, look.FormRow(words.L("Workload"), d.workload), d.about,
		look.Grid(2, look.FormRow(words.L("Clients at once"), d.clients), look.FormRow(words.L("Seconds"), d.seconds),
			look.FormRow(words.L("Transactions a second"), d.rate), d.hotRow,
			look.FormRow(words.L("Chaincode"), d.chaincode), look.FormRow(words.L("Client"), d.identity)),
		d.wrong.Text, container.NewHBox(d.start), d.list.page, d.charts)
	p := newPanel(words.L("Load"), page, page)
	p.update = d.update
	p.first = d.workload
	if len(d.kinds) > 0 {
		d.workload.SetSelected(preferredLoad(d.kinds))
	}
	d.update()
	return p
}

// preferredLoad is the load in which there is most to see.
func preferredLoad(names []string) string {
	if slices.Contains(names, "mixed") {
		return "mixed"
	}
	return names[0]
}

func (d *loads) chosen() {
	i := d.workload.SelectedIndex()
	if i < 0 {
		return
	}
	d.about.SetText(words.Workload(d.kinds[i]))
	look.Able(d.hotKeys, d.kinds[i] != "create")
}

func (d *loads) update() {
	d.gate.update()
	names := []string{words.L("automatic")}
	for _, c := range d.s.Chaincodes.List() {
		names = append(names, c.Name)
	}
	d.chaincode.offer(names, 0)
	d.identity.offer(append([]string{words.L("automatic")}, d.s.Identities()...), 0)
	d.write()
	look.Show(d.charts, d.s.Source() != nil)
	if now := d.s.Playhead.At.Time / int64(time.Second); now != d.drawn { // the charts have one value a second
		d.drawn = now
		d.charts.Refresh()
	}
}

// chartSpan is how much of the time before the playhead the charts show.
const chartSpan = time.Minute

// draw draws the charts of what the network does, as of the playhead.
func (d *loads) draw(c paint.Canvas, w, h float64, k *paint.Theme) {
	th := *k
	th.Scale = 1 // the picture as a whole is enlarged
	series := d.s.Meter.Series(d.s.Playhead.At, chartSpan)
	const margin = 16 // that the charts keep on all sides
	paint.DrawCharts(c, &series, view.Rect{X: -margin, W: w + 2*margin, H: h}, &th, words.Now())
}

// number reads a whole number of at least low; nothing is 0 if low is 0.
func number(name, text string, low, high int) (int, error) {
	text = strings.TrimSpace(text)
	if text == "" && low == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s", words.L("{{.Name}}: write a number from {{.Low}} to {{.High}}", map[string]any{"Name": name, "Low": low, "High": high}))
	}
	return n, nil
}

// options reads the form.
func (d *loads) options() (o session.LoadOptions, err error) {
	o.Workload = d.workload.Selected
	if o.Clients, err = number(words.L("Clients at once"), d.clients.Text, 1, 1000); err != nil {
		return o, err
	}
	seconds, err := number(words.L("Seconds"), d.seconds.Text, 1, 3600)
	if err != nil {
		return o, err
	}
	o.Duration = time.Duration(seconds) * time.Second
	if o.Rate, err = number(words.L("Transactions a second"), d.rate.Text, 0, 100_000); err != nil {
		return o, err
	}
	if o.HotKeys, err = number(words.L("Hot keys"), d.hotKeys.Text, 1, 100); err != nil {
		return o, err
	}
	if d.chaincode.SelectedIndex() > 0 {
		o.Chaincode = d.chaincode.Selected
	}
	if d.identity.SelectedIndex() > 0 {
		o.Identity = d.identity.Selected
	}
	return o, nil
}

func (d *loads) begin() {
	o, err := d.options()
	if err == nil {
		var r *session.LoadRun
		if r, err = d.s.StartLoad(o, func(session.LoadTotals) { d.write() }); err == nil {
			d.runs = append([]*session.LoadRun{r}, d.runs...)
			d.runs = d.runs[:min(len(d.runs), maxLoadsShown)]
		}
	}
	d.wrong.say("")
	if err != nil {
		d.wrong.say(words.Capital(words.Now().Fault(err)))
	}
	d.write()
}

func (d *loads) write() {
	key := fmt.Sprint(d.gate.open())
	for _, r := range d.runs {
		t := r.Totals()
		key += fmt.Sprint(" ", t.Running, t.Committed, int(t.Elapsed.Seconds()*2))
	}
	d.list.show(key, func(b *sheet.Builder) {
		b.Section(words.L("Loads"), "", sheet.Quiet, nil)
		if len(d.runs) == 0 {
			b.Text(words.L("None yet. A load keeps its clients busy with one transaction after the other, and measures what comes of them."), sheet.Style{Tone: sheet.Quiet})
		}
		for _, r := range d.runs {
			d.run(b, r)
		}
	})
}

func (d *loads) run(b *sheet.Builder, r *session.LoadRun) {
	t := r.Totals()
	name := words.L("{{.Name}}, {{.N}} clients", map[string]any{"Name": r.Options.Workload, "N": max(1, r.Options.Clients)})
	it := sheet.Item{Name: name, Note: words.L("{{.N}} tx/s on average", fmt.Sprintf("%.0f", t.PerSecond())), NoteIn: sheet.Quiet}
	switch {
	case t.Running:
		it.Sign, it.Tone, it.Marked = sheet.Disc, sheet.Accent, true
		it.Detail = words.L("{{.N}} transactions in {{.T}} s", map[string]any{"N": t.Committed, "T": int(t.Elapsed.Seconds())})
		if r.Options.Duration > 0 {
			it.Share = max(0.01, min(1, float64(t.Elapsed)/float64(r.Options.Duration)))
		}
		it.Actions = []sheet.Action{{Label: words.L("Stop"), Tone: sheet.Bad, Do: r.Stop}}
	case t.Err != nil:
		it.Sign, it.Tone, it.Detail = sheet.Cross, sheet.Bad, t.Text()
	default:
		it.Sign, it.Tone, it.Detail = sheet.Tick, sheet.Good, t.Text()
	}
	b.Item(it)
	if t.Summary == nil || len(t.Summary.Codes) == 0 {
		return
	}
	codes := make([]string, 0, len(t.Summary.Codes))
	for c := range t.Summary.Codes {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	rows := make([][]sheet.Cell, 0, len(codes))
	for _, c := range codes {
		tone := sheet.Bad
		if c == "VALID" {
			tone = sheet.Good
		}
		n := t.Summary.Codes[c]
		rows = append(rows, []sheet.Cell{{Text: c, Style: sheet.Style{Mono: true, Tone: tone}}, {Text: strconv.Itoa(n), Style: sheet.Style{Mono: true}},
			{Text: fmt.Sprintf("%.1f %%", 100*float64(n)/float64(max(1, t.Summary.Committed))), Style: sheet.Style{Mono: true}}})
	}
	b.Table([]string{words.L("verdict"), words.L("number"), words.L("share")}, rows)
	b.Gap(8)
}
