package ledger

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// FuzzUnpack reads arbitrary bytes as a segment.
func FuzzUnpack(f *testing.F) {
	var s segmenter
	for i := range 3 {
		if err := s.add(int64(i), bytes.Repeat([]byte{byte(i)}, i*40), func(int64, []byte) error { return nil }); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.flush(func(_ int64, data []byte) error { f.Add(bytes.Clone(data)); return nil }); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if size, err := s2.DecodedLen(data); err == nil && size > 1<<20 && size <= maxSegment {
			t.Skip("legal, but it needs much memory")
		}
		envelopes, err := unpack(data)
		if err != nil {
			return
		}
		var again segmenter
		at := 0
		check := func(_ int64, data []byte) error {
			parts, err := unpack(data)
			for _, part := range parts {
				if !bytes.Equal(part, envelopes[at]) {
					t.Fatalf("envelope %d changed", at)
				}
				at++
			}
			return err
		}
		for i, envelope := range envelopes {
			if err := again.add(int64(i), envelope, check); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.flush(check); err != nil || at != len(envelopes) {
			t.Fatalf("%d of %d envelopes, %v", at, len(envelopes), err)
		}
	})
}

func TestPositions(t *testing.T) {
	last := int64(-1)
	for _, v := range []wire.Version{{}, {Tx: 1}, {Tx: maxTxs - 1}, {Block: 1}, {Block: 1, Tx: 5}, {Block: 1<<39 - 1, Tx: maxTxs - 1}} {
		pos := position(v)
		if versionAt(pos) != v || pos <= last {
			t.Errorf("position(%s) = %d, back %s, after %d", v, pos, versionAt(pos), last)
		}
		last = pos
	}
}

func TestTxKeys(t *testing.T) {
	usual := wire.TxID([]byte("nonce"), []byte("creator"))
	for _, id := range []string{usual, "x", usual[:63], usual[:63] + "G", usual + "0", "ABCDEF" + usual[6:]} {
		if got := txID(txKey(id)); got != id {
			t.Errorf("%q comes back as %q", id, got)
		}
	}
	if _, ok := txKey(usual).([]byte); !ok {
		t.Error("an id in the usual form is not stored as bytes")
	}
}

func TestCacheIsBoundedAndRight(t *testing.T) {
	const budget = 20000
	c := newStateCache(budget, 1)
	for i := range 1000 {
		key := stateKey{ns: "cc", key: string(rune('a' + i))}
		c.add(key, cached{value: Value{Value: make([]byte, 50)}, present: true, since: 1}, 1)
		if c.recent.Len() > budget/entryOverhead {
			t.Fatalf("%d entries", c.recent.Len())
		}
	}
	key := stateKey{ns: "cc", key: "k"}
	c.add(key, cached{since: 2}, 0)
	if _, ok := c.get(key, 5); ok {
		t.Error("a value of an older height was kept")
	}
	c.commit(2, func(put func(stateKey, cached)) { put(key, cached{present: true, since: 2}) })
	if _, ok := c.get(key, 1); ok {
		t.Error("a newer value was given to an older view")
	}
	if _, ok := c.get(key, 2); !ok {
		t.Error("the newest value is missing")
	}
	// A value too large for the cache must at least push out the one before it.
	c.commit(3, func(put func(stateKey, cached)) {
		put(key, cached{value: Value{Value: make([]byte, budget)}, present: true, since: 3})
	})
	if e, ok := c.get(key, 3); ok && len(e.value.Value) != budget {
		t.Error("an outdated value was kept")
	}
}
