package lifecycle

import (
	"errors"
	"fmt"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// NotFoundError makes an answer of _lifecycle a 404 instead of a 500. The text is all
// that the client gets.
type NotFoundError struct{ text string }

// Error gives the text.
func (e *NotFoundError) Error() string { return e.text }

// publicState is the public namespace _lifecycle as one simulation sees it.
type publicState struct{ sim *ledger.Simulator }

func (p publicState) Get(key string) ([]byte, error) {
	return p.sim.GetState(wire.LifecycleNamespace, key)
}
func (p publicState) Put(key string, value []byte) error {
	return p.sim.PutState(wire.LifecycleNamespace, key, value)
}
func (p publicState) Delete(key string) error { return p.sim.DelState(wire.LifecycleNamespace, key) }

// orgState is the implicit collection of one organisation, in plain text. Only its
// own peers have it.
type orgState struct {
	sim        *ledger.Simulator
	collection string
}

func (o orgState) Get(key string) ([]byte, error) {
	return o.sim.GetPrivate(wire.LifecycleNamespace, o.collection, key)
}
func (o orgState) Put(key string, value []byte) error {
	return o.sim.PutPrivate(wire.LifecycleNamespace, o.collection, key, value)
}
func (o orgState) Delete(key string) error {
	return o.sim.DelPrivate(wire.LifecycleNamespace, o.collection, key)
}

// hashed reads the hash of a value in an organisation's implicit collection,
// which every peer of the channel has.
type hashed func(key string) ([]byte, error)

// differing compares a record with the hashes that an organisation's approval
// left in public, and names the parts that differ: none means that it approved
// exactly this. All hashes are read before any is compared, so that the read set of
// a commit does not depend on who approved what.
func differing(hash hashed, name string, r record) ([]string, error) {
	head, err := r.metadata()
	if err != nil {
		return nil, err
	}
	read := func(key string, value []byte) (same bool, err error) {
		found, err := hash(key)
		if err != nil {
			return false, fmt.Errorf("could not get value for key %s: %w", key, err)
		}
		return string(found) == string(wire.Hash(value)), nil
	}
	same, err := read(wire.MetadataKey(wire.SectionNamespaces, name), head)
	if err != nil {
		return nil, err
	}
	var items []string
	for _, f := range r.fields {
		same, err := read(wire.FieldKey(wire.SectionNamespaces, name, f.name), f.value)
		if err != nil {
			return nil, err
		}
		if !same {
			items = append(items, f.name)
		}
	}
	if !same { // another name or sequence: its fields say nothing
		return []string{r.datatype}, nil
	}
	return items, nil
}

// Peer is what installing asks of the peer that _lifecycle is part of.
type Peer interface {
	// Install builds and stores a package and tells all channels.
	Install(raw []byte) (*chaincode.Package, error)
	// Users tells which definitions of which channels run a package here.
	Users(packageID string) map[string][]*Definition
}

// Call is one invocation of the system chaincode _lifecycle.
type Call struct {
	Peer  Peer
	Host  *chaincode.Host
	MSPID string // the peer's own organisation
	// Allow tells whether the caller may use a function, named as an ACL's resource;
	// admins says that without a rule of the channel only the peer's administrators may.
	Allow func(resource string, admins bool) error

	Channel string
	Bundle  *channelconfig.Bundle // nil for a call that concerns no channel
	Sim     *ledger.Simulator     // likewise
}

// function is one function: whether it belongs to a channel, whether only the peer's
// own administrators may call it, and what it does.
type function struct {
	onChannel bool
	admins    bool
	call      func(c *Call, args []byte) (proto.Message, error)
}

// functions is the interface of _lifecycle (wire.md G.1).
func functions(name string) (function, bool) {
	switch name {
	case "InstallChaincode":
		return function{admins: true, call: (*Call).install}, true
	case "QueryInstalledChaincode":
		return function{admins: true, call: (*Call).queryInstalled}, true
	case "QueryInstalledChaincodes":
		return function{admins: true, call: (*Call).queryAllInstalled}, true
	case "GetInstalledChaincodePackage":
		return function{admins: true, call: (*Call).installedPackage}, true
	case "ApproveChaincodeDefinitionForMyOrg":
		return function{onChannel: true, admins: true, call: (*Call).approve}, true
	case "QueryApprovedChaincodeDefinition":
		return function{onChannel: true, admins: true, call: (*Call).queryApproved}, true
	case "QueryApprovedChaincodeDefinitions":
		return function{onChannel: true, admins: true, call: (*Call).queryAllApproved}, true
	case "CheckCommitReadiness":
		return function{onChannel: true, call: (*Call).readiness}, true
	case "CommitChaincodeDefinition":
		return function{onChannel: true, call: (*Call).commit}, true
	case "QueryChaincodeDefinition":
		return function{onChannel: true, call: (*Call).queryDefinition}, true
	case "QueryChaincodeDefinitions":
		return function{onChannel: true, call: (*Call).queryAllDefinitions}, true
	}
	return function{}, false
}

// Run calls a function. What it answers is a message; its errors are for the caller.
func (c *Call) Run(args [][]byte) ([]byte, error) {
	if len(args) == 0 {
		return nil, errors.New("lifecycle scc must be invoked with arguments")
	}
	if len(args) != 2 {
		return nil, fmt.Errorf("lifecycle scc operations require exactly two arguments but received %d", len(args))
	}
	name := string(args[0])
	resource := wire.LifecycleNamespace + "/" + name
	f, known := functions(name)
	if !known {
		return nil, fmt.Errorf("Failed to authorize invocation due to failed ACL check: Unmapped policy for %s", resource)
	}
	if err := c.Allow(resource, f.admins); err != nil {
		return nil, fmt.Errorf("Failed to authorize invocation due to failed ACL check: %w", err)
	}
	if f.onChannel && c.Sim == nil {
		return nil, fmt.Errorf("failed to invoke backing implementation of '%s': could not get channel config for channel '%s': the call names no channel", name, c.Channel)
	}
	result, err := f.call(c, args[1])
	var none *NotFoundError
	if errors.As(err, &none) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("failed to invoke backing implementation of '%s': %w", name, err)
	}
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("failed to marshal result: %w", err)
	}
	return payload, nil
}

// decodeArgs decodes the one argument that every function takes.
func decodeArgs(raw []byte, into proto.Message) error {
	if err := proto.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("could not decode input arg: %w", err)
	}
	return nil
}

// definitionArgs is what approve, commit and readiness have in common.
type definitionArgs interface {
	GetSequence() int64
	GetName() string
	GetVersion() string
	GetEndorsementPlugin() string
	GetValidationPlugin() string
	GetValidationParameter() []byte
	GetCollections() *peerpb.CollectionConfigPackage
	GetInitRequired() bool
}

func definitionFrom(args definitionArgs) *Definition {
	return &Definition{
		Name: args.GetName(), Sequence: args.GetSequence(), Version: args.GetVersion(),
		EndorsementPlugin: args.GetEndorsementPlugin(), ValidationPlugin: args.GetValidationPlugin(),
		ValidationParameter: args.GetValidationParameter(), Collections: args.GetCollections(),
		InitRequired: args.GetInitRequired(),
	}
}

// checkNew refuses definitions that could never work, whatever their sequence:
// bad names, and collections that are wrong or contradict the committed ones.
func (c *Call) checkNew(d *Definition) error {
	if err := d.checkNames(); err != nil {
		return fmt.Errorf("error validating chaincode definition: %w", err)
	}
	if err := checkCollections(d.Collections, c.Bundle); err != nil {
		return fmt.Errorf("error validating chaincode definition: %w", err)
	}
	committed, err := c.committed(d.Name)
	if err != nil {
		return fmt.Errorf("error validating chaincode definition: could not retrieve committed definition for chaincode '%s': %w", d.Name, err)
	}
	if committed == nil {
		return nil
	}
	if err := checkCollectionChange(committed.collections(), d.collections()); err != nil {
		return fmt.Errorf("error validating chaincode definition: %w", err)
	}
	return nil
}

// committed reads the present definition through the simulation, with the same
// reads that a Fabric peer leaves: all its fields, or where there is none the
// key of a definition in the old form.
func (c *Call) committed(name string) (*Definition, error) {
	d, err := readDefinition(publicState{c.Sim}.Get, name)
	if err != nil || d != nil {
		return d, err
	}
	_, err = c.Sim.GetState(wire.LegacyNamespace, name)
	return nil, err
}

// orgHashes gives the hashes that an organisation's approvals left in public.
func (c *Call) orgHashes(mspID string) hashed {
	return func(key string) ([]byte, error) {
		return c.Sim.GetPrivateHash(wire.LifecycleNamespace, ImplicitCollection(mspID), key)
	}
}

// approvals compares a definition with what every organisation approved. The
// items name the differences of those that did not approve it.
func (c *Call) approvals(d *Definition) (approved map[string]bool, items map[string][]string, err error) {
	r, err := d.parameters()
	if err != nil {
		return nil, nil, err
	}
	approved, items = map[string]bool{}, map[string][]string{}
	for _, mspID := range c.Bundle.ApplicationOrgs() {
		differences, err := differing(c.orgHashes(mspID), approvalName(d.Name, d.Sequence), r)
		if err != nil {
			return nil, nil, fmt.Errorf("serialization check failed for key %s: %w", approvalName(d.Name, d.Sequence), err)
		}
		approved[mspID] = len(differences) == 0
		if len(differences) > 0 {
			items[mspID] = differences
		}
	}
	return approved, items, nil
}

// approve writes what the peer's own organisation agrees to.
func (c *Call) approve(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.ApproveChaincodeDefinitionForMyOrgArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	d := definitionFrom(args)
	if err := c.checkNew(d); err != nil {
		return nil, err
	}
	current, err := c.checkApprovedSequence(d)
	if err != nil {
		return nil, err
	}
	packageID := args.GetSource().GetLocalPackage().GetPackageId()
	own := orgState{c.Sim, ImplicitCollection(c.MSPID)}
	if repeated, err := repeatedApproval(own.Get, d, packageID); err != nil {
		return nil, err
	} else if repeated && d.Sequence == current {
		return nil, fmt.Errorf("attempted to redefine the current committed sequence (%d) for namespace %s", d.Sequence, d.Name)
	} else if repeated {
		return nil, fmt.Errorf("attempted to redefine uncommitted sequence (%d) for namespace %s with unchanged content", d.Sequence, d.Name)
	}
	parameters, err1 := d.parameters()
	source, err2 := sourceRecord(packageID)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	name := approvalName(d.Name, d.Sequence)
	if err := writeRecord(own, wire.SectionNamespaces, name, parameters); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode parameters to state: %w", err)
	}
	if err := writeRecord(own, wire.SectionSources, name, source); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode package info to state: %w", err)
	}
	return &lifecyclepb.ApproveChaincodeDefinitionForMyOrgResult{}, nil
}

// checkApprovedSequence lets an organisation approve the next definition, or
// the present one again if it is the same (to name another package, say).
func (c *Call) checkApprovedSequence(d *Definition) (current int64, err error) {
	current, err = readSequence(publicState{c.Sim}.Get, d.Name)
	if err != nil {
		return 0, fmt.Errorf("could not get current sequence: %w", err)
	}
	switch {
	case d.Sequence == current && current == 0:
		return 0, errors.New("requested sequence is 0, but first definable sequence number is 1")
	case d.Sequence < current:
		return 0, fmt.Errorf("currently defined sequence %d is larger than requested sequence %d", current, d.Sequence)
	case d.Sequence > current+1:
		return 0, fmt.Errorf("requested sequence %d is larger than the next available sequence number %d", d.Sequence, current+1)
	}
	if err := d.applyDefaults(); err != nil {
		return 0, err
	}
	if d.Sequence != current {
		return current, nil
	}
	committed, err := readDefinition(publicState{c.Sim}.Get, d.Name)
	if err != nil {
		return 0, err
	}
	if committed == nil {
		return 0, fmt.Errorf("missing metadata for currently committed sequence number (%d)", current)
	}
	if err := committed.sameParameters(d); err != nil {
		return 0, fmt.Errorf("attempted to redefine the current committed sequence (%d) for namespace %s with different parameters: %w", current, d.Name, err)
	}
	return current, nil
}

// repeatedApproval tells whether an approval would change nothing.
func repeatedApproval(own wire.RecordReader, d *Definition, packageID string) (bool, error) {
	before, err := readApproval(own, d.Name, d.Sequence)
	if err != nil {
		return false, fmt.Errorf("could not deserialize namespace %s as chaincode: %w", approvalName(d.Name, d.Sequence), err)
	}
	if before == nil || before.sameParameters(d) != nil {
		return false, nil
	}
	id, ok, err := readPackageID(own, d.Name, d.Sequence)
	return ok && id == packageID, err
}

// checkNextSequence is the stricter rule for readiness and commit.
func (c *Call) checkNextSequence(d *Definition) error {
	current, err := readSequence(publicState{c.Sim}.Get, d.Name)
	if err != nil {
		return fmt.Errorf("could not get current sequence: %w", err)
	}
	if d.Sequence != current+1 {
		return fmt.Errorf("requested sequence is %d, but new definition must be sequence %d", d.Sequence, current+1)
	}
	return d.applyDefaults()
}

// readiness tells which organisations have approved a definition. It does not ask
// whether the definition could ever work: commit does.
func (c *Call) readiness(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.CheckCommitReadinessArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	d := definitionFrom(args)
	if err := c.checkNextSequence(d); err != nil {
		return nil, err
	}
	approved, items, err := c.approvals(d)
	if err != nil {
		return nil, err
	}
	result := &lifecyclepb.CheckCommitReadinessResult{Approvals: approved}
	for mspID, list := range items {
		if result.Mismatches == nil {
			result.Mismatches = map[string]*lifecyclepb.CheckCommitReadinessResult_Mismatches{}
		}
		result.Mismatches[mspID] = &lifecyclepb.CheckCommitReadinessResult_Mismatches{Items: list}
	}
	return result, nil
}

// commit writes a definition for the whole channel. Whether enough organisations
// agree is decided by the endorsement policy of this very transaction; here only
// the peer's own organisation must have.
func (c *Call) commit(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.CommitChaincodeDefinitionArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	d := definitionFrom(args)
	if err := c.checkNew(d); err != nil {
		return nil, err
	}
	if err := c.checkNextSequence(d); err != nil {
		return nil, err
	}
	approved, _, err := c.approvals(d)
	if err != nil {
		return nil, err
	}
	if own := c.MSPID; !approved[own] {
		return nil, fmt.Errorf("chaincode definition not agreed to by this org (%s)", own)
	}
	r, err := d.record()
	if err != nil {
		return nil, err
	}
	if err := writeRecord(publicState{c.Sim}, wire.SectionNamespaces, d.Name, r); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode definition: %w", err)
	}
	return &lifecyclepb.CommitChaincodeDefinitionResult{}, nil
}

// definedNames lists the chaincodes that the channel has defined, in order. The
// range that it walks over is part of the read set, as with a Fabric peer.
func (c *Call) definedNames() ([]string, error) {
	prefix := wire.MetadataKey(wire.SectionNamespaces, "")
	it, err := c.Sim.GetRange(wire.LifecycleNamespace, prefix, prefix+"\x7f")
	return afterPrefixes(it, err, prefix)
}

// approvedNames lists what the peer's organisation has approved, as NAME#SEQUENCE:
// committed or not, past and present.
func (c *Call) approvedNames() ([]string, error) {
	prefix := wire.MetadataKey(wire.SectionNamespaces, "")
	it, err := c.Sim.GetPrivateRange(wire.LifecycleNamespace, ImplicitCollection(c.MSPID), prefix, prefix+"\x7f")
	return afterPrefixes(it, err, prefix)
}

// afterPrefixes gives the keys of a range without their prefix.
func afterPrefixes(it *ledger.RangeIterator, err error, prefix string) ([]string, error) {
	if err != nil {
		return nil, err
	}
	var names []string
	for {
		kv, ok, err := it.Next()
		if err != nil || !ok {
			return names, err
		}
		names = append(names, strings.TrimPrefix(kv.GetKey(), prefix))
	}
}
