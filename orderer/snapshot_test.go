package orderer_test

import (
	"slices"
	"testing"

	"github.com/fabriscope/fabriscope/orderer"
)

// Members take their snapshots at different entries, each as often as it should.
func TestSnapshotsAreOutOfStep(t *testing.T) {
	const every, entries = 12, 60
	taken := map[uint64][]uint64{}
	for _, offset := range []uint64{0, 4, 8} {
		last := uint64(0)
		for applied := uint64(1); applied <= entries; applied++ {
			if orderer.SnapshotDue(applied, last, every, offset) {
				taken[offset] = append(taken[offset], applied)
				last = applied
			}
		}
	}
	want := map[uint64][]uint64{0: {12, 24, 36, 48, 60}, 4: {8, 20, 32, 44, 56}, 8: {4, 16, 28, 40, 52}}
	for offset, entries := range want {
		if !slices.Equal(taken[offset], entries) {
			t.Errorf("offset %d: snapshots at %v, want %v", offset, taken[offset], entries)
		}
	}
	// Who was away takes one for all that it missed.
	if !orderer.SnapshotDue(100, 12, every, 4) || orderer.SnapshotDue(13, 12, every, 0) {
		t.Error("a snapshot is missed, or taken without need")
	}
}
