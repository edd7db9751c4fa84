package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/inspector/sheet"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/internal/link"
)

// links is the part of the drawer "Faults" that shapes connections.
type links struct {
	s *session.Session
	h Host

	box                   *fyne.Container
	ends                  ends
	a, b                  *Choice
	latency, jitter, loss *look.Entry
	wrong                 *look.Text
	org                   *Choice
	draw                  *look.Button
	list                  *list
	gate                  *gate
}

func newLinks(s *session.Session, h Host, g *gate) *links {
	l := &links{s: s, h: h, gate: g, list: newList(h), wrong: look.Small("").Wrapped().Toned(look.Bad)}
	l.a, l.b = newSelect(nil, nil), newSelect(nil, nil)
	l.org = newSelect(nil, nil)
	entry := func(hint string) *look.Entry {
		e := look.NewEntry()
		e.PlaceHolder = hint
		return e
	}
	l.latency, l.jitter, l.loss = entry("100ms"), entry("20ms"), entry("2 %")
	shape := look.Secondary(lang.L("Slow it down"), l.shape)
	cut := look.Danger(lang.L("Cut"), func() { l.both(func(a, b string) { s.Cut(a, b, h.fail) }) })
	mend := look.Secondary(lang.L("Mend"), func() { l.both(func(a, b string) { s.Mend(a, b, h.fail) }) })
	l.draw = look.Secondary(lang.L("Draw a line"), l.drawLine)
	apart := look.Danger(lang.L("Cut off"), l.apart)
	heal := look.Secondary(lang.L("Heal everything"), func() { s.Heal(h.fail) })
	g.add(shape, cut, mend, l.draw, apart, heal)
	l.wrong.Hide()
	l.box = look.Column(8,
		container.New(twoColumns{}, look.FormRow(lang.L("One end"), l.a), look.FormRow(lang.L("Other end"), l.b)),
		container.New(threeColumns{}, look.FormRow(lang.L("Latency"), l.latency), look.FormRow(lang.L("Jitter"), l.jitter), look.FormRow(lang.L("Loss"), l.loss)),
		l.wrong, look.Row(8, shape, cut, mend), l.list.page,
		look.Muted(lang.L("A partition divides the nodes: draw a line across the network, or cut off an organisation.")).Wrapped(),
		container.NewBorder(nil, nil, nil, apart, look.Inset(0, 0, l.org)), look.Row(8, l.draw, heal))
	return l
}

func (l *links) update() {
	l.write()
	if l.s == nil {
		return
	}
	if e := nodesAndClients(l.s, true); !slices.Equal(e.labels, l.ends.labels) {
		l.ends = e
		l.a.SetOptions(e.labels)
		l.b.SetOptions(e.labels)
	}
	orgs := l.s.Organizations()
	if !slices.Equal(orgs, l.org.Options) {
		l.org.SetOptions(orgs)
		if l.org.Selected == "" && len(orgs) > 0 {
			l.org.SetSelected(orgs[0])
		}
	}
}

func (l *links) write() {
	var rules []session.LinkRule
	if l.s != nil {
		rules = l.s.Links()
	}
	l.list.show(fmt.Sprint(rules), func(b *sheet.Builder) {
		for _, r := range rules {
			it := sheet.Item{Name: view.Short(r.A) + " - " + view.Short(r.B), Detail: shapeText(r.Shape), Sign: sheet.Triangle, Tone: sheet.Warn}
			if strings.Contains(r.A+r.B, ", ") { // both sides of a partition
				it.Name, it.Detail = lang.L("Partition"), r.A+" | "+r.B
			} else {
				it.Actions = []sheet.Action{{Label: lang.L("Mend"), Do: func() { l.s.Mend(r.A, r.B, l.h.fail) }}}
			}
			if r.Shape.Cut {
				it.Sign, it.Tone = sheet.Cross, sheet.Bad
			}
			b.Item(it)
		}
	})
}

func shapeText(s link.Shape) string {
	if s.Cut {
		return lang.L("cut")
	}
	var parts []string
	if s.Latency > 0 {
		parts = append(parts, lang.L("{{.T}} slower", map[string]any{"T": s.Latency}))
	}
	if s.Jitter > 0 {
		parts = append(parts, lang.L("up to {{.T}} more", map[string]any{"T": s.Jitter}))
	}
	if s.Loss > 0 {
		parts = append(parts, lang.L("{{.P}} % lost", map[string]any{"P": strconv.FormatFloat(s.Loss*100, 'g', 4, 64)}))
	}
	return strings.Join(parts, ", ")
}

// both does something with the two chosen ends.
func (l *links) both(do func(a, b string)) {
	a, b := l.ends.name(l.a.Selected), l.ends.name(l.b.Selected)
	if a == "" || b == "" || a == b {
		l.say(lang.L("Choose two different ends first."))
		return
	}
	l.say("")
	do(a, b)
}

func (l *links) say(text string) {
	l.wrong.SetText(text)
	show(l.wrong, text != "")
}

func (l *links) shape() {
	var s link.Shape
	var err error
	if s.Latency, err = duration(l.latency.Text); err == nil {
		if s.Jitter, err = duration(l.jitter.Text); err == nil {
			s.Loss, err = share(l.loss.Text)
		}
	}
	if err != nil {
		l.say(err.Error())
		return
	}
	if s == (link.Shape{}) {
		l.say(lang.L("Write a latency, a jitter or a loss, such as 100ms or 2 %."))
		return
	}
	l.both(func(a, b string) { l.s.SetLink(a, b, s, l.h.fail) })
}

// duration reads a time such as 100ms; nothing is 0.
func duration(text string) (time.Duration, error) {
	text = strings.ReplaceAll(strings.TrimSpace(text), " ", "")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s", lang.L("{{.Text}} is no time; write 100ms or 1.5s", map[string]any{"Text": text}))
	}
	return d, nil
}

// share reads a share such as 2 % or 0.02 as a number from 0 to 1; nothing is 0.
func share(text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	if number == "" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	if percent {
		f /= 100
	}
	if err != nil || f < 0 || f > 1 {
		return 0, fmt.Errorf("%s", lang.L("{{.Text}} is no share; write 2 % or 0.02", map[string]any{"Text": text}))
	}
	return f, nil
}

// drawLine lets the person draw a line across the stage.
func (l *links) drawLine() {
	if l.h.PartitionMode != nil {
		l.h.PartitionMode(true)
	}
}

// apart cuts the nodes of the chosen organisation off from all others.
func (l *links) apart() {
	var in, out []string
	for _, n := range l.s.Nodes() {
		if n.Org == l.org.Selected {
			in = append(in, n.Name)
		} else {
			out = append(out, n.Name)
		}
	}
	if len(in) > 0 && len(out) > 0 {
		l.s.Partition([][]string{in, out}, l.h.fail)
	}
}

// threeColumns sets three objects side by side.
type threeColumns struct{}

// MinSize is three of the widest.
func (threeColumns) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var m fyne.Size
	for _, o := range objects {
		m = m.Max(o.MinSize())
	}
	return fyne.NewSize(3*m.Width+2*look.Px(8), m.Height)
}

// Layout makes them equally wide.
func (threeColumns) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	gap := look.Px(8)
	w := (size.Width - 2*gap) / 3
	for i, o := range objects {
		o.Move(fyne.NewPos(float32(i)*(w+gap), 0))
		o.Resize(fyne.NewSize(w, size.Height))
	}
}
