package drawers_test

import (
	"os"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/window/drawers"
)

// TestGerman shows drawers with the window's German catalogue.
func TestGerman(t *testing.T) {
	catalogue, err := os.ReadFile("../translations/de.json")
	if err != nil {
		t.Skip("the window has no German catalogue:", err)
	}
	t.Cleanup(func() { // after the environment is as it was
		if err := lang.AddTranslationsForLocale([]byte("{}"), fyne.Locale("en")); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"LANGUAGE", "LANG", "LC_ALL"} {
		t.Setenv(name, "de_DE.UTF-8")
	}
	if err := lang.AddTranslationsForLocale(catalogue, fyne.Locale("de")); err != nil {
		t.Fatal(err)
	}
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
