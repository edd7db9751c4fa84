package wire

import (
	"cmp"
	"fmt"
	"strconv"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Version says which transaction wrote a value last: its block and its position
// in the block. Version 0:0 is an ordinary version; that a key is absent is told
// by the lack of one.
type Version struct{ Block, Tx uint64 }

// String gives the form "41:2".
func (v Version) String() string {
	return strconv.FormatUint(v.Block, 10) + ":" + strconv.FormatUint(v.Tx, 10)
}

// Compare is negative if v is older than w, 0 if they are equal, positive if v is
// newer.
func (v Version) Compare(w Version) int {
	if c := cmp.Compare(v.Block, w.Block); c != 0 {
		return c
	}
	return cmp.Compare(v.Tx, w.Tx)
}

// Proto is the version as read sets carry it.
func (v Version) Proto() *kvrwsetpb.Version {
	return &kvrwsetpb.Version{BlockNum: v.Block, TxNum: v.Tx}
}

// VersionOf reads the version of a read entry; ok is false for the entry of a key
// that was absent, which has none.
func VersionOf(v *kvrwsetpb.Version) (version Version, ok bool) {
	return Version{Block: v.GetBlockNum(), Tx: v.GetTxNum()}, v != nil
}

// RWSet is a decoded read-write set. The order of everything is that of the
// bytes; nothing is merged, so a namespace that is listed twice appears twice.
type RWSet struct {
	Namespaces []NsRWSet
}

// NsRWSet is what a transaction read and wrote in one namespace.
type NsRWSet struct {
	Name        string
	KV          *kvrwsetpb.KVRWSet // public reads, range queries, writes, metadata writes; never nil
	Collections []CollRWSet
}

// CollRWSet is the public part of what a transaction did in one private data
// collection: hashes only.
type CollRWSet struct {
	Name    string
	Hashed  *kvrwsetpb.HashedRWSet // never nil
	PvtHash []byte                 // hash of the private write set, nil if nothing was written
}

// ParseRWSet decodes ChaincodeAction.results. It fails with ErrMalformed if any
// part does not decode. The data model is not looked at: peers never ask for it,
// and a verdict must not depend on it.
func ParseRWSet(results []byte) (*RWSet, error) {
	var raw rwsetpb.TxReadWriteSet
	if err := proto.Unmarshal(results, &raw); err != nil {
		return nil, malformed("read-write set", err)
	}
	set := &RWSet{Namespaces: make([]NsRWSet, len(raw.GetNsRwset()))}
	for i, ns := range raw.GetNsRwset() {
		out := &set.Namespaces[i]
		out.Name = ns.GetNamespace()
		out.KV = new(kvrwsetpb.KVRWSet)
		if err := proto.Unmarshal(ns.GetRwset(), out.KV); err != nil {
			return nil, malformed(fmt.Sprintf("read-write set of namespace %q", out.Name), err)
		}
		if len(ns.GetCollectionHashedRwset()) == 0 {
			continue
		}
		out.Collections = make([]CollRWSet, len(ns.GetCollectionHashedRwset()))
		for j, coll := range ns.GetCollectionHashedRwset() {
			hashed := new(kvrwsetpb.HashedRWSet)
			if err := proto.Unmarshal(coll.GetHashedRwset(), hashed); err != nil {
				return nil, malformed(fmt.Sprintf("read-write set of collection %q in namespace %q", coll.GetCollectionName(), out.Name), err)
			}
			out.Collections[j] = CollRWSet{Name: coll.GetCollectionName(), Hashed: hashed, PvtHash: coll.GetPvtRwsetHash()}
		}
	}
	return set, nil
}

// Counts are the sizes of a read-write set, for notes in the trace.
type Counts struct {
	Reads, RangeQueries, Writes, MetadataWrites     int // public
	HashedReads, HashedWrites, HashedMetadataWrites int // private data collections
}

// CountRWSet counts the entries of ChaincodeAction.results without decoding them:
// the trace asks for every simulation. What cannot be read counts as nothing.
func CountRWSet(results []byte) Counts {
	var c Counts
	eachField(results, func(number protowire.Number, ns []byte) {
		if number != 2 { // ns_rwset
			return
		}
		eachField(ns, func(number protowire.Number, set []byte) {
			switch number {
			case 2: // rwset
				countFields(set, &c.Reads, &c.RangeQueries, &c.Writes, &c.MetadataWrites)
			case 3: // collection_hashed_rwset
				if hashed, ok := lastField(set, 2); ok {
					countFields(hashed, &c.HashedReads, &c.HashedWrites, &c.HashedMetadataWrites)
				}
			}
		})
	})
	return c
}

// countFields counts the fields with numbers 1, 2 and so on.
func countFields(b []byte, counts ...*int) {
	eachField(b, func(number protowire.Number, _ []byte) {
		if number <= protowire.Number(len(counts)) {
			*counts[number-1]++
		}
	})
}

// eachField visits the length-delimited fields of a message.
func eachField(b []byte, visit func(number protowire.Number, value []byte)) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return
		}
		value, rest, found := nextField(b, number)
		if rest == nil {
			return
		}
		if found && kind == protowire.BytesType {
			visit(number, value)
		}
		b = rest
	}
}
