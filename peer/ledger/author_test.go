package ledger_test

import (
	"errors"
	"fmt"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// author makes blocks for a ledger and commits them with everything valid.
type author struct {
	l    *ledger.Ledger
	hash []byte
	txs  int
}

// authored is a transaction for a block.
type authored struct {
	id      string
	results []byte
	private *rwsetpb.TxPvtReadWriteSet
	code    peerpb.TxValidationCode
}

// tx numbers a transaction.
func (a *author) tx(results []byte) authored {
	a.txs++
	return authored{id: fmt.Sprintf("tx%d", a.txs), results: results}
}

// commit puts transactions into the next block.
func (a *author) commit(t testing.TB, txs ...authored) *commonpb.Block {
	t.Helper()
	data, filter := make([][]byte, len(txs)), make([]byte, len(txs))
	private := ledger.Private{}
	v, err := a.l.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	batch := ledger.NewBatch(a.l.Height(), v)
	for i, tx := range txs {
		data[i], filter[i] = mustTx(t, tx.id, tx.results), byte(tx.code)
		if tx.private != nil {
			private[uint64(i)] = tx.private
		}
		if tx.code != peerpb.TxValidationCode_VALID {
			continue
		}
		set, err := wire.ParseRWSet(tx.results)
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Apply(uint64(i), set); err != nil {
			t.Fatal(err)
		}
	}
	block := wire.NewBlock(a.l.Height(), a.hash, data)
	wire.SetFilter(block, filter)
	a.hash = wire.BlockHash(block.Header)
	stored, err := a.l.Commit(bg, block, batch, private)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// mustTx is the envelope of an endorser transaction without signatures.
func mustTx(t testing.TB, id string, results []byte) []byte {
	t.Helper()
	response := mustMarshal(t, &peerpb.ProposalResponsePayload{Extension: mustMarshal(t, &peerpb.ChaincodeAction{Results: results})})
	action := mustMarshal(t, &peerpb.ChaincodeActionPayload{Action: &peerpb.ChaincodeEndorsedAction{ProposalResponsePayload: response}})
	header := mustMarshal(t, &commonpb.ChannelHeader{
		Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: "ch", TxId: id, Timestamp: timestamppb.Now(),
	})
	return mustMarshal(t, &commonpb.Envelope{Payload: mustMarshal(t, &commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: header},
		Data:   mustMarshal(t, &peerpb.Transaction{Actions: []*peerpb.TransactionAction{{Payload: action}}}),
	})})
}

// mustResults marshals a read-write set of one namespace.
func mustResults(t testing.TB, ns string, kv *kvrwsetpb.KVRWSet) []byte {
	t.Helper()
	return mustMarshal(t, &rwsetpb.TxReadWriteSet{NsRwset: []*rwsetpb.NsReadWriteSet{{Namespace: ns, Rwset: mustMarshal(t, kv)}}})
}

// simulate runs f on a simulation and gives the result.
func (a *author) simulate(t testing.TB, f func(sim *ledger.Simulator) error) *ledger.SimResult {
	t.Helper()
	sim, err := a.l.NewSimulator(bg, fmt.Sprintf("sim%d", a.txs))
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	if err := f(sim); err != nil {
		t.Fatal(err)
	}
	result, err := sim.Result()
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// put commits a block with one transaction that writes one key.
func (a *author) put(t testing.TB, key, value string) string {
	t.Helper()
	tx := a.tx(a.simulate(t, func(sim *ledger.Simulator) error { return sim.PutState("cc", key, []byte(value)) }).Public)
	a.commit(t, tx)
	return tx.id
}

// define commits a chaincode definition with collections, as _lifecycle stores it.
func (a *author) define(t testing.TB, name string, collections ...*peerpb.StaticCollectionConfig) {
	t.Helper()
	pkg := new(peerpb.CollectionConfigPackage)
	for _, c := range collections {
		pkg.Config = append(pkg.Config, &peerpb.CollectionConfig{
			Payload: &peerpb.CollectionConfig_StaticCollectionConfig{StaticCollectionConfig: c},
		})
	}
	a.commit(t, a.tx(a.simulate(t, func(sim *ledger.Simulator) error {
		return errors.Join(
			sim.PutState("_lifecycle", "namespaces/metadata/"+name, mustMarshal(t, &lifecyclepb.StateMetadata{
				Datatype: "ChaincodeDefinition", Fields: []string{"Sequence", "Collections"},
			})),
			sim.PutState("_lifecycle", "namespaces/fields/"+name+"/Sequence", mustMarshal(t, &lifecyclepb.StateData{
				Type: &lifecyclepb.StateData_Int64{Int64: 1},
			})),
			sim.PutState("_lifecycle", "namespaces/fields/"+name+"/Collections", mustMarshal(t, &lifecyclepb.StateData{
				Type: &lifecyclepb.StateData_Bytes{Bytes: mustMarshal(t, pkg)},
			})),
		)
	}).Public))
}
