package lifecycle_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// replay is a ledger that commits the blocks of the recorded chain one by one.
type replay struct {
	ledger    *ledger.Ledger
	validator *validate.Validator
	bundle    *channelconfig.Bundle
}

func MustReplay(t testing.TB) *replay {
	t.Helper()
	l, err := ledger.OpenTemp(ledger.Options{Channel: "mychannel"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &replay{ledger: l, validator: validate.New(validate.Config{Ledger: l})}
}

func (r *replay) MustCommit(t testing.TB, block *commonpb.Block) {
	t.Helper()
	result, err := r.validator.Validate(t.Context(), block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.ledger.Commit(t.Context(), result.Block, result.Batch, nil); err != nil {
		t.Fatal(err)
	}
	if result.NextBundle != nil {
		r.validator.Use(result.NextBundle)
		r.bundle = result.NextBundle
	}
}

// Every approval and every commit of a definition that the recorded network made is
// simulated again: the read-write set must be the same, byte by byte. The table of
// definitions follows.
func TestLifecycleAsRecorded(t *testing.T) {
	blocks := conformance.Blocks(t)
	r := MustReplay(t)
	r.MustCommit(t, blocks[0])
	host, err := chaincode.NewHost(chaincode.Config{Runtime: "process", Peer: "peer0", MSPID: "Org1MSP", Dir: t.TempDir(), Link: link.New(link.Config{}).Endpoint("peer0", tls.Certificate{}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	table := &lifecycle.Table{Channel: "mychannel", MSPID: "Org1MSP", Ledger: r.ledger, Host: host}
	seen := 0
	for _, block := range blocks[1:] {
		for i, raw := range block.GetData().GetData() {
			recorded, err := wire.ParseTransaction(raw)
			if err != nil || recorded.Chaincode != wire.LifecycleNamespace || recorded.Action == nil {
				continue
			}
			for _, endorsement := range recorded.Endorsements {
				endorser := &msppb.SerializedIdentity{}
				if err := proto.Unmarshal(endorsement.GetEndorser(), endorser); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("block %d transaction %d %s at %s", block.GetHeader().GetNumber(), i, recorded.Input.GetArgs()[0], endorser.GetMspid())
				t.Run(name, func(t *testing.T) { r.simulateAgain(t, endorser.GetMspid(), recorded) })
				seen++
			}
		}
		r.MustCommit(t, block)
		before := table.Generation()
		if err := table.Load(); err != nil {
			t.Fatal(err)
		}
		if table.Generation() == before {
			t.Error("loading does not change the generation")
		}
	}
	if seen < 20 {
		t.Errorf("only %d endorsements of _lifecycle were found", seen)
	}
	for _, d := range table.All() {
		if d.Sequence < 1 || d.Version == "" || len(d.ValidationParameter) == 0 {
			t.Errorf("the last definition of %s is %+v", d.Name, d.Definition)
		}
		if d.PackageID != "" || table.CheckRunnable(d) == nil {
			t.Errorf("%s can be run, and nothing is installed", d.Name)
		}
	}
	if len(table.All()) == 0 || len(table.Runnable()) != 0 {
		t.Errorf("%d definitions, %d of them can be run", len(table.All()), len(table.Runnable()))
	}
}

func (r *replay) simulateAgain(t *testing.T, mspID string, recorded *wire.Transaction) {
	sim, err := r.ledger.NewSimulator(t.Context(), recorded.TxID)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	call := &lifecycle.Call{
		MSPID: mspID, Channel: "mychannel", Bundle: r.bundle, Sim: sim,
		Allow: func(string, bool) error { return nil },
	}
	payload, err := call.Run(recorded.Input.GetArgs())
	if err != nil {
		t.Fatal(err)
	}
	result, err := sim.Result()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(result.Public, recorded.Action.GetResults()) {
		t.Errorf("read-write set differs:\n got %x\nwant %x", result.Public, recorded.Action.GetResults())
	}
	if want := recorded.Response; want.GetStatus() != 200 || !bytes.Equal(payload, want.GetPayload()) {
		t.Errorf("payload %x, recorded %v", payload, want)
	}
}

// Calls that name no function, one that nobody knows, or one that the caller may not
// use, are refused before anything is read.
func TestCallsRefused(t *testing.T) {
	refused := &lifecycle.Call{Channel: "ch", Allow: func(resource string, admins bool) error {
		return fmt.Errorf("%s, administrators only: %v", resource, admins)
	}}
	allowed := &lifecycle.Call{Channel: "ch", Allow: func(string, bool) error { return nil }}
	for _, test := range []struct {
		call *lifecycle.Call
		args []string
		want string
	}{
		{allowed, nil, "lifecycle scc must be invoked with arguments"},
		{allowed, []string{"InstallChaincode"}, "lifecycle scc operations require exactly two arguments but received 1"},
		{allowed, []string{"Nothing", ""}, "Failed to authorize invocation due to failed ACL check: Unmapped policy for _lifecycle/Nothing"},
		{refused, []string{"InstallChaincode", ""}, "Failed to authorize invocation due to failed ACL check: _lifecycle/InstallChaincode, administrators only: true"},
		{refused, []string{"CommitChaincodeDefinition", ""}, "Failed to authorize invocation due to failed ACL check: _lifecycle/CommitChaincodeDefinition, administrators only: false"},
		{allowed, []string{"CommitChaincodeDefinition", ""}, "failed to invoke backing implementation of 'CommitChaincodeDefinition': could not get channel config for channel 'ch': the call names no channel"},
	} {
		var args [][]byte
		for _, a := range test.args {
			args = append(args, []byte(a))
		}
		if _, err := test.call.Run(args); err == nil || err.Error() != test.want {
			t.Errorf("%q: %v\nwant %s", test.args, err, test.want)
		}
	}
}
