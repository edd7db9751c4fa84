package validate_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sort"
	"strings"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// The reference judges a description of a block, not its bytes, in the slowest
// and most obvious way: whole copies of the state, plain loops, one transaction
// after the other. It shares nothing with the validator.

// refVersion is block and transaction.
type refVersion struct{ block, tx int }

// refKey names a key; coll "" is public.
type refKey struct{ ns, coll, key string }

type refEntry struct {
	value   string
	policy  string // "" for none, else a name that refPolicyHolds knows
	version refVersion
}

type refState map[refKey]refEntry

func (s refState) clone() refState {
	c := refState{}
	for k, e := range s {
		c[k] = e
	}
	return c
}

// The descriptions that the generator makes.
type refRead struct {
	key     refKey
	version *refVersion
}

type refRange struct {
	ns, start, end string
	exhausted      bool
	results        []refResult // as recorded
	degree         int         // of the tree of hashes, 0 for a plain list
}

type refResult struct {
	key     string
	version refVersion
}

type refWrite struct {
	key    refKey
	value  string  // "" is a delete
	policy *string // set: a metadata write with this policy ("" clears), no value write
}

type refTx struct {
	id        string
	fault     peerpb.TxValidationCode // VALID, or what its form is spoiled for
	chaincode string
	spaces    []string // namespaces in the order of the read-write set
	colls     []string // collections, in order, in each namespace
	reads     []refRead
	ranges    []refRange
	writes    []refWrite
	endorsers []string // "one", "two", "client", "bad" (one's signature over something else)
}

// refChaincode is a definition.
type refChaincode struct {
	policy string
	colls  map[string]string // policy of a collection, "" for the chaincode's
}

// refPolicyHolds knows the policies of the generator.
func refPolicyHolds(policy string, endorsers []string) bool {
	one, two := slices.Contains(endorsers, "one"), slices.Contains(endorsers, "two")
	switch policy {
	case "one":
		return one
	case "two":
		return two
	case "both":
		return one && two
	case "any":
		return one || two
	case "garbage":
		return false
	}
	panic("unknown policy " + policy)
}

// reference is the slow validator and its ledger.
type reference struct {
	chaincodes map[string]refChaincode
	state      refState
	seen       map[string]bool
	block      int
}

func (r *reference) judge(txs []*refTx) []peerpb.TxValidationCode {
	verdicts := make([]peerpb.TxValidationCode, len(txs))
	passed := make([]map[string]bool, len(txs)) // namespaces whose policies hold
	for i, tx := range txs {
		passed[i] = map[string]bool{}
		verdicts[i] = r.alone(tx, txs[:i], passed)
	}
	for i := range txs {
		for j := range i {
			if verdicts[i] == 0 && verdicts[j] == 0 && txs[i].id == txs[j].id {
				verdicts[i] = peerpb.TxValidationCode_DUPLICATE_TXID
			}
		}
	}
	now, updated := r.state.clone(), map[refKey]bool{}
	for i, tx := range txs {
		if verdicts[i] == 0 {
			verdicts[i] = r.compare(tx, now, updated)
		}
		if verdicts[i] == 0 {
			refApply(tx, now, updated, refVersion{r.block, i})
		}
	}
	r.state = now
	for _, tx := range txs {
		r.seen[tx.id] = true
	}
	r.block++
	return verdicts
}

// alone is everything that does not depend on the effects of other transactions.
func (r *reference) alone(tx *refTx, earlier []*refTx, passed []map[string]bool) peerpb.TxValidationCode {
	me := len(earlier)
	if tx.fault != 0 {
		return tx.fault
	}
	if r.seen[tx.id] {
		return peerpb.TxValidationCode_DUPLICATE_TXID
	}
	needed := []string{tx.chaincode}
	var others []string
	for _, w := range tx.writes {
		if w.key.ns != tx.chaincode && !slices.Contains(others, w.key.ns) {
			others = append(others, w.key.ns)
		}
	}
	sort.Strings(others)
	needed = append(needed, others...)
	verdict := peerpb.TxValidationCode_VALID
	for _, ns := range needed {
		code := r.namespace(tx, ns, earlier, passed)
		passed[me][ns] = code == 0
		if verdict == 0 {
			verdict = code
		}
	}
	return verdict
}

func (r *reference) namespace(tx *refTx, ns string, earlier []*refTx, passed []map[string]bool) peerpb.TxValidationCode {
	const failed = peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE
	cc, defined := r.chaincodes[ns]
	if !defined {
		return peerpb.TxValidationCode_INVALID_CHAINCODE
	}
	asked := false
	for _, w := range tx.writes {
		if w.key.ns != ns {
			continue
		}
		asked = true
		for j, other := range earlier {
			for _, ow := range other.writes {
				if ow.policy != nil && ow.key == w.key && passed[j][ns] {
					return failed
				}
			}
		}
		policy := cc.policy
		if w.key.coll != "" {
			own, exists := cc.colls[w.key.coll]
			if !exists {
				return failed
			}
			if own != "" {
				policy = own
			}
		}
		if e, exists := r.state[w.key]; exists && e.policy != "" {
			policy = e.policy
		}
		if !refPolicyHolds(policy, tx.endorsers) {
			return failed
		}
	}
	if !asked && !refPolicyHolds(cc.policy, tx.endorsers) {
		return failed
	}
	return 0
}

// compare looks for outdated reads and ranges.
func (r *reference) compare(tx *refTx, now refState, updated map[refKey]bool) peerpb.TxValidationCode {
	const outdated, phantom = peerpb.TxValidationCode_MVCC_READ_CONFLICT, peerpb.TxValidationCode_PHANTOM_READ_CONFLICT
	readOK := func(read refRead) bool {
		if updated[read.key] {
			return false
		}
		e, exists := r.state[read.key]
		if !exists || read.version == nil {
			return !exists && read.version == nil
		}
		return e.version == *read.version
	}
	for _, ns := range tx.spaces {
		for _, read := range tx.reads {
			if read.key.ns == ns && read.key.coll == "" && !readOK(read) {
				return outdated
			}
		}
		for _, q := range tx.ranges {
			if q.ns == ns && !refRangeHolds(q, now) {
				return phantom
			}
		}
		for _, coll := range tx.colls {
			for _, read := range tx.reads {
				if read.key.ns == ns && read.key.coll == coll && !readOK(read) {
					return outdated
				}
			}
		}
	}
	return 0
}

// refList is what a range query finds.
func refList(q refRange, state refState) []refResult {
	var found []refResult
	for k, e := range state {
		inside := k.key >= q.start && (q.end == "" || k.key < q.end || k.key == q.end && !q.exhausted)
		if k.ns == q.ns && k.coll == "" && inside {
			found = append(found, refResult{k.key, e.version})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].key < found[j].key })
	return found
}

func refRangeHolds(q refRange, state refState) bool {
	found := refList(q, state)
	if q.degree > 0 && len(q.results) <= q.degree {
		return false // so few results have no tree
	}
	return slices.Equal(found, q.results)
}

// refApply adds up what one write set does to each key (wire.md F.6).
func refApply(tx *refTx, now refState, updated map[refKey]bool, at refVersion) {
	type sum struct {
		flags         byte
		value, policy string
	}
	sums := map[refKey]*sum{}
	for _, w := range tx.writes {
		s := sums[w.key]
		if s == nil {
			s = &sum{}
			sums[w.key] = s
		}
		switch {
		case w.policy != nil && *w.policy == "":
			s.flags += 4
		case w.policy != nil:
			s.flags, s.policy = s.flags+2, *w.policy
		case w.value == "":
			s.flags += 8
		default:
			s.flags, s.value = s.flags+1, w.value
		}
	}
	for key, s := range sums {
		old, existed := now[key]
		switch {
		case s.flags&8 != 0:
			delete(now, key)
		case s.flags == 1, s.flags == 0 && s.value != "": // it is a byte: 256 writes add up to 0
			now[key] = refEntry{s.value, old.policy, at} // old is empty if there was none
		case s.flags&1 != 0 && s.flags&6 != 0:
			now[key] = refEntry{s.value, s.policy, at}
		case existed:
			now[key] = refEntry{old.value, s.policy, at}
		default:
			continue // nothing happens to an absent key
		}
		updated[key] = true
	}
}

// refSummary makes the tree of hashes for a list that is longer than the degree:
// leaves of degree+1 results each (the last one of what is left), a full level
// becomes one hash of the next, and in the end everything below the top moves up.
func refSummary(results []refResult, degree int) *kvrwsetpb.QueryReadsMerkleSummary {
	levels := map[int][][]byte{}
	top := 1
	add := func(hash []byte) {
		levels[1] = append(levels[1], hash)
		for l := 1; len(levels[l]) > degree; l++ {
			sum := sha256.Sum256(bytes.Join(levels[l], nil))
			delete(levels, l)
			levels[l+1] = append(levels[l+1], sum[:])
			top = max(top, l+1)
		}
	}
	for len(results) > 0 {
		n := min(degree+1, len(results))
		reads := &kvrwsetpb.QueryReads{}
		for _, r := range results[:n] {
			reads.KvReads = append(reads.KvReads, &kvrwsetpb.KVRead{Key: r.key, Version: r.version.proto()})
		}
		results = results[n:]
		raw, err := proto.Marshal(reads)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(raw)
		add(sum[:])
	}
	for l := 1; l < top; l++ {
		if len(levels[l]) == 0 {
			continue
		}
		hash := levels[l][0]
		if len(levels[l]) > 1 {
			sum := sha256.Sum256(bytes.Join(levels[l], nil))
			hash = sum[:]
		}
		delete(levels, l)
		levels[l+1] = append(levels[l+1], hash)
	}
	if len(levels[top]) > degree {
		sum := sha256.Sum256(bytes.Join(levels[top], nil))
		top++
		levels[top] = [][]byte{sum[:]}
	}
	return &kvrwsetpb.QueryReadsMerkleSummary{MaxDegree: uint32(degree), MaxLevel: uint32(top), MaxLevelHashes: levels[top]}
}

func (v refVersion) proto() *kvrwsetpb.Version {
	return &kvrwsetpb.Version{BlockNum: uint64(v.block), TxNum: uint64(v.tx)}
}

func (v refVersion) String() string { return fmt.Sprintf("%d:%d", v.block, v.tx) }

func (k refKey) String() string { return strings.Trim(k.ns+"/"+k.coll+"/"+k.key, "/") }
