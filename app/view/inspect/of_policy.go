package inspect

import (
	"fmt"
	"sort"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// endorsements lists who signed, and shows the policy with what they satisfy.
func (a *about) endorsements(f *txFacts) []Block {
	signers := f.signers()
	rule := a.policyOf(f)
	if len(signers) == 0 && (rule == nil || f.evaluate || f.chaincode == "") {
		return nil
	}
	// Signatures on different results do not add up to one transaction.
	apart := f.envelope == nil && len(f.results) > 1 && !f.equal()
	list := Block{Form: Table, Title: "Endorsements"}
	for _, s := range signers {
		state := Cell{Text: "signature holds", Tone: Good}
		switch {
		case !s.holds:
			state = Cell{Text: s.why, Tone: Bad}
		case apart:
			state = Cell{Text: "signature holds, for its own result", Tone: Warn}
		}
		list.Rows = append(list.Rows, []Cell{nodeCell(s.name), state})
	}
	if len(signers) == 0 {
		list.Rows = [][]Cell{{{Text: "none yet", Tone: Weak}, {}}}
	}
	if rule == nil || apart {
		return []Block{list}
	}
	list.Aside = Cell{Text: rule.text, Mono: true, Tone: Weak}
	tree := Block{Form: Tree, Title: "Endorsement policy of chaincode " + f.chaincode}
	root, satisfied := rule.explain(a, signers)
	waiting := len(f.verdicts) == 0 && f.sentOut == nil
	if !satisfied && waiting {
		unmark(root)
	}
	tree.Aside = Cell{Text: "satisfied", Tone: Good}
	if !satisfied {
		tree.Aside = Cell{Text: "not satisfied", Tone: Bad}
		if waiting {
			tree.Aside = Cell{Text: "not yet", Tone: Weak}
		}
	}
	tree.Nodes = []*Node{root}
	return []Block{list, tree}
}

// unmark makes what is missing look as still to come.
func unmark(n *Node) {
	if n.Mark == Failed {
		n.Mark = Waiting
	}
	for _, c := range n.Children {
		unmark(c)
	}
}

// rule is an endorsement policy: a tree, or the channel's own.
type rule struct {
	text     string
	envelope *commonpb.SignaturePolicyEnvelope // nil: so many of the organisations
	need     string                            // ANY, ALL, MAJORITY
}

// policyOf finds the policy of the transaction's chaincode: in the definition that was
// committed before it, or as given from outside the trace.
func (a *about) policyOf(f *txFacts) *rule {
	if f.chaincode == "" || f.chaincode == lifecycle {
		return nil
	}
	defs := upTo(a.x.defs, a.seq)
	found, ok := last(defs, func(e *trace.Event) bool {
		return e.Key == f.chaincode && (len(f.verdicts) == 0 || e.Block < f.verdicts[0].Block)
	})
	if ok {
		if r := a.definedIn(found.Block, f.chaincode); r != nil {
			return r
		}
	}
	if t := a.in.Policies[f.chaincode]; t != "" {
		return ruleOf(t)
	}
	return nil
}

// definedIn reads the policy that a block's definition of a chaincode has.
func (a *about) definedIn(number uint64, chaincode string) *rule {
	d := a.x.decode(number, a.seq)
	if d == nil {
		return nil
	}
	for i := len(d.txs) - 1; i >= 0; i-- {
		for _, w := range d.txs[i].writes {
			if w.ns != lifecycle || w.key != "namespaces/fields/"+chaincode+"/ValidationInfo" {
				continue
			}
			data, info, p := &lifecyclepb.StateData{}, &lifecyclepb.ChaincodeValidationInfo{}, &peerpb.ApplicationPolicy{}
			if proto.Unmarshal(w.value, data) != nil || proto.Unmarshal(data.GetBytes(), info) != nil || proto.Unmarshal(info.GetValidationParameter(), p) != nil {
				return nil
			}
			if env := p.GetSignaturePolicy(); env != nil {
				if _, err := policy.NewSignature(env); err != nil {
					return nil
				}
				return &rule{text: policy.Format(env), envelope: env}
			}
			if path := p.GetChannelConfigPolicyReference(); path != "" {
				return &rule{text: "MAJORITY Endorsement", need: policy.Majority}
			}
		}
	}
	return nil
}

// ruleOf reads a policy's text.
func ruleOf(text string) *rule {
	if env, err := policy.Parse(text); err == nil {
		return &rule{text: text, envelope: env}
	}
	if meta, err := policy.ParseImplicitMeta(text); err == nil {
		return &rule{text: text, need: meta.GetRule().String()}
	}
	return nil
}

// explain evaluates a policy as peers do: from left to right, every signer once.
func (r *rule) explain(a *about, signers []signer) (*Node, bool) {
	if r.envelope == nil {
		return r.channel(a, signers)
	}
	e := evaluation{signers: signers, taken: make([]bool, len(signers)), principals: r.envelope.GetIdentities()}
	return e.walk(r.envelope.GetRule(), 0)
}

// channel evaluates the channel's own policy: so many of its organisations, each by one
// of its peers.
func (r *rule) channel(a *about, signers []signer) (*Node, bool) {
	orgs := a.orgs(signers)
	root, have := &Node{Name: r.text, Open: true, Mark: Done}, 0
	for _, mspID := range orgs {
		leaf := &Node{Name: "'" + mspID + ".peer'", Mark: Failed, Note: "no signature"}
		for i := range signers {
			if signers[i].is(mspID, "peer") {
				leaf.Mark, leaf.Value, leaf.Note, leaf.Link = Done, view.Short(signers[i].name), "signature holds", nodeSel(signers[i].name)
				have++
				break
			}
		}
		root.Children = append(root.Children, leaf)
	}
	need := len(orgs)/2 + 1
	switch r.need {
	case policy.Any:
		need = 1
	case policy.All:
		need = len(orgs)
	}
	root.Value = fmt.Sprintf("%d of %d needed", have, need)
	if have < need {
		root.Mark = Failed
		return root, false
	}
	for _, leaf := range root.Children {
		if leaf.Mark == Failed {
			leaf.Mark, leaf.Note = NoMark, "not needed"
		}
	}
	return root, true
}

// firstBlocks is where the organisations of a channel show themselves: each of them
// approves the first chaincode.
const firstBlocks = 12

// orgs are the MSP ids of the channel's organisations with peers: as given, or those
// that the first blocks and the signatures show.
func (a *about) orgs(signers []signer) []string {
	var out []string
	for _, o := range a.in.Orgs {
		if o.MSP != "" && a.hasPeers(o) {
			out = appendNew(out, o.MSP)
		}
	}
	if out != nil {
		return out
	}
	for i, b := range a.x.blocks {
		if i == firstBlocks {
			break
		}
		if d := a.x.decode(b.number, a.seq); d != nil {
			for j := range d.txs {
				if d.txs[j].msp != "" && d.txs[j].chaincode != "" {
					out = appendNew(out, d.txs[j].msp)
				}
			}
		}
	}
	for i := range signers {
		if signers[i].msp != "" {
			out = appendNew(out, signers[i].msp)
		}
	}
	sort.Strings(out)
	return out
}

// hasPeers tells whether an organisation takes part with peers; one that only orders
// does not endorse.
func (a *about) hasPeers(o Org) bool {
	for _, n := range o.Nodes {
		if a.roleOf(n) == "peer" {
			return true
		}
	}
	return len(o.Nodes) == 0
}

// evaluation walks a policy's tree once.
type evaluation struct {
	signers    []signer
	taken      []bool
	principals []*msppb.MSPPrincipal
	nodes      int
}

// Bounds of a tree that is shown: definitions come from the trace and may be anything.
const (
	maxPolicyDepth = 32
	maxPolicyNodes = 500
)

func (e *evaluation) walk(p *commonpb.SignaturePolicy, depth int) (*Node, bool) {
	e.nodes++
	if depth > maxPolicyDepth || e.nodes > maxPolicyNodes {
		return &Node{Name: "..."}, false
	}
	n := p.GetNOutOf()
	if n == nil {
		return e.leaf(int(p.GetSignedBy()))
	}
	node := &Node{Open: true}
	before := append([]bool(nil), e.taken...)
	have := 0
	for _, sub := range n.GetRules() {
		child, ok := e.walk(sub, depth+1)
		if ok {
			have++
		}
		node.Children = append(node.Children, child)
	}
	need, total := int(n.GetN()), len(n.GetRules())
	switch {
	case need == total:
		node.Name = "AND"
	case need == 1:
		node.Name = "OR"
	default:
		node.Name = fmt.Sprintf("OutOf(%d)", need)
	}
	node.Value = fmt.Sprintf("%d of %d needed", have, need)
	if have >= need {
		node.Mark = Done
		return node, true
	}
	copy(e.taken, before)
	node.Mark = Failed
	return node, false
}

func (e *evaluation) leaf(i int) (*Node, bool) {
	if i < 0 || i >= len(e.principals) {
		return &Node{Name: "(no such principal)", Mark: Failed}, false
	}
	role := &msppb.MSPRole{}
	if e.principals[i].GetPrincipalClassification() != msppb.MSPPrincipal_ROLE || proto.Unmarshal(e.principals[i].GetPrincipal(), role) != nil {
		return &Node{Name: "(a principal that is no role)", Mark: Failed}, false
	}
	name := strings.ToLower(role.GetRole().String())
	node := &Node{Name: "'" + role.GetMspIdentifier() + "." + name + "'", Mark: Failed, Note: "no signature"}
	for j := range e.signers {
		if e.taken[j] || !e.signers[j].is(role.GetMspIdentifier(), name) {
			continue
		}
		e.taken[j] = true
		node.Mark, node.Value, node.Note, node.Link = Done, view.Short(e.signers[j].name), "signature holds", nodeSel(e.signers[j].name)
		return node, true
	}
	return node, false
}
