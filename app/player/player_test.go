package player_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// race is the recorded run of two clients that change one key at the same time.
func race(t testing.TB) *runfile.Run {
	t.Helper()
	run, err := runfile.Open("../view/testdata/two-clients-one-key.fscope")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return run
}

func mustPack(t testing.TB, src view.Source, h player.Head) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := player.Pack(&b, src, h); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustOpen(t testing.TB, packed []byte) *player.Player {
	t.Helper()
	p, err := player.New(packed)
	if err != nil {
		t.Fatal(err)
	}
	for {
		share, err := p.Load(1) // the smallest slice: a few thousand events
		if err != nil {
			t.Fatal(err)
		}
		if share == 1 {
			return p
		}
	}
}

func mustRace(t testing.TB) *player.Player {
	return mustOpen(t, mustPack(t, race(t), player.Head{Name: "race", Contents: true}))
}

// loser is the transaction that lost.
func loser(t testing.TB, src view.Source) string {
	t.Helper()
	for cursor := uint64(0); ; {
		events, next, _ := src.Since(cursor, 4096)
		if len(events) == 0 {
			t.Fatal("no transaction lost")
		}
		for _, e := range events {
			if code, ok := words.CodeOf(&e); ok && e.Kind == trace.Verdict && code != 0 {
				return e.TxID
			}
		}
		cursor = next
	}
}

func unpack(t testing.TB, packed []byte) *player.Run {
	t.Helper()
	r, err := player.Unpack(packed)
	if err != nil {
		t.Fatal(err)
	}
	for {
		events, err := r.Read()
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return r
		}
	}
}

// What was packed says what the run file says: every event, message and transaction.
func TestPackKeepsEverything(t *testing.T) {
	run := race(t)
	got := unpack(t, mustPack(t, run, player.Head{Name: "race", Contents: true}))
	events := 0
	for cursor := uint64(0); ; {
		want, next, _ := run.Since(cursor, 1000)
		have, _, _ := got.Since(cursor, 1000)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Fatal(diff)
		}
		if len(want) == 0 {
			break
		}
		events += len(want)
		for _, e := range want {
			name, raw, ok := run.Payload(e.Seq)
			gotName, gotRaw, gotOK := got.Payload(e.Seq)
			if name != gotName || !bytes.Equal(raw, gotRaw) || ok != gotOK {
				t.Fatalf("event %d carries %s of %d bytes (%v), packed %s of %d (%v)", e.Seq, name, len(raw), ok, gotName, len(gotRaw), gotOK)
			}
		}
		cursor = next
	}
	if uint64(events) != got.Events {
		t.Errorf("%d events, the head says %d", events, got.Events)
	}
	id := loser(t, run)
	if diff := cmp.Diff(run.ByTx(id), got.ByTx(id)); diff != "" {
		t.Error(diff)
	}
}

// A span is what it says, and without messages none is in it.
func TestPackSpan(t *testing.T) {
	run := race(t)
	packed := mustPack(t, run, player.Head{First: 500, Events: 300})
	got := unpack(t, packed)
	events, _, _ := got.Since(0, 1000)
	if len(events) != 300 || events[0].Seq != 500 || events[299].Seq != 799 {
		t.Errorf("%d events from %d", len(events), events[0].Seq)
	}
	for seq := uint64(1); seq < 900; seq++ {
		if _, _, ok := got.Payload(seq); ok {
			t.Fatalf("event %d carries a message", seq)
		}
	}
	if bytes.Contains(packed, []byte("BEGIN CERTIFICATE")) {
		t.Error("a certificate is in a page without messages")
	}
	p := mustOpen(t, packed)
	if s := p.State(); s.Position != [3]uint64{s.Position[0], 500, 799} {
		t.Errorf("it goes from %d to %d", s.Position[1], s.Position[2])
	}
}

func TestPackProperty(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "peer0.org1.example.com", "ü ☃"})
	rapid.Check(t, func(rt *rapid.T) {
		r := trace.NewRecorder(trace.Options{})
		for range rapid.IntRange(1, 40).Draw(rt, "events") {
			e := trace.Event{Time: rapid.Int64().Draw(rt, "time"), Kind: trace.Proposal, Node: text.Draw(rt, "node"), Other: text.Draw(rt, "other"), TxID: text.Draw(rt, "tx"),
				Key: text.Draw(rt, "key"), A: rapid.Int64().Draw(rt, "a"), Block: rapid.Uint64().Draw(rt, "block"), Msg: rapid.Uint64().Draw(rt, "msg")}
			r.Record(e)
		}
		want, _, _ := r.Since(0, 100)
		have, _, _ := unpack(t, mustPack(t, r, player.Head{Contents: true})).Since(0, 100)
		if diff := cmp.Diff(want, have); diff != "" {
			rt.Fatal(diff)
		}
	})
}

// FuzzUnpack: whatever a page holds, opening it ends with a run or with an error.
func FuzzUnpack(f *testing.F) {
	packed := mustPack(f, race(f), player.Head{Name: "race", Contents: true, First: 900, Events: 60})
	f.Add(packed)
	f.Add(packed[:len(packed)/2])
	f.Add([]byte("fabriscope page 1\n\x02{}\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := player.New(b)
		if err != nil {
			return
		}
		for range 100 {
			share, err := p.Load(1)
			if err != nil {
				return
			}
			if share == 1 {
				break
			}
		}
		p.Key("ArrowRight", false)
		p.Paint(player.Stage, 200, 100, 1)
		p.Markup()
		p.State()
	})
}

func sum(pic *image.RGBA) string { return fmt.Sprintf("%x", sha256.Sum256(pic.Pix)) }

// What the player draws is what the window's painter draws.
func TestSamePicture(t *testing.T) {
	run := race(t)
	p := mustRace(t)
	const w, h = 900, 500
	for range 300 {
		p.Step(1)
	}
	at := p.State().Position[0]
	world := facts.New(run, 1<<20)
	axis := view.NewAxis(1 << 20)
	model := stage.New(world)
	for cursor := uint64(0); ; {
		events, next, _ := run.Since(cursor, 4096)
		if len(events) == 0 {
			break
		}
		world.Add(events, nil)
		model.Take(events)
		axis.Add(events)
		cursor = next
	}
	model.SetBook(words.English())
	f := model.Frame(axis.Moment(at), stage.Options{Aspect: (w - 44.0) / (h - 44.0)})
	want := image.NewRGBA(image.Rect(0, 0, w, h))
	new(paint.StagePainter).Paint(want, f, view.Fit(f.Bounds, w, h, 22), paint.Dark())
	if got := p.Paint(player.Stage, w, h, 1); !bytes.Equal(got.Pix, want.Pix) {
		t.Error("the player's stage differs from the window's")
	}
}

// Back and forth, the same moment gives the same picture, a hundred times.
func TestBackAndForth(t *testing.T) {
	p := mustRace(t)
	p.Key("e", false)
	p.PlayPause() // only the pace was wanted
	all := []player.Panel{player.Stage, player.Timeline, player.Chain}
	pictures := func() (out []string) {
		for _, which := range all {
			out = append(out, sum(p.Paint(which, 640, 300, 1)))
		}
		return out
	}
	pictures()
	before := pictures()
	address := p.Address()
	for range 100 {
		p.Key("ArrowRight", false)
	}
	for range 100 {
		p.Key("ArrowLeft", false)
	}
	if p.Address() != address || !slices.Equal(pictures(), before) {
		t.Errorf("from %s there and back it is %s, or the pictures differ", address, p.Address())
	}
}

// An address names the verdict of a transaction; what is said there is what the inspector
// says.
func TestAddress(t *testing.T) {
	run := race(t)
	id := loser(t, run)
	p := mustRace(t)
	if !p.GoTo("#at=" + id[:6] + ":verdict") {
		t.Fatal("the address leads nowhere")
	}
	doc := p.Document()
	if doc == nil || doc.Tx == nil || doc.Tx.TxID != id || doc.Tx.Code != "MVCC_READ_CONFLICT" {
		t.Fatalf("selected is %+v", doc)
	}
	seq := p.State().Position[0]
	events, _, _ := run.Since(seq-1, 1)
	if events[0].Kind != trace.Verdict || events[0].TxID != id {
		t.Errorf("it stands at %+v", events[0])
	}
	markup := p.Markup()
	for _, want := range []string{"MVCC_READ_CONFLICT", doc.Tx.Reason, "data-link"} {
		if !strings.Contains(markup, want) {
			t.Errorf("%q is not in %s", want, markup)
		}
	}
	// Every address that the player gives leads back to the same moment and selection.
	for _, where := range []string{"block=4", "event=700", "sel=peers", "at=" + id[:6] + ":submit", "at=" + id[:6] + ":commit", "event=900&sel=node:peer0.org1.example.com&zoom=2000000",
		"event=900&sel=link:alice|peer0.org1.example.com", "sel=key:basic/asset1", "sel=event:800", "sel=ledger:peer0.org1.example.com", "sel=span:500-900"} {
		if !p.GoTo(where) {
			t.Errorf("%s leads nowhere", where)
		}
		address, title := p.Address(), p.Document().Title
		other := mustRace(t)
		if !other.GoTo(address) || other.Address() != address || other.Document().Title != title {
			t.Errorf("%s became %s (%q), and that became %s", where, address, title, other.Address())
		}
	}
	for _, nowhere := range []string{"", "#", "at=ffffffffffff", "sel=tx:", "block=99999", "%zz", "zoom=-3"} {
		if p.GoTo(nowhere) {
			t.Errorf("%q leads somewhere", nowhere)
		}
	}
}

// An address that is given before everything has been read is followed then.
func TestEarlyAddress(t *testing.T) {
	packed := mustPack(t, race(t), player.Head{Contents: true})
	p, err := player.New(packed)
	if err != nil {
		t.Fatal(err)
	}
	p.GoTo("event=700")
	for share := 0.0; share < 1; {
		if share, err = p.Load(1); err != nil {
			t.Fatal(err)
		}
	}
	if at := p.State().Position[0]; at != 700 {
		t.Errorf("it stands at %d", at)
	}
}

// Search finds transactions, blocks, nodes and keys; links of the inspector lead on.
func TestSearchAndFollow(t *testing.T) {
	run := race(t)
	id := loser(t, run)
	p := mustRace(t)
	for text, want := range map[string]view.Selected{id[:8]: view.SelectTx, "block 4": view.SelectBlock, "peer1.org2": view.SelectNode, "asset1": view.SelectKey} {
		found := p.Search(text)
		if len(found) == 0 {
			t.Errorf("%q finds nothing", text)
			continue
		}
		p.Choose(0)
		if got := p.Document().Selection.What; got != want {
			t.Errorf("%q chooses a %v, want a %v: %+v", text, got, want, found)
		}
	}
	p.GoTo("at=" + id[:8])
	before := p.Document().Title
	p.Markup()
	for n := range 100 {
		p.Follow(n)
		if p.Document().Title != before {
			return
		}
	}
	t.Error("no link leads anywhere")
}

// A hand on the panels: a press selects, a drag pans, the ruler is scrubbed, the wheel
// zooms, a second press opens.
func TestPointer(t *testing.T) {
	p := mustRace(t)
	p.Paint(player.Stage, 900, 500, 2)
	before := sum(p.Paint(player.Stage, 900, 500, 2))
	found := false
	for x := 10.0; x < 900 && !found; x += 40 {
		for y := 10.0; y < 500 && !found; y += 20 {
			p.Down(player.Stage, x, y)
			p.Up(player.Stage, x, y, false)
			d := p.Document()
			found = d != nil && d.Selection.What == view.SelectNode
		}
	}
	if !found {
		t.Error("no press selects a node")
	}
	p.Key("Escape", false)
	p.Down(player.Stage, 100, 100)
	if p.Move(player.Stage, 101, 101) {
		t.Error("a trembling hand drags")
	}
	if !p.Move(player.Stage, 180, 160) {
		t.Error("a drag does not pan")
	}
	p.Up(player.Stage, 180, 160, false)
	if sum(p.Paint(player.Stage, 900, 500, 2)) == before {
		t.Error("the panned stage looks the same")
	}
	p.Key("f", false)
	if sum(p.Paint(player.Stage, 900, 500, 2)) != before {
		t.Error("the fitted stage does not look as before")
	}
	p.Paint(player.Timeline, 900, 260, 1)
	at := p.State().Position[0]
	p.Down(player.Timeline, 850, 8)
	p.Up(player.Timeline, 850, 8, false)
	if p.State().Position[0] == at {
		t.Error("the ruler does not move the playhead")
	}
	address := p.Address()
	p.Wheel(player.Timeline, 500, 120, 0, -200, false)
	if p.Address() == address {
		t.Error("the wheel does not zoom the timeline")
	}
	p.GoTo("block=4")
	p.Key("v", false)
	if !p.State().Closeup {
		t.Error("the block is not enlarged")
	}
	p.Key("Escape", false)
	if p.State().Closeup {
		t.Error("it stays enlarged")
	}
	p.Wheel(player.Chain, 10, 10, 0, -100, false)
	for _, bad := range []player.Panel{-1, 3, 99} { // a page that is wrong cannot break it
		p.Down(bad, 1, 1)
		p.Move(bad, 1, 1)
		p.Up(bad, 1, 1, true)
		p.Wheel(bad, 1, 1, 1, 1, true)
		p.Paint(bad, 10, 10, 1)
	}
}

// Everything that is said changes with the language.
func TestLanguage(t *testing.T) {
	p := mustRace(t)
	p.GoTo("block=4")
	english := p.State()
	p.SetLanguage("de-AT")
	defer p.SetLanguage("en")
	german := p.State()
	if german.Language != "de" || german.Caption == english.Caption || german.Pace == english.Pace || p.Words()["search"] == "" {
		t.Errorf("%+v in German is %+v", english, german)
	}
}

func BenchmarkLoad(b *testing.B) {
	packed := mustPack(b, race(b), player.Head{Contents: true})
	for b.Loop() {
		mustOpen(b, packed)
	}
}

func BenchmarkFrame(b *testing.B) {
	p := mustRace(b)
	for b.Loop() {
		p.Step(1)
		p.Paint(player.Stage, 1280, 720, 1)
		p.Paint(player.Timeline, 1280, 260, 1)
		p.Paint(player.Chain, 1280, 110, 1)
	}
}
