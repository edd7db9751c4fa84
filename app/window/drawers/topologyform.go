package drawers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// topologyForm edits a topology by fields. It is built anew when something is added or
// removed, not while somebody types.
type topologyForm struct {
	h     Host
	box   *fyne.Container
	draft *draft.Topology
	wrong map[string]string // what cannot be read in a field, by the field's key

}

func newTopologyForm(h Host) *topologyForm {
	return &topologyForm{h: h, box: look.Column(12), wrong: map[string]string{}}
}

// problems are those of fields that hold something that cannot be read.
func (f *topologyForm) problems() []draft.Problem {
	var out []draft.Problem
	for key, text := range f.wrong {
		out = append(out, draft.Problem{Key: key, Text: text})
	}
	slices.SortFunc(out, func(a, b draft.Problem) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// edit shows a draft.
func (f *topologyForm) edit(d *draft.Topology) {
	f.draft = d
	f.wrong = map[string]string{}
	f.rebuild()
}

func (f *topologyForm) rebuild() {
	f.box.Objects = []fyne.CanvasObject{f.general(), f.organisations(), f.ordering(), f.chaincodes(), f.clients(), f.links()}
	f.box.Refresh()
}

// change makes a change that adds or removes fields.
func (f *topologyForm) change(do func()) func() {
	return func() {
		do()
		f.rebuild()
	}
}

// field is an entry whose text becomes part of the draft as it is typed; set gives an
// error for a text that cannot be read.
func (f *topologyForm) field(key, text, hint string, set func(t *network.Topology, text string) error) *look.Entry {
	e := look.NewEntry()
	e.Text, e.PlaceHolder = text, hint
	e.OnChanged = func(text string) {
		delete(f.wrong, key)
		f.draft.Edit(func(t *network.Topology) {
			if err := set(t, strings.TrimSpace(text)); err != nil {
				f.wrong[key] = words.Capital(err.Error()) + "."
			}
		})
	}
	return e
}

// number is a field for a whole number.
func (f *topologyForm) number(key, label string, now int, hint string, high int, set func(t *network.Topology, n int)) fyne.CanvasObject {
	return look.FormRow(label, f.field(key, strconv.Itoa(now), hint, func(t *network.Topology, v string) error {
		n, err := number(label, v, 1, high)
		if err == nil {
			set(t, n)
		}
		return err
	}))
}

func named(set func(t *network.Topology, text string)) func(*network.Topology, string) error {
	return func(t *network.Topology, text string) error {
		set(t, text)
		return nil
	}
}

// choice is a select whose choice becomes part of the draft.
func (f *topologyForm) choice(options []string, now string, set func(t *network.Topology, v string)) *Choice {
	s := newSelect(options, nil)
	s.Selected = now
	s.OnChanged = func(v string) { f.draft.Edit(func(t *network.Topology) { set(t, v) }) }
	return s
}

// stepper is a number with a button to make it less and one to make it more.
func stepper(what string, now, low, high int, set func(int)) *fyne.Container {
	value := look.Mono(strconv.Itoa(now))
	less := look.IconButton("minus", words.L("One less: {{.What}}", map[string]any{"What": what}), nil)
	more := look.IconButton("plus", words.L("One more: {{.What}}", map[string]any{"What": what}), nil)
	step := func(by int) func() {
		return func() {
			now = max(low, min(high, now+by))
			value.SetText(strconv.Itoa(now))
			look.Able(less, now > low)
			look.Able(more, now < high)
			set(now)
		}
	}
	less.OnTapped, more.OnTapped = step(-1), step(1)
	look.Able(less, now > low)
	look.Able(more, now < high)
	return look.Row(2, less, look.Middle(look.Sized(20, 16, value.Aligned(fyne.TextAlignCenter))), more)
}

// part is a part of the form with a button that adds one more of its things.
func (f *topologyForm) part(title, add string, adding func(), rows ...fyne.CanvasObject) fyne.CanvasObject {
	head := fyne.CanvasObject(look.Heading(title))
	if adding != nil {
		head = look.Line(look.Heading(title), look.Link(add, f.change(adding)))
	}
	return look.Column(6, append([]fyne.CanvasObject{head}, rows...)...)
}

func (f *topologyForm) remove(what string, do func()) *look.Button {
	return look.IconButton("trash", words.L("Remove {{.What}}", map[string]any{"What": what}), f.change(do))
}

func (f *topologyForm) general() fyne.CanvasObject {
	t := f.draft.Topology()
	return look.Grid(2,
		look.FormRow(words.L("Name"), f.field("name", t.Name, "", named(func(t *network.Topology, v string) { t.Name = v }))),
		look.FormRow(words.L("Channel"), f.field("channel", t.Channel, "mychannel", named(func(t *network.Topology, v string) { t.Channel = v }))),
		look.FormRow(words.L("Chaincode runs as"), f.choice([]string{"auto", "process", "docker"}, t.Runtime, func(t *network.Topology, v string) {
			for i := range t.Chaincodes {
				if t.Chaincodes[i].Runtime == t.Runtime {
					t.Chaincodes[i].Runtime = v
				}
			}
			t.Runtime = v
		})),
		look.FormRow(words.L("Nodes run"), f.choice([]string{"inproc", "process"}, t.Placement, func(t *network.Topology, v string) { t.Placement = v })),
		look.FormRow(words.L("State database"), f.choice([]string{"leveldb", "couchdb"}, t.State, func(t *network.Topology, v string) { t.State = v })))
}

func (f *topologyForm) organisations() fyne.CanvasObject {
	var rows []fyne.CanvasObject
	for i, o := range f.draft.Topology().Organizations {
		peers := 2
		if o.Peers != nil {
			peers = *o.Peers
		}
		current := o.Name
		name := f.field(fmt.Sprintf("organizations[%d].name", i), o.Name, "", nil)
		name.OnChanged = func(text string) {
			f.draft.RenameOrganization(current, strings.TrimSpace(text))
			current = strings.TrimSpace(text)
		}
		steps := stepper(words.L("peers of {{.Org}}", map[string]any{"Org": o.Name}), peers, 0, 100, func(n int) { f.draft.SetPeers(current, n) })
		rows = append(rows, container.NewBorder(nil, nil, nil,
			look.Row(4, look.Middle(look.Muted(words.L("peers"))), steps, f.remove(o.Name, func() { f.draft.RemoveOrganization(current) })), name))
	}
	return f.part(words.L("Organisations"), words.L("add one"), func() { f.draft.AddOrganization() }, rows...)
}

func (f *topologyForm) ordering() fyne.CanvasObject {
	t := f.draft.Topology()
	nodes := container.NewBorder(nil, nil, nil, stepper(words.L("ordering nodes"), t.Orderers.Nodes, 1, 15, f.draft.SetOrderers), look.MiddleWide(look.Body(words.L("Nodes"))))
	return f.part(words.L("Ordering service"), "", nil, nodes, look.Grid(2,
		f.number("block.maxMessageCount", words.L("A block holds at most"), t.Block.MaxMessageCount, "10", 1_000_000, func(t *network.Topology, n int) { t.Block.MaxMessageCount = n }),
		look.FormRow(words.L("It is cut after"), f.field("block.batchTimeout", durationText(t.Block.BatchTimeout), "2s", func(t *network.Topology, v string) error {
			d, err := duration(v)
			if v == "" {
				d = 2 * time.Second // what a topology that says nothing has
			}
			if err == nil {
				t.Block.BatchTimeout = network.Duration(d)
			}
			return err
		})),
		f.number("block.preferredMaxBytes", words.L("Preferred size in KB"), int(t.Block.PreferredMaxBytes)>>10, "512", 1<<20,
			func(t *network.Topology, n int) { t.Block.PreferredMaxBytes = network.Size(n) << 10 }),
		look.FormRow(words.L("Cut when"), f.choice([]string{"timeout", "idle", "quiet"}, t.Block.Cut, func(t *network.Topology, v string) { t.Block.Cut = v }))))
}

func (f *topologyForm) chaincodes() fyne.CanvasObject {
	var samples []string
	for _, c := range session.SampleChaincodes() {
		samples = append(samples, c.Name)
	}
	var rows []fyne.CanvasObject
	for i, c := range f.draft.Topology().Chaincodes {
		key := func(field string) string { return fmt.Sprintf("chaincodes[%d].%s", i, field) }
		set := func(do func(c *network.Chaincode, v string)) func(*network.Topology, string) error {
			return named(func(t *network.Topology, v string) {
				if i < len(t.Chaincodes) {
					do(&t.Chaincodes[i], v)
				}
			})
		}
		code := fyne.CanvasObject(look.Mono(c.Path + c.Package + c.Address))
		if c.Sample != "" {
			code = f.choice(samples, c.Sample, func(t *network.Topology, v string) { t.Chaincodes[i].Sample = v })
		}
		remove := f.remove(c.Name, func() { f.draft.RemoveChaincode(f.draft.Topology().Chaincodes[i].Name) })
		rows = append(rows, look.Card(look.Column(6, container.NewBorder(nil, nil, nil, remove, look.Grid(2,
			look.FormRow(words.L("Name"), f.field(key("name"), c.Name, "basic", set(func(c *network.Chaincode, v string) { c.Name = v }))),
			look.FormRow(words.L("Code"), code))), look.Grid(2,
			look.FormRow(words.L("Version"), f.field(key("version"), c.Version, "1.0", set(func(c *network.Chaincode, v string) { c.Version = v }))),
			look.FormRow(words.L("Policy"), f.field(key("policy"), c.Policy, words.L("majority"), set(func(c *network.Chaincode, v string) { c.Policy = v })))))))
	}
	return f.part(words.L("Chaincodes"), words.L("add one"), func() { f.draft.AddChaincode(network.Chaincode{Sample: "counter"}) }, rows...)
}

func (f *topologyForm) orgNames() []string {
	var out []string
	for _, o := range f.draft.Topology().Organizations {
		out = append(out, o.Name)
	}
	return out
}

func (f *topologyForm) clients() fyne.CanvasObject {
	var rows []fyne.CanvasObject
	for i, c := range f.draft.Topology().Clients {
		name := f.field(fmt.Sprintf("clients[%d].name", i), c.Name, "alice", named(func(t *network.Topology, v string) { t.Clients[i].Name = v }))
		org := f.choice(f.orgNames(), c.Organization, func(t *network.Topology, v string) { t.Clients[i].Organization = v })
		rows = append(rows, container.NewBorder(nil, nil, nil, f.remove(c.Name, func() { f.draft.RemoveClient(f.draft.Topology().Clients[i].Name) }),
			look.Grid(2, name, org)))
	}
	return f.part(words.L("Clients"), words.L("add one"), func() {
		if orgs := f.orgNames(); len(orgs) > 0 {
			f.draft.AddClient("", orgs[0])
		}
	}, rows...)
}

func (f *topologyForm) links() fyne.CanvasObject {
	var rows []fyne.CanvasObject
	for i, l := range f.draft.Topology().Links {
		if len(l.Between) != 2 {
			continue
		}
		key := func(field string) string { return fmt.Sprintf("links[%d].%s", i, field) }
		end := func(n int) *look.Entry {
			return f.field(key(fmt.Sprintf("between[%d]", n)), l.Between[n], "peer0.org1", named(func(t *network.Topology, v string) { t.Links[i].Between[n] = v }))
		}
		remove := f.remove(strings.Join(l.Between, " - "), func() {
			f.draft.Edit(func(t *network.Topology) { t.Links = slices.Delete(t.Links, i, i+1) })
		})
		rows = append(rows, look.Card(look.Column(6, container.NewBorder(nil, nil, nil, remove, look.Grid(2,
			look.FormRow(words.L("Between"), end(0)), look.FormRow(words.L("and"), end(1)))), f.shape(i, l, key))))
	}
	return f.part(words.L("Links"), words.L("add one"), func() {
		orgs := f.orgNames()
		if len(orgs) > 0 {
			f.draft.Edit(func(t *network.Topology) {
				t.Links = append(t.Links, network.Link{Between: []string{orgs[0], orgs[len(orgs)-1]}, Latency: network.Duration(50 * time.Millisecond)})
			})
		}
	}, rows...)
}

func (f *topologyForm) shape(i int, l network.Link, key func(string) string) fyne.CanvasObject {
	span := func(name string, now network.Duration, set func(l *network.Link, d network.Duration)) *look.Entry {
		return f.field(key(name), durationText(now), "0s", func(t *network.Topology, v string) error {
			d, err := duration(v)
			if err == nil {
				set(&t.Links[i], network.Duration(d))
			}
			return err
		})
	}
	loss := f.field(key("loss"), strconv.FormatFloat(float64(l.Loss)*100, 'g', 4, 64)+" %", "0 %", func(t *network.Topology, v string) error {
		p, err := share(v)
		if err == nil {
			t.Links[i].Loss = network.Percent(p)
		}
		return err
	})
	cut := widget.NewCheck(words.L("cut"), nil)
	cut.Checked = l.Cut
	cut.OnChanged = func(on bool) { f.draft.Edit(func(t *network.Topology) { t.Links[i].Cut = on }) }
	return look.Column(4, look.Grid(3, look.FormRow(words.L("Latency"), span("latency", l.Latency, func(l *network.Link, d network.Duration) { l.Latency = d })),
		look.FormRow(words.L("Jitter"), span("jitter", l.Jitter, func(l *network.Link, d network.Duration) { l.Jitter = d })),
		look.FormRow(words.L("Loss"), loss)), cut)
}

// durationText is a time as a topology writes it.
func durationText(d network.Duration) string {
	b, err := d.MarshalYAML()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// popUpMenu shows a menu below an object.
func popUpMenu(menu *fyne.Menu, c fyne.Canvas, below fyne.CanvasObject) {
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(below).AddXY(0, below.Size().Height)
	widget.NewPopUpMenu(menu, c).ShowAtPosition(at)
}
