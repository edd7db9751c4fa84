package draft_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/network"
)

func mustDraft(t *testing.T, yaml string) *draft.Topology {
	t.Helper()
	topology, err := network.ParseTopology("test.yaml", []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	d, err := draft.New(topology, "")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// A topology is put together by forms and as text, and is the same in both.
func TestDraft(t *testing.T) {
	d, err := draft.New(nil, "")
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
	d.Edit(func(t *network.Topology) {
		t.Block.MaxMessageCount, t.Block.Cut = 2, "idle"
		t.Links = append(t.Links, network.Link{Between: []string{org, "Org1"}, Latency: network.Duration(5e6)},
			network.Link{Between: []string{client, "Org1"}, Cut: true})
	})
	if org != "Org3" || client != "carol" || cc != "counter" || again != "counter2" || changes != 7 {
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
	for _, part := range []string{"BankMSP", "BankMSP.peer", "bank.example.com", "maxMessageCount: 2"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in the text:\n%s", part, text)
		}
	}
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
	d := mustDraft(t, "{name: Small, organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]}")
	d.SetPeers("Org1", -1)
	p := d.Problems()
	if len(p) != 1 || p[0].Text == "" || p[0].Key != "organizations[0].peers" {
		t.Fatalf("%+v", p)
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
	if got, err := network.LoadTopology(path); err != nil || len(got.Organizations) != 1 {
		t.Error(err)
	}
}
