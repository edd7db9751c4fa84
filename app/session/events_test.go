package session_test

import (
	"slices"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// MustRecording opens a run file and reads all of it.
func MustRecording(t *testing.T) *session.Session {
	t.Helper()
	s, err := session.OpenRun("../view/testdata/two-clients-one-key.fscope", session.StartOptions{Settings: session.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	for done := false; !done; _, done = s.Loading() {
		s.Tick(time.Millisecond)
	}
	return s
}

// search looks at everything.
func search(s *session.Session) {
	for share := 0.0; share < 1; share, _ = s.Events.Search() {
	}
}

// all gives every event of the run that fits.
func all(t *testing.T, s *session.Session, fits func(*trace.Event) bool) (out []uint64) {
	t.Helper()
	events, _, _ := s.Source().Since(0, 1<<20)
	for i := range events {
		if fits(&events[i]) {
			out = append(out, events[i].Seq)
		}
	}
	if len(out) == 0 {
		t.Fatal("the run has none of these")
	}
	return out
}

func positions(rows []session.EventRow) (out []uint64) {
	for _, r := range rows {
		out = append(out, r.Seq)
	}
	return out
}

func TestEventsAreFound(t *testing.T) {
	s := MustRecording(t)
	verdicts := all(t, s, func(e *trace.Event) bool { return e.Kind == trace.Verdict })
	for _, c := range []struct {
		name string
		ask  session.EventQuery
		want []uint64
	}{
		{"kind", session.EventQuery{EventFilter: network.EventFilter{Kind: string(trace.Verdict)}}, verdicts},
		{"kinds", session.EventQuery{EventFilter: network.EventFilter{Kind: "verd*"}}, verdicts},
		{"words", session.EventQuery{Words: "VERDICT"}, verdicts},
		{"node and key", session.EventQuery{EventFilter: network.EventFilter{Node: "peer0.org1.example.com", Kind: string(trace.ChaincodePutState)}},
			all(t, s, func(e *trace.Event) bool {
				return e.Kind == trace.ChaincodePutState && (e.Node == "peer0.org1.example.com" || e.Other == "peer0.org1.example.com")
			})},
		{"everything but the pulse", session.EventQuery{}, all(t, s, func(e *trace.Event) bool { return !view.Quiet(e.Kind) })},
	} {
		s.Events.Ask(c.ask)
		search(s)
		rows, past := s.Events.Around(1<<60, 1<<20, 0)
		if got := positions(rows); !slices.Equal(got, c.want) || past != len(rows) || s.Events.Found() != len(rows) {
			t.Errorf("%s: %d found, %d shown, %d past; want %d", c.name, s.Events.Found(), len(got), past, len(c.want))
		}
	}
}

// A page of the list lies around the playhead and can be turned, never past its ends.
func TestEventsAround(t *testing.T) {
	s := MustRecording(t)
	s.Events.Ask(session.EventQuery{})
	search(s)
	every := all(t, s, func(e *trace.Event) bool { return !view.Quiet(e.Kind) })
	here := every[len(every)/2]
	rows, past := s.Events.Around(here, 20, 0)
	if len(rows) != 20 || past != 15 || rows[past-1].Seq != here {
		t.Errorf("%d rows, %d of them past", len(rows), past)
	}
	for skip, want := range map[int][]uint64{-1 << 30: every[:20], 1 << 30: every[len(every)-20:]} {
		if rows, _ := s.Events.Around(here, 20, skip); !slices.Equal(positions(rows), want) {
			t.Errorf("paged by %d: %v", skip, positions(rows))
		}
	}
}

// The playhead runs on and stops exactly at the next event that was asked for, at whatever
// pace, and not again at the same.
func TestRunUntil(t *testing.T) {
	s := MustRecording(t)
	verdicts := all(t, s, func(e *trace.Event) bool { return e.Kind == trace.Verdict })
	s.Events.Ask(session.EventQuery{EventFilter: network.EventFilter{Kind: string(trace.Verdict)}})
	search(s)
	s.Playhead.Seek(s.Axis.Start())
	s.Playhead.Scale = time.Hour
	for i, want := range verdicts {
		next, ok := s.Events.Next()
		if !ok || next.Seq != want {
			t.Fatalf("verdict %d: next is %d, want %d", i, next.Seq, want)
		}
		s.Events.RunUntil()
		for range 1000 {
			if s.Tick(10 * time.Millisecond); s.Events.Until() == nil {
				break
			}
		}
		if s.Playhead.At.Seq != want || s.Playhead.Playing {
			t.Fatalf("verdict %d: the playhead is at %d, playing %v; want %d", i, s.Playhead.At.Seq, s.Playhead.Playing, want)
		}
	}
	if next, ok := s.Events.Next(); ok {
		t.Errorf("after the last one comes %+v", next)
	}
	s.Events.Go(session.EventRow{Moment: view.Moment{Seq: verdicts[0]}, TxID: "ab"})
	if s.Playhead.At.Seq != verdicts[0] || s.Selection().Tx() != "ab" {
		t.Errorf("at %d, selected %+v", s.Playhead.At.Seq, s.Selection())
	}
	s.Events.RunUntil()
	s.Playhead.Playing = false // somebody stops it
	s.Tick(time.Millisecond)
	if s.Events.Until() != nil {
		t.Error("it still runs to an event after it was stopped by hand")
	}
}
