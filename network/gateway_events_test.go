package network_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/network"
)

// mustNext takes the next one of a stream of events.
func mustNext[E any](t *testing.T, ctx context.Context, events <-chan E) E {
	t.Helper()
	select {
	case e, open := <-events:
		if !open {
			t.Fatal("the stream of events ended")
		}
		return e
	case <-ctx.Done():
		t.Fatal("no event came")
		panic("not reached")
	}
}

func sdkChaincodeEvents(t *testing.T, n *net, _ *probe) {
	channel := n.mustConnect().GetNetwork("mychannel")
	contract := channel.GetContract("probe")
	_, commit, err := contract.SubmitAsync("Put", client.WithArguments("a", "0"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := commit.Status()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(n.ctx())
	defer cancel()
	opened := n.eventStreams()
	events, err := channel.ChaincodeEvents(ctx, "probe")
	if err != nil {
		t.Fatal(err)
	}
	old, err := channel.ChaincodeEvents(ctx, "probe", client.WithStartBlock(before.BlockNumber))
	if err != nil {
		t.Fatal(err)
	}
	first := mustNext(t, ctx, old)
	if first.TransactionID != before.TransactionID || first.EventName != "put" || string(first.Payload) != "a=0" || first.ChaincodeName != "probe" || first.BlockNumber != before.BlockNumber {
		t.Errorf("the first event is %+v", first)
	}
	n.until("both requests arrived", func() (bool, error) { return n.eventStreams() >= opened+2, nil })
	// A transaction that is not valid announces nothing.
	if _, err := contract.Submit("Put", client.WithArguments("a", "1"), client.WithEndorsingOrganizations("Org1MSP")); err == nil {
		t.Error("a transaction with one endorsement is valid")
	}
	after, err := contract.SubmitTransaction("Put", "a", "2")
	if err != nil {
		t.Fatal(err)
	}
	for name, stream := range map[string]<-chan *client.ChaincodeEvent{"new": events, "old": old} {
		if e := mustNext(t, ctx, stream); e.TransactionID != string(after) || string(e.Payload) != "a=2" {
			t.Errorf("%s events: the next is %+v", name, e)
		}
	}
	cancel()
	for range events { // ends because its context did
	}
}

// eventStreams counts the requests for chaincode events that have arrived.
func (n *net) eventStreams() int {
	count := 0
	for _, e := range n.Events(network.EventFilter{Kind: string(trace.GatewayCall), Key: "ChaincodeEvents"}) {
		if e.Dir == trace.Received {
			count++
		}
	}
	return count
}

func sdkBlockEvents(t *testing.T, n *net, _ *probe) {
	channel := n.mustConnect().GetNetwork("mychannel")
	ctx, cancel := context.WithCancel(n.ctx())
	defer cancel()
	start := client.WithStartBlock(0)
	blocks, err := channel.BlockEvents(ctx, start)
	if err != nil {
		t.Fatal(err)
	}
	filtered, err := channel.FilteredBlockEvents(ctx, start)
	if err != nil {
		t.Fatal(err)
	}
	private, err := channel.BlockAndPrivateDataEvents(ctx, start)
	if err != nil {
		t.Fatal(err)
	}
	id, err := channel.GetContract("probe").SubmitTransaction("Put", "blocks", "1")
	if err != nil {
		t.Fatal(err)
	}
	var previous *commonpb.Block
	for found := false; !found; {
		block, short := mustNext(t, ctx, blocks), mustNext(t, ctx, filtered)
		if both := mustNext(t, ctx, private); both.GetBlock().GetHeader().GetNumber() != block.GetHeader().GetNumber() {
			t.Fatalf("the streams differ: blocks %d and %d", block.GetHeader().GetNumber(), both.GetBlock().GetHeader().GetNumber())
		}
		checkBlock(t, previous, block, short)
		for _, tx := range short.GetFilteredTransactions() {
			found = found || tx.GetTxid() == string(id)
		}
		previous = block
	}
}

// checkBlock checks that a block follows another, and its filtered form.
func checkBlock(t *testing.T, previous, block *commonpb.Block, short *peerpb.FilteredBlock) {
	t.Helper()
	number := block.GetHeader().GetNumber()
	if previous != nil {
		if number != previous.GetHeader().GetNumber()+1 || string(block.GetHeader().GetPreviousHash()) != string(wire.BlockHash(previous.GetHeader())) {
			t.Fatalf("block %d does not follow block %d", number, previous.GetHeader().GetNumber())
		}
		if len(wire.CommitHash(block)) == 0 {
			t.Errorf("block %d has no commit hash", number)
		}
	}
	data, filter := block.GetData().GetData(), wire.Filter(block)
	if string(block.GetHeader().GetDataHash()) != string(wire.DataHash(data)) || len(filter) != len(data) {
		t.Errorf("block %d: wrong data hash, or %d verdicts for %d transactions", number, len(filter), len(data))
	}
	if short.GetNumber() != number || short.GetChannelId() != "mychannel" || len(short.GetFilteredTransactions()) != len(data) {
		t.Fatalf("block %d: its filtered form is %v", number, short)
	}
	for i, tx := range short.GetFilteredTransactions() {
		whole, err := wire.ParseTransaction(data[i])
		if err != nil {
			t.Fatalf("block %d: %v", number, err)
		}
		if tx.GetTxid() != whole.TxID || int32(tx.GetTxValidationCode()) != int32(filter[i]) || tx.GetType() != whole.Type {
			t.Errorf("block %d, transaction %d: %v, want %s with code %d", number, i, tx, whole.TxID, filter[i])
		}
		for _, action := range tx.GetTransactionActions().GetChaincodeActions() {
			if len(action.GetChaincodeEvent().GetPayload()) != 0 {
				t.Errorf("block %d: a filtered event has its payload", number)
			}
		}
	}
}

// A client that remembers where it was gets every event once, over a restart.
func sdkCheckpoints(t *testing.T, n *net, _ *probe) {
	channel := n.mustConnect().GetNetwork("mychannel")
	contract := channel.GetContract("probe")
	first, err := contract.SubmitTransaction("Put", "checkpoint", "0")
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < 6; i++ {
		if _, err := contract.SubmitTransaction("Put", "checkpoint", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "checkpoint.json")
	var got []string
	for session := range 3 {
		checkpoint, err := client.NewFileCheckpointer(file)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(n.ctx())
		events, err := channel.ChaincodeEvents(ctx, "probe", client.WithStartBlock(0), client.WithCheckpoint(checkpoint))
		if err != nil {
			t.Fatal(err)
		}
		for taken := 0; taken < 2; {
			e := mustNext(t, ctx, events)
			if session == 0 && len(got) == 0 && e.TransactionID != string(first) {
				continue // of other tests
			}
			got = append(got, string(e.Payload))
			taken++
			if err := checkpoint.CheckpointChaincodeEvent(e); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := checkpoint.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i, payload := range got {
		if want := fmt.Sprintf("checkpoint=%d", i); payload != want {
			t.Errorf("event %d is %s, want %s", i, payload, want)
		}
	}
}
