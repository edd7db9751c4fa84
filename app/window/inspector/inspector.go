// Package inspector is the right side of the window: everything that the trace knows
// about what is selected, as package view/inspect puts it into a Document.
//
// Read next: document.go (how each form of a document's blocks is laid out),
// sheet/sheet.go (the page that it is written on).
package inspector

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
)

// Events are what a person does in the inspector. Every field may be nil.
type Events struct {
	// Select makes something the one selection of all panels: a link was followed.
	Select func(view.Selection)
	// Copy puts a text on the clipboard: the document as JSON.
	Copy func(text string)
	// Search looks for a text in the state of the ledger that is shown.
	Search func(text string)
	// Key hears keys that the inspector has no use for.
	Key func(*fyne.KeyEvent)
}

// Inspector shows one document at a time.
type Inspector struct {
	on   Events
	body fyne.CanvasObject
}

// New makes an inspector that shows nothing yet.
func New(on Events) *Inspector {
	return &Inspector{on: on, body: container.NewVBox()}
}

// Content is the inspector as an object of the window.
func (i *Inspector) Content() fyne.CanvasObject { return i.body }

// Show shows a document. The same document again costs nothing.
func (i *Inspector) Show(d *inspect.Document) {}
