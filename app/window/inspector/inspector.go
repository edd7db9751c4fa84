// Package inspector is the right side of the window: everything that the trace knows
// about what is selected, as package view/inspect puts it into a Document.
//
// Read next: document.go (how each form of a document's blocks is laid out),
// sheet/sheet.go (the page that it is written on).
package inspector

import (
	"reflect"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
	"github.com/fabriscope/fabriscope/app/words"
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

// maxHistory bounds how far Back goes.
const maxHistory = 100

// Inspector shows one document at a time.
type Inspector struct {
	on    Events
	doc   *inspect.Document
	folds folds
	trail []view.Selection // what was shown, in order
	place int              // where in the trail we are

	head                *sheet.Sheet
	page                *sheet.Scrolling
	back, forward, copy *look.Button
	search              *look.Entry
	body                *fyne.Container
}

// New makes an inspector that shows nothing yet.
func New(on Events) *Inspector {
	i := &Inspector{on: on, folds: folds{}, place: -1}
	i.head = sheet.New(i.writeHead)
	i.page = sheet.NewScrolling(i.writePage)
	i.head.OnKey, i.page.OnKey = on.Key, on.Key
	i.back = look.IconButton("left", words.L("Back to what was selected before"), func() { i.Go(-1) })
	i.forward = look.IconButton("chevron", words.L("Forward again"), func() { i.Go(1) })
	i.copy = look.IconButton("copy", words.L("Copy all of this as JSON"), i.Copy)
	i.search = look.NewEntry()
	i.search.PlaceHolder = words.L("Search keys and values")
	i.search.OnChanged = func(text string) {
		if on.Search != nil {
			on.Search(text)
		}
	}
	i.body = container.New(frame{i}, i.head, i.back, i.forward, i.copy, i.search, i.page)
	i.search.Hide()
	i.buttons()
	return i
}

// Content is the inspector as an object of the window.
func (i *Inspector) Content() fyne.CanvasObject { return i.body }

// Focus is where the keyboard goes for reading and for following links.
func (i *Inspector) Focus() fyne.Focusable { return i.page }

// Show shows a document, nil for nothing selected. The same document again costs
// nothing; another one about the same thing keeps the place that is read.
func (i *Inspector) Show(d *inspect.Document) {
	if d != nil && d.Title == "" && len(d.Blocks) == 0 {
		d = nil
	}
	before := i.doc
	if d == before || d != nil && before != nil && reflect.DeepEqual(d, before) {
		i.doc = d
		return
	}
	i.doc = d
	other := d == nil || before == nil || d.Selection != before.Selection
	if other {
		i.folds = folds{}
		i.remember()
	}
	i.searchable(other)
	i.head.Rewrite()
	if other {
		i.page.Top()
	}
	i.page.Rewrite()
	i.buttons()
	i.body.Refresh()
}

// Document is what is shown, nil for nothing.
func (i *Inspector) Document() *inspect.Document { return i.doc }

// remember adds what is shown to the trail, unless the trail led here.
func (i *Inspector) remember() {
	if i.doc == nil || i.place >= 0 && i.trail[i.place] == i.doc.Selection {
		return
	}
	i.trail = append(i.trail[:i.place+1], i.doc.Selection)
	if len(i.trail) > maxHistory {
		i.trail = slices.Delete(i.trail, 0, 1)
	}
	i.place = len(i.trail) - 1
}

// Go moves back (n < 0) or forward in what was selected before.
func (i *Inspector) Go(n int) {
	to := i.place + n
	if to < 0 || to >= len(i.trail) {
		return
	}
	i.place = to
	i.buttons()
	i.follow(i.trail[to])
}

// Copy gives the document as JSON to whoever asked for it.
func (i *Inspector) Copy() {
	if i.doc == nil || i.on.Copy == nil {
		return
	}
	if b, err := i.doc.Copy(); err == nil {
		i.on.Copy(string(b))
	}
}

func (i *Inspector) follow(s view.Selection) {
	if i.on.Select != nil {
		i.on.Select(s)
	}
}

func (i *Inspector) buttons() {
	look.Able(i.back, i.place > 0)
	look.Able(i.forward, i.place < len(i.trail)-1)
	look.Able(i.copy, i.doc != nil)
}

// searchable shows the search entry for documents that can be searched.
func (i *Inspector) searchable(other bool) {
	wanted := i.doc != nil && slices.ContainsFunc(i.doc.Blocks, func(b inspect.Block) bool { return b.Search })
	if wanted == i.search.Visible() {
		return
	}
	look.Show(i.search, wanted)
	if other && i.search.Text != "" {
		i.search.SetText("")
	}
}

func (i *Inspector) writeHead(b *sheet.Builder) {
	title, sub := words.L("Inspector"), ""
	if i.doc != nil {
		title, sub = i.doc.Title, i.doc.Subtitle
	}
	b.Short(float64(i.tools()), func() { b.Text(title, sheet.Style{Size: 16, Bold: true}) })
	if sub != "" {
		b.Gap(2)
		b.Text(sub, sheet.Style{Tone: sheet.Quiet})
	}
	b.Gap(6)
}

// tools is the width that the buttons take.
func (i *Inspector) tools() float32 {
	return i.back.MinSize().Width + i.forward.MinSize().Width + i.copy.MinSize().Width
}

func (i *Inspector) writePage(b *sheet.Builder) {
	b.Margins(16, func() {
		if i.doc == nil {
			b.Empty(words.L("Nothing is selected."), words.L("Click a node, a message, a bar of the timeline or a square of the chain, and everything that is known about it stands here."))
			return
		}
		w := writer{Builder: b, follow: i.follow, folds: &i.folds, toggle: i.toggle}
		w.document(i.doc)
	})
}

// toggle opens or closes a branch of a tree.
func (i *Inspector) toggle(path string) {
	i.folds[path] = toggled(i.doc, i.folds, path)
	i.page.Rewrite()
}

// frame is the inspector's layout: the title with the buttons at its right, the search
// entry where there is one, and the page.
type frame struct{ i *Inspector }

func (f frame) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(look.Px(220), look.Px(120))
}

func (f frame) Layout(_ []fyne.CanvasObject, size fyne.Size) {
	i := f.i
	margin, top := look.Px(16), look.Px(12)
	x := size.Width - look.Px(8)
	for _, b := range []*look.Button{i.copy, i.forward, i.back} {
		m := b.MinSize()
		x -= m.Width
		b.Resize(m)
		b.Move(fyne.NewPos(x, top-look.Px(3)))
	}
	wide := size.Width - 2*margin
	i.head.Move(fyne.NewPos(margin, top))
	i.head.Resize(fyne.NewSize(wide, i.head.Size().Height))
	h := max(i.head.MinSize().Height, look.Px(30))
	i.head.Resize(fyne.NewSize(wide, h))
	y := top + h
	if i.search.Visible() {
		m := i.search.MinSize().Height
		i.search.Move(fyne.NewPos(margin, y))
		i.search.Resize(fyne.NewSize(size.Width-2*margin, m))
		y += m + look.Px(6)
	}
	i.page.Move(fyne.NewPos(0, y))
	i.page.Resize(fyne.NewSize(size.Width, max(0, size.Height-y)))
}
