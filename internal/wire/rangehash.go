package wire

import (
	"fmt"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"
)

// MaxMerkleDegree is the degree of the hash trees that summarise range queries.
const MaxMerkleDegree = 50

// RangeHasher summarises the results of a range query for the read set. Up to
// maxDegree results stay as they are; more are hashed into a tree, of which only
// the top level is kept, so that a query over a million keys adds a few hashes.
//
// A validator runs the same query again through a RangeHasher of the same degree
// and compares: a difference is a phantom.
type RangeHasher struct {
	degree  int
	pending []*kvrwsetpb.KVRead
	levels  [][][]byte // levels[0] is level 1 of the tree
	failed  error
}

// NewRangeHasher takes the degree: MaxMerkleDegree, or for a validator the one in
// the summary to be checked. A degree below 2 makes no tree and is treated as 2.
func NewRangeHasher(maxDegree uint32) *RangeHasher {
	return &RangeHasher{degree: max(2, int(min(maxDegree, 1<<20)))}
}

// Add takes the next result, in key order. It fails if the read does not encode.
func (h *RangeHasher) Add(read *kvrwsetpb.KVRead) error {
	if h.failed != nil {
		return h.failed
	}
	h.pending = append(h.pending, read)
	if len(h.pending) > h.degree {
		return h.flush()
	}
	return nil
}

// flush hashes the pending reads into one leaf.
func (h *RangeHasher) flush() error {
	b, err := proto.Marshal(&kvrwsetpb.QueryReads{KvReads: h.pending})
	if err != nil {
		h.failed = fmt.Errorf("hash range query results: %w", err)
		return h.failed
	}
	h.pending = h.pending[:0]
	h.push(0, Hash(b))
	return nil
}

// push appends a hash to a level; a level that grows beyond the degree becomes
// one hash of the next level.
func (h *RangeHasher) push(level int, hash []byte) {
	for {
		if level == len(h.levels) {
			h.levels = append(h.levels, nil)
		}
		h.levels[level] = append(h.levels[level], hash)
		if len(h.levels[level]) <= h.degree {
			return
		}
		hash = Hash(h.levels[level]...)
		h.levels[level] = nil
		level++
	}
}

// Done ends the query. Exactly one of raw and summary is set, neither if there
// were no results. The hasher must not be used afterwards.
func (h *RangeHasher) Done() (raw []*kvrwsetpb.KVRead, summary *kvrwsetpb.QueryReadsMerkleSummary, err error) {
	if h.failed != nil {
		return nil, nil, h.failed
	}
	if len(h.levels) == 0 {
		return h.pending, nil, nil
	}
	if len(h.pending) > 0 {
		if err := h.flush(); err != nil {
			return nil, nil, err
		}
	}
	for level := 0; level < len(h.levels)-1; level++ {
		rest := h.levels[level]
		switch len(rest) {
		case 0:
		case 1:
			h.levels[level+1] = append(h.levels[level+1], rest[0])
		default:
			h.levels[level+1] = append(h.levels[level+1], Hash(rest...))
		}
		h.levels[level] = nil
	}
	top := len(h.levels) - 1
	if len(h.levels[top]) > h.degree {
		h.levels = append(h.levels, [][]byte{Hash(h.levels[top]...)})
		top++
	}
	return nil, &kvrwsetpb.QueryReadsMerkleSummary{
		MaxDegree:      uint32(h.degree),
		MaxLevel:       uint32(top + 1),
		MaxLevelHashes: h.levels[top],
	}, nil
}
