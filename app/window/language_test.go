package window

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
)

// The language changes at once: what stands in the bar, in a drawer, in the caption and in the
// inspector is there in the new one without a restart, and in the old one when it goes back.
func TestLanguageChangesAtOnce(t *testing.T) {
	t.Setenv("LANGUAGE", "en")
	t.Setenv("LANG", "en_US.UTF-8")
	t.Setenv("LC_ALL", "en_US.UTF-8")
	s, pump := MustOpen(t)
	t.Cleanup(func() { words.Use(words.English()) })
	s.session.Playhead.Seek(s.session.Axis.End())
	s.session.Select(view.Selection{What: view.SelectNode, Node: "peer0.org1.example.com"})
	pump()
	page := func() string {
		var texts []string
		walk(s.win.Content(), func(o fyne.CanvasObject) {
			switch w := o.(type) {
			case *look.Text:
				texts = append(texts, w.Text())
			case *look.Button:
				texts = append(texts, w.Text())
			}
		})
		return strings.Join(texts, "\n")
	}
	document := func() string {
		d := s.session.Document()
		return d.Subtitle + "\n" + d.Blocks[0].Rows[0][0].Text
	}
	caption := func() string { return s.session.Stage.Caption(s.session.Playhead.At, view.Selection{}) }
	english, said := page(), caption()
	if !strings.Contains(document(), "peer of org1") {
		t.Fatalf("the inspector says %q", document())
	}
	s.setLanguage("de")
	pump()
	if page() == english || caption() == said || said == "" {
		t.Errorf("after the change the page says\n%s\nand the caption %q", page(), caption())
	}
	for _, want := range []string{"Peer von org1", "Zustand"} {
		if !strings.Contains(document(), want) {
			t.Errorf("the inspector says %q, without %q", document(), want)
		}
	}
	if b := s.session.Stage.Book(); b != words.Of("de") {
		t.Errorf("the stage writes %s", b.Tag())
	}
	if s.settings.Language != "de" {
		t.Errorf("the settings say %q", s.settings.Language)
	}
	s.setLanguage("en")
	pump()
	if page() != english || caption() != said {
		t.Errorf("back in English the page says\n%s\nnot\n%s", page(), english)
	}
}
