package orderer_test

import (
	"strings"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer"
)

// recordedBundles are the configurations of the recorded channel, in order.
func recordedBundles(t testing.TB) []*channelconfig.Bundle {
	t.Helper()
	var bundles []*channelconfig.Bundle
	for _, block := range conformance.Blocks(t) {
		if !wire.IsConfigBlock(block) {
			continue
		}
		bundle, err := channelconfig.FromBlock(block, nil)
		if err != nil {
			t.Fatal(err)
		}
		bundles = append(bundles, bundle)
	}
	return bundles
}

// judge does to an envelope what a node does before it orders it.
func judge(bundle *channelconfig.Bundle, envelope *commonpb.Envelope, now time.Time) orderer.Verdict {
	m, verdict := orderer.ReadMessage(envelope)
	if !verdict.OK() {
		return verdict
	}
	if m.Channel != bundle.Channel() {
		return orderer.Verdict{Status: commonpb.Status_BAD_REQUEST, Info: orderer.UnknownChannel}
	}
	for _, check := range []func() orderer.Verdict{m.CheckType, func() orderer.Verdict { return m.Check(bundle, now) }} {
		if verdict := check(); !verdict.OK() {
			return verdict
		}
	}
	if m.IsConfigUpdate() {
		_, verdict = m.Configure(bundle)
	}
	return verdict
}

// What a real Fabric orderer refused is refused here with the same status and the
// same words.
func TestRecordedRefusals(t *testing.T) {
	bundles := recordedBundles(t)
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	refusals := conformance.Broadcasts(t)
	if len(refusals) == 0 {
		t.Fatal("no refusals are recorded")
	}
	for _, c := range refusals {
		t.Run(c.Case, func(t *testing.T) {
			if len(c.Envelope) != c.Size {
				t.Skipf("the envelope of %d bytes is not recorded", c.Size)
			}
			envelope := &commonpb.Envelope{}
			if err := proto.Unmarshal(c.Envelope, envelope); err != nil {
				t.Fatal(err)
			}
			// The recording does not say under which configuration a case ran.
			var got []orderer.Verdict
			for _, bundle := range bundles {
				verdict := judge(bundle, envelope, now)
				if verdict.Status.String() == c.Status && plain(verdict.Info) == plain(c.Info) {
					return
				}
				got = append(got, verdict)
			}
			t.Errorf("want %s %q, got, under the recorded configurations, %q", c.Status, c.Info, got)
		})
	}
}

// plain undoes the protobuf library's own trick of changing a space of its
// messages from build to build.
func plain(text string) string { return strings.ReplaceAll(text, "\u00a0", " ") }

func FuzzBroadcast(f *testing.F) {
	bundle := recordedBundles(f)[0]
	for _, c := range conformance.Broadcasts(f) {
		if len(c.Envelope) < 8000 {
			f.Add(c.Envelope)
		}
	}
	now := time.Now()
	f.Fuzz(func(t *testing.T, raw []byte) {
		envelope := &commonpb.Envelope{}
		if proto.Unmarshal(raw, envelope) != nil {
			return
		}
		if verdict := judge(bundle, envelope, now); verdict.OK() == (verdict.Info != "") {
			t.Errorf("status %s with the text %q", verdict.Status, verdict.Info)
		}
	})
}
