package drawers_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/drawers"
	"github.com/fabriscope/fabriscope/app/words"
)

// TestGerman shows drawers with the window's German catalogue.
func TestGerman(t *testing.T) {
	words.Use(words.Of("de"))
	t.Cleanup(func() { words.Use(words.English()) })
	s := live(t)
	d := open(t, s, paint.Dark(), 1200, drawers.NewFaults, drawers.Host{})
	d.mustSay("Haltepunkt")
	d.picture("faults-german")
	d = open(t, s, paint.Light(), 1200, drawers.NewNetwork, drawers.Host{})
	d.mustSay("Eine zweite zur gleichen Zeit")
	d.picture("network-german")
	open(t, s, paint.Light(), 1200, drawers.NewChaincode, drawers.Host{}).picture("chaincode-german")
	open(t, s, paint.Light(), 1200, drawers.NewLoad, drawers.Host{}).picture("load-german")
}
