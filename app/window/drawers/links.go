package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
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
	wrong                 complaint
	org                   *Choice
	draw                  *look.Button
	list                  *list
	gate                  *gate
}

func newLinks(s *session.Session, h Host, g *gate) *links {
	l := &links{s: s, h: h, gate: g, list: newList(h), wrong: newComplaint()}
	l.a, l.b = newSelect(nil, nil), newSelect(nil, nil)
	l.org = newSelect(nil, nil)
	entry := func(hint string) *look.Entry {
		e := look.NewEntry()
		e.PlaceHolder = hint
		return e
	}
	l.latency, l.jitter, l.loss = entry("100ms"), entry("20ms"), entry("2 %")
	shape := look.Secondary(words.L("Slow it down"), l.shape)
	cut := look.Danger(words.L("Cut"), func() { l.both(func(a, b string) { s.Cut(a, b, h.fail) }) })
	mend := look.Secondary(words.L("Mend"), func() { l.both(func(a, b string) { s.Mend(a, b, h.fail) }) })
	l.draw = look.Secondary(words.L("Draw a line"), l.drawLine)
	apart := look.Danger(words.L("Cut off"), l.apart)
	heal := look.Secondary(words.L("Heal everything"), func() { s.Heal(h.fail) })
	g.add(shape, cut, mend, l.draw, apart, heal)
	l.box = look.Column(8,
		look.Grid(2, look.FormRow(words.L("One end"), l.a), look.FormRow(words.L("Other end"), l.b)),
		look.Grid(3, look.FormRow(words.L("Latency"), l.latency), look.FormRow(words.L("Jitter"), l.jitter), look.FormRow(words.L("Loss"), l.loss)),
		l.wrong.Text, look.Row(8, shape, cut, mend), l.list.page,
		look.Muted(words.L("A partition divides the nodes: draw a line across the network, or cut off an organisation.")).Wrapped(),
		container.NewBorder(nil, nil, nil, apart, look.Inset(0, 0, l.org)), look.Row(8, l.draw, heal))
	return l
}

func (l *links) update() {
	l.write()
	if e := nodesAndClients(l.s, true); !slices.Equal(e.labels, l.ends.labels) {
		l.ends = e
		l.a.SetOptions(e.labels)
		l.b.SetOptions(e.labels)
	}
	l.org.offer(l.s.Organizations(), 0)
}

func (l *links) write() {
	rules := l.s.Links()
	l.list.show(fmt.Sprint(rules), func(b *sheet.Builder) {
		for _, r := range rules {
			it := sheet.Item{Name: l.s.Short(r.A) + " - " + l.s.Short(r.B), Detail: shapeText(r.Shape), Sign: sheet.Triangle, Tone: sheet.Warn}
			if len(r.Groups) > 0 {
				it.Name, it.Detail, it.Sign, it.Tone = words.L("Partition"), l.groupsText(r.Groups), sheet.Cross, sheet.Bad
			} else {
				it.Actions = []sheet.Action{{Label: words.L("Mend"), Do: func() { l.s.Mend(r.A, r.B, l.h.fail) }}}
			}
			if r.Shape.Cut {
				it.Sign, it.Tone = sheet.Cross, sheet.Bad
			}
			b.Item(it)
		}
	})
}

// groupsText are the sides of a partition: "peer0.org1, orderer | peer0.org2".
func (l *links) groupsText(groups [][]string) string {
	sides := make([]string, len(groups))
	for i, g := range groups {
		names := make([]string, len(g))
		for j, name := range g {
			names[j] = l.s.Short(name)
		}
		sides[i] = strings.Join(names, ", ")
	}
	return strings.Join(sides, " | ")
}

func shapeText(s link.Shape) string {
	if s.Cut {
		return words.L("cut")
	}
	var parts []string
	if s.Latency > 0 {
		parts = append(parts, words.L("{{.T}} slower", map[string]any{"T": s.Latency}))
	}
	if s.Jitter > 0 {
		parts = append(parts, words.L("up to {{.T}} more", map[string]any{"T": s.Jitter}))
	}
	if s.Loss > 0 {
		parts = append(parts, words.L("{{.P}} % lost", map[string]any{"P": strconv.FormatFloat(s.Loss*100, 'g', 4, 64)}))
	}
	return strings.Join(parts, ", ")
}

// both does something with the two chosen ends.
func (l *links) both(do func(a, b string)) {
	a, b := l.ends.name(l.a.Selected), l.ends.name(l.b.Selected)
	if a == "" || b == "" || a == b {
		l.wrong.say(words.L("Choose two different ends first."))
		return
	}
	l.wrong.say("")
	do(a, b)
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
		l.wrong.say(err.Error())
		return
	}
	if s == (link.Shape{}) {
		l.wrong.say(words.L("Write a latency, a jitter or a loss, such as 100ms or 2 %."))
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
		return 0, fmt.Errorf("%s", words.L("{{.Text}} is no time; write 100ms or 1.5s", map[string]any{"Text": text}))
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
		return 0, fmt.Errorf("%s", words.L("{{.Text}} is no share; write 2 % or 0.02", map[string]any{"Text": text}))
	}
	return f, nil
}

// drawLine lets the person draw a line across the stage.
func (l *links) drawLine() {
	l.h.PartitionMode(true)
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
