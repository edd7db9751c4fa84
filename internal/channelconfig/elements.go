package channelconfig

import (
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
)

// A configuration tree is compared and changed element by element: each group, each
// value and each policy has a version and a mod_policy of its own.

// elementKind is what an element is.
type elementKind uint8

const (
	kindGroup elementKind = iota
	kindValue
	kindPolicy
)

// elementKey names an element: a group, a value and a policy may share a path.
type elementKey struct {
	kind elementKind
	path string // "/Channel/Orderer/BatchSize"
}

// String names the element in messages: "value /Channel/Orderer/BatchSize".
func (k elementKey) String() string {
	return [...]string{"group ", "value ", "policy "}[k.kind] + k.path
}

// element is one element; exactly one of group, value, policy is set.
type element struct {
	version   uint64
	modPolicy string
	scope     string // the group whose policies a relative mod_policy means
	group     *commonpb.ConfigGroup
	value     *commonpb.ConfigValue
	policy    *commonpb.ConfigPolicy
}

// flatten lists the elements of a tree. A nil tree has none. The tree's names and
// depth must have been checked with checkNames.
func flatten(root *commonpb.ConfigGroup) map[elementKey]element {
	all := map[elementKey]element{}
	if root != nil {
		flattenGroup("/"+groupChannel, root, all)
	}
	return all
}

func flattenGroup(path string, g *commonpb.ConfigGroup, all map[elementKey]element) {
	all[elementKey{kindGroup, path}] = element{version: g.GetVersion(), modPolicy: g.GetModPolicy(), scope: path, group: g}
	for name, v := range g.GetValues() {
		all[elementKey{kindValue, path + "/" + name}] = element{version: v.GetVersion(), modPolicy: v.GetModPolicy(), scope: path, value: v}
	}
	for name, p := range g.GetPolicies() {
		all[elementKey{kindPolicy, path + "/" + name}] = element{version: p.GetVersion(), modPolicy: p.GetModPolicy(), scope: path, policy: p}
	}
	for name, sub := range g.GetGroups() {
		flattenGroup(path+"/"+name, sub, all)
	}
}

// assemble is flatten backwards: it follows the names that the groups list, so
// that an element which no group lists any more drops out.
func assemble(path string, all map[elementKey]element) (*commonpb.ConfigGroup, error) {
	at, ok := all[elementKey{kindGroup, path}]
	if !ok {
		return nil, fmt.Errorf("%w: group %s is listed but not there", ErrBadUpdate, path)
	}
	g := &commonpb.ConfigGroup{
		Version:   at.version,
		ModPolicy: at.modPolicy,
		Groups:    map[string]*commonpb.ConfigGroup{},
		Values:    map[string]*commonpb.ConfigValue{},
		Policies:  map[string]*commonpb.ConfigPolicy{},
	}
	for name := range at.group.GetGroups() {
		sub, err := assemble(path+"/"+name, all)
		if err != nil {
			return nil, err
		}
		g.Groups[name] = sub
	}
	for name := range at.group.GetValues() {
		key := elementKey{kindValue, path + "/" + name}
		found, ok := all[key]
		if !ok {
			return nil, fmt.Errorf("%w: %s is listed but not there", ErrBadUpdate, key)
		}
		g.Values[name] = found.value
	}
	for name := range at.group.GetPolicies() {
		key := elementKey{kindPolicy, path + "/" + name}
		found, ok := all[key]
		if !ok {
			return nil, fmt.Errorf("%w: %s is listed but not there", ErrBadUpdate, key)
		}
		g.Policies[name] = found.policy
	}
	return g, nil
}
