package gateway

import (
	"fmt"
	"sync"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// Thousands who wait for different transactions each get their own verdict, once;
// those who gave up leave nothing behind.
func TestCommitsReachEveryWaiter(t *testing.T) {
	c := &commits{}
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
	c := &commits{}
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
	c := &commits{}
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
