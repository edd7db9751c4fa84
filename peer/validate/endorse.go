package validate

import (
	"slices"
	"strings"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// writtenNamespace is a namespace whose policies a transaction must satisfy: the
// invoked chaincode's, and every one that it writes to (wire.md F.2).
type writtenNamespace struct {
	name     string
	rwset    *wire.NsRWSet // nil if the transaction touched nothing there
	accepted bool          // its policies are satisfied, whatever becomes of the transaction
	reason   *Reason       // why not
}

// findWritten is step 15: it lists the written namespaces and refuses a
// read-write set that lists one twice. The invoked chaincode comes first, the
// others by name; Fabric takes them in random order.
func (t *transaction) findWritten() bool {
	t.written = append(t.written, writtenNamespace{name: t.chaincode})
	seen := make(map[string]struct{}, len(t.rwset.Namespaces))
	for i := range t.rwset.Namespaces {
		ns := &t.rwset.Namespaces[i]
		if _, twice := seen[ns.Name]; twice {
			return t.fail(peerpb.TxValidationCode_ILLEGAL_WRITESET, KindNamespace, "The read-write set lists namespace %q twice.", ns.Name)
		}
		seen[ns.Name] = struct{}{}
		switch {
		case ns.Name == t.chaincode:
			t.written[0].rwset = ns
		case writes(ns):
			t.written = append(t.written, writtenNamespace{name: ns.Name, rwset: ns})
		}
	}
	slices.SortStableFunc(t.written[1:], func(a, b writtenNamespace) int { return strings.Compare(a.name, b.name) })
	return true
}

// writes tells whether anything is written in a namespace.
func writes(ns *wire.NsRWSet) bool {
	for range touchedKeys(ns) {
		return true
	}
	return false
}

// touchedKeys visits every key that a transaction writes or whose metadata it
// writes, in the order in which their policies are asked for: public values,
// public metadata, private values, private metadata.
func touchedKeys(ns *wire.NsRWSet) func(yield func(stateKey) bool) {
	return func(yield func(stateKey) bool) {
		if ns == nil {
			return
		}
		for _, w := range ns.KV.GetWrites() {
			if !yield(stateKey{ns: ns.Name, key: w.GetKey()}) {
				return
			}
		}
		for _, w := range ns.KV.GetMetadataWrites() {
			if !yield(stateKey{ns: ns.Name, key: w.GetKey()}) {
				return
			}
		}
		for i := range ns.Collections {
			c := &ns.Collections[i]
			for _, w := range c.Hashed.GetHashedWrites() {
				if !yield(stateKey{ns: ns.Name, coll: c.Name, key: string(w.GetKeyHash())}) {
					return
				}
			}
		}
		for key := range hashedMetadataKeys(ns) {
			if !yield(key) {
				return
			}
		}
	}
}

func hashedMetadataKeys(ns *wire.NsRWSet) func(yield func(stateKey) bool) {
	return func(yield func(stateKey) bool) {
		for i := range ns.Collections {
			c := &ns.Collections[i]
			for _, w := range c.Hashed.GetMetadataWrites() {
				if !yield(stateKey{ns: ns.Name, coll: c.Name, key: string(w.GetKeyHash())}) {
					return
				}
			}
		}
	}
}

// endorsements judges the policies of one transaction, each once.
type endorsements struct {
	keys  *keyPolicies
	t     *transaction
	asked map[*namedPolicy]bool
}

// judge decides every written namespace of the transaction for itself, and the
// transaction by the first that fails.
func (e *endorsements) judge(definitions map[string]*definition, state committed) {
	for i := range e.t.written {
		w := &e.t.written[i]
		d := definitions[w.name]
		if d.problem != "" {
			w.reason = &Reason{
				Code: peerpb.TxValidationCode_INVALID_CHAINCODE, Kind: KindDefinition, Namespace: w.name,
				Text: sprintf("The transaction %s namespace %q, but %s.", touches(w), w.name, d.problem),
			}
		} else {
			w.reason = e.namespace(w, d, state)
		}
		w.accepted = w.reason == nil
	}
	e.t.conclude()
}

func touches(w *writtenNamespace) string {
	if w.rwset != nil && writes(w.rwset) {
		return "writes to"
	}
	return "invokes"
}

// conclude makes the first failed namespace the transaction's reason.
func (t *transaction) conclude() {
	for i := range t.written {
		if t.written[i].reason != nil {
			t.reason = t.written[i].reason
			return
		}
	}
}

// namespace asks the policies of all keys touched in one namespace (wire.md F.4):
// a key's own policy, else the collection's, else the chaincode's; and the
// chaincode's in any case if nothing else was asked.
func (e *endorsements) namespace(w *writtenNamespace, d *definition, state committed) *Reason {
	asked := false
	for key := range touchedKeys(w.rwset) {
		p, reason := e.policyOf(key, d, state)
		if reason == nil {
			reason = e.check(p, key)
		}
		if reason != nil {
			return reason
		}
		asked = true
	}
	if asked {
		return nil
	}
	return e.check(d.policy, stateKey{ns: w.name})
}

// policyOf finds the policy that a write of the key must satisfy.
func (e *endorsements) policyOf(key stateKey, d *definition, state committed) (*namedPolicy, *Reason) {
	collection := d.policy
	if key.coll != "" {
		var ok bool
		if collection, ok = d.collection(key.coll); !ok {
			return nil, &Reason{
				Code: peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE, Kind: KindCollection,
				Namespace: key.ns, Collection: key.coll, Key: key.show(),
				Text: sprintf("The transaction writes to collection %q of chaincode %s, and no such collection is defined.", key.coll, key.ns),
			}
		}
	}
	if own := e.keys.find(key, state[key].Metadata); own != nil {
		return own, nil
	}
	return collection, nil
}

// check evaluates one policy, once.
func (e *endorsements) check(p *namedPolicy, key stateKey) *Reason {
	satisfied, known := e.asked[p]
	if !known {
		satisfied = p.rule != nil && p.rule.Evaluate(e.t.ids)
		if e.asked == nil {
			e.asked = make(map[*namedPolicy]bool, 2)
		}
		e.asked[p] = satisfied
	}
	if satisfied {
		return nil
	}
	r := &Reason{
		Code: peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE, Kind: KindPolicy,
		Namespace: key.ns, Collection: key.coll, Key: key.show(), PolicyName: p.name, PolicyPath: p.path, Endorsers: e.t.endorsers,
	}
	if r.PolicyName == "" {
		r.PolicyName = "key " + r.Key
	}
	if p.rule != nil {
		r.Policy = p.rule.Explain(e.t.ids)
	}
	r.Text = policyText(r, p)
	return r
}

// verifyEndorsements finds out whose endorsements hold: each signs the response payload
// and its own identity.
func (t *transaction) verifyEndorsements(members *msp.Set) {
	list := t.endorsed.GetEndorsements()
	payload := t.endorsed.GetProposalResponsePayload()
	signed := make([]policy.Signed, len(list))
	for i, endorsement := range list {
		endorser := endorsement.GetEndorser()
		signed[i] = policy.Signed{Data: payload, More: endorser, Identity: endorser, Signature: endorsement.GetSignature()}
	}
	ids, rejected := policy.Identities(members, signed)
	t.ids, t.endorsers = ids, endorsers(len(list), ids, rejected)
}

// endorsers lists all endorsements in their order, with what became of each.
func endorsers(count int, ids []*msp.Identity, rejected []policy.Rejected) []Endorser {
	out := make([]Endorser, 0, count)
	for i := range count {
		if len(rejected) > 0 && rejected[0].Index == i {
			who := rejected[0].Who
			if who == "" {
				who = "somebody unreadable"
			}
			why := strings.ReplaceAll(clean(rejected[0].Why), who+": ", "")
			out = append(out, Endorser{Who: who, Why: why})
			rejected = rejected[1:]
			continue
		}
		out = append(out, Endorser{Who: ids[0].String(), Accepted: true})
		ids = ids[1:]
	}
	return out
}

// applyKeyRule rejects transactions that touch a key whose own policy an earlier
// transaction of the block changes: under which policy they would have to be
// judged is not known before that one is committed. Only a transaction that
// passed the policies of the namespace counts; whether it turns out valid in the
// end does not matter (wire.md F.4).
func applyKeyRule(block uint64, txs []*transaction) {
	setters := map[stateKey]*transaction{} // who accepted first sets the key's metadata
	for _, t := range txs {
		for i := range t.written {
			w := &t.written[i]
			if !w.accepted || len(setters) == 0 {
				continue
			}
			for key := range touchedKeys(w.rwset) {
				if setter := setters[key]; setter != nil {
					w.accepted, w.reason = false, keyChanged(block, key, setter)
					break
				}
			}
		}
		if len(t.written) > 0 {
			t.conclude()
		}
		for i := range t.written {
			w := &t.written[i]
			if !w.accepted || w.rwset == nil {
				continue
			}
			for key := range metadataKeys(w.rwset) {
				if setters[key] == nil {
					setters[key] = t
				}
			}
		}
	}
}

func keyChanged(block uint64, key stateKey, setter *transaction) *Reason {
	return &Reason{
		Code: peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE, Kind: KindKeyChanged,
		Namespace: key.ns, Collection: key.coll, Key: key.show(),
		By: &Writer{TxID: setter.txID, Block: block, Tx: uint64(setter.index), SameBlock: true, Did: "set the policy of"},
		Text: sprintf("Transaction %s, earlier in this same block, sets the endorsement policy of %s. Until that is committed nobody can say which policy a change of it must satisfy, so peers drop it.",
			shortID(setter.txID), key.say()),
	}
}

// metadataKeys visits the keys whose metadata a transaction writes.
func metadataKeys(ns *wire.NsRWSet) func(yield func(stateKey) bool) {
	return func(yield func(stateKey) bool) {
		for _, w := range ns.KV.GetMetadataWrites() {
			if !yield(stateKey{ns: ns.Name, key: w.GetKey()}) {
				return
			}
		}
		for key := range hashedMetadataKeys(ns) {
			if !yield(key) {
				return
			}
		}
	}
}

// keyPolicyField names the entry of a key's metadata that holds its policy
// (peer.MetaDataKeys).
const keyPolicyField = "VALIDATION_PARAMETER"

// findKeyPolicy takes the policy bytes out of a key's metadata, nil if there are none.
func findKeyPolicy(metadata []byte) []byte {
	if len(metadata) == 0 {
		return nil
	}
	var entries kvrwsetpb.KVMetadataWrite
	if proto.Unmarshal(metadata, &entries) != nil {
		return nil // metadata is written by this program only
	}
	var found []byte
	for _, entry := range entries.GetEntries() {
		if entry.GetName() == keyPolicyField {
			found = entry.GetValue() // of two entries the last one counts
		}
	}
	return found
}

// keyPolicies remembers the policies of keys that were parsed before, by their
// bytes: all keys of an application tend to have the same few. Its methods may be
// called at the same time.
type keyPolicies struct {
	mu     sync.Mutex
	parsed map[string]*namedPolicy
}

// maxKeyPolicies bounds what is remembered; beyond it everything is forgotten.
const maxKeyPolicies = 1024

// find gives a key's own policy, nil if it has none.
func (k *keyPolicies) find(key stateKey, metadata []byte) *namedPolicy {
	raw := findKeyPolicy(metadata)
	if len(raw) == 0 {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if p, ok := k.parsed[string(raw)]; ok {
		return p
	}
	if k.parsed == nil || len(k.parsed) >= maxKeyPolicies {
		k.parsed = make(map[string]*namedPolicy)
	}
	p := parseKeyPolicy(raw)
	k.parsed[string(raw)] = p
	return p
}

// parseKeyPolicy makes a policy of the bytes in a key's metadata. It is named when
// it is reported: many keys may share it.
func parseKeyPolicy(raw []byte) *namedPolicy {
	var envelope commonpb.SignaturePolicyEnvelope
	if err := proto.Unmarshal(raw, &envelope); err != nil {
		return &namedPolicy{problem: "it cannot be decoded: " + clean(err)}
	}
	return signaturePolicy("", &envelope)
}
