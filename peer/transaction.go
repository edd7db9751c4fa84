package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
)

// transaction is one proposal while this peer works on it.
type transaction struct {
	peer     *Peer
	channel  *channel // nil for a call that concerns no channel
	signed   *peerpb.SignedProposal
	proposal *wire.ParsedProposal
	creator  *msp.Identity // who signed; verified
}

func (tx *transaction) channelName() string { return tx.proposal.Channel() }

// systemVersion is the version that all system chaincodes have.
const systemVersion = "syscc"

// needsSimulator tells which calls get a simulator: all on a channel but those
// that read the ledger directly (wire.md D.2, step 7).
func (tx *transaction) needsSimulator() bool {
	name := tx.proposal.ChaincodeName
	return tx.channel != nil && name != "qscc" && name != "cscc"
}

// outcome is what running a chaincode led to.
type outcome struct {
	response *peerpb.Response
	event    *peerpb.ChaincodeEvent // nil if there is none
	version  string                 // of the chaincode's definition
}

// definition looks up the invoked chaincode, through the simulation so that the
// transaction depends on what it found. System chaincodes have none.
func (tx *transaction) definition(sim *ledger.Simulator) (*lifecycle.Defined, error) {
	name := tx.proposal.ChaincodeName
	if wire.IsSystemChaincode(name) {
		return nil, nil
	}
	if sim == nil {
		return nil, fmt.Errorf("make sure the chaincode %s has been successfully defined on channel %s and try again: the call names no channel", name, tx.channelName())
	}
	d, err := tx.channel.definitions.Find(sim, name)
	if err != nil {
		return nil, fmt.Errorf("make sure the chaincode %s has been successfully defined on channel %s and try again: %w", name, tx.channelName(), err)
	}
	return d, nil
}

// run executes the invoked chaincode, a system chaincode if d is nil. Its error is
// a failure of this peer or of the chaincode's process, not an answer of the
// chaincode.
func (tx *transaction) run(ctx context.Context, sim *ledger.Simulator, d *lifecycle.Defined) (*outcome, error) {
	input := tx.proposal.Input
	if d == nil {
		return &outcome{response: tx.system(ctx, tx.proposal.ChaincodeName, tx.channel, sim, input.GetArgs()), version: systemVersion}, nil
	}
	init, err := checkInit(d, sim, input.GetIsInit())
	if err != nil {
		return nil, tx.failed(fmt.Errorf("invalid invocation: %w", err))
	}
	message, err := tx.execute(ctx, tx.channel, sim, d, input, init)
	if err != nil {
		return nil, tx.failed(err)
	}
	if message.GetType() == peerpb.ChaincodeMessage_ERROR {
		return nil, fmt.Errorf("transaction returned with failure: %s", message.GetPayload())
	}
	response := &peerpb.Response{}
	if err := proto.Unmarshal(message.GetPayload(), response); err != nil {
		return nil, fmt.Errorf("failed to unmarshal response for transaction %s: %w", tx.proposal.TxID(), err)
	}
	return &outcome{response: response, event: message.GetChaincodeEvent(), version: d.Version}, nil
}

func (tx *transaction) failed(err error) error {
	return fmt.Errorf("failed to execute transaction %s: %w", tx.proposal.TxID(), err)
}

// initializedKey remembers, in the chaincode's own namespace, the version whose
// initialising call was made.
const initializedKey = "\x00\U0010FFFFinitialized"

// checkInit applies the rules of definitions that require an initialising call
// (wire.md D.2, step 9). The marks are read and written through the simulation,
// so they follow the rules of every other key.
func checkInit(d *lifecycle.Defined, sim *ledger.Simulator, isInit bool) (init bool, err error) {
	needed := false
	if d.InitRequired {
		value, err := sim.GetState(d.Name, initializedKey)
		if err != nil {
			return false, fmt.Errorf("could not get 'initialized' key: %w", err)
		}
		needed = string(value) != d.Version
	}
	switch {
	case isInit && !d.InitRequired:
		return false, fmt.Errorf("chaincode '%s' does not require initialization but called as init", d.Name)
	case isInit && !needed:
		return false, fmt.Errorf("chaincode '%s' is already initialized but called as init", d.Name)
	case isInit:
		return true, sim.PutState(d.Name, initializedKey, []byte(d.Version))
	case needed:
		return false, fmt.Errorf("chaincode '%s' has not been initialized for this version, must call as init first", d.Name)
	}
	return false, nil
}

// execute runs a user's chaincode on a simulation. The chaincode may be on another
// channel than the proposal, when another chaincode called it.
func (tx *transaction) execute(ctx context.Context, on *channel, sim *ledger.Simulator, d *lifecycle.Defined, input *peerpb.ChaincodeInput, init bool) (*peerpb.ChaincodeMessage, error) {
	requests := ledger.NewRequests(sim, d.Name, ledger.RequestOptions{
		Init: init,
		Invoke: func(ctx context.Context, request *peerpb.ChaincodeMessage) ([]byte, error) {
			return tx.call(ctx, on, sim, request.GetPayload())
		},
	})
	defer requests.Close()
	return tx.peer.host.Execute(ctx, d.PackageID, &chaincode.Invocation{
		Channel: on.name, TxID: tx.proposal.TxID(), Init: init, Input: input, Proposal: tx.signed,
		Answer: func(ctx context.Context, request *peerpb.ChaincodeMessage) ([]byte, error) {
			if asksForPrivateData(request) {
				return nil, errPrivateData
			}
			return requests.Handle(ctx, request)
		},
	})
}

// call serves a chaincode that calls another one (wire.md B.6). The answer is the
// callee's final message; an error goes back to the caller as text.
func (tx *transaction) call(ctx context.Context, from *channel, sim *ledger.Simulator, payload []byte) ([]byte, error) {
	spec := &peerpb.ChaincodeSpec{}
	if err := proto.Unmarshal(payload, spec); err != nil {
		return nil, fmt.Errorf("unmarshal failed: %w", err)
	}
	if spec.GetInput() == nil {
		return nil, errors.New("unmarshal failed: the call has no input")
	}
	name, channelName := splitTarget(spec.GetChaincodeId().GetName())
	target := from
	if channelName != "" && channelName != from.name {
		var ok bool
		if target, ok = tx.peer.channelNamed(channelName); !ok {
			if wire.IsSystemChaincode(name) {
				return nil, fmt.Errorf("failed to find ledger for channel: %s", channelName)
			}
			return nil, fmt.Errorf("Failed to get policy manager for channel [%s]", channelName)
		}
	}
	if !wire.IsSystemChaincode(name) {
		if err := tx.mayCall(target); err != nil {
			return nil, err
		}
	}
	if target != from {
		other, err := target.ledger.NewSimulator(ctx, tx.proposal.TxID())
		if err != nil {
			return nil, err
		}
		defer other.Done() // what it read and wrote on the other channel counts for nothing
		sim = other
	}
	message, err := tx.callee(ctx, target, sim, name, spec.GetInput())
	if err != nil {
		return nil, fmt.Errorf("execute failed: %w", err)
	}
	return proto.Marshal(message)
}

// callee runs the called chaincode. It never runs as an initialising call, and
// its event goes no further.
func (tx *transaction) callee(ctx context.Context, on *channel, sim *ledger.Simulator, name string, input *peerpb.ChaincodeInput) (*peerpb.ChaincodeMessage, error) {
	if wire.IsSystemChaincode(name) {
		payload, err := proto.Marshal(tx.system(ctx, name, on, sim, input.GetArgs()))
		return &peerpb.ChaincodeMessage{
			Type: peerpb.ChaincodeMessage_COMPLETED, Payload: payload, Txid: tx.proposal.TxID(), ChannelId: on.name,
		}, err
	}
	d, err := on.definitions.Find(sim, name)
	if err != nil {
		return nil, fmt.Errorf("invalid invocation: [channel %s] failed to get chaincode container info for %s: %w", on.name, name, err)
	}
	input.IsInit = false
	if _, err := checkInit(d, sim, false); err != nil {
		return nil, fmt.Errorf("invalid invocation: %w", err)
	}
	return tx.execute(ctx, on, sim, d, input, false)
}

// mayCall asks the target channel whether whoever signed the proposal may call
// chaincodes there from other chaincodes.
func (tx *transaction) mayCall(target *channel) error {
	creator := tx.creator
	settings := target.settings()
	if target != tx.channel {
		var err error
		creator, err = settings.authenticate(policy.Signed{
			Data: tx.signed.GetProposalBytes(), Identity: tx.proposal.Creator(), Signature: tx.signed.GetSignature(),
		})
		if err != nil {
			return err
		}
	}
	return settings.check(resourceCallChaincode, creator)
}

// splitTarget takes name[:version][/channel] apart; the version means nothing.
func splitTarget(target string) (name, channel string) {
	name, channel, _ = strings.Cut(target, "/")
	name, _, _ = strings.Cut(name, ":")
	return name, channel
}

// system runs a system chaincode.
func (tx *transaction) system(ctx context.Context, name string, on *channel, sim *ledger.Simulator, args [][]byte) *peerpb.Response {
	switch name {
	case wire.LifecycleNamespace:
		return tx.lifecycle(ctx, on, sim, args)
	case "qscc":
		return tx.qscc(args)
	case "cscc":
		return tx.cscc(args)
	default:
		return tx.lscc(on, args)
	}
}
