package policy

import (
	"fmt"
	"strings"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// Node is one part of a policy with what an evaluation found there: the tree that
// a person reads to learn why signatures were enough or not.
type Node struct {
	Name      string   // the sub-group whose policy this is ("Org1MSP"), "" elsewhere
	Text      string   // "AND", "OutOf", "MAJORITY Endorsement", "'Org1MSP.peer'"
	Satisfied bool     // whether this part is satisfied
	By        string   // for a leaf: who satisfied it, "" if nobody
	Need      int      // how many children must be satisfied; 1 for a leaf
	Have      int      // how many are; for a leaf 1 or 0
	Note      string   // a few words on why not, "" when there is nothing to add
	Signers   []string // at the root: everybody whose signature was considered
	Children  []*Node  // in the order in which they were evaluated
}

// Explain evaluates exactly as Evaluate does and keeps what it saw.
func (s *Signature) Explain(ids []*msp.Identity) *Node {
	e := evaluation{policy: s, ids: ids, used: make([]bool, len(ids))}
	root := e.explain(&s.root)
	root.Signers = signers(ids)
	return root
}

func (e *evaluation) explain(r *rule) *Node {
	if r.principal >= 0 {
		return e.explainLeaf(r.principal)
	}
	node := &Node{Text: operator(int32(r.need), len(r.children)), Need: r.need, Children: make([]*Node, 0, len(r.children))}
	for i := range r.children {
		before := len(e.taken)
		child := e.explain(&r.children[i])
		node.Children = append(node.Children, child)
		if child.Satisfied {
			node.Have++
		} else {
			e.giveBack(before)
		}
	}
	node.Satisfied = node.Have >= node.Need
	return node
}

func (e *evaluation) explainLeaf(principal int) *Node {
	node := &Node{Text: principalText(e.policy.env.GetIdentities()[principal]), Need: 1}
	if taker := e.take(principal); taker >= 0 {
		node.Satisfied, node.Have, node.By = true, 1, e.ids[taker].String()
		return node
	}
	for i, id := range e.ids {
		if e.used[i] && e.fits(id, principal) {
			node.Note = id.String() + " counts for another part already"
			break
		}
	}
	return node
}

func signers(ids []*msp.Identity) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	return names
}

// Missing lists the leaves that would have to be satisfied too: those of all
// parts that failed, from left to right, each text once.
func (n *Node) Missing() []string {
	var missing []string
	n.missing(map[string]bool{}, &missing)
	return missing
}

func (n *Node) missing(seen map[string]bool, into *[]string) {
	if n == nil || n.Satisfied {
		return
	}
	for _, child := range n.Children {
		child.missing(seen, into)
	}
	if text := n.leafText(); len(n.Children) == 0 && !seen[text] {
		seen[text] = true
		*into = append(*into, text)
	}
}

// leafText names a part without children outside of the tree, where its place no
// longer tells which sub-group it belongs to.
func (n *Node) leafText() string {
	if n.Name == "" {
		return n.Text
	}
	return n.Text + " of " + n.Name
}

// Summary says in one line what was needed, what was there and what was missing.
func (n *Node) Summary() string {
	if n == nil {
		return "there is no policy"
	}
	var out strings.Builder
	out.WriteString(n.Text)
	if len(n.Children) > 0 || n.Have != n.Need {
		fmt.Fprintf(&out, " has %d of %d needed", n.Have, n.Need)
	}
	if missing := n.Missing(); len(missing) > 0 && len(n.Children) > 0 {
		fmt.Fprintf(&out, ", nobody for %s", strings.Join(missing, ", "))
	}
	switch {
	case len(n.Signers) > 0:
		fmt.Fprintf(&out, "; signed by %s", strings.Join(n.Signers, ", "))
	case !n.Satisfied:
		out.WriteString("; no valid signature")
	}
	return out.String()
}

// String draws the tree, one part a line.
func (n *Node) String() string {
	if n == nil {
		return "(no policy)\n"
	}
	var out strings.Builder
	n.draw(&out, "", "")
	if !n.Satisfied && n.Signers != nil {
		out.WriteString("signed by: ")
		if len(n.Signers) == 0 {
			out.WriteString("nobody whose signature is valid")
		}
		out.WriteString(strings.Join(n.Signers, ", "))
		out.WriteByte('\n')
	}
	return out.String()
}

// draw writes n behind lead and its children behind indent.
func (n *Node) draw(out *strings.Builder, lead, indent string) {
	mark := "✘ "
	if n.Satisfied {
		mark = "✔ "
	}
	out.WriteString(lead)
	out.WriteString(mark)
	if n.Name != "" {
		out.WriteString(n.Name + ": ")
	}
	out.WriteString(n.Text)
	if len(n.Children) > 0 || (n.Need != 1 && n.By == "") {
		fmt.Fprintf(out, " (%d of %d needed)", n.Have, n.Need)
	}
	if n.By != "" {
		out.WriteString(" by " + n.By)
	}
	if n.Note != "" {
		out.WriteString(" – " + n.Note)
	}
	out.WriteByte('\n')
	for i, child := range n.Children {
		if i == len(n.Children)-1 {
			child.draw(out, indent+"└─ ", indent+"   ")
		} else {
			child.draw(out, indent+"├─ ", indent+"│  ")
		}
	}
}
