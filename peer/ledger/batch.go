package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Where the channel configuration is kept in the state (wire.md F.6).
const (
	configNamespace = ""
	configKey       = "CHANNEL_CONFIG_ENV_BYTES"
)

// State is what a Batch builds upon: the state before the block. *View is one; a
// map in a test is another.
type State interface {
	GetState(ns, key string) (value Value, ok bool, err error)
	GetHash(ns, coll string, keyHash []byte) (value Value, ok bool, err error)
}

// Pending is the latest effect of a block on one key.
type Pending struct {
	Value
	Delete bool
}

// Batch collects the net effect of the valid transactions of one block, one after
// the other. A validator asks it what earlier transactions of the block have
// updated; Commit stores it. It touches nothing but its State, and is used by one
// goroutine.
type Batch struct {
	block uint64
	state State

	pending  map[stateKey]*update
	touched  map[spaceKey]*space // keys by namespace and collection
	links    []txLinks           // for the history, by transaction
	ghosts   map[stateKey]int64  // keys whose writes had no effect, and the last such write
	pvtHash  map[privateKey][]byte
	purges   []stateKey // purged private keys by hash
	scratch  map[stateKey]*keyOps
	applying []stateKey // keys of scratch in order of appearance
}

// spaceKey names a namespace (coll "") or a collection.
type spaceKey struct{ ns, coll string }

// space is the keys of one namespace that the block touches.
type space struct {
	keys   []string
	sorted bool
}

// update is a Pending with what the history needs.
type update struct {
	Pending
	first int64 // version before the block as position, nowhere if the key was absent
	head  int64 // the last transaction that wrote the key or its metadata
}

// nowhere is the position that no transaction has.
const nowhere = -1

// txLinks says where the keys that a transaction writes were written before.
type txLinks struct {
	tx      uint64
	entries int // public writes and metadata writes of the transaction
	links   []link
}

// link is that of one key: its first entry in the transaction, and the position
// of the write before it; nowhere if the key was absent before the block.
type link struct {
	key     stateKey
	ordinal int
	prev    int64
}

// privateKey names the private write set of one transaction in one collection.
type privateKey struct {
	tx       uint64
	ns, coll string
}

// NewBatch starts with no effects. The state must be the one before the block.
func NewBatch(block uint64, before State) *Batch {
	return &Batch{
		block: block, state: before,
		pending: map[stateKey]*update{},
		touched: map[spaceKey]*space{},
		pvtHash: map[privateKey][]byte{},
		scratch: map[stateKey]*keyOps{},
	}
}

// Block is the number of the block.
func (b *Batch) Block() uint64 { return b.block }

// Empty tells that no transaction changed anything.
func (b *Batch) Empty() bool { return len(b.pending) == 0 }

// Get tells whether an earlier transaction of the block has updated a key:
// written, deleted, or changed its metadata. A delete of a key that was absent
// is an update too.
func (b *Batch) Get(ns, key string) (p *Pending, ok bool) {
	return b.find(stateKey{ns: ns, key: key})
}

// GetHash does the same for a hashed key of a collection.
func (b *Batch) GetHash(ns, coll string, keyHash []byte) (p *Pending, ok bool) {
	return b.find(stateKey{ns, coll, string(keyHash)})
}

func (b *Batch) find(key stateKey) (p *Pending, ok bool) {
	u, ok := b.pending[key]
	if !ok {
		return nil, false
	}
	return &u.Pending, true
}

// Range lists the updated public keys of a namespace in key order, with the
// bounds of View.Range. The batch must not change meanwhile.
func (b *Batch) Range(ns, start, end string, includeEnd bool) iter.Seq2[string, *Pending] {
	return func(yield func(string, *Pending) bool) {
		s := b.touched[spaceKey{ns: ns}]
		if s == nil {
			return
		}
		s.sort()
		from, _ := slices.BinarySearch(s.keys, start)
		for _, key := range s.keys[from:] {
			if end != "" && (key > end || key == end && !includeEnd) {
				return
			}
			if !yield(key, &b.pending[stateKey{ns: ns, key: key}].Pending) {
				return
			}
		}
	}
}

func (s *space) sort() {
	if !s.sorted {
		slices.Sort(s.keys)
		s.sorted = true
	}
}

// Updates lists the net effects in the order that the commit hash covers them.
func (b *Batch) Updates() []wire.Update {
	spaces := make([]spaceKey, 0, len(b.touched))
	for key := range b.touched {
		spaces = append(spaces, key)
	}
	slices.SortFunc(spaces, func(x, y spaceKey) int {
		return cmp.Or(strings.Compare(x.ns, y.ns), strings.Compare(x.coll, y.coll))
	})
	updates := make([]wire.Update, 0, len(b.pending))
	for _, in := range spaces {
		s := b.touched[in]
		s.sort()
		for _, key := range s.keys {
			p := b.pending[stateKey{in.ns, in.coll, key}]
			updates = append(updates, wire.Update{
				Namespace: in.ns, Collection: in.coll, Key: []byte(key),
				Value: p.Value.Value, Delete: p.Delete, Version: p.Version,
			})
		}
	}
	return updates
}

// SetConfig stores the channel configuration that a valid CONFIG transaction
// brings: a marshalled common.Config. It is stored in the deterministic form, so
// that peers that decode and encode it have equal state hashes.
func (b *Batch) SetConfig(tx uint64, config []byte) {
	var decoded commonpb.Config
	if proto.Unmarshal(config, &decoded) == nil {
		if canonical, err := (proto.MarshalOptions{Deterministic: true}).Marshal(&decoded); err == nil {
			config = canonical
		}
	}
	b.set(stateKey{ns: configNamespace, key: configKey}, Pending{
		Value: Value{Value: config, Version: wire.Version{Block: b.block, Tx: tx}},
	}, nowhere)
}

// Apply adds the effects of a valid endorser transaction. Transactions must be
// applied in the order of the block. It fails only if the state cannot be read.
func (b *Batch) Apply(tx uint64, set *wire.RWSet) error {
	links := txLinks{tx: tx, entries: b.collect(tx, set)}
	for _, key := range b.applying {
		if err := b.applyKey(key, b.scratch[key], &links); err != nil {
			return fmt.Errorf("apply transaction %d:%d: %w", b.block, tx, err)
		}
	}
	if links.entries > 0 {
		b.links = append(b.links, links)
	}
	clear(b.scratch)
	b.applying = b.applying[:0]
	return nil
}

// applyKey adds what one transaction does to one key.
func (b *Batch) applyKey(key stateKey, o *keyOps, links *txLinks) error {
	version := wire.Version{Block: b.block, Tx: links.tx}
	now, present, err := b.latest(key)
	if err != nil {
		return err
	}
	first, head := int64(nowhere), int64(nowhere)
	if u, ok := b.pending[key]; ok {
		head = u.head
	} else if ghost, ok := b.ghosts[key]; ok {
		head = ghost
	} else if present {
		first = position(now.Version)
		head = first
	}
	p, ok := o.effect(now, present)
	if key.coll == "" {
		links.links = append(links.links, link{key, o.ordinal, head})
	}
	if ok {
		p.Version = version
		b.set(key, p, first)
	} else if o.written && key.coll == "" {
		if b.ghosts == nil {
			b.ghosts = map[stateKey]int64{}
		}
		b.ghosts[key] = position(version)
	}
	return nil
}

// set records the latest effect on a key; first counts for a key that is new.
func (b *Batch) set(key stateKey, p Pending, first int64) {
	head := position(p.Version)
	if known, ok := b.pending[key]; ok {
		known.Pending, known.head = p, head
		return
	}
	b.pending[key] = &update{Pending: p, first: first, head: head}
	in := spaceKey{key.ns, key.coll}
	s := b.touched[in]
	if s == nil {
		s = &space{sorted: true}
		b.touched[in] = s
	}
	s.sorted = s.sorted && (len(s.keys) == 0 || s.keys[len(s.keys)-1] < key.key)
	s.keys = append(s.keys, key.key)
}

// latest is a key's value as the next transaction finds it. A key that the block
// has deleted is absent.
func (b *Batch) latest(key stateKey) (Value, bool, error) {
	if p, ok := b.pending[key]; ok {
		return p.Value, !p.Delete, nil
	}
	if key.coll == "" {
		return b.state.GetState(key.ns, key.key)
	}
	return b.state.GetHash(key.ns, key.coll, []byte(key.key))
}

// keyOps adds up what one write set does to one key. Every entry adds its flag,
// as numbers: a write set made by chaincode has at most one entry of each sort,
// and then the sum is a set of flags. With hand-made write sets two value writes
// add up to the flag of a metadata write, and so on; that is the protocol
// (wire.md F.6, end).
type keyOps struct {
	flags    uint8
	value    []byte
	metadata []byte

	ordinal int  // of the key's first public write among those of the transaction, or of its first metadata write
	written bool // there is a public write
}

const (
	opWrite          = 1
	opMetadata       = 2
	opMetadataDelete = 4
	opDelete         = 8
)

// collect sorts the entries of a write set by key. It returns the number of
// public writes and metadata writes.
func (b *Batch) collect(tx uint64, set *wire.RWSet) (ordinals int) {
	for i := range set.Namespaces {
		ns := &set.Namespaces[i]
		for _, w := range ns.KV.GetWrites() {
			b.op(stateKey{ns: ns.Name, key: w.GetKey()}, ordinals).write(w.GetValue(), isDelete(w))
			ordinals++
		}
		for _, m := range ns.KV.GetMetadataWrites() {
			b.op(stateKey{ns: ns.Name, key: m.GetKey()}, ordinals).setMetadata(m.GetEntries())
			ordinals++
		}
		for j := range ns.Collections {
			b.collectHashed(tx, ns.Name, &ns.Collections[j])
		}
	}
	return ordinals
}

func (b *Batch) collectHashed(tx uint64, ns string, coll *wire.CollRWSet) {
	if len(coll.PvtHash) > 0 {
		b.pvtHash[privateKey{tx, ns, coll.Name}] = coll.PvtHash
	}
	for _, w := range coll.Hashed.GetHashedWrites() {
		key := stateKey{ns, coll.Name, string(w.GetKeyHash())}
		b.op(key, 0).write(w.GetValueHash(), isHashedDelete(w))
		if w.GetIsPurge() {
			b.purges = append(b.purges, key)
		}
	}
	for _, m := range coll.Hashed.GetMetadataWrites() {
		b.op(stateKey{ns, coll.Name, string(m.GetKeyHash())}, 0).setMetadata(m.GetEntries())
	}
}

func (b *Batch) op(key stateKey, ordinal int) *keyOps {
	ops, ok := b.scratch[key]
	if !ok {
		ops = &keyOps{ordinal: ordinal}
		b.scratch[key] = ops
		b.applying = append(b.applying, key)
	}
	return ops
}

func (o *keyOps) write(value []byte, del bool) {
	o.written = true
	if del {
		o.flags += opDelete
		return
	}
	o.flags += opWrite
	o.value = value
}

func (o *keyOps) setMetadata(entries []*kvrwsetpb.KVMetadataEntry) {
	if len(entries) == 0 {
		o.flags += opMetadataDelete
		return
	}
	o.flags += opMetadata
	o.metadata = metadataBytes(entries)
}

// effect is what the sum of a key's entries does to its present value; ok is
// false if it does nothing.
func (o *keyOps) effect(now Value, present bool) (p Pending, ok bool) {
	switch {
	case o.flags&opDelete != 0:
		return Pending{Delete: true}, true
	case o.flags&opWrite != 0 && o.flags&(opMetadata|opMetadataDelete) != 0:
		return Pending{Value: Value{Value: o.value, Metadata: o.metadata}}, true
	case o.flags|opWrite == opWrite && o.value != nil: // 256 writes add up to 0, which is a write too
		if !present {
			now.Metadata = nil
		}
		return Pending{Value: Value{Value: o.value, Metadata: now.Metadata}}, true
	default: // the value stays; nothing happens to an absent key
		return Pending{Value: Value{Value: now.Value, Metadata: o.metadata}}, present
	}
}

// isDelete tells whether a public write removes its key: marked so, or without
// a value.
func isDelete(w *kvrwsetpb.KVWrite) bool { return w.GetIsDelete() || len(w.GetValue()) == 0 }

// isHashedDelete does the same for a hashed write, where a value of no bytes has
// a hash.
func isHashedDelete(w *kvrwsetpb.KVWriteHash) bool {
	return w.GetIsDelete() || len(w.GetValueHash()) == 0 || bytes.Equal(w.GetValueHash(), emptyHash)
}

// emptyHash is the hash of no bytes.
var emptyHash = wire.Hash(nil)

// metadataBytes is the stored form of key metadata.
func metadataBytes(entries []*kvrwsetpb.KVMetadataEntry) []byte {
	b, err := proto.Marshal(&kvrwsetpb.KVMetadataWrite{Entries: entries})
	if err != nil {
		// Entries come out of a decoded message, so their strings are valid UTF-8,
		// the one thing that can be wrong with them.
		return nil
	}
	return b
}

// ParseMetadata decodes stored key metadata into its entries by name; nil for
// none.
func ParseMetadata(raw []byte) (map[string][]byte, error) {
	if raw == nil {
		return nil, nil
	}
	var m kvrwsetpb.KVMetadataWrite
	if err := proto.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("decode key metadata: %w", err)
	}
	entries := make(map[string][]byte, len(m.GetEntries()))
	for _, e := range m.GetEntries() {
		entries[e.GetName()] = e.GetValue()
	}
	return entries, nil
}
