package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// validationParameter is the metadata entry that holds a key's own policy.
var validationParameter = peerpb.MetaDataKeys_VALIDATION_PARAMETER.String()

// needs is what a namespace asks of the endorsers.
type needs struct {
	public      bool            // the chaincode's policy must be met
	collections map[string]bool // and those of these collections
	keyPolicies []*commonpb.SignaturePolicyEnvelope
}

// interest says which policies the transaction has to meet: per namespace that it
// touches one call for the public part, and one per collection. Written keys with
// a policy of their own bring that policy instead of the namespace's.
//
// The caller holds mu.
func (s *Simulator) interest() (*peerpb.ChaincodeInterest, error) {
	byNamespace := map[string]*needs{}
	of := func(ns string) *needs {
		n := byNamespace[ns]
		if n == nil {
			n = &needs{collections: map[string]bool{}}
			byNamespace[ns] = n
		}
		return n
	}
	keys := slices.SortedFunc(maps.Keys(s.written), func(a, b stateKey) int {
		return strings.Compare(a.ns+"\x00"+a.coll+"\x00"+a.key, b.ns+"\x00"+b.coll+"\x00"+b.key)
	})
	for _, key := range keys {
		n := of(key.ns)
		policy, ok, err := keyPolicy(s.written[key])
		switch {
		case err != nil:
			return nil, fmt.Errorf("policy of key %q in namespace %s: %w", key.key, key.ns, err)
		case ok:
			n.keyPolicies = append(n.keyPolicies, policy)
		case key.coll == "":
			n.public = true
		default:
			n.collections[key.coll] = true
		}
	}
	for ns := range s.set.namespaces {
		if byNamespace[ns] == nil && !wire.IsSystemNamespace(ns) {
			of(ns).public = true // it reads only
		}
	}
	for read := range s.privateReads {
		if !wire.IsSystemNamespace(read.ns) {
			of(read.ns).collections[read.coll] = true
		}
	}
	interest := new(peerpb.ChaincodeInterest)
	for _, ns := range sortedKeys(byNamespace) {
		interest.Chaincodes = append(interest.Chaincodes, s.calls(ns, byNamespace[ns])...)
	}
	return interest, nil
}

// calls is the part of one namespace.
func (s *Simulator) calls(ns string, n *needs) (calls []*peerpb.ChaincodeCall) {
	if n.public || len(n.keyPolicies) > 0 {
		calls = append(calls, &peerpb.ChaincodeCall{
			Name: ns, KeyPolicies: n.keyPolicies, DisregardNamespacePolicy: !n.public,
		})
	}
	for _, coll := range sortedKeys(n.collections) {
		calls = append(calls, &peerpb.ChaincodeCall{
			Name: ns, CollectionNames: []string{coll}, NoPrivateReads: !s.privateReads[spaceKey{ns, coll}],
		})
	}
	return calls
}

// keyPolicy finds the policy in a key's metadata.
func keyPolicy(metadata []byte) (policy *commonpb.SignaturePolicyEnvelope, ok bool, err error) {
	entries, err := ParseMetadata(metadata)
	if err != nil {
		return nil, false, err
	}
	raw, ok := entries[validationParameter]
	if !ok {
		return nil, false, nil
	}
	policy = new(commonpb.SignaturePolicyEnvelope)
	if err := proto.Unmarshal(raw, policy); err != nil {
		return nil, false, fmt.Errorf("decode signature policy: %w", err)
	}
	return policy, true, nil
}
