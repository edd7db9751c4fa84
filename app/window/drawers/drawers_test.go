package drawers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/app/window/inspector"
	"github.com/fabriscope/fabriscope/app/window/look"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// TestTwoAtOnce makes the conflict that the program exists to explain: two transfers of
// one asset, proposed at the same time.
func TestTwoAtOnce(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 1100, drawers.NewNetwork, drawers.Host{Select: s.Select})
	d.until("the functions are there", func() bool { return d.says("TransferAsset", "alice", "bob") })
	d.mustSay("Gives an asset to somebody else")
	d.write("id", 0, "asset1")
	d.write("newOwner", 0, "carol")
	d.write("newOwner", 1, "dave")
	d.press("Submit two at once")
	d.mustSay("under way")
	d.until("both verdicts are there", func() bool { return d.says("MVCC_READ_CONFLICT", "Valid, in block") })
	chosen := s.Selection()
	if chosen.What != view.SelectTx || chosen.TxID == "" {
		t.Errorf("the rejected transaction is not selected, but %v", chosen)
	}
	d.mustSay("asset1")
	d.picture("network-client")
	d.write("newOwner", 0, "erin")
	d.press("Submit")
	d.until("the next one is valid", func() bool { return strings.Count(strings.Join(d.texts(), " "), "Valid, in block") == 2 })
	d.choose("Function", "ReadAsset")
	d.mustSay("It writes nothing: evaluate it.")
	d.press("Evaluate")
	d.until("the peer answered", func() bool { return d.says("The peer answered", "erin") })
	open(t, s, paint.Light(), 1100, drawers.NewNetwork, drawers.Host{}).picture("network-client")
	showDocuments(t, s, chosen)
}

// showDocuments shows the real documents of a run in the inspector.
func showDocuments(t *testing.T, s *session.Session, rejected view.Selection) {
	peer := s.Peers()[0]
	for name, sel := range map[string]view.Selection{"tx": rejected, "block": {What: view.SelectBlock, Block: 4}, "peer": {What: view.SelectNode, Node: peer},
		"ledger": {What: view.SelectLedger, Node: peer}, "peers": {What: view.SelectPeers}, "orderer": {What: view.SelectNode, Node: s.Orderers()[0]},
		"container": {What: view.SelectNode, Node: "basic_1.0@" + peer}, "key": {What: view.SelectKey, Namespace: "basic", Key: "asset1"},
		"message": {What: view.SelectMessage, Seq: firstMessage(s, rejected.TxID), TxID: rejected.TxID}} {
		s.Select(sel)
		i := inspector.New(inspector.Events{})
		i.Show(s.Document())
		w := test.NewTempWindow(t, look.OnPanel(i.Content()))
		w.SetPadded(false)
		w.Resize(fyne.NewSize(350, 1500))
		if i.Document() == nil || i.Document().Title == "" {
			t.Errorf("%s: the inspector shows nothing", name)
		}
		(&drawer{t: t, w: w}).picture("document-" + name)
	}
}

// firstMessage is the first proposal of a transaction that was sent.
func firstMessage(s *session.Session, tx string) uint64 {
	for _, e := range s.Source().ByTx(tx) {
		if e.Kind == trace.Proposal {
			return e.Seq
		}
	}
	return 0
}

// recording is a run that was recorded: nothing can be done in it.
func recording(t *testing.T) *session.Session {
	t.Helper()
	s, err := session.OpenRun("../../view/testdata/two-clients-one-key.fscope", session.StartOptions{Settings: session.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	return s
}

func TestEveryDrawerWithoutNetwork(t *testing.T) {
	for name, make := range map[string]func(*session.Session, drawers.Host) *drawers.Panel{"lessons": drawers.NewLessons, "network": drawers.NewNetwork,
		"chaincode": drawers.NewChaincode, "load": drawers.NewLoad, "faults": drawers.NewFaults, "script": drawers.NewScript} {
		t.Run(name, func(t *testing.T) {
			d := open(t, recording(t), paint.Dark(), 900, make, drawers.Host{})
			if name != "lessons" && name != "script" && name != "network" {
				d.mustSay("This is a recording, not a running network")
			}
			d.picture(name + "-none")
		})
	}
}

// TestHolds stops a transaction on its way to the ordering service and lets it go on.
func TestHolds(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 1300, drawers.NewFaults, drawers.Host{Select: s.Select})
	d.mustSay("peer0.org1", "orderer", "Nothing is held.")
	d.press("Hold")
	d.mustSay("Choose a kind of message first.")
	d.choose("Kind", "on its way to the ordering service")
	d.write("How many", 0, "few")
	d.press("Hold")
	d.mustSay("few is no number of messages")
	d.write("How many", 0, "2")
	d.press("Hold")
	d.until("the hold is listed", func() bool { return d.says("Take it away") })
	var outcome *session.Outcome
	s.Submit(session.Call{Identity: "alice", Call: network.Call{Chaincode: "basic", Function: "TransferAsset", Args: []string{"asset1", "carol"}}},
		func(o session.Outcome) { outcome = &o })
	d.until("the transaction is held", func() bool { return d.says("Held messages", "1 held", "broadcast") })
	d.picture("faults")
	if outcome != nil {
		t.Errorf("a held transaction has an outcome: %v", outcome.Text)
	}
	d.follow("Release", 0)
	d.until("it is valid", func() bool { return outcome != nil && outcome.Valid })
	d.follow("Take it away", 0)
	d.until("nothing is held", func() bool { return d.says("Nothing is held.") })
}

func TestBreakingThings(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Light(), 1300, drawers.NewFaults, drawers.Host{Select: s.Select})
	d.follow("peer1.org1", 0)
	d.follow("Let it lie", 0)
	d.until("it lies", func() bool { return d.says("lies", "Let it be honest") })
	d.follow("Kill", 0)
	d.until("it is killed", func() bool { return d.says("killed") })
	d.picture("faults")
	d.follow("Restart", 0)
	d.until("it runs again", func() bool { return !d.says("killed") })
	d.choose("One end", "peer0.org1")
	d.press("Cut")
	d.mustSay("Choose two different ends first.")
	d.choose("Other end", "peer0.org2")
	d.write("Latency", 0, "30ms")
	d.write("Loss", 0, "200 %")
	d.press("Slow it down")
	d.mustSay("200 % is no share")
	d.write("Loss", 0, "2 %")
	d.press("Slow it down")
	d.until("the link is listed", func() bool { return d.says("30ms slower, 2 % lost") })
	d.press("Cut off")
	d.until("there is a partition", func() bool { return d.says("Partition") })
	d.press("Heal everything")
	d.until("all is healed", func() bool { return len(s.Links()) == 0 && !d.says("30ms slower") })
}

func TestDeployAndUpgrade(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 1200, drawers.NewChaincode, drawers.Host{Select: s.Select})
	d.mustSay("basic", "version 1.0", "sequence 1", "a majority of the organisations")
	d.until("the processes are listed", func() bool { return d.says("basic_1.0 @ peer0.org1", "process") })
	d.picture("chaincode")
	d.write("Name", 0, "count")
	d.press("Deploy")
	d.until("it is deployed", func() bool { return d.says("count 1.0 is committed as sequence 1.") })
	d.follow("Upgrade", 1)
	d.frame()
	d.mustSay("Upgrade to sequence 2")
	d.press("Upgrade to sequence 2")
	d.until("it is upgraded", func() bool { return d.says("count 2.0 is committed as sequence 2.") })
	d.follow("Pause", 0)
	d.until("one is paused", func() bool { return d.says("paused") })
	d.follow("Let it go on", 0)
	d.until("it goes on", func() bool { return !d.says("paused") })
}

// TestByKeyboardAlone comes to every button of the client panel with Tab and presses one.
func TestByKeyboardAlone(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 700, drawers.NewNetwork, drawers.Host{Select: s.Select})
	d.until("the functions are there", func() bool { return d.says("TransferAsset", "alice", "bob") })
	c := d.w.Canvas()
	c.Focus(d.p.First())
	reached := map[string]bool{}
	for range 40 {
		c.FocusNext()
		d.frame()
		switch f := c.Focused().(type) {
		case *look.Entry:
			if !reached[f.PlaceHolder] {
				test.Type(f, map[string]string{"such as asset1": "asset2", "such as carol": "zoe"}[f.PlaceHolder])
			}
			reached[f.PlaceHolder] = true
		case interface{ Hint() string }:
			reached[f.Hint()] = true
			if f.Hint() == "Submit" && reached["such as carol"] && !reached["pressed"] {
				reached["pressed"] = true
				c.Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
			}
		}
	}
	for _, want := range []string{"such as asset1", "such as carol", "Endorsers and flow", "Submit", "Evaluate", "A second one at the same time", "Submit two at once"} {
		if !reached[want] {
			t.Errorf("Tab does not come to %q", want)
		}
	}
	d.until("the verdict is there", func() bool { return d.says("TransferAsset(asset2, zoe)", "Valid, in block") })
}

// TestPlaceholdersAreNotSent presses Enter in a form that is not filled in: it marks what is
// missing, goes there, and submits nothing.
func TestPlaceholdersAreNotSent(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Light(), 900, drawers.NewNetwork, drawers.Host{Select: s.Select})
	d.until("the functions are there", func() bool { return d.says("TransferAsset", "alice", "bob") })
	d.choose("Function", "CreateAsset")
	d.mustSay("whole number", "text")
	before := s.Pending()
	for _, name := range []string{"Submit", "Evaluate", "Submit two at once"} {
		d.press(name)
		d.frame()
		if s.Pending() != before || d.says("under way") || d.w.Canvas().Focused() != fyne.Focusable(d.field("id", 0)) {
			t.Errorf("%s sends a form that is not filled in", name)
		}
	}
	d.mustSay("Fill it in.")
	for _, label := range []string{"id", "color", "size", "owner"} {
		test.Type(d.field(label, 0), "7")
		d.w.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	}
	last := d.field("appraisedValue", 0)
	if d.w.Canvas().Focused() != fyne.Focusable(last) || d.says("under way") {
		t.Error("Enter does not go to the field that is still empty")
	}
	d.picture("network-client-missing")
	test.Type(last, "9")
	if d.says("Fill it in.") {
		t.Error("what is filled in is still marked")
	}
	last.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	d.until("the verdict is there", func() bool { return d.says("CreateAsset(7, 7, 7, 7, 9)", "Valid, in block") })
}

// TestStepByStep leaves one organisation's approval out and reads what is missing.
func TestStepByStep(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Light(), 1400, drawers.NewChaincode, drawers.Host{Select: s.Select})
	d.write("Name", 0, "count")
	d.unfold("Step by step")
	d.press("Install")
	d.until("it is installed", func() bool { return d.says("Every running peer has the package.", "count_1.0:") })
	d.press("Approve")
	d.until("Org1 approved", func() bool { return d.says("Org1 has approved the definition.") })
	d.press("Commit")
	d.until("the commit is refused", func() bool { return !d.says("Org1 has approved the definition.") })
	d.picture("chaincode-steps")
	d.choose("Organisation", "Org2")
	d.press("Approve")
	d.until("Org2 approved", func() bool { return d.says("Org2 has approved the definition.") })
	d.press("Commit")
	d.until("it is committed", func() bool { return d.says("The definition is committed.") })
}

// TestRunningLesson shows a lesson while it runs: its chapters, what it says, and what it
// waits for.
func TestRunningLesson(t *testing.T) {
	s, run, err := session.RunLesson("2", session.Hooks{}, session.StartOptions{Settings: session.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	d := open(t, s, paint.Dark(), 1200, drawers.NewLessons, drawers.Host{Select: s.Select})
	d.mustSay("Lesson 2")
	asked := func() bool { q, answered := run.Question(); return q != nil && !answered }
	d.until("something is asked", func() bool { run.Continue(); return asked() || !run.Running() })
	if !asked() {
		t.Fatalf("the lesson ended without a question: %v", run.Err())
	}
	q, _ := run.Question()
	d.frame()
	first := q.Options[0].String()
	d.mustSay(first, "So far", "Start again")
	d.picture("lessons-running")
	d.follow("A  "+first, 0)
	d.until("it is answered", func() bool { _, n := run.Score(); return n == 1 })
	d.follow("Leave the lesson", 0)
	d.until("it has ended", func() bool { return !run.Running() })
	d.frame()
	d.picture("lessons-stopped")
}

func TestLoad(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 1000, drawers.NewLoad, drawers.Host{})
	d.write("Clients at once", 0, "none")
	d.press("Start the load")
	d.mustSay("Clients at once: write a number from 1 to 1000")
	d.choose("Workload", "create")
	d.write("Clients at once", 0, "4")
	d.write("Seconds", 0, "2")
	d.press("Start the load")
	d.until("it runs", func() bool { return d.says("Stop", "transactions in") })
	d.until("it is over", func() bool { return d.says("a second; half took less than") })
	d.mustSay("VALID", "100.0 %")
	d.picture("load")
}

// TestScript runs a scenario whose expectation does not hold, and sees the line marked.
func TestScript(t *testing.T) {
	src := "network(\"one-of-each\", cut = \"idle\")\nr = submit(\"alice\", \"basic\", \"CreateAsset\", \"x\", \"red\", \"1\", \"ada\", \"2\")\nsleep(\"300ms\")\nexpect(not r.ok, \"it is not valid\")\n"
	s, run, err := session.RunScript("mine.star", []byte(src), session.Hooks{}, session.StartOptions{Settings: session.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	var again []byte
	d := open(t, s, paint.Dark(), 1000, drawers.NewScript, drawers.Host{RunScript: func(_ string, src []byte, _ string) { again = src }})
	d.mustSay("mine.star", "Stop")
	d.until("a line is marked", func() bool { return d.says("▸ 2") || d.says("▸ 3") })
	d.picture("script-running")
	d.until("it has ended", func() bool { return !run.Running() })
	d.frame()
	d.mustSay("✗ 4", "submit", "it is not valid")
	d.picture("script")
	d.press("Run")
	if string(again) != src {
		t.Errorf("run again: %q", again)
	}
}

func TestScriptIsCheckedWhileItIsWritten(t *testing.T) {
	d := open(t, recording(t), paint.Light(), 800, drawers.NewScript, drawers.Host{})
	d.editor().SetText("network()\nsubmitt(1)\n")
	d.frame()
	d.mustSay("✗ 2", "submitt")
	d.picture("script-wrong")
}

// TestRecording writes down what is done.
func TestRecording(t *testing.T) {
	s := live(t)
	d := open(t, s, paint.Dark(), 800, drawers.NewScript, drawers.Host{})
	d.press("What I do")
	d.frame()
	d.mustSay("Submit something")
	s.Submit(session.Call{Identity: "alice", Call: network.Call{Chaincode: "basic", Function: "TransferAsset", Args: []string{"asset1", "carol"}}}, nil)
	d.until("it is written down", func() bool { return d.says(`submit("alice", "basic", "TransferAsset", "asset1", "carol")`) })
	d.picture("script-recording")
}

func TestLessons(t *testing.T) {
	s := recording(t)
	settings := s.Settings()
	settings.Lessons["1-one-chaincode-many-peers"] = session.LessonProgress{Done: true}
	var opened string
	d := open(t, s, paint.Light(), 800, drawers.NewLessons, drawers.Host{OpenLesson: func(name string) { opened = name }})
	all := session.Lessons(settings)
	if len(all) == 0 {
		t.Skip("this program has no lessons")
	}
	d.mustSay(all[0].Title.String(), all[0].Question.String())
	d.picture("lessons")
	d.follow(all[1].Title.String(), 0)
	if opened != all[1].Name {
		t.Errorf("opened %q", opened)
	}
}

// TestRecordingCannotBeChanged opens a run file: all is shown, nothing can be done.
func TestRecordingCannotBeChanged(t *testing.T) {
	r := open(t, recording(t), paint.Dark(), 1300, drawers.NewFaults, drawers.Host{})
	r.mustSay("This is a recording")
	if r.enabled("Hold") || r.enabled("Cut") {
		t.Error("a recording can be changed")
	}
	r.picture("faults-recording")
}

func TestTopologyEditor(t *testing.T) {
	s := live(t)
	var started *network.Topology
	kept := filepath.Join(t.TempDir(), "mine.yaml")
	h := drawers.Host{StartTopology: func(t *network.Topology, _ string) { started = t },
		SaveFile: func(_ string, got func(string)) { got(kept) }}
	d := open(t, s, paint.Dark(), 1000, drawers.NewNetwork, h)
	d.press("Topology")
	d.frame()
	d.picture("network-topology")
	d.mustSay("Org1", "Org2", "basic", "alice")
	d.press("One more: peers of Org2")
	d.frame()
	d.mustSay("Can be applied now", "one more peer for Org2")
	d.write("It is cut after", 0, "soon")
	d.frame()
	d.mustSay("block.batchTimeout", "is no time; write 100ms")
	d.picture("network-topology-wrong")
	if d.enabled("Start this network") {
		t.Error("a topology that is wrong can be started")
	}
	d.write("It is cut after", 0, "1s")
	d.frame()
	d.mustSay("Needs a new start", "the block settings")
	d.press("YAML")
	d.frame()
	d.press("Save the topology")
	if b, err := os.ReadFile(kept); err != nil || !strings.Contains(string(b), "batchTimeout: 1s") {
		t.Errorf("saved: %s, %v", b, err)
	}
	right := d.editor().Text
	d.editor().SetText(strings.Replace(right, "orderers:", "ordrers:", 1))
	d.frame()
	d.mustSay("There is no such key here", "✗")
	d.picture("network-topology-yaml")
	d.editor().SetText(right)
	d.frame()
	d.press("Start this network")
	if started == nil || *started.Organizations[1].Peers != 2 {
		t.Errorf("started %v", started)
	}
}

// TestEvents finds events by kind and words, goes to one, and names the next.
func TestEvents(t *testing.T) {
	s := recording(t)
	var chosen view.Selection
	s.OnSelect(func(sel view.Selection) { chosen = sel })
	d := open(t, s, paint.Dark(), 1100, drawers.NewEvents, drawers.Host{Select: s.Select})
	d.until("the run is read", func() bool { _, done := s.Loading(); return done && !d.says("looked at") })
	s.Playhead.Seek(s.Axis.Start())
	d.choose("Kind", "verdict")
	d.until("the verdicts are listed", func() bool { return d.says("MVCC_READ_CONFLICT") && d.says("Next: verdict") })
	d.write("Search", 0, "mvcc_read")
	d.until("the others are gone", func() bool { return !d.says("  VALID") })
	d.picture("events")
	d.follow("verdict", 0)
	if chosen.What != view.SelectTx || s.Playhead.At.Seq <= s.Axis.Start().Seq || s.Playhead.Playing {
		t.Errorf("selected %+v, playhead at %d", chosen, s.Playhead.At.Seq)
	}
	s.Playhead.Seek(s.Axis.Start())
	d.press("Run until the next one")
	d.mustSay("Runs until: verdict")
	s.Playhead.Scale = time.Hour
	d.until("it stops there", func() bool { return s.Events.Until() == nil })
	d.press("Show all")
	d.until("everything is listed", func() bool { return d.says("validate.policy") })
}
