package cli

import (
	"testing"
	"time"
)

func TestCollectAt(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		size       func(uint64) uint64
		live, goal uint64
	}{
		{sizeAlone, 0, heapBytes}, {sizeAlone, 20 * mb, heapBytes}, {sizeAlone, heapBytes / 2, heapBytes}, {sizeAlone, 100 * mb, 200 * mb}, {sizeAlone, 1 << 30, 2 << 30},
		{sizeShown, 0, 8 * mb}, {sizeShown, 30 * mb, 60 * mb}, {sizeShown, 90 * mb, shownBytes}, {sizeShown, 180 * mb, 240 * mb},
	} {
		live := max(c.live, smallest)
		if got := live + live*uint64(collectAt(c.live, c.size))/100; got > c.goal || got < c.goal-live/100 {
			t.Errorf("with %d bytes in use the heap grows to %d, want %d", c.live, got, c.goal)
		}
	}
}

// Memory is given back when there is much of it and the program rests, and not over and over.
func TestSpare(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		held, live uint64
		used       time.Duration
		want       bool
	}{
		{400 * mb, 120 * mb, time.Second, true}, {400 * mb, 120 * mb, 2 * time.Second, false},
		{170 * mb, 120 * mb, 0, false}, {90 * mb, 40 * mb, 0, true}, {0, 0, 0, false},
	} {
		if got := spare(c.held, c.live, c.used); got != c.want {
			t.Errorf("%d of %d bytes in use, %v used: %v", c.live, c.held, c.used, got)
		}
	}
}
