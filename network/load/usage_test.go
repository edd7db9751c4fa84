package load

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	// The name of a process may hold anything, parentheses and blanks too.
	line := "42 (a) b (c) S 7 42 42 0 -1 4194304 10 0 0 0 300 200 10 20 20 0 9 0 100 1000000 25 18446744073709551615"
	pid, s, ok := parseStat([]byte(line))
	if !ok || pid != 42 || s.parent != 7 || s.cpu != 530*10*time.Millisecond || s.rss != 25*int64(os.Getpagesize()) {
		t.Errorf("got %d, %+v, %v", pid, s, ok)
	}
	for _, wrong := range []string{"", "42", "42 (a", "42 (a) S 1", "x (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23"} {
		if _, _, ok := parseStat([]byte(wrong)); ok {
			t.Errorf("%q was read", wrong)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if pid, _, ok := parseStat(b); !ok && pid != 0 {
			t.Errorf("%q is no line, and is of process %d", b, pid)
		}
	})
}

func TestMedian(t *testing.T) {
	if got := median([]time.Duration{5, 1, 9, 3, 7}); got != 5 {
		t.Errorf("got %d", got)
	}
}
