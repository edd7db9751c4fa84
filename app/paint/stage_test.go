package paint_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// The size of the stage in a window of 1440 by 900.
const stageW, stageH = 1004, 517

// mustStage is a stage that has seen a recorded run, with its events.
func mustStage(t testing.TB, name string) (*stage.World, []trace.Event) {
	t.Helper()
	run, err := runfile.Open("../view/testdata/" + name + ".fscope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Close() })
	src := run
	w := stage.Alone(src)
	w.Facts().Describe(twoOrganisations())
	var events []trace.Event
	for cursor := uint64(0); ; {
		more, next, _ := src.Since(cursor, 0)
		if len(more) == 0 {
			return w, events
		}
		w.Add(more)
		events, cursor = append(events, more...), next
	}
}

func twoOrganisations() facts.Layout {
	l := manyOrganisations(2, 2, 3)
	l.Clients = []facts.LayoutClient{{Name: "alice", Org: "Org1"}, {Name: "bob", Org: "Org2"}}
	return l
}

func manyOrganisations(orgs, peers, orderers int) facts.Layout {
	l := facts.Layout{Channel: "mychannel"}
	for o := 1; o <= orgs; o++ {
		org := facts.LayoutOrg{Name: fmt.Sprintf("Org%d", o)}
		for p := range peers {
			org.Peers = append(org.Peers, fmt.Sprintf("peer%d.org%d.example.com", p, o))
		}
		l.Orgs = append(l.Orgs, org)
	}
	l.Orderers = []string{"orderer.example.com"}
	for o := 2; o <= orderers; o++ {
		l.Orderers = append(l.Orderers, fmt.Sprintf("orderer%d.example.com", o))
	}
	l.Clients = []facts.LayoutClient{{Name: "alice"}, {Name: "bob"}, {Name: "carol"}}
	return l
}

// raceMoment is when a chaincode writes for one of two transactions that it simulates.
func raceMoment(t testing.TB, w *stage.World, events []trace.Event, peer string) view.Moment {
	t.Helper()
	return stageMoment(t, events, 0, func(e *trace.Event) bool {
		if e.Kind != trace.ChaincodePutState || e.Node != peer {
			return false
		}
		node, _ := w.Facts().ID(peer)
		return len(w.Facts().At(view.Moment{Seq: e.Seq, Time: e.Time}).Node(node).Sims) == 2
	})
}

func stageMoment(t testing.TB, events []trace.Event, after uint64, fits func(*trace.Event) bool) view.Moment {
	t.Helper()
	for i := range events {
		if e := &events[i]; e.Seq > after && fits(e) {
			return view.Moment{Seq: e.Seq, Time: e.Time}
		}
	}
	t.Fatal("the run has no such event")
	return view.Moment{}
}

// photo paints a frame as the window does.
func photo(f *stage.Frame, th *paint.Theme, w, h int) *image.RGBA {
	pic := image.NewRGBA(image.Rect(0, 0, w, h))
	cam := view.Fit(f.Bounds, float64(w)/th.Scale, float64(h)/th.Scale, 22)
	cam.Scale *= th.Scale
	var p paint.StagePainter
	p.Paint(pic, f, cam, th)
	return pic
}

// Two simulations at once, as in the pictures of the design, in both themes.
func TestStageOfTheRace(t *testing.T) {
	w, events := mustStage(t, "two-clients-one-key")
	at := raceMoment(t, w, events, "peer0.org1.example.com")
	for _, th := range []*paint.Theme{paint.Dark(), paint.Light()} {
		golden(t, "stage-race-"+th.Name+".png", photo(w.Frame(at, stage.Options{Scale: 4 * time.Millisecond}), th, stageW, stageH))
	}
}

// A selected transaction, in a presenter's size.
func TestStageOfASelection(t *testing.T) {
	w, events := mustStage(t, "two-clients-one-key")
	at := raceMoment(t, w, events, "peer0.org1.example.com")
	o := stage.Options{Selection: view.Selection{What: view.SelectTx, TxID: events[at.Seq-1].TxID}}
	golden(t, "stage-selected-dark.png", photo(w.Frame(at, o), paint.Dark().Larger(1.6), 1440, 760))
}

// A killed leader, and a candidate.
func TestStageOfAnElection(t *testing.T) {
	w, events := mustStage(t, "leader-dies")
	killed := stageMoment(t, events, 0, func(e *trace.Event) bool { return e.Kind == trace.NodeKilled })
	at := stageMoment(t, events, killed.Seq, func(e *trace.Event) bool { return e.Kind == trace.RaftVote && e.Dir == trace.Received })
	golden(t, "stage-election-light.png", photo(w.Frame(at, stage.Options{}), paint.Light(), stageW, stageH))
}

// faulty is a stage on which everything is wrong that can be.
func faulty() (*stage.World, view.Moment) {
	w := stage.Alone(nil)
	l := manyOrganisations(3, 2, 3)
	w.Facts().Describe(l)
	at := int64(1_795_000_000_000_000_000)
	var events []trace.Event
	add := func(e trace.Event) {
		at += 1e6
		e.Seq, e.Time = uint64(len(events)+1), at
		events = append(events, e)
	}
	add(trace.Event{Kind: trace.ChannelConfig, Node: l.Orderers[0], What: trace.Told, A: 10, B: 512 << 10, C: 2e9})
	for _, org := range l.Orgs {
		for i, peer := range org.Peers {
			add(trace.Event{Kind: trace.NodeReady, Node: peer})
			add(trace.Event{Kind: trace.LaunchEnd, Node: peer, Other: "basic_1.0@" + peer, Key: "basic_1.0:ab", What: trace.CodeReady, A: 20e6})
			add(trace.Event{Kind: trace.Seek, Dir: trace.Sent, Node: peer, Other: l.Orderers[i], What: trace.SeekForEver, A: 1, B: trace.PositionForEver, Msg: uint64(100 + len(events))})
			add(trace.Event{Kind: trace.Committed, Node: peer, Block: 4, What: trace.Told, Key: "7c1e"})
		}
	}
	for _, o := range l.Orderers {
		add(trace.Event{Kind: trace.NodeReady, Node: o})
	}
	add(trace.Event{Kind: trace.RaftRole, Node: l.Orderers[0], What: trace.Leader, A: 3})
	add(trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: "peer0.org1.example.com", TxID: "51c0aa", Msg: 1})
	add(trace.Event{Kind: trace.HoldSet, What: trace.Told, A: 1, Name: "proposal", Node: "alice"})
	add(trace.Event{Kind: trace.Proposal, Dir: trace.Held, Node: "alice", Other: "peer0.org1.example.com", TxID: "51c0aa", Msg: 1})
	add(trace.Event{Kind: trace.LinkRule, Node: "peer1.org1.example.com", Other: "orderer2.example.com", What: trace.RuleCut})
	add(trace.Event{Kind: trace.LinkRule, Node: "peer0.org3.example.com", Other: "orderer.example.com", What: trace.RuleShaped, A: 60e6, C: 20_000})
	for _, o := range l.Orderers {
		add(trace.Event{Kind: trace.LinkRule, Node: "peer1.org2.example.com", Other: o, What: trace.RuleCut})
	}
	add(trace.Event{Kind: trace.Fault, Node: "peer0.org2.example.com", What: trace.FaultLies, Note: "it lies: it changes a written value before it endorses"})
	add(trace.Event{Kind: trace.NodeKilled, Node: "peer1.org3.example.com"})
	add(trace.Event{Kind: trace.NodeStop, Node: "orderer3.example.com"})
	add(trace.Event{Kind: trace.Progress, Node: "peer0.org1.example.com", Other: "basic_1.0@peer0.org1.example.com", Key: "basic_1.0:ab", What: trace.CodePaused, Note: "paused"})
	add(trace.Event{Kind: trace.BuildStart, Node: "peer0.org3.example.com", Other: "auction_1.0@peer0.org3.example.com", Key: "auction_1.0:cd"})
	add(trace.Event{Kind: trace.Committed, Node: "peer0.org1.example.com", Block: 5, What: trace.Told, Key: "8d2f"})
	add(trace.Event{Kind: trace.Committed, Node: "peer0.org1.example.com", Block: 6, What: trace.Told, Key: "9e30"})
	w.Add(events)
	return w, view.Moment{Seq: uint64(len(events)), Time: at + 2e9}
}

// Everything that can be wrong shows it in words and signs, not by colour alone.
func TestStageOfFaults(t *testing.T) {
	w, at := faulty()
	golden(t, "stage-faults-dark.png", photo(w.Frame(at, stage.Options{Highlight: []string{"Org1"}}), paint.Dark(), 1440, 760))
	grey := photo(w.Frame(at, stage.Options{}), paint.Light(), 1440, 760)
	for i := 0; i < len(grey.Pix); i += 4 {
		y := color.GrayModel.Convert(color.RGBA{R: grey.Pix[i], G: grey.Pix[i+1], B: grey.Pix[i+2], A: 255}).(color.Gray).Y
		grey.Pix[i], grey.Pix[i+1], grey.Pix[i+2] = y, y, y
	}
	golden(t, "stage-faults-grey.png", grey)
}

// Sixty peers have a box each; more share one for each organisation.
func TestStageOfManyNodes(t *testing.T) {
	for name, l := range map[string]facts.Layout{"sixty": manyOrganisations(12, 5, 5), "hundreds": manyOrganisations(12, 20, 7), "four": manyOrganisations(4, 1, 1)} {
		w := stage.Alone(nil)
		w.Facts().Describe(l)
		golden(t, "stage-"+name+"-dark.png", photo(w.Frame(view.Moment{}, stage.Options{}), paint.Dark(), stageW, stageH))
	}
}

// The slow layer is kept as long as nothing in it changes, and drawn anew when it does:
// a painter that is used again shows the same as a new one.
func TestStagePainterForgetsNothing(t *testing.T) {
	w, events := mustStage(t, "leader-dies")
	th := paint.Dark()
	var p paint.StagePainter
	pic := image.NewRGBA(image.Rect(0, 0, 700, 400))
	for i := 0; i < len(events); i += 97 {
		f := w.Frame(view.Moment{Seq: events[i].Seq, Time: events[i].Time}, stage.Options{})
		cam := view.Fit(f.Bounds, 700, 400, 10)
		p.Paint(pic, f, cam, th)
		fresh := image.NewRGBA(pic.Rect)
		new(paint.StagePainter).Paint(fresh, f, cam, th)
		if !bytes.Equal(pic.Pix, fresh.Pix) {
			t.Fatalf("event %d: the kept layer is out of date", events[i].Seq)
		}
	}
}

// The same picture as a document of shapes is well formed and has the words.
func TestStageAsSVG(t *testing.T) {
	w, at := faulty()
	f := w.Frame(at, stage.Options{})
	var b bytes.Buffer
	svg := paint.NewSVG(&b, 1200, 700)
	paint.DrawStage(svg, f, view.Fit(f.Bounds, 1200, 700, 20), paint.Light())
	if err := svg.Close(); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, word := range []string{"Ordering service", "killed", "cut off", "lies", "paused", "endorsement"} {
		if !strings.Contains(text, word) {
			t.Errorf("the document lacks %q", word)
		}
	}
}

// Every scale can be painted; what is too small to read is left out.
func TestStageAtEveryScale(t *testing.T) {
	w, at := faulty()
	f := w.Frame(at, stage.Options{})
	for _, scale := range []float64{0.1, 0.3, 0.5, 0.8, 1.4, 3, 8} {
		pic := image.NewRGBA(image.Rect(0, 0, 800, 500))
		new(paint.StagePainter).Paint(pic, f, view.Camera{Scale: scale}, paint.Light())
		if pic.Pix[3] != 255 {
			t.Errorf("scale %g leaves the ground open", scale)
		}
	}
}
