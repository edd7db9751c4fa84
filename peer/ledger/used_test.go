package ledger_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// Used must say of many ids what TxStatus says of each, ids that occur twice in
// the chain included.
func TestUsedAgreesWithTxStatus(t *testing.T) {
	l, err := ledger.OpenTemp(ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var ids []string
	for i, block := range conformance.Blocks(t) {
		batch := ledger.NewBatch(uint64(i), emptyState{})
		if _, err := l.Commit(t.Context(), block, batch, nil); err != nil {
			t.Fatal(err)
		}
		for _, raw := range block.GetData().GetData() {
			if peek, ok := wire.PeekEnvelope(raw); ok && peek.TxID != "" {
				ids = append(ids, peek.TxID, fmt.Sprintf("%d of nobody", len(ids)))
			}
		}
	}
	for chunk := range slices.Chunk(ids, 150) {
		used, err := l.Used(chunk)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range chunk {
			want, ok, err := l.TxStatus(id)
			if err != nil {
				t.Fatal(err)
			}
			if got, found := used[id]; found != ok || got != want {
				t.Errorf("%s: %+v %t, TxStatus says %+v %t", id, got, found, want, ok)
			}
		}
	}
	if used, err := l.Used(nil); err != nil || used != nil {
		t.Errorf("of no ids: %v, %v", used, err)
	}
}

type emptyState struct{}

func (emptyState) GetState(string, string) (v ledger.Value, ok bool, err error) { return }

func (emptyState) GetHash(string, string, []byte) (v ledger.Value, ok bool, err error) { return }
