package validate

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/mango"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// Config says what a Validator works on. Ledger must be set.
type Config struct {
	Ledger   *ledger.Ledger        // state, ids and last block; the validator only reads it
	Bundle   *channelconfig.Bundle // present configuration; nil for an empty ledger, which takes block 0
	Verifier *msp.Verifier         // remembers signatures that hold; nil checks each time
	Shared   *Shared               // what the peers of one process share; nil shares nothing
	Workers  int                   // transactions judged at a time; 0 is the number of processors
	Node     string                // the peer's name in the trace
	Trace    *trace.Recorder       // takes verdicts; nil is off
}

// Validator judges the blocks of one channel at one peer. It judges one block at
// a time, for one caller: the next one needs the effects of the one before in the
// ledger.
type Validator struct {
	config Config
	bundle *channelconfig.Bundle
	keys   keyPolicies

	// definitions holds what is known of namespaces as long as neither the
	// configuration nor the _lifecycle namespace changes.
	definitions map[string]*definition
	stale       bool // a block with new definitions was judged last
}

// maxDefinitions bounds what is remembered of namespaces.
const maxDefinitions = 1024

// New makes a validator.
func New(config Config) *Validator {
	if config.Workers <= 0 {
		config.Workers = runtime.GOMAXPROCS(0)
	}
	v := &Validator{config: config}
	v.Use(config.Bundle)
	return v
}

// Use switches to another configuration: to be called with Result.NextBundle when
// the block that brought it is committed.
func (v *Validator) Use(bundle *channelconfig.Bundle) {
	v.bundle = bundle
	v.definitions = map[string]*definition{}
}

// Bundle is the configuration that blocks are judged by.
func (v *Validator) Bundle() *channelconfig.Bundle { return v.bundle }

// Result is what there is to know about a judged block. Block and Batch are what
// ledger.Commit takes.
type Result struct {
	Block        *commonpb.Block // the block with the codes in its metadata; the given one is not changed
	Codes        []peerpb.TxValidationCode
	Reasons      []*Reason // nil for valid transactions
	Transactions []Transaction
	Batch        *ledger.Batch         // effects of the valid transactions
	NextBundle   *channelconfig.Bundle // from the next block on, nil if the configuration stays

	configProblem error // why the configuration would have been refused, had the network not taken it
}

// Transaction is what was decoded of an entry of the block, so that nobody has to
// decode it again.
type Transaction struct {
	TxID      string // as in the header, "" if there is none
	Type      commonpb.HeaderType
	Creator   *msp.Identity // nil if not accepted
	Chaincode string        // the invoked one, "" if none is named
	Event     []byte        // marshalled peer.ChaincodeEvent, nil if none
	RWSet     *wire.RWSet   // nil if it could not be decoded or there is none
}

// Validate judges a block, which must be the next one of the ledger. It changes
// nothing: commit the result, then call Use if there is a NextBundle.
//
// A *BlockError refuses the block as a whole. Any other error says that the state
// could not be read, or is ctx's; the block can be tried again.
func (v *Validator) Validate(ctx context.Context, block *commonpb.Block) (*Result, error) {
	info := v.config.Ledger.Info()
	if err := checkBlock(block, info.GetHeight(), info.GetCurrentBlockHash(), v.bundle, v.config.Shared); err != nil {
		return nil, err
	}
	decoded, err := v.config.Shared.decoded(ctx, block, v.decode)
	if err != nil {
		return nil, err
	}
	return v.judge(ctx, block, decoded, nil)
}

// judge gives the verdicts on a block that was not refused and of which all is decoded.
// If follow is given, the effects are those of the transactions that are valid by these
// codes instead of by the verdicts: so an inspection stays on the path that the network
// took.
func (v *Validator) judge(ctx context.Context, block *commonpb.Block, all *decoded, follow []byte) (*Result, error) {
	r, err := v.newRun(ctx, block, all, follow)
	if err != nil {
		return nil, err
	}
	defer r.view.Close()
	steps := []func() error{r.findUsedIDs, r.takeResults, r.configure, r.readState, r.endorse, r.markDuplicates, r.checkWrites, r.findConflicts, r.nameWriters}
	if r.number == 0 {
		steps = []func() error{r.acceptGenesis}
	}
	v.record(trace.Event{Kind: trace.ValidateFrom, Block: r.number, What: trace.Told, A: int64(len(r.txs)), Note: fmt.Sprintf("%d transactions", len(r.txs))})
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return r.result(), nil
}

// run is the work on one block.
type run struct {
	*Validator
	ctx    context.Context
	block  *commonpb.Block
	number uint64
	follow []byte
	all    *decoded

	txs    []*transaction
	view   *ledger.View
	before before
	batch  *ledger.Batch
	next   *channelconfig.Bundle

	configProblem error // see Result
}

func (v *Validator) newRun(ctx context.Context, block *commonpb.Block, all *decoded, follow []byte) (*run, error) {
	view, err := v.config.Ledger.View()
	if err != nil {
		return nil, fmt.Errorf("validate block %d: %w", block.GetHeader().GetNumber(), err)
	}
	r := &run{Validator: v, ctx: ctx, block: block, number: block.GetHeader().GetNumber(), all: all, follow: follow, view: view}
	r.before.view = view
	r.before.known = committed{}
	r.batch = ledger.NewBatch(r.number, &r.before)
	own := slices.Clone(all.early)
	r.txs = make([]*transaction, len(own))
	for i := range own {
		r.txs[i] = &own[i]
	}
	return r, nil
}

// each runs work for all transactions, a few at a time. It fails only if the
// context has ended; then some of the work is not done.
func (r *run) each(work func(t *transaction)) error {
	err := each(r.ctx, r.config.Workers, len(r.txs), func(i int) { work(r.txs[i]) })
	if err != nil {
		return fmt.Errorf("validate block %d: %w", r.number, err)
	}
	return nil
}

// findUsedIDs is step 10.
func (r *run) findUsedIDs() error {
	var ids []string
	for _, t := range r.txs {
		if t.reason == nil && t.kind == commonpb.HeaderType_ENDORSER_TRANSACTION {
			ids = append(ids, t.txID)
		}
	}
	used, err := r.config.Ledger.Used(ids)
	if err != nil {
		return fmt.Errorf("validate block %d: %w", r.number, err)
	}
	for _, t := range r.txs {
		earlier, ok := used[t.txID]
		if !ok || t.reason != nil || t.kind != commonpb.HeaderType_ENDORSER_TRANSACTION {
			continue
		}
		t.fail(peerpb.TxValidationCode_DUPLICATE_TXID, KindDuplicate,
			"Block %d has a transaction with this id already, as transaction %d (%s). An id can be used once, even if that transaction was invalid.",
			earlier.Block, earlier.Index, earlier.Code)
		t.reason.By = &Writer{TxID: t.txID, Block: earlier.Block, Tx: earlier.Index, Did: "used"}
	}
	return nil
}

// takeResults is steps 11 to 15, of the transactions whose id was not used before.
func (r *run) takeResults() error {
	for i, t := range r.txs {
		if t.reason == nil && t.kind == commonpb.HeaderType_ENDORSER_TRANSACTION {
			late := &r.all.late[i]
			t.results, t.written, t.reason = late.results, slices.Clone(late.written), late.reason
		}
	}
	return nil
}

// configure is step 18: a configuration transaction must lead on from the present
// configuration, and it must be alone in its block.
func (r *run) configure() error {
	for _, t := range r.txs {
		if t.kind != commonpb.HeaderType_CONFIG || !r.takesEffect(t) {
			continue
		}
		var envelope commonpb.ConfigEnvelope
		fault := func(detail string) error {
			err := refuse(r.block, ErrConfig, "%s", detail)
			err.Tx = t.index
			return err
		}
		if len(r.txs) != 1 {
			return fault("a configuration must be the only transaction of its block")
		}
		if err := proto.Unmarshal(t.payload.GetData(), &envelope); err != nil {
			return fault("it cannot be decoded: " + clean(err))
		}
		next, err := r.bundle.Next(&envelope)
		if err != nil && r.follow != nil {
			r.configProblem = fault(clean(err))
			next, err = channelconfig.FromBlock(r.block, r.config.Verifier)
		}
		if err != nil {
			return fault(clean(err))
		}
		r.next = next
		return r.setConfig(t, &envelope)
	}
	return nil
}

func (r *run) setConfig(t *transaction, envelope *commonpb.ConfigEnvelope) error {
	stored, err := proto.MarshalOptions{Deterministic: true}.Marshal(envelope.GetConfig())
	if err != nil {
		return fmt.Errorf("validate block %d: encode the configuration: %w", r.number, err)
	}
	r.batch.SetConfig(uint64(t.index), stored)
	return nil
}

// acceptGenesis takes block 0 as it is: who joins a channel trusts it.
func (r *run) acceptGenesis() error {
	next, err := channelconfig.FromBlock(r.block, r.config.Verifier)
	if err != nil {
		return refuse(r.block, ErrConfig, "%s", clean(err))
	}
	r.next = next
	t := r.txs[0]
	t.reason = nil // a first block has no creator; whatever is missing is missing
	var envelope commonpb.ConfigEnvelope
	if err := proto.Unmarshal(t.payload.GetData(), &envelope); err != nil {
		return refuse(r.block, ErrConfig, "%s", clean(err))
	}
	return r.setConfig(t, &envelope)
}

// endorse is steps 16 and 17.
func (r *run) endorse() error {
	err := r.each(func(t *transaction) {
		if t.reason == nil && t.rwset != nil {
			judge := endorsements{keys: &r.keys, t: t}
			judge.judge(r.definitions, r.before.known)
		}
	})
	if err != nil {
		return err
	}
	applyKeyRule(r.number, r.txs)
	for _, t := range r.txs {
		r.record(judged(trace.PolicyJudged, t, r.number))
	}
	return nil
}

// judged says what one stage came to for one transaction; of a read conflict also what
// was found instead of what had been read.
func judged(kind trace.Kind, t *transaction, block uint64) trace.Event {
	e := trace.Event{Kind: kind, TxID: t.txID, Block: block, A: int64(t.code()), What: trace.CaseOfCode(int32(t.code())), Note: t.code().String()}
	if kind == trace.VersionCheck && t.reason != nil {
		e.Key, e.Name = t.reason.Key, t.reason.Namespace
		if found := t.reason.Found; found != nil {
			e.B, e.C = int64(found.Block), int64(found.Tx)
		}
	}
	return e
}

// markDuplicates finds ids that occur twice in the block. Only transactions that
// passed everything so far count: an invalid one does not take the id from a
// valid one in the same block.
func (r *run) markDuplicates() error {
	first := make(map[string]int, len(r.txs))
	for _, t := range r.txs {
		if t.reason != nil || t.kind != commonpb.HeaderType_ENDORSER_TRANSACTION {
			continue
		}
		i, used := first[t.txID]
		if !used {
			first[t.txID] = t.index
			continue
		}
		t.fail(peerpb.TxValidationCode_DUPLICATE_TXID, KindDuplicate,
			"Transaction %d of this same block has this id already. An id can be used once.", i)
		t.reason.By = &Writer{TxID: t.txID, Block: r.number, Tx: uint64(i), SameBlock: true, Did: "used"}
	}
	return nil
}

// checkWrites is step 23: what CouchDB has no place for is not committed, though other peers
// have endorsed it.
func (r *run) checkWrites() error {
	if !r.config.Ledger.CouchDB() {
		return nil
	}
	for _, t := range r.txs {
		if t.reason != nil || t.rwset == nil {
			continue
		}
		for i := range t.rwset.Namespaces {
			if ns := &t.rwset.Namespaces[i]; !t.mayWrite(ns.Name, ns.KV.GetWrites()) {
				break
			}
		}
	}
	return nil
}

// mayWrite fails the transaction at the first write that the state database cannot keep.
func (t *transaction) mayWrite(ns string, writes []*kvrwsetpb.KVWrite) bool {
	for _, w := range writes {
		err := mango.CheckKey(w.GetKey())
		if err == nil {
			err = mango.CheckValue(w.GetValue())
		}
		if err != nil {
			t.fail(peerpb.TxValidationCode_INVALID_WRITESET, KindWrite,
				"The transaction writes the key %s of chaincode %s, which the state database CouchDB cannot keep: %s.", printable(w.GetKey()), ns, clean(err))
			t.reason.Namespace, t.reason.Key = ns, w.GetKey()
			return false
		}
	}
	return true
}

// findConflicts is the second stage: in the order of the block, each transaction
// against the state and the effects of the valid ones before it.
func (r *run) findConflicts() error {
	c := conflicts{state: &r.before, pending: r.batch}
	for _, t := range r.txs {
		if t.reason == nil && t.rwset != nil {
			reason, err := c.check(t.rwset)
			if err != nil {
				return fmt.Errorf("validate block %d, transaction %d: %w", r.number, t.index, err)
			}
			t.reason = reason
		}
		r.record(judged(trace.VersionCheck, t, r.number))
		if t.rwset == nil || !r.takesEffect(t) {
			continue
		}
		if err := r.batch.Apply(uint64(t.index), t.rwset); err != nil {
			return fmt.Errorf("validate block %d: %w", r.number, err)
		}
	}
	return nil
}

// takesEffect tells whether a transaction changes the state.
func (r *run) takesEffect(t *transaction) bool {
	if r.follow != nil {
		return t.index < len(r.follow) && peerpb.TxValidationCode(r.follow[t.index]) == peerpb.TxValidationCode_VALID
	}
	return t.reason == nil
}

// nameWriters fills in who is behind the conflicts, and writes their sentences.
func (r *run) nameWriters() error {
	for _, t := range r.txs {
		reason := t.reason
		if reason == nil || !reason.Kind.Conflict() {
			continue
		}
		r.nameWriter(reason)
		if reason.Kind == KindRange {
			reason.Text = rangeText(reason)
		} else {
			reason.Text = readText(reason)
		}
	}
	return nil
}

// nameWriter looks the writer's id up. That it cannot be found (the chain may
// begin with a snapshot) changes no verdict.
func (r *run) nameWriter(reason *Reason) {
	if reason.By == nil {
		r.findDelete(reason)
		return
	}
	if reason.By.SameBlock {
		reason.By.TxID = r.txs[reason.By.Tx].txID
		return
	}
	if id, _, err := r.config.Ledger.TxAt(wire.Version{Block: reason.By.Block, Tx: reason.By.Tx}); err == nil {
		reason.By.TxID = id
	}
}

// findDelete looks into the history for who deleted a key that was there.
func (r *run) findDelete(reason *Reason) {
	if reason.Collection != "" || reason.Kind == KindRead && reason.Read == nil {
		return
	}
	for m, err := range r.view.History(reason.Namespace, reason.Key) {
		if err != nil || !m.GetIsDelete() {
			return
		}
		at, ok, err := r.config.Ledger.TxStatus(m.GetTxId())
		if err == nil && ok {
			reason.By = &Writer{TxID: m.GetTxId(), Block: at.Block, Tx: at.Index, Did: "deleted"}
		}
		return
	}
}

// result puts everything together and records the verdicts.
func (r *run) result() *Result {
	out := &Result{
		Codes:        make([]peerpb.TxValidationCode, len(r.txs)),
		Reasons:      make([]*Reason, len(r.txs)),
		Transactions: make([]Transaction, len(r.txs)),
		Batch:        r.batch,
		NextBundle:   r.next,

		configProblem: r.configProblem,
	}
	filter := make([]byte, len(r.txs))
	for i, t := range r.txs {
		code := t.code()
		filter[i] = byte(code)
		out.Codes[i], out.Reasons[i] = code, t.reason
		out.Transactions[i] = t.summary()
		r.verdict(t, code)
		for _, w := range t.written {
			if w.name == wire.LifecycleNamespace {
				r.Validator.stale = true
			}
		}
	}
	out.Block = &commonpb.Block{Header: r.block.GetHeader(), Data: r.block.GetData(), Metadata: &commonpb.BlockMetadata{}}
	out.Block.Metadata.Metadata = append(out.Block.Metadata.Metadata, r.block.GetMetadata().GetMetadata()...)
	wire.SetFilter(out.Block, filter)
	return out
}

// verdict records what a transaction came to; of one that is not valid with the reason as a value.
func (r *run) verdict(t *transaction, code peerpb.TxValidationCode) {
	e := trace.Event{Kind: trace.Verdict, TxID: t.txID, Block: r.number, What: trace.CaseOfCode(int32(code)), A: int64(code), B: int64(t.index), Key: code.String()}
	if t.reason == nil || r.config.Trace == nil {
		r.record(e)
		return
	}
	e.Note = t.reason.Text
	value, err := json.Marshal(t.reason)
	if err != nil { // a reason is plain data
		r.record(e)
		return
	}
	r.config.Trace.RecordPayload(r.completed(e), trace.Payload{Name: wire.ReasonName, Bytes: value})
}

func (t *transaction) summary() Transaction {
	return Transaction{
		TxID: t.txID, Type: t.kind, Creator: t.creator, Chaincode: t.chaincode,
		Event: t.action.GetEvents(), RWSet: t.rwset,
	}
}

func (v *Validator) record(e trace.Event) {
	if v.config.Trace != nil {
		v.config.Trace.Record(v.completed(e))
	}
}

// completed adds what all events of this package have in common.
func (v *Validator) completed(e trace.Event) trace.Event {
	e.Node = v.config.Node
	if v.bundle != nil {
		e.Channel = v.bundle.Channel()
	}
	return e
}
