package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Flow is how a client gets its endorsements.
type Flow string

// The flows.
const (
	FanOut  Flow = "fan-out" // the client asks all endorsers at once and compares
	Gateway Flow = "gateway" // one peer simulates first, then asks the others
)

// Call is one transaction or query as a client asks for it.
type Call struct {
	Chaincode string
	Function  string
	Args      []string
	// Raw arguments, sent after Function instead of Args when they are not text.
	Raw       [][]byte
	Transient map[string][]byte
	// Endorsers are the peers to ask (full or short names) or organisations (one
	// peer of each). Empty: one running peer of every organisation.
	Endorsers []string
	Flow      Flow // default FanOut
	Init      bool // the chaincode's Init, for definitions that require one
	// Channel other than the network's; "-" asks without a channel.
	Channel string
}

// args gives the chaincode's arguments as bytes.
func (c Call) args() [][]byte {
	args := make([][]byte, 0, 1+len(c.Args)+len(c.Raw))
	if c.Function != "" {
		args = append(args, []byte(c.Function))
	}
	for _, a := range c.Args {
		args = append(args, []byte(a))
	}
	return append(args, c.Raw...)
}

// Result is what became of a call.
type Result struct {
	TxID    string
	Payload []byte // the chaincode's answer
	Status  int32  // the chaincode's status, 200 when all is well
	Block   uint64 // block of a submitted transaction
	Code    peerpb.TxValidationCode
	// Reason is the peer's sentence on why the transaction is not valid, "" if it
	// is valid or the sentence is not known here.
	Reason string
	// Endorsers are the peers whose signatures the transaction carries.
	Endorsers []string
	Took      time.Duration
}

// Answer is one endorser's answer to a proposal.
type Answer struct {
	Peer     string
	Response *peerpb.ProposalResponse // nil if the peer gave none
	Err      error                    // why it gave none
}

// status gives the answer's status, 0 without one.
func (a Answer) status() int32 { return a.Response.GetResponse().GetStatus() }

// plainly gives what a failed call says without the words of gRPC around it.
func plainly(err error) string {
	s, ok := status.FromError(err)
	switch {
	case !ok:
		return err.Error()
	case s.Code() == codes.DeadlineExceeded:
		return "no answer in time"
	}
	return s.Message()
}

// EndorseError says that a transaction did not get the endorsements it needs.
type EndorseError struct {
	TxID    string
	Answers []Answer // all answers, good ones too
	// Differ is set when the endorsers' results are not equal: what differs.
	Differ string
}

// Error names the peers that did not endorse and what they said.
func (e *EndorseError) Error() string {
	if e.Differ != "" {
		return "the endorsers' results differ: " + e.Differ
	}
	var said []string
	for _, a := range e.Answers {
		switch {
		case a.Err != nil:
			said = append(said, fmt.Sprintf("%s: %s", a.Peer, plainly(a.Err)))
		case a.status() < 200 || a.status() >= 400:
			said = append(said, fmt.Sprintf("%s answered %d: %s", a.Peer, a.status(), a.Response.GetResponse().GetMessage()))
		}
	}
	return "not endorsed: " + strings.Join(said, "; ")
}

// SubmitError says that the ordering service did not take a transaction.
type SubmitError struct {
	TxID   string
	Status commonpb.Status
	Info   string
}

// Error gives the ordering service's status and words.
func (e *SubmitError) Error() string {
	return fmt.Sprintf("the ordering service refused the transaction: %s: %s", e.Status, e.Info)
}

// CommitError says that a transaction is in a block but not valid.
type CommitError struct {
	Result *Result
}

// Error gives the code and, where known, the reason.
func (e *CommitError) Error() string {
	text := fmt.Sprintf("transaction %.8s in block %d is not valid: %s", e.Result.TxID, e.Result.Block, e.Result.Code)
	if e.Result.Reason != "" {
		text += ". " + e.Result.Reason
	}
	return text
}

// Errors of a client.
var (
	// ErrNoEndorser: no running peer fits the call.
	ErrNoEndorser = errors.New("no running peer to ask")
	// ErrClosed: the network is stopped.
	ErrClosed = errors.New("the network is stopped")
)

// Client is one identity that proposes and submits transactions, over the same
// protocol as any other Fabric client. Safe for concurrent use.
type Client struct {
	Name   string
	MSPID  string
	signer *msp.Signer
	end    *link.Endpoint
	net    *Network

	conns   connCache
	orderer broadcasters
	feed    *commitFeed
}

// TxHandle is a transaction on its way; see Begin.
type TxHandle struct {
	TxID   string
	done   chan struct{}
	result *Result
	err    error
}

// Wait gives the transaction's result once its verdict is known.
func (h *TxHandle) Wait(ctx context.Context) (*Result, error) {
	select {
	case <-h.done:
		return h.result, h.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Begin starts a transaction and returns at once; Wait gives its result.
func (c *Client) Begin(ctx context.Context, call Call) (*TxHandle, error) {
	p, err := c.propose(call)
	if err != nil {
		return nil, err
	}
	h := &TxHandle{TxID: p.TxID, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		h.result, h.err = c.submit(ctx, call, p)
	}()
	return h, nil
}

// Submit proposes a transaction, has it endorsed and ordered and waits for the
// verdict. A transaction that is not valid gives its Result and a *CommitError.
func (c *Client) Submit(ctx context.Context, call Call) (*Result, error) {
	p, err := c.propose(call)
	if err != nil {
		return nil, err
	}
	return c.submit(ctx, call, p)
}

func (c *Client) submit(ctx context.Context, call Call, p *proposal) (*Result, error) {
	start := time.Now()
	var result *Result
	var err error
	if call.Flow == Gateway {
		result, err = c.submitThroughGateway(ctx, call, p)
	} else {
		result, err = c.submitByFanOut(ctx, call, p)
	}
	if err != nil {
		return result, err
	}
	result.Took = time.Since(start)
	c.net.trace.Record(trace.Event{Kind: trace.CommitSeen, Node: c.Name, Channel: c.net.topology.Channel,
		TxID: p.TxID, Block: result.Block, Note: result.Code.String()})
	if result.Code != peerpb.TxValidationCode_VALID {
		result.Reason = c.net.reason(ctx, p.TxID)
		return result, &CommitError{Result: result}
	}
	return result, nil
}

// proposal is a signed proposal with its id.
type proposal struct {
	*wire.Proposal
	signed *peerpb.SignedProposal
}

func (c *Client) propose(call Call) (*proposal, error) {
	if call.Chaincode == "" {
		return nil, errors.New("the call names no chaincode; say which one to ask")
	}
	channel := c.net.topology.Channel
	switch call.Channel {
	case "":
	case "-":
		channel = ""
	default:
		channel = call.Channel
	}
	p, err := wire.NewProposal(wire.ProposalSpec{
		Channel: channel, Chaincode: call.Chaincode, Args: call.args(), Transient: call.Transient,
		Init: call.Init, Creator: c.signer.Creator(),
	})
	if err != nil {
		return nil, fmt.Errorf("build the proposal: %w", err)
	}
	signed, err := p.Sign(c.signer)
	if err != nil {
		return nil, fmt.Errorf("sign the proposal: %w", err)
	}
	return &proposal{Proposal: p, signed: signed}, nil
}

// submitByFanOut asks all endorsers at once, compares their results, sends the
// envelope and waits for the verdict.
func (c *Client) submitByFanOut(ctx context.Context, call Call, p *proposal) (*Result, error) {
	peers, err := c.net.endorsers(c, call.Endorsers)
	if err != nil {
		return nil, err
	}
	answers := c.ask(ctx, p, peers)
	result := &Result{TxID: p.TxID}
	envelope, err := c.assemble(p, answers, result)
	if err != nil {
		return result, err
	}
	wait, err := c.feed.expect(ctx, p.TxID)
	if err != nil {
		return result, err
	}
	defer wait.cancel()
	c.net.trace.Record(trace.Event{Kind: trace.Submitted, Node: c.Name, Channel: c.net.topology.Channel, TxID: p.TxID})
	if err := c.orderer.send(ctx, c, p.TxID, envelope); err != nil {
		return result, err
	}
	v, err := wait.verdict(ctx)
	if err != nil {
		return result, fmt.Errorf("transaction %.8s was sent, its verdict is not known: %w", p.TxID, err)
	}
	result.Block, result.Code = v.block, v.code
	return result, nil
}

// ask sends the proposal to all peers at the same time.
func (c *Client) ask(ctx context.Context, p *proposal, peers []link.Target) []Answer {
	answers := make([]Answer, len(peers))
	var wg sync.WaitGroup
	for i := 1; i < len(peers); i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			answers[i] = c.askOne(ctx, p, peers[i])
		}()
	}
	answers[0] = c.askOne(ctx, p, peers[0])
	wg.Wait()
	return answers
}

func (c *Client) askOne(ctx context.Context, p *proposal, peer link.Target) Answer {
	a := Answer{Peer: peer.Name}
	conn, err := c.conns.get(c.end, peer)
	if err != nil {
		a.Err = err
		return a
	}
	a.Response, a.Err = peerpb.NewEndorserClient(conn).ProcessProposal(ctx, p.signed)
	return a
}

// assemble compares the endorsers' results and builds the signed envelope.
func (c *Client) assemble(p *proposal, answers []Answer, result *Result) (*commonpb.Envelope, error) {
	responses := make([]*peerpb.ProposalResponse, 0, len(answers))
	for _, a := range answers {
		if a.Err != nil || a.status() < 200 || a.status() >= 400 || a.Response.GetEndorsement() == nil {
			return nil, &EndorseError{TxID: p.TxID, Answers: answers}
		}
		responses = append(responses, a.Response)
		result.Endorsers = append(result.Endorsers, a.Peer)
	}
	result.Payload = responses[0].GetResponse().GetPayload()
	result.Status = responses[0].GetResponse().GetStatus()
	note := "equal"
	differ := differences(answers)
	if differ != "" {
		note = differ
	}
	c.net.trace.Record(trace.Event{Kind: trace.Compared, Node: c.Name, Channel: c.net.topology.Channel, TxID: p.TxID, Note: note})
	if differ != "" {
		return nil, &EndorseError{TxID: p.TxID, Answers: answers, Differ: differ}
	}
	payload, err := wire.AssembleTransaction(p.Parsed, responses)
	if err != nil {
		return nil, fmt.Errorf("assemble transaction %.8s: %w", p.TxID, err)
	}
	return wire.SignEnvelope(payload, c.signer)
}

// differences says in words how the endorsers' results differ, "" if they are
// equal.
func differences(answers []Answer) string {
	first := answers[0]
	for _, a := range answers[1:] {
		if bytes.Equal(a.Response.GetPayload(), first.Response.GetPayload()) {
			continue
		}
		return fmt.Sprintf("%s and %s: %s", first.Peer, a.Peer, DescribeDifference(first.Response.GetPayload(), a.Response.GetPayload()))
	}
	return ""
}

// Evaluate asks one peer and orders nothing.
func (c *Client) Evaluate(ctx context.Context, call Call) (*Result, error) {
	start := time.Now()
	p, err := c.propose(call)
	if err != nil {
		return nil, err
	}
	result := &Result{TxID: p.TxID}
	if call.Flow == Gateway {
		return c.evaluateThroughGateway(ctx, call, p, result)
	}
	var peers []link.Target
	if len(call.Endorsers) > 0 {
		peers, err = c.net.endorsers(c, call.Endorsers)
	} else {
		peers, err = c.net.homePeers(c)
	}
	if err != nil {
		return nil, err
	}
	a := c.askOne(ctx, p, peers[0])
	if a.Err != nil || a.status() < 200 || a.status() >= 400 {
		return result, &EndorseError{TxID: p.TxID, Answers: []Answer{a}}
	}
	result.Payload, result.Status = a.Response.GetResponse().GetPayload(), a.status()
	result.Endorsers = []string{a.Peer}
	result.Took = time.Since(start)
	return result, nil
}

// gateway gives the Gateway service of a running peer of the client's own
// organisation.
func (c *Client) gateway() (gatewaypb.GatewayClient, error) {
	peers, err := c.net.homePeers(c)
	if err != nil {
		return nil, err
	}
	conn, err := c.conns.get(c.end, peers[0])
	if err != nil {
		return nil, err
	}
	return gatewaypb.NewGatewayClient(conn), nil
}

func (c *Client) evaluateThroughGateway(ctx context.Context, call Call, p *proposal, result *Result) (*Result, error) {
	gw, err := c.gateway()
	if err != nil {
		return nil, err
	}
	r, err := gw.Evaluate(ctx, &gatewaypb.EvaluateRequest{TransactionId: p.TxID, ChannelId: c.net.topology.Channel,
		ProposedTransaction: p.signed, TargetOrganizations: c.net.mspIDs(call.Endorsers)})
	if err != nil {
		return result, describeStatus(err)
	}
	result.Payload, result.Status = r.GetResult().GetPayload(), r.GetResult().GetStatus()
	return result, nil
}

// submitThroughGateway lets one peer collect the endorsements, and asks it for the
// verdict.
func (c *Client) submitThroughGateway(ctx context.Context, call Call, p *proposal) (*Result, error) {
	result := &Result{TxID: p.TxID}
	gw, err := c.gateway()
	if err != nil {
		return nil, err
	}
	channel := c.net.topology.Channel
	prepared, err := gw.Endorse(ctx, &gatewaypb.EndorseRequest{TransactionId: p.TxID, ChannelId: channel,
		ProposedTransaction: p.signed, EndorsingOrganizations: c.net.mspIDs(call.Endorsers)})
	if err != nil {
		return result, describeStatus(err)
	}
	envelope := prepared.GetPreparedTransaction()
	if envelope == nil {
		return result, errors.New("the gateway answered without a transaction")
	}
	c.fillFromEnvelope(envelope, result)
	if envelope.Signature, err = c.signer.Sign(envelope.Payload); err != nil {
		return result, fmt.Errorf("sign the transaction: %w", err)
	}
	c.net.trace.Record(trace.Event{Kind: trace.Submitted, Node: c.Name, Channel: channel, TxID: p.TxID})
	if _, err = gw.Submit(ctx, &gatewaypb.SubmitRequest{TransactionId: p.TxID, ChannelId: channel, PreparedTransaction: envelope}); err != nil {
		return result, describeStatus(err)
	}
	request, err := proto.Marshal(&gatewaypb.CommitStatusRequest{TransactionId: p.TxID, ChannelId: channel, Identity: c.signer.Creator()})
	if err != nil {
		return result, fmt.Errorf("build the commit status request: %w", err)
	}
	signature, err := c.signer.Sign(request)
	if err != nil {
		return result, fmt.Errorf("sign the commit status request: %w", err)
	}
	status, err := gw.CommitStatus(ctx, &gatewaypb.SignedCommitStatusRequest{Request: request, Signature: signature})
	if err != nil {
		return result, describeStatus(err)
	}
	result.Block, result.Code = status.GetBlockNumber(), status.GetResult()
	return result, nil
}

// fillFromEnvelope reads the chaincode's answer and the endorsers out of a
// prepared transaction.
func (c *Client) fillFromEnvelope(envelope *commonpb.Envelope, result *Result) {
	raw, err := proto.Marshal(envelope)
	if err != nil {
		return
	}
	tx, err := wire.ParseTransaction(raw)
	if err != nil {
		return
	}
	result.Payload, result.Status = tx.Response.GetPayload(), tx.Response.GetStatus()
	for _, e := range tx.Endorsements {
		result.Endorsers = append(result.Endorsers, identityName(e.GetEndorser()))
	}
}

// Close ends the client's connections.
func (c *Client) Close() {
	if c.feed != nil {
		c.feed.close()
	}
	c.orderer.close()
	c.conns.close()
}
