package inspector_test

import (
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/window/inspector"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/window/sheet"
)

// open shows an inspector in a window of a theme, as wide as the real one.
func open(t *testing.T, tokens *paint.Theme, on inspector.Events, height float32) (*inspector.Inspector, fyne.Window) {
	t.Helper()
	test.NewTempApp(t).Settings().SetTheme(look.NewTheme(tokens))
	i := inspector.New(on)
	w := test.NewTempWindow(t, look.OnPanel(i.Content()))
	w.SetPadded(false)
	w.Resize(fyne.NewSize(350*float32(tokens.Scale), height*float32(tokens.Scale)))
	return i, w
}

// picture keeps a picture of a window where FABRISCOPE_PICTURES says, to be looked at.
func picture(t *testing.T, w fyne.Window, name string) {
	t.Helper()
	dir := os.Getenv("FABRISCOPE_PICTURES")
	if dir == "" {
		return
	}
	f, err := os.Create(filepath.Join(dir, name+".png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, w.Canvas().Capture()); err != nil {
		t.Fatal(err)
	}
}

func page(i *inspector.Inspector) *sheet.Scrolling { return i.Focus().(*sheet.Scrolling) }

func linkNamed(t *testing.T, i *inspector.Inspector, name string) int {
	t.Helper()
	n := slices.IndexFunc(page(i).Links(), func(l sheet.Link) bool { return strings.Contains(l.Name, name) })
	if n < 0 {
		t.Fatalf("there is no link %q", name)
	}
	return n
}

func tx(id string) view.Selection { return view.Selection{What: view.SelectTx, TxID: id} }

// rejected is a document with every form of block.
func rejected() *inspect.Document {
	cell := func(s string) inspect.Cell { return inspect.Cell{Text: s, Mono: true} }
	weak := func(s string) inspect.Cell { return inspect.Cell{Text: s, Tone: inspect.Weak} }
	side := func(name, value string, c inspect.Change) inspect.Side {
		return inspect.Side{Name: name, Lines: []inspect.Line{{Text: "asset1", Change: inspect.Label}, {Text: "read 41:2"},
			{Text: `write {"owner":"` + value + `"}`, Change: c}}}
	}
	return &inspect.Document{Selection: tx("51c0"), Title: "Transaction 51c0", Subtitle: `TransferAsset("asset1", "carol") by bob @ Org2`, Blocks: []inspect.Block{
		{Form: inspect.Journey, Stations: []inspect.Station{
			{Name: "Proposed", Detail: "sent to Org1 and Org2", Mark: inspect.Done}, {Name: "Simulated", Detail: "2 endorsers, in parallel, 3.1 ms", Mark: inspect.Done},
			{Name: "Endorsed", Detail: "both results are identical", Mark: inspect.Done}, {Name: "Ordered", Detail: "block 42, position 4 of 10", Mark: inspect.Done},
			{Name: "Invalid", Detail: "MVCC_READ_CONFLICT", Mark: inspect.Failed}, {Name: "Seen", Detail: "not yet", Mark: inspect.Waiting}}},
		{Form: inspect.Card, Title: "Why it was rejected", Tone: inspect.Bad, Text: "When it was simulated, asset1 had version 41:2. Transaction 9f3a, earlier in this same block, changed asset1 to version 42:0. The value this result was computed from is gone, so peers drop it.",
			Links: []inspect.Cell{{Text: "Transaction 9f3a, which was first", Link: tx("9f3a")}}},
		{Form: inspect.Table, Title: "Read set", Aside: inspect.Cell{Text: "Org1 = Org2", Tone: inspect.Good}, Header: []string{"key", "read version", "at commit"},
			Rows: [][]inspect.Cell{{cell("asset1"), cell("41:2"), {Text: "42:0", Mono: true, Tone: inspect.Bad}}}},
		{Form: inspect.Diff, Title: "Write set", Aside: inspect.Cell{Text: "not applied", Tone: inspect.Bad}, Lines: []inspect.Line{{Text: "asset1", Change: inspect.Label},
			{Text: `"owner": "alice"`, Change: inspect.Removed}, {Text: `"owner": "carol"`, Change: inspect.Added}}},
		{Form: inspect.Pair, Title: "Results side by side", Sides: []inspect.Side{side("peer0.org1", "carol", inspect.Differs), side("peer0.org2", "dave", inspect.Differs)}},
		{Form: inspect.Tree, Title: "Endorsements", Aside: cell("AND('Org1.peer', 'Org2.peer')"), Nodes: []*inspect.Node{{Name: "AND", Mark: inspect.Done, Open: true, Children: []*inspect.Node{
			{Name: "Org1.peer", Mark: inspect.Done, Note: "signature of peer0.org1 holds"}, {Name: "Org2.peer", Mark: inspect.Failed, Note: "nobody signed"}}}}},
		{Form: inspect.Fields, Title: "Facts", Rows: [][]inspect.Cell{{weak("transaction id"), cell("51c0b7a1e4d2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e6f7a8")}, {weak("creator"), {Text: "bob of Org2"}}}},
		{Form: inspect.Messages, Title: "Messages", Aside: inspect.Cell{Text: "24, open all", Link: view.Selection{What: view.SelectPeers}}, List: []inspect.Message{
			{At: "+0.00 ms", From: "alice", To: "peer0.org1", What: "proposal", Class: view.Proposal, Link: view.Selection{What: view.SelectMessage, Seq: 7}},
			{At: "+0.58", From: "basic", To: "peer0.org1", What: "GET_STATE asset1", Class: view.Read}, {At: "+0.63", From: "basic", To: "peer0.org1", What: "PUT_STATE asset1", Class: view.Write},
			{At: "+0.71", From: "peer0.org1", To: "orderer", What: "lost", Tone: inspect.Bad}}, More: 20},
		{Form: inspect.Tree, Title: "Decoded", Nodes: []*inspect.Node{{Name: "payload", Open: true, Children: []*inspect.Node{
			{Name: "header", Children: []*inspect.Node{{Name: "channel_id", Value: "mychannel"}}}, {Name: "signature", Value: strings.Repeat("3045022100", 8), Mono: true, Note: "(71 bytes)"}}}}},
		{Form: inspect.Heading, Title: "What it changed"}, {Form: inspect.Text, Text: "Nothing.", Tone: inspect.Weak},
	}}
}

func TestEveryFormIsShown(t *testing.T) {
	for _, th := range []*paint.Theme{paint.Dark(), paint.Light(), paint.Dark().Larger(1.6)} {
		i, w := open(t, th, inspector.Events{}, 1400)
		i.Show(rejected())
		all := strings.Join(page(i).Texts(), "\n")
		for _, want := range []string{"Invalid", "Why it was rejected", "42:0", "+", "-", "≠", "signature of peer0.org1 holds", "51c0b7a1", "alice → peer0.org1 proposal", "20 more are not shown", "payload", "What it changed"} {
			if !strings.Contains(all, want) {
				t.Errorf("%s: %q is not on the page", th.Name, want)
			}
		}
		if strings.Contains(all, "channel_id") {
			t.Error("a closed branch is shown open")
		}
		name := "inspector-" + th.Name
		if th.Scale > 1 {
			name += "-presenter"
		}
		picture(t, w, name)
	}
}

func TestLinksAreFollowed(t *testing.T) {
	var chosen []view.Selection
	i, w := open(t, paint.Dark(), inspector.Events{Select: func(s view.Selection) { chosen = append(chosen, s) }}, 500)
	i.Show(rejected())
	p := page(i)
	l := p.Links()[linkNamed(t, i, "which was first")]
	test.TapAt(p, fyne.NewPos(float32(l.Rect.X+5), float32(l.Rect.Y+5)))
	if len(chosen) != 1 || chosen[0] != tx("9f3a") {
		t.Fatalf("chosen by mouse: %v", chosen)
	}
	w.Canvas().Focus(p)
	for range linkNamed(t, i, "alice → peer0.org1") {
		p.TypedKey(&fyne.KeyEvent{Name: fyne.KeyDown})
	}
	if p.Offset() == 0 {
		t.Error("the page did not follow the focus")
	}
	picture(t, w, "inspector-focus")
	p.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if len(chosen) < 2 || chosen[len(chosen)-1].Seq != 7 {
		t.Errorf("chosen by key: %v", chosen)
	}
}

// TestPlaceIsKept scrolls: news about the same thing stay where one reads, another thing
// begins at its top.
func TestPlaceIsKept(t *testing.T) {
	i, _ := open(t, paint.Dark(), inspector.Events{}, 500)
	i.Show(rejected())
	page(i).Scrolled(&fyne.ScrollEvent{Scrolled: fyne.NewDelta(0, -300)})
	if page(i).Offset() != 300 {
		t.Fatalf("scrolled to %v", page(i).Offset())
	}
	d := rejected()
	d.Blocks[1].Text += " More is known now."
	i.Show(d)
	if page(i).Offset() != 300 {
		t.Errorf("news moved the page to %v", page(i).Offset())
	}
	d = rejected()
	d.Selection = tx("aaaa")
	i.Show(d)
	if page(i).Offset() != 0 {
		t.Errorf("another transaction is shown from %v", page(i).Offset())
	}
}

func TestBackAndForward(t *testing.T) {
	var i *inspector.Inspector
	show := func(s view.Selection) { i.Show(&inspect.Document{Selection: s, Title: "Transaction " + s.TxID}) }
	i, _ = open(t, paint.Dark(), inspector.Events{Select: show}, 300)
	for _, id := range []string{"a", "b", "c"} {
		show(tx(id))
	}
	want := func(id string) {
		t.Helper()
		if got := i.Document().Selection.TxID; got != id {
			t.Errorf("shown: %s, want %s", got, id)
		}
	}
	i.Go(-1)
	want("b")
	i.Go(-1)
	want("a")
	i.Go(-1)
	want("a")
	i.Go(1)
	want("b")
	show(tx("d"))
	i.Go(1)
	want("d")
	i.Go(-1)
	want("b")
}

func TestCopySearchAndFolds(t *testing.T) {
	var copied, sought string
	i, w := open(t, paint.Light(), inspector.Events{Copy: func(s string) { copied = s }, Search: func(s string) { sought = s }}, 600)
	picture(t, w, "inspector-empty")
	i.Show(rejected())
	i.Copy()
	if !strings.Contains(copied, `"Transaction 51c0"`) {
		t.Errorf("copied: %.80s", copied)
	}
	p := page(i)
	l := p.Links()[linkNamed(t, i, "header")]
	p.SetOffset(l.Rect.Y)
	test.TapAt(p, fyne.NewPos(float32(l.Rect.X+5), float32(l.Rect.Y-p.Offset()+5)))
	if !slices.Contains(p.Texts(), "channel_id") {
		t.Error("the branch did not open")
	}
	ledger := &inspect.Document{Selection: view.Selection{What: view.SelectLedger, Node: "peer0.org1"}, Title: "Ledger", Blocks: []inspect.Block{
		{Form: inspect.Table, Title: "State", Search: true, Header: []string{"key", "version", "value"}, Rows: [][]inspect.Cell{
			{{Text: "asset1", Mono: true}, {Text: "4:0", Mono: true}, {Text: `{"Color":"blue","Owner":"carol","Size":5}`, Mono: true}}}}}}
	i.Show(ledger)
	picture(t, w, "inspector-ledger")
	for _, o := range i.Content().(*fyne.Container).Objects {
		if e, ok := o.(*look.Entry); ok && e.Visible() {
			test.Type(e, "asset")
		}
	}
	if sought != "asset" {
		t.Errorf("sought %q", sought)
	}
}

// BenchmarkShow is a document of 400 messages laid out and painted.
func BenchmarkShow(b *testing.B) {
	test.NewTempApp(b).Settings().SetTheme(look.NewTheme(paint.Dark()))
	i := inspector.New(inspector.Events{})
	w := test.NewTempWindow(b, i.Content())
	w.Resize(fyne.NewSize(350, 850))
	d := rejected()
	for n := range 400 {
		d.Blocks[7].List = append(d.Blocks[7].List, inspect.Message{At: "+1.00 ms", From: "basic", To: "peer0.org1", What: "GET_STATE key" + string(rune('a'+n%26)), Class: view.Read})
	}
	for n := 0; b.Loop(); n++ {
		d := *d
		d.Subtitle = strings.Repeat("x", n%20)
		i.Show(&d)
	}
}
