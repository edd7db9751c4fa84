package network_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
)

func TestAnEmptyTopologyIsTheDefaultNetwork(t *testing.T) {
	topology, err := network.ParseTopology("empty.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "orderer.example.com orderer2.example.com orderer3.example.com peer0.org1.example.com peer0.org2.example.com peer1.org1.example.com peer1.org2.example.com"
	if got := strings.Join(topology.NodeNames(), " "); got != want {
		t.Errorf("nodes\n%s, want\n%s", got, want)
	}
	if time.Duration(topology.Block.BatchTimeout) != 2*time.Second || topology.Block.MaxMessageCount != 10 {
		t.Errorf("block settings %+v, want those of Fabric's test network", topology.Block)
	}
}

// TestTopologyErrors is the list of what can be wrong, with the place that the
// message names.
func TestTopologyErrors(t *testing.T) {
	for _, c := range []struct{ name, text, place, says string }{
		{"unknown key", "channel: a\nchanel: b\n", "x.yaml:2:1: chanel:", "no such key"},
		{"unknown key inside", "organizations:\n  - name: Org1\n    peer: 2\n", "x.yaml:3:5: peer:", "no such key"},
		{"bad duration", "block:\n  batchTimeout: soon\n", "x.yaml:2:", "like 200ms"},
		{"bad size", "block:\n  preferredMaxBytes: 3 GB\n", "x.yaml:2:", "KB or MB"},
		{"no peers", "organizations:\n  - name: Org1\n    peers: 0\n", "x.yaml:", "no organisation has a peer"},
		{"too many peers", "organizations:\n  - name: Org1\n    peers: 1000\n", "x.yaml:3:12: organizations[0].peers:", "0 to 100 peers"},
		{"twice", "organizations:\n  - name: Org1\n  - name: Org1\n", "x.yaml:3:", "used twice"},
		{"a user's key", "organizations:\n  - name: Org1\n    users: [bob, {nam: alice}]\n", "x.yaml:3:", "no such key"},
		{"a user's name", "organizations:\n  - name: Org1\n    users: [bob, {name: 1}]\n", "x.yaml:3:", "starting with a letter"},
		{"too much of a user", "organizations:\n  - name: Org1\n    users: [{name: bob, attributes: {a: " + strings.Repeat("x", 300) + "}}]\n", "x.yaml:3:", "longer than 256"},
		{"the user who is there", "organizations:\n  - name: Org1\n    users: [{name: User1, attributes: {a: b}}]\n", "x.yaml:3:", "give them to another user"},
		{"runtime", "runtime: podman\n", "x.yaml:1:10: runtime:", "auto, docker, process"},
		{"sample", "chaincodes:\n  - name: a\n    sample: asset\n  - name: b\n    sample: nothing\n", "x.yaml:5:13: chaincodes[1].sample:", "the samples are"},
		{"no source", "chaincodes:\n  - name: a\n", "x.yaml:2:", "exactly one of"},
		{"policy", "chaincodes:\n  - name: a\n    sample: asset\n    policy: AND('Org1MSP.peer'\n", "x.yaml:4:13: chaincodes[0].policy:", ""},
		{"link", "links:\n  - between: [peer0.org1, nobody]\n", "x.yaml:2:", "names no node"},
		{"client", "clients:\n  - {name: alice, organization: Org9}\n", "x.yaml:2:", "there is no organisation"},
		{"no ordering node", "orderers: {nodes: 0}\n", "x.yaml:1:19: orderers.nodes:", "leave the key out"},
		{"blocks of nothing", "block:\n  maxMessageCount: 0\n", "x.yaml:2:20: block.maxMessageCount:", "leave the key out"},
		{"no time", "block:\n  batchTimeout: 0s\n", "x.yaml:2:17: block.batchTimeout:", "leave the key out"},
		{"a long name", "organizations:\n  - name: " + strings.Repeat("O", 55) + "\n", "x.yaml:2:11: organizations[0].name:", "has 55 letters, an organisation's name has at most 31"},
		{"an odd name", "organizations:\n  - name: 1Org\n", "x.yaml:2:11: organizations[0].name:", "starting with a letter"},
		{"a long chaincode", "chaincodes:\n  - name: " + strings.Repeat("c", 65) + "\n    sample: asset\n", "x.yaml:2:11:", "has 65 letters"},
		{"not yaml", "a: [", "x.yaml:1:", ""},
		{"too deep", strings.Repeat("[", 100), "x.yaml:1:1", "nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := network.ParseTopology("x.yaml", []byte(c.text))
			var te *network.TopologyError
			if !errors.As(err, &te) {
				t.Fatalf("got %v, want a TopologyError", err)
			}
			if !strings.HasPrefix(err.Error(), c.place) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %q, want it to begin with %q and to say %q", err, c.place, c.says)
			}
		})
	}
}

func TestSampleTopologies(t *testing.T) {
	schema := MustSchema(t)
	for _, name := range assets.TopologyNames() {
		t.Run(name, func(t *testing.T) {
			b, err := assets.Topology(name)
			if err != nil {
				t.Fatal(err)
			}
			topology, err := network.ParseTopology(name+".yaml", b)
			if err != nil {
				t.Fatal(err)
			}
			validate(t, schema, b)
			// What is written with all defaults reads back as the same topology.
			full, err := topology.YAML()
			if err != nil {
				t.Fatal(err)
			}
			validate(t, schema, full)
			again, err := network.ParseTopology(name+".yaml", full)
			if err != nil {
				t.Fatalf("%v in\n%s", err, full)
			}
			if !reflect.DeepEqual(again, topology) {
				t.Errorf("read back as %+v, want %+v", again, topology)
			}
		})
	}
}

// MustSchema compiles the published JSON Schema.
func MustSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(assets.TopologySchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("topology.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("topology.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, b []byte) {
	t.Helper()
	j, err := yaml.YAMLToJSON(b)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(j))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(doc); err != nil {
		t.Errorf("the schema refuses it: %v\n%s", err, b)
	}
}

// TestSchemaHasEveryKey compares the published schema with the Go types, both ways.
// Users are names, or names with attributes; written, both read the same again.
func TestTopologyUsers(t *testing.T) {
	topology, err := network.ParseTopology("x.yaml", []byte(`organizations: [{name: Org1, users: [bob, {name: creator1, attributes: {abac.creator: "true"}}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	want := []network.User{{Name: "bob"}, {Name: "creator1", Attributes: map[string]string{"abac.creator": "true"}}}
	if got := topology.Organizations[0].Users; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	written, err := yaml.Marshal(topology)
	if err != nil {
		t.Fatal(err)
	}
	again, err := network.ParseTopology("again.yaml", written)
	if err != nil || !reflect.DeepEqual(again.Organizations[0].Users, want) || !strings.Contains(string(written), "- bob\n") {
		t.Errorf("%v of\n%s", err, written)
	}
}

func TestSchemaHasEveryKey(t *testing.T) {
	var doc map[string]any
	if err := yaml.Unmarshal(assets.TopologySchema(), &doc); err != nil {
		t.Fatal(err)
	}
	compareKeys(t, "", reflect.TypeOf(network.Topology{}), doc)
}

func compareKeys(t *testing.T, path string, typ reflect.Type, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	seen := map[string]bool{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if key == "-" || key == "" {
			continue
		}
		seen[key] = true
		sub, ok := properties[key].(map[string]any)
		if !ok {
			t.Errorf("the schema lacks %s%s", path, key)
			continue
		}
		ft := f.Type
		for ft.Kind() == reflect.Pointer || ft.Kind() == reflect.Slice {
			if ft.Kind() == reflect.Slice {
				sub, _ = sub["items"].(map[string]any)
			}
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct {
			compareKeys(t, path+key+".", ft, sub)
		}
	}
	for key := range properties {
		if !seen[key] {
			t.Errorf("the schema has %s%s, which no topology has", path, key)
		}
	}
}

func FuzzParseTopology(f *testing.F) {
	for _, name := range assets.TopologyNames() {
		b, err := assets.Topology(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("a: &x [*x]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		topology, err := network.ParseTopology("fuzz.yaml", b)
		if err != nil {
			return
		}
		if err := topology.Check(); err != nil {
			t.Errorf("accepted, but not sound: %v", err)
		}
	})
}
