package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network"
)

// A start tells the name of each step when it begins and when it is done, and its watch counts
// the parts; of one that has ended nothing runs.
func TestStartWatch(t *testing.T) {
	w := &session.StartWatch{}
	if p := w.Parts(); p != (session.Parts{}) || len(w.Left()) > 0 {
		t.Errorf("before its beginning it has %+v", p)
	}
	var began, did []string
	s := mustStart(t, small, session.StartOptions{Watch: w, Begins: func(step string) { began = append(began, step) },
		Progress: func(step network.Step) { did = append(did, step.Name) }})
	if !slices.Equal(began, did) || len(began) < 8 || !strings.HasSuffix(strings.Join(began, ","), "launch,chaincode basic: InitLedger") {
		t.Errorf("began %q, did %q", began, did)
	}
	nodes, places := len(s.Topology().NodeNames()), len(s.Peers())
	want := session.Parts{Nodes: nodes, OfNodes: nodes, Chaincodes: places, OfChaincodes: places}
	if p := w.Parts(); p != want {
		t.Errorf("at its end it has %+v, want %+v", p, want)
	}
	if len(w.Left()) != nodes {
		t.Errorf("%q run", w.Left())
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := w.Left(); len(left) > 0 {
		t.Errorf("%q still run", left)
	}
}
