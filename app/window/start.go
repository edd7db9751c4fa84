package window

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
)

// startView is what the program opens with.
type startView struct {
	s        *Shell
	object   fyne.CanvasObject
	computer *fyne.Container
	lessons  []session.Lesson
	first    *look.Button
}

// computerTimeout bounds the look at this computer.
const computerTimeout = 10 * time.Second

// mostRecent is how many of the files opened last are listed.
const mostRecent = 5

func (s *Shell) showStart() {
	v := &startView{s: s, computer: look.Column(4), lessons: session.Lessons(s.settings)}
	s.start, s.starting = v, nil
	top := container.NewStack(look.OnPanel(look.Gap(0, topHeight)), look.Inset(16, 0, container.NewBorder(nil, nil, v.logo(), v.corner())))
	v.object = container.NewBorder(container.NewVBox(top, look.HLine()), nil, nil, nil, container.NewVScroll(v.body()))
	s.win.SetTitle("Fabriscope")
	s.setContent(v.object)
	v.lookAround()
}

func (v *startView) logo() fyne.CanvasObject {
	menu := &logoButton{}
	menu.content = look.Row(7, look.Middle(look.NewIcon("mark", 28, look.Accent).Picture), look.Middle(look.Title("Fabriscope")))
	menu.Init(menu, func() { v.s.showMenu(fyne.NewPos(look.Px(10), look.Px(topHeight-4))) })
	return look.Middle(menu)
}

func (v *startView) corner() fyne.CanvasObject {
	s := v.s
	theme := "light"
	if !s.dark {
		theme = "dark"
	}
	return look.Row(4, look.Middle(look.IconButton("screen", lang.L("Dark or light"), func() { s.setTheme(theme) })),
		look.Middle(look.IconButton("help", lang.L("Keys and help"), s.showHelp)),
		look.Middle(look.IconButton("gear", lang.L("Settings ..."), s.showSettings)))
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
	v.first = look.Primary(lang.L("Start a network"), s.startDefault).Large()
	open := look.Secondary(lang.L("Open a file ..."), s.chooseFile)
	button := func(b *look.Button, height float32, lines ...string) fyne.CanvasObject {
		text := look.Column(0)
		for _, l := range lines {
			text.Add(look.Body(l).Toned(look.Quiet).Cut())
		}
		return container.NewBorder(nil, nil, look.Sized(240, height, b), nil, look.MiddleWide(look.Inset(16, 0, text)))
	}
	sample := ""
	if t, err := session.SampleTopology(defaultSample); err == nil {
		sample = t.Summary()
	}
	return look.Column(0,
		look.Title(lang.L("See what happens inside a Fabric network.")).Sized(30).Cut(),
		look.Gap(0, 6),
		look.Body(lang.L("Peers, their chaincode containers and a Raft ordering service, on this computer.")).Sized(15).Toned(look.Quiet).Cut(),
		look.Body(lang.L("Every message is real. Slow it down, stop it, step through it, ask why.")).Sized(15).Toned(look.Quiet).Cut(),
		look.Gap(0, 22),
		button(v.first, 52, sample, lang.L("ready in about a second")),
		look.Gap(0, 16),
		button(open, 44, lang.L("topology (.yaml), scenario (.star), recorded run (.fscope),"),
			lang.L("or blocks of another network (.block): find out why a transaction failed")),
		look.Gap(0, 42),
		look.Row(10, look.Title(lang.L("Lessons")), look.Middle(look.Muted(lang.L("each takes some minutes and runs on a real network")).Sized(12))),
		look.Gap(0, 12),
		v.lessonGrid())
}

func (v *startView) lessonGrid() fyne.CanvasObject {
	grid := container.New(gridLayout{columns: 2, gap: 15})
	for _, l := range v.lessons {
		badge := look.Badge(strconv.Itoa(l.Number), "", 32, look.Accent)
		if l.Progress.Done {
			badge = look.Badge("", "check", 32, look.Good)
		}
		words := look.Column(1, look.Heading(l.Title).Cut(), look.Muted(l.Question).Wrapped())
		if share := l.Progress.Share(); share > 0 && !l.Progress.Done {
			words.Add(look.Inset(0, 2, look.NewBar(share)))
		}
		content := container.NewBorder(nil, nil, look.Middle(badge), nil, look.MiddleWide(look.Inset(14, 0, words)))
		grid.Add(look.NewTapCard(l.Title, look.Sized(0, 48, content), func() { v.s.openLesson(l.Name) }))
	}
	return grid
}

// gridLayout puts objects of one height into columns of one width.
type gridLayout struct {
	columns int
	gap     float32
}

func (g gridLayout) cell(o []fyne.CanvasObject) (h float32) {
	for _, c := range o {
		h = max(h, c.MinSize().Height)
	}
	return h
}

func (g gridLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	rows := (len(o) + g.columns - 1) / g.columns
	h := g.cell(o)
	return fyne.NewSize(look.Px(200), float32(rows)*(h+look.Px(g.gap))-look.Px(g.gap))
}

func (g gridLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	gap, h := look.Px(g.gap), g.cell(o)
	w := (s.Width - gap*float32(g.columns-1)) / float32(g.columns)
	for i, c := range o {
		c.Move(fyne.NewPos(float32(i%g.columns)*(w+gap), float32(i/g.columns)*(h+gap)))
		c.Resize(fyne.NewSize(w, h))
	}
}

func (v *startView) right() fyne.CanvasObject {
	s := v.s
	column := look.Column(8, look.Inset(8, 4, look.Heading(lang.L("Sample networks"))))
	for _, sample := range session.Samples() {
		if sample.Name == "bench" {
			continue // for measuring, see the command bench
		}
		words := look.Column(0, look.Heading(sample.Title).Cut(), look.Muted(sample.Summary).Cut())
		row := container.NewBorder(nil, nil, nil, look.Middle(look.NewIcon("chevron", 16, look.Quiet).Picture), words)
		column.Add(look.NewTapRow(sample.Title, row, func() { s.startSample(sample.Name) }))
	}
	if recent := v.recent(); len(recent) > 0 {
		column.Add(look.Gap(0, 4))
		column.Add(look.Inset(8, 4, look.Heading(lang.L("Recent"))))
		for _, r := range recent {
			column.Add(r)
		}
	}
	column.Add(look.Gap(0, 4))
	column.Add(look.Inset(8, 4, look.Heading(lang.L("This computer"))))
	v.computer.Objects = []fyne.CanvasObject{look.Inset(8, 0, look.Muted(lang.L("looking ...")))}
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
		words := look.Column(0, look.Mono(filepath.Base(r.Path)).Sized(12).Cut(), look.Muted(what+", "+agoText(time.Since(r.Opened))).Cut())
		out = append(out, look.NewTapRow(r.Path, words, func() { v.s.open([]string{r.Path}) }))
	}
	return out
}

func kindText(kind string) string {
	switch kind {
	case "topology":
		return lang.L("topology")
	case "scenario":
		return lang.L("scenario")
	case "run":
		return lang.L("recorded run")
	}
	return lang.L("blocks of another network")
}

// agoText says how long ago something was.
func agoText(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return lang.L("just now")
	case d < 2*time.Hour:
		return lang.L("{{.N}} minutes ago", map[string]any{"N": int(d.Minutes())})
	case d < 48*time.Hour:
		return lang.L("{{.N}} hours ago", map[string]any{"N": int(d.Hours())})
	}
	return lang.L("{{.N}} days ago", map[string]any{"N": int(d.Hours() / 24)})
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
			tone = look.Warning
		}
		detail, _, _ := strings.Cut(f.Detail, " (") // variables are for the command line
		if !f.OK && f.Remedy != "" {
			detail = f.Remedy
		}
		words := look.Column(0, look.Heading(f.Title()), look.Muted(detail).Wrapped())
		v.computer.Add(container.NewBorder(nil, nil, container.NewVBox(look.Gap(0, 3), look.Dot(tone)), nil, look.Inset(8, 0, words)))
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
