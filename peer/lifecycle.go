package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// errNoSuchThing makes an answer of _lifecycle a 404 instead of a 500. The text
// is all that the client gets.
type errNoSuchThing struct{ text string }

func (e *errNoSuchThing) Error() string { return e.text }

// publicFields is the public namespace _lifecycle as one simulation sees it.
type publicFields struct{ sim *ledger.Simulator }

func (p publicFields) Get(key string) ([]byte, error) { return p.sim.GetState(lifecycleNamespace, key) }
func (p publicFields) Put(key string, value []byte) error {
	return p.sim.PutState(lifecycleNamespace, key, value)
}
func (p publicFields) Delete(key string) error { return p.sim.DelState(lifecycleNamespace, key) }

// orgFields is the implicit collection of one organisation, in plain text. Only
// its own peers have it.
type orgFields struct {
	sim        *ledger.Simulator
	collection string
}

func (o orgFields) Get(key string) ([]byte, error) {
	return o.sim.GetPrivate(lifecycleNamespace, o.collection, key)
}
func (o orgFields) Put(key string, value []byte) error {
	return o.sim.PutPrivate(lifecycleNamespace, o.collection, key, value)
}
func (o orgFields) Delete(key string) error {
	return o.sim.DelPrivate(lifecycleNamespace, o.collection, key)
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
	same, err := read(metadataKey(sectionNamespaces, name), head)
	if err != nil {
		return nil, err
	}
	var items []string
	for _, f := range r.fields {
		same, err := read(fieldKey(sectionNamespaces, name, f.name), f.value)
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

// lifecycleCall is one invocation of the system chaincode _lifecycle.
type lifecycleCall struct {
	peer    *Peer
	tx      *transaction
	channel *channel          // nil for calls that concern no channel
	sim     *ledger.Simulator // likewise
}

// lifecycleFunction is one function: whether it belongs to a channel, whether
// only the peer's own administrators may call it, and what it does.
type lifecycleFunction struct {
	onChannel bool
	admins    bool
	call      func(c *lifecycleCall, ctx context.Context, args []byte) (proto.Message, error)
}

// lifecycleFunctions is the interface of _lifecycle (wire.md G.1).
func lifecycleFunctions(name string) (lifecycleFunction, bool) {
	switch name {
	case "InstallChaincode":
		return lifecycleFunction{admins: true, call: (*lifecycleCall).install}, true
	case "QueryInstalledChaincode":
		return lifecycleFunction{admins: true, call: (*lifecycleCall).queryInstalled}, true
	case "QueryInstalledChaincodes":
		return lifecycleFunction{admins: true, call: (*lifecycleCall).queryAllInstalled}, true
	case "GetInstalledChaincodePackage":
		return lifecycleFunction{admins: true, call: (*lifecycleCall).installedPackage}, true
	case "ApproveChaincodeDefinitionForMyOrg":
		return lifecycleFunction{onChannel: true, admins: true, call: (*lifecycleCall).approve}, true
	case "QueryApprovedChaincodeDefinition":
		return lifecycleFunction{onChannel: true, admins: true, call: (*lifecycleCall).queryApproved}, true
	case "QueryApprovedChaincodeDefinitions":
		return lifecycleFunction{onChannel: true, admins: true, call: (*lifecycleCall).queryAllApproved}, true
	case "CheckCommitReadiness":
		return lifecycleFunction{onChannel: true, call: (*lifecycleCall).readiness}, true
	case "CommitChaincodeDefinition":
		return lifecycleFunction{onChannel: true, call: (*lifecycleCall).commit}, true
	case "QueryChaincodeDefinition":
		return lifecycleFunction{onChannel: true, call: (*lifecycleCall).queryDefinition}, true
	case "QueryChaincodeDefinitions":
		return lifecycleFunction{onChannel: true, call: (*lifecycleCall).queryAllDefinitions}, true
	}
	return lifecycleFunction{}, false
}

// lifecycle runs a function of _lifecycle.
func (tx *transaction) lifecycle(ctx context.Context, on *channel, sim *ledger.Simulator, args [][]byte) *peerpb.Response {
	if len(args) == 0 {
		return failure(500, "lifecycle scc must be invoked with arguments")
	}
	if len(args) != 2 {
		return failure(500, fmt.Sprintf("lifecycle scc operations require exactly two arguments but received %d", len(args)))
	}
	name := string(args[0])
	function, known := lifecycleFunctions(name)
	if err := tx.checkLifecycleAccess(on, name, known, function.admins); err != nil {
		return failure(500, fmt.Sprintf("Failed to authorize invocation due to failed ACL check: %s", err))
	}
	if !known {
		return failure(500, fmt.Sprintf("failed to invoke backing implementation of '%s': _lifecycle has no such function", name))
	}
	if function.onChannel && sim == nil {
		return failure(500, fmt.Sprintf("failed to invoke backing implementation of '%s': could not get channel config for channel '%s': the call names no channel", name, tx.channelName()))
	}
	call := &lifecycleCall{peer: tx.peer, tx: tx, channel: on, sim: sim}
	result, err := function.call(call, ctx, args[1])
	var none *errNoSuchThing
	if errors.As(err, &none) {
		return failure(404, none.text)
	}
	if err != nil {
		return failure(500, fmt.Sprintf("failed to invoke backing implementation of '%s': %s", name, err))
	}
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(result)
	if err != nil {
		return failure(500, fmt.Sprintf("failed to marshal result: %s", err))
	}
	return &peerpb.Response{Status: 200, Payload: payload}
}

// checkLifecycleAccess applies the default rules (wire.md G.6); the channel's
// ACLs can redirect those that belong to the channel.
func (tx *transaction) checkLifecycleAccess(on *channel, name string, known, admins bool) error {
	resource := lifecycleNamespace + "/" + name
	if !known {
		return fmt.Errorf("Unmapped policy for %s", resource)
	}
	if on != nil && on.settings().bundle.ACL(resource) != "" {
		return tx.mayUse(on, resource)
	}
	if admins {
		return tx.peer.locals.checkAdmin(tx.proposal.Creator())
	}
	return fmt.Errorf("%s belongs to a channel, and the call names none", resource)
}

// failure is an answer of a system chaincode that is not a success.
func failure(status int32, message string) *peerpb.Response {
	return &peerpb.Response{Status: status, Message: plainText(message)}
}

// plainText makes a text fit for a message: parts of it may be a caller's bytes.
func plainText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

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
func (c *lifecycleCall) checkNew(d *Definition) error {
	if err := d.checkNames(); err != nil {
		return fmt.Errorf("error validating chaincode definition: %w", err)
	}
	if err := checkCollections(d.Collections, c.channel.settings().bundle); err != nil {
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
func (c *lifecycleCall) committed(name string) (*Definition, error) {
	d, err := readDefinition(publicFields{c.sim}, name)
	if err != nil || d != nil {
		return d, err
	}
	_, err = c.sim.GetState(legacyNamespace, name)
	return nil, err
}

// orgHashes gives the hashes that an organisation's approvals left in public.
func (c *lifecycleCall) orgHashes(mspID string) hashed {
	return func(key string) ([]byte, error) {
		return c.sim.GetPrivateHash(lifecycleNamespace, implicitCollection(mspID), key)
	}
}

// approvals compares a definition with what every organisation approved. The
// items name the differences of those that did not approve it.
func (c *lifecycleCall) approvals(d *Definition) (approved map[string]bool, items map[string][]string, err error) {
	r, err := d.parameters()
	if err != nil {
		return nil, nil, err
	}
	approved, items = map[string]bool{}, map[string][]string{}
	for _, mspID := range c.channel.settings().bundle.ApplicationOrgs() {
		differences, err := differing(c.orgHashes(mspID), privateName(d.Name, d.Sequence), r)
		if err != nil {
			return nil, nil, fmt.Errorf("serialization check failed for key %s: %w", privateName(d.Name, d.Sequence), err)
		}
		approved[mspID] = len(differences) == 0
		if len(differences) > 0 {
			items[mspID] = differences
		}
	}
	return approved, items, nil
}

// approve writes what the peer's own organisation agrees to.
func (c *lifecycleCall) approve(_ context.Context, raw []byte) (proto.Message, error) {
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
	own := orgFields{c.sim, implicitCollection(c.peer.config.MSPID)}
	if repeated, err := repeatedApproval(own, d, packageID); err != nil {
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
	name := privateName(d.Name, d.Sequence)
	if err := writeRecord(own, sectionNamespaces, name, parameters); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode parameters to state: %w", err)
	}
	if err := writeRecord(own, sectionSources, name, source); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode package info to state: %w", err)
	}
	return &lifecyclepb.ApproveChaincodeDefinitionForMyOrgResult{}, nil
}

// checkApprovedSequence lets an organisation approve the next definition, or
// the present one again if it is the same (to name another package, say).
func (c *lifecycleCall) checkApprovedSequence(d *Definition) (current int64, err error) {
	current, err = readSequence(publicFields{c.sim}, d.Name)
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
	committed, err := readDefinition(publicFields{c.sim}, d.Name)
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
func repeatedApproval(own fieldState, d *Definition, packageID string) (bool, error) {
	before, err := readApproval(own, d.Name, d.Sequence)
	if err != nil {
		return false, fmt.Errorf("could not deserialize namespace %s as chaincode: %w", privateName(d.Name, d.Sequence), err)
	}
	if before == nil || before.sameParameters(d) != nil {
		return false, nil
	}
	id, ok, err := readPackageID(own, d.Name, d.Sequence)
	return ok && id == packageID, err
}

// checkNextSequence is the stricter rule for readiness and commit.
func (c *lifecycleCall) checkNextSequence(d *Definition) error {
	current, err := readSequence(publicFields{c.sim}, d.Name)
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
func (c *lifecycleCall) readiness(_ context.Context, raw []byte) (proto.Message, error) {
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
func (c *lifecycleCall) commit(_ context.Context, raw []byte) (proto.Message, error) {
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
	if own := c.peer.config.MSPID; !approved[own] {
		return nil, fmt.Errorf("chaincode definition not agreed to by this org (%s)", own)
	}
	r, err := d.record()
	if err != nil {
		return nil, err
	}
	if err := writeRecord(publicFields{c.sim}, sectionNamespaces, d.Name, r); err != nil {
		return nil, fmt.Errorf("could not serialize chaincode definition: %w", err)
	}
	return &lifecyclepb.CommitChaincodeDefinitionResult{}, nil
}

// definedNames lists the chaincodes that the channel has defined, in order. The
// range that it walks over is part of the read set, as with a Fabric peer.
func (c *lifecycleCall) definedNames() ([]string, error) {
	prefix := metadataKey(sectionNamespaces, "")
	it, err := c.sim.GetRange(lifecycleNamespace, prefix, prefix+"\x7f")
	return afterPrefixes(it, err, prefix)
}

// approvedNames lists what the peer's organisation has approved, as NAME#SEQUENCE:
// committed or not, past and present.
func (c *lifecycleCall) approvedNames() ([]string, error) {
	prefix := metadataKey(sectionNamespaces, "")
	it, err := c.sim.GetPrivateRange(lifecycleNamespace, implicitCollection(c.peer.config.MSPID), prefix, prefix+"\x7f")
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

// afterPrefix is the first key that is larger than every key with the prefix,
// which must end with an ASCII character.
func afterPrefix(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}
