package validate

import (
	"errors"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const builtInPlugin = "vscc"

// definition is what validation needs to know about one namespace: whose
// endorsements its data needs. It holds as long as neither the channel's
// configuration nor the _lifecycle namespace changes.
type definition struct {
	name        string
	problem     string                  // why nothing may be written here, "" if fine
	policy      *namedPolicy            // of the chaincode
	collections map[string]*namedPolicy // of collections that are defined
	legacy      bool                    // the collections of such a definition are not looked at
}

// namedPolicy is a policy and what it is the policy of.
type namedPolicy struct {
	name    string        // "chaincode asset", "" for a key's own
	path    string        // of the channel policy that it refers to, "" if it is inline
	rule    policy.Policy // nil if there is a problem
	problem string        // why it can never be satisfied, "" if it can
}

// text is the policy as it would be written.
func (p *namedPolicy) text() string {
	if written, ok := p.rule.(fmt.Stringer); ok {
		return written.String()
	}
	return "not expressible"
}

// where adds the path to a policy's text.
func (p *namedPolicy) where() string {
	if p.path == "" {
		return ""
	}
	return " (" + p.path + ")"
}

// readValue gives the committed value of a public key, nil if it is absent.
type readValue func(namespace, key string) ([]byte, error)

// readDefinition looks a namespace up in the committed state. Whatever is wrong
// with a definition is a problem of the definition, not an error: every peer has
// the same state and must come to the same verdict.
func readDefinition(name string, read readValue, bundle *channelconfig.Bundle) (*definition, error) {
	if name == wire.LifecycleNamespace {
		return &definition{name: name, policy: lifecyclePolicy(bundle), collections: implicitCollections(bundle)}, nil
	}
	record := wire.RecordReader(func(key string) ([]byte, error) { return read(wire.LifecycleNamespace, key) })
	d := &definition{name: name, policy: &namedPolicy{name: "chaincode " + name}, collections: implicitCollections(bundle)}
	head, err := record.Head(wire.SectionNamespaces, name)
	switch {
	case errors.Is(err, wire.ErrMalformed):
		d.problem = "its definition cannot be decoded"
		return d, nil
	case err != nil:
		return nil, fmt.Errorf("definition of chaincode %q: %w", name, err)
	case head == nil:
		return readLegacyDefinition(name, read)
	case head.GetDatatype() != wire.DatatypeDefinition:
		d.problem = fmt.Sprintf("it is defined as a %q, not as a chaincode", head.GetDatatype())
		return d, nil
	}
	var info lifecyclepb.ChaincodeValidationInfo
	var collections peerpb.CollectionConfigPackage
	for _, f := range []struct {
		name string
		into proto.Message
	}{{wire.FieldValidationInfo, &info}, {wire.FieldCollections, &collections}} {
		err := record.MessageField(wire.SectionNamespaces, name, f.name, f.into)
		if errors.Is(err, wire.ErrMalformed) {
			d.problem = fmt.Sprintf("the field %s of its definition cannot be decoded", f.name)
			return d, nil
		}
		if err != nil {
			return nil, fmt.Errorf("definition of chaincode %q: %w", name, err)
		}
	}
	d.use(&info, &collections, bundle)
	return d, nil
}

// use takes the decoded parts over.
func (d *definition) use(info *lifecyclepb.ChaincodeValidationInfo, collections *peerpb.CollectionConfigPackage, bundle *channelconfig.Bundle) {
	switch plugin := info.GetValidationPlugin(); {
	case plugin == "":
		d.problem = "its definition names no validation plugin"
		return
	case plugin != builtInPlugin:
		d.problem = fmt.Sprintf("its definition asks for the validation plugin %q, and only %q is built in", plugin, builtInPlugin)
		return
	case len(info.GetValidationParameter()) == 0:
		d.problem = "its definition has no endorsement policy"
		return
	}
	d.policy = applicationPolicy(d.policy.name, info.GetValidationParameter(), bundle)
	for _, c := range collections.GetConfig() {
		static := c.GetStaticCollectionConfig()
		if static == nil || strings.HasPrefix(static.GetName(), wire.ImplicitPrefix) {
			continue
		}
		if _, listed := d.collections[static.GetName()]; listed {
			continue // the first entry of a name counts
		}
		d.collections[static.GetName()] = d.policy
		if static.GetEndorsementPolicy() != nil {
			name := fmt.Sprintf("collection %s of chaincode %s", static.GetName(), d.name)
			d.collections[static.GetName()] = resolve(name, static.GetEndorsementPolicy(), bundle)
		}
	}
}

// collection finds the policy that keys of a collection need, if they have none
// of their own; ok is false if the collection does not exist.
func (d *definition) collection(name string) (p *namedPolicy, ok bool) {
	if d.legacy {
		return d.policy, true
	}
	p, ok = d.collections[name]
	return p, ok
}

// readLegacyDefinition looks for a definition of Fabric 1 that is still in use.
func readLegacyDefinition(name string, read readValue) (*definition, error) {
	d := &definition{name: name, legacy: true, policy: &namedPolicy{name: "chaincode " + name}}
	raw, err := read(wire.LegacyNamespace, name)
	if err != nil {
		return nil, fmt.Errorf("definition of chaincode %q: %w", name, err)
	}
	if raw == nil {
		d.problem = "no definition of that name is committed"
		return d, nil
	}
	var data peerpb.ChaincodeData
	if proto.Unmarshal(raw, &data) != nil || data.GetVscc() != builtInPlugin || len(raw) == 0 || data.GetPolicy() == nil {
		d.problem = "its definition of Fabric 1 cannot be used"
		return d, nil
	}
	d.policy = signaturePolicy(d.policy.name, data.GetPolicy())
	return d, nil
}

// applicationPolicy makes a policy of the bytes in a definition.
func applicationPolicy(name string, raw []byte, bundle *channelconfig.Bundle) *namedPolicy {
	var p peerpb.ApplicationPolicy
	if err := proto.Unmarshal(raw, &p); err != nil {
		return &namedPolicy{name: name, problem: "it cannot be decoded: " + clean(err)}
	}
	return resolve(name, &p, bundle)
}

// resolve makes a policy of either form: inline, or the path of a channel policy.
func resolve(name string, p *peerpb.ApplicationPolicy, bundle *channelconfig.Bundle) *namedPolicy {
	named := &namedPolicy{name: name, path: p.GetChannelConfigPolicyReference()}
	rule, err := bundle.ApplicationPolicy(p)
	if err != nil {
		named.problem = clean(err)
		return named
	}
	named.rule = rule
	return named
}

func signaturePolicy(name string, envelope *commonpb.SignaturePolicyEnvelope) *namedPolicy {
	rule, err := policy.NewSignature(envelope)
	if err != nil {
		return &namedPolicy{name: name, problem: clean(err)}
	}
	return &namedPolicy{name: name, rule: rule}
}

func channelPolicy(name, path string, bundle *channelconfig.Bundle) *namedPolicy {
	found, err := bundle.Policy(path)
	if err != nil {
		return &namedPolicy{name: name, path: path, problem: clean(err)}
	}
	return &namedPolicy{name: name, path: path, rule: found}
}

// lifecyclePolicy is who may commit definitions: a channel policy, or where the
// channel has none a majority of the organisations.
func lifecyclePolicy(bundle *channelconfig.Bundle) *namedPolicy {
	if p := channelPolicy("chaincode definitions", channelconfig.PathLifecycleEndorsement, bundle); p.rule != nil {
		return p
	}
	orgs := bundle.ApplicationOrgs()
	return anyMembers("chaincode definitions", len(orgs)/2+1, orgs...)
}

// implicitCollections makes the policies of the collections that every chaincode
// has without defining them: one for each organisation, which alone decides.
func implicitCollections(bundle *channelconfig.Bundle) map[string]*namedPolicy {
	collections := map[string]*namedPolicy{}
	for _, mspID := range bundle.ApplicationOrgs() {
		name := "organisation " + mspID
		p := anyMembers(name, 1, mspID)
		if path, ok := bundle.OrgPolicyPath(mspID, "Endorsement"); ok {
			if own := channelPolicy(name, path, bundle); own.rule != nil {
				p = own
			}
		}
		collections[wire.ImplicitPrefix+mspID] = p
	}
	return collections
}

// anyMembers is "n of these organisations, any member each".
func anyMembers(name string, n int, mspIDs ...string) *namedPolicy {
	envelope, err := policy.OutOf(n, msppb.MSPRole_MEMBER, mspIDs...)
	if err != nil {
		return &namedPolicy{name: name, problem: clean(err)}
	}
	return signaturePolicy(name, envelope)
}
