package session_test

import (
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/network"
)

// Some changes are made while the network runs, others need a new one.
func TestCompare(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	d, err := draft.New(s.Topology(), "")
	if err != nil {
		t.Fatal(err)
	}
	if c := d.Compare(s.Topology()); len(c.Live)+len(c.NewStart) > 0 {
		t.Fatalf("%+v", c)
	}
	d.SetPeers("Org2", 2)
	d.SetOrderers(2)
	d.AddChaincode(network.Chaincode{Name: "score", Sample: "counter"})
	d.Edit(func(t *network.Topology) {
		t.Links = append(t.Links, network.Link{Between: []string{"Org1", "Org2"}, Latency: network.Duration(1e6)})
	})
	c := d.Compare(s.Topology())
	if len(c.Live) != 5 || len(c.NewStart) != 0 {
		t.Fatalf("%+v", c)
	}
	var made []string
	s.must("apply", func(done func(error)) {
		s.ApplyChanges(c.Live, func(c draft.Change) { made = append(made, c.Text) }, done)
	})
	mustContain(t, strings.Join(made, "; "), "one more peer for Org2", "one more ordering node", "deploy chaincode score", "link between Org1 and Org2")
	if got := s.Topology().Summary(); !strings.Contains(got, "3 peers, 2 ordering nodes, chaincode basic, score") {
		t.Error(got)
	}
	if len(s.Links()) != 1 {
		t.Errorf("links %v", s.Links())
	}
	o := s.mustSubmit(session.Call{Identity: "alice", Call: network.Call{Chaincode: "score", Function: "Increment", Args: []string{"a"}}})
	if !o.Valid {
		t.Error(o.Text)
	}
	d.AddOrganization()
	d.SetPeers("Org1", 0)
	d.Edit(func(t *network.Topology) { t.Channel = "other" })
	c = d.Compare(s.Topology())
	var texts []string
	for _, change := range c.NewStart {
		texts = append(texts, change.Text)
	}
	mustContain(t, strings.Join(texts, "; "), "a new organisation Org3", "0 peers of Org1", "channel's name: other")
}
