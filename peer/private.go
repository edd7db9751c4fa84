package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	gossippb "github.com/hyperledger/fabric-protos-go-apiv2/gossip"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// errPrivateData is the answer to chaincodes that ask for private data.
var errPrivateData = errors.New("private data collections are not served to chaincodes yet, see \"Private data\" in docs/DIVERGENCE.md; keep the value in the public state or outside the ledger")

// Bounds of the exchange of private data between peers of one organisation.
const (
	pushPatience    = 500 * time.Millisecond // how long an endorsement waits for the others to take it
	pushTimeout     = 5 * time.Second
	fetchTimeout    = time.Second     // for one colleague
	fetchPatience   = 2 * time.Second // of a block that waits for private data
	maxPrivateBytes = 1 << 20         // of one write set; an approval has some hundred bytes
	maxDigests      = 100
)

// collectionField is the number of the field that names the collection in a
// request's payload, 0 if the request can have none.
func collectionField(kind peerpb.ChaincodeMessage_Type) protowire.Number {
	switch kind {
	case peerpb.ChaincodeMessage_GET_STATE, peerpb.ChaincodeMessage_GET_STATE_MULTIPLE, peerpb.ChaincodeMessage_GET_STATE_METADATA,
		peerpb.ChaincodeMessage_DEL_STATE, peerpb.ChaincodeMessage_GET_QUERY_RESULT:
		return 2
	case peerpb.ChaincodeMessage_PUT_STATE, peerpb.ChaincodeMessage_PUT_STATE_METADATA, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE:
		return 3
	}
	return 0
}

// asksForPrivateData tells whether a request names a collection. Bytes that do not
// decode are left to whoever decodes them.
func asksForPrivateData(request *peerpb.ChaincodeMessage) bool {
	switch request.GetType() {
	case peerpb.ChaincodeMessage_GET_PRIVATE_DATA_HASH, peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA:
		return true
	case peerpb.ChaincodeMessage_WRITE_BATCH_STATE:
		return hasField(request.GetPayload(), 1, func(record []byte) bool {
			return hasField(record, 3, func(name []byte) bool { return len(name) > 0 })
		})
	}
	number := collectionField(request.GetType())
	return number != 0 && hasField(request.GetPayload(), number, func(name []byte) bool { return len(name) > 0 })
}

// hasField tells whether a message has a length-delimited field that fits.
func hasField(message []byte, number protowire.Number, fits func([]byte) bool) bool {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return false
		}
		message = message[size:]
		if n == number && kind == protowire.BytesType {
			content, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return false
			}
			if fits(content) {
				return true
			}
			message = message[size:]
			continue
		}
		if size = protowire.ConsumeFieldValue(n, kind, message); size < 0 {
			return false
		}
		message = message[size:]
	}
	return false
}

// keepPrivate stores the private part of a simulation until the transaction is
// committed, and gives it to the other peers of the organisation. That a peer
// cannot be reached now is no failure: it asks when it commits the block.
func (tx *transaction) keepPrivate(ctx context.Context, result *ledger.SimResult) error {
	if result.Private == nil {
		return nil
	}
	c := tx.channel
	if err := c.ledger.AddTransient(ctx, tx.proposal.TxID(), result.Height, result.Private); err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, ns := range result.Private.GetNsPvtRwset() {
		for _, coll := range ns.GetCollectionPvtRwset() {
			message := &gossippb.GossipMessage{Channel: []byte(c.name), Content: &gossippb.GossipMessage_PrivateData{
				PrivateData: &gossippb.PrivateDataMessage{Payload: &gossippb.PrivatePayload{
					CollectionName: coll.GetCollectionName(), Namespace: ns.GetNamespace(), TxId: tx.proposal.TxID(),
					PrivateRwset: coll.GetRwset(), PrivateSimHeight: result.Height,
				}},
			}}
			for _, m := range c.peer.colleagues() {
				wg.Add(1)
				if !c.Background(func(ctx context.Context) { defer wg.Done(); c.push(ctx, m, message) }) {
					wg.Done()
				}
			}
		}
	}
	waitAtMost(ctx, &wg, pushPatience)
	return nil
}

// waitAtMost waits for a group, but not longer than that.
func waitAtMost(ctx context.Context, wg *sync.WaitGroup, patience time.Duration) {
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// colleagues are the other peers of this peer's organisation.
func (p *Peer) colleagues() []PeerInfo {
	var list []PeerInfo
	for _, m := range p.others() {
		if m.MSPID == p.config.MSPID {
			list = append(list, m)
		}
	}
	return list
}

func (c *channel) push(ctx context.Context, m PeerInfo, message *gossippb.GossipMessage) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	conn, err := c.peer.connections.To(m.Target)
	if err == nil {
		err = conn.Invoke(ctx, peerServicePush, message, &emptypb.Empty{})
	}
	if err != nil {
		c.log.Debug("private data was not taken", "peer", m.Name, "error", err)
	}
}

// takePrivate keeps a private write set that a colleague endorsed.
func (c *channel) takePrivate(ctx context.Context, payload *gossippb.PrivatePayload) error {
	switch {
	case payload.GetNamespace() != wire.LifecycleNamespace || payload.GetCollectionName() != lifecycle.ImplicitCollection(c.peer.config.MSPID):
		return fmt.Errorf("collection %s/%s is not exchanged", payload.GetNamespace(), payload.GetCollectionName())
	case len(payload.GetPrivateRwset()) > maxPrivateBytes:
		return fmt.Errorf("%d bytes are too many, at most %d are taken", len(payload.GetPrivateRwset()), maxPrivateBytes)
	case payload.GetTxId() == "":
		return errors.New("it names no transaction")
	}
	if _, committed, err := c.ledger.TxStatus(payload.GetTxId()); err != nil || committed {
		return err
	}
	// The height decides when it is forgotten: what the colleague says may not keep it for ever.
	height := min(payload.GetPrivateSimHeight(), c.ledger.Height())
	return c.ledger.AddTransient(ctx, payload.GetTxId(), height, privateSet(payload.GetNamespace(), payload.GetCollectionName(), payload.GetPrivateRwset()))
}

func privateSet(namespace, collection string, rwset []byte) *rwsetpb.TxPvtReadWriteSet {
	return &rwsetpb.TxPvtReadWriteSet{NsPvtRwset: []*rwsetpb.NsPvtReadWriteSet{{
		Namespace:          namespace,
		CollectionPvtRwset: []*rwsetpb.CollectionPvtReadWriteSet{{CollectionName: collection, Rwset: rwset}},
	}}}
}

// givePrivate finds private write sets for a colleague: those that wait for their
// transaction, and those of committed blocks.
func (c *channel) givePrivate(digests []*gossippb.PvtDataDigest) ([]*gossippb.PvtDataElement, error) {
	if len(digests) > maxDigests {
		digests = digests[:maxDigests]
	}
	var found []*gossippb.PvtDataElement
	for _, d := range digests {
		sets, err := c.ledger.Transient(d.GetTxId())
		if err != nil {
			return nil, err
		}
		if status, ok, err := c.ledger.TxStatus(d.GetTxId()); err == nil && ok {
			committed, err := c.ledger.PrivateOf(status.Block)
			if err != nil {
				return nil, err
			}
			if set := committed[status.Index]; set != nil {
				sets = append(sets, set)
			}
		}
		element := &gossippb.PvtDataElement{Digest: d}
		for _, set := range sets {
			for _, ns := range set.GetNsPvtRwset() {
				for _, coll := range ns.GetCollectionPvtRwset() {
					if ns.GetNamespace() == d.GetNamespace() && coll.GetCollectionName() == d.GetCollection() {
						element.Payload = append(element.Payload, coll.GetRwset())
					}
				}
			}
		}
		if len(element.Payload) > 0 {
			found = append(found, element)
		}
	}
	return found, nil
}

// privateFor collects the private write sets of a block's valid transactions that
// this organisation is entitled to: from what was endorsed here or pushed, and
// from colleagues. What nobody has now is noted and asked for later.
func (c *channel) privateFor(ctx context.Context, result *validate.Result) (ledger.Private, error) {
	var private ledger.Private
	own := lifecycle.ImplicitCollection(c.peer.config.MSPID)
	patience, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	for i, tx := range result.Transactions {
		if result.Codes[i] != peerpb.TxValidationCode_VALID || !announces(tx.RWSet, own) {
			continue
		}
		set, missing, err := c.ledger.PrivateFor(tx.TxID, tx.RWSet)
		if err != nil {
			return nil, err
		}
		for _, m := range missing {
			if m.Namespace != wire.LifecycleNamespace || m.Collection != own {
				continue // another organisation's
			}
			want := lack{txID: tx.TxID, block: result.Block.GetHeader().GetNumber(), tx: uint64(i), hash: m.Hash}
			rwset := c.fetchPrivate(patience, want)
			if rwset == nil {
				c.noteLack(want)
				continue
			}
			set = merged(set, privateSet(wire.LifecycleNamespace, own, rwset))
		}
		if set != nil {
			if private == nil {
				private = ledger.Private{}
			}
			private[uint64(i)] = set
		}
	}
	return private, nil
}

// announces tells whether a read-write set has private writes in a collection of
// _lifecycle.
func announces(set *wire.RWSet, collection string) bool {
	if set == nil {
		return false
	}
	for i := range set.Namespaces {
		if set.Namespaces[i].Name != wire.LifecycleNamespace {
			continue
		}
		for j := range set.Namespaces[i].Collections {
			coll := &set.Namespaces[i].Collections[j]
			if coll.Name == collection && len(coll.PvtHash) > 0 {
				return true
			}
		}
	}
	return false
}

func merged(a, b *rwsetpb.TxPvtReadWriteSet) *rwsetpb.TxPvtReadWriteSet {
	if a == nil {
		return b
	}
	a.NsPvtRwset = append(a.NsPvtRwset, b.GetNsPvtRwset()...)
	return a
}

// lack is a private write set that this peer is entitled to and does not have.
type lack struct {
	txID      string
	block, tx uint64
	hash      []byte
}

// fetchPrivate asks the colleagues for a private write set; nil if none has it.
func (c *channel) fetchPrivate(ctx context.Context, want lack) []byte {
	own := lifecycle.ImplicitCollection(c.peer.config.MSPID)
	request := &gossippb.GossipMessage{Channel: []byte(c.name), Content: &gossippb.GossipMessage_PrivateReq{
		PrivateReq: &gossippb.RemotePvtDataRequest{Digests: []*gossippb.PvtDataDigest{{
			TxId: want.txID, Namespace: wire.LifecycleNamespace, Collection: own, BlockSeq: want.block, SeqInBlock: want.tx,
		}}},
	}}
	for _, m := range c.peer.colleagues() {
		answer := &gossippb.GossipMessage{}
		conn, err := c.peer.connections.To(m.Target)
		if err == nil {
			ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
			err = conn.Invoke(ctx, peerServiceFetch, request, answer)
			cancel()
		}
		if err != nil {
			c.log.Debug("private data was not given", "peer", m.Name, "error", err)
			continue
		}
		for _, element := range answer.GetPrivateRes().GetElements() {
			for _, rwset := range element.GetPayload() {
				if string(wire.Hash(rwset)) == string(want.hash) {
					return rwset
				}
			}
		}
	}
	return nil
}

// How missing private data is asked for again.
const (
	maxLacks   = 1000 // remembered; each is one approval
	lackPause  = time.Second
	lackPauses = time.Minute // the longest
)

// lacks is what a channel misses. It is worked off in the background, one task for
// all, and forgotten when the peer stops: then only the plain text is missing, which
// nothing depends on but questions for it.
type lacks struct {
	mu     sync.Mutex
	list   []lack
	asking bool
	again  chan struct{} // receives when there are new peers to ask
}

// noteLack remembers what is missing and says so.
func (c *channel) noteLack(l lack) {
	c.peer.record(trace.Event{Kind: trace.Progress, Channel: c.name, TxID: l.txID, Block: l.block,
		What: trace.PlainTextMissing, Note: "the plain text of an approval is missing; the other peers of the organisation will be asked again"})
	c.lacks.mu.Lock()
	defer c.lacks.mu.Unlock()
	if len(c.lacks.list) >= maxLacks {
		return
	}
	c.lacks.list = append(c.lacks.list, l)
	if c.lacks.again == nil {
		c.lacks.again = make(chan struct{}, 1)
	}
	if !c.lacks.asking {
		c.lacks.asking = c.Background(c.reconcile)
	}
}

// askAgain hurries the reconciliation: the list of peers has changed.
func (c *channel) askAgain() {
	c.lacks.mu.Lock()
	defer c.lacks.mu.Unlock()
	if c.lacks.again != nil {
		select {
		case c.lacks.again <- struct{}{}:
		default:
		}
	}
}

// reconcile asks for what is missing until nothing is.
func (c *channel) reconcile(ctx context.Context) {
	pause := lackPause
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-c.lacks.again:
			pause = lackPause
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		c.lacks.mu.Lock()
		list := c.lacks.list
		c.lacks.list = nil
		c.lacks.mu.Unlock()
		var left []lack
		for _, l := range list {
			if !c.fill(ctx, l) {
				left = append(left, l)
			}
		}
		c.lacks.mu.Lock()
		c.lacks.list = append(c.lacks.list, left...)
		done := len(c.lacks.list) == 0
		if done {
			c.lacks.asking = false
		}
		c.lacks.mu.Unlock()
		if done {
			return
		}
		pause = min(2*pause, lackPauses)
	}
}

// fill asks for one missing write set and stores it.
func (c *channel) fill(ctx context.Context, l lack) bool {
	rwset := c.fetchPrivate(ctx, l)
	if rwset == nil {
		return false
	}
	set := privateSet(wire.LifecycleNamespace, lifecycle.ImplicitCollection(c.peer.config.MSPID), rwset)
	if err := c.ledger.AddLatePrivate(ctx, wire.Version{Block: l.block, Tx: l.tx}, set); err != nil {
		c.peer.failed(trace.Event{Channel: c.name, TxID: l.txID, Block: l.block}, "store private data that came late", err)
		return ctx.Err() != nil
	}
	c.peer.record(trace.Event{Kind: trace.Progress, Channel: c.name, TxID: l.txID, Block: l.block,
		What: trace.PlainTextFound, Note: "the missing plain text of an approval has arrived"})
	return true
}
