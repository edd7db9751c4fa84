package view

import (
	"testing"
	"time"
)

func TestScale(t *testing.T) {
	for _, d := range []time.Duration{time.Microsecond, 4 * time.Millisecond, 100 * time.Millisecond, time.Second} {
		if got := ScaleAt(ShareOf(d)); got < d*95/100 || got > d*105/100 {
			t.Errorf("%v comes back from the slider as %v", d, got)
		}
	}
	for d, want := range map[time.Duration]string{4 * time.Millisecond: "4 ms", 1500 * time.Microsecond: "1.5 ms", time.Second: "1 s", 12 * time.Microsecond: "12 µs"} {
		if got := SpanText(d); got != want {
			t.Errorf("%d ns is written %q, want %q", d, got, want)
		}
	}
	if got := Scaled(time.Second, 2); got != time.Second {
		t.Errorf("faster than the fastest is %v", got)
	}
}
