package channelconfig

import (
	"fmt"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/policy"
)

// ApplyUpdate is the ordering node's side of a change: it checks a CONFIG_UPDATE
// transaction against this configuration and returns the one that it leads to,
// ready to be wrapped with NewConfigEnvelope. Whether the sender may write to the
// channel at all is for the caller to check first.
//
// Checked are, in this order: channel, versions of everything read, versions of
// everything written, the mod_policy of each changed element against the
// signatures, and the new configuration as a whole (wire.md E.5). Errors wrap
// ErrBadUpdate, ErrWrongChannel, ErrStale, ErrNoChange, ErrDenied, ErrInvalid or
// ErrUnsupported.
func (b *Bundle) ApplyUpdate(env *commonpb.Envelope) (*commonpb.ConfigEnvelope, error) {
	tree, err := b.result(env)
	if err != nil {
		return nil, err
	}
	config := &commonpb.Config{Sequence: b.Sequence() + 1, ChannelGroup: tree}
	next, err := build(b.channel, config, b.verifier, b)
	if err != nil {
		return nil, fmt.Errorf("config update of channel %s: %w", b.channel, err)
	}
	if err := b.checkSuccessor(next); err != nil {
		return nil, fmt.Errorf("config update of channel %s: %w", b.channel, err)
	}
	return &commonpb.ConfigEnvelope{Config: config, LastUpdate: env}, nil
}

// Next is the peer's side of a change: it checks that the configuration in a block
// is what its own update, signed as required, makes of this one, and returns its
// Bundle. Errors wrap ErrSequence or ErrDiffers, or are those of ApplyUpdate.
func (b *Bundle) Next(ce *commonpb.ConfigEnvelope) (*Bundle, error) {
	config := ce.GetConfig()
	if config == nil {
		return nil, fmt.Errorf("channel %s: %w: the envelope has no config", b.channel, ErrNotConfig)
	}
	if config.GetSequence() != b.Sequence()+1 {
		return nil, fmt.Errorf("channel %s: %w: the channel is at %d, so %d must follow, not %d",
			b.channel, ErrSequence, b.Sequence(), b.Sequence()+1, config.GetSequence())
	}
	tree, err := b.result(ce.GetLastUpdate())
	if err != nil {
		return nil, err
	}
	if !proto.Equal(tree, config.GetChannelGroup()) {
		return nil, fmt.Errorf("channel %s: %w", b.channel, ErrDiffers)
	}
	next, err := build(b.channel, config, b.verifier, b)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", b.channel, err)
	}
	return next, nil
}

// result checks an update and its signatures and returns the tree it leads to.
func (b *Bundle) result(env *commonpb.Envelope) (*commonpb.ConfigGroup, error) {
	signed, update, err := openUpdate(env)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", b.channel, err)
	}
	if update.GetChannelId() != b.channel {
		return nil, fmt.Errorf("channel %s: %w: it names %q", b.channel, ErrWrongChannel, update.GetChannelId())
	}
	for _, set := range []*commonpb.ConfigGroup{update.GetReadSet(), update.GetWriteSet()} {
		if err := checkNames("/"+groupChannel, set, 0); err != nil {
			return nil, fmt.Errorf("channel %s: %w: %w", b.channel, ErrBadUpdate, err)
		}
	}
	claims, err := updateClaims(signed)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", b.channel, err)
	}
	current := flatten(b.config.GetChannelGroup())
	read := flatten(update.GetReadSet())
	if err := checkReads(current, read); err != nil {
		return nil, fmt.Errorf("channel %s: %w", b.channel, err)
	}
	changed := changes(read, flatten(update.GetWriteSet()))
	if len(changed) == 0 {
		return nil, fmt.Errorf("channel %s: %w: no element has a higher version than it was read with", b.channel, ErrNoChange)
	}
	if err := b.checkWrites(current, changed, claims); err != nil {
		return nil, fmt.Errorf("channel %s: %w", b.channel, err)
	}
	for key, e := range changed {
		current[key] = e
	}
	return assemble("/"+groupChannel, current)
}

// openUpdate decodes a CONFIG_UPDATE transaction.
func openUpdate(env *commonpb.Envelope) (*commonpb.ConfigUpdateEnvelope, *commonpb.ConfigUpdate, error) {
	if env == nil {
		return nil, nil, fmt.Errorf("%w: there is none", ErrBadUpdate)
	}
	header, data, err := openEnvelope(env)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrBadUpdate, err)
	}
	if header.GetType() != int32(commonpb.HeaderType_CONFIG_UPDATE) {
		return nil, nil, fmt.Errorf("%w: the transaction has type %s", ErrBadUpdate, commonpb.HeaderType(header.GetType()))
	}
	signed := &commonpb.ConfigUpdateEnvelope{}
	if err := proto.Unmarshal(data, signed); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrBadUpdate, err)
	}
	update := &commonpb.ConfigUpdate{}
	if err := proto.Unmarshal(signed.GetConfigUpdate(), update); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrBadUpdate, err)
	}
	return signed, update, nil
}

// updateClaims lists who claims to have signed the update.
func updateClaims(signed *commonpb.ConfigUpdateEnvelope) ([]policy.Signed, error) {
	claims := make([]policy.Signed, len(signed.GetSignatures()))
	for i, s := range signed.GetSignatures() {
		header := &commonpb.SignatureHeader{}
		if err := proto.Unmarshal(s.GetSignatureHeader(), header); err != nil {
			return nil, fmt.Errorf("%w: header of signature %d: %v", ErrBadUpdate, i+1, err)
		}
		claims[i] = policy.Signed{
			Data:      join(s.GetSignatureHeader(), signed.GetConfigUpdate()),
			Identity:  header.GetCreator(),
			Signature: s.GetSignature(),
		}
	}
	return claims, nil
}

// checkReads: everything that the update was based on must still be as it was.
func checkReads(current, read map[elementKey]element) error {
	for _, key := range sortedElements(read) {
		now, ok := current[key]
		switch {
		case !ok:
			return key.problem(Problem{Read: true, Missing: true, Version: read[key].version},
				fmt.Errorf("%w: %s was read, but the channel has none; fetch the configuration again", ErrStale, key))
		case now.version != read[key].version:
			return key.problem(Problem{Read: true, Version: read[key].version, Current: now.version},
				fmt.Errorf("%w: %s was read at version %d, but is at %d; fetch the configuration again",
					ErrStale, key, read[key].version, now.version))
		}
	}
	return nil
}

// changes lists what the update writes: elements that were not read, or that have
// another version than when they were read. An element of the same version only
// says that it stays; its content does not count.
func changes(read, written map[elementKey]element) map[elementKey]element {
	changed := map[elementKey]element{}
	for key, e := range written {
		if before, ok := read[key]; ok && before.version == e.version {
			continue
		}
		changed[key] = e
	}
	return changed
}

// checkWrites checks version and permission of each changed element. The
// signatures are verified once; each mod_policy is evaluated once.
func (b *Bundle) checkWrites(current, changed map[elementKey]element, claims []policy.Signed) error {
	ids, rejected := policy.Identities(b.msps, claims)
	verdicts := map[string]error{}
	for _, key := range sortedElements(changed) {
		e := changed[key]
		if err := checkModPolicy(key, e.modPolicy); err != nil {
			return err
		}
		existing, ok := current[key]
		if !ok {
			if e.version != 0 {
				return key.problem(Problem{Missing: true, Version: e.version},
					fmt.Errorf("%w: %s is new, so its version must be 0, not %d", ErrStale, key, e.version))
			}
			continue // the group that it joins must change too, and guards it
		}
		if e.version != existing.version+1 {
			return key.problem(Problem{Version: e.version, Current: existing.version},
				fmt.Errorf("%w: %s is at version %d, so %d must follow, not %d",
					ErrStale, key, existing.version, existing.version+1, e.version))
		}
		path := existing.modPolicyPath()
		verdict, known := verdicts[path]
		if !known {
			verdict = b.permit(path, ids, rejected)
			verdicts[path] = verdict
		}
		if verdict != nil {
			return key.problem(Problem{Version: e.version, Current: existing.version},
				fmt.Errorf("change of %s: %w", key, verdict))
		}
	}
	return nil
}

// checkModPolicy: an element without one could never be changed again, and one
// that names no path could never be resolved.
func checkModPolicy(key elementKey, modPolicy string) error {
	if modPolicy == "" {
		return fmt.Errorf("%w: %s has no mod_policy; name the policy that may change it, such as Admins", ErrBadUpdate, key)
	}
	for _, name := range strings.Split(strings.TrimPrefix(modPolicy, "/"), "/") {
		if err := checkName(key.path, "mod_policy", name); err != nil {
			return fmt.Errorf("%w: %w", ErrBadUpdate, err)
		}
	}
	return nil
}

// modPolicyPath is the absolute path of the policy that guards the element, "" if
// nothing may change it. A relative one is looked up in the element's own group.
func (e element) modPolicyPath() string {
	if e.modPolicy == "" || strings.HasPrefix(e.modPolicy, "/") {
		return e.modPolicy
	}
	return e.scope + "/" + e.modPolicy
}

// sortedElements gives the keys an order, so that the same update always fails
// with the same message.
func sortedElements(all map[elementKey]element) []elementKey {
	keys := make([]elementKey, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b elementKey) int {
		if a.path != b.path {
			return strings.Compare(a.path, b.path)
		}
		return int(a.kind) - int(b.kind)
	})
	return keys
}
