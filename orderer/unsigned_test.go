package orderer_test

import (
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
)

// The recorded channel ends with a Writers policy that asks for nobody. A real
// ordering service then ordered an envelope without signature, and the channel
// stood still; ours refuses it.
func TestUnsignedEnvelopeIsRefused(t *testing.T) {
	bundles := recordedBundles(t)
	open := bundles[len(bundles)-1]
	var statuses []commonpb.Status
	for _, raw := range conformance.RejectedBlock(t).GetData().GetData() {
		envelope := &commonpb.Envelope{}
		if err := proto.Unmarshal(raw, envelope); err != nil {
			t.Fatal(err)
		}
		statuses = append(statuses, judge(open, envelope, time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)).Status)
	}
	if len(statuses) < 2 || statuses[0] != commonpb.Status_SUCCESS || statuses[1] != commonpb.Status_BAD_REQUEST {
		t.Errorf("statuses %v, want the first accepted and the second refused", statuses)
	}
}
