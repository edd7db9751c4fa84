package validate

import (
	"bytes"
	"fmt"
	"iter"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// conflicts compares what transactions read with the state that they meet: the
// one before the block plus the effects of the valid transactions before them in
// the block (wire.md F.5). It is used from one goroutine.
type conflicts struct {
	state   *before
	pending *ledger.Batch
}

// check looks for the first conflict of a transaction: in each namespace reads,
// then range queries, then private reads. An error means that the state cannot be
// read.
func (c *conflicts) check(set *wire.RWSet) (*Reason, error) {
	for i := range set.Namespaces {
		ns := &set.Namespaces[i]
		for _, read := range ns.KV.GetReads() {
			if r, err := c.read(stateKey{ns: ns.Name, key: read.GetKey()}, read.GetVersion()); r != nil || err != nil {
				return r, err
			}
		}
		for _, query := range ns.KV.GetRangeQueriesInfo() {
			if r, err := c.query(ns.Name, query); r != nil || err != nil {
				return r, err
			}
		}
		for j := range ns.Collections {
			coll := &ns.Collections[j]
			for _, read := range coll.Hashed.GetHashedReads() {
				if r, err := c.read(stateKey{ns.Name, coll.Name, string(read.GetKeyHash())}, read.GetVersion()); r != nil || err != nil {
					return r, err
				}
			}
		}
	}
	return nil, nil
}

// readKeys visits all public and private keys that a transaction read, with the
// versions that it recorded.
func readKeys(set *wire.RWSet) iter.Seq2[stateKey, *kvrwsetpb.Version] {
	return func(yield func(stateKey, *kvrwsetpb.Version) bool) {
		for i := range set.Namespaces {
			ns := &set.Namespaces[i]
			for _, read := range ns.KV.GetReads() {
				if !yield(stateKey{ns: ns.Name, key: read.GetKey()}, read.GetVersion()) {
					return
				}
			}
			for j := range ns.Collections {
				coll := &ns.Collections[j]
				for _, read := range coll.Hashed.GetHashedReads() {
					if !yield(stateKey{ns.Name, coll.Name, string(read.GetKeyHash())}, read.GetVersion()) {
						return
					}
				}
			}
		}
	}
}

// recordedVersion writes the version of a read entry.
func recordedVersion(recorded *kvrwsetpb.Version) string {
	if v, ok := wire.VersionOf(recorded); ok {
		return v.String()
	}
	return versionText(nil)
}

// read compares one read. An update of the key by an earlier transaction of the
// block is a conflict whatever it did; else the versions must be equal, where
// "no version" is that of an absent key.
func (c *conflicts) read(key stateKey, recorded *kvrwsetpb.Version) (*Reason, error) {
	if p, ok := c.update(key); ok {
		return readConflict(key, recorded, p.Version, !p.Delete, true), nil
	}
	now, present, err := c.before(key)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key.say(), err)
	}
	read, existed := wire.VersionOf(recorded)
	if present == existed && (!present || now.Version == read) {
		return nil, nil
	}
	return readConflict(key, recorded, now.Version, present, false), nil
}

// readConflict describes an outdated read: what was read, and what is there now.
func readConflict(key stateKey, recorded *kvrwsetpb.Version, now wire.Version, present, sameBlock bool) *Reason {
	r := &Reason{
		Code: peerpb.TxValidationCode_MVCC_READ_CONFLICT, Kind: KindRead,
		Namespace: key.ns, Collection: key.coll, Key: key.show(), at: key,
	}
	if read, existed := wire.VersionOf(recorded); existed {
		r.Read = &read
	}
	if present {
		r.Found = &now
	}
	if present || sameBlock {
		r.By = writer(now, !present)
		r.By.SameBlock = sameBlock
	}
	return r
}

func (c *conflicts) update(key stateKey) (*ledger.Pending, bool) {
	if key.coll == "" {
		return c.pending.Get(key.ns, key.key)
	}
	return c.pending.GetHash(key.ns, key.coll, []byte(key.key))
}

func (c *conflicts) before(key stateKey) (ledger.Value, bool, error) {
	if key.coll == "" {
		return c.state.GetState(key.ns, key.key)
	}
	return c.state.GetHash(key.ns, key.coll, []byte(key.key))
}

func writer(at wire.Version, deleted bool) *Writer {
	w := &Writer{Block: at.Block, Tx: at.Tx, Did: "changed"}
	if deleted {
		w.Did = "deleted"
	}
	return w
}

// result is one key that a range query finds now.
type result struct {
	key     string
	version wire.Version
}

// rangeNow runs a range query over the state before the block merged with the
// pending updates. The end key is looked at last and only if it is included;
// start may lie behind it then (only hand-made read sets have that).
func (c *conflicts) rangeNow(ns, start, end string, includeEnd bool, visit func(result) bool) error {
	updates := c.updatesIn(ns, start, end)
	for e, err := range c.state.view.Range(ns, start, end, false) {
		if err != nil {
			return err
		}
		for len(updates) > 0 && updates[0].key < e.Key {
			if u := updates[0]; !u.deleted && !visit(result{u.key, u.version}) {
				return nil
			}
			updates = updates[1:]
		}
		now := result{e.Key, e.Version}
		if len(updates) > 0 && updates[0].key == e.Key {
			u := updates[0]
			updates = updates[1:]
			if u.deleted {
				continue
			}
			now.version = u.version
		}
		if !visit(now) {
			return nil
		}
	}
	for _, u := range updates {
		if !u.deleted && !visit(result{u.key, u.version}) {
			return nil
		}
	}
	if !includeEnd {
		return nil
	}
	return c.visitKey(stateKey{ns: ns, key: end}, visit)
}

// pendingResult is an update inside a range.
type pendingResult struct {
	key     string
	version wire.Version
	deleted bool
}

func (c *conflicts) updatesIn(ns, start, end string) []pendingResult {
	var updates []pendingResult
	for key, p := range c.pending.Range(ns, start, end, false) {
		updates = append(updates, pendingResult{key, p.Version, p.Delete})
	}
	return updates
}

// visitKey visits one key if it exists now.
func (c *conflicts) visitKey(key stateKey, visit func(result) bool) error {
	if p, ok := c.update(key); ok {
		if !p.Delete {
			visit(result{key.key, p.Version})
		}
		return nil
	}
	now, present, err := c.before(key)
	if err == nil && present {
		visit(result{key.key, now.Version})
	}
	return err
}

// query runs a recorded range query again and compares.
func (c *conflicts) query(ns string, q *kvrwsetpb.RangeQueryInfo) (*Reason, error) {
	r := &Reason{
		Code: peerpb.TxValidationCode_PHANTOM_READ_CONFLICT, Kind: KindRange, Namespace: ns,
		Range: &RangeChange{Start: q.GetStartKey(), End: q.GetEndKey(), EndIncluded: !q.GetItrExhausted()},
	}
	compare := c.compareReads
	if q.GetReadsMerkleHashes() != nil {
		compare, r.Range.Hashed = c.compareHashes, true
	}
	equal, err := compare(ns, q, r)
	if err != nil {
		return nil, fmt.Errorf("range query of chaincode %s %s: %w", ns, r.Range.span(), err)
	}
	if equal {
		return nil, nil
	}
	r.Key = r.Range.Key
	c.findCause(r)
	return r, nil
}

// compareReads compares key by key up to the first difference.
func (c *conflicts) compareReads(ns string, q *kvrwsetpb.RangeQueryInfo, r *Reason) (equal bool, err error) {
	recorded := q.GetRawReads().GetKvReads()
	differs := func(what, key string) bool {
		r.Range.What, r.Range.Key = what, key
		return false
	}
	i := 0
	err = c.rangeNow(ns, q.GetStartKey(), q.GetEndKey(), !q.GetItrExhausted(), func(now result) bool {
		if i == len(recorded) || now.key < recorded[i].GetKey() {
			r.Found = version(now.version)
			return differs(RangeAppeared, now.key)
		}
		was, ok := wire.VersionOf(recorded[i].GetVersion())
		switch {
		case now.key > recorded[i].GetKey():
			return differs(RangeVanished, recorded[i].GetKey())
		case !ok:
			return differs(RangeUnusable, now.key) // a listed key without version
		case was != now.version:
			r.Read, r.Found = version(was), version(now.version)
			return differs(RangeChanged, now.key)
		}
		i++
		return true
	})
	if err == nil && r.Range.What == "" && i < len(recorded) {
		differs(RangeVanished, recorded[i].GetKey())
	}
	return r.Range.What == "", err
}

// compareHashes builds the tree of hashes again. Where it differs, the newest
// entry of the range is the one to look at.
func (c *conflicts) compareHashes(ns string, q *kvrwsetpb.RangeQueryInfo, r *Reason) (equal bool, err error) {
	recorded := q.GetReadsMerkleHashes()
	if recorded.GetMaxDegree() < 2 {
		r.Range.What = RangeUnusable // such a tree has no levels
		return false, nil
	}
	hasher := wire.NewRangeHasher(recorded.GetMaxDegree())
	var newest result
	var failed error
	err = c.rangeNow(ns, q.GetStartKey(), q.GetEndKey(), !q.GetItrExhausted(), func(now result) bool {
		if newest.key == "" || now.version.Compare(newest.version) > 0 {
			newest = now
		}
		failed = hasher.Add(&kvrwsetpb.KVRead{Key: now.key, Version: now.version.Proto()})
		return failed == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return false, err
	}
	_, summary, err := hasher.Done()
	if err != nil {
		return false, err
	}
	if summary != nil && sameSummary(recorded, summary) {
		return true, nil
	}
	r.Range.What, r.Range.Key = RangeDiffers, newest.key
	if newest.key != "" {
		r.Found = version(newest.version)
	}
	return false, nil
}

func sameSummary(a, b *kvrwsetpb.QueryReadsMerkleSummary) bool {
	if a.GetMaxDegree() != b.GetMaxDegree() || a.GetMaxLevel() != b.GetMaxLevel() || len(a.GetMaxLevelHashes()) != len(b.GetMaxLevelHashes()) {
		return false
	}
	for i, hash := range a.GetMaxLevelHashes() {
		if !bytes.Equal(hash, b.GetMaxLevelHashes()[i]) {
			return false
		}
	}
	return true
}

// findCause names the transaction behind a difference. An update pending in the
// block comes first: it is certainly newer than the query.
func (c *conflicts) findCause(r *Reason) {
	change := r.Range
	if change.What == RangeUnusable {
		return
	}
	if change.What == RangeDiffers {
		c.newestPending(r)
	}
	if p, ok := c.pending.Get(r.Namespace, change.Key); ok {
		r.By = writer(p.Version, p.Delete)
		r.By.SameBlock = true
	} else if r.Found != nil {
		r.By = writer(*r.Found, false)
	}
}

// newestPending looks for the last update of the block inside the range; unlike
// the newest entry, it may be a delete.
func (c *conflicts) newestPending(r *Reason) {
	var newest pendingResult
	for _, u := range c.updatesIn(r.Namespace, r.Range.Start, r.Range.End) {
		if newest.key == "" || u.version.Compare(newest.version) > 0 {
			newest = u
		}
	}
	if newest.key == "" {
		return
	}
	r.Range.Key, r.Key = newest.key, newest.key
	r.Found = version(newest.version)
}
