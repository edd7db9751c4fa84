package ledger_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"

	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// modelEntry is a key in the reference.
type modelEntry struct {
	value    string
	metadata string
	version  wire.Version
}

// modelWrite is an entry of the reference's history.
type modelWrite struct {
	tx    string
	value string // "" for a delete
}

// model is the obvious implementation: a map and lists.
type model struct {
	state   map[string]modelEntry
	history map[string][]modelWrite // oldest first
}

func (m *model) clone() map[string]modelEntry { return maps.Clone(m.state) }

// apply is what wire.md F.6 says about a write set that chaincode has made.
func (m *model) apply(id string, v wire.Version, kv *kvrwsetpb.KVRWSet) {
	written := map[string]*kvrwsetpb.KVWrite{}
	for _, w := range kv.Writes {
		written[w.Key] = w
		m.history[w.Key] = append(m.history[w.Key], modelWrite{id, string(w.Value)})
	}
	metadata := map[string]string{}
	for _, w := range kv.MetadataWrites {
		text := ""
		for _, e := range w.Entries {
			text += e.Name + "=" + string(e.Value)
		}
		metadata[w.Key] = text
	}
	for key, w := range written {
		if w.IsDelete {
			delete(m.state, key)
			continue
		}
		entry := m.state[key]
		entry.value, entry.version = string(w.Value), v
		if text, ok := metadata[key]; ok {
			entry.metadata = text
		}
		m.state[key] = entry
	}
	for key, text := range metadata {
		entry, present := m.state[key]
		if _, done := written[key]; done || !present {
			continue
		}
		entry.metadata, entry.version = text, v
		m.state[key] = entry
	}
}

var keys = rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "ä", "\x00x\x00", "z~", "zz", "~"})

// drawSet draws a write set with at most one entry of each sort per key.
func drawSet(t *rapid.T) *kvrwsetpb.KVRWSet {
	kv := new(kvrwsetpb.KVRWSet)
	for _, key := range rapid.SliceOfNDistinct(keys, 0, 4, rapid.ID[string]).Draw(t, "writes") {
		w := &kvrwsetpb.KVWrite{Key: key, IsDelete: rapid.Bool().Draw(t, "delete")}
		if !w.IsDelete {
			w.Value = []byte(rapid.StringN(1, 5, -1).Draw(t, "value"))
		}
		kv.Writes = append(kv.Writes, w)
	}
	for _, key := range rapid.SliceOfNDistinct(keys, 0, 2, rapid.ID[string]).Draw(t, "metadata") {
		m := &kvrwsetpb.KVMetadataWrite{Key: key}
		if rapid.Bool().Draw(t, "set") {
			m.Entries = []*kvrwsetpb.KVMetadataEntry{{Name: "N", Value: []byte(rapid.StringN(1, 3, -1).Draw(t, "entry"))}}
		}
		kv.MetadataWrites = append(kv.MetadataWrites, m)
	}
	return kv
}

// TestLedgerAgainstModel commits random blocks and compares state, ranges and
// history with the reference, through views of the newest and of older heights,
// and again after a rebuild of everything in memory.
func TestLedgerAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l, err := ledger.OpenTemp(ledger.Options{CacheBytes: rapid.SampledFrom([]int{1, 2000, 1 << 20}).Draw(rt, "cache")})
		if err != nil {
			rt.Fatal(err)
		}
		defer l.Close()
		a := &author{l: l}
		m := &model{state: map[string]modelEntry{}, history: map[string][]modelWrite{}}
		type old struct {
			view  *ledger.View
			state map[string]modelEntry
		}
		var olds []old
		for range rapid.IntRange(1, 6).Draw(rt, "blocks") {
			var txs []authored
			for i := range rapid.IntRange(0, 4).Draw(rt, "txs") {
				kv := drawSet(rt)
				tx := a.tx(mustResults(t, "cc", kv))
				if rapid.IntRange(0, 4).Draw(rt, "invalid") == 0 {
					tx.code = peerpb.TxValidationCode_MVCC_READ_CONFLICT
				} else {
					m.apply(tx.id, wire.Version{Block: l.Height(), Tx: uint64(i)}, kv)
				}
				txs = append(txs, tx)
			}
			a.commit(t, txs...)
			v, err := l.View()
			if err != nil {
				rt.Fatal(err)
			}
			defer v.Close()
			olds = append(olds, old{v, m.clone()})
			compareModel(rt, v, m.state)
			compareHistory(rt, v, m)
		}
		for _, o := range olds {
			compareModel(rt, o.view, o.state)
		}
	})
}

func metadataText(rt *rapid.T, raw []byte) (text string) {
	entries, err := ledger.ParseMetadata(raw)
	if err != nil {
		rt.Fatal(err)
	}
	for name, value := range entries {
		text += name + "=" + string(value)
	}
	return text
}

func compareModel(rt *rapid.T, v *ledger.View, want map[string]modelEntry) {
	for _, key := range []string{"a", "b", "c", "d", "e", "ä", "\x00x\x00", "z~", "zz", "~", "never"} {
		got, ok, err := v.GetState("cc", key)
		w, present := want[key]
		if err != nil || ok != present || string(got.Value) != w.value || metadataText(rt, got.Metadata) != w.metadata || got.Version != w.version {
			rt.Fatalf("height %d, key %q: %v %v %v, want %v %v", v.Height(), key, got, ok, err, w, present)
		}
	}
	start, end := rapid.StringN(0, 1, -1).Draw(rt, "start"), rapid.StringN(0, 1, -1).Draw(rt, "end")
	include := rapid.Bool().Draw(rt, "include end")
	var got []string
	for entry, err := range v.Range("cc", start, end, include) {
		if err != nil {
			rt.Fatal(err)
		}
		got = append(got, entry.Key+"="+string(entry.Value.Value))
	}
	var expected []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if key >= start && (end == "" || key < end || include && key == end) {
			expected = append(expected, key+"="+want[key].value)
		}
	}
	if !slices.Equal(got, expected) {
		rt.Fatalf("height %d, range %q to %q: %q, want %q", v.Height(), start, end, got, expected)
	}
}

func compareHistory(rt *rapid.T, v *ledger.View, m *model) {
	for _, key := range []string{"a", "b", "ä", "\x00x\x00", "never"} {
		var got []modelWrite
		for k, err := range v.History("cc", key) {
			if err != nil {
				rt.Fatal(err)
			}
			if k.IsDelete != (len(k.Value) == 0) {
				rt.Fatalf("key %q: delete is %v for value %q", key, k.IsDelete, k.Value)
			}
			got = append(got, modelWrite{k.TxId, string(k.Value)})
		}
		want := slices.Clone(m.history[key])
		slices.Reverse(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("history of %q: %v, want %v", key, got, want)
		}
	}
}

// TestQueriesAgainstModel reads ranges through the chaincode's requests, in pages
// and in batches, to the end or not, and compares results and recorded ranges.
func TestQueriesAgainstModel(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	a := &author{l: l}
	kv := new(kvrwsetpb.KVRWSet)
	var all []string
	for i := range 450 {
		all = append(all, fmt.Sprintf("k%04d", i))
		kv.Writes = append(kv.Writes, &kvrwsetpb.KVWrite{Key: all[i], Value: []byte(all[i])})
	}
	a.commit(t, a.tx(mustResults(t, "cc", kv)))
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.IntRange(0, 449).Draw(rt, "from")
		to := rapid.IntRange(from, 449).Draw(rt, "to")
		size := rapid.SampledFrom([]int{0, 0, 1, 7, 99, 100, 101, 200}).Draw(rt, "page")
		calls := rapid.IntRange(1, 6).Draw(rt, "calls")
		sim, err := l.NewSimulator(bg, "tx")
		if err != nil {
			rt.Fatal(err)
		}
		defer sim.Done()
		r := ledger.NewRequests(sim, "cc", ledger.RequestOptions{})
		defer r.Close()
		want := all[from:to]
		if size == 0 {
			got, fetched, ended := readBatches(rt, r, all[from], all[to], calls)
			if !slices.Equal(got, want[:min(len(want), len(got))]) || ended != (len(got) == len(want)) {
				rt.Fatalf("got %d results, ended %v, of %d", len(got), ended, len(want))
			}
			checkRange(rt, sim, all[from], all[to], want[:fetched], ended)
			return
		}
		got := readPages(rt, r, all[from], all[to], size, calls)
		if n := min(len(want), size*calls); !slices.Equal(got, want[:n]) {
			rt.Fatalf("got %d results in pages of %d, want %d", len(got), size, n)
		}
	})
}

func mustHandle(rt *rapid.T, r *ledger.Requests, kind peerpb.ChaincodeMessage_Type, m proto.Message) *peerpb.QueryResponse {
	raw, err := proto.Marshal(m)
	if err != nil {
		rt.Fatal(err)
	}
	payload, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: kind, Payload: raw})
	if err != nil {
		rt.Fatal(err)
	}
	response := new(peerpb.QueryResponse)
	if err := proto.Unmarshal(payload, response); err != nil {
		rt.Fatal(err)
	}
	return response
}

func queryKeys(rt *rapid.T, response *peerpb.QueryResponse) (found []string) {
	for _, item := range response.Results {
		kv := new(querypb.KV)
		if err := proto.Unmarshal(item.ResultBytes, kv); err != nil {
			rt.Fatal(err)
		}
		if string(kv.Value) != kv.Key || kv.Namespace != "cc" {
			rt.Fatalf("result %v", kv)
		}
		found = append(found, kv.Key)
	}
	return found
}

// readBatches asks for the next batch a few times. fetched is how many results
// the peer has looked at.
func readBatches(rt *rapid.T, r *ledger.Requests, start, end string, calls int) (got []string, fetched int, ended bool) {
	response := mustHandle(rt, r, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE, &peerpb.GetStateByRange{StartKey: start, EndKey: end})
	for call := 1; ; call++ {
		batch := queryKeys(rt, response)
		if response.HasMore && len(batch) != 100 {
			rt.Fatalf("a batch of %d with more to come", len(batch))
		}
		if call > 1 && len(batch) == 0 {
			rt.Fatal("more was promised and nothing came")
		}
		got = append(got, batch...)
		if !response.HasMore {
			return got, len(got), true
		}
		if call == calls {
			return got, len(got) + 1, false
		}
		response = mustHandle(rt, r, peerpb.ChaincodeMessage_QUERY_STATE_NEXT, &peerpb.QueryStateNext{Id: response.Id})
	}
}

// checkRange compares the recorded range with what the peer has looked at.
func checkRange(rt *rapid.T, sim *ledger.Simulator, start, end string, fetched []string, ended bool) {
	result, err := sim.Result()
	if err != nil {
		rt.Fatal(err)
	}
	set, err := wire.ParseRWSet(result.Public)
	if err != nil {
		rt.Fatal(err)
	}
	info := set.Namespaces[0].KV.RangeQueriesInfo[0]
	wantEnd := end
	if !ended {
		wantEnd = fetched[len(fetched)-1]
	}
	if info.StartKey != start || info.EndKey != wantEnd || info.ItrExhausted != ended {
		rt.Fatalf("recorded %q to %q, exhausted %v; want %q to %q, %v", info.StartKey, info.EndKey, info.ItrExhausted, start, wantEnd, ended)
	}
	hasher := wire.NewRangeHasher(wire.MaxMerkleDegree)
	for _, key := range fetched {
		if err := hasher.Add(&kvrwsetpb.KVRead{Key: key, Version: wire.Version{}.Proto()}); err != nil {
			rt.Fatal(err)
		}
	}
	raw, summary, err := hasher.Done()
	if err != nil {
		rt.Fatal(err)
	}
	if !proto.Equal(info.GetReadsMerkleHashes(), summary) || len(info.GetRawReads().GetKvReads()) != len(raw) {
		rt.Fatalf("recorded reads %v", info)
	}
}

// readPages follows bookmarks.
func readPages(rt *rapid.T, r *ledger.Requests, start, end string, size, calls int) (got []string) {
	bookmark := ""
	for range calls {
		metadata, err := proto.Marshal(&peerpb.QueryMetadata{PageSize: int32(size), Bookmark: bookmark})
		if err != nil {
			rt.Fatal(err)
		}
		response := mustHandle(rt, r, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE, &peerpb.GetStateByRange{StartKey: start, EndKey: end, Metadata: metadata})
		page := queryKeys(rt, response)
		m := new(peerpb.QueryResponseMetadata)
		if err := proto.Unmarshal(response.Metadata, m); err != nil {
			rt.Fatal(err)
		}
		if response.HasMore || int(m.FetchedRecordsCount) != len(page) || len(page) > size {
			rt.Fatalf("page of %d: %v", size, m)
		}
		got = append(got, page...)
		if m.Bookmark == "" {
			return got
		}
		bookmark = m.Bookmark
	}
	return got
}

// TestWriteSetsListingAKeyTwice covers the sums of hand-made write sets, next to
// the ones in the recorded chain.
func TestWriteSetsListingAKeyTwice(t *testing.T) {
	put := func(v string) *kvrwsetpb.KVWrite { return &kvrwsetpb.KVWrite{Key: "k", Value: []byte(v)} }
	del := &kvrwsetpb.KVWrite{Key: "k", IsDelete: true}
	for _, c := range []struct {
		name         string
		writes       []*kvrwsetpb.KVWrite
		absent, kept string // the value afterwards, if the key was absent or had "old"
	}{
		{"two writes", []*kvrwsetpb.KVWrite{put("1"), put("2")}, "", "old"},
		{"three writes", []*kvrwsetpb.KVWrite{put("1"), put("2"), put("3")}, "3", "3"},
		{"delete and write", []*kvrwsetpb.KVWrite{del, put("1")}, "", ""},
		{"write and delete", []*kvrwsetpb.KVWrite{put("1"), del}, "", ""},
		{"two deletes", []*kvrwsetpb.KVWrite{del, del}, "", "old"},
	} {
		for _, before := range []string{"", "old"} {
			a := &author{l: MustTemp(t, ledger.Options{})}
			if before != "" {
				a.put(t, "k", before)
			}
			tx := a.tx(mustResults(t, "cc", &kvrwsetpb.KVRWSet{Writes: c.writes}))
			a.commit(t, tx)
			want := c.absent
			if before != "" {
				want = c.kept
			}
			got, ok, err := MustView(t, a.l).GetState("cc", "k")
			if err != nil || ok != (want != "") || !bytes.Equal(got.Value, []byte(want)) {
				t.Errorf("%s, %q before: %q %v %v, want %q", c.name, before, got.Value, ok, err, want)
			}
			if ok && got.Version.Block != a.l.Height()-1 {
				t.Errorf("%s, %q before: version %s does not move", c.name, before, got.Version)
			}
			// The first entry is what history shows, whatever came of it.
			n := 0
			for m, err := range MustView(t, a.l).History("cc", "k") {
				if err != nil {
					t.Fatal(err)
				}
				if n == 0 && (m.TxId != tx.id || !bytes.Equal(m.Value, c.writes[0].Value)) {
					t.Errorf("%s: history begins with %v", c.name, m)
				}
				n++
			}
			if n == 0 || (before != "") != (n == 2) {
				t.Errorf("%s, %q before: %d entries in the history", c.name, before, n)
			}
		}
	}
}
