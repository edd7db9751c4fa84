package inspect

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/policy"
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
	list := Block{Form: Table, Title: a.L("Endorsements")}
	for _, s := range signers {
		state := Cell{Text: a.L("signature holds"), Tone: Good}
		switch {
		case !s.holds:
			state = Cell{Text: s.why, Tone: Bad}
		case apart:
			state = Cell{Text: a.L("signature holds, for its own result"), Tone: Warn}
		}
		list.Rows = append(list.Rows, []Cell{a.nodeCell(s.name), state})
	}
	if len(signers) == 0 {
		list.Rows = [][]Cell{{weak(a.L("none yet")), {}}}
	}
	if rule == nil || apart {
		return []Block{list}
	}
	list.Aside = Cell{Text: rule.text, Mono: true, Tone: Weak}
	tree := Block{Form: Tree, Title: a.L("Endorsement policy of chaincode {{.Name}}", f.chaincode)}
	root, satisfied := rule.explain(a, signers)
	waiting := len(f.verdicts) == 0 && !f.sentOut
	if !satisfied && waiting {
		unmark(root)
	}
	tree.Aside = Cell{Text: a.L("satisfied"), Tone: Good}
	if !satisfied {
		tree.Aside = Cell{Text: a.L("not satisfied"), Tone: Bad}
		if waiting {
			tree.Aside = weak(a.L("not yet"))
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
	var block uint64
	for _, d := range a.x.world.Defined() {
		if d.Name == f.chaincode && d.Seq <= a.seq && (len(f.verdicts) == 0 || d.Block < f.verdicts[0].Block) {
			block = d.Block
		}
	}
	if r := a.definedIn(block, f.chaincode); r != nil {
		return r
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
	for i := len(d.Txs) - 1; i >= 0; i-- {
		for _, w := range d.Txs[i].Writes {
			if w.Namespace != lifecycle || w.Key != "namespaces/fields/"+chaincode+"/ValidationInfo" {
				continue
			}
			data, info, p := &lifecyclepb.StateData{}, &lifecyclepb.ChaincodeValidationInfo{}, &peerpb.ApplicationPolicy{}
			if proto.Unmarshal(w.Value, data) != nil || proto.Unmarshal(data.GetBytes(), info) != nil || proto.Unmarshal(info.GetValidationParameter(), p) != nil {
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
	e := evaluation{a: a, signers: signers, taken: make([]bool, len(signers)), principals: r.envelope.GetIdentities()}
	return e.walk(r.envelope.GetRule(), 0)
}

// channel evaluates the channel's own policy: so many of its organisations, each by one
// of its peers.
func (r *rule) channel(a *about, signers []signer) (*Node, bool) {
	orgs := a.orgs(signers)
	root, have := &Node{Name: r.text, Open: true, Mark: Done}, 0
	for _, mspID := range orgs {
		i := slices.IndexFunc(signers, func(s signer) bool { return s.is(mspID, "peer") })
		if i >= 0 {
			have++
		}
		root.Children = append(root.Children, a.leaf(mspID, "peer", signers, i))
	}
	need := len(orgs)/2 + 1
	switch r.need {
	case policy.Any:
		need = 1
	case policy.All:
		need = len(orgs)
	}
	root.Value = a.L("{{.Have}} of {{.Need}} needed", have, need)
	if have < need {
		root.Mark = Failed
		return root, false
	}
	for _, leaf := range root.Children {
		if leaf.Mark == Failed {
			leaf.Mark, leaf.Note = NoMark, a.L("not needed")
		}
	}
	return root, true
}

// firstBlocks is where the organisations of a channel show themselves: each of them
// approves the first chaincode.
const firstBlocks = 12

// orgs are the MSP ids of the channel's organisations with peers: as given, and those that
// the first blocks and the signatures show. One may have joined after what is given.
func (a *about) orgs(signers []signer) []string {
	var out []string
	for _, o := range a.in.Orgs {
		if o.MSP != "" && a.hasPeers(o) {
			out = appendNew(out, o.MSP)
		}
	}
	for i, b := range a.x.world.Blocks().List {
		if i == firstBlocks {
			break
		}
		if d := a.x.decode(b.Number, a.seq); d != nil {
			for j := range d.Txs {
				if d.Txs[j].MSP != "" && d.Txs[j].Chaincode != "" {
					out = appendNew(out, d.Txs[j].MSP)
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
		if a.being(n) == facts.Peer {
			return true
		}
	}
	return len(o.Nodes) == 0
}

// evaluation walks a policy's tree once.
type evaluation struct {
	a          *about
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
	node.Value = e.a.L("{{.Have}} of {{.Need}} needed", have, need)
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
		return &Node{Name: e.a.L("(no such principal)"), Mark: Failed}, false
	}
	role := &msppb.MSPRole{}
	if e.principals[i].GetPrincipalClassification() != msppb.MSPPrincipal_ROLE || proto.Unmarshal(e.principals[i].GetPrincipal(), role) != nil {
		return &Node{Name: e.a.L("(a principal that is no role)"), Mark: Failed}, false
	}
	name := strings.ToLower(role.GetRole().String())
	for j := range e.signers {
		if !e.taken[j] && e.signers[j].is(role.GetMspIdentifier(), name) {
			e.taken[j] = true
			return e.a.leaf(role.GetMspIdentifier(), name, e.signers, j), true
		}
	}
	return e.a.leaf(role.GetMspIdentifier(), name, nil, -1), false
}

// leaf is a principal of a policy with the i-th of the signers, -1 for none.
func (a *about) leaf(mspID, role string, signers []signer, i int) *Node {
	n := &Node{Name: "'" + mspID + "." + role + "'", Mark: Failed, Note: a.L("no signature")}
	if i >= 0 {
		n.Mark, n.Value, n.Note, n.Link = Done, a.short(signers[i].name), a.L("signature holds"), nodeSel(signers[i].name)
	}
	return n
}
