package session_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network"
)

func mustDraft(t *testing.T, yaml string) *session.TopologyDraft {
	t.Helper()
	d, err := session.NewDraft(mustTopology(t, yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A topology is put together by forms and as text, and is the same in both.
func TestDraft(t *testing.T) {
	d, err := session.NewDraft(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	changes := 0
	d.OnChange(func() { changes++ })
	if d.Modified() || d.Problems() != nil {
		t.Errorf("a new draft: %v", d.Problems())
	}
	org := d.AddOrganization()
	d.SetPeers(org, 1)
	client := d.AddClient("", org)
	cc := d.AddChaincode(network.Chaincode{Sample: "counter"})
	again := d.AddChaincode(network.Chaincode{Sample: "counter", Policy: "AND('Org1MSP.peer', 'Org3MSP.peer')"})
	d.SetOrderers(5)
	d.SetBlock(network.Block{MaxMessageCount: 2, Cut: "idle"})
	d.SetLink(network.Link{Between: []string{org, "Org1"}, Latency: network.Duration(5e6)})
	d.SetLink(network.Link{Between: []string{client, "Org1"}, Cut: true})
	if org != "Org3" || client != "carol" || cc != "counter" || again != "counter2" || changes != 9 {
		t.Errorf("%s %s %s %s, %d changes", org, client, cc, again, changes)
	}
	ready, err := d.Ready()
	if err != nil {
		t.Fatal(err)
	}
	if got := ready.Summary(); !strings.Contains(got, "3 organisations, 5 peers, 5 ordering nodes") {
		t.Error(got)
	}
	d.RenameOrganization("Org3", "Bank")
	text := d.YAML()
	mustContain(t, text, "BankMSP", "BankMSP.peer", "bank.example.com", "maxMessageCount: 2")
	d.RemoveChaincode("counter2")
	d.RemoveOrganization("Bank")
	if text := d.YAML(); strings.Contains(text, "Bank") || strings.Contains(text, "carol") {
		t.Errorf("something of Bank is left:\n%s", text)
	}
	if p := d.Problems(); p != nil {
		t.Error(p)
	}
	if err := d.SetYAML(text); err != nil || d.YAML() != text {
		t.Errorf("the text does not come back: %v\n%s", err, d.YAML())
	}
}

// A draft may be wrong for a while: it says where, and nothing that was written is lost.
func TestDraftProblems(t *testing.T) {
	d := mustDraft(t, small)
	d.SetPeers("Org1", -1)
	p := d.Problems()
	if len(p) != 1 || p[0].Text == "" {
		t.Fatalf("%+v", p)
	}
	if part, i := p[0].At(); part != "organizations" || i != 0 {
		t.Errorf("the problem is at %s %d: %+v", part, i, p)
	}
	if _, err := d.Ready(); err == nil {
		t.Error("it can be started")
	}
	d.SetPeers("Org1", 1)
	if d.Problems() != nil {
		t.Error(d.Problems())
	}
	wrong := "channel: MyChannel\norganizations: [{name: Org1, peers: 1}]\n"
	if err := d.SetYAML(wrong); err == nil {
		t.Error("it can be read")
	}
	p = d.Problems()
	if len(p) != 1 || p[0].Line != 1 || p[0].Key != "channel" || d.YAML() != wrong {
		t.Errorf("%+v\n%s", p, d.YAML())
	}
	if err := d.SetYAML("channel: ["); err == nil || len(d.Problems()) != 1 || d.Problems()[0].Line == 0 {
		t.Errorf("%+v", d.Problems())
	}
	if err := d.SetYAML(strings.Replace(wrong, "MyChannel", "mychannel", 1)); err != nil || d.Problems() != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := d.Save(path); err != nil || d.Modified() || d.File() != path {
		t.Error(err)
	}
	if got, err := session.OpenTopology(path); err != nil || len(got.Organizations) != 1 {
		t.Error(err)
	}
}

// Some changes are made while the network runs, others need a new one.
func TestCompare(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	d, err := session.NewDraft(s.Topology(), "")
	if err != nil {
		t.Fatal(err)
	}
	if c := d.Compare(s.Topology()); !c.None() {
		t.Fatalf("%+v", c)
	}
	d.SetPeers("Org2", 2)
	d.SetOrderers(2)
	d.AddChaincode(network.Chaincode{Name: "score", Sample: "counter"})
	d.SetLink(network.Link{Between: []string{"Org1", "Org2"}, Latency: network.Duration(1e6)})
	c := d.Compare(s.Topology())
	if len(c.Live) != 5 || len(c.NewStart) != 0 {
		t.Fatalf("%+v", c)
	}
	var made []string
	s.must("apply", func(done func(error)) {
		c.Apply(s.Session, func(c session.Change) { made = append(made, c.Text) }, done)
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
