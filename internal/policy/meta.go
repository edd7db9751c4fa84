package policy

import (
	"github.com/fabriscope/fabriscope/internal/msp"
)

// The rules of an implicit meta policy, as configtx.yaml writes them.
const (
	Any      = "ANY"
	All      = "ALL"
	Majority = "MAJORITY"
)

// Meta is an implicit meta policy: it asks the policies of one name in all direct
// sub-groups, and counts. "MAJORITY Endorsement" of /Channel/Application asks
// every organisation's Endorsement policy.
type Meta struct {
	rule  string
	sub   string
	subs  []Policy
	names []string
	need  int
}

// NewMeta makes the policy "rule sub" over the sub-groups' policies. rule is Any,
// All or Majority (more than half); with no sub-groups at all nothing is needed.
// A nil policy stands for a sub-group without that policy and counts as one that
// refuses. names, if given, are the sub-groups' names in the order of subs, for
// explanations. An unknown rule can never be satisfied.
func NewMeta(rule, sub string, subs []Policy, names ...string) *Meta {
	m := &Meta{rule: rule, sub: sub, subs: subs, names: names}
	switch rule {
	case Any:
		m.need = min(1, len(subs))
	case All:
		m.need = len(subs)
	case Majority:
		m.need = len(subs)/2 + 1
		if len(subs) == 0 {
			m.need = 0
		}
	default:
		m.need = len(subs) + 1
	}
	return m
}

// Need is the number of sub-policies that must be satisfied.
func (m *Meta) Need() int { return m.need }

// String gives the text that configtx.yaml uses, such as "MAJORITY Endorsement".
func (m *Meta) String() string { return m.rule + " " + m.sub }

// Evaluate tells whether enough sub-policies are satisfied. Each of them sees all
// identities: one signer may count in several sub-groups.
func (m *Meta) Evaluate(ids []*msp.Identity) bool {
	have := 0
	for i, sub := range m.subs {
		if have >= m.need || have+len(m.subs)-i < m.need {
			break
		}
		if sub != nil && sub.Evaluate(ids) {
			have++
		}
	}
	return have >= m.need
}

// Explain evaluates every sub-policy and keeps what was found.
func (m *Meta) Explain(ids []*msp.Identity) *Node {
	node := &Node{Text: m.String(), Need: m.need, Signers: signers(ids), Children: make([]*Node, 0, len(m.subs))}
	for i, sub := range m.subs {
		child := &Node{Text: m.sub, Need: 1, Note: "this group has no such policy"}
		if sub != nil {
			child = sub.Explain(ids)
			child.Signers = nil
		}
		if i < len(m.names) {
			child.Name = m.names[i]
		}
		if child.Satisfied {
			node.Have++
		}
		node.Children = append(node.Children, child)
	}
	node.Satisfied = node.Have >= node.Need
	return node
}
