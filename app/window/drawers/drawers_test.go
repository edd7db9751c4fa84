package drawers_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/network"
)

// TestTwoAtOnce makes the conflict that the program exists to explain: two transfers of
// one asset, proposed at the same time.
func TestTwoAtOnce(t *testing.T) {
	s := live(t)
	var chosen view.Selection
	d := open(t, s, paint.Dark(), 1100, drawers.NewNetwork, drawers.Host{Select: func(sel view.Selection) { chosen = sel; s.Select(sel) }})
	d.until("the functions are there", func() bool { return d.says("TransferAsset", "alice", "bob") })
	d.mustSay("Gives an asset to somebody else")
	d.write("id", 0, "asset1")
	d.write("newOwner", 0, "carol")
	d.write("newOwner", 1, "dave")
	d.press("Submit two at once")
	d.mustSay("under way")
	d.until("both verdicts are there", func() bool { return d.says("MVCC_READ_CONFLICT", "Valid, in block") })
	if chosen.What != view.SelectTx || chosen.TxID == "" {
		t.Errorf("the rejected transaction is not selected, but %v", chosen)
	}
	d.mustSay("asset1")
	d.picture("network-client")
	d.write("newOwner", 0, "erin")
	d.press("Submit")
	d.until("the next one is valid", func() bool { return strings.Count(strings.Join(d.texts(), " "), "Valid, in block") == 2 })
	d.choose("Function", "ReadAsset")
	d.mustSay("It writes nothing: evaluate it.")
	d.press("Evaluate")
	d.until("the peer answered", func() bool { return d.says("The peer answered", "erin") })
	open(t, s, paint.Light(), 1100, drawers.NewNetwork, drawers.Host{}).picture("network-client")
}

func TestEveryDrawerWithoutNetwork(t *testing.T) {
	for name, make := range map[string]func(*session.Session, drawers.Host) *drawers.Panel{"lessons": drawers.NewLessons, "network": drawers.NewNetwork,
		"chaincode": drawers.NewChaincode, "load": drawers.NewLoad, "faults": drawers.NewFaults, "script": drawers.NewScript} {
		t.Run(name, func(t *testing.T) {
			d := open(t, nil, paint.Dark(), 900, make, drawers.Host{Settings: session.DefaultSettings()})
			if name != "lessons" && name != "script" {
				d.mustSay("No network is running. Start one to use this.")
			}
			d.picture(name + "-none")
		})
	}
}

func TestTopologyEditor(t *testing.T) {
	s := live(t)
	var started *network.Topology
	kept := filepath.Join(t.TempDir(), "mine.yaml")
	h := drawers.Host{StartTopology: func(t *network.Topology, _ string) { started = t },
		SaveFile: func(_ string, got func(string)) { got(kept) }}
	d := open(t, s, paint.Dark(), 1000, drawers.NewNetwork, h)
	d.press("Topology")
	d.frame()
	d.picture("network-topology")
	d.mustSay("Org1", "Org2", "basic", "alice")
	d.press("One more: peers of Org2")
	d.frame()
	d.mustSay("Can be applied now", "one more peer for Org2")
	d.write("It is cut after", 0, "soon")
	d.frame()
	d.mustSay("block.batchTimeout", "soon is no time")
	if d.enabled("Start this network") {
		t.Error("a topology that is wrong can be started")
	}
	d.write("It is cut after", 0, "1s")
	d.frame()
	d.mustSay("Needs a new start", "the block settings")
	d.press("YAML")
	d.frame()
	d.press("Save the topology")
	if b, err := os.ReadFile(kept); err != nil || !strings.Contains(string(b), "batchTimeout: 1s") {
		t.Errorf("saved: %s, %v", b, err)
	}
	d.press("Start this network")
	if started == nil || *started.Organizations[1].Peers != 2 {
		t.Errorf("started %v", started)
	}
}
