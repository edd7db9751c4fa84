package channelconfig

import (
	"fmt"
	"maps"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"
)

// ComputeUpdate finds the smallest update that leads from one configuration to
// another: edit a copy of the current one, as `configtxlator compute_update` has
// people do. Versions in to do not matter. The error wraps ErrNoChange if there is
// nothing to do, or ErrInvalid if a configuration is missing or too deep.
func ComputeUpdate(channel string, from, to *commonpb.Config) (*commonpb.ConfigUpdate, error) {
	if from.GetChannelGroup() == nil || to.GetChannelGroup() == nil {
		return nil, fmt.Errorf("compute config update: %w: a configuration has no channel group", ErrInvalid)
	}
	for _, config := range []*commonpb.Config{from, to} {
		if err := checkNames("/"+groupChannel, config.GetChannelGroup(), 0); err != nil {
			return nil, fmt.Errorf("compute config update: %w", err)
		}
	}
	read, write, changed := compareGroups(from.GetChannelGroup(), to.GetChannelGroup())
	if !changed {
		return nil, fmt.Errorf("compute config update: %w: the configurations are equal", ErrNoChange)
	}
	return &commonpb.ConfigUpdate{ChannelId: channel, ReadSet: read, WriteSet: write}, nil
}

// compareGroups returns what an update reads and writes to turn one group into the
// other. A group that gains or loses a member, or gets another mod_policy, is
// written as a whole: it lists all members, those that stay with their version
// only. Otherwise only what changes below it is listed.
func compareGroups(from, to *commonpb.ConfigGroup) (read, write *commonpb.ConfigGroup, changed bool) {
	read, write = emptyGroup(from), emptyGroup(from)
	stays := emptyGroup(from)
	members := !sameNames(from.GetGroups(), to.GetGroups()) || !sameNames(from.GetValues(), to.GetValues()) ||
		!sameNames(from.GetPolicies(), to.GetPolicies())
	compareValues(from, to, write, stays)
	comparePolicies(from, to, write, stays)
	for name, now := range to.GetGroups() {
		before, ok := from.GetGroups()[name]
		if !ok {
			write.Groups[name] = newGroup(now)
			continue
		}
		subRead, subWrite, subChanged := compareGroups(before, now)
		if !subChanged {
			stays.Groups[name] = subRead
			continue
		}
		read.Groups[name], write.Groups[name] = subRead, subWrite
	}
	if !members && from.GetModPolicy() == to.GetModPolicy() {
		return read, write, len(write.Groups)+len(write.Values)+len(write.Policies) > 0
	}
	for _, side := range []*commonpb.ConfigGroup{read, write} {
		maps.Copy(side.Groups, stays.Groups)
		maps.Copy(side.Values, stays.Values)
		maps.Copy(side.Policies, stays.Policies)
	}
	write.Version++
	write.ModPolicy = to.GetModPolicy()
	return read, write, true
}

func compareValues(from, to, write, stays *commonpb.ConfigGroup) {
	for name, now := range to.GetValues() {
		before, ok := from.GetValues()[name]
		switch {
		case !ok:
			write.Values[name] = &commonpb.ConfigValue{Value: now.GetValue(), ModPolicy: now.GetModPolicy()}
		case before.GetModPolicy() == now.GetModPolicy() && string(before.GetValue()) == string(now.GetValue()):
			stays.Values[name] = &commonpb.ConfigValue{Version: before.GetVersion()}
		default:
			write.Values[name] = &commonpb.ConfigValue{Version: before.GetVersion() + 1, Value: now.GetValue(), ModPolicy: now.GetModPolicy()}
		}
	}
}

func comparePolicies(from, to, write, stays *commonpb.ConfigGroup) {
	for name, now := range to.GetPolicies() {
		before, ok := from.GetPolicies()[name]
		switch {
		case !ok:
			write.Policies[name] = &commonpb.ConfigPolicy{Policy: now.GetPolicy(), ModPolicy: now.GetModPolicy()}
		case before.GetModPolicy() == now.GetModPolicy() && proto.Equal(before.GetPolicy(), now.GetPolicy()):
			stays.Policies[name] = &commonpb.ConfigPolicy{Version: before.GetVersion()}
		default:
			write.Policies[name] = &commonpb.ConfigPolicy{Version: before.GetVersion() + 1, Policy: now.GetPolicy(), ModPolicy: now.GetModPolicy()}
		}
	}
}

// newGroup copies a group that did not exist before; everything in it has version 0.
func newGroup(g *commonpb.ConfigGroup) *commonpb.ConfigGroup {
	fresh := emptyGroup(nil)
	fresh.ModPolicy = g.GetModPolicy()
	for name, v := range g.GetValues() {
		fresh.Values[name] = &commonpb.ConfigValue{Value: v.GetValue(), ModPolicy: v.GetModPolicy()}
	}
	for name, p := range g.GetPolicies() {
		fresh.Policies[name] = &commonpb.ConfigPolicy{Policy: p.GetPolicy(), ModPolicy: p.GetModPolicy()}
	}
	for name, sub := range g.GetGroups() {
		fresh.Groups[name] = newGroup(sub)
	}
	return fresh
}

// emptyGroup has the version of g and nothing else.
func emptyGroup(g *commonpb.ConfigGroup) *commonpb.ConfigGroup {
	return &commonpb.ConfigGroup{
		Version:  g.GetVersion(),
		Groups:   map[string]*commonpb.ConfigGroup{},
		Values:   map[string]*commonpb.ConfigValue{},
		Policies: map[string]*commonpb.ConfigPolicy{},
	}
}

func sameNames[V any](a, b map[string]V) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if _, ok := b[name]; !ok {
			return false
		}
	}
	return true
}
