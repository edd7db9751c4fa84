package window

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/network"
)

// slowToEnd gives a window with a running network that does not end before release is
// called, as one with many nodes does, and counts how often the application quits.
func slowToEnd(t *testing.T) (s *Shell, pump, release func(), quits *int) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a network")
	}
	held := make(chan struct{})
	over := false
	release = func() {
		if !over {
			over = true
			close(held)
		}
	}
	topology, err := network.ParseTopology("small.yaml", []byte("name: Small\norganizations:\n  - {name: Org1, peers: 2}\norderers: {nodes: 1}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s, pump = MustShell(t, Options{OnNetwork: func(*network.Network) func() { return func() { <-held } }})
	t.Cleanup(release) // before the window is closed, which waits
	quits = new(int)
	s.quit = func() { *quits++ }
	s.startTopology(topology, "")
	until(t, pump, "the network runs", func() bool { return s.session != nil })
	return s, pump, release, quits
}

// The window goes on while a network ends, says what is still closing, and shows the start
// screen when it has ended.
func TestEndingKeepsTheWindowFree(t *testing.T) {
	s, pump, release, quits := slowToEnd(t)
	s.endSession(s.showStart) // would never return if it waited
	if s.session != nil || s.start != nil || s.ending == nil {
		t.Fatal("what ends is not shown")
	}
	if said := s.ending.left.Text(); !strings.Contains(said, "peer") && !strings.Contains(said, "All nodes") {
		t.Errorf("it says %q", said)
	}
	until(t, pump, "the nodes have stopped", func() bool { return strings.Contains(s.ending.left.Text(), "All nodes have stopped") })
	first := s.ending
	s.goHome()
	press(s, fyne.KeyF1)
	if s.win.Canvas().Overlays().Top() == nil {
		t.Error("the window does not answer to keys")
	}
	s.closePopups()
	s.setTheme("light")
	if pump(); s.ending != first || s.start != nil {
		t.Fatal("it is not waited for")
	}
	release()
	until(t, pump, "the start screen is there", func() bool { return s.start != nil })
	if s.ending != nil || *quits != 0 {
		t.Error("it has not ended")
	}
}

// The window's close button waits for the network too, once, however often it is pressed.
func TestLeavingWhileANetworkEnds(t *testing.T) {
	s, pump, release, quits := slowToEnd(t)
	s.endSession(s.showStart)
	s.leave()
	s.leave()
	if pump(); s.ending == nil || *quits != 0 {
		t.Fatal("it does not wait")
	}
	release()
	until(t, pump, "the application ends", func() bool { return *quits > 0 })
	if pump(); *quits != 1 || s.start != nil {
		t.Errorf("it ends %d times", *quits)
	}
}

// Who does not want to wait closes the program at once.
func TestLeavingByForce(t *testing.T) {
	s, pump, _, quits := slowToEnd(t)
	s.leave()
	pump()
	s.force()
	s.Close() // as Run does; would never return if it waited
	if *quits != 1 {
		t.Errorf("it ends %d times", *quits)
	}
}

// A start that is given up by closing the window cleans up and ends the application.
func TestLeavingWhileANetworkStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{})
	quits := 0
	s.quit = func() { quits++ }
	s.startSample(defaultSample)
	s.leave()
	until(t, pump, "the application ends", func() bool { return quits > 0 })
	if s.session != nil || s.starting != nil {
		t.Error("something is left")
	}
}

// BenchmarkSixtyPeersStop measures the longest time that the window does not answer for
// while a network of sixty peers stops.
func BenchmarkSixtyPeersStop(b *testing.B) {
	for range b.N {
		s, pump := MustShell(b, Options{})
		s.startSample("crowded")
		until(b, pump, "the network runs", func() bool { return s.session != nil })
		var longest time.Duration
		turn := func(f func()) {
			began := time.Now()
			f()
			longest = max(longest, time.Since(began))
		}
		began := time.Now()
		turn(func() { s.endSession(s.showStart) })
		until(b, func() { turn(pump) }, "it has stopped", func() bool { return s.start != nil })
		b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		b.ReportMetric(time.Since(began).Seconds(), "stop-s")
	}
}
