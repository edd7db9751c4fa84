package dice_test

import (
	"strconv"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/dice"
)

func TestRollsDiffer(t *testing.T) {
	b := cctest.MustRun(t, dice.New())
	if got := b.MustCall("Last", "d"); got != "" {
		t.Errorf("a die that was never rolled shows %q", got)
	}
	seen := map[string]bool{}
	for range 100 {
		got := b.MustCall("Roll", "d")
		if n, err := strconv.Atoi(got); err != nil || n < 1 || n > 6 {
			t.Fatalf("rolled %q", got)
		}
		if last := b.MustCall("Last", "d"); last != got {
			t.Errorf("rolled %s, kept %s", got, last)
		}
		seen[got] = true
	}
	if len(seen) < 2 { // the chance of that is 6^-99
		t.Errorf("100 rolls all gave %v", seen)
	}
}

func TestFairRollIsTheSameAtEveryPeer(t *testing.T) {
	var numbers []string
	for range 3 {
		b := cctest.MustRun(t, dice.New()) // its first transaction always has the same id
		numbers = append(numbers, b.MustCall("RollFair", "d"))
	}
	if numbers[0] != numbers[1] || numbers[1] != numbers[2] {
		t.Errorf("three peers rolled %v", numbers)
	}
}

// The clock and the order of a map are as good as dice: no two peers have the same.
func TestClocksAndMapsDifferToo(t *testing.T) {
	b := cctest.MustRun(t, dice.New())
	for _, function := range []string{"Stamp", "Shuffle"} {
		seen := map[string]bool{}
		for range 50 {
			got := b.MustCall(function, "d")
			if last := b.MustCall("Last", "d"); last != got || got == "" {
				t.Errorf("%s gave %q, kept %q", function, got, last)
			}
			seen[got] = true
		}
		if len(seen) < 2 {
			t.Errorf("50 calls of %s all gave %v", function, seen)
		}
	}
}
