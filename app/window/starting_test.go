package window

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/network"
)

// textsOf are the texts that an object shows.
func textsOf(o fyne.CanvasObject) string {
	var all []string
	walk(o, func(o fyne.CanvasObject) {
		if text, ok := o.(*look.Text); ok && text.Visible() {
			all = append(all, text.Text())
		}
	})
	return strings.Join(all, "\n")
}

// The view of a start names the step that is under way, since when, and after three seconds
// what it waits for; who stops it sees that it stops.
func TestStartingNamesItsStep(t *testing.T) {
	s, _ := MustShell(t, Options{})
	v := s.showStarting("Net", "", words.L("Starting ..."))
	v.begins("nodes")
	v.done(network.Step{Name: "nodes", Took: 20 * time.Millisecond})
	v.begins("election of a Raft leader")
	v.tick(2900 * time.Millisecond)
	if said := textsOf(v.object); !strings.Contains(said, "election of a Raft leader\n2 s") || strings.Contains(said, "odd") {
		t.Errorf("after 2.9 s it says %q", said)
	}
	v.tick(200 * time.Millisecond)
	if said := textsOf(v.object); !strings.Contains(said, "0 of 0 nodes ready; nothing is odd") {
		t.Errorf("after 3.1 s it says %q", said)
	}
	v.waits("nodes", "too late")
	v.waits("election of a Raft leader", "peer0 does not answer")
	if said := textsOf(v.object); !strings.Contains(said, "; peer0 does not answer.") || strings.Contains(said, "too late") {
		t.Errorf("it says %q", said)
	}
	v.begins("links")
	if v.tick(0); v.long.Visible() {
		t.Error("another step says what the one before waited for")
	}
	v.giveUp()
	if said := textsOf(v.object); !strings.Contains(said, "Stopping the network") || v.ctx.Err() == nil {
		t.Errorf("stopped, it says %q", said)
	}
	s.dropStarting()
	for p, want := range map[session.Parts]string{
		{Nodes: 1, OfNodes: 7}: "1 of 7 nodes ready.",
		{Nodes: 7, OfNodes: 7, Images: 1, OfImages: 2, Chaincodes: 3, OfChaincodes: 4, Failed: 1}: "1 of 2 images made; chaincode runs at 3 of 4 places; it could not be started at 1 place.",
	} {
		if got := partsText(p, ""); !strings.Contains(strings.ReplaceAll(got, "; nothing is odd, it takes its time", ""), want) {
			t.Errorf("%+v: %q", p, got)
		}
	}
}

// The start screen offers how chaincode runs, says why, and how long a start takes.
func TestTheStartScreenChoosesTheRuntime(t *testing.T) {
	with, without := []session.Finding{{Name: "Docker", Version: "26.1", OK: true}}, []session.Finding{{Name: "Docker", Detail: "no engine"}}
	for _, c := range []struct {
		chosen        string
		found         []session.Finding
		runtime, says string
	}{
		{"", nil, "", "looking"},
		{"", with, chaincode.RuntimeDocker, "since Docker 26.1"},
		{"", without, chaincode.RuntimeProcess, "no Docker answers"},
		{chaincode.RuntimeProcess, nil, chaincode.RuntimeProcess, "as you chose"},
		{chaincode.RuntimeDocker, with, chaincode.RuntimeDocker, "as you chose"},
		{chaincode.RuntimeDocker, without, chaincode.RuntimeDocker, "fail: No engine"},
	} {
		if runtime, why := runtimeReason(c.chosen, c.found); runtime != c.runtime || !strings.Contains(why, c.says) {
			t.Errorf("%q with %v: %q, %q", c.chosen, c.found, runtime, why)
		}
	}
	s, _ := MustShell(t, Options{})
	var processes *look.Button
	walk(s.start.object, func(o fyne.CanvasObject) {
		if b, ok := o.(*look.Button); ok && b.Hint() == words.L("processes") {
			processes = b
		}
	})
	if processes == nil {
		t.Fatal("there is no choice")
	}
	processes.Tapped(nil)
	if s.startOptions("").Runtime != chaincode.RuntimeProcess || s.settings.Runtime != chaincode.RuntimeProcess {
		t.Error("the choice does not hold")
	}
	if said := s.start.takes.Text(); !strings.Contains(said, "seconds") {
		t.Errorf("a start takes %q", said)
	}
	topology, err := session.SampleTopology(defaultSample)
	if err != nil {
		t.Fatal(err)
	}
	s.settings.KeepTook(topology.Name, chaincode.RuntimeProcess, 1300*time.Millisecond)
	s.start.explainRuntime()
	if said := s.start.takes.Text(); !strings.Contains(said, "1.3 s") {
		t.Errorf("a start takes %q", said)
	}
}

// Everything that is found on a computer has a name in every language.
func TestFindingsAreNamedInGerman(t *testing.T) {
	for _, name := range []string{"LANGUAGE", "LANG", "LC_ALL"} {
		t.Setenv(name, "en_US.UTF-8") // what a language changes of them is undone
	}
	t.Cleanup(func() { words.Use(words.English()) })
	s, _ := MustShell(t, Options{})
	s.setLanguage("de")
	found := session.Computer(t.Context())
	for i := range found {
		found[i].OK = false
	}
	s.start.showComputer(found)
	said := textsOf(s.start.object)
	for _, english := range []string{"Memory", "Temp folder", "Graphics", " organisations,", "ordering nodes"} {
		if strings.Contains(said, english) {
			t.Errorf("%q is not in German", english)
		}
	}
	for _, german := range []string{"Arbeitsspeicher", "Ordner für Zwischendateien", "Grafik", "2 Organisationen, 4 Peers, 3 Ordering-Knoten"} {
		if !strings.Contains(said, german) {
			t.Errorf("nothing says %q", german)
		}
	}
}
