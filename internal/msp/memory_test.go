package msp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// key is the i-th of many different signature keys.
func key(i int) (k signatureKey) {
	binary.BigEndian.PutUint64(k[:], uint64(i)*0x9e3779b97f4a7c15)
	return k
}

// However many goroutines come with one signature, it is checked once.
func TestVerifierChecksOnce(t *testing.T) {
	v := NewVerifier(0)
	var checks atomic.Int32
	enter := make(chan struct{})
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			err := v.verify(key(1), func() error {
				checks.Add(1)
				<-enter // until everybody else had a chance to come
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range 1000 {
		runtime.Gosched()
	}
	close(enter)
	all.Wait()
	if n := checks.Load(); n != 1 {
		t.Errorf("%d checks, want 1", n)
	}
}

// A bad signature is bad for everybody who waits, and is checked again next time.
func TestVerifierForgetsBad(t *testing.T) {
	v := NewVerifier(0)
	bad := errors.New("bad")
	for i := range 3 {
		checked := false
		err := v.verify(key(1), func() error { checked = true; return bad })
		if !errors.Is(err, bad) || !checked {
			t.Errorf("try %d: %v, checked = %t", i, err, checked)
		}
	}
	if n := v.Len(); n != 0 {
		t.Errorf("%d remembered", n)
	}
}

// A check that panics leaves nobody waiting and nothing remembered.
func TestVerifierSurvivesPanic(t *testing.T) {
	v := NewVerifier(0)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = v.verify(key(1), func() error { panic("x") })
	}()
	if err := v.verify(key(1), func() error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestVerifierIsBounded(t *testing.T) {
	const bound = 320
	v := NewVerifier(bound)
	hits := 0
	for i := range 10 * bound {
		if err := v.verify(key(i), func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		// What is asked for all the time stays.
		if i%verifierShards == 0 {
			known := true
			if err := v.verify(key(0), func() error { known = false; return nil }); err != nil {
				t.Fatal(err)
			}
			if known {
				hits++
			}
		}
	}
	if n := v.Len(); n > bound || n == 0 {
		t.Errorf("%d remembered, want at most %d", n, bound)
	}
	if hits < 10*bound/verifierShards*9/10 {
		t.Errorf("a signature in constant use was forgotten: %d hits", hits)
	}
}

func TestNilVerifierChecksEachTime(t *testing.T) {
	var v *Verifier
	checks := 0
	for range 3 {
		if err := v.verify(key(1), func() error { checks++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if checks != 3 || v.Len() != 0 {
		t.Errorf("%d checks, %d remembered", checks, v.Len())
	}
}

// A set's memory of identities is bounded too, and long ones are not kept.
func TestSetIsBounded(t *testing.T) {
	s := NewSet(nil)
	for i := range 10 * cachedIdentities {
		s.remember(&Identity{serialized: fmt.Append(nil, i)})
	}
	if n := s.known.Len(); n > cachedIdentities {
		t.Errorf("%d identities remembered, want at most %d", n, cachedIdentities)
	}
	last := fmt.Append(nil, 10*cachedIdentities-1)
	if s.cached(last) == nil {
		t.Error("the last one was forgotten")
	}
	if n := testing.AllocsPerRun(100, func() { s.cached(last) }); n != 0 {
		t.Errorf("finding a known identity allocates %g times", n)
	}
	s.remember(&Identity{serialized: make([]byte, maxCachedIdentity+1)})
	if s.cached(make([]byte, maxCachedIdentity+1)) != nil {
		t.Error("an identity of 16 KiB was kept")
	}
}
