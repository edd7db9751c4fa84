package words

import (
	"errors"
	"testing"
)

func TestTexts(t *testing.T) {
	de, err := parse("de", []byte(`{
		"{{.N}} blocks": {"one": "{{.N}} Block", "other": "{{.N}} Blöcke"},
		"{{.From}} sends block {{.N}} to {{.To}}": "{{.To}} bekommt Block {{.N}} von {{.From}}"}`))
	if err != nil {
		t.Fatal(err)
	}
	ru, err := parse("ru", []byte(`{"{{.N}} blocks": {"one": "{{.N}} блок", "few": "{{.N}} блока", "many": "{{.N}} блоков", "other": "{{.N}} блока"}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ got, want string }{
		{de.L("{{.N}} blocks", 1), "1 Block"},
		{de.L("{{.N}} blocks", uint64(0)), "0 Blöcke"},
		{de.L("{{.N}} blocks", map[string]any{"N": 2}), "2 Blöcke"},
		{ru.L("{{.N}} blocks", 1), "1 блок"},
		{ru.L("{{.N}} blocks", 3), "3 блока"},
		{ru.L("{{.N}} blocks", 11), "11 блоков"},
		{de.L("{{.From}} sends block {{.N}} to {{.To}}", "a", 7, "b"), "b bekommt Block 7 von a"},
		{de.L("unheard of: {{.X}}", "y"), "unheard of: y"},
		{de.L("{{.X}} without a value"), "{{.X}} without a value"},
		{(*Book)(nil).L("nobody's {{.X}}", 3), "nobody's 3"},
		{Of("de_AT.UTF-8").Tag(), "de"},
		{Of("tlh", "C").Tag(), "en"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestDamagedCatalogue(t *testing.T) {
	for _, raw := range []string{`{`, `{"a": 3}`, `{"a": {"one": "b"}}`} {
		if _, err := parse("de", []byte(raw)); err == nil {
			t.Errorf("%s is taken for a catalogue", raw)
		}
	}
	if _, err := parse("notes about it", []byte(`{}`)); err == nil {
		t.Error("a file whose name is no language is taken for a catalogue")
	}
}

func BenchmarkL(b *testing.B) {
	de := Of("de")
	for b.Loop() {
		de.L("{{.N}} blocks", 12)
	}
}

func TestFault(t *testing.T) {
	cause := NewFault("the network is stopped", "start it again to act on it")
	err := NewFault("{{.Change}}: {{.Cause}}", "", "heal", cause)
	if got, want := err.Error(), "heal: the network is stopped; start it again to act on it"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	what, remedy := cause.In(Of("de"))
	if what != "das Netz ist angehalten" || remedy != "starten Sie es wieder, um etwas damit zu tun" {
		t.Errorf("%q, %q", what, remedy)
	}
	if got := Of("de").Fault(err); got != "heal: "+what+"; "+remedy {
		t.Errorf("%q", got)
	}
	if got := Of("de").Fault(errors.New("a disk is full")); got != "a disk is full" {
		t.Errorf("%q", got)
	}
}
