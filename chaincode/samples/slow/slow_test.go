package slow_test

import (
	"strings"
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/slow"
)

func TestWriteSendsOneMessageForEachKey(t *testing.T) {
	b := cctest.MustRun(t, slow.New())
	if got := b.MustCall("Write", "20", "0"); got != "20" {
		t.Errorf("got %s", got)
	}
	if n := b.Ledger.Requests[peerpb.ChaincodeMessage_PUT_STATE]; n != 20 {
		t.Errorf("20 writes took %d messages", n)
	}
	if got := b.MustCall("Read", "25", "0"); got != "20" {
		t.Errorf("Read found %s", got)
	}
}

func TestWriteBatchSendsOneMessage(t *testing.T) {
	b := cctest.MustRun(t, slow.New())
	b.MustCall("WriteBatch", "20", "0", "batch")
	batches, puts := b.Ledger.Requests[peerpb.ChaincodeMessage_WRITE_BATCH_STATE], b.Ledger.Requests[peerpb.ChaincodeMessage_PUT_STATE]
	if batches != 1 || puts != 0 {
		t.Errorf("20 writes took %d batches and %d single messages", batches, puts)
	}
	if got := b.MustCall("Read", "20", "0", "batch"); got != "20" {
		t.Errorf("Read found %s", got)
	}
}

func TestWriteSleeps(t *testing.T) {
	b := cctest.MustRun(t, slow.New())
	begin := time.Now()
	b.MustCall("Write", "1", "30")
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("it took %s", took)
	}
}

func TestMistakes(t *testing.T) {
	b := cctest.MustRun(t, slow.New())
	for _, args := range []string{"-1 0", "10001 0", "x 0", "1 -1", "1 3600001", "1 x"} {
		if got := b.MustFail("Write", strings.Fields(args)...); !strings.Contains(got, "not a whole number") {
			t.Errorf("Write(%s): got %q", args, got)
		}
	}
}
