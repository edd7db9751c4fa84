package drawers

import (
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// The places where a chaincode's code can come from.
const (
	fromSample = iota
	fromFolder
	fromPackage
	fromAddress
)

// deployForm deploys a chaincode or the next definition of one.
type deployForm struct {
	s *session.Session
	h Host

	box             *fyne.Container
	from            *Choice
	sample          *Choice
	about           *look.Text
	place           *look.Entry
	choose          *look.Button
	placeRow        *fyne.Container
	name, version   *look.Entry
	policy          *look.Entry
	runtime         *Choice
	build           *widget.Check
	deploy          *look.Button
	steps           *list
	lifecycle       *lifecycle
	doing           string // the chaincode that is being deployed, "" for none
	done            []network.Step
	begun           time.Time
	result, problem string
}

func newDeployForm(s *session.Session, h Host, g *gate) *deployForm {
	f := &deployForm{s: s, h: h, steps: newList(h)}
	f.about = look.Muted("").Wrapped()
	f.place = look.NewEntry()
	f.choose = look.IconButton("folder", words.L("Choose it"), f.pick)
	f.placeRow = container.NewBorder(nil, nil, nil, f.choose, f.place)
	var names []string
	for _, c := range session.SampleChaincodes() {
		names = append(names, c.Name)
	}
	f.sample = newSelect(names, func(string) { f.chosenSample() })
	f.from = newSelect([]string{words.L("a sample"), words.L("a folder with Go source"), words.L("a package file"), words.L("a running service")}, func(string) { f.chosen() })
	f.name, f.version, f.policy = look.NewEntry(), look.NewEntry(), look.NewEntry()
	f.version.Text = "1.0"
	f.policy.PlaceHolder = "AND('Org1MSP.peer', 'Org2MSP.peer')"
	f.runtime = newSelect([]string{words.L("automatic"), "process", "docker"}, nil)
	f.runtime.SetSelectedIndex(0)
	f.build = widget.NewCheck(words.L("Compile it, even if it comes ready"), nil)
	f.deploy = look.Primary(words.L("Deploy"), f.start)
	g.add(f.deploy)
	f.name.OnChanged = func(string) { f.label() }
	f.lifecycle = newLifecycle(f, g)
	f.box = look.Column(8, look.FormRow(words.L("Code from"), f.from), f.sample, f.about, f.placeRow,
		look.Grid(2, look.FormRow(words.L("Name"), f.name), look.FormRow(words.L("Version"), f.version)),
		look.FormRow(words.L("Endorsement policy; empty: a majority of the organisations"), f.policy),
		look.FormRow(words.L("Runs as"), f.runtime), f.build, container.NewHBox(f.deploy), f.steps.page, newSection(words.L("Step by step"), false, f.lifecycle.box))
	f.from.SetSelectedIndex(fromSample)
	if len(names) > 0 {
		f.sample.SetSelectedIndex(min(1, len(names)-1))
	}
	return f
}

func (f *deployForm) chosen() {
	i := f.from.SelectedIndex()
	look.Show(f.sample, i == fromSample)
	look.Show(f.about, i == fromSample)
	look.Show(f.build, i == fromSample)
	look.Show(f.placeRow, i != fromSample)
	look.Show(f.choose, i == fromFolder || i == fromPackage)
	f.place.SetPlaceHolder(map[int]string{fromFolder: "/path/to/chaincode", fromPackage: "/path/to/chaincode.tar.gz", fromAddress: "localhost:9999"}[i])
}

func (f *deployForm) chosenSample() {
	for _, c := range session.SampleChaincodes() {
		if c.Name == f.sample.Selected {
			f.about.SetText(c.Doc)
			f.name.SetText(c.Name)
		}
	}
}

func (f *deployForm) pick() {
	set := func(path string) { f.place.SetText(path) }
	switch {
	case f.from.SelectedIndex() == fromFolder:
		f.h.OpenFolder(set)
	case f.from.SelectedIndex() == fromPackage:
		f.h.OpenFile([]string{".gz", ".tgz"}, set)
	}
}

// fill puts a chaincode that is deployed already into the form, for an upgrade.
func (f *deployForm) fill(c network.Chaincode, version string) {
	switch {
	case c.Path != "":
		f.from.SetSelectedIndex(fromFolder)
		f.place.SetText(c.Path)
	case c.Package != "":
		f.from.SetSelectedIndex(fromPackage)
		f.place.SetText(c.Package)
	case c.Address != "":
		f.from.SetSelectedIndex(fromAddress)
		f.place.SetText(c.Address)
	default:
		f.from.SetSelectedIndex(fromSample)
		f.sample.SetSelected(c.Sample)
	}
	f.name.SetText(c.Name)
	f.version.SetText(version)
	f.policy.SetText(c.Policy)
	f.build.SetChecked(c.Build)
	if canvas := fyne.CurrentApp().Driver().CanvasForObject(f.version); canvas != nil {
		canvas.Focus(f.version)
	}
}

// label says whether the button deploys something new or the next definition.
func (f *deployForm) label() {
	text := words.L("Deploy")
	for _, c := range f.s.Chaincodes.List() {
		if c.Name == f.name.Text {
			text = words.L("Upgrade to sequence {{.N}}", map[string]any{"N": c.Sequence + 1})
		}
	}
	f.deploy.SetText(text)
}

// chaincode reads the form.
func (f *deployForm) chaincode() network.Chaincode {
	c := network.Chaincode{Name: f.name.Text, Version: f.version.Text, Policy: f.policy.Text}
	switch f.from.SelectedIndex() {
	case fromFolder:
		c.Path = f.place.Text
	case fromPackage:
		c.Package = f.place.Text
	case fromAddress:
		c.Address = f.place.Text
	default:
		c.Sample, c.Build = f.sample.Selected, f.build.Checked
	}
	if f.runtime.SelectedIndex() > 0 {
		c.Runtime = f.runtime.Selected
	} else if f.s.Topology() != nil {
		c.Runtime = f.s.Topology().Runtime
	}
	return c
}

func (f *deployForm) start() {
	c := f.chaincode()
	f.doing, f.done, f.begun, f.result, f.problem = c.Name, nil, time.Now(), "", ""
	f.deploy.Disable()
	f.s.Deploy(c, func(s network.Step) {
		f.done = append(f.done, s)
		f.write()
	}, func(d *network.Deployment, err error) {
		f.doing = ""
		f.deploy.Enable()
		if err != nil {
			f.problem = explained(err)
		} else if d != nil {
			f.result = words.L("{{.Name}} {{.Version}} is committed as sequence {{.N}}.", map[string]any{"Name": d.Name, "Version": d.Version, "N": d.Sequence})
		}
		f.write()
	})
	f.write()
}

func (f *deployForm) update() {
	f.label()
	f.lifecycle.update()
	if f.doing != "" {
		f.deploy.Disable()
	}
	f.write()
}

// write shows the steps of the deployment.
func (f *deployForm) write() {
	waited := 0
	if f.doing != "" {
		waited = int(time.Since(f.begun).Seconds())
	}
	f.steps.show(fmt.Sprint(f.doing, len(f.done), waited, f.result, f.problem), func(b *sheet.Builder) {
		var stops []sheet.Stop
		for _, s := range f.done {
			stops = append(stops, sheet.Stop{Sign: sheet.Tick, Tone: sheet.Good, Name: s.Name, Note: s.Took.Round(time.Millisecond).String()})
		}
		if f.doing != "" {
			stops = append(stops, sheet.Stop{Sign: sheet.Disc, Tone: sheet.Accent, Name: words.L("under way"), Note: fmt.Sprintf("%d s", waited)})
		}
		b.Journey(stops)
		if f.result != "" {
			b.Text(f.result, sheet.Style{Tone: sheet.Good, Bold: true})
		}
		if f.problem != "" {
			b.Box(sheet.Bad, func() { b.Text(f.problem, sheet.Style{Size: 11.5}) })
		}
	})
}
