package window

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/chaincode"
)

// startView is what the program opens with.
type startView struct {
	s        *Shell
	object   fyne.CanvasObject
	computer *fyne.Container
	lessons  []session.Lesson
	first    *look.Button
	takes    *look.Text        // how long the first network takes to start
	reason   *look.Text        // why chaincode runs as it does
	found    []session.Finding // on this computer, nil while it is being looked at
}

// computerTimeout bounds the look at this computer.
const computerTimeout = 10 * time.Second

// mostRecent is how many of the files opened last are listed.
const mostRecent = 5

func (s *Shell) showStart() {
	v := &startView{s: s, computer: look.Column(4), lessons: session.Lessons(s.settings)}
	s.dropStarting()
	s.start = v
	top := container.NewStack(look.OnPanel(look.Gap(0, topHeight)), look.Inset(16, 0, container.NewBorder(nil, nil, s.logo(), v.corner())))
	v.object = container.NewBorder(container.NewVBox(top, look.HLine()), nil, nil, nil, container.NewVScroll(v.body()))
	s.win.SetTitle("Fabriscope")
	s.setContent(v.object)
	v.lookAround()
}

func (v *startView) corner() fyne.CanvasObject {
	s := v.s
	theme := "light"
	if !s.dark {
		theme = "dark"
	}
	return look.Row(4, look.Middle(look.IconButton("screen", words.L("Dark or light"), func() { s.setTheme(theme) })),
		look.Middle(look.IconButton("help", words.L("Keys and help"), s.showHelp)),
		look.Middle(look.IconButton("gear", words.L("Settings ..."), s.showSettings)))
}

// body is the page below the bar, at most as wide as it reads well.
func (v *startView) body() fyne.CanvasObject {
	return container.New(startLayout{}, v.left(), look.Card(v.right()))
}

// startLayout puts the two columns of the start screen beside one another with margins
// that shrink with the window, and below one another where it is narrow.
type startLayout struct{}

func (startLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	h := max(o[0].MinSize().Height, o[1].MinSize().Height)
	return fyne.NewSize(look.Px(600), h+look.Px(80))
}

func (startLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	width := min(s.Width-look.Px(48), look.Px(1242))
	x := (s.Width - width) / 2
	side := min(look.Px(400), width*0.34)
	gap := look.Px(72)
	if width < look.Px(1000) {
		gap = look.Px(28)
	}
	y := look.Px(48)
	o[1].Resize(fyne.NewSize(side, o[1].MinSize().Height))
	o[1].Move(fyne.NewPos(x+width-side, y))
	o[0].Resize(fyne.NewSize(width-side-gap, o[0].MinSize().Height))
	o[0].Move(fyne.NewPos(x, y+look.Px(18)))
}

func (v *startView) left() fyne.CanvasObject {
	s := v.s
	v.first = look.Primary(words.L("Start a network"), s.startDefault).Large()
	open := look.Secondary(words.L("Open a file ..."), s.chooseFile)
	button := func(b *look.Button, height float32, lines ...string) fyne.CanvasObject {
		text := look.Column(0)
		for _, l := range lines {
			text.Add(look.Body(l).Toned(look.Quiet).Cut())
		}
		return container.NewBorder(nil, nil, look.Sized(240, height, b), nil, look.MiddleWide(look.Inset(16, 0, text)))
	}
	v.takes, v.reason = look.Body("").Toned(look.Quiet).Cut(), look.Muted("").Wrapped()
	sample := ""
	if t, err := session.SampleTopology(defaultSample); err == nil {
		sample = session.Summary(t)
	}
	return look.Column(0,
		look.Title(words.L("See what happens inside a Fabric network.")).Sized(30).Wrapped(),
		look.Gap(0, 6),
		look.Body(words.L("Peers, their chaincodes and a Raft ordering service, on this computer.")).Sized(15).Toned(look.Quiet).Wrapped(),
		look.Body(words.L("Every message is real. Slow it down, stop it, step through it, ask why.")).Sized(15).Toned(look.Quiet).Wrapped(),
		look.Gap(0, 22),
		container.NewBorder(nil, nil, look.Sized(240, 52, v.first), nil,
			look.MiddleWide(look.Inset(16, 0, look.Column(0, look.Body(sample).Toned(look.Quiet).Cut(), v.takes)))),
		look.Gap(0, 10),
		v.runtimes(),
		look.Gap(0, 16),
		button(open, 44, words.L("topology (.yaml), scenario (.star), recorded run (.fscope),"),
			words.L("or blocks of another network (.block): find out why a transaction failed")),
		look.Gap(0, 42),
		look.Row(10, look.Title(words.L("Lessons")), look.Middle(look.Muted(words.L("each takes some minutes and runs on a real network")).Sized(12))),
		look.Gap(0, 12),
		v.lessonGrid())
}

// runtimeChoices are the ways to run chaincode that the start screen offers.
func runtimeChoices() (runtimes, names []string) {
	return []string{"", chaincode.RuntimeDocker, chaincode.RuntimeProcess}, []string{words.L("automatic"), "Docker", words.L("processes")}
}

// runtimes is the choice of how chaincode runs, with what follows from it.
func (v *startView) runtimes() fyne.CanvasObject {
	s := v.s
	runtimes, names := runtimeChoices()
	choice := look.NewSegmented(names, func(i int) {
		s.options.Runtime, s.settings.Runtime = "", runtimes[i]
		s.saveSettings()
		v.explainRuntime()
	})
	choice.Choose(max(0, slices.Index(runtimes, s.runtime())))
	v.explainRuntime()
	return container.NewBorder(nil, nil, look.Row(10, look.Middle(look.Body(words.L("Chaincode runs in")).Toned(look.Quiet)), look.Middle(choice)), nil,
		look.MiddleWide(look.Inset(10, 0, v.reason)))
}

// explainRuntime says why chaincode runs as it does, and how long a start takes: as long as
// the last one, or about as long as such starts do.
func (v *startView) explainRuntime() {
	runtime, why := runtimeReason(v.s.runtime(), v.found)
	v.reason.SetText(why)
	t, err := session.SampleTopology(defaultSample)
	if err != nil {
		return
	}
	took := v.s.settings.Took(t.Name, v.s.runtime())
	switch {
	case took > 0:
		v.takes.SetText(words.L("took {{.Time}} when it was started last", clock(took)))
	case runtime == chaincode.RuntimeProcess:
		v.takes.SetText(words.L("ready in one to three seconds"))
	case runtime == chaincode.RuntimeDocker:
		v.takes.SetText(words.L("ready in some five seconds, the first time in some ten"))
	default:
		v.takes.SetText("")
	}
}

// runtimeReason says how chaincode will run with a choice, "" while that is not known, and why.
func runtimeReason(chosen string, found []session.Finding) (runtime, why string) {
	if chosen == chaincode.RuntimeProcess {
		return chosen, words.L("Processes of this computer, as you chose: quick, and without Docker.")
	}
	i := slices.IndexFunc(found, func(f session.Finding) bool { return f.Name == "Docker" })
	switch {
	case i < 0:
		return "", words.L("looking whether Docker answers ...")
	case found[i].OK && chosen == chaincode.RuntimeDocker:
		return chosen, words.L("Containers, as you chose; {{.Engine}} answers.", found[i].Title())
	case found[i].OK:
		return chaincode.RuntimeDocker, words.L("Containers, since {{.Engine}} answers.", found[i].Title())
	case chosen == chaincode.RuntimeDocker:
		return chosen, words.L("A start will fail: {{.Cause}}", view.Sentence(found[i].Detail))
	}
	return chaincode.RuntimeProcess, words.L("Processes of this computer, since no Docker answers.")
}

func (v *startView) lessonGrid() fyne.CanvasObject {
	grid := container.New(look.GridLayout{Columns: 2, Gap: 15, RowGap: 15, Even: true})
	for _, l := range v.lessons {
		badge := look.Badge(strconv.Itoa(l.Number), "", 32, look.Accent)
		if l.Progress.Done {
			badge = look.Badge("", "check", 32, look.Good)
		}
		text := look.Column(1, look.Heading(words.Say(l.Title)).Cut(), look.Muted(words.Say(l.Question)).Wrapped())
		if share := l.Progress.Share(); share > 0 && !l.Progress.Done {
			text.Add(look.Inset(0, 2, look.NewBar(share)))
		}
		content := container.NewBorder(nil, nil, look.Middle(badge), nil, look.MiddleWide(look.Inset(14, 0, text)))
		grid.Add(look.NewTapCard(words.Say(l.Title), look.Sized(0, 48, content), func() { v.s.openLesson(l.Name) }))
	}
	return grid
}

func (v *startView) right() fyne.CanvasObject {
	s := v.s
	column := look.Column(8, look.Inset(8, 4, look.Heading(words.L("Sample networks"))))
	for _, sample := range session.Samples() {
		if sample.Name == "bench" {
			continue // for measuring, see the command bench
		}
		text := look.Column(0, look.Heading(sample.Title).Cut(), look.Muted(sample.Summary).Cut())
		row := container.NewBorder(nil, nil, nil, look.Middle(look.NewIcon("chevron", 16, look.Quiet).Picture), text)
		column.Add(look.NewTapRow(sample.Title, row, func() { s.startSample(sample.Name) }))
	}
	if recent := v.recent(); len(recent) > 0 {
		column.Add(look.Gap(0, 4))
		column.Add(look.Inset(8, 4, look.Heading(words.L("Recent"))))
		for _, r := range recent {
			column.Add(r)
		}
	}
	column.Add(look.Gap(0, 4))
	column.Add(look.Inset(8, 4, look.Heading(words.L("This computer"))))
	v.computer.Objects = []fyne.CanvasObject{look.Inset(8, 0, look.Muted(words.L("looking ...")))}
	column.Add(v.computer)
	return column
}

func (v *startView) recent() []fyne.CanvasObject {
	var out []fyne.CanvasObject
	for _, r := range v.s.settings.Recent {
		if len(out) == mostRecent {
			break
		}
		if !r.Exists() {
			continue
		}
		what := kindText(r.Kind)
		if r.Note != "" && r.Kind == "blocks" {
			what = r.Note
		}
		text := look.Column(0, look.Mono(filepath.Base(r.Path)).Sized(12).Cut(), look.Muted(what+", "+agoText(time.Since(r.Opened))).Cut())
		out = append(out, look.NewTapRow(r.Path, text, func() { v.s.open([]string{r.Path}) }))
	}
	return out
}

func kindText(kind string) string {
	switch kind {
	case "topology":
		return words.L("topology")
	case "scenario":
		return words.L("scenario")
	case "run":
		return words.L("recorded run")
	}
	return words.L("blocks of another network")
}

// agoText says how long ago something was.
func agoText(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return words.L("just now")
	case d < 2*time.Hour:
		return words.L("{{.N}} minutes ago", map[string]any{"N": int(d.Minutes())})
	case d < 48*time.Hour:
		return words.L("{{.N}} hours ago", map[string]any{"N": int(d.Hours())})
	}
	return words.L("{{.N}} days ago", map[string]any{"N": int(d.Hours() / 24)})
}

// lookAround finds out about this computer in the background.
func (v *startView) lookAround() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), computerTimeout)
		defer cancel()
		found := session.Computer(ctx)
		v.s.do(func() { v.showComputer(found) })
	}()
}

func (v *startView) showComputer(found []session.Finding) {
	if v.s.start != v {
		return
	}
	v.found = found
	v.explainRuntime()
	v.computer.Objects = nil
	for _, f := range found {
		switch f.Name {
		case "Docker", "Go", "Graphics":
		default:
			if f.OK {
				continue // nothing to think of
			}
		}
		tone := look.Good
		if !f.OK {
			tone = look.Warn
		}
		detail, _, _ := strings.Cut(f.Detail, " (") // variables are for the command line
		if !f.OK && f.Remedy != "" {
			detail = f.Remedy
		}
		text := look.Column(0, look.Heading(f.Title()), look.Muted(detail).Wrapped())
		v.computer.Add(container.NewBorder(nil, nil, container.NewVBox(look.Gap(0, 3), look.Dot(tone)), nil, look.Inset(8, 0, text)))
	}
	v.computer.Refresh()
	v.object.Refresh()
}

// typedRune starts the lesson of a digit.
func (v *startView) typedRune(r rune) bool {
	for _, l := range v.lessons {
		if fmt.Sprint(l.Number) == string(r) {
			v.s.openLesson(l.Name)
			return true
		}
	}
	return false
}
