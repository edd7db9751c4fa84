package wire_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
)

func TestNextCommitHash(t *testing.T) {
	updates := []wire.Update{{Namespace: "cc", Key: []byte("k"), Value: []byte("v"), Version: wire.Version{Block: 1}}}
	const want = "1ed597fce1883484f669ab7fb325b38c91af3f8c4d943aa3d5a446ab138a1d6d"
	if got := hex.EncodeToString(wire.NextCommitHash(nil, []byte{0}, updates)); got != want {
		t.Errorf("commit hash = %s, want %s", got, want)
	}
	// The configuration's namespace does not count.
	updates = append(updates, wire.Update{Key: []byte("CHANNEL_CONFIG_ENV_BYTES"), Value: []byte("x")})
	if got := hex.EncodeToString(wire.NextCommitHash(nil, []byte{0}, updates)); got != want {
		t.Errorf("with a configuration update: commit hash = %s, want %s", got, want)
	}
}

// The caller's order of updates makes no difference and is not changed.
func TestNextCommitHashSorts(t *testing.T) {
	var updates []wire.Update
	for _, ns := range []string{"a", "b"} {
		for _, coll := range []string{"", "c1", "c2"} {
			for _, key := range []string{"k1", "k2"} {
				updates = append(updates, wire.Update{Namespace: ns, Collection: coll, Key: []byte(key), Value: []byte("v")})
			}
		}
	}
	want := wire.NextCommitHash(nil, []byte{0}, updates)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		random.Shuffle(len(updates), func(i, j int) { updates[i], updates[j] = updates[j], updates[i] })
		before := slices.Clone(updates)
		if got := wire.NextCommitHash(nil, []byte{0}, updates); !bytes.Equal(got, want) {
			t.Fatalf("commit hash depends on the order: %x and %x", got, want)
		}
		if fmt.Sprint(before) != fmt.Sprint(updates) {
			t.Fatal("the caller's updates were reordered")
		}
	}
}

func TestVersionBytes(t *testing.T) {
	for _, tt := range []struct {
		version wire.Version
		want    string
	}{
		{wire.Version{}, "0000"},
		{wire.Version{Block: 1}, "010100"},
		{wire.Version{Block: 300, Tx: 2}, "02012c0102"},
		{wire.Version{Block: 1<<64 - 1, Tx: 255}, "08ffffffffffffffff01ff"},
	} {
		if got := hex.EncodeToString(wire.VersionBytes(tt.version)); got != tt.want {
			t.Errorf("version %s = %s, want %s", tt.version, got, tt.want)
		}
	}
}

// The order of the bytes is the order of the versions.
func TestVersionBytesKeepOrder(t *testing.T) {
	version := rapid.Custom(func(t *rapid.T) wire.Version {
		return wire.Version{Block: rapid.Uint64().Draw(t, "block"), Tx: rapid.Uint64Max(300).Draw(t, "tx")}
	})
	rapid.Check(t, func(t *rapid.T) {
		v, w := version.Draw(t, "v"), version.Draw(t, "w")
		if got, want := bytes.Compare(wire.VersionBytes(v), wire.VersionBytes(w)), v.Compare(w); got != want {
			t.Fatalf("%s against %s: bytes say %d, versions %d", v, w, got, want)
		}
	})
}

// With the recorded verdicts, the commit hashes of all recorded blocks follow
// from their write sets.
func TestConformanceCommitHashes(t *testing.T) {
	state := stateModel{}
	var previous []byte
	for _, b := range conformance.Blocks(t) {
		updates := state.apply(t, b)
		if b.Header.Number == 0 {
			continue // the first block has none
		}
		previous = wire.NextCommitHash(previous, wire.Filter(b), updates)
		if want := wire.CommitHash(b); !bytes.Equal(previous, want) {
			t.Fatalf("block %d: commit hash %x, want %x\nupdates %v", b.Header.Number, previous, want, updates)
		}
	}
}

// stateModel is the values of a ledger: just enough to know what a write set
// changes. Keys are namespace, collection and key, joined by zero bytes.
type stateModel map[string][]byte

// The protocol adds these up over all entries that one write set has for a key,
// and looks at the bits of the sum: see F.6 of the wire notes.
const (
	writeValue     = 1
	updateMetadata = 2
	deleteMetadata = 4
	deleteKey      = 8
)

// change is what one transaction does to one key.
type change struct {
	flags int
	value []byte
}

func (s stateModel) apply(t *testing.T, b *commonpb.Block) []wire.Update {
	t.Helper()
	pending := map[string]wire.Update{}
	for i, envelope := range b.Data.Data {
		if wire.Filter(b)[i] != byte(peerpb.TxValidationCode_VALID) {
			continue
		}
		tx, err := wire.ParseTransaction(envelope)
		if err != nil {
			t.Fatalf("block %d, transaction %d: %v", b.Header.Number, i, err)
		}
		if tx.Type != commonpb.HeaderType_ENDORSER_TRANSACTION {
			continue
		}
		if len(tx.Problems) > 0 {
			t.Fatalf("block %d, transaction %d is valid but has problems: %q", b.Header.Number, i, tx.Problems)
		}
		version := wire.Version{Block: b.Header.Number, Tx: uint64(i)}
		for _, ns := range tx.RWSet.Namespaces {
			s.applyChanges(pending, ns.Name, "", publicChanges(ns), version)
			for _, coll := range ns.Collections {
				s.applyChanges(pending, ns.Name, coll.Name, hashedChanges(coll), version)
			}
		}
	}
	updates := make([]wire.Update, 0, len(pending))
	for at, u := range pending {
		updates = append(updates, u)
		if u.Delete {
			delete(s, at)
		} else {
			s[at] = u.Value
		}
	}
	return updates
}

func publicChanges(ns wire.NsRWSet) map[string]change {
	changes := map[string]change{}
	for _, w := range ns.KV.GetWrites() {
		c := changes[w.GetKey()]
		if w.GetIsDelete() || len(w.GetValue()) == 0 {
			c.flags += deleteKey
		} else {
			c.flags, c.value = c.flags+writeValue, w.GetValue()
		}
		changes[w.GetKey()] = c
	}
	for _, w := range ns.KV.GetMetadataWrites() {
		c := changes[w.GetKey()]
		if len(w.GetEntries()) == 0 {
			c.flags += deleteMetadata
		} else {
			c.flags += updateMetadata
		}
		changes[w.GetKey()] = c
	}
	return changes
}

func hashedChanges(coll wire.CollRWSet) map[string]change {
	changes := map[string]change{}
	for _, w := range coll.Hashed.GetHashedWrites() {
		c := changes[string(w.GetKeyHash())]
		if w.GetIsDelete() || len(w.GetValueHash()) == 0 {
			c.flags += deleteKey
		} else {
			c.flags, c.value = c.flags+writeValue, w.GetValueHash()
		}
		changes[string(w.GetKeyHash())] = c
	}
	for _, w := range coll.Hashed.GetMetadataWrites() {
		c := changes[string(w.GetKeyHash())]
		c.flags += updateMetadata
		changes[string(w.GetKeyHash())] = c
	}
	return changes
}

func (s stateModel) applyChanges(pending map[string]wire.Update, ns, coll string, changes map[string]change, version wire.Version) {
	for key, c := range changes {
		at := ns + "\x00" + coll + "\x00" + key
		update := wire.Update{Namespace: ns, Collection: coll, Key: []byte(key), Version: version}
		switch {
		case c.flags&deleteKey != 0:
			update.Delete = true
		case c.flags&writeValue != 0:
			update.Value = c.value
		case c.flags&(updateMetadata|deleteMetadata) != 0:
			value, exists := s[at]
			if earlier, ok := pending[at]; ok {
				value, exists = earlier.Value, !earlier.Delete
			}
			if !exists {
				continue
			}
			update.Value = value
		default:
			continue
		}
		pending[at] = update
	}
}
