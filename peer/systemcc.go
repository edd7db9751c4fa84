package peer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
)

// success is the answer of a system chaincode with a message as its payload.
func success(payload proto.Message) *peerpb.Response {
	b, err := proto.Marshal(payload)
	if err != nil {
		return failure(500, fmt.Sprintf("failed to marshal the answer: %s", err))
	}
	return &peerpb.Response{Status: 200, Payload: b}
}

// failure is an answer of a system chaincode that is not a success.
func failure(status int32, message string) *peerpb.Response {
	return &peerpb.Response{Status: status, Message: plainText(message)}
}

// plainText makes a text fit for a message: parts of it may be a caller's bytes.
func plainText(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// arg is an argument of a system chaincode, "" if there are fewer.
func arg(args [][]byte, i int) []byte {
	if i >= len(args) {
		return nil
	}
	return args[i]
}

// identityOn is who signed the proposal, as an identity of a channel. The call may
// come without a channel, and ask for one by name.
func (tx *transaction) identityOn(c *channel) (*msp.Identity, error) {
	if c == tx.channel {
		return tx.creator, nil
	}
	return c.settings().authenticate(policy.Signed{
		Data: tx.signed.GetProposalBytes(), Identity: tx.proposal.Creator(), Signature: tx.signed.GetSignature(),
	})
}

// mayUse asks a channel's access rules.
func (tx *transaction) mayUse(c *channel, resource string) error {
	id, err := tx.identityOn(c)
	if err != nil {
		return err
	}
	return c.settings().check(resource, id)
}

// lifecycle runs a function of _lifecycle.
func (tx *transaction) lifecycle(ctx context.Context, on *channel, sim *ledger.Simulator, args [][]byte) *peerpb.Response {
	call := &lifecycle.Call{
		Peer: packages{tx.peer, ctx}, Host: tx.peer.host, MSPID: tx.peer.config.MSPID, Channel: tx.channelName(), Sim: sim,
		Allow: func(resource string, admins bool) error { return tx.mayCallLifecycle(on, resource, admins) },
	}
	if on != nil {
		call.Channel, call.Bundle = on.name, on.settings().bundle
	}
	payload, err := call.Run(args)
	var none *lifecycle.NotFoundError
	switch {
	case errors.As(err, &none):
		return failure(404, err.Error())
	case err != nil:
		return failure(500, err.Error())
	}
	return &peerpb.Response{Status: 200, Payload: payload}
}

// mayCallLifecycle applies the default rules (wire.md G.6); the channel's ACLs can
// redirect those that belong to the channel.
func (tx *transaction) mayCallLifecycle(on *channel, resource string, admins bool) error {
	if on != nil && on.settings().bundle.ACL(resource) != "" {
		return tx.mayUse(on, resource)
	}
	if admins {
		return tx.peer.locals.checkAdmin(tx.proposal.Creator())
	}
	return fmt.Errorf("%s belongs to a channel, and the call names none", resource)
}

// packages is the peer as _lifecycle sees it.
type packages struct {
	peer *Peer
	ctx  context.Context // of the call
}

// Install builds and stores a package and tells the channels, whose definitions may have
// been waiting for it. Launching comes later, when a definition that names the package is
// committed, or at the first call.
func (p packages) Install(raw []byte) (*chaincode.Package, error) {
	pkg, err := p.peer.host.Install(p.ctx, raw)
	if err != nil {
		return nil, err
	}
	for _, c := range p.peer.allChannels() {
		c.definitions.FindPackages()
		c.makeIndexes(c.ctx)
		c.launchNeeded()
	}
	return pkg, nil
}

// Users tells which definitions of which channels run a package here.
func (p packages) Users(packageID string) map[string][]*lifecycle.Definition {
	users := map[string][]*lifecycle.Definition{}
	for _, c := range p.peer.allChannels() {
		for _, d := range c.definitions.All() {
			if d.PackageID == packageID {
				users[c.name] = append(users[c.name], d.Definition)
			}
		}
	}
	return users
}

// qscc answers questions about a channel's ledger (wire.md G.5).
func (tx *transaction) qscc(args [][]byte) *peerpb.Response {
	if tx.proposal.ChaincodeName != "qscc" {
		return failure(500, fmt.Sprintf("Rejecting invoke of QSCC from another chaincode because of potential for deadlocks, original invocation for '%s'", tx.proposal.ChaincodeName))
	}
	if len(args) < 2 {
		return failure(500, fmt.Sprintf("Incorrect number of arguments, %d", len(args)))
	}
	function, channelName := string(args[0]), string(args[1])
	if function != "GetChainInfo" && len(args) < 3 {
		return failure(500, fmt.Sprintf("missing 3rd argument for %s", function))
	}
	c, ok := tx.peer.channelNamed(channelName)
	if !ok {
		return failure(500, fmt.Sprintf("Invalid chain ID, %s", channelName))
	}
	if err := tx.mayUse(c, "qscc/"+function); err != nil {
		return failure(500, fmt.Sprintf("access denied for [%s][%s]: [%s]", function, channelName, err))
	}
	switch function {
	case "GetChainInfo":
		return success(c.ledger.Info())
	case "GetBlockByNumber":
		return c.blockByNumber(args[2])
	case "GetBlockByHash":
		block, err := c.ledger.BlockByHash(args[2])
		if err != nil {
			return failure(500, fmt.Sprintf("Failed to get block hash %s, error %s", args[2], err))
		}
		return success(block)
	case "GetBlockByTxID":
		block, err := c.ledger.BlockByTxID(string(args[2]))
		if err != nil {
			return failure(500, fmt.Sprintf("Failed to get block for txID %s, error %s", args[2], err))
		}
		return success(block)
	case "GetTransactionByID":
		processed, err := c.ledger.Transaction(string(args[2]))
		if err != nil {
			return failure(500, fmt.Sprintf("Failed to get transaction with id %s, error %s", args[2], err))
		}
		return success(processed)
	}
	return failure(500, fmt.Sprintf("Requested function %s not found.", function))
}

func (c *channel) blockByNumber(text []byte) *peerpb.Response {
	number, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return failure(500, fmt.Sprintf("Failed to parse block number with error %s", err))
	}
	if number == math.MaxUint64 { // the newest one
		number = c.ledger.Height() - 1
	}
	block, err := c.ledger.Block(number)
	if err != nil {
		return failure(500, fmt.Sprintf("Failed to get block number %d, error %s", number, err))
	}
	return success(block)
}

// cscc answers questions about the channels of this peer and lets it join one.
func (tx *transaction) cscc(args [][]byte) *peerpb.Response {
	if tx.proposal.ChaincodeName != "cscc" {
		return failure(500, fmt.Sprintf("Rejecting invoke of CSCC from another chaincode, original invocation for '%s'", tx.proposal.ChaincodeName))
	}
	if len(args) < 1 {
		return failure(500, fmt.Sprintf("Incorrect number of arguments, %d", len(args)))
	}
	function := string(args[0])
	if len(args) < 2 && function != "GetChannels" && function != "JoinBySnapshotStatus" {
		return failure(500, fmt.Sprintf("Incorrect number of arguments, %d", len(args)))
	}
	switch function {
	case "GetChannels":
		if err := tx.peer.locals.checkMember(tx.proposal.Creator()); err != nil {
			return failure(500, fmt.Sprintf("access denied for [%s]: %s", function, err))
		}
		answer := &peerpb.ChannelQueryResponse{}
		for _, c := range tx.peer.allChannels() {
			answer.Channels = append(answer.Channels, &peerpb.ChannelInfo{ChannelId: c.name})
		}
		return success(answer)
	case "JoinChain":
		return tx.joinChain(args[1])
	case "GetConfigBlock", "GetChannelConfig":
		return tx.channelConfig(function, string(args[1]))
	case "JoinChainBySnapshot":
		return failure(500, fmt.Sprintf("%s: snapshots are not supported; join with the channel's first block (docs/DIVERGENCE.md)", function))
	case "JoinBySnapshotStatus":
		if err := tx.peer.locals.checkAdmin(tx.proposal.Creator()); err != nil {
			return failure(500, fmt.Sprintf("access denied for [%s]: %s", function, err))
		}
		return success(&peerpb.JoinBySnapshotStatus{}) // none is in progress, ever
	}
	return failure(500, fmt.Sprintf("Requested function %s not found.", function))
}

func (tx *transaction) joinChain(raw []byte) *peerpb.Response {
	if len(raw) == 0 {
		return failure(500, "Cannot join the channel, no genesis block provided")
	}
	block := &commonpb.Block{}
	if err := proto.Unmarshal(raw, block); err != nil {
		return failure(500, fmt.Sprintf("Failed to reconstruct the genesis block, error unmarshalling Block: %s", err))
	}
	if err := tx.peer.locals.checkAdmin(tx.proposal.Creator()); err != nil {
		return failure(500, fmt.Sprintf("access denied for [JoinChain]: %s", err))
	}
	err := tx.peer.join(block)
	if errors.Is(err, ErrJoined) {
		return failure(500, fmt.Sprintf("cannot create ledger from genesis block: %s", err))
	}
	if err != nil {
		return failure(500, fmt.Sprintf("\"JoinChain\" request failed because of validation of configuration block: %s", err))
	}
	return &peerpb.Response{Status: 200}
}

func (tx *transaction) channelConfig(function, channelName string) *peerpb.Response {
	c, ok := tx.peer.channelNamed(channelName)
	if !ok {
		return failure(500, fmt.Sprintf("access denied for [%s][%s]: Failed to get policy manager for channel [%s]", function, channelName, channelName))
	}
	if err := tx.mayUse(c, "cscc/"+function); err != nil {
		return failure(500, fmt.Sprintf("access denied for [%s][%s]: %s", function, channelName, err))
	}
	if function == "GetChannelConfig" {
		return success(c.settings().bundle.Config())
	}
	block, err := c.configBlock()
	if err != nil {
		return failure(500, fmt.Sprintf("Failed to get the configuration block, %s", err))
	}
	return success(block)
}

// configBlock is the block with the present configuration. The newest block names
// it in its metadata, except block 0, which is itself one.
func (c *channel) configBlock() (*commonpb.Block, error) {
	newest, err := c.ledger.Block(c.ledger.Height() - 1)
	if err != nil {
		return nil, err
	}
	if wire.IsConfigBlock(newest) {
		return newest, nil
	}
	number, err := wire.LastConfig(newest)
	if err != nil {
		return nil, err
	}
	return c.ledger.Block(number)
}

// lscc answers as a peer does whose channels all use the new lifecycle: there is
// nothing of the old one, and nothing can be added.
func (tx *transaction) lscc(on *channel, args [][]byte) *peerpb.Response {
	if tx.proposal.ChaincodeName != "lscc" {
		return failure(500, fmt.Sprintf("Rejecting invoke of LSCC from another chaincode, original invocation for '%s'", tx.proposal.ChaincodeName))
	}
	if len(args) < 1 {
		return failure(500, fmt.Sprintf("invalid number of arguments to lscc: %d", len(args)))
	}
	function := string(args[0])
	resource, known := map[string]string{
		"getchaincodes": "GetInstantiatedChaincodes", "GetChaincodes": "GetInstantiatedChaincodes",
		"getid": "ChaincodeExists", "ChaincodeExists": "ChaincodeExists",
		"getccdata": "GetChaincodeData", "GetChaincodeData": "GetChaincodeData",
		"getdepspec": "GetDeploymentSpec", "GetDeploymentSpec": "GetDeploymentSpec",
		"getcollectionsconfig": "GetCollectionsConfig", "GetCollectionsConfig": "GetCollectionsConfig",
	}[function]
	switch function {
	case "getinstalledchaincodes", "GetInstalledChaincodes":
		if err := tx.peer.locals.checkAdmin(tx.proposal.Creator()); err != nil {
			return failure(500, fmt.Sprintf("access denied for [%s]: %s", function, err))
		}
		return success(&peerpb.ChaincodeQueryResponse{})
	case "install", "deploy", "upgrade":
		return failure(500, fmt.Sprintf("Channel '%s' has been migrated to the new lifecycle, LSCC is now read-only", tx.channelName()))
	}
	if !known {
		return failure(500, fmt.Sprintf("invalid function to lscc: %s", function))
	}
	c := on
	if c == nil {
		var ok bool
		if c, ok = tx.peer.channelNamed(string(arg(args, 1))); !ok {
			return failure(500, fmt.Sprintf("access denied for [%s]: the call names no channel of this peer", function))
		}
	}
	if err := tx.mayUse(c, "lscc/"+resource); err != nil {
		return failure(500, fmt.Sprintf("access denied for [%s][%s]: %s", function, c.name, err))
	}
	if resource == "GetInstantiatedChaincodes" {
		return success(&peerpb.ChaincodeQueryResponse{})
	}
	return failure(500, fmt.Sprintf("could not find chaincode with name '%s'", arg(args, 2)))
}
