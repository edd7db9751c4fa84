package network

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/fabriscope/fabriscope/internal/link"
)

// claimTimeout bounds how long a message in a child waits for the parent's word on
// whether a hold with a count may stop it. The parent answers from memory; one that does
// not is gone or stands still, and the message passes.
const claimTimeout = 2 * time.Second

// maxClaims bounds the messages of a child that wait for the parent's word.
const maxClaims = 1024

// claims are a child's questions to its parent whether a hold with a count may stop one
// more message. They go up a stream (GET /claims), each answer comes down as a command,
// and the answer to that says whether the message really stood still: so the parent's
// count is exact although the messages are here.
type claims struct {
	asked chan claim

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]*waitingClaim
}

type claim struct {
	N    uint64      `json:"n"`
	Hold link.HoldID `json:"hold"`
}

type waitingClaim struct {
	granted chan bool // one answer of the parent
	stopped chan bool // what came of it
}

// grantCommand answers a claim.
type grantCommand struct {
	N  uint64 `json:"n"`
	OK bool   `json:"ok"`
}

func newClaims() *claims {
	return &claims{asked: make(chan claim, maxClaims), waiting: map[uint64]*waitingClaim{}}
}

// ask is link.Claim in a child.
func (c *claims) ask(id link.HoldID) (granted bool, stopped func(bool)) {
	w := &waitingClaim{granted: make(chan bool, 1), stopped: make(chan bool, 1)}
	c.mu.Lock()
	c.last++
	n := c.last
	c.waiting[n] = w
	c.mu.Unlock()
	select {
	case c.asked <- claim{N: n, Hold: id}:
	default:
		c.forget(n)
		return false, nil
	}
	timer := time.NewTimer(claimTimeout)
	defer timer.Stop()
	select {
	case granted = <-w.granted:
	case <-timer.C:
		if c.forget(n) {
			return false, nil
		}
		granted = <-w.granted // it came at the same moment
	}
	return granted, func(did bool) { w.stopped <- did }
}

// forget gives a claim up; false if its answer is there already.
func (c *claims) forget(n uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.waiting[n]
	delete(c.waiting, n)
	return known
}

// grant takes the parent's answer and says whether a message stands still because of it.
func (c *claims) grant(g *grantCommand) (stopped bool) {
	c.mu.Lock()
	w := c.waiting[g.N]
	delete(c.waiting, g.N)
	c.mu.Unlock()
	if w == nil {
		return false
	}
	w.granted <- g.OK
	return g.OK && <-w.stopped
}

// serve streams the claims to the parent.
func (c *claims) serve(w http.ResponseWriter, r *http.Request, stopping <-chan struct{}) {
	enc := json.NewEncoder(w)
	flush, _ := w.(http.Flusher)
	flush.Flush()
	for {
		select {
		case one := <-c.asked:
			if enc.Encode(one) != nil {
				return
			}
			flush.Flush()
		case <-stopping:
			return
		case <-r.Context().Done():
			return
		}
	}
}
