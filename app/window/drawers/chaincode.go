package drawers

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// chaincodes is the drawer with what is installed, defined and running, and the form that
// deploys more.
type chaincodes struct {
	s *session.Session
	h Host

	survey      *survey
	gate        *gate
	definitions *list
	form        *deployForm
	containers  *list
	packages    *list
}

// NewChaincode makes the drawer "Chaincode".
func NewChaincode(s *session.Session, h Host) *Panel {
	d := &chaincodes{s: s, h: h, survey: &survey{s: s}, definitions: newList(h), containers: newList(h), packages: newList(h)}
	d.gate = newGate(s)
	d.form = newDeployForm(s, h, d.gate)
	form := newSection(words.L("Deploy or upgrade"), true, d.form.box)
	page := scroll(d.gate.box, d.definitions.page, form,
		newSection(words.L("Running chaincodes"), true, d.containers.page), newSection(words.L("Installed packages"), false, d.packages.page))
	p := newPanel(words.L("Chaincode"), page, page)
	p.update = d.update
	p.first = d.definitions.page
	d.update()
	return p
}

func (d *chaincodes) update() {
	d.gate.update()
	d.survey.ask()
	d.form.update()
	d.writeDefinitions()
	d.writeContainers()
	d.writePackages()
}

// deployed is how the topology describes a chaincode; the zero value where it does not.
func (d *chaincodes) deployed(name string) network.Chaincode {
	if t := d.s.Topology(); t != nil {
		for _, c := range t.Chaincodes {
			if c.Name == name {
				return c
			}
		}
	}
	return network.Chaincode{Name: name}
}

func (d *chaincodes) writeDefinitions() {
	all := d.s.Chaincodes.List()
	d.definitions.show(fmt.Sprint(d.gate.open(), all), func(b *sheet.Builder) {
		b.Text(words.L("Definitions of the channel"), sheet.Style{Size: 13, Bold: true})
		b.Gap(6)
		if len(all) == 0 {
			b.Text(words.L("No chaincode is committed yet. Deploy one below."), sheet.Style{Tone: sheet.Quiet})
		}
		for _, c := range all {
			d.definition(b, c)
		}
	})
}

func (d *chaincodes) definition(b *sheet.Builder, c session.Chaincode) {
	t := d.deployed(c.Name)
	policy := t.Policy
	if policy == "" {
		policy = words.L("a majority of the organisations")
	}
	lines := []string{words.L("version {{.V}}", map[string]any{"V": c.Version}), words.L("policy: {{.P}}", map[string]any{"P": policy})}
	if c.Sample != "" {
		lines[0] += " · " + words.L("sample {{.Name}}", map[string]any{"Name": c.Sample})
	}
	if len(c.Running) > 0 {
		names := make([]string, len(c.Running))
		for i, p := range c.Running {
			names[i] = d.s.Short(p)
		}
		lines = append(lines, words.L("runs at {{.Peers}}", map[string]any{"Peers": strings.Join(names, ", ")}))
	} else {
		lines = append(lines, words.L("runs at no peer; the first call starts it"))
	}
	it := sheet.Item{Name: c.Name, Sign: sheet.Square, Tone: sheet.Read, Detail: strings.Join(lines, "\n"),
		Note: words.L("sequence {{.N}}", map[string]any{"N": c.Sequence}), NoteIn: sheet.Quiet}
	up := sheet.Action{Label: words.L("Upgrade")}
	if d.gate.open() {
		up.Do = func() { d.form.fill(t, session.NextVersion(c.Version)) }
	}
	it.Actions = []sheet.Action{up}
	b.Item(it)
}

func (d *chaincodes) writeContainers() {
	var paused []string
	for _, n := range d.s.Nodes() {
		paused = append(paused, fmt.Sprint(n.Name, n.Paused))
	}
	d.containers.show(fmt.Sprint(d.survey.version, d.gate.open(), paused), func(b *sheet.Builder) {
		n := 0
		for _, node := range d.survey.nodes {
			for _, c := range node.Chaincodes {
				b.Item(d.container(node, c.PackageID, c.Runtime, c.Instance, c.Node, c.Ready, c.Calls))
				n++
			}
		}
		if n == 0 {
			b.Text(words.L("No chaincode runs. A peer starts the one it needs when it is deployed or called."), sheet.Style{Tone: sheet.Quiet})
		}
	})
}

func (d *chaincodes) container(node network.NodeStatus, id, runtime, instance, name string, ready bool, calls int) sheet.Item {
	label, _, _ := strings.Cut(id, ":")
	it := sheet.Item{Name: label + " @ " + d.s.Short(node.Name), Sign: sheet.Square, Tone: sheet.Good, NoteIn: sheet.Quiet,
		Do: func() { d.h.choose(view.Selection{What: view.SelectNode, Node: name}) }}
	it.Detail = words.Now().RunsAs(runtime)
	if instance != "" {
		it.Detail += ", " + shorten(instance, 20)
	}
	if node.RuntimeWhy != "" {
		it.Detail += "\n" + node.RuntimeWhy
	}
	it.Note = words.L("{{.N}} calls now", map[string]any{"N": calls})
	if !ready {
		it.Sign, it.Tone, it.Note = sheet.Ring, sheet.Warn, words.L("starting")
	}
	paused := false
	if n, ok := d.s.Node(node.Name); ok {
		paused = slices.Contains(n.Paused, label)
	}
	action := sheet.Action{Label: words.L("Pause"), On: paused}
	if paused {
		it.Sign, it.Tone, it.Note, it.NoteIn = sheet.Pause, sheet.Warn, words.L("paused"), sheet.Warn
		action.Label = words.L("Let it go on")
	}
	if d.gate.open() {
		action.Do = func() { d.s.Pause(node.Name, label, !paused, d.h.fail) }
	}
	it.Actions = []sheet.Action{action}
	return it
}

func shorten(s string, n int) string {
	if len(s) > n {
		return s[:n] + "…"
	}
	return s
}

func (d *chaincodes) writePackages() {
	packs, seen := d.survey.packs, d.s.Packages()
	d.packages.show(fmt.Sprint(d.survey.version, len(seen)), func(b *sheet.Builder) {
		if len(packs) == 0 && len(seen) == 0 {
			b.Text(words.L("No package is installed."), sheet.Style{Tone: sheet.Quiet})
			return
		}
		if len(packs) == 0 { // a recording: all that is known is that they were installed
			for _, id := range seen {
				b.Text(id, sheet.Style{Mono: true, Size: 10})
			}
			return
		}
		peers := make([]string, 0, len(packs))
		for p := range packs {
			peers = append(peers, p)
		}
		slices.Sort(peers)
		rows := [][2]sheet.Cell{}
		for _, p := range peers {
			rows = append(rows, [2]sheet.Cell{{Text: d.s.Short(p), Style: sheet.Style{Tone: sheet.Quiet}, Do: nil},
				{Text: strings.Join(shortPackages(packs[p]), "\n"), Style: sheet.Style{Mono: true}}})
		}
		b.Fields(rows)
	})
}

// shortPackages shows of each package id the label and the beginning of its hash.
func shortPackages(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		label, hash, _ := strings.Cut(id, ":")
		out[i] = label + ":" + shorten(hash, 8)
	}
	return out
}
