package drawers

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// maxShownSteps bounds the list of a run's steps.
const maxShownSteps = 200

// script is the drawer in which scenarios are written, run and recorded.
type script struct {
	s *session.Session
	h Host

	tabs   *look.Segmented
	edit   *editor
	record *editor
	note   *look.Text
	run    *look.Button
	stop   *look.Button
	noting *widget.Check
	save   *look.Button
	output *list
	scroll *container.Scroll
	name   string // of the scenario that is edited
	file   string // where it is kept, "" if nowhere
	about  *look.Text
	empty  *look.Text
	shown  *session.ScriptRun // whose source was put into the editor
	wrong  int
	steps  int    // noted, as recorded shows it
	opened string // the text as it was opened or saved
}

// NewScript makes the drawer "Script".
func NewScript(s *session.Session, h Host) *Panel {
	d := &script{s: s, h: h, name: "scenario.star", output: newList(h)}
	d.edit = newEditor(func(string) { d.check() })
	d.record = newEditor(nil)
	d.record.entry.Disable()
	d.note = look.Small("").Wrapped().Toned(look.Bad)
	d.about = look.Muted("")
	d.empty = look.Muted("").Wrapped()
	d.run = look.Primary(words.L("Run"), d.start).WithIcon("play")
	d.stop = look.Danger(words.L("Stop"), d.end)
	tabs, pages := tabs([]string{words.L("Scenario"), words.L("What I do")}, nil, d.scenario(), d.recording())
	d.tabs = tabs
	p := newPanel(words.L("Script"), container.NewBorder(look.Inset(16, 4, container.NewHBox(tabs)), nil, nil, nil, pages))
	p.update = d.update
	p.shut = d.remember
	p.first = d.edit.entry
	d.open(d.initial())
	d.update()
	return p
}

// initial is what stands in the editor at first: the scenario that runs, or a small one.
func (d *script) initial() (name, file, text string) {
	v := d.values()
	if r := d.s.ScriptRun(); r != nil {
		d.shown = r
		if v["script.text"] == "" || v["script.run"] != r.Name {
			v["script.run"] = r.Name
			return r.Name, "", r.Source
		}
	}
	if v["script.text"] != "" {
		return v["script.name"], v["script.file"], v["script.text"]
	}
	b, err := assets.Scenario("two-clients-one-key")
	if err != nil {
		return "scenario.star", "", ""
	}
	return "two-clients-one-key.star", "", string(b)
}

// maxRemembered bounds the text that is kept from one opening of the drawer to the next.
const maxRemembered = 64 << 10

// values are what the drawer remembers when it is closed.
func (d *script) values() map[string]string { return d.s.Settings().Values }

// remember keeps what was written, for the next time that the drawer is opened.
func (d *script) remember() {
	if v := d.values(); len(d.edit.text()) <= maxRemembered {
		v["script.name"], v["script.file"], v["script.text"] = d.name, d.file, d.edit.text()
	}
}

func (d *script) scenario() fyne.CanvasObject {
	tools := look.Row(6, look.IconButton("folder", words.L("Open a scenario"), d.load), look.IconButton("save", words.L("Save the scenario"), d.keep),
		look.Middle(d.samples()))
	head := look.Column(4, look.Line(d.about, tools))
	d.scroll = container.NewVScroll(look.Inset(16, 6, d.output.page))
	foot := look.Column(6, d.note, container.NewHBox(d.run, d.stop))
	split := container.NewVSplit(look.Inset(10, 4, d.edit.box), d.scroll)
	split.Offset = 0.66
	return container.NewBorder(look.Inset(16, 0, head), look.Inset(16, 10, foot), nil, nil, split)
}

// samples offers the scenarios that come with the program.
func (d *script) samples() fyne.CanvasObject {
	names := assets.ScenarioNames()
	s := newSelect(names, nil)
	s.PlaceHolder = words.L("Samples")
	s.OnChanged = func(name string) {
		if b, err := assets.Scenario(name); err == nil && name != "" {
			d.replace(func() { d.open(name+".star", "", string(b)) })
		}
	}
	return s
}

func (d *script) recording() fyne.CanvasObject {
	d.noting = widget.NewCheck(words.L("Write down what I do"), d.s.Note)
	d.save = look.Secondary(words.L("Save as a scenario"), d.keepRecorded)
	use := look.Secondary(words.L("Edit it"), func() {
		text := d.record.text()
		d.replace(func() {
			d.open("recorded.star", "", text)
			d.tabs.Choose(0)
			d.tabs.OnChanged(0)
		})
	})
	head := look.Column(4, d.empty, d.noting)
	return container.NewBorder(look.Inset(16, 0, head), look.Inset(16, 10, container.NewHBox(d.save, use)), nil, nil, look.Inset(10, 4, d.record.box))
}

func (d *script) open(name, file, text string) {
	d.name, d.file = filepath.Base(name), file
	d.about.SetText(d.name)
	d.opened = text
	d.edit.set(text)
	d.edit.mark(0, 0)
	d.check()
}

// replace asks before what was written is lost.
func (d *script) replace(do func()) {
	if d.edit.text() == d.opened || strings.TrimSpace(d.edit.text()) == "" {
		do()
		return
	}
	d.h.Confirm(words.L("Replace what you have written?"), words.L("{{.Name}} has changes that are not saved.", map[string]any{"Name": d.name}), do)
}

func (d *script) load() {
	d.h.OpenFile([]string{".star"}, func(path string) {
		b, err := scenario.ReadFile(path)
		if err != nil {
			d.h.fail(err)
			return
		}
		d.replace(func() { d.open(path, path, string(b)) })
	})
}

func (d *script) keep() {
	d.h.SaveFile(d.name, func(path string) {
		if d.write(path, d.edit.text()) {
			d.name, d.file, d.opened = filepath.Base(path), path, d.edit.text()
			d.about.SetText(d.name)
		}
	})
}

func (d *script) keepRecorded() {
	d.h.SaveFile("recorded.star", func(path string) { d.write(path, d.record.text()) })
}

func (d *script) write(path, text string) bool {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		d.h.fail(words.NewFault("save the scenario: {{.Cause}}", "choose a folder that you may write to", err))
		return false
	}
	d.h.Notify(words.L("Saved as {{.Name}}.", map[string]any{"Name": filepath.Base(path)}))
	return true
}

func (d *script) start() {
	d.h.RunScript(d.name, []byte(d.edit.text()), d.file)
}

func (d *script) end() {
	if r := d.s.ScriptRun(); r != nil {
		r.Stop()
	}
}

// check says where a scenario is wrong, while it is written.
func (d *script) check() {
	d.wrong = 0
	text := ""
	if strings.TrimSpace(d.edit.text()) != "" {
		if err := scenario.Check(d.name, []byte(d.edit.text())); err != nil {
			d.wrong = lineOf(err)
			text = explained(err)
		}
	}
	d.note.SetText(text)
	look.Show(d.note, text != "")
	d.marks()
}

// marks shows the line that runs and the line that is wrong, of the text or of the run.
func (d *script) marks() {
	runs, wrong := 0, d.wrong
	if r := d.s.ScriptRun(); r != nil && r.Source == d.edit.text() {
		if r.Running() {
			runs = r.Line()
		} else if r.Err() != nil && wrong == 0 {
			wrong = max(lineOf(r.Err()), failedLine(r))
		}
	}
	d.edit.mark(runs, wrong)
}

// failedLine is the line of an expectation that did not hold, 0 for none.
func failedLine(r *session.ScriptRun) int {
	for _, s := range r.Steps() {
		if s.Failed {
			return s.Line
		}
	}
	return 0
}

var place = regexp.MustCompile(`:(\d+):(\d+): `)

// lineOf finds the line that an error of a scenario names, 0 for none.
func lineOf(err error) int {
	if m := place.FindStringSubmatch(err.Error()); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 0
}

// explained is an error in one sentence.
func explained(err error) string {
	t := session.Explain(err)
	if t.Remedy != "" {
		return t.What + " " + t.Remedy
	}
	return t.What
}

func (d *script) update() {
	r := d.s.ScriptRun()
	if r != nil && r != d.shown {
		d.shown = r
		d.open(r.Name, "", r.Source)
	}
	running := r != nil && r.Running()
	look.Show(d.stop, running)
	look.Able(d.run, !running)
	d.marks()
	d.writeOutput(r)
	d.updateRecorded()
}

func (d *script) updateRecorded() {
	switch {
	case d.s.Kind != session.Live:
		d.empty.SetText(words.L("What you do in a running network is written down here as a scenario. No network is running."))
		d.noting.Disable()
		d.save.Disable()
		return
	case d.s.ScriptSteps() == 0:
		d.empty.SetText(words.L("Submit something, stop a node, hold a message: it is written down here as a scenario that does the same without a window."))
	default:
		d.empty.SetText(words.L("{{.N}} steps so far. Run it with: fabriscope run FILE.star", map[string]any{"N": d.s.ScriptSteps()}))
	}
	d.noting.Enable()
	d.save.Enable()
	if d.noting.Checked != d.s.Noting() {
		d.noting.SetChecked(d.s.Noting())
	}
	if n := d.s.ScriptSteps() + 1; n != d.steps {
		d.steps = n
		d.record.set(d.s.Script())
		d.record.show(d.record.lines - 1)
	}
}

func (d *script) writeOutput(r *session.ScriptRun) {
	if r == nil {
		d.output.show("none", func(b *sheet.Builder) {
			b.Text(words.L("The steps of a run stand here. Running a scenario starts the network that it names."), sheet.Style{Tone: sheet.Quiet})
		})
		return
	}
	steps := r.Steps()
	d.output.show(fmt.Sprint(len(steps), r.Running(), r.Err()), func(b *sheet.Builder) {
		if n := len(steps) - maxShownSteps; n > 0 {
			b.Text(words.L("{{.N}} more are not shown", map[string]any{"N": n}), sheet.Style{Tone: sheet.Quiet})
			steps = steps[n:]
		}
		for _, s := range steps {
			writeStep(b, s)
		}
		writeEnd(b, r)
	})
	d.scroll.ScrollToBottom()
}

func writeStep(b *sheet.Builder, s scenario.Step) {
	what, result := cmp.Or(words.Say(s.Text), s.What), cmp.Or(words.Say(s.Outcome), s.Result)
	stop := sheet.Item{Sign: sheet.Tick, Tone: sheet.Good, Name: s.Name, Mono: true, Detail: strings.TrimSpace(what + "\n" + result),
		Note: fmt.Sprintf("%d · %.0f ms", s.Line, s.TookMS), NoteIn: sheet.Quiet}
	switch {
	case s.Failed:
		stop.Sign, stop.Tone = sheet.Cross, sheet.Bad
	case s.Name == "progress":
		return
	case s.Name == "say":
		stop.Sign, stop.Tone = sheet.Disc, sheet.Quiet
	}
	b.Item(stop)
}

func writeEnd(b *sheet.Builder, r *session.ScriptRun) {
	switch {
	case r.Running():
		b.Line(words.L("running ..."), sheet.Style{Tone: sheet.Accent})
	case r.Err() != nil:
		b.Gap(4)
		b.Box(sheet.Bad, func() { b.Text(explained(r.Err()), sheet.Style{Size: 11.5}) })
	default:
		b.Line(words.L("It ran to its end, and everything held."), sheet.Style{Tone: sheet.Good, Bold: true})
	}
	b.Gap(8)
}
