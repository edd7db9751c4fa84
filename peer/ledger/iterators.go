package ledger

import (
	"fmt"

	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// maxRanges bounds the range queries of one simulation.
const maxRanges = 10000

// RangeIterator walks over the results of a range query of a simulation. What is
// recorded is what Next has delivered: the last key so far, or the query's own
// end once it has delivered the end (wire.md C.3).
type RangeIterator struct {
	sim   *Simulator
	scan  scanner
	limit int // results to deliver at most, 0 = no limit
	count int

	info     *kvrwsetpb.RangeQueryInfo // nil for private ranges, which leave no trace
	hasher   *wire.RangeHasher
	finished bool
}

// GetRange queries a range of public keys: start inclusive, "" is the beginning;
// end exclusive, "" is the end of the namespace.
func (s *Simulator) GetRange(ns, start, end string) (*RangeIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rangeOver(ns, start, end, 0)
}

// GetRangePage is GetRange for at most pageSize results (0 or less: no limit).
// It is possible only in a transaction that writes nothing.
func (s *Simulator) GetRangePage(ns, start, end string, pageSize int32) (*RangeIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayPage(); err != nil {
		return nil, err
	}
	return s.rangeOver(ns, start, end, max(0, int(pageSize)))
}

// mayPage checks what forbids a paginated query and notes that one happens.
func (s *Simulator) mayPage() error {
	if s.wrote {
		return fmt.Errorf("txid [%s]: unsuppored transaction. Paginated queries are supported only in a read-only transaction", s.txID)
	}
	s.pagedQuery = true
	return nil
}

func (s *Simulator) rangeOver(ns, start, end string, limit int) (*RangeIterator, error) {
	if s.done {
		return nil, ErrDone
	}
	if len(s.ranges) >= maxRanges {
		return nil, fmt.Errorf("txid [%s]: more than %d range queries in one transaction", s.txID, maxRanges)
	}
	it := &RangeIterator{
		sim: s, limit: limit,
		scan:   scanner{view: s.view, ns: ns, next: start, end: end},
		info:   &kvrwsetpb.RangeQueryInfo{StartKey: start},
		hasher: wire.NewRangeHasher(wire.MaxMerkleDegree),
	}
	if limit > 0 && limit < chunk {
		it.scan.size = limit + 1 // one more for the bookmark
	}
	s.ranges = append(s.ranges, it)
	return it, nil
}

// GetPrivateRange queries a range of a collection's plain text. It is possible
// only in a transaction that writes nothing, and leaves no trace in the read set.
func (s *Simulator) GetPrivateRange(ns, coll, start, end string) (*RangeIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayQueryPrivate(); err != nil {
		return nil, err
	}
	if err := s.checkCollection(ns, coll); err != nil {
		return nil, err
	}
	return &RangeIterator{sim: s, scan: scanner{view: s.view, ns: ns, coll: coll, next: start, end: end}}, nil
}

func (s *Simulator) mayQueryPrivate() error {
	if s.wrote {
		return fmt.Errorf("txid [%s]: unsuppored transaction. Queries on pvt data is supported only in a read-only transaction", s.txID)
	}
	s.privateQueried = true
	return nil
}

// Next gives the next result; ok is false at the end.
func (it *RangeIterator) Next() (kv *querypb.KV, ok bool, err error) {
	it.sim.mu.Lock()
	defer it.sim.mu.Unlock()
	if it.sim.done {
		return nil, false, ErrDone
	}
	if it.limit > 0 && it.count >= it.limit {
		it.exhausted()
		return nil, false, nil
	}
	entry, ok, err := it.scan.step()
	if err != nil {
		return nil, false, err
	}
	if !ok {
		it.exhausted()
		return nil, false, nil
	}
	it.count++
	if it.info != nil && !it.finished {
		it.info.EndKey = entry.Key
		if err := it.hasher.Add(&kvrwsetpb.KVRead{Key: entry.Key, Version: entry.Version.Proto()}); err != nil {
			return nil, false, err
		}
	}
	return &querypb.KV{Namespace: it.scan.ns, Key: entry.Key, Value: entry.Value.Value}, true, nil
}

// exhausted notes that the caller was told about the end.
func (it *RangeIterator) exhausted() {
	if it.info != nil && !it.finished {
		it.info.EndKey = it.scan.end
		it.info.ItrExhausted = true
	}
}

// Bookmark is the key after the last result delivered, "" at the end of the
// range: where the next page starts. It is not recorded.
func (it *RangeIterator) Bookmark() (string, error) {
	it.sim.mu.Lock()
	defer it.sim.mu.Unlock()
	if it.sim.done {
		return "", ErrDone
	}
	entry, ok, err := it.scan.step()
	if err != nil || !ok {
		return "", err
	}
	return entry.Key, nil
}

// finish moves what was recorded into the read set; the caller holds the
// simulator's mu.
func (it *RangeIterator) finish() error {
	if it.info == nil || it.finished {
		return nil
	}
	it.finished = true
	raw, summary, err := it.hasher.Done()
	if err != nil {
		return err
	}
	switch {
	case summary != nil:
		it.info.ReadsInfo = &kvrwsetpb.RangeQueryInfo_ReadsMerkleHashes{ReadsMerkleHashes: summary}
	case len(raw) > 0:
		it.info.ReadsInfo = &kvrwsetpb.RangeQueryInfo_RawReads{RawReads: &kvrwsetpb.QueryReads{KvReads: raw}}
	}
	it.sim.set.ns(it.scan.ns).addRange(it.info)
	if it.sim.ledger.options.Trace != nil {
		end := it.info.GetEndKey()
		if end == "" {
			end = "end"
		}
		what := trace.Incomplete
		if it.info.GetItrExhausted() {
			what = trace.Complete
		}
		e := trace.Event{Kind: trace.RangeAdded, What: what, Key: it.info.GetStartKey(), A: int64(it.count), Note: fmt.Sprintf("%s, %d keys", end, it.count)}
		it.sim.ledger.options.Trace.RecordMessage(it.sim.about(e), it.info)
	}
	return nil
}

// HistoryIterator walks over the history of a key, newest first.
type HistoryIterator struct {
	sim  *Simulator
	scan historyScanner
}

// History queries the history of a key. It leaves no trace in the read set.
func (s *Simulator) History(ns, key string) (*HistoryIterator, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil, ErrDone
	}
	return &HistoryIterator{sim: s, scan: historyScanner{view: s.view, ns: ns, key: key}}, nil
}

// Next gives the next older modification, nil at the end.
func (it *HistoryIterator) Next() (*querypb.KeyModification, error) {
	it.sim.mu.Lock()
	defer it.sim.mu.Unlock()
	if it.sim.done {
		return nil, ErrDone
	}
	return it.scan.step()
}
