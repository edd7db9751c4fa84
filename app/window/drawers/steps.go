package drawers

import (
	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
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
	l.id.PlaceHolder = words.L("from Install")
	l.sequence.Text = "1"
	install := look.Secondary(words.L("Install"), l.install)
	approve := look.Secondary(words.L("Approve"), l.approve)
	commit := look.Secondary(words.L("Commit"), l.commit)
	g.add(install, approve, commit)
	l.said.Hide()
	l.box = look.Column(8,
		look.Muted(words.L("The same in its three steps: the package is put on every peer, each organisation approves the definition, and it is committed.")).Wrapped(),
		look.Grid(2, look.FormRow(words.L("Package id"), l.id), look.FormRow(words.L("Sequence"), l.sequence)),
		look.FormRow(words.L("Organisation"), l.org), look.Row(8, install, approve, commit), l.said)
	return l
}

func (l *lifecycle) update() {
	l.org.offer(l.f.s.Organizations(), 0)
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
	n, err := number(words.L("Sequence"), l.sequence.Text, 1, 1_000_000)
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
		l.say(words.L("Every running peer has the package."), err)
	})
}

func (l *lifecycle) approve() {
	if n := l.number(); n > 0 {
		org := l.org.Selected
		l.f.s.Approve(l.f.chaincode(), n, l.id.Text, org, func(err error) {
			l.say(words.L("{{.Org}} has approved the definition.", map[string]any{"Org": org}), err)
		})
	}
}

func (l *lifecycle) commit() {
	if n := l.number(); n > 0 {
		l.f.s.CommitDefinition(l.f.chaincode(), n, func(err error) { l.say(words.L("The definition is committed."), err) })
	}
}
