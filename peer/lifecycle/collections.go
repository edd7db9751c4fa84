package lifecycle

import (
	"errors"
	"fmt"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// maxCollections bounds a definition: each collection is a namespace of its own.
const maxCollections = 1000

// checkCollections refuses collections that could never work (wire.md G.2).
func checkCollections(collections *peerpb.CollectionConfigPackage, bundle *channelconfig.Bundle) error {
	if n := len(collections.GetConfig()); n > maxCollections {
		return fmt.Errorf("%d collections are too many, at most %d are possible", n, maxCollections)
	}
	seen := map[string]bool{}
	for _, c := range collections.GetConfig() {
		static := c.GetStaticCollectionConfig()
		if static == nil {
			return errors.New("unknown collection configuration type")
		}
		name := static.GetName()
		if seen[name] {
			return fmt.Errorf("collection-name: %s -- found duplicate in collection configuration", name)
		}
		seen[name] = true
		if err := checkCollection(static, bundle); err != nil {
			return err
		}
	}
	return nil
}

func checkCollection(c *peerpb.StaticCollectionConfig, bundle *channelconfig.Bundle) error {
	name := c.GetName()
	if !collectionNamePattern.MatchString(name) {
		return fmt.Errorf("invalid collection name '%s'. Names can only consist of alphanumerics, '_', and '-' and cannot begin with '_'", name)
	}
	if c.GetRequiredPeerCount() < 0 {
		return fmt.Errorf("collection-name: %s -- requiredPeerCount (%d) cannot be less than zero", name, c.GetRequiredPeerCount())
	}
	if c.GetMaximumPeerCount() < c.GetRequiredPeerCount() {
		return fmt.Errorf("collection-name: %s -- maximum peer count (%d) cannot be less than the required peer count (%d)",
			name, c.GetMaximumPeerCount(), c.GetRequiredPeerCount())
	}
	if c.GetMemberOrgsPolicy() == nil {
		return fmt.Errorf("collection member policy is not set for collection '%s'", name)
	}
	members := c.GetMemberOrgsPolicy().GetSignaturePolicy()
	if members == nil {
		return fmt.Errorf("collection member org policy is empty for collection '%s'", name)
	}
	if err := checkMembers(members, bundle); err != nil {
		return fmt.Errorf("collection-name: %s -- %w", name, err)
	}
	if inline := c.GetEndorsementPolicy().GetSignaturePolicy(); inline != nil {
		if _, err := policy.NewSignature(inline); err != nil {
			return fmt.Errorf("collection-name: %s -- invalid endorsement policy: %w", name, err)
		}
	}
	if path := c.GetEndorsementPolicy().GetChannelConfigPolicyReference(); path != "" {
		if _, err := bundle.Policy(path); err != nil {
			return fmt.Errorf("collection-name: %s -- invalid endorsement policy: %w", name, err)
		}
	}
	return nil
}

// checkMembers insists on "any of these organisations", all of them known to the
// channel: only then does it say which peers are to hold the data.
func checkMembers(members *commonpb.SignaturePolicyEnvelope, bundle *channelconfig.Bundle) error {
	if _, err := policy.NewSignature(members); err != nil {
		return fmt.Errorf("invalid member org policy: %w", err)
	}
	if !onlyOr(members.GetRule()) {
		return errors.New("collection member policy is not an OR concatenation of principals")
	}
	for _, principal := range members.GetIdentities() {
		mspID, err := principalMSP(principal)
		if err != nil {
			return err
		}
		if bundle.MSPs().MSP(mspID) == nil {
			return fmt.Errorf("collection member '%s' is not part of the channel", mspID)
		}
	}
	return nil
}

// onlyOr tells whether one signer out of those named is enough, at every level.
// The depth of the rule was bounded when the policy was compiled.
func onlyOr(rule *commonpb.SignaturePolicy) bool {
	switch kind := rule.GetType().(type) {
	case *commonpb.SignaturePolicy_SignedBy:
		return true
	case *commonpb.SignaturePolicy_NOutOf_:
		if kind.NOutOf.GetN() > 1 {
			return false
		}
		for _, inner := range kind.NOutOf.GetRules() {
			if !onlyOr(inner) {
				return false
			}
		}
		return true
	}
	return false
}

// principalMSP is the organisation that a principal is about.
func principalMSP(p *msppb.MSPPrincipal) (string, error) {
	var err error
	switch p.GetPrincipalClassification() {
	case msppb.MSPPrincipal_ROLE:
		role := &msppb.MSPRole{}
		err = proto.Unmarshal(p.GetPrincipal(), role)
		return role.GetMspIdentifier(), err
	case msppb.MSPPrincipal_ORGANIZATION_UNIT:
		unit := &msppb.OrganizationUnit{}
		err = proto.Unmarshal(p.GetPrincipal(), unit)
		return unit.GetMspIdentifier(), err
	case msppb.MSPPrincipal_IDENTITY:
		id := &msppb.SerializedIdentity{}
		err = proto.Unmarshal(p.GetPrincipal(), id)
		return id.GetMspid(), err
	}
	return "", fmt.Errorf("principal type %s names no organisation", p.GetPrincipalClassification())
}

// checkCollectionChange lets an upgrade add collections, and change those that
// are there except for how long they keep their data.
func checkCollectionChange(before, after *peerpb.CollectionConfigPackage) error {
	next := map[string]*peerpb.StaticCollectionConfig{}
	for _, c := range after.GetConfig() {
		next[c.GetStaticCollectionConfig().GetName()] = c.GetStaticCollectionConfig()
	}
	for _, c := range before.GetConfig() {
		old := c.GetStaticCollectionConfig()
		now, kept := next[old.GetName()]
		if !kept {
			return fmt.Errorf("the proposed collection config does not contain previously defined collections: existing collection [%s] missing in the proposed collection configuration", old.GetName())
		}
		if now.GetBlockToLive() != old.GetBlockToLive() {
			return fmt.Errorf("the BlockToLive in an existing collection [%s] modified. Existing value [%d]", old.GetName(), old.GetBlockToLive())
		}
	}
	return nil
}
