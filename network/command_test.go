package network

import (
	"reflect"
	"testing"
)

// A command that nobody has put into words and bounded must not come to be: its answer
// names what was asked, of whom, and it must end.
func TestEveryCommandIsADeed(t *testing.T) {
	fields := reflect.TypeFor[command]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		d, ok := deeds[name]
		if !ok || d.words == "" {
			t.Errorf("command %s is not in the table of deeds", name)
		}
	}
	if len(deeds) != fields.NumField() {
		t.Errorf("%d deeds for %d commands", len(deeds), fields.NumField())
	}
	if (command{}).does().words != "do nothing" || (command{Held: true}).does().words != deeds["Held"].words {
		t.Error("a command is taken for another one")
	}
}

// Each fault says how it is done, to whom, how it is undone and how it is told.
func TestFaultList(t *testing.T) {
	for k := range FaultCount {
		s := k.Spec()
		if s.Name == "" || len(s.Args) == 0 || s.Undo == "" || s.Event == "" {
			t.Errorf("fault %d is not described: %+v", k, s)
		}
		d, ok := deeds[s.Command]
		if s.Command != "" && !ok {
			t.Errorf("%s needs the command %s, which no node knows", s.Name, s.Command)
		}
		if s.Target == "peer" && d.role != rolePeer {
			t.Errorf("%s is for peers, its command %s for every node", s.Name, s.Command)
		}
	}
}
