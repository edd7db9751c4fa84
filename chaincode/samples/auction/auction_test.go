package auction_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/auction"
)

func TestAuction(t *testing.T) {
	b := cctest.MustRun(t, auction.New())
	b.MustCall("Open", "a", "vase")
	b.MustCall("Open", "ab", "another whose id begins in the same way")
	if got := b.MustCall("Highest", "a"); got != "null" {
		t.Errorf("the highest of no bids is %s", got)
	}
	b.MustCall("Bid", "a", "zoe", "10")
	b.MustCall("Bid", "a", "adam", "11")
	b.MustCall("Bid", "a", "zoe", "12")
	b.MustCall("Bid", "ab", "eve", "99")
	if got, want := b.MustCall("Bids", "a"), `[{"bidder":"adam","amount":11},{"bidder":"zoe","amount":12}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := b.MustCall("Highest", "a"), `{"bidder":"zoe","amount":12}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want := `{"id":"a","item":"vase","open":false,"winner":"zoe","price":12}`
	if got := b.MustCall("Close", "a"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMistakes(t *testing.T) {
	b := cctest.MustRun(t, auction.New())
	b.MustCall("Open", "a", "vase")
	b.MustCall("Bid", "a", "zoe", "10")
	b.MustCall("Open", "closed", "jug")
	b.MustCall("Close", "closed")
	for _, tc := range []struct{ want, function, args string }{
		{"there is an auction a already", "Open", "a jug"},
		{"there is no auction b", "Bid", "b zoe 1"},
		{"there is no auction b", "Close", "b"},
		{"10 is not more than zoe's bid of 10", "Bid", "a adam 10"},
		{"not a whole number above 0", "Bid", "a adam 0"},
		{"not a whole number above 0", "Bid", "a adam much"},
		{"auction closed is closed", "Bid", "closed zoe 1"},
		{"is closed already", "Close", "closed"},
	} {
		if got := b.MustFail(tc.function, strings.Fields(tc.args)...); !strings.Contains(got, tc.want) {
			t.Errorf("%s(%s): got %q, want %q", tc.function, tc.args, got, tc.want)
		}
	}
}
