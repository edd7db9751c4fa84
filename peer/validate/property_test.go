package validate_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// policyTexts are the policies that the reference knows by name.
var policyTexts = map[string]string{
	"one": "OR('Org1MSP.peer')", "two": "OR('Org2MSP.peer')",
	"both": "AND('Org1MSP.peer', 'Org2MSP.peer')", "any": "OR('Org1MSP.peer', 'Org2MSP.peer')",
}

// The validator, several transactions at a time, and the slow reference come to
// the same verdicts and the same state over random chains.
func TestAgreesWithTheReference(t *testing.T) {
	n := MustNetwork(t)
	seen := map[peerpb.TxValidationCode]int{}
	rapid.Check(t, func(rt *rapid.T) {
		g := newGenerator(t, rt, n)
		defer g.close()
		for range rapid.IntRange(1, 6).Draw(rt, "blocks") {
			txs := g.block()
			var envelopes [][]byte
			for _, tx := range txs {
				envelopes = append(envelopes, g.encode(tx))
			}
			result := g.add(n.MustBlock(t, envelopes...))
			want := g.reference.judge(txs)
			if !slices.Equal(result.Codes, want) {
				rt.Fatalf("block %d: %v, the reference says %v\n%s", g.reference.block-1, result.Codes, want, describe(txs, result))
			}
			for _, code := range want {
				seen[code]++
			}
			g.compareState()
		}
	})
	for _, code := range []peerpb.TxValidationCode{valid, policyFailed, outdated, phantom, peerpb.TxValidationCode_DUPLICATE_TXID, peerpb.TxValidationCode_INVALID_CHAINCODE} {
		if seen[code] == 0 {
			t.Errorf("no random transaction got %s; the generator is too tame", code)
		}
	}
	t.Log(seen)
}

func describe(txs []*refTx, result *validate.Result) string {
	var out strings.Builder
	for i, tx := range txs {
		fmt.Fprintf(&out, "%d: %+v\n", i, *tx)
		if result.Reasons[i] != nil {
			fmt.Fprintf(&out, "   %s\n", result.Reasons[i].Text)
		}
	}
	return out.String()
}

// generator draws blocks that fight for few keys.
type generator struct {
	t         *testing.T
	rt        *rapid.T
	network   *network
	chain     *chain
	sharing   []*chain // peers of one process: they decode each block once
	reference *reference
	past      []refState // states that a transaction may have been simulated on
	nonces    map[string][]byte
	ids       []string
}

func newGenerator(t *testing.T, rt *rapid.T, n *network) *generator {
	l, err := ledger.OpenTemp(ledger.Options{})
	if err != nil {
		rt.Fatal(err)
	}
	g := &generator{
		t: t, rt: rt, network: n, nonces: map[string][]byte{},
		chain: &chain{l, validate.New(validate.Config{Ledger: l, Verifier: msp.NewVerifier(1000), Workers: 4})},
		reference: &reference{
			block: 2, state: refState{}, seen: map[string]bool{},
			chaincodes: map[string]refChaincode{
				"cc1": {policy: "both"},
				"cc2": {policy: "one", colls: map[string]string{"own": "two", "plain": ""}},
				"cc3": {policy: "any"},
			},
		},
	}
	shared := validate.NewShared()
	for range 3 {
		l, err := ledger.OpenTemp(ledger.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		g.sharing = append(g.sharing, &chain{l, validate.New(validate.Config{Ledger: l, Verifier: msp.NewVerifier(1000), Workers: 2, Shared: shared})})
	}
	g.past = []refState{{}}
	g.add(n.MustGenesis(t))
	var specs []chaincodeSpec
	for _, name := range []string{"cc1", "cc2", "cc3"} {
		cc := g.reference.chaincodes[name]
		spec := chaincodeSpec{name: name, policy: policyTexts[cc.policy], collections: map[string]string{}}
		for coll, own := range cc.colls {
			spec.collections[coll] = policyTexts[own]
		}
		specs = append(specs, spec)
	}
	g.add(n.MustBlock(t, n.MustEnvelope(t, transaction{
		chaincode: "_lifecycle", namespace: []*rwsetpb.NsReadWriteSet{define(t, specs...)}, endorsers: []*msp.Signer{n.peer1(), n.peer2()},
	})))
	return g
}

func (g *generator) close() {
	g.chain.Close()
	for _, c := range g.sharing {
		c.Close()
	}
}

// add adds a block to the chain, and at the same time to those that share what they
// decode: one gets the same block, one its data at another place, and all come to the
// same verdicts, reasons and commit hash as one that shares nothing.
func (g *generator) add(b *commonpb.Block) *validate.Result {
	g.t.Helper()
	result, stored := g.chain.MustAdd(g.t, b)
	var at sync.WaitGroup
	for i, c := range g.sharing {
		given := &commonpb.Block{Header: b.GetHeader(), Data: b.GetData(), Metadata: b.GetMetadata()}
		if i == 0 {
			given = proto.CloneOf(b)
		}
		at.Go(func() {
			other, err := c.Validate(g.t.Context(), given)
			if err != nil {
				g.t.Errorf("block %d, sharing: %v", b.GetHeader().GetNumber(), err)
				return
			}
			added, err := c.Commit(g.t.Context(), other.Block, other.Batch, nil)
			if err != nil {
				g.t.Error(err)
				return
			}
			if other.NextBundle != nil {
				c.Use(other.NextBundle)
			}
			if !slices.Equal(other.Codes, result.Codes) || !reflect.DeepEqual(other.Reasons, result.Reasons) {
				g.t.Errorf("block %d: who shares says %v, who does not %v", b.GetHeader().GetNumber(), other.Codes, result.Codes)
			}
			if !bytes.Equal(wire.CommitHash(added), wire.CommitHash(stored)) {
				g.t.Errorf("block %d: who shares comes to another commit hash", b.GetHeader().GetNumber())
			}
		})
	}
	at.Wait()
	if g.t.Failed() {
		g.rt.FailNow()
	}
	return result
}

func pick[T any](g *generator, label string, choices ...T) T {
	return rapid.SampledFrom(choices).Draw(g.rt, label)
}

func (g *generator) block() []*refTx {
	txs := make([]*refTx, rapid.IntRange(1, 8).Draw(g.rt, "transactions"))
	for i := range txs {
		txs[i] = g.transaction()
	}
	g.past = append(g.past, g.reference.state)
	return txs
}

func (g *generator) transaction() *refTx {
	tx := &refTx{
		chaincode: pick(g, "chaincode", "cc1", "cc2", "cc2", "cc3", "cc3"),
		endorsers: []string{"one", "two"},
		colls:     []string{"own", "plain"},
	}
	switch rapid.IntRange(0, 19).Draw(g.rt, "sort") {
	case 13:
		tx.fault = pick(g, "fault", peerpb.TxValidationCode_BAD_PROPOSAL_TXID, peerpb.TxValidationCode_BAD_CREATOR_SIGNATURE, badStructure)
	case 14, 15, 16, 17, 18:
		tx.endorsers = pick(g, "endorsers", []string{"one"}, []string{"two"}, []string{"client", "bad"}, []string{"one", "one"},
			[]string{"bad", "one", "two"}, []string{"two", "one", "client"}, nil)
	}
	g.identify(tx)
	// It was simulated on the newest state, or on an older one.
	back := pick(g, "behind", 0, 0, 0, 1, 2)
	simulated := g.reference.state
	if back > 0 && back < len(g.past) {
		simulated = g.past[len(g.past)-back]
	}
	for range rapid.IntRange(0, 2).Draw(g.rt, "reads") {
		tx.reads = append(tx.reads, g.read(simulated))
	}
	if rapid.Bool().Draw(g.rt, "range") {
		tx.ranges = append(tx.ranges, g.rangeQuery(simulated))
	}
	for range rapid.IntRange(0, 3).Draw(g.rt, "writes") {
		tx.writes = append(tx.writes, g.write())
	}
	if len(tx.writes) > 0 && rapid.IntRange(0, 9).Draw(g.rt, "repeat") == 7 {
		// One key many times, as only a hand-made write set can have it.
		for range pick(g, "times", 1, 2, 3, 7, 31, 63, 127, 255) {
			tx.writes = append(tx.writes, tx.writes[0])
		}
	}
	spaces := map[string]bool{}
	for _, r := range tx.reads {
		spaces[r.key.ns] = true
	}
	for _, q := range tx.ranges {
		spaces[q.ns] = true
	}
	for _, w := range tx.writes {
		spaces[w.key.ns] = true
	}
	for ns := range spaces {
		tx.spaces = append(tx.spaces, ns)
	}
	sort.Strings(tx.spaces)
	return tx
}

// identify gives the transaction an id, now and then one that was used before.
func (g *generator) identify(tx *refTx) {
	if len(g.ids) > 0 && tx.fault == 0 && rapid.IntRange(0, 9).Draw(g.rt, "reuse") == 7 {
		tx.id = pick(g, "id", g.ids...)
		return
	}
	nonce := wire.NewNonce()
	tx.id = wire.TxID(nonce, g.network.client().Creator())
	if tx.fault == peerpb.TxValidationCode_BAD_PROPOSAL_TXID {
		tx.id = "not " + tx.id
	} else {
		g.ids = append(g.ids, tx.id)
	}
	g.nonces[tx.id] = nonce
}

func (g *generator) key() refKey {
	k := refKey{ns: pick(g, "namespace", "cc1", "cc2", "cc2", "cc3", "cc3"), key: pick(g, "key", "a", "b", "c", "d", "e")}
	if k.ns == "cc2" {
		k.coll = pick(g, "collection", "", "", "own", "plain")
	}
	return k
}

func (g *generator) read(simulated refState) refRead {
	r := refRead{key: g.key()}
	if e, exists := simulated[r.key]; exists {
		r.version = &e.version
	}
	return r
}

func (g *generator) rangeQuery(simulated refState) refRange {
	q := refRange{
		ns: pick(g, "namespace", "cc1", "cc2", "cc3"), exhausted: rapid.Bool().Draw(g.rt, "exhausted"),
		start: pick(g, "start", "", "a", "b", "c"), end: pick(g, "end", "c", "d", "e", "f"),
	}
	if q.exhausted && rapid.Bool().Draw(g.rt, "to the end") {
		q.end = ""
	}
	q.results = refList(q, simulated)
	if len(q.results) > 2 {
		q.degree = pick(g, "degree", 0, 2, 3)
	}
	if q.degree >= len(q.results) {
		q.degree = 0
	}
	return q
}

func (g *generator) write() refWrite {
	w := refWrite{key: g.key()}
	switch rapid.IntRange(0, 39).Draw(g.rt, "kind") {
	case 38:
		w.key = refKey{ns: "ghost", key: "a"} // no such chaincode
		w.value = "v"
	case 39:
		w.key = refKey{"cc2", "nowhere", "a"} // no such collection
		w.value = "v"
	case 2, 3, 4:
	case 5, 6, 7:
		p := pick(g, "key policy", "both", "any", "one", "two", "any", "both", "any", "garbage")
		w.policy = &p
	case 9:
		p := ""
		w.policy = &p
	default:
		w.value = pick(g, "value", "v", "w")
	}
	return w
}

// encode makes the bytes of a described transaction.
func (g *generator) encode(tx *refTx) []byte {
	n := g.network
	out := transaction{chaincode: tx.chaincode, nonce: g.nonces[tx.id], badEnd: map[int]bool{}}
	for i, who := range tx.endorsers {
		signer := map[string]*msp.Signer{"one": n.peer1(), "two": n.peer2(), "client": n.client(), "bad": n.one.Node("peer1").Signer}[who]
		out.endorsers = append(out.endorsers, signer)
		out.badEnd[i] = who == "bad"
	}
	for _, ns := range tx.spaces {
		out.namespace = append(out.namespace, g.space(tx, ns).MustEncode(g.t))
	}
	switch tx.fault {
	case peerpb.TxValidationCode_BAD_PROPOSAL_TXID:
		out.edit = func(p *parts) { p.channel.TxId = tx.id }
	case peerpb.TxValidationCode_BAD_CREATOR_SIGNATURE:
		out.signAs = n.peer1()
	case badStructure:
		out.edit = func(p *parts) { p.whole.Actions = append(p.whole.Actions, p.whole.Actions...) }
	}
	return n.MustEnvelope(g.t, out)
}

// space collects what a transaction does in one namespace. The undefined
// collection comes last.
func (g *generator) space(tx *refTx, ns string) *space {
	s := &space{name: ns, kv: &kvrwsetpb.KVRWSet{}, collections: map[string]*kvrwsetpb.HashedRWSet{}}
	hashed := func(coll string) *kvrwsetpb.HashedRWSet {
		if s.collections[coll] == nil {
			s.collections[coll] = &kvrwsetpb.HashedRWSet{}
		}
		return s.collections[coll]
	}
	for _, r := range tx.reads {
		switch version := protoVersion(r.version); {
		case r.key.ns != ns:
		case r.key.coll == "":
			s.kv.Reads = append(s.kv.Reads, &kvrwsetpb.KVRead{Key: r.key.key, Version: version})
		default:
			c := hashed(r.key.coll)
			c.HashedReads = append(c.HashedReads, &kvrwsetpb.KVReadHash{KeyHash: wire.Hash([]byte(r.key.key)), Version: version})
		}
	}
	for _, q := range tx.ranges {
		if q.ns == ns {
			s.kv.RangeQueriesInfo = append(s.kv.RangeQueriesInfo, q.encode())
		}
	}
	for _, w := range tx.writes {
		if w.key.ns == ns {
			g.addWrite(s, w, hashed)
		}
	}
	for _, coll := range []string{"own", "plain", "nowhere"} {
		if s.collections[coll] != nil {
			s.order = append(s.order, coll)
		}
	}
	return s
}

func (g *generator) addWrite(s *space, w refWrite, hashed func(string) *kvrwsetpb.HashedRWSet) {
	var entries []*kvrwsetpb.KVMetadataEntry
	if w.policy != nil && *w.policy != "" {
		entries = []*kvrwsetpb.KVMetadataEntry{{Name: "VALIDATION_PARAMETER", Value: g.policyBytes(*w.policy)}}
	}
	hash := wire.Hash([]byte(w.key.key))
	switch {
	case w.policy != nil && w.key.coll == "":
		s.kv.MetadataWrites = append(s.kv.MetadataWrites, &kvrwsetpb.KVMetadataWrite{Key: w.key.key, Entries: entries})
	case w.policy != nil:
		c := hashed(w.key.coll)
		c.MetadataWrites = append(c.MetadataWrites, &kvrwsetpb.KVMetadataWriteHash{KeyHash: hash, Entries: entries})
	case w.key.coll == "":
		s.kv.Writes = append(s.kv.Writes, &kvrwsetpb.KVWrite{Key: w.key.key, Value: []byte(w.value), IsDelete: w.value == ""})
	default:
		write := &kvrwsetpb.KVWriteHash{KeyHash: hash, IsDelete: w.value == ""}
		if w.value != "" {
			write.ValueHash = wire.Hash([]byte(w.value))
		}
		c := hashed(w.key.coll)
		c.HashedWrites = append(c.HashedWrites, write)
	}
}

func (g *generator) policyBytes(name string) []byte {
	if name == "garbage" {
		return []byte{0xff}
	}
	return MustMarshal(g.t, MustPolicy(g.t, policyTexts[name]))
}

func protoVersion(v *refVersion) *kvrwsetpb.Version {
	if v == nil {
		return nil
	}
	return v.proto()
}

func (q refRange) encode() *kvrwsetpb.RangeQueryInfo {
	out := &kvrwsetpb.RangeQueryInfo{StartKey: q.start, EndKey: q.end, ItrExhausted: q.exhausted}
	switch {
	case q.degree > 0:
		out.ReadsInfo = &kvrwsetpb.RangeQueryInfo_ReadsMerkleHashes{ReadsMerkleHashes: refSummary(q.results, q.degree)}
	case len(q.results) > 0:
		raw := &kvrwsetpb.QueryReads{}
		for _, r := range q.results {
			raw.KvReads = append(raw.KvReads, &kvrwsetpb.KVRead{Key: r.key, Version: r.version.proto()})
		}
		out.ReadsInfo = &kvrwsetpb.RangeQueryInfo_RawReads{RawReads: raw}
	}
	return out
}

// compareState compares every key of the ledger with the reference.
func (g *generator) compareState() {
	view, err := g.chain.View()
	if err != nil {
		g.rt.Fatal(err)
	}
	defer view.Close()
	public := 0
	for key, want := range g.reference.state {
		value, wantValue := ledger.Value{}, []byte(want.value)
		var ok bool
		if key.coll == "" {
			public++
			value, ok, err = view.GetState(key.ns, key.key)
		} else {
			wantValue = wire.Hash(wantValue)
			value, ok, err = view.GetHash(key.ns, key.coll, wire.Hash([]byte(key.key)))
		}
		var metadata []byte
		if want.policy != "" {
			metadata = MustMarshal(g.t, &kvrwsetpb.KVMetadataWrite{Entries: []*kvrwsetpb.KVMetadataEntry{{Name: "VALIDATION_PARAMETER", Value: g.policyBytes(want.policy)}}})
		}
		if err != nil || !ok || !bytes.Equal(value.Value, wantValue) || value.Version.String() != want.version.String() || !bytes.Equal(value.Metadata, metadata) {
			g.rt.Fatalf("%s: %v %x %s %x (%v), want %x %s %x", key, ok, value.Value, value.Version, value.Metadata, err, wantValue, want.version, metadata)
		}
	}
	found := 0
	for _, ns := range []string{"cc1", "cc2", "cc3", "ghost"} {
		for _, err := range view.Range(ns, "", "", false) {
			if err != nil {
				g.rt.Fatal(err)
			}
			found++
		}
	}
	for _, err := range view.Hashed() {
		if err != nil {
			g.rt.Fatal(err)
		}
		found++
	}
	if found != len(g.reference.state) {
		g.rt.Fatalf("%d keys in the ledger, %d in the reference", found, len(g.reference.state))
	}
}
