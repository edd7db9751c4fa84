package drawers

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/window/look"
)

// lifecycle is the part of the form that deploys step by step: install, approve for each
// organisation, commit. Who does that sees what is missing when one step is left out.
type lifecycle struct {
	f        *deployForm
	box      *fyne.Container
	org      *Choice
	id       *look.Entry
	sequence *look.Entry
	said     *look.Text
}

func newLifecycle(f *deployForm, g *gate) *lifecycle {
	l := &lifecycle{f: f, org: newSelect(nil, nil), id: look.NewEntry(), sequence: look.NewEntry(), said: look.Small("").Wrapped()}
	l.id.PlaceHolder = lang.L("from Install")
	l.sequence.Text = "1"
	install := look.Secondary(lang.L("Install"), l.install)
	approve := look.Secondary(lang.L("Approve"), l.approve)
	commit := look.Secondary(lang.L("Commit"), l.commit)
	g.add(install, approve, commit)
	l.said.Hide()
	l.box = look.Column(8,
		look.Muted(lang.L("The same in its three steps: the package is put on every peer, each organisation approves the definition, and it is committed.")).Wrapped(),
		container.New(twoColumns{}, look.FormRow(lang.L("Package id"), l.id), look.FormRow(lang.L("Sequence"), l.sequence)),
		look.FormRow(lang.L("Organisation"), l.org), look.Row(8, install, approve, commit), l.said)
	return l
}

func (l *lifecycle) update() {
	if l.f.s == nil {
		return
	}
	if orgs := l.f.s.Organizations(); len(orgs) != len(l.org.Options) {
		l.org.SetOptions(orgs)
		if l.org.Selected == "" && len(orgs) > 0 {
			l.org.SetSelectedIndex(0)
		}
	}
}

// say tells how a step ended.
func (l *lifecycle) say(done string, err error) {
	tone := look.Good
	if err != nil {
		done, tone = explained(err), look.Bad
	}
	l.said.SetTone(tone)
	l.said.SetText(done)
	l.said.Show()
}

// number is the definition's sequence; a text that is none is refused by the network.
func (l *lifecycle) number() int64 {
	n, err := number(lang.L("Sequence"), l.sequence.Text, 1, 1_000_000)
	if err != nil {
		l.say("", err)
	}
	return int64(n)
}

func (l *lifecycle) install() {
	l.f.s.Install(l.f.chaincode(), nil, func(id string, err error) {
		if err == nil {
			l.id.SetText(id)
		}
		l.say(lang.L("Every running peer has the package."), err)
	})
}

func (l *lifecycle) approve() {
	if n := l.number(); n > 0 {
		org := l.org.Selected
		l.f.s.Approve(l.f.chaincode(), n, l.id.Text, org, func(err error) {
			l.say(lang.L("{{.Org}} has approved the definition.", map[string]any{"Org": org}), err)
		})
	}
}

func (l *lifecycle) commit() {
	if n := l.number(); n > 0 {
		l.f.s.CommitDefinition(l.f.chaincode(), n, func(err error) { l.say(lang.L("The definition is committed."), err) })
	}
}
