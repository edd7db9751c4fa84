package ledger

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// Bounds of queries (wire.md B.5).
const (
	defaultQueryLimit = 100000 // results of one query
	batchSize         = 100    // results in one answer, unless the query is paginated
	maxOpenQueries    = 1000   // iterators that one invocation has open
)

// Refusals in the protocol's words.
var (
	errNoIterator = errors.New("query iterator not found")
	errRichQuery  = errors.New("ExecuteQuery not supported for leveldb")
	errRichPage   = errors.New("ExecuteQueryWithMetadata not supported for leveldb")
)

// query is an iterator that a chaincode has open.
type query struct {
	next     func() ([]byte, error) // marshalled item, nil at the end
	bookmark func() (string, error) // nil unless paginated
	mu       sync.Mutex             // held while an answer is built
	pending  []*peerpb.QueryResultBytes
	count    int
	limit    int
}

// getRange opens a range query and answers with its first results.
func (r *Requests) getRange(m *peerpb.GetStateByRange) ([]byte, error) {
	page, err := queryMetadata(m.GetMetadata())
	if err != nil {
		return nil, err
	}
	q := &query{limit: r.options.QueryLimit}
	if size := int(page.GetPageSize()); size > 0 && size < q.limit {
		q.limit = size
	}
	var it *RangeIterator
	switch {
	case m.GetCollection() != "":
		if err := r.mayRead(m.GetCollection()); err != nil {
			return nil, err
		}
		it, err = r.sim.GetPrivateRange(r.namespace, m.GetCollection(), m.GetStartKey(), m.GetEndKey())
	case paginated(page):
		start := m.GetStartKey()
		if page.GetBookmark() != "" {
			start = page.GetBookmark()
		}
		it, err = r.sim.GetRangePage(r.namespace, start, m.GetEndKey(), page.GetPageSize())
		if err == nil {
			q.bookmark = it.Bookmark
		}
	default:
		it, err = r.sim.GetRange(r.namespace, m.GetStartKey(), m.GetEndKey())
	}
	if err != nil {
		return nil, err
	}
	q.next = marshalled(it.Next)
	return r.open(q)
}

// getHistory opens a history query and answers with its first results.
func (r *Requests) getHistory(m *peerpb.GetHistoryForKey) ([]byte, error) {
	it, err := r.sim.History(r.namespace, m.GetKey())
	if err != nil {
		return nil, err
	}
	return r.open(&query{limit: r.options.QueryLimit, next: func() ([]byte, error) {
		modification, err := it.Next()
		if err != nil || modification == nil {
			return nil, err
		}
		return proto.Marshal(modification)
	}})
}

// privateRichQuery leaves its mark on the simulation although it fails: a write after it
// is refused.
func (s *Simulator) privateRichQuery(ns, coll string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayQueryPrivate(); err != nil {
		return err
	}
	if err := s.checkCollection(ns, coll); err != nil {
		return err
	}
	return errRichQuery
}

// queryMetadata decodes the pagination that a query may carry.
func queryMetadata(raw []byte) (*peerpb.QueryMetadata, error) {
	if raw == nil {
		return nil, nil
	}
	page := new(peerpb.QueryMetadata)
	if err := proto.Unmarshal(raw, page); err != nil {
		return nil, fmt.Errorf("unmarshal failed: %w", err)
	}
	return page, nil
}

func paginated(page *peerpb.QueryMetadata) bool {
	return page.GetPageSize() != 0 || page.GetBookmark() != ""
}

// open gives a query an id and answers with its first results.
func (r *Requests) open(q *query) ([]byte, error) {
	id := newQueryID()
	r.mu.Lock()
	if r.closed || len(r.queries) >= maxOpenQueries {
		closed := r.closed
		r.mu.Unlock()
		if closed {
			return nil, ErrDone
		}
		return nil, fmt.Errorf("more than %d query iterators are open; close the ones that are no longer needed", maxOpenQueries)
	}
	r.queries[id] = q
	r.mu.Unlock()
	return r.answer(id, q)
}

// newQueryID makes an id that no other invocation has, so that an iterator that
// strays from one to another is not found.
func newQueryID() string {
	var id [16]byte
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64())
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64())
	return hex.EncodeToString(id[:])
}

// queryNext answers with the next results.
func (r *Requests) queryNext(m *peerpb.QueryStateNext) ([]byte, error) {
	r.mu.Lock()
	q := r.queries[m.GetId()]
	r.mu.Unlock()
	if q == nil {
		return nil, errNoIterator
	}
	return r.answer(m.GetId(), q)
}

// queryClose forgets an iterator. An unknown one is no error: the chaincode may
// close what has ended by itself.
func (r *Requests) queryClose(m *peerpb.QueryStateClose) ([]byte, error) {
	r.drop(m.GetId())
	return proto.Marshal(&peerpb.QueryResponse{Id: m.GetId()})
}

func (r *Requests) drop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.queries, id)
}

// answer builds the next QueryResponse. It looks one result beyond a full batch,
// so that "there is more" is a promise; that result is in the read set already.
func (r *Requests) answer(id string, q *query) ([]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	response := &peerpb.QueryResponse{Id: id}
	for q.count < q.limit {
		item, err := q.next()
		if err != nil {
			r.drop(id)
			return nil, err
		}
		if item == nil {
			break
		}
		q.count++
		result := &peerpb.QueryResultBytes{ResultBytes: item}
		if q.bookmark == nil && len(q.pending) == batchSize {
			response.Results, response.HasMore = q.pending, true
			q.pending = []*peerpb.QueryResultBytes{result}
			return proto.Marshal(response)
		}
		q.pending = append(q.pending, result)
	}
	r.drop(id)
	response.Results = q.pending
	q.pending = nil
	if q.bookmark != nil {
		bookmark, err := q.bookmark()
		if err != nil {
			return nil, err
		}
		response.Metadata, err = proto.Marshal(&peerpb.QueryResponseMetadata{FetchedRecordsCount: int32(q.count), Bookmark: bookmark})
		if err != nil {
			return nil, err
		}
	}
	return proto.Marshal(response)
}
