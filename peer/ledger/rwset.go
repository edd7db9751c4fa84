package ledger

import (
	"fmt"
	"slices"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// rwset collects what a simulation reads and writes. Its bytes are a contract
// among endorsers: names and keys ascending, ranges in order of first use, hashed
// entries in the order of the keys that they hide (wire.md C.2).
type rwset struct {
	namespaces map[string]*nsSet
}

// nsSet is the part of one namespace.
type nsSet struct {
	reads       map[string]*kvrwsetpb.KVRead
	writes      map[string]*kvrwsetpb.KVWrite
	metadata    map[string]*kvrwsetpb.KVMetadataWrite
	ranges      []*kvrwsetpb.RangeQueryInfo
	collections map[string]*collSet
}

// collSet is the part of one collection, by plain-text key.
type collSet struct {
	reads    map[string]*kvrwsetpb.KVReadHash
	writes   map[string]*kvrwsetpb.KVWriteHash
	metadata map[string]*kvrwsetpb.KVMetadataWriteHash

	private         map[string]*kvrwsetpb.KVWrite
	privateMetadata map[string]*kvrwsetpb.KVMetadataWrite // keys only
}

func (r *rwset) ns(name string) *nsSet {
	set, ok := r.namespaces[name]
	if !ok {
		set = new(nsSet)
		if r.namespaces == nil {
			r.namespaces = map[string]*nsSet{}
		}
		r.namespaces[name] = set
	}
	return set
}

func (n *nsSet) collection(name string) *collSet {
	set, ok := n.collections[name]
	if !ok {
		set = new(collSet)
		put(&n.collections, name, set)
	}
	return set
}

// put writes to a map that is made when first needed.
func put[V any](into *map[string]V, key string, value V) {
	if *into == nil {
		*into = map[string]V{}
	}
	(*into)[key] = value
}

// addRange notes a range query. Of two with the same bounds and end the first
// stays.
func (n *nsSet) addRange(info *kvrwsetpb.RangeQueryInfo) {
	for _, known := range n.ranges {
		if known.StartKey == info.StartKey && known.EndKey == info.EndKey && known.ItrExhausted == info.ItrExhausted {
			return
		}
	}
	n.ranges = append(n.ranges, info)
}

// sortedKeys lists a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// values lists a map's values in the order of its keys; nil for an empty map.
func values[V any](m map[string]V) []V {
	if len(m) == 0 {
		return nil
	}
	out := make([]V, 0, len(m))
	if len(m) == 1 {
		for _, v := range m {
			out = append(out, v)
		}
		return out
	}
	for _, key := range sortedKeys(m) {
		out = append(out, m[key])
	}
	return out
}

// encode builds the public bytes and the private write sets (nil if none).
func (r *rwset) encode() (public []byte, private *rwsetpb.TxPvtReadWriteSet, err error) {
	set := &rwsetpb.TxReadWriteSet{DataModel: rwsetpb.TxReadWriteSet_KV}
	for _, name := range sortedKeys(r.namespaces) {
		ns, pvt, err := r.namespaces[name].encode(name)
		if err != nil {
			return nil, nil, fmt.Errorf("encode the read-write set of namespace %s: %w", name, err)
		}
		set.NsRwset = append(set.NsRwset, ns)
		if len(pvt.CollectionPvtRwset) == 0 {
			continue
		}
		if private == nil {
			private = &rwsetpb.TxPvtReadWriteSet{DataModel: rwsetpb.TxReadWriteSet_KV}
		}
		private.NsPvtRwset = append(private.NsPvtRwset, pvt)
	}
	public, err = proto.Marshal(set)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the read-write set: %w", err)
	}
	return public, private, nil
}

func (n *nsSet) encode(name string) (*rwsetpb.NsReadWriteSet, *rwsetpb.NsPvtReadWriteSet, error) {
	raw, err := proto.Marshal(&kvrwsetpb.KVRWSet{
		Reads: values(n.reads), RangeQueriesInfo: n.ranges, Writes: values(n.writes), MetadataWrites: values(n.metadata),
	})
	if err != nil {
		return nil, nil, err
	}
	public := &rwsetpb.NsReadWriteSet{Namespace: name, Rwset: raw}
	private := &rwsetpb.NsPvtReadWriteSet{Namespace: name}
	for _, coll := range sortedKeys(n.collections) {
		hashed, pvt, err := n.collections[coll].encode(coll)
		if err != nil {
			return nil, nil, fmt.Errorf("collection %s: %w", coll, err)
		}
		public.CollectionHashedRwset = append(public.CollectionHashedRwset, hashed)
		if pvt != nil {
			private.CollectionPvtRwset = append(private.CollectionPvtRwset, pvt)
		}
	}
	return public, private, nil
}

func (c *collSet) encode(name string) (*rwsetpb.CollectionHashedReadWriteSet, *rwsetpb.CollectionPvtReadWriteSet, error) {
	raw, err := proto.Marshal(&kvrwsetpb.HashedRWSet{
		HashedReads: values(c.reads), HashedWrites: values(c.writes), MetadataWrites: values(c.metadata),
	})
	if err != nil {
		return nil, nil, err
	}
	hashed := &rwsetpb.CollectionHashedReadWriteSet{CollectionName: name, HashedRwset: raw}
	if len(c.private) == 0 && len(c.privateMetadata) == 0 {
		return hashed, nil, nil
	}
	plain, err := proto.Marshal(&kvrwsetpb.KVRWSet{Writes: values(c.private), MetadataWrites: values(c.privateMetadata)})
	if err != nil {
		return nil, nil, err
	}
	hashed.PvtRwsetHash = wire.Hash(plain)
	return hashed, &rwsetpb.CollectionPvtReadWriteSet{CollectionName: name, Rwset: plain}, nil
}

// readVersion is the version of a read entry; nil for an absent key, which is
// not the same as version 0:0.
func readVersion(v Value, present bool) *kvrwsetpb.Version {
	if !present {
		return nil
	}
	return v.Version.Proto()
}

// metadataEntries lists key metadata by name.
func metadataEntries(entries map[string][]byte) []*kvrwsetpb.KVMetadataEntry {
	var out []*kvrwsetpb.KVMetadataEntry
	for _, name := range sortedKeys(entries) {
		out = append(out, &kvrwsetpb.KVMetadataEntry{Name: name, Value: entries[name]})
	}
	return out
}
