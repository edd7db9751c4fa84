package stock_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/stock"
)

// What needs no rich query works on any peer. The queries are tried on a network
// (network/rich_test.go).
func TestCountByRange(t *testing.T) {
	b := cctest.MustRun(t, stock.New())
	b.MustCall("Fill", "10", "2")
	b.MustCall("Add", "x", "box", "p0", "5")
	if got := b.MustCall("CountByRange", "p0"); got != "18" { // 0 + 2 + 4 + 6 + 1 + 5
		t.Errorf("p0 holds %s", got)
	}
	if got := b.MustCall("Total", "p0"); got != "18" {
		t.Errorf("noted was %s", got)
	}
	for _, wrong := range [][]string{{"Add", "x", "box", "p0", "many"}, {"Fill", "0", "1"}, {"Fill", "1", "0"}, {"Fill", "99999", "1"}, {"Total", "nowhere"}, {"QueryPage", "{}", "big"}} {
		b.MustFail(wrong[0], wrong[1:]...)
	}
}
