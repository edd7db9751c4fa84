package counter_test

import (
	"strings"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/counter"
)

func TestCounting(t *testing.T) {
	b := cctest.MustRun(t, counter.New())
	for _, step := range []struct {
		want, function string
		args           []string
	}{
		{"0", "Get", []string{"hits"}},
		{"1", "Increment", []string{"hits"}},
		{"2", "Increment", []string{"hits"}},
		{"12", "Add", []string{"hits", "10"}},
		{"-8", "Add", []string{"hits", "-20"}},
		{"-8", "Add", []string{"hits", "0"}},
		{"1", "Announce", []string{"told"}},
		{"1", "Get", []string{"told"}},
		{"-8", "Get", []string{"hits"}},
		{"9223372036854775807", "Add", []string{"big", "9223372036854775807"}},
	} {
		if got := b.MustCall(step.function, step.args...); got != step.want {
			t.Errorf("%s%q: got %s, want %s", step.function, step.args, got, step.want)
		}
	}
	if got := b.MustFail("Increment", "big"); !strings.Contains(got, "no room") {
		t.Errorf("a counter ran over: %q", got)
	}
	if got := b.MustFail("Add", "hits", "x"); !strings.Contains(got, "not a whole number") {
		t.Errorf("got %q", got)
	}
}

// What the second read gives is the peer's affair (network/scenario tests it): here it
// counts that there is one.
func TestIncrementTwiceReadsTwice(t *testing.T) {
	b := cctest.MustRun(t, counter.New())
	b.MustCall("Add", "hits", "7")
	gets, puts := b.Ledger.Requests[peerpb.ChaincodeMessage_GET_STATE], b.Ledger.Requests[peerpb.ChaincodeMessage_PUT_STATE]
	b.MustCall("IncrementTwice", "hits")
	gets, puts = b.Ledger.Requests[peerpb.ChaincodeMessage_GET_STATE]-gets, b.Ledger.Requests[peerpb.ChaincodeMessage_PUT_STATE]-puts
	if gets != 2 || puts != 2 {
		t.Errorf("it read %d times and wrote %d times, want 2 and 2", gets, puts)
	}
}
