package view

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/app/words"
)

// Names shortens the names of a network's nodes by the domain that all of them share:
// where there is peer0.org1.example.com and orderer.example.com, panels show peer0.org1 and
// orderer. The zero value leaves names as they are.
type Names struct{ domain string }

// NamesOf finds what peers and ordering nodes have in common. others, such as clients, have
// names of their own that shortened ones must not be equal to.
func NamesOf(nodes, others []string) Names {
	var common []string
	for i, node := range nodes {
		labels := strings.Split(node, ".")
		labels = labels[1:] // a node is called something
		if i == 0 {
			common = labels
			continue
		}
		n := 0
		for n < len(common) && n < len(labels) && common[len(common)-1-n] == labels[len(labels)-1-n] {
			n++
		}
		common = common[len(common)-n:]
	}
	if len(nodes) < 2 || len(common) == 0 {
		return Names{}
	}
	names := Names{domain: "." + strings.Join(common, ".")}
	for _, node := range nodes {
		if slices.Contains(others, names.Short(node)) {
			return Names{}
		}
	}
	return names
}

// Short is the name of a node or chaincode as panels show it; "asset_1.0@peer0.org1.example.com"
// is "asset 1.0".
func (n Names) Short(node string) string {
	if label, _, ok := strings.Cut(node, "@"); ok && strings.Contains(label, "_") {
		return words.Label(label)
	}
	return strings.TrimSuffix(node, n.domain)
}
