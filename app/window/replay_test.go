package window

import (
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/chaincode"
)

// A network that has just started invites to a first transaction; one key submits it, it is
// shown once in slow motion while the network goes on, and then again, step by step, live.
func TestFirstTransactionByKeyboard(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{Runtime: chaincode.RuntimeProcess})
	s.settings.ReplayNS = int64(time.Second) // the test does not want to wait
	s.startSample(defaultSample)
	until(t, pump, "the network invites", func() bool {
		return s.main != nil && s.main.replay.object.Visible() && s.main.replay.shown == session.Invited
	})
	call, ok := s.session.FirstCall()
	if !ok || !strings.Contains(s.main.replay.text.Text(), "TransferAsset(asset1, carol)") {
		t.Errorf("it says %q; the call is %+v", s.main.replay.text.Text(), call)
	}
	typed(s, "s")
	typed(s, "s") // the invitation holds once
	until(t, pump, "the transaction is selected", func() bool { return s.session.Selection().What == view.SelectTx })
	tx := s.session.Selection().TxID
	until(t, pump, "it is shown in slow motion", func() bool { return s.main.replay.shown == session.Replaying })
	if p := s.session.Playhead; p.Pace != view.Stretch || !p.Playing || p.Scale != time.Second {
		t.Errorf("the playhead is %+v", p)
	}
	height := s.session.World.Now().Newest
	typed(s, "-")
	if s.settings.ReplayNS != int64(time.Second/2) || s.settings.ScaleNS == s.settings.ReplayNS {
		t.Errorf("replays have a scale of %d, others of %d", s.settings.ReplayNS, s.settings.ScaleNS)
	}
	until(t, pump, "it has been shown", func() bool { return s.main.replay.shown == session.Replayed })
	if said := s.main.replay.text.Text(); !strings.Contains(said, "Valid, in block") {
		t.Errorf("it says %q", said)
	}
	end := s.session.Playhead.At
	typed(s, "a")
	if pump(); s.main.replay.shown != session.Replaying || s.session.Playhead.At.Seq >= end.Seq || s.session.Playhead.Scale != time.Second/2 {
		t.Errorf("A shows %d at %+v", s.main.replay.shown, s.session.Playhead)
	}
	until(t, pump, "it has been shown again", func() bool { return s.main.replay.shown == session.Replayed })
	press(s, fyne.KeyRight)
	first := s.session.Source().ByTx(tx)[0]
	if pump(); s.session.Playhead.At.Seq != first.Seq || s.session.Playhead.Playing {
		t.Errorf("a step leads to %+v, it begins at %d", s.session.Playhead.At, first.Seq)
	}
	press(s, fyne.KeyRight)
	if s.session.Playhead.At.Seq <= first.Seq {
		t.Error("the next step does not go on")
	}
	typed(s, "l")
	if pump(); s.main.replay.object.Visible() || s.session.Playhead.Pace != view.Live {
		t.Error("L does not lead back to the network")
	}
	if s.session.World.Now().Newest != height {
		t.Errorf("%d blocks, %d before: it was submitted again", s.session.World.Now().Newest, height)
	}
	typed(s, "a")
	if pump(); s.main.replay.shown != session.Replaying {
		t.Error("A does not show the selected transaction")
	}
}

// Who does not want to be led is not.
func TestTheInvitationCanBeDeclined(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a network")
	}
	s, pump := MustShell(t, Options{Runtime: chaincode.RuntimeProcess})
	s.startSample("one-of-each")
	until(t, pump, "the network invites", func() bool { return s.main != nil && s.main.replay.shown == session.Invited })
	s.main.replay.dismiss()
	call, _ := s.session.FirstCall()
	var outcome *session.Outcome
	s.session.Submit(call, func(o session.Outcome) { outcome = &o })
	until(t, pump, "the outcome is there", func() bool { return outcome != nil })
	if pump(); s.main.replay.object.Visible() || s.session.Playhead.Pace != view.Live {
		t.Error("it is shown all the same")
	}
}
