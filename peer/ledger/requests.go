package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// RequestOptions are what the ledger cannot know about an invocation. The zero
// value allows everything.
type RequestOptions struct {
	// Init forbids private data, as the protocol does while a chaincode's Init
	// function runs.
	Init bool

	// Member tells whether the creator of the proposal belongs to a collection. It
	// is asked once per collection, and only if the collection restricts reading
	// or writing to members. nil: everybody belongs.
	Member func(collection *peerpb.StaticCollectionConfig) (bool, error)

	// NoKeyPolicies refuses metadata requests: the channel lacks capability V1_3.
	NoKeyPolicies bool

	// NoPurge refuses purges: the channel lacks capability V2_5.
	NoPurge bool

	// Invoke answers INVOKE_CHAINCODE with the payload of the response. nil
	// refuses such requests.
	Invoke func(ctx context.Context, req *peerpb.ChaincodeMessage) (payload []byte, err error)

	// QueryLimit is the most results that one query gives. 0 means 100,000.
	QueryLimit int
}

// Requests answers what one invocation of a chaincode asks for (wire.md B.3),
// with one simulation. A chaincode that is called by another one has its own
// Requests on the same simulation.
type Requests struct {
	sim       *Simulator
	namespace string
	options   RequestOptions

	mu      sync.Mutex
	queries map[string]*query
	access  map[string]access
	closed  bool
}

// access is what the creator may do with a collection.
type access struct{ read, write bool }

// NewRequests serves the chaincode of a namespace. The simulation stays the
// caller's; Close must be called when the invocation ends.
func NewRequests(sim *Simulator, namespace string, options RequestOptions) *Requests {
	if options.QueryLimit <= 0 {
		options.QueryLimit = defaultQueryLimit
	}
	return &Requests{sim: sim, namespace: namespace, options: options, queries: map[string]*query{}, access: map[string]access{}}
}

// Close drops the iterators that the chaincode has left open.
func (r *Requests) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	clear(r.queries)
}

// Causes of refusals, in the protocol's words.
var (
	errNoPrivateInInit = errors.New("private data APIs are not allowed in chaincode Init()")
	errNoKeyPolicies   = errors.New("key level endorsement is not enabled, channel application capability of V1_3 or later is required")
	errNoPurge         = errors.New("purge private data is not enabled, channel application capability of V2_5 or later is required")
	errPurgePublic     = errors.New("only applicable for private data")
	errUnknownRecord   = errors.New("unknown operation type")
	errNoInvoke        = errors.New("calling other chaincodes is not possible here")
)

// Handle answers one request: payload goes into a RESPONSE message. The text of
// an error goes into an ERROR message, after "TYPE failed: transaction ID: TXID: "
// (wire.md B.7); after an ErrUnknownRequest the stream must end.
func (r *Requests) Handle(ctx context.Context, req *peerpb.ChaincodeMessage) (payload []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := req.GetPayload()
	switch req.GetType() {
	case peerpb.ChaincodeMessage_GET_STATE:
		return decoded(b, new(peerpb.GetState), r.getState)
	case peerpb.ChaincodeMessage_GET_STATE_MULTIPLE:
		return decoded(b, new(peerpb.GetStateMultiple), r.getStateMultiple)
	case peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH:
		return decoded(b, new(peerpb.GetState), r.getPrivateHash)
	case peerpb.ChaincodeMessage_GET_STATE_METADATA:
		if r.options.NoKeyPolicies {
			return nil, errNoKeyPolicies
		}
		return decoded(b, new(peerpb.GetStateMetadata), r.getMetadata)
	case peerpb.ChaincodeMessage_PUT_STATE:
		return decoded(b, new(peerpb.PutState), r.putState)
	case peerpb.ChaincodeMessage_DEL_STATE:
		return decoded(b, new(peerpb.DelState), r.delState)
	case peerpb.ChaincodeMessage_PUT_STATE_METADATA:
		return decoded(b, new(peerpb.PutStateMetadata), r.putMetadata)
	case peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA:
		return decoded(b, new(peerpb.DelState), r.purge)
	case peerpb.ChaincodeMessage_WRITE_BATCH_STATE:
		return decoded(b, new(peerpb.WriteBatchState), r.writeBatch)
	case peerpb.ChaincodeMessage_GET_STATE_BY_RANGE:
		return decoded(b, new(peerpb.GetStateByRange), r.getRange)
	case peerpb.ChaincodeMessage_GET_QUERY_RESULT:
		return decoded(b, new(peerpb.GetQueryResult), r.richQuery)
	case peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY:
		return decoded(b, new(peerpb.GetHistoryForKey), r.getHistory)
	case peerpb.ChaincodeMessage_QUERY_STATE_NEXT:
		return decoded(b, new(peerpb.QueryStateNext), r.queryNext)
	case peerpb.ChaincodeMessage_QUERY_STATE_CLOSE:
		return decoded(b, new(peerpb.QueryStateClose), r.queryClose)
	case peerpb.ChaincodeMessage_INVOKE_CHAINCODE:
		if r.options.Invoke == nil {
			return nil, errNoInvoke
		}
		return r.options.Invoke(ctx, req)
	}
	return nil, fmt.Errorf("message type %d: %w", req.GetType(), ErrUnknownRequest)
}

// decoded decodes a request's payload and passes it on.
func decoded[M proto.Message](raw []byte, into M, handle func(M) ([]byte, error)) ([]byte, error) {
	if err := proto.Unmarshal(raw, into); err != nil {
		return nil, fmt.Errorf("unmarshal failed: %w", err)
	}
	return handle(into)
}

func (r *Requests) getState(m *peerpb.GetState) ([]byte, error) {
	if m.GetCollection() == "" {
		return r.sim.GetState(r.namespace, m.GetKey())
	}
	if err := r.mayRead(m.GetCollection()); err != nil {
		return nil, err
	}
	return r.sim.GetPrivate(r.namespace, m.GetCollection(), m.GetKey())
}

func (r *Requests) getStateMultiple(m *peerpb.GetStateMultiple) ([]byte, error) {
	var found [][]byte
	var err error
	if m.GetCollection() == "" {
		found, err = r.sim.GetStateMultiple(r.namespace, m.GetKeys())
	} else if err = r.mayRead(m.GetCollection()); err == nil {
		found, err = r.sim.GetPrivateMultiple(r.namespace, m.GetCollection(), m.GetKeys())
	}
	if err != nil {
		return nil, err
	}
	return proto.Marshal(&peerpb.GetStateMultipleResult{Values: found})
}

// getPrivateHash asks for no membership: the hash is public.
func (r *Requests) getPrivateHash(m *peerpb.GetState) ([]byte, error) {
	if r.options.Init {
		return nil, errNoPrivateInInit
	}
	return r.sim.GetPrivateHash(r.namespace, m.GetCollection(), m.GetKey())
}

func (r *Requests) getMetadata(m *peerpb.GetStateMetadata) ([]byte, error) {
	var entries map[string][]byte
	var err error
	if m.GetCollection() == "" {
		entries, err = r.sim.GetStateMetadata(r.namespace, m.GetKey())
	} else if err = r.mayRead(m.GetCollection()); err == nil {
		entries, err = r.sim.GetPrivateMetadata(r.namespace, m.GetCollection(), m.GetKey())
	}
	if err != nil {
		return nil, err
	}
	result := new(peerpb.StateMetadataResult)
	for _, name := range sortedKeys(entries) {
		result.Entries = append(result.Entries, &peerpb.StateMetadata{Metakey: name, Value: entries[name]})
	}
	return proto.Marshal(result)
}

func (r *Requests) putState(m *peerpb.PutState) ([]byte, error) {
	if m.GetCollection() == "" {
		return nil, r.sim.PutState(r.namespace, m.GetKey(), m.GetValue())
	}
	if err := r.mayWrite(m.GetCollection()); err != nil {
		return nil, err
	}
	return nil, r.sim.PutPrivate(r.namespace, m.GetCollection(), m.GetKey(), m.GetValue())
}

func (r *Requests) delState(m *peerpb.DelState) ([]byte, error) {
	if m.GetCollection() == "" {
		return nil, r.sim.DelState(r.namespace, m.GetKey())
	}
	if err := r.mayWrite(m.GetCollection()); err != nil {
		return nil, err
	}
	return nil, r.sim.DelPrivate(r.namespace, m.GetCollection(), m.GetKey())
}

// putMetadata replaces all metadata of a key by the one entry given.
func (r *Requests) putMetadata(m *peerpb.PutStateMetadata) ([]byte, error) {
	if r.options.NoKeyPolicies {
		return nil, errNoKeyPolicies
	}
	entries := map[string][]byte{m.GetMetadata().GetMetakey(): m.GetMetadata().GetValue()}
	if m.GetCollection() == "" {
		return nil, r.sim.SetStateMetadata(r.namespace, m.GetKey(), entries)
	}
	if err := r.mayWrite(m.GetCollection()); err != nil {
		return nil, err
	}
	return nil, r.sim.SetPrivateMetadata(r.namespace, m.GetCollection(), m.GetKey(), entries)
}

func (r *Requests) purge(m *peerpb.DelState) ([]byte, error) {
	if r.options.NoPurge {
		return nil, errNoPurge
	}
	if m.GetCollection() == "" {
		return nil, errPurgePublic
	}
	if err := r.mayWrite(m.GetCollection()); err != nil {
		return nil, err
	}
	return nil, r.sim.PurgePrivate(r.namespace, m.GetCollection(), m.GetKey())
}

// writeBatch applies the records one by one; the ones before a refused record
// stay, as with single requests.
func (r *Requests) writeBatch(m *peerpb.WriteBatchState) ([]byte, error) {
	for _, record := range m.GetRec() {
		var err error
		key, coll := record.GetKey(), record.GetCollection()
		switch record.GetType() {
		case peerpb.WriteRecord_PUT_STATE:
			_, err = r.putState(&peerpb.PutState{Key: key, Value: record.GetValue(), Collection: coll})
		case peerpb.WriteRecord_DEL_STATE:
			_, err = r.delState(&peerpb.DelState{Key: key, Collection: coll})
		case peerpb.WriteRecord_PUT_STATE_METADATA:
			_, err = r.putMetadata(&peerpb.PutStateMetadata{Key: key, Collection: coll, Metadata: record.GetMetadata()})
		case peerpb.WriteRecord_PURGE_PRIVATE_DATA:
			_, err = r.purge(&peerpb.DelState{Key: key, Collection: coll})
		default:
			err = errUnknownRecord
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// mayRead fails unless the creator of the proposal may read a collection.
func (r *Requests) mayRead(coll string) error {
	a, err := r.accessTo(coll)
	if err == nil && !a.read {
		err = fmt.Errorf("tx creator does not have read access permission on privatedata in chaincodeName:%s collectionName: %s", r.namespace, coll)
	}
	return err
}

// mayWrite fails unless the creator of the proposal may write a collection.
func (r *Requests) mayWrite(coll string) error {
	a, err := r.accessTo(coll)
	if err == nil && !a.write {
		err = fmt.Errorf("tx creator does not have write access permission on privatedata in chaincodeName:%s collectionName: %s", r.namespace, coll)
	}
	return err
}

// accessTo finds out, once per collection, what the creator may do with it.
func (r *Requests) accessTo(coll string) (access, error) {
	if r.options.Init {
		return access{}, errNoPrivateInInit
	}
	r.mu.Lock()
	a, ok := r.access[coll]
	r.mu.Unlock()
	if ok {
		return a, nil
	}
	config, err := r.sim.Collection(r.namespace, coll)
	if err != nil {
		return access{}, err
	}
	if config == nil {
		return access{}, fmt.Errorf("collection %s/%s/%s could not be found", r.sim.ledger.Channel(), r.namespace, coll)
	}
	a = access{read: !config.GetMemberOnlyRead(), write: !config.GetMemberOnlyWrite()}
	if a != (access{true, true}) {
		member := true
		if r.options.Member != nil {
			if member, err = r.options.Member(config); err != nil {
				return access{}, err
			}
		}
		a.read = a.read || member
		a.write = a.write || member
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.access[coll] = a
	return a, nil
}
