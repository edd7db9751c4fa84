package drawers

import (
	"fmt"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// topology is the editor of what a network consists of: as a form, and as text.
type topology struct {
	s *session.Session
	h Host

	box      *fyne.Container
	page     *container.Scroll
	form     *topologyForm
	text     *editor
	tabs     *look.Segmented
	draft    *draft.Topology
	problems *list
	changes  *list
	apply    *look.Button
	start    *look.Button
	about    *look.Text
	typing   bool // the text is being edited: it is not written anew
	applying string
	problem  string // of applying
	running  string // YAML of the running topology that the draft began with
}

func newTopology(s *session.Session, h Host) *topology {
	t := &topology{s: s, h: h, problems: newList(h), changes: newList(h), about: look.Muted("")}
	t.text = newEditor(func(text string) { t.typed(text) })
	t.form = newTopologyForm(h)
	t.apply = look.Secondary(words.L("Apply to the running network"), t.applyLive)
	t.start = look.Primary(words.L("Start this network"), t.startNew)
	t.page = scroll(t.form.box)
	tabs, pages := tabs([]string{words.L("Form"), words.L("YAML")}, func(i int) {
		if i == 0 && t.draft != nil {
			t.form.edit(t.draft)
		}
	}, t.page, look.Inset(10, 4, t.text.box))
	t.tabs = tabs
	tools := look.Row(2, look.IconButton("folder", words.L("Open a topology"), t.open), look.IconButton("save", words.L("Save the topology"), t.save))
	head := look.Column(4, look.Line(t.about, tools), look.Line(container.NewHBox(t.tabs), look.Link(words.L("samples"), t.samples)), t.problems.page)
	foot := container.NewVBox(t.changes.page, look.Row(8, t.start), look.Row(8, t.apply))
	t.box = container.NewBorder(look.Inset(16, 0, head), look.Inset(16, 10, foot), nil, nil, pages)
	file := ""
	if session.Recognise(s.File()).Kind == session.TopologyFile {
		file = s.File()
	}
	t.edit(s.Topology(), file)
	return t
}

// followRunning begins anew from the running topology when that has changed and the draft
// has not.
func (t *topology) followRunning() {
	if t.s.Topology() == nil || t.draft.Modified() || t.typing {
		return
	}
	b, err := t.s.Topology().YAML()
	if err != nil || string(b) == t.running {
		return
	}
	t.running = string(b)
	if t.running != t.draft.YAML() {
		t.edit(t.s.Topology(), t.draft.File())
	}
}

// edit begins a draft of a topology; nil: of the default one.
func (t *topology) edit(of *network.Topology, file string) {
	d, err := draft.New(of, file)
	if err != nil {
		t.h.fail(err)
		return
	}
	t.draft = d
	d.OnChange(t.changed)
	t.form.edit(d)
	t.text.set(d.YAML())
	t.changed()
}

// typed takes the text that a person writes.
func (t *topology) typed(text string) {
	if t.draft == nil || text == t.draft.YAML() {
		return
	}
	t.typing = true
	defer func() { t.typing = false }()
	_ = t.draft.SetYAML(text) // what is wrong stands in Problems
}

// changed follows the draft: what is wrong, and what the change would take.
func (t *topology) changed() {
	if t.draft == nil {
		return
	}
	if !t.typing {
		t.text.set(t.draft.YAML())
	}
	name := t.draft.Topology().Name
	if t.draft.File() != "" {
		name = filepath.Base(t.draft.File())
	}
	if t.draft.Modified() {
		name += " " + words.L("(changed)")
	}
	t.about.SetText(name)
	t.update()
}

func (t *topology) update() {
	t.followRunning()
	problems := t.draft.Problems()
	line := 0
	for _, p := range problems {
		line = max(line, p.Line)
	}
	t.text.mark(0, line)
	problems = append(t.form.problems(), problems...)
	t.problems.show(fmt.Sprint(problems), func(b *sheet.Builder) { writeProblems(b, problems) })
	look.Able(t.start, len(problems) == 0)
	t.writeChanges(len(problems) == 0)
}

func writeProblems(b *sheet.Builder, problems []draft.Problem) {
	if len(problems) == 0 {
		return
	}
	b.Gap(4)
	b.Box(sheet.Bad, func() {
		for _, p := range problems {
			where := p.Key
			if p.Line > 0 {
				where += " " + words.L("(line {{.N}})", map[string]any{"N": p.Line})
			}
			b.Text(where, sheet.Style{Mono: true, Tone: sheet.Bad, Bold: true})
			b.Text(p.Text, sheet.Style{Size: 11.5})
		}
	})
	b.Gap(4)
}

// writeChanges says which changes a running network takes, and which need a new start.
func (t *topology) writeChanges(right bool) {
	running := t.s.Running()
	var c draft.Changes
	if running && right {
		c = t.draft.Compare(t.s.Topology())
	}
	look.Show(t.apply, running)
	look.Able(t.apply, len(c.Live) > 0 && t.applying == "")
	key := fmt.Sprint(running, t.applying, t.problem)
	for _, x := range append(append([]draft.Change{}, c.Live...), c.NewStart...) {
		key += x.Text + "\n"
	}
	t.changes.show(key, func(b *sheet.Builder) {
		if !running {
			return
		}
		writeChangeList(b, words.L("Can be applied now"), sheet.Good, sheet.Tick, c.Live)
		writeChangeList(b, words.L("Needs a new start"), sheet.Warn, sheet.Ring, c.NewStart)
		if t.applying != "" {
			b.Text(t.applying+" ...", sheet.Style{Tone: sheet.Accent})
		}
		if t.problem != "" {
			b.Box(sheet.Bad, func() { b.Text(t.problem, sheet.Style{Size: 11.5}) })
		}
		b.Gap(4)
	})
}

// maxChanges bounds how many changes are listed.
const maxChanges = 6

func writeChangeList(b *sheet.Builder, title string, tone sheet.Tone, sign sheet.Sign, all []draft.Change) {
	if len(all) == 0 {
		return
	}
	b.Line(title, sheet.Style{Tone: tone, Bold: true})
	for i, c := range all {
		if i == maxChanges {
			b.Line(words.L("{{.N}} more are not shown", map[string]any{"N": len(all) - i}), sheet.Style{Tone: sheet.Quiet})
			break
		}
		b.Point(sign, tone, c.Text)
	}
}

func (t *topology) applyLive() {
	c := t.draft.Compare(t.s.Topology())
	t.problem = ""
	t.s.ApplyChanges(c.Live, func(x draft.Change) {
		t.applying = x.Text
		t.update()
	}, func(err error) {
		t.applying = ""
		if err != nil {
			t.problem = explained(err)
		} else {
			t.edit(t.s.Topology(), t.draft.File())
		}
		t.update()
	})
}

func (t *topology) startNew() {
	ready, err := t.draft.Ready()
	if err != nil {
		t.h.fail(err)
		return
	}
	t.h.StartTopology(ready, t.draft.File())
}

func (t *topology) open() {
	t.h.OpenFile([]string{".yaml", ".yml"}, func(path string) {
		read, err := session.OpenTopology(path)
		if err != nil {
			t.h.fail(err)
			return
		}
		t.edit(read, path)
	})
}

func (t *topology) save() {
	name := "topology.yaml"
	if t.draft.File() != "" {
		name = filepath.Base(t.draft.File())
	}
	t.h.SaveFile(name, func(path string) {
		if err := t.draft.Save(path); err != nil {
			t.h.fail(err)
			return
		}
		t.h.Notify(words.L("Saved as {{.Name}}.", map[string]any{"Name": filepath.Base(path)}))
		t.changed()
	})
}

// samples offers the topologies that come with the program.
func (t *topology) samples() {
	canvas := fyne.CurrentApp().Driver().CanvasForObject(t.tabs)
	if canvas == nil {
		return
	}
	var items []*fyne.MenuItem
	for _, sm := range session.Samples() {
		items = append(items, fyne.NewMenuItem(sm.Title+": "+sm.Summary, func() {
			if of, err := session.SampleTopology(sm.Name); err == nil {
				t.edit(of, "")
			}
		}))
	}
	popUpMenu(fyne.NewMenu("", items...), canvas, t.tabs)
}
