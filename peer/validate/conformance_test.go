package validate_test

import (
	"bytes"
	"context"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// asOrdered is a block as an ordering node delivers it: without what a peer adds.
func asOrdered(b *commonpb.Block) *commonpb.Block {
	ordered := proto.Clone(b).(*commonpb.Block)
	wire.SetMetadata(ordered, commonpb.BlockMetadataIndex_TRANSACTIONS_FILTER, nil)
	wire.SetMetadata(ordered, commonpb.BlockMetadataIndex_COMMIT_HASH, nil)
	return ordered
}

// chain is a validator and the ledger it works on.
type chain struct {
	*ledger.Ledger
	*validate.Validator
}

func MustOpenChain(t testing.TB) *chain { return mustOpen(t, ledger.Options{}) }

func mustOpen(t testing.TB, options ledger.Options) *chain {
	t.Helper()
	l, err := ledger.OpenTemp(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &chain{l, validate.New(validate.Config{Ledger: l, Verifier: msp.NewVerifier(10_000)})}
}

// MustAdd judges and commits the next block.
func (c *chain) MustAdd(t testing.TB, b *commonpb.Block) (*validate.Result, *commonpb.Block) {
	t.Helper()
	result, err := c.Validate(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := c.Commit(context.Background(), result.Block, result.Batch, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.NextBundle != nil {
		c.Use(result.NextBundle)
	}
	return result, stored
}

// Every verdict, hash and state entry must be what a real Fabric network has.
func TestFabricsChain(t *testing.T) {
	c := MustOpenChain(t)
	expected := conformance.Expected(t)
	for i, block := range conformance.Blocks(t) {
		want := expected[i]
		result, stored := c.MustAdd(t, asOrdered(block))
		for j, tx := range want.Transactions {
			if got := result.Codes[j]; int(got) != tx.Code {
				reason := "(valid)"
				if result.Reasons[j] != nil {
					reason = result.Reasons[j].Text
				}
				t.Errorf("%d:%d %s: %s, Fabric says %s: %s\n\tours: %s", i, j, tx.Case, got, peerpb.TxValidationCode(tx.Code), tx.Why, reason)
			}
			if (result.Reasons[j] == nil) != (result.Codes[j] == peerpb.TxValidationCode_VALID) {
				t.Errorf("%d:%d %s: code %s with reason %v", i, j, tx.Case, result.Codes[j], result.Reasons[j])
			}
			if got := result.Transactions[j].TxID; got != tx.TxID {
				t.Errorf("%d:%d %s: tx id %q, want %q", i, j, tx.Case, got, tx.TxID)
			}
		}
		if got := wire.CommitHash(stored); !bytes.Equal(got, want.CommitHash) {
			t.Fatalf("block %d: commit hash %x, want %x", i, got, want.CommitHash)
		}
		if !proto.Equal(stored, block) {
			t.Errorf("block %d is stored in another form than Fabric's", i)
		}
	}
	compareState(t, c.Ledger, conformance.State(t))
}

func compareState(t *testing.T, l *ledger.Ledger, want *conformance.WorldState) {
	t.Helper()
	view, err := l.View()
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if view.Height() != want.Height {
		t.Errorf("height %d, want %d", view.Height(), want.Height)
	}
	public := 0
	for ns, keys := range want.Public {
		public += len(keys)
		got := 0
		for e, err := range view.Range(ns, "", "", false) {
			if err != nil {
				t.Fatal(err)
			}
			got++
			w, ok := keys[e.Key]
			if !ok || !bytes.Equal(w.Value, e.Value.Value) || w.Version != e.Version.String() || !bytes.Equal(w.Metadata, e.Metadata) {
				t.Errorf("%s/%q: %s %x metadata %x, want %s %x metadata %x", ns, e.Key, e.Version, e.Value.Value, e.Metadata, w.Version, w.Value, w.Metadata)
			}
		}
		if got != len(keys) {
			t.Errorf("%s: %d keys, want %d", ns, got, len(keys))
		}
	}
	namespaces, err := view.Namespaces()
	if err != nil {
		t.Fatal(err)
	}
	if len(namespaces) != len(want.Public)+1 { // and the configuration's
		t.Errorf("namespaces %q, want those of %d chaincodes and the configuration's", namespaces, len(want.Public))
	}
	type place struct{ ns, coll, hash string }
	hashed := map[place]conformance.HashedEntry{}
	for ns, collections := range want.Hashed {
		for coll, entries := range collections {
			for _, e := range entries {
				hashed[place{ns, coll, string(e.KeyHash)}] = e
			}
		}
	}
	for e, err := range view.Hashed() {
		if err != nil {
			t.Fatal(err)
		}
		at := place{e.Namespace, e.Collection, string(e.KeyHash)}
		w, ok := hashed[at]
		if !ok || !bytes.Equal(w.ValueHash, e.Value.Value) || w.Version != e.Version.String() || !bytes.Equal(w.Metadata, e.Metadata) {
			t.Errorf("%s/%s/%x: %s %x, want %s %x", e.Namespace, e.Collection, e.KeyHash, e.Version, e.Value.Value, w.Version, w.ValueHash)
		}
		delete(hashed, at)
	}
	for at := range hashed {
		t.Errorf("%s/%s/%x is missing", at.ns, at.coll, at.hash)
	}
	t.Logf("%d public and %d private entries compared", public, len(want.Hashed))
}
