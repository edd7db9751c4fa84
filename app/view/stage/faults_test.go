package stage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// tale is a stage with hand-made events, a millisecond apart.
type tale struct {
	w   *stage.World
	now view.Moment
}

func newTale() *tale {
	t := &tale{w: stage.Alone(nil), now: view.Moment{Time: 1_795_000_000_000_000_000}}
	t.w.Facts().Describe(twoOrganisations())
	return t
}

func (t *tale) happen(e trace.Event) {
	t.now = view.Moment{Seq: t.now.Seq + 1, Time: t.now.Time + 1e6}
	e.Seq, e.Time = t.now.Seq, t.now.Time
	t.w.Add([]trace.Event{e})
}

// later gives the frame some time after the last event.
func (t *tale) later(d time.Duration, o stage.Options) *stage.Frame {
	return t.w.Frame(view.Moment{Seq: t.now.Seq, Time: t.now.Time + int64(d)}, o)
}

const peer0, peer1, lead = "peer0.org1.example.com", "peer1.org1.example.com", "orderer.example.com"

func TestPeersThatAreNotWell(t *testing.T) {
	x := newTale()
	for _, p := range []string{peer0, peer1} {
		x.happen(trace.Event{Kind: trace.NodeStart, Node: p, What: trace.IsPeer})
	}
	if p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1"); p.Doing != "starting" || peerNamed(t, x.later(0, stage.Options{}), "peer0.org2").Mark != stage.Pending {
		t.Errorf("a starting peer shows %q", p.Doing)
	}
	for _, p := range []string{peer0, peer1} {
		x.happen(trace.Event{Kind: trace.NodeReady, Node: p})
		x.happen(trace.Event{Kind: trace.Committed, Node: p, Block: 7, What: trace.Told, Key: "abcdef"})
	}
	x.happen(trace.Event{Kind: trace.Committed, Node: peer0, Block: 8, What: trace.Told, Key: "123456"})
	if p := peerNamed(t, x.later(10*time.Millisecond, stage.Options{}), "peer1.org1"); p.Mark != stage.Fine {
		t.Errorf("a peer that has just not got the block shows %q", p.MarkText)
	}
	if p := peerNamed(t, x.later(time.Second, stage.Options{}), "peer1.org1"); p.Mark != stage.Lags || p.MarkText != "1 behind" {
		t.Errorf("a second later it shows %q", p.MarkText)
	}
	x.happen(trace.Event{Kind: trace.NodeKilled, Node: peer1})
	if p := peerNamed(t, x.later(0, stage.Options{}), "peer1.org1"); p.Mark != stage.Down || p.Doing != "killed" || p.Height != "#7" {
		t.Errorf("killed it shows %q %q %q", p.MarkText, p.Doing, p.Height)
	}
}

func TestLinkRules(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.NodeReady, Node: peer0})
	x.happen(trace.Event{Kind: trace.Seek, Dir: trace.Sent, Node: peer0, Other: lead, What: trace.SeekForEver, A: 1, B: trace.PositionForEver, Msg: 1})
	x.happen(trace.Event{Kind: trace.Committed, Node: peer0, Block: 7, What: trace.Told, Key: "abcdef"})
	rule := func() (stage.Rule, string) {
		for _, l := range x.later(0, stage.Options{}).Links {
			if l.A == peer0 || l.B == peer0 {
				return l.Rule, l.RuleText
			}
		}
		t.Fatal("no link of the peer is shown")
		return 0, ""
	}
	x.happen(trace.Event{Kind: trace.LinkRule, Node: "peer*.org1.example.com", Other: lead, What: trace.RuleShaped, A: 60e6, B: 5e6})
	if r, text := rule(); r != stage.Slow || text != "latency 60ms, jitter 5ms" {
		t.Errorf("a slow link shows %d %q", r, text)
	}
	x.happen(trace.Event{Kind: trace.LinkRule, Node: lead, Other: peer0, What: trace.RuleShapedOneWay, C: 20_000})
	if r, _ := rule(); r != stage.Lossy {
		t.Errorf("a lossy link shows %d", r)
	}
	for _, o := range twoOrganisations().Orderers {
		x.happen(trace.Event{Kind: trace.LinkRule, Node: peer0, Other: o, What: trace.RuleCut})
	}
	if p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1"); p.Mark != stage.CutOff || p.MarkText != "cut off" {
		t.Errorf("a peer without links shows %q", p.MarkText)
	}
	for _, o := range twoOrganisations().Orderers {
		x.happen(trace.Event{Kind: trace.LinkRule, Node: peer0, Other: o, What: trace.RuleHealed})
	}
	if p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1"); p.Mark != stage.Fine {
		t.Errorf("healed it shows %q", p.MarkText)
	}
	x.happen(trace.Event{Kind: trace.Partition, What: trace.Parted, Node: peer0, A: 0, B: 2, C: 1})
	for _, o := range twoOrganisations().Orderers {
		x.happen(trace.Event{Kind: trace.Partition, What: trace.Parted, Node: o, A: 1, B: 2, C: 1})
	}
	if r, text := rule(); r != stage.CutRule || text != "partition" || peerNamed(t, x.later(0, stage.Options{}), "peer0.org1").Mark != stage.CutOff {
		t.Errorf("a parted link shows %d %q", r, text)
	}
	x.happen(trace.Event{Kind: trace.Partition, What: trace.RuleHealed})
	if r, _ := rule(); r == stage.CutRule {
		t.Error("the partition has not ended")
	}
}

// A held message stands still where it was stopped, and goes on when it is released.
func TestHeldMessages(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.HoldSet, What: trace.Told, A: 3, Name: "broadcast"})
	message := trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: "51c0", Msg: 9}
	x.happen(message)
	message.Dir = trace.Held
	x.happen(message)
	f := x.later(0, stage.Options{})
	if len(f.Dots) != 1 || !f.Dots[0].Held {
		t.Fatalf("dots %+v", f.Dots)
	}
	stands := f.Dots[0].P
	if f = x.later(time.Hour, stage.Options{}); len(f.Dots) != 1 || f.Dots[0].P != stands {
		t.Error("it does not stand still")
	}
	var notes []string
	for _, n := range f.Notes {
		notes = append(notes, n.Text)
	}
	if got := strings.Join(notes, "; "); got != "holding broadcast; 1 message held" {
		t.Errorf("notes: %s", got)
	}
	if sel := f.Hit(stands); sel.What != view.SelectMessage || sel.TxID != "51c0" || sel.Node != "alice" {
		t.Errorf("at its place there is %+v", sel)
	}
	message.Dir = trace.Released
	x.happen(message)
	message.Dir, message.Node, message.Other = trace.Received, peer0, "alice"
	x.happen(message)
	if f = x.later(0, stage.Options{}); len(f.Dots) == 1 && f.Dots[0].Held {
		t.Error("it is still held")
	}
	x.happen(trace.Event{Kind: trace.HoldGone, What: trace.HoldRemoved, A: 3, Name: "broadcast"})
	if f = x.later(0, stage.Options{}); len(f.Notes) != 0 {
		t.Errorf("notes are left: %+v", f.Notes)
	}
}

// A chaincode's life: installed, compiled by a builder, started, ready, paused, ended; an
// upgrade takes the place of what it replaces.
func TestChaincodeLife(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.NodeReady, Node: peer0})
	code := func(kind trace.Kind, what trace.What, label, note string) *stage.Container {
		e := trace.Event{Kind: kind, What: what, Node: peer0, Key: label + ":ab12", Note: note}
		if kind != trace.Installed {
			e.Other = label + "@" + peer0
		}
		x.happen(e)
		p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1")
		return &p.Containers[len(p.Containers)-1]
	}
	for _, c := range []struct {
		kind       trace.Kind
		what       trace.What
		note       string
		phase      facts.Phase
		kindOf, is string
	}{
		{trace.Installed, trace.Told, "golang, 5324 bytes", facts.Installed, "package", "installed, not running"},
		{trace.BuildStart, trace.Told, "", facts.Building, "builder", "compiling for 0 ms"},
		{trace.BuildEnd, trace.StepDone, "1.2s", facts.Built, "builder", "built, not running yet"},
		{trace.LaunchStart, trace.Told, "", facts.Launching, "instance", "starting for 0 ms"},
		{trace.LaunchEnd, trace.CodeReady, "90ms", facts.Ready, "instance", "waiting for work"},
		{trace.Progress, trace.CodePaused, "paused", facts.Paused, "instance", "paused"},
		{trace.Progress, trace.CodeResumed, "goes on", facts.Ready, "instance", "waiting for work"},
		{trace.ChaincodeExit, trace.CodeEnded, "exit status 1", facts.Exited, "instance", "ended: exit status 1"},
		{trace.LaunchEnd, trace.Failed, "failed: it was not registered after 10s", facts.Failed, "instance", "failed: it was not registered after 10s"},
		{trace.LaunchEnd, trace.CodeReady, "90ms", facts.Ready, "instance", "waiting for work"},
	} {
		if got := code(c.kind, c.what, "basic_1.0", c.note); got.Phase != c.phase || got.Kind != c.kindOf || got.Line != c.is || got.Title != "basic 1.0" {
			t.Errorf("after %s %q it shows %q: %q", c.kind, c.note, got.Kind, got.Line)
		}
	}
	code(trace.LaunchEnd, trace.CodeReady, "basic_2.0", "80ms")
	code(trace.ChaincodeExit, trace.Stopped, "basic_1.0", "stopped")
	p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1")
	if len(p.Containers) != 1 || p.Containers[0].Title != "basic 2.0" {
		t.Errorf("after the upgrade there are %+v", p.Containers)
	}
}

// What is too fast for the eye is a flow with a rate, and at most MaxDots dots.
func TestFlows(t *testing.T) {
	events := stream(1000, 1500)
	w := stage.Alone(nil)
	w.Facts().Describe(twoOrganisations())
	w.Add(events)
	last := events[len(events)*9/10]
	f := w.Frame(view.Moment{Seq: last.Seq, Time: last.Time}, stage.Options{Scale: time.Second, MaxDots: 150})
	if len(f.Dots) > 150 || f.Sampled < 2 {
		t.Errorf("%d dots, one for %d messages", len(f.Dots), f.Sampled)
	}
	found := false
	for _, flow := range f.Flows {
		found = found || flow.Class == view.Proposal && flow.PerSec >= 400 && flow.PerSec <= 600
	}
	if !found {
		t.Errorf("no flow of about 500 proposals a second among %+v", f.Flows)
	}
	slow := w.Frame(view.Moment{Seq: last.Seq, Time: last.Time}, stage.Options{Scale: 4 * time.Millisecond})
	if len(slow.Flows) != 0 || slow.Sampled != 1 {
		t.Errorf("stretched there are %d flows", len(slow.Flows))
	}
}

// After a gap the stage keeps heights and forgets what was under way.
func TestGap(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.Committed, Node: peer0, Block: 7, What: trace.Told, Key: "abcdef"})
	x.happen(trace.Event{Kind: trace.SimulateStart, Node: peer0, TxID: "51c0", Key: "basic"})
	x.now.Seq += 100
	x.happen(trace.Event{Kind: trace.NodeReady, Node: lead})
	p := peerNamed(t, x.later(0, stage.Options{}), "peer0.org1")
	if p.Height != "#7" || p.Doing != "idle" {
		t.Errorf("it shows %q %q", p.Height, p.Doing)
	}
}

// An outside client records nothing itself: what arrives at a peer tells of it, and its
// messages have a short flight.
func TestOutsideClient(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.NodeReady, Node: peer0})
	x.happen(trace.Event{Kind: trace.GatewayCall, Dir: trace.Received, Node: peer0, Other: "User1@org1.example.com", TxID: "9f3a", Key: "Endorse", Msg: 3})
	f := x.later(-30*time.Microsecond, stage.Options{})
	if len(f.Dots) != 1 {
		t.Fatalf("dots %+v", f.Dots)
	}
	c := f.Clients[len(f.Clients)-1]
	if c.Title != "User1@Org1" || c.Line != "tx 9f3a" {
		t.Errorf("the client shows %q %q", c.Title, c.Line)
	}
	x.happen(trace.Event{Kind: trace.GatewayAnswer, Dir: trace.Sent, Node: peer0, Other: "User1@org1.example.com", TxID: "9f3a", Key: "Endorse", Msg: 4})
	f = x.later(0, stage.Options{})
	if c := f.Clients[len(f.Clients)-1]; c.Line != "idle" {
		t.Errorf("answered it shows %q", c.Line)
	}
}

// Heartbeats are hidden unless they are asked for.
func TestHeartbeats(t *testing.T) {
	x := newTale()
	x.happen(trace.Event{Kind: trace.RaftHeartbeat, Dir: trace.Sent, Node: lead, Other: "orderer2.example.com", Note: "term 2", Msg: 5})
	if f := x.later(0, stage.Options{}); len(f.Dots) != 0 {
		t.Error("a heartbeat is shown")
	}
	if f := x.later(0, stage.Options{Heartbeats: true}); len(f.Dots) != 1 {
		t.Error("no heartbeat is shown")
	}
}
