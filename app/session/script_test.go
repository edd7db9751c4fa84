package session_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// What a person did runs again without a window, and every outcome is the same.
func TestScriptOfWhatWasDone(t *testing.T) {
	s := mustStart(t, strings.Replace(small, "cut: idle", "batchTimeout: 150ms", 1), session.StartOptions{})
	var codes []string
	note := func(o session.Outcome) { codes = append(codes, o.Code) }
	note(s.mustSubmit(call("alice", "CreateAsset", "as\"set9", "blue", "5", "älice", "30")))
	note(s.mustSubmit(call("bob", "TransferAsset", "nothing", "bob")))
	s.mustEvaluate(call("User1@Org1", "ReadAsset", "asset1"))
	var both []session.Outcome
	s.SubmitTogether([]session.Call{call("alice", "TransferAsset", "asset2", "carol"), call("bob", "TransferAsset", "asset2", "dave")},
		func(all []session.Outcome) { both = all })
	s.until("both outcomes", func() bool { return both != nil })
	for _, o := range both {
		note(o)
	}

	// One is held while another changes the key.
	s.Hold(link.Filter{Kind: trace.Broadcast, Node: "alice"}, nil)
	s.until("a hold", func() bool { return len(s.Holds()) == 1 })
	var late *session.Outcome
	s.Submit(call("alice", "TransferAsset", "asset3", "late"), func(o session.Outcome) { late = &o })
	s.until("a held message", func() bool { return len(s.Held()) == 1 })
	note(s.mustSubmit(call("bob", "TransferAsset", "asset3", "early")))
	s.must("release", func(done func(error)) { s.Release(s.Held()[0].ID, done) })
	s.until("the late outcome", func() bool { return late != nil })
	note(*late)
	if late.Code != "MVCC_READ_CONFLICT" {
		t.Errorf("the late one is %s", late.Text)
	}
	s.must("unhold", func(done func(error)) { s.Unhold(s.Holds()[0].ID, done) })

	s.breakAndUpgrade()
	note(s.mustSubmit(call("alice", "TransferAsset", "asset1", "v2")))
	score := s.defineScore()
	note(s.mustSubmit(session.Call{Identity: "alice", Call: network.Call{Chaincode: score, Function: "Increment", Args: []string{"a"}}}))

	script := s.Script()
	mustContain(t, script, `network({`, `begin("alice", "basic", "TransferAsset", "asset3", "late")`, "wait_held(1)", "# kill(", "p1 = install(",
		`deploy("basic", sample = "asset", version = "2.0"`, `expect(settle()`)
	var again []string
	err := scenario.Run(context.Background(), "again.star", []byte(script), scenario.Options{OnStep: func(step scenario.Step) {
		if step.Name == "submit" || step.Name == "wait" {
			again = append(again, step.Result)
		}
	}})
	if err != nil {
		t.Fatalf("the scenario does not run: %v\n%s", err, script)
	}
	slices.Sort(codes)
	t.Logf("outcomes %v, again %q", codes, again)
}

// breakAndUpgrade does what may go wrong: faults, one of which is none, and an upgrade.
func (s *driven) breakAndUpgrade() {
	s.t.Helper()
	peer := "peer0.org2.example.com"
	s.must("stop", func(done func(error)) { s.StopNode(peer, done) })
	over := false
	s.Kill(peer, func(err error) { over = err != nil })
	s.until("the kill fails", func() bool { return over })
	s.must("restart", func(done func(error)) { s.Restart(peer, done) })
	s.must("slow", func(done func(error)) { s.SetLink("alice", peer, link.Shape{Latency: 1e6}, done) })
	s.must("heal", func(done func(error)) { s.Heal(done) })
	s.must("upgrade", func(done func(error)) {
		s.Deploy(network.Chaincode{Name: "basic", Sample: "asset", Version: "2.0"}, nil, func(_ *network.Deployment, err error) { done(err) })
	})
}

// defineScore defines a chaincode step by step and gives its name.
func (s *driven) defineScore() string {
	s.t.Helper()
	score, id := network.Chaincode{Name: "score", Sample: "counter", Version: "1.0"}, ""
	s.must("install", func(done func(error)) {
		s.Install(score, nil, func(got string, err error) {
			id = got
			done(err)
		})
	})
	for _, org := range s.Organizations() {
		s.must("approve for "+org, func(done func(error)) { s.Approve(score, 1, id, org, done) })
	}
	s.must("commit", func(done func(error)) { s.CommitDefinition(score, 1, done) })
	return score.Name
}

// Noting can stop and begin anew at any time; what is left still is a scenario.
func TestScriptWithGaps(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	s.Note(false)
	s.Hold(link.Filter{Kind: trace.Broadcast, Node: "alice"}, nil)
	s.until("a hold", func() bool { return len(s.Holds()) == 1 })
	var late *session.Outcome
	s.Submit(call("alice", "TransferAsset", "asset3", "late"), func(o session.Outcome) { late = &o })
	s.until("a held message", func() bool { return len(s.Held()) == 1 })
	s.Note(true)
	s.must("unhold", func(done func(error)) { s.Unhold(s.Holds()[0].ID, done) })
	s.until("the outcome", func() bool { return late != nil })
	s.mustSubmit(call("alice", "TransferAsset", "asset1", "noted"))
	script := s.Script()
	if strings.Contains(script, "unhold") || strings.Contains(script, "late") {
		t.Errorf("what was not begun is ended:\n%s", script)
	}
	mustContain(t, script, "noted")
	if err := scenario.Check("gaps.star", []byte(script)); err != nil {
		t.Error(err)
	}
}

// A sample's name is enough to start it again.
func TestScriptNamesASample(t *testing.T) {
	topology, err := session.SampleTopology("one-of-each")
	if err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	opened, err := session.Start(context.Background(), topology, session.StartOptions{NoDeploy: true})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	mustContain(t, s.Script(), `network("one-of-each")`)
}

const lesson = `
network({"organizations": [{"name": "Org1", "peers": 1}], "orderers": {"nodes": 1}, "block": {"cut": "idle"}, "runtime": "process"})
chapter("One")
say("A counter.")
choice = ask("What?", options = ["this", "that"], answer = 1, why = "So it is.")
go_on("Ready?")
highlight("peer0.org1", "alice")
r = submit("alice", "basic", "CreateAsset", "a", "red", "1", "alice", "1")
expect(r.ok, "it works")
`

// A lesson shows itself in the session, waits for the person, and leaves its network.
func TestRunScript(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	var said []string
	ended, running := false, false
	opened, run, err := session.RunScript("test.star", []byte(lesson), session.Hooks{
		Say:     func(text scenario.Text) { said = append(said, text.String()) },
		Network: func() { running = true },
		End:     func(err error) { ended = true },
	}, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("a question", func() bool { q, answered := run.Question(); return q != nil && !answered })
	if steps := s.World.Now().Steps; !slices.ContainsFunc(steps, func(p facts.Done) bool { return p.Name == "chaincode basic: install" }) {
		t.Errorf("progress %v", steps)
	}
	if !running || s.Topology() == nil || s.Channel() != "mychannel" || run.Chapter().Title.ID != "One" || len(said) != 1 {
		t.Errorf("running %v, chapter %+v, said %v", running, run.Chapter(), said)
	}
	if right, ok := run.Answer(0); right || !ok {
		t.Error("the wrong answer is right")
	}
	if _, ok := run.Answer(1); ok {
		t.Error("answered twice")
	}
	s.until("a pause", func() bool { _, paused := run.Paused(); return paused })
	run.Continue()
	s.until("the end", func() bool { return ended })
	if run.Err() != nil || run.Running() || len(run.Steps()) < 8 {
		t.Errorf("%v, %d steps", run.Err(), len(run.Steps()))
	}
	if got := s.Highlight(); !slices.Equal(got, []string{"peer0.org1.example.com", "alice"}) {
		t.Errorf("highlight %v", got)
	}
	if o := s.mustSubmit(call("alice", "TransferAsset", "a", "bob")); !o.Valid {
		t.Error(o.Text)
	}
	mustContain(t, s.Script(), "A counter.", "by hand", `"TransferAsset", "a", "bob"`)
	if err := scenario.Run(context.Background(), "again.star", []byte(s.Script()), scenario.Options{}); err != nil {
		t.Errorf("lesson and what was done after it: %v", err)
	}
}

// What a scenario holds can be seen, released and taken away by hand.
func TestHoldsOfAScript(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	opened, run, err := session.RunScript("test.star", []byte(strings.Split(lesson, "chapter(")[0]+`
hold("broadcast", node = "alice", count = 1)
h = hold("broadcast", node = "bob")
a = begin("alice", "basic", "CreateAsset", "a", "red", "1", "alice", "1")
b = begin("bob", "basic", "CreateAsset", "b", "red", "1", "alice", "1")
expect(all([r.ok for r in wait([a, b])]), "both are valid")
`), session.Hooks{}, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("two messages are held by one hold", func() bool { return len(s.Held()) == 2 && len(s.Holds()) == 1 })
	for _, m := range s.Held() {
		if m.Event.Node == "alice" {
			s.must("release", func(done func(error)) { s.Release(m.ID, done) })
		}
	}
	s.must("unhold", func(done func(error)) { s.Unhold(s.Holds()[0].ID, done) })
	s.until("the end", func() bool { return !run.Running() })
	if run.Err() != nil || len(s.Holds()) != 0 {
		t.Errorf("%v, holds %v", run.Err(), s.Holds())
	}
}

// What a scenario breaks is listed as what a person breaks is, in a recorded run too.
func TestFaultsOfAScript(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	opened, run, err := session.RunScript("test.star", []byte(strings.Split(lesson, "chapter(")[0]+`
lie("peer0.org1")
pause("peer0.org1", "basic_1.0")
link("alice", "peer0.org1", latency = "1ms")
hold("broadcast", node = "alice")
go_on("look")
lie("peer0.org1", on = False)
pause("peer0.org1", "basic_1.0", on = False)
heal()
go_on("all is well")
`), session.Hooks{}, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	waits := func(text string) func() bool {
		return func() bool { said, _ := run.Paused(); return said.ID == text && s.Behind() == 0 }
	}
	s.until("the faults", waits("look"))
	mustListFaults(t, s.Session)
	path := filepath.Join(t.TempDir(), "faults.fscope")
	s.must("record", func(done func(error)) { s.StartRecording(path, done) })
	s.must("stop", func(done func(error)) { s.StopRecording(func(_ string, err error) { done(err) }) })
	run.Continue()
	s.until("no faults", waits("all is well"))
	if n, _ := s.Node("peer0.org1.example.com"); n.Lies || len(n.Paused) > 0 || len(s.Links()) > 0 {
		t.Errorf("left: %+v, links %v", n, s.Links())
	}
	run.Continue()
	s.until("the end", func() bool { return !run.Running() })

	recorded, err := session.OpenRun(path, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := drive(t, recorded, runtime.NumGoroutine())
	r.until("the run is read", func() bool { _, done := r.Loading(); return done })
	mustListFaults(t, r.Session)
}

func mustListFaults(t *testing.T, s *session.Session) {
	t.Helper()
	if n, _ := s.Node("peer0.org1.example.com"); !n.Lies || !slices.Equal(n.Paused, []string{"basic_1.0"}) {
		t.Errorf("node %+v", n)
	}
	if l := s.Links(); len(l) != 1 || l[0].A != "alice" || l[0].Shape.Latency != time.Millisecond {
		t.Errorf("links %+v", l)
	}
	if h := s.Holds(); len(h) != 1 || h[0].Filter.Kind != trace.Broadcast || h[0].Filter.Node != "alice" {
		t.Errorf("holds %+v", h)
	}
}

// A scenario that is stopped, or closed, leaves nothing running.
func TestStopScript(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	var end error
	opened, run, err := session.RunScript("test.star", []byte(lesson), session.Hooks{End: func(err error) { end = err }}, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := drive(t, opened, goroutines)
	s.until("a question", func() bool { q, _ := run.Question(); return q != nil })
	run.Stop()
	s.until("the end", func() bool { return end != nil })
	if !errors.Is(end, context.Canceled) || s.Running() {
		t.Errorf("%v, running %v", end, s.Running())
	}
	goroutines = runtime.NumGoroutine()
	opened, _, err = session.RunScript("test.star", []byte(lesson), session.Hooks{}, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	drive(t, opened, goroutines) // closed while it starts
	if _, _, err := session.RunScript("test.star", []byte("netwrk()"), session.Hooks{}, session.StartOptions{}); !errors.Is(err, scenario.ErrScript) {
		t.Error(err)
	}
}
