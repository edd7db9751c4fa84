package inspect

import (
	"sort"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Bounds of the state that is kept.
const (
	maxStateBytes   = 48 << 20
	maxStateEntries = 400_000
	txsAtOnce       = 8000 // transactions that one document applies, and as many blocks; the next one goes on
)

// stateLog is the channel's state with its history: every valid write of the blocks in
// the trace, in order. All peers that are sound have the same; a peer's state is what
// its committed height lets it see.
type stateLog struct {
	keys    map[stateKey][]keyAt
	sorted  []stateKey
	fresh   int    // keys added since they were sorted
	next    uint64 // block to apply
	begun   bool
	from    uint64 // the first block that was applied
	missing uint64 // blocks that the trace does not hold
	entries int
	bytes   int
	dropped int // versions that were given up for the bound
}

type stateKey struct{ ns, key string }

// apply brings the state up to a height that a peer has committed (blocks 0 to height-1)
// and tells whether it got there: it reads so much at once and no more.
func (x *Index) apply(height uint64) bool {
	s := &x.state
	blocks := x.world.Blocks().List
	if len(blocks) == 0 {
		return height == 0
	}
	if !s.begun {
		s.begun, s.keys = true, map[stateKey][]keyAt{}
		s.next = blocks[0].Number
		if s.next == 0 {
			s.next = 1 // the first block configures the channel; it holds no keys
		}
		s.from = s.next
	}
	for left := txsAtOnce; s.next < height; left-- {
		if left <= 0 {
			return false
		}
		d := x.decode(s.next, ^uint64(0))
		switch {
		case d == nil, !d.Complete():
			// Some peer has committed it, so its verdicts were there and are lost.
			s.missing++
		default:
			s.block(d)
			left -= len(d.Txs)
		}
		s.next++
	}
	return true
}

func (s *stateLog) block(d *facts.Content) {
	for i := range d.Txs {
		if !d.Valid(i) {
			continue
		}
		for _, w := range d.Txs[i].Writes {
			s.put(stateKey{w.Namespace, w.Key}, keyAt{wire.Version{Block: d.Number, Tx: uint64(i)}, w.Value, w.Gone, d.Txs[i].ID})
		}
	}
	s.shrink()
}

func (s *stateLog) put(k stateKey, v keyAt) {
	versions, ok := s.keys[k]
	if !ok {
		s.sorted = append(s.sorted, k)
		s.fresh++
	}
	s.keys[k] = append(versions, v)
	s.entries++
	s.bytes += len(v.value) + len(k.key) + 96
}

// shrink gives up all but the newest version of each key when there is too much.
func (s *stateLog) shrink() {
	if s.bytes <= maxStateBytes && s.entries <= maxStateEntries {
		return
	}
	s.entries, s.bytes = 0, 0
	for k, versions := range s.keys {
		n := len(versions) - 1
		s.dropped += n
		s.keys[k] = append([]keyAt(nil), versions[n])
		s.entries++
		s.bytes += len(versions[n].value) + len(k.key) + 96
	}
	if s.bytes > maxStateBytes || s.entries > maxStateEntries {
		// Even so it is too much: begin with an empty state.
		*s = stateLog{begun: true, keys: map[stateKey][]keyAt{}, next: s.next, from: s.next, missing: s.missing, dropped: s.dropped}
	}
}

// order sorts the keys that are new.
func (s *stateLog) order() []stateKey {
	if s.fresh > 0 {
		s.fresh = 0
		sort.Slice(s.sorted, func(i, j int) bool {
			a, b := s.sorted[i], s.sorted[j]
			if a.ns != b.ns {
				return a.ns < b.ns
			}
			return a.key < b.key
		})
	}
	return s.sorted
}

// at is a key's version for a peer with a height; ok is false if it is absent there.
func (s *stateLog) at(k stateKey, height uint64) (keyAt, bool) {
	versions := s.keys[k]
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].version.Block < height {
			return versions[i], !versions[i].gone
		}
	}
	return keyAt{}, false
}

// whole tells whether the state goes back to the channel's beginning without a gap.
func (s *stateLog) whole() bool { return s.from <= 1 && s.missing == 0 && s.dropped == 0 }
