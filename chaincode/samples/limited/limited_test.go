package limited_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/counter"
	"github.com/fabriscope/fabriscope/chaincode/samples/limited"
)

// Up to three it gives what counter gives; then it parts from it.
func TestLikeCounterUpToThree(t *testing.T) {
	one, other := cctest.MustRun(t, counter.New()), cctest.MustRun(t, limited.New())
	for i := range 5 {
		a, b := one.MustCall("Increment", "c"), other.MustCall("Increment", "c")
		if (a == b) != (i < 3) {
			t.Errorf("call %d: counter gives %s, limited %s", i+1, a, b)
		}
		if got := other.MustCall("Get", "c"); got != b {
			t.Errorf("it answered %s and kept %s", b, got)
		}
	}
}
