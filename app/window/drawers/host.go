// Package drawers is the drawers that the window's rail opens: Lessons, Network,
// Chaincode, Load, Faults and Script. Each shows a session and raises its actions; what
// an action means is the session's affair, and what needs the rest of the window
// (dialogs, files, another session) is the Host's.
//
// The shell shows a drawer by its Panel, calls Refresh some times a second while it is
// visible, and Close when the session ends. A session that is not live disables the
// actions, and the drawer says why.
//
// Read next: panel.go (what all drawers share), client.go (the one used most).
package drawers

import (
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/network"

	"fyne.io/fyne/v2"
)

// Host is what a drawer asks of the window.
type Host struct {
	// Select makes something the one selection of all panels.
	Select func(view.Selection)
	// ShowError shows an error with what happened, why, and what to do.
	ShowError func(error)
	// Confirm asks before something that cannot be taken back.
	Confirm func(title, text string, do func())
	// OpenFile lets a person choose a file with one of the endings (".yaml"), SaveFile
	// where to save one; got hears the path.
	OpenFile   func(endings []string, got func(path string))
	OpenFolder func(got func(path string))
	SaveFile   func(name string, got func(path string))
	// Notify says for a moment that something was done.
	Notify func(text string)
	// PartitionMode lets a person draw a line across the stage; the shell turns what
	// lies on either side into a partition.
	PartitionMode func(on bool)
	// StartTopology ends the session, after asking, and starts another network. File is
	// where the topology is kept, "" if nowhere.
	StartTopology func(t *network.Topology, file string)
	// OpenLesson ends the session, after asking, and starts a lesson by its name.
	OpenLesson func(name string)
	// RunScript ends the session, after asking, and runs a scenario; the new session
	// shows it. File is where it is kept, "" if nowhere.
	RunScript func(name string, src []byte, file string)
	// OnKey hears keys that a focused drawer has no use for.
	OnKey func(*fyne.KeyEvent)
}

func (h Host) choose(s view.Selection) {
	if s.What != view.Nothing {
		h.Select(s)
	}
}

func (h Host) fail(err error) {
	if err != nil {
		h.ShowError(err)
	}
}
