package store_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/orderer/store"
)

// opened is a store with a use of its log.
type opened struct {
	*store.Store
	*store.Log
}

func open(path string) (opened, error) {
	s, err := store.Open(path, store.Options{})
	if err != nil {
		return opened{}, err
	}
	return opened{s, s.OpenLog()}, nil
}

func mustOpen(t testing.TB, path string) opened {
	t.Helper()
	s, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // a test may have closed it
	return s
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "channel.db") }

func envelope(text string) *commonpb.Envelope {
	return &commonpb.Envelope{Payload: []byte(text), Signature: []byte("signed")}
}

// command is a Raft entry that will become a block.
func command(index, term uint64, texts ...string) *raft.Log {
	var envelopes []*commonpb.Envelope
	for _, text := range texts {
		envelopes = append(envelopes, envelope(text))
	}
	return &raft.Log{Index: index, Term: term, Data: store.EncodeBody(store.KindBatch, 7, index, envelopes), AppendedAt: time.Unix(int64(index), 0)}
}

// blockOf makes the next block of an entry.
func blockOf(t testing.TB, chain store.Chain, l *raft.Log) store.Append {
	t.Helper()
	body, err := store.DecodeBody(l.Data)
	if err != nil {
		t.Fatal(err)
	}
	return nextBlock(chain, body.Envelopes, l.Index)
}

func nextBlock(chain store.Chain, data [][]byte, index uint64) store.Append {
	block := wire.NewBlock(chain.Height, chain.LastHash, data)
	value, _ := proto.Marshal(&commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{Index: chain.LastConfig}})
	signatures, _ := proto.Marshal(&commonpb.Metadata{Value: value})
	wire.SetMetadata(block, commonpb.BlockMetadataIndex_SIGNATURES, signatures)
	return store.Append{Block: block, RaftIndex: index}
}

func genesis() store.Append {
	g := nextBlock(store.Chain{}, [][]byte{[]byte("configuration")}, 0)
	g.Config, g.Fetched = true, true
	return g
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEmptyStore(t *testing.T) {
	s := mustOpen(t, newPath(t))
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	if first != 0 || last != 0 || s.Height() != 0 {
		t.Errorf("first %d, last %d, height %d of an empty store", first, last, s.Height())
	}
	if err := s.GetLog(1, &raft.Log{}); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("GetLog gave %v", err)
	}
	if _, err := s.Block(0); !errors.Is(err, store.ErrNoBlock) {
		t.Errorf("Block gave %v", err)
	}
	if _, _, ok := s.Snapshot(); ok {
		t.Error("an empty store has a snapshot")
	}
}

func TestEntryBecomesBlock(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path)
	must(t, s.AppendBlocks([]store.Append{genesis()}))
	entries := []*raft.Log{{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: []byte("members")}, command(2, 1, "a", "b"), command(3, 1, "c")}
	must(t, s.StoreLogs(entries))
	grown := s.Grown()
	first := blockOf(t, s.Chain(), entries[1])
	must(t, s.AppendBlocks([]store.Append{first}))
	<-grown
	must(t, s.AppendBlocks([]store.Append{blockOf(t, s.Chain(), entries[2])}))
	check := func(s opened) {
		t.Helper()
		chain := s.Chain()
		if chain.Height != 3 || chain.RaftIndex != 3 || chain.LastConfig != 0 {
			t.Errorf("the chain is %+v", chain)
		}
		got, err := s.Block(1)
		must(t, err)
		if !proto.Equal(got, first.Block) {
			t.Errorf("block 1 is %v, want %v", got, first.Block)
		}
		want, _ := proto.Marshal(envelope("a"))
		if !bytes.Equal(got.Data.Data[0], want) {
			t.Errorf("the first envelope is %x, want %x", got.Data.Data[0], want)
		}
	}
	check(s)
	s.Trim() // read from the file
	check(s)
	must(t, s.Close())
	s = mustOpen(t, path)
	check(s)

	// The log loses its beginning, the blocks stay.
	must(t, s.DeleteRange(1, 2))
	check(s)
	if err := s.GetLog(2, &raft.Log{}); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("GetLog of a deleted entry gave %v", err)
	}
	must(t, s.Close())
	s = mustOpen(t, path)
	check(s)
	if first, _ := s.FirstIndex(); first != 3 {
		t.Errorf("after deleting up to 2 the log begins at %d", first)
	}
	must(t, s.DeleteRange(3, 3))
	check(s)
}

func TestBlocksMustFollow(t *testing.T) {
	s := mustOpen(t, newPath(t))
	must(t, s.AppendBlocks([]store.Append{genesis()}))
	chain := s.Chain()
	entry := command(5, 1, "x")
	must(t, s.StoreLog(entry))
	good := blockOf(t, chain, entry)
	wrong := map[string]func(c store.Chain) store.Append{
		"number":        func(c store.Chain) store.Append { c.Height++; return blockOf(t, c, entry) },
		"previous hash": func(c store.Chain) store.Append { c.LastHash = []byte("other"); return blockOf(t, c, entry) },
	}
	for name, change := range wrong {
		if err := s.AppendBlocks([]store.Append{change(chain)}); !errors.Is(err, store.ErrOrder) {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	must(t, s.AppendBlocks([]store.Append{good}))
	if err := s.AppendBlocks([]store.Append{blockOf(t, s.Chain(), entry)}); !errors.Is(err, store.ErrOrder) {
		t.Errorf("the same entry twice: %v", err)
	}
}

// A node that was away gets a snapshot: it fetches blocks while its log is old,
// may be interrupted, and then gets entries again.
func TestFetchedBlocks(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path)
	must(t, s.AppendBlocks([]store.Append{genesis()}))
	must(t, s.StoreLogs([]*raft.Log{{Index: 1, Term: 1, Type: raft.LogConfiguration}, command(2, 1, "own"), command(3, 1, "divergent"), command(4, 1, "divergent too")}))
	must(t, s.AppendBlocks([]store.Append{blockOf(t, s.Chain(), command(2, 1, "own"))}))
	fetch := func(index uint64, text string) {
		t.Helper()
		raw, _ := proto.Marshal(envelope(text))
		b := nextBlock(s.Chain(), [][]byte{raw}, index)
		b.Fetched = true
		must(t, s.AppendBlocks([]store.Append{b}))
	}
	fetch(3, "theirs")
	fetch(9, "later")
	must(t, s.Close()) // interrupted before the snapshot is kept
	s = mustOpen(t, path)
	if last, _ := s.LastIndex(); last != 4 {
		t.Errorf("after an interrupted fetch the log ends at %d, want 4", last)
	}
	// A leader that still has the old entries replaces the divergent ones.
	must(t, s.DeleteRange(3, 4))
	must(t, s.StoreLogs([]*raft.Log{command(3, 2, "theirs"), {Index: 4, Term: 2, Type: raft.LogNoop}}))
	var l raft.Log
	must(t, s.GetLog(3, &l))
	if l.Term != 2 {
		t.Errorf("entry 3 has term %d, want 2", l.Term)
	}
	for number, text := range []string{"configuration", "own", "theirs", "later"} {
		b, err := s.Block(uint64(number))
		must(t, err)
		if !strings.Contains(string(b.Data.Data[0]), text) {
			t.Errorf("block %d holds %q, want %q", number, b.Data.Data[0], text)
		}
	}
	// Or a snapshot comes: the log is emptied and begins behind it.
	fetch(20, "last of the snapshot")
	must(t, s.SaveSnapshot(raft.SnapshotMeta{Index: 21, Term: 2}, []byte("state")))
	first, _ := s.FirstIndex()
	last, _ := s.LastIndex()
	must(t, s.DeleteRange(first, last))
	if last, _ = s.LastIndex(); last != 0 {
		t.Errorf("the emptied log ends at %d", last)
	}
	must(t, s.StoreLog(command(22, 2, "after")))
	must(t, s.Close())
	s = mustOpen(t, path)
	first, _ = s.FirstIndex()
	last, _ = s.LastIndex()
	if first != 22 || last != 22 {
		t.Errorf("the log is %d to %d, want 22 to 22", first, last)
	}
	if b, err := s.Block(2); err != nil || !strings.Contains(string(b.Data.Data[0]), "theirs") {
		t.Errorf("block 2 is %v, %v", b, err)
	}
}

func TestSnapshotAndValuesSurvive(t *testing.T) {
	path := newPath(t)
	s := mustOpen(t, path)
	meta := raft.SnapshotMeta{ID: "x", Index: 5, Term: 2, ConfigurationIndex: 1,
		Configuration: raft.Configuration{Servers: []raft.Server{{ID: "o1", Address: "here:1"}}}}
	must(t, s.SaveSnapshot(meta, []byte("one")))
	meta.Index = 9
	must(t, s.SaveSnapshot(meta, []byte("second")))
	must(t, s.SetUint64([]byte("CurrentTerm"), 4))
	must(t, s.Set([]byte("LastVoteCand"), []byte("o1")))
	must(t, s.Close())
	s = mustOpen(t, path)
	got, data, ok := s.Snapshot()
	meta.ID, meta.Version, meta.Size = "", 1, 6
	if diff := cmp.Diff(meta, got); diff != "" || string(data) != "second" || !ok {
		t.Errorf("snapshot %q, %v: %s", data, ok, diff)
	}
	if term, _ := s.GetUint64([]byte("CurrentTerm")); term != 4 {
		t.Errorf("the term is %d", term)
	}
	if vote, _ := s.Get([]byte("LastVoteCand")); string(vote) != "o1" {
		t.Errorf("the vote is %q", vote)
	}
	if other, err := s.GetUint64([]byte("other")); other != 0 || err != nil {
		t.Errorf("an absent value is %d, %v", other, err)
	}
}

func TestNewerLogFencesOlder(t *testing.T) {
	s := mustOpen(t, newPath(t))
	must(t, s.StoreLog(command(1, 1, "a")))
	newer := s.OpenLog()
	if err := s.StoreLog(command(2, 1, "b")); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a fenced log stored an entry: %v", err)
	}
	if err := s.SetUint64([]byte("CurrentTerm"), 9); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a fenced log stored a value: %v", err)
	}
	if err := s.DeleteRange(1, 1); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a fenced log deleted an entry: %v", err)
	}
	must(t, newer.StoreLog(command(2, 2, "c")))
	newer.Fence()
	if !newer.Fenced() || newer.StoreLog(command(3, 2, "d")) == nil {
		t.Error("Fence did not end the newer log")
	}
}

func TestBodyRoundTrip(t *testing.T) {
	unknown := envelope("with a field that the protocol does not have")
	unknown.ProtoReflect().SetUnknown([]byte{0x1a, 0x01, 'x'})
	envelopes := []*commonpb.Envelope{envelope("a"), {}, {Signature: []byte("s")}, {Payload: bytes.Repeat([]byte("x"), 300)}, unknown}
	raw := store.EncodeBody(store.KindBatch, 1<<63, 42, envelopes)
	body, err := store.DecodeBody(raw)
	must(t, err)
	if body.Kind != store.KindBatch || body.Epoch != 1<<63 || body.Number != 42 || len(body.Envelopes) != len(envelopes) {
		t.Fatalf("decoded %+v", body)
	}
	for i, e := range envelopes {
		want, err := proto.Marshal(e)
		must(t, err)
		if !bytes.Equal(body.Envelopes[i], want) {
			t.Errorf("envelope %d is %x, want %x", i, body.Envelopes[i], want)
		}
	}
	plain, err := s2.Decode(nil, raw[17:])
	must(t, err)
	var data commonpb.BlockData
	if err := proto.Unmarshal(plain, &data); err != nil || len(data.Data) != len(envelopes) {
		t.Errorf("the body's data is no BlockData: %v", err)
	}
}

func FuzzDecodeBody(f *testing.F) {
	f.Add(store.EncodeBody(store.KindBatch, 1, 2, []*commonpb.Envelope{envelope("a"), envelope("b")}))
	f.Add(store.EncodeBody(store.KindBarrier, 1, 2, nil))
	f.Fuzz(func(t *testing.T, raw []byte) {
		body, err := store.DecodeBody(raw)
		if err != nil {
			if !errors.Is(err, store.ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		total := 0
		for _, e := range body.Envelopes {
			total += len(e)
		}
		if total > 1<<27 || (len(body.Envelopes) == 0) != (body.Kind == store.KindBarrier) {
			t.Fatalf("%d bytes in %d envelopes of kind %d out of %d", total, len(body.Envelopes), body.Kind, len(raw))
		}
	})
}
