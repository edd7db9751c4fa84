package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// maxWriteBytes bounds what one simulation writes: no message could carry more.
const maxWriteBytes = 100 << 20

// Simulator runs one transaction against the state at one height and notes what
// it reads and writes. Nothing it does changes the ledger, and it does not see
// its own writes (wire.md C.1).
//
// Chaincodes that call each other on one channel share a simulator. The methods
// may be called from any goroutine, one at a time takes effect. Done must be
// called in the end.
type Simulator struct {
	ledger *Ledger
	view   *View
	txID   string

	mu           sync.Mutex
	done         bool
	result       *SimResult
	set          rwset
	ranges       []*RangeIterator // in order of creation
	collections  map[string]*collectionConfig
	privateReads map[spaceKey]bool
	written      map[stateKey][]byte // written keys (plain text) and the metadata they have now
	writtenBytes int

	wrote          bool // a write happened: no paginated or private queries any more
	pagedQuery     bool // a paginated query happened: no writes any more
	privateQueried bool // a private range query happened: no writes any more
}

// SimResult is what a simulation leads to.
type SimResult struct {
	Public   []byte                     // marshalled TxReadWriteSet, to be signed and passed on verbatim
	Private  *rwsetpb.TxPvtReadWriteSet // private write sets in plain text; nil if there are none
	Interest *peerpb.ChaincodeInterest  // whose endorsements the transaction needs
	Height   uint64                     // height of the state that was read
}

// NewSimulator opens a simulation at the newest height. It costs next to nothing
// and never waits for another simulation or for a commit.
func (l *Ledger) NewSimulator(ctx context.Context, txID string) (*Simulator, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	view, err := l.View()
	if err != nil {
		return nil, fmt.Errorf("simulate transaction %s: %w", txID, err)
	}
	return &Simulator{ledger: l, view: view, txID: txID}, nil
}

// TxID is the transaction that is simulated.
func (s *Simulator) TxID() string { return s.txID }

// Height is the number of blocks whose effects the simulation sees.
func (s *Simulator) Height() uint64 { return s.view.Height() }

// View is the state that the simulation reads, for looks that shall leave no
// trace in the read set. It ends with the simulation.
func (s *Simulator) View() *View { return s.view }

// Done ends the simulation. Requests that come later fail with ErrDone.
func (s *Simulator) Done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		s.view.Close()
	}
}

// errOnce: the result of a simulation can be taken once only.
var errOnce = errors.New("this function should only be called once on a transaction simulator instance")

// Result ends the collecting and gives the read-write set. It works once.
func (s *Simulator) Result() (*SimResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.result != nil {
		return nil, errOnce
	}
	for _, it := range s.ranges {
		if err := it.finish(); err != nil {
			return nil, err
		}
	}
	public, private, err := s.set.encode()
	if err != nil {
		return nil, err
	}
	interest, err := s.interest()
	if err != nil {
		return nil, err
	}
	s.result = &SimResult{Public: public, Private: private, Interest: interest, Height: s.view.Height()}
	return s.result, nil
}

// GetState reads a key; nil if it is absent. The value must not be changed.
func (s *Simulator) GetState(ns, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _, err := s.get(ns, key)
	return v.Value, err
}

// get reads a key and notes it; the caller holds mu.
func (s *Simulator) get(ns, key string) (Value, bool, error) {
	if s.done {
		return Value{}, false, ErrDone
	}
	v, ok, err := s.view.GetState(ns, key)
	if err != nil {
		return Value{}, false, err
	}
	s.noteRead(ns, key, v, ok)
	return v, ok, nil
}

// noteRead adds a read entry for a key, once; the caller holds mu.
func (s *Simulator) noteRead(ns, key string, v Value, ok bool) {
	in := s.set.ns(ns)
	if _, known := in.reads[key]; !known {
		put(&in.reads, key, &kvrwsetpb.KVRead{Key: key, Version: readVersion(v, ok)})
		s.recordRead(key, v, ok)
	}
}

// GetStateMultiple reads several keys; the values are in the order of the keys,
// nil for absent ones.
func (s *Simulator) GetStateMultiple(ns string, keys []string) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil, ErrDone
	}
	found := make([][]byte, len(keys))
	for i, key := range keys {
		v, _, err := s.get(ns, key)
		if err != nil {
			return nil, err
		}
		found[i] = v.Value
	}
	return found, nil
}

// GetStateMetadata reads a key's metadata entries by name, nil if it has none.
// It counts as a read of the key.
func (s *Simulator) GetStateMetadata(ns, key string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, _, err := s.get(ns, key)
	if err != nil {
		return nil, err
	}
	return ParseMetadata(v.Metadata)
}

// PutState writes a key. A value without bytes deletes it. The simulator keeps
// the value, which must not be changed afterwards.
func (s *Simulator) PutState(ns, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayWrite(len(key) + len(value)); err != nil {
		return err
	}
	if err := s.checkLegal(ns, key, value); err != nil {
		return err
	}
	w := &kvrwsetpb.KVWrite{Key: key, IsDelete: len(value) == 0, Value: value}
	put(&s.set.ns(ns).writes, key, w)
	s.recordWrite(key, len(value), w.IsDelete)
	return s.noteWritten(ns, key)
}

// DelState deletes a key, whether it exists or not.
func (s *Simulator) DelState(ns, key string) error { return s.PutState(ns, key, nil) }

// SetStateMetadata replaces all metadata of a key; no entries remove it.
func (s *Simulator) SetStateMetadata(ns, key string, entries map[string][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayWrite(metadataSize(key, entries)); err != nil {
		return err
	}
	put(&s.set.ns(ns).metadata, key, &kvrwsetpb.KVMetadataWrite{Key: key, Entries: metadataEntries(entries)})
	s.record(trace.Event{Kind: trace.WriteAdded, What: trace.PutMetadata, Key: key, Note: "metadata"})
	return s.noteWritten(ns, key)
}

// mayWrite checks what forbids a write and notes that one happens; the caller
// holds mu.
func (s *Simulator) mayWrite(size int) error {
	switch {
	case s.done:
		return ErrDone
	case s.privateQueried:
		return fmt.Errorf("txid [%s]: unsuppored transaction. Transaction has already performed queries on pvt data. Writes are not allowed", s.txID)
	case s.pagedQuery:
		return fmt.Errorf("txid [%s]: unsuppored transaction. Transaction has already performed a paginated query. Writes are not allowed", s.txID)
	case s.writtenBytes+size > maxWriteBytes:
		return ErrTooLarge
	}
	s.wrote = true
	s.writtenBytes += size
	return nil
}

func metadataSize(key string, entries map[string][]byte) int {
	size := len(key)
	for name, value := range entries {
		size += len(name) + len(value)
	}
	return size
}

// noteWritten remembers the policy that a written key has now, for the interest.
// The look leaves no read.
func (s *Simulator) noteWritten(ns, key string) error {
	if wire.IsSystemNamespace(ns) {
		return nil
	}
	v, _, err := s.view.GetState(ns, key)
	if err != nil {
		return err
	}
	s.note(stateKey{ns: ns, key: key}, v.Metadata)
	return nil
}

func (s *Simulator) note(key stateKey, metadata []byte) {
	if s.written == nil {
		s.written = map[stateKey][]byte{}
	}
	s.written[key] = metadata
}

// recordRead traces a new read entry.
func (s *Simulator) recordRead(key string, v Value, present bool) {
	if s.ledger.options.Trace == nil {
		return
	}
	e := trace.Event{Kind: trace.ReadAdded, What: trace.Absent, Key: key, Note: "absent"}
	if present {
		e.What, e.A, e.B, e.Note = trace.Present, int64(v.Version.Block), int64(v.Version.Tx), v.Version.String()
	}
	s.record(e)
}

// recordWrite traces a write.
func (s *Simulator) recordWrite(key string, size int, del bool) {
	if s.ledger.options.Trace == nil {
		return
	}
	e := trace.Event{Kind: trace.WriteAdded, What: trace.Delete, Key: key, Note: "delete"}
	if !del {
		e.What, e.A, e.Note = trace.Put, int64(size), fmt.Sprintf("%d bytes", size)
	}
	s.record(e)
}

func (s *Simulator) record(e trace.Event) { s.ledger.options.Trace.Record(s.about(e)) }

// about adds what all events of a simulation have in common.
func (s *Simulator) about(e trace.Event) trace.Event {
	e.Node, e.Channel, e.TxID, e.Block = s.ledger.options.Node, s.ledger.options.Channel, s.txID, s.view.Height()
	return e
}

// GetPrivate reads a private value in plain text; nil if the key is absent. It
// fails if this peer lacks the value that the public hash speaks of.
func (s *Simulator) GetPrivate(ns, coll, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkCollection(ns, coll); err != nil {
		return nil, err
	}
	plain, ok, err := s.view.Private(ns, coll, key)
	if err != nil {
		return nil, err
	}
	hashed, hashedOK, err := s.view.GetHash(ns, coll, wire.Hash([]byte(key)))
	if err != nil {
		return nil, err
	}
	if ok != hashedOK || ok && plain.Version != hashed.Version {
		return nil, fmt.Errorf("private data matching public hash version is not available. Public hash version = %s, Private data version = %s",
			heightText(hashed, hashedOK), heightText(plain, ok))
	}
	s.noteHashedRead(ns, coll, key, plain, ok, true)
	return plain.Value, nil
}

// heightText is a version as the protocol's error texts show it.
func heightText(v Value, ok bool) string {
	if !ok {
		return "<nil>"
	}
	return fmt.Sprintf("{BlockNum: %d, TxNum: %d}", v.Version.Block, v.Version.Tx)
}

// noteHashedRead adds a read entry for a private key; plain tells that the plain
// text was read, not only its hash.
func (s *Simulator) noteHashedRead(ns, coll, key string, v Value, ok, plain bool) {
	in := s.set.ns(ns).collection(coll)
	if _, known := in.reads[key]; !known {
		put(&in.reads, key, &kvrwsetpb.KVReadHash{KeyHash: wire.Hash([]byte(key)), Version: readVersion(v, ok)})
		s.recordRead(key, v, ok)
	}
	if plain {
		if s.privateReads == nil {
			s.privateReads = map[spaceKey]bool{}
		}
		s.privateReads[spaceKey{ns, coll}] = true
	}
}

// GetPrivateMultiple reads several private keys; nil for those that are absent
// or whose value this peer lacks.
func (s *Simulator) GetPrivateMultiple(ns, coll string, keys []string) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkCollection(ns, coll); err != nil {
		return nil, err
	}
	found := make([][]byte, len(keys))
	for i, key := range keys {
		v, ok, err := s.view.Private(ns, coll, key)
		if err != nil {
			return nil, err
		}
		s.noteHashedRead(ns, coll, key, v, ok, true)
		found[i] = v.Value
	}
	return found, nil
}

// GetPrivateHash reads the hash of a private value, which every peer has; nil if
// the key is absent.
func (s *Simulator) GetPrivateHash(ns, coll, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.getHash(ns, coll, key)
	return v.Value, err
}

// GetPrivateMetadata reads the metadata entries of a private key.
func (s *Simulator) GetPrivateMetadata(ns, coll, key string) (map[string][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.getHash(ns, coll, key)
	if err != nil {
		return nil, err
	}
	return ParseMetadata(v.Metadata)
}

func (s *Simulator) getHash(ns, coll, key string) (Value, error) {
	if err := s.checkCollection(ns, coll); err != nil {
		return Value{}, err
	}
	v, ok, err := s.view.GetHash(ns, coll, wire.Hash([]byte(key)))
	if err != nil {
		return Value{}, err
	}
	s.noteHashedRead(ns, coll, key, v, ok, false)
	return v, nil
}

// PutPrivate writes a private key: its plain text goes to the private write set,
// hashes to the public one. A value without bytes deletes the key.
func (s *Simulator) PutPrivate(ns, coll, key string, value []byte) error {
	return s.writePrivate(ns, coll, key, value, false)
}

// DelPrivate deletes a private key.
func (s *Simulator) DelPrivate(ns, coll, key string) error {
	return s.writePrivate(ns, coll, key, nil, false)
}

// PurgePrivate deletes a private key and asks every peer to forget the values it
// has had.
func (s *Simulator) PurgePrivate(ns, coll, key string) error {
	return s.writePrivate(ns, coll, key, nil, true)
}

func (s *Simulator) writePrivate(ns, coll, key string, value []byte, purge bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkCollection(ns, coll); err != nil {
		return err
	}
	if err := s.mayWrite(len(key) + len(value)); err != nil {
		return err
	}
	del := len(value) == 0
	hashed := &kvrwsetpb.KVWriteHash{KeyHash: wire.Hash([]byte(key)), IsDelete: del, IsPurge: purge}
	if !del {
		hashed.ValueHash = wire.Hash(value)
	}
	in := s.set.ns(ns).collection(coll)
	put(&in.private, key, &kvrwsetpb.KVWrite{Key: key, IsDelete: del, Value: value})
	put(&in.writes, key, hashed)
	s.recordWrite(key, len(value), del)
	return s.noteWrittenPrivate(ns, coll, key, hashed.KeyHash)
}

// SetPrivateMetadata replaces all metadata of a private key.
func (s *Simulator) SetPrivateMetadata(ns, coll, key string, entries map[string][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkCollection(ns, coll); err != nil {
		return err
	}
	if err := s.mayWrite(metadataSize(key, entries)); err != nil {
		return err
	}
	keyHash := wire.Hash([]byte(key))
	in := s.set.ns(ns).collection(coll)
	// The private part carries the key alone: whoever holds the value must learn
	// that its version moves.
	put(&in.privateMetadata, key, &kvrwsetpb.KVMetadataWrite{Key: key})
	put(&in.metadata, key, &kvrwsetpb.KVMetadataWriteHash{KeyHash: keyHash, Entries: metadataEntries(entries)})
	s.record(trace.Event{Kind: trace.WriteAdded, What: trace.PutMetadata, Key: key, Note: "metadata"})
	return s.noteWrittenPrivate(ns, coll, key, keyHash)
}

func (s *Simulator) noteWrittenPrivate(ns, coll, key string, keyHash []byte) error {
	if wire.IsSystemNamespace(ns) {
		return nil
	}
	v, _, err := s.view.GetHash(ns, coll, keyHash)
	if err != nil {
		return err
	}
	s.note(stateKey{ns, coll, key}, v.Metadata)
	return nil
}
