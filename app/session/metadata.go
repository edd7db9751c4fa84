package session

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/network"
)

// metadataFunction is what chaincode written with Fabric's contract API answers with what it
// offers.
const metadataFunction = systemContract + ":GetMetadata"

// systemContract is the contract that such chaincode has besides its own.
const systemContract = "org.hyperledger.fabric"

// Bounds of what is taken from metadata.
const (
	maxMetadata  = 1 << 20
	maxFunctions = 500
	maxArguments = 50
)

// metadata is what a definition of a chaincode said of itself; functions is nil while it was
// only asked, and for chaincode that says nothing.
type metadata struct {
	definition string
	functions  []Function
}

// described gives the functions that a chaincode's metadata lists, nil where it has none or
// was not asked yet: each definition is asked once, in the background.
func (cc *Chaincodes) described(name string) []Function {
	i := slices.IndexFunc(cc.now().Definitions, func(d facts.Definition) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	d := cc.now().Definitions[i]
	definition := d.Version + " " + strconv.FormatInt(d.Sequence, 10)
	known := cc.metadata[name]
	if known.definition == definition {
		return known.functions
	}
	n, err := cc.liveNetwork()
	orgs := cc.Topology()
	if err != nil || orgs == nil || len(orgs.Organizations) == 0 {
		return known.functions
	}
	if cc.metadata == nil {
		cc.metadata = map[string]metadata{}
	}
	cc.metadata[name] = metadata{definition: definition}
	admin := "Admin@" + orgs.Organizations[0].Name
	cc.AskAside(func(ctx context.Context) func() {
		functions := askMetadata(ctx, n, admin, name)
		return func() { cc.metadata[name] = metadata{definition, functions} }
	})
	return nil
}

// askMetadata asks a chaincode what it offers; nil: it does not say.
func askMetadata(ctx context.Context, n *network.Network, identity, chaincode string) []Function {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	client, err := n.Client(identity)
	if err != nil {
		return nil
	}
	r, err := client.Evaluate(ctx, network.Call{Chaincode: chaincode, Function: metadataFunction})
	if err != nil {
		return nil
	}
	return ParseMetadata(r.Payload)
}

// ParseMetadata reads the functions in the metadata of Fabric's contract API: those of the
// default contract by their names, of others with the contract's before; nil if there are
// none.
func ParseMetadata(b []byte) []Function {
	type schema struct {
		Type string `json:"type"`
		Ref  string `json:"$ref"`
	}
	var m struct {
		Contracts map[string]struct {
			Default      bool `json:"default"`
			Transactions []struct {
				Name       string   `json:"name"`
				Tag        []string `json:"tag"`
				Parameters []struct {
					Name   string `json:"name"`
					Schema schema `json:"schema"`
				} `json:"parameters"`
			} `json:"transactions"`
		} `json:"contracts"`
	}
	if len(b) > maxMetadata || json.Unmarshal(b, &m) != nil {
		return nil
	}
	delete(m.Contracts, systemContract)
	var out []Function
	for _, name := range slices.Sorted(maps.Keys(m.Contracts)) {
		c := m.Contracts[name]
		for _, t := range c.Transactions[:min(len(c.Transactions), maxFunctions)] {
			f := Function{Name: t.Name, Args: []Argument{}}
			if !c.Default && len(m.Contracts) > 1 {
				f.Name = name + ":" + t.Name
			}
			f.ReadOnly = slices.ContainsFunc(t.Tag, func(tag string) bool { return strings.EqualFold(tag, "evaluate") })
			for _, p := range t.Parameters[:min(len(t.Parameters), maxArguments)] {
				kind := p.Schema.Type
				if p.Schema.Ref != "" {
					kind = "object"
				}
				f.Args = append(f.Args, Argument{Name: p.Name, Type: cmp.Or(kind, "string")})
			}
			if t.Name != "" {
				out = append(out, f)
			}
		}
	}
	return out[:min(len(out), maxFunctions)]
}
