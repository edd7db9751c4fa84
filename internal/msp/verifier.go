package msp

import (
	"crypto/sha256"
	"sync"

	"github.com/fabriscope/fabriscope/internal/cache"
)

// defaultVerifierEntries bounds a Verifier that is given no bound: about 3 MB.
const defaultVerifierEntries = 1 << 15

// verifierShards is how many parts a Verifier has, so that goroutines seldom wait
// for one another.
const verifierShards = 16

// Verifier remembers signatures that were found good, by certificate, digest and
// signature. All parts of one process share one: of the peers that check the same
// endorsement, one does the work. Two goroutines that come with the same
// signature at the same time check it once. It never remembers a bad signature.
//
// A nil *Verifier remembers nothing: everybody checks for themselves.
type Verifier struct {
	shards [verifierShards]verifierShard
}

type verifierShard struct {
	mu       sync.Mutex
	good     *cache.Cache[signatureKey, struct{}]
	underway map[signatureKey]*verification
}

// signatureKey is SHA-256 over certificate hash, digest and signature.
type signatureKey [sha256.Size]byte

// verification is a check that is being done.
type verification struct {
	done chan struct{}
	err  error
}

// NewVerifier makes one that remembers about this many signatures (0: 32768).
func NewVerifier(entries int) *Verifier {
	if entries <= 0 {
		entries = defaultVerifierEntries
	}
	v := &Verifier{}
	for i := range v.shards {
		s := &v.shards[i]
		s.good = cache.New[signatureKey, struct{}](entries/verifierShards, nil)
		s.underway = make(map[signatureKey]*verification)
	}
	return v
}

// verify answers from memory or calls check.
func (v *Verifier) verify(key signatureKey, check func() error) error {
	if v == nil {
		return check()
	}
	s := &v.shards[key[0]%verifierShards]
	s.mu.Lock()
	if _, known := s.good.Get(key); known {
		s.mu.Unlock()
		return nil
	}
	if other, ok := s.underway[key]; ok {
		s.mu.Unlock()
		<-other.done
		return other.err
	}
	mine := &verification{done: make(chan struct{})}
	s.underway[key] = mine
	s.mu.Unlock()

	mine.err = ErrSignature // stays if check panics: nobody may take that for a good signature
	defer func() {
		s.mu.Lock()
		delete(s.underway, key)
		if mine.err == nil {
			s.good.Put(key, struct{}{})
		}
		s.mu.Unlock()
		close(mine.done)
	}()
	mine.err = check()
	return mine.err
}

// Len is how many signatures are remembered.
func (v *Verifier) Len() int {
	if v == nil {
		return 0
	}
	n := 0
	for i := range v.shards {
		s := &v.shards[i]
		s.mu.Lock()
		n += s.good.Len()
		s.mu.Unlock()
	}
	return n
}
