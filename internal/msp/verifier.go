package msp

import (
	"crypto/sha256"
	"sync"
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

// verifierShard keeps two generations: when the young one is full the old one is
// dropped, so that memory is bounded and what is in use stays.
type verifierShard struct {
	mu       sync.Mutex
	limit    int
	young    map[signatureKey]struct{}
	old      map[signatureKey]struct{}
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
		s.limit = max(1, entries/verifierShards/2)
		s.young = make(map[signatureKey]struct{})
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
	if s.knows(key) {
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
			s.remember(key)
		}
		s.mu.Unlock()
		close(mine.done)
	}()
	mine.err = check()
	return mine.err
}

// knows looks in both generations; what is found in the old one gets young again.
func (s *verifierShard) knows(key signatureKey) bool {
	if _, ok := s.young[key]; ok {
		return true
	}
	if _, ok := s.old[key]; ok {
		s.remember(key)
		return true
	}
	return false
}

// remember adds to the young generation.
func (s *verifierShard) remember(key signatureKey) {
	if len(s.young) >= s.limit {
		s.old = s.young
		s.young = make(map[signatureKey]struct{}, s.limit)
	}
	s.young[key] = struct{}{}
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
		n += len(s.young) + len(s.old)
		s.mu.Unlock()
	}
	return n
}
