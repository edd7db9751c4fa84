package peer

import (
	"fmt"
	"testing"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// A lie changes one value, of a user's chaincode, and nothing else.
func TestFalsifyProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := &rwsetpb.TxReadWriteSet{}
		writes := 0
		for _, ns := range []string{"_lifecycle", "asset", "lscc", "other"} {
			kv := &kvrwsetpb.KVRWSet{Reads: []*kvrwsetpb.KVRead{{Key: "r"}}}
			for i, value := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 8), 0, 3).Draw(t, ns) {
				kv.Writes = append(kv.Writes, &kvrwsetpb.KVWrite{Key: fmt.Sprint("k", i), IsDelete: len(value) == 0, Value: value})
				if len(value) > 0 && !wire.IsSystemChaincode(ns) {
					writes++
				}
			}
			raw, err := proto.Marshal(kv)
			if err != nil {
				t.Fatal(err)
			}
			set.NsRwset = append(set.NsRwset, &rwsetpb.NsReadWriteSet{Namespace: ns, Rwset: raw})
		}
		honest, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		lied, key := falsify(honest)
		if (key != "") != (writes > 0) {
			t.Fatalf("key %q with %d writes", key, writes)
		}
		before, err1 := wire.ParseRWSet(honest)
		after, err2 := wire.ParseRWSet(lied)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		changes := 0
		for i := range before.Namespaces {
			for j, w := range before.Namespaces[i].KV.GetWrites() {
				other := after.Namespaces[i].KV.GetWrites()[j]
				if !proto.Equal(w, other) {
					changes++
					if len(w.GetValue()) != len(other.GetValue()) || w.GetKey() != key {
						t.Fatalf("%v became %v", w, other)
					}
				}
			}
		}
		if want := min(writes, 1); changes != want {
			t.Fatalf("%d values changed, want %d", changes, want)
		}
	})
}
