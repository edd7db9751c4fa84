package peer

import (
	"fmt"
	"sync"
	"testing"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Thousands who wait for different transactions each get their own verdict, once;
// those who gave up leave nothing behind.
func TestCommitsReachEveryWaiter(t *testing.T) {
	c := newCommits()
	const waiters = 5000
	var wg sync.WaitGroup
	ids, codes := make([]string, waiters), make([]byte, waiters)
	for i := range waiters {
		ids[i], codes[i] = fmt.Sprint("tx", i), byte(i%20)
		arrived, cancel := c.await(ids[i])
		if i%10 == 0 {
			cancel()
			continue
		}
		wg.Go(func() {
			defer cancel()
			if v := <-arrived; v.block != 7 || v.code != peerpb.TxValidationCode(codes[i]) {
				t.Errorf("%s ended as %v", ids[i], v)
			}
		})
	}
	c.publish(6, []string{"somebody else's"}, []byte{0})
	c.publish(7, ids, codes)
	wg.Wait()
	if len(c.waiting) != 0 {
		t.Errorf("%d entries are left", len(c.waiting))
	}
}

// Of an id that stands twice in a block the first verdict counts.
func TestCommitsFirstVerdictCounts(t *testing.T) {
	c := newCommits()
	one, cancelOne := c.await("tx")
	two, cancelTwo := c.await("tx")
	c.publish(3, []string{"tx", "tx", ""}, []byte{0, 9, 4})
	for _, arrived := range []<-chan verdict{one, two} {
		if v := <-arrived; v.code != peerpb.TxValidationCode_VALID {
			t.Errorf("verdict %v", v)
		}
	}
	cancelOne()
	cancelTwo()
	cancelTwo()
}

func BenchmarkPublishWithManyWaiters(b *testing.B) {
	c := newCommits()
	for i := range 10000 {
		_, cancel := c.await(fmt.Sprint("waiting", i))
		defer cancel()
	}
	ids, codes := make([]string, 500), make([]byte, 500)
	for i := range ids {
		ids[i] = fmt.Sprint("tx", i)
	}
	for b.Loop() {
		c.publish(1, ids, codes)
	}
}

// A lie changes one value, of a user's chaincode, and nothing else.
func TestFalsifyProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := &rwsetpb.TxReadWriteSet{}
		writes := 0
		for _, ns := range []string{"_lifecycle", "asset", "lscc", "other"} {
			kv := &kvrwsetpb.KVRWSet{Reads: []*kvrwsetpb.KVRead{{Key: "r"}}}
			for i, value := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 8), 0, 3).Draw(t, ns) {
				kv.Writes = append(kv.Writes, &kvrwsetpb.KVWrite{Key: fmt.Sprint("k", i), IsDelete: len(value) == 0, Value: value})
				if len(value) > 0 && !isSystemChaincode(ns) {
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
