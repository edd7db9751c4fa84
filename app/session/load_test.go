package session_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// A load runs in the background, tells how far it is, and can be stopped.
func TestLoad(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	var end *session.LoadTotals
	run, err := s.StartLoad(session.LoadOptions{Workload: "hot", Clients: 4, Count: 60, Duration: time.Minute, HotKeys: 3}, func(l session.LoadTotals) { end = &l })
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Loads()) != 1 || !run.Totals().Running {
		t.Errorf("%d loads, %+v", len(s.Loads()), run.Totals())
	}
	s.until("the end of the load", func() bool { return end != nil })
	if end.Err != nil || end.Summary == nil || end.Committed == 0 || end.Summary.Codes["VALID"] == 0 {
		t.Errorf("totals %+v", end)
	}
	mustContain(t, end.Text(), "a second")

	end = nil
	if run, err = s.StartLoad(session.LoadOptions{Workload: "create", Clients: 2, Duration: time.Hour}, func(l session.LoadTotals) { end = &l }); err != nil {
		t.Fatal(err)
	}
	begun := s.Axis.End().Seq
	s.until("some transactions", func() bool { return s.Axis.End().Seq > begun+500 })
	run.Stop()
	s.until("the end of the load", func() bool { return end != nil })
	if end.Err != nil || !end.Stopped || end.Committed == 0 {
		t.Errorf("totals %+v", end)
	}
	if strings.Contains(s.Script(), "1h0m0s") {
		t.Error("the load that was stopped would go on for an hour")
	}
	if err := scenario.Check("load.star", []byte(s.Script())); err != nil {
		t.Error(err)
	}
	mustContain(t, s.Script(), `run_load(workload = "hot", clients = 4, count = 60`)
}
