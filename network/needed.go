package network

import (
	"slices"
	"strings"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// Needed lists the smallest groups of organisations whose endorsements satisfy a
// chaincode's policy, as its topology says it. Nil where that is not known here: a policy
// of the channel's configuration, or one that asks for several peers of one organisation.
func (t *Topology) Needed(chaincode string) [][]string {
	i := slices.IndexFunc(t.Chaincodes, func(c Chaincode) bool { return c.Name == chaincode })
	if i < 0 {
		return nil
	}
	text := t.Chaincodes[i].Policy
	switch {
	case text == "":
		return majorities(t.orgNames())
	case strings.HasPrefix(text, "/"):
		return nil
	}
	env, err := policy.Parse(text)
	if err != nil {
		return nil
	}
	rule, err := policy.NewSignature(env)
	if err != nil {
		return nil
	}
	var groups [][]string
	for _, layout := range policy.Layouts(rule, 0) {
		group, ok := t.orgsOf(layout)
		if !ok || len(groups) > 0 && len(group) > len(groups[0]) {
			continue
		}
		groups = append(groups, group)
	}
	return groups
}

// orgsOf names the organisation of each principal; false if that is not one peer of each.
func (t *Topology) orgsOf(layout []policy.Principal) (names []string, ok bool) {
	for _, p := range layout {
		i := slices.IndexFunc(t.Organizations, func(o Organization) bool { return o.MSPID == p.MSPID })
		if i < 0 || (p.Role != "peer" && p.Role != "member") || slices.Contains(names, t.Organizations[i].Name) {
			return nil, false
		}
		names = append(names, t.Organizations[i].Name)
	}
	return names, len(names) > 0
}

// majorities are groups of more than half of the names, each name in as many of them.
func majorities(names []string) [][]string {
	need := len(names)/2 + 1
	if need == len(names) {
		return [][]string{names}
	}
	groups := make([][]string, len(names))
	for i := range groups {
		for k := range need {
			groups[i] = append(groups[i], names[(i+k)%len(names)])
		}
	}
	return groups
}
