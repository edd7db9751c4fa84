// Package cctest has what tests of chaincodes and of the chaincode host share: a ledger
// in memory that answers a chaincode's requests, a runtime that runs chaincodes in the
// test's own process on the real shim and a real socket, and a host made of both. It
// serves no step of a transaction; it stands in for the peer around step 3.
package cctest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/chaincode"
)

// pageSize is how many results one QueryResponse carries, as at a real peer.
const pageSize = 100

// Ledger is a state database in memory. Unlike a peer's it takes each write at once,
// so the next invocation, not the same one, is what sees it in a peer; tests that care
// use Snapshot.
type Ledger struct {
	mu      sync.Mutex
	state   map[string][]byte // collection + "\x00" + key; public keys have no collection
	meta    map[string]map[string][]byte
	history map[string][]*querypb.KeyModification
	open    map[string][]*peerpb.QueryResultBytes
	next    int
	txs     int

	// Requests counts what was asked, by type.
	Requests map[peerpb.ChaincodeMessage_Type]int
	// Call, if not nil, serves INVOKE_CHAINCODE.
	Call func(ctx context.Context, req *peerpb.ChaincodeMessage, spec *peerpb.ChaincodeSpec) (*peerpb.ChaincodeMessage, error)
}

// NewLedger gives an empty one.
func NewLedger() *Ledger {
	return &Ledger{
		state: map[string][]byte{}, meta: map[string]map[string][]byte{}, history: map[string][]*querypb.KeyModification{},
		open: map[string][]*peerpb.QueryResultBytes{}, Requests: map[peerpb.ChaincodeMessage_Type]int{},
	}
}

// Get reads a public key.
func (l *Ledger) Get(key string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state["\x00"+key]
}

// Len counts the public keys.
func (l *Ledger) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.state)
}

// Invocation prepares a call on channel "ch". Each has its own transaction id.
func (l *Ledger) Invocation(function string, args ...string) *chaincode.Invocation {
	l.mu.Lock()
	l.txs++
	id := fmt.Sprintf("%064x", sha256.Sum256([]byte(strconv.Itoa(l.txs))))
	l.mu.Unlock()
	input := &peerpb.ChaincodeInput{Args: [][]byte{[]byte(function)}}
	for _, a := range args {
		input.Args = append(input.Args, []byte(a))
	}
	return &chaincode.Invocation{Channel: "ch", TxID: id, Input: input, Proposal: Proposal("ch", id), Answer: l.Answer}
}

// Proposal is the smallest signed proposal that the shim accepts. Its creator is
// "alice", its transient map has "secret".
func Proposal(channel, txID string) *peerpb.SignedProposal {
	header := Marshal(&commonpb.Header{
		ChannelHeader: Marshal(&commonpb.ChannelHeader{
			Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: channel, TxId: txID, Timestamp: timestamppb.Now(),
		}),
		SignatureHeader: Marshal(&commonpb.SignatureHeader{Creator: []byte("alice"), Nonce: []byte("nonce")}),
	})
	payload := Marshal(&peerpb.ChaincodeProposalPayload{TransientMap: map[string][]byte{"secret": []byte("42")}})
	return &peerpb.SignedProposal{ProposalBytes: Marshal(&peerpb.Proposal{Header: header, Payload: payload})}
}

// Marshal is proto.Marshal for messages that always marshal.
func Marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// Answer serves one request; it is what a test gives to an Invocation.
func (l *Ledger) Answer(ctx context.Context, req *peerpb.ChaincodeMessage) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Requests[req.Type]++
	switch req.Type {
	case peerpb.ChaincodeMessage_GET_STATE:
		m, err := decode[peerpb.GetState](req)
		return l.state[m.GetCollection()+"\x00"+m.GetKey()], err
	case peerpb.ChaincodeMessage_GET_STATE_MULTIPLE:
		m, err := decode[peerpb.GetStateMultiple](req)
		out := &peerpb.GetStateMultipleResult{}
		for _, k := range m.GetKeys() {
			out.Values = append(out.Values, l.state[m.GetCollection()+"\x00"+k])
		}
		return Marshal(out), err
	case peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH:
		m, err := decode[peerpb.GetState](req)
		sum := sha256.Sum256(l.state[m.GetCollection()+"\x00"+m.GetKey()])
		return sum[:], err
	case peerpb.ChaincodeMessage_PUT_STATE:
		m, err := decode[peerpb.PutState](req)
		l.put(req.Txid, m.GetCollection(), m.GetKey(), m.GetValue())
		return nil, err
	case peerpb.ChaincodeMessage_DEL_STATE, peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA:
		m, err := decode[peerpb.DelState](req)
		l.put(req.Txid, m.GetCollection(), m.GetKey(), nil)
		return nil, err
	case peerpb.ChaincodeMessage_WRITE_BATCH_STATE:
		return nil, l.batch(req)
	case peerpb.ChaincodeMessage_INVOKE_CHAINCODE:
		return l.call(ctx, req)
	case peerpb.ChaincodeMessage_GET_STATE_METADATA, peerpb.ChaincodeMessage_PUT_STATE_METADATA:
		return l.metadata(req)
	}
	return l.query(req)
}

func decode[M any, P interface {
	*M
	proto.Message
}](req *peerpb.ChaincodeMessage) (*M, error) {
	m := new(M)
	return m, proto.Unmarshal(req.Payload, P(m))
}

func (l *Ledger) put(txID, collection, key string, value []byte) {
	k := collection + "\x00" + key
	l.history[k] = append(l.history[k], &querypb.KeyModification{TxId: txID, Value: value, IsDelete: len(value) == 0})
	if len(value) == 0 {
		delete(l.state, k)
		return
	}
	l.state[k] = value
}

func (l *Ledger) batch(req *peerpb.ChaincodeMessage) error {
	m, err := decode[peerpb.WriteBatchState](req)
	for _, r := range m.GetRec() {
		switch r.Type {
		case peerpb.WriteRecord_PUT_STATE:
			l.put(req.Txid, r.Collection, r.Key, r.Value)
		case peerpb.WriteRecord_DEL_STATE, peerpb.WriteRecord_PURGE_PRIVATE_DATA:
			l.put(req.Txid, r.Collection, r.Key, nil)
		case peerpb.WriteRecord_PUT_STATE_METADATA:
			l.putMetadata(r.Collection+"\x00"+r.Key, r.Metadata)
		default:
			return fmt.Errorf("unknown record %s", r.Type)
		}
	}
	return err
}

func (l *Ledger) call(ctx context.Context, req *peerpb.ChaincodeMessage) ([]byte, error) {
	m, err := decode[peerpb.ChaincodeSpec](req)
	if err != nil || l.Call == nil {
		return nil, errors.Join(err, errors.New("no other chaincode here"))
	}
	l.mu.Unlock() // the called one asks as well
	defer l.mu.Lock()
	answer, err := l.Call(ctx, req, m)
	if err != nil {
		return nil, err
	}
	return Marshal(answer), nil
}

func (l *Ledger) putMetadata(key string, m *peerpb.StateMetadata) {
	if l.meta[key] == nil {
		l.meta[key] = map[string][]byte{}
	}
	l.meta[key][m.GetMetakey()] = m.GetValue()
}

func (l *Ledger) metadata(req *peerpb.ChaincodeMessage) ([]byte, error) {
	if req.Type == peerpb.ChaincodeMessage_PUT_STATE_METADATA {
		m, err := decode[peerpb.PutStateMetadata](req)
		l.putMetadata(m.GetCollection()+"\x00"+m.GetKey(), m.GetMetadata())
		return nil, err
	}
	m, err := decode[peerpb.GetStateMetadata](req)
	entries := l.meta[m.GetCollection()+"\x00"+m.GetKey()]
	out := &peerpb.StateMetadataResult{}
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		out.Entries = append(out.Entries, &peerpb.StateMetadata{Metakey: k, Value: entries[k]})
	}
	return Marshal(out), err
}

func (l *Ledger) query(req *peerpb.ChaincodeMessage) ([]byte, error) {
	switch req.Type {
	case peerpb.ChaincodeMessage_GET_STATE_BY_RANGE:
		m, err := decode[peerpb.GetStateByRange](req)
		if err != nil {
			return nil, err
		}
		return l.scan(m)
	case peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY:
		m, err := decode[peerpb.GetHistoryForKey](req)
		var all []*peerpb.QueryResultBytes
		for _, h := range slices.Backward(l.history["\x00"+m.GetKey()]) {
			all = append(all, &peerpb.QueryResultBytes{ResultBytes: Marshal(h)})
		}
		return l.page(all), err
	case peerpb.ChaincodeMessage_QUERY_STATE_NEXT:
		m, err := decode[peerpb.QueryStateNext](req)
		rest, ok := l.open[m.GetId()]
		if !ok {
			return nil, errors.Join(err, errors.New("query iterator not found"))
		}
		delete(l.open, m.GetId())
		return l.pageAs(m.GetId(), rest), nil
	case peerpb.ChaincodeMessage_QUERY_STATE_CLOSE:
		m, err := decode[peerpb.QueryStateClose](req)
		delete(l.open, m.GetId())
		return Marshal(&peerpb.QueryResponse{Id: m.GetId()}), err
	}
	return nil, fmt.Errorf("%s not supported", req.Type)
}

func (l *Ledger) scan(m *peerpb.GetStateByRange) ([]byte, error) {
	start, prefix := m.StartKey, m.Collection+"\x00"
	var page peerpb.QueryMetadata
	if err := proto.Unmarshal(m.Metadata, &page); err != nil {
		return nil, err
	}
	if page.Bookmark != "" {
		start = page.Bookmark
	}
	var all []*peerpb.QueryResultBytes
	bookmark := ""
	for _, k := range slices.Sorted(maps.Keys(l.state)) {
		key, ok := cut(k, prefix)
		if !ok || key < start || m.EndKey != "" && key >= m.EndKey {
			continue
		}
		if page.PageSize > 0 && len(all) == int(page.PageSize) {
			bookmark = key
			break
		}
		all = append(all, &peerpb.QueryResultBytes{ResultBytes: Marshal(&querypb.KV{Namespace: "cc", Key: key, Value: l.state[k]})})
	}
	if page.PageSize > 0 || page.Bookmark != "" {
		return Marshal(&peerpb.QueryResponse{Results: all, Id: "page", Metadata: Marshal(&peerpb.QueryResponseMetadata{
			FetchedRecordsCount: int32(len(all)), Bookmark: bookmark,
		})}), nil
	}
	return l.page(all), nil
}

func cut(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || s[:len(prefix)] != prefix {
		return "", false
	}
	return s[len(prefix):], true
}

func (l *Ledger) page(all []*peerpb.QueryResultBytes) []byte {
	l.next++
	return l.pageAs(strconv.Itoa(l.next), all)
}

func (l *Ledger) pageAs(id string, all []*peerpb.QueryResultBytes) []byte {
	out := &peerpb.QueryResponse{Id: id, Results: all}
	if len(all) > pageSize {
		out.Results, out.HasMore, l.open[id] = all[:pageSize], true, all[pageSize:]
	}
	return Marshal(out)
}
