package wire_test

import (
	"errors"
	"testing"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestParseRWSet(t *testing.T) {
	results := MustMarshal(t, &rwsetpb.TxReadWriteSet{NsRwset: []*rwsetpb.NsReadWriteSet{
		{
			Namespace: "asset",
			Rwset: MustMarshal(t, &kvrwsetpb.KVRWSet{
				Reads:            []*kvrwsetpb.KVRead{{Key: "absent"}, {Key: "first", Version: &kvrwsetpb.Version{}}},
				RangeQueriesInfo: []*kvrwsetpb.RangeQueryInfo{{StartKey: "a"}},
				Writes:           []*kvrwsetpb.KVWrite{{Key: "k"}},
				MetadataWrites:   []*kvrwsetpb.KVMetadataWrite{{Key: "k"}},
			}),
			CollectionHashedRwset: []*rwsetpb.CollectionHashedReadWriteSet{{
				CollectionName: "secret",
				HashedRwset: MustMarshal(t, &kvrwsetpb.HashedRWSet{
					HashedReads:    []*kvrwsetpb.KVReadHash{{}},
					HashedWrites:   []*kvrwsetpb.KVWriteHash{{}, {}},
					MetadataWrites: []*kvrwsetpb.KVMetadataWriteHash{{}},
				}),
				PvtRwsetHash: []byte("hash"),
			}},
		},
		{Namespace: "asset"},
	}})
	set, err := wire.ParseRWSet(results)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Namespaces) != 2 || set.Namespaces[1].Name != "asset" || set.Namespaces[1].KV == nil {
		t.Errorf("a namespace that is listed twice must stay so: %+v", set.Namespaces)
	}
	want := wire.Counts{Reads: 2, RangeQueries: 1, Writes: 1, MetadataWrites: 1, HashedReads: 1, HashedWrites: 2, HashedMetadataWrites: 1}
	if got := wire.CountRWSet(results); got != want {
		t.Errorf("counts = %+v, want %+v", got, want)
	}
	reads := set.Namespaces[0].KV.GetReads()
	if v, ok := wire.VersionOf(reads[0].GetVersion()); ok {
		t.Errorf("the absent key has version %s", v)
	}
	if v, ok := wire.VersionOf(reads[1].GetVersion()); !ok || v.String() != "0:0" {
		t.Errorf("version 0:0 reads as %s, %t", v, ok)
	}
	coll := set.Namespaces[0].Collections[0]
	if coll.Name != "secret" || string(coll.PvtHash) != "hash" {
		t.Errorf("collection %+v", coll)
	}
}

func TestParseRWSetRefuses(t *testing.T) {
	for name, set := range map[string]*rwsetpb.TxReadWriteSet{
		"namespace":  {NsRwset: []*rwsetpb.NsReadWriteSet{{Rwset: []byte{0xff}}}},
		"collection": {NsRwset: []*rwsetpb.NsReadWriteSet{{CollectionHashedRwset: []*rwsetpb.CollectionHashedReadWriteSet{{HashedRwset: []byte{0xff}}}}}},
	} {
		if _, err := wire.ParseRWSet(MustMarshal(t, set)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
	if _, err := wire.ParseRWSet([]byte{0xff}); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("garbage: %v", err)
	}
}

// Fabric's peers do not look at the data model, so a hand-made one decides nothing.
func TestParseRWSetIgnoresTheDataModel(t *testing.T) {
	if _, err := wire.ParseRWSet(MustMarshal(t, &rwsetpb.TxReadWriteSet{DataModel: 1})); err != nil {
		t.Error(err)
	}
}

func TestVersionCompare(t *testing.T) {
	old, younger, youngest := wire.Version{Block: 1, Tx: 9}, wire.Version{Block: 2}, wire.Version{Block: 2, Tx: 1}
	if old.Compare(younger) >= 0 || younger.Compare(youngest) >= 0 || youngest.Compare(old) <= 0 || old.Compare(old) != 0 {
		t.Error("versions are not in the order of block and transaction")
	}
	if got, _ := wire.VersionOf(youngest.Proto()); got != youngest {
		t.Errorf("%s became %s", youngest, got)
	}
}
