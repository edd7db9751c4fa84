package view_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestShortNames(t *testing.T) {
	names := view.NamesOf([]string{"peer0.org1.example.com", "orderer2.example.com"}, []string{"alice"})
	for name, want := range map[string]string{
		"peer0.org1.example.com":              "peer0.org1",
		"orderer2.example.com":                "orderer2",
		"asset_1.0@peer0.org1.example.com":    "asset 1.0",
		"my_asset_1.0@peer0.org1.example.com": "my_asset 1.0",
		"User1@org1.example.com":              "User1@org1",
		"alice":                               "alice",
		"":                                    "",
	} {
		if got := names.Short(name); got != want {
			t.Errorf("%s is shown as %q, not as %q", name, got, want)
		}
	}
	if p := view.PeerOf("asset_1.0@peer0.org1.example.com"); p != "peer0.org1.example.com" {
		t.Errorf("its peer is %q", p)
	}
	if p := view.PeerOf("User1@org1.example.com"); p != "" {
		t.Errorf("a user is taken for a chaincode of %q", p)
	}
}

// Every kind of message has a shape; the shapes of one exchange differ.
func TestClasses(t *testing.T) {
	for kind, want := range map[trace.Kind]view.Class{
		trace.Proposal: view.Proposal, trace.ProposalResponse: view.Endorsement, trace.ChaincodeGetState: view.Read,
		trace.ChaincodePutState: view.Write, trace.ChaincodeDelState: view.Write, trace.ChaincodeResponse: view.Read, trace.RaftAppend: view.Raft,
		trace.DeliverBlock: view.Block, "chaincode.get_state_by_range": view.Read, "chaincode.put_private_data": view.Write, trace.Seek: view.Plain,
	} {
		if got := view.ClassOf(kind); got != want {
			t.Errorf("%s has class %d, not %d", kind, got, want)
		}
	}
}

// Zooming keeps the point under the mouse in place; fitting shows everything.
func TestCamera(t *testing.T) {
	at := view.Point{X: 300, Y: 200}
	c := view.Camera{Origin: view.Point{X: 10, Y: 20}, Scale: 0.7}
	before := c.ToWorld(at)
	after := c.Zoom(1.9, at).ToWorld(at)
	if d := before.X - after.X + before.Y - after.Y; d > 1e-9 || d < -1e-9 {
		t.Errorf("the point moved from %v to %v", before, after)
	}
	bounds := view.Rect{X: -50, Y: 30, W: 2000, H: 400}
	fit := view.Fit(bounds, 1000, 500, 20)
	a, b := fit.ToScreen(view.Point{X: bounds.X, Y: bounds.Y}), fit.ToScreen(view.Point{X: bounds.X + bounds.W, Y: bounds.Y + bounds.H})
	if a.X < 19.9 || b.X > 980.1 || a.Y < 0 || b.Y > 500 {
		t.Errorf("shown from %v to %v", a, b)
	}
}
