package facts

import "github.com/fabriscope/fabriscope/app/view"

// Names shortens the names of the nodes that are known.
func (r *Registry) Names() view.Names {
	if r.namesAt != r.Version || r.namesOf != len(r.Nodes) {
		var nodes, others []string
		for i := range r.Nodes {
			switch r.Nodes[i].Being {
			case Peer, Orderer:
				nodes = append(nodes, r.Nodes[i].Name)
			default:
				others = append(others, r.Nodes[i].Name)
			}
		}
		r.names, r.namesAt, r.namesOf = view.NamesOf(nodes, others), r.Version, len(r.Nodes)
	}
	return r.names
}
