package window

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// A window that does not keep up says how far it is behind, and then what was lost.
func TestTheBarSaysThatTheWindowIsBehind(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{})
	topology, err := network.ParseTopology("small.yaml", []byte("name: Small\norganizations:\n  - {name: Org1, peers: 1}\norderers: {nodes: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	o := s.startOptions("")
	o.MaxEvents = 1024
	n, err := session.Start(context.Background(), topology, o)
	if err != nil {
		t.Fatal(err)
	}
	s.show(n)
	pump()
	if s.main.bar.lag.Visible() {
		t.Errorf("it is behind from the beginning: %q", s.main.bar.lag.text.Text())
	}
	recorder := n.Net().Trace()
	for range 3 * leastBehind {
		recorder.Record(trace.Event{Kind: trace.RaftHeartbeat, Node: "orderer1.example.com"})
	}
	s.main.bar.update()
	if said := s.main.bar.lag.text.Text(); !s.main.bar.lag.Visible() || !strings.Contains(said, "15 000 events behind") {
		t.Errorf("it says %q, visible %v", said, s.main.bar.lag.Visible())
	}
	until(t, pump, "it has caught up", func() bool { return n.Behind() < leastBehind })
	s.main.bar.update()
	if said := s.main.bar.lag.text.Text(); strings.Contains(said, "behind") || !strings.Contains(said, view.Thousands(n.Lost())+" events lost") || n.Lost() < 2*leastBehind {
		t.Errorf("it says %q, %d were lost", said, n.Lost())
	}
	s.setPresenter(true)
	if !s.main.head.lag.Visible() {
		t.Error("the presenter's bar says nothing of it")
	}
}

// While the computer is busy the loop takes in events ten times a second and draws twice.
func TestABusyLoopTakesMoreThanItDraws(t *testing.T) {
	taken, drawn := 0, 0
	l := newLoop(func(_ time.Duration, draw bool) bool {
		taken++
		if draw {
			drawn++
		}
		return true
	})
	l.loaded, l.measured = true, time.Now().Add(time.Hour) // busy for as long as the test lasts
	l.drawn = l.measured
	l.frame(loadedTake, 0)
	if taken != 1 || drawn != 0 {
		t.Errorf("just after a picture: %d taken, %d drawn", taken, drawn)
	}
	l.drawn = time.Now().Add(-loadedFrame)
	l.frame(loadedTake, 0)
	if taken != 2 || drawn != 1 {
		t.Errorf("when a picture is due: %d taken, %d drawn", taken, drawn)
	}
	if p := time.Duration(l.period.Load()); p != loadedTake {
		t.Errorf("the next frame is in %v", p)
	}
}

func TestLagText(t *testing.T) {
	for _, c := range []struct {
		behind, lost uint64
		want         string
	}{{0, 0, ""}, {leastBehind - 1, 0, ""}, {12_345, 0, "12 000 events behind"}, {0, 7, "7 events lost"}, {60_000, 1_234, "60 000 events behind, 1 234 events lost"}} {
		if got := strings.ReplaceAll(lagText(c.behind, c.lost), "\u2009", " "); got != c.want {
			t.Errorf("%d behind and %d lost: %q, want %q", c.behind, c.lost, got, c.want)
		}
	}
}

// What takes longer than three seconds is named in the bar, with what may hold it up.
func TestTheBarSaysWhatIsWaitedFor(t *testing.T) {
	if waitText("", time.Hour) != "" || waitText("kill", longWait-1) != "" || waitText("kill", longWait) != "kill for 3 seconds now" {
		t.Errorf("it says %q", waitText("kill", longWait))
	}
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{Runtime: "process"})
	s.startSample("one-of-each")
	until(t, pump, "the network runs", func() bool { return s.session != nil })
	if why := whyWaiting(s.session); !strings.HasPrefix(why, "Nothing is held") {
		t.Errorf("of a network that is well it says %q", why)
	}
	s.session.Kill("peer0.org1.example.com", nil)
	until(t, pump, "the peer is away", func() bool { return strings.Contains(whyWaiting(s.session), "1 node does not run.") })
}
