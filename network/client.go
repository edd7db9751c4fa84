package network

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/deliver"
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
	net    *clients

	conns   *deliver.Connections
	orderer *deliver.Broadcasts
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
		TxID: p.TxID, Block: result.Block, What: trace.CaseOfCode(int32(result.Code)), A: int64(result.Code), Key: result.Code.String(), Note: result.Code.String()})
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
	answers := c.ask(ctx, p, peers, call.Endorsers)
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
	c.net.trace.Record(trace.Event{Kind: trace.Submitted, What: trace.Told, Node: c.Name, Channel: c.net.topology.Channel, TxID: p.TxID})
	if err := c.broadcast(ctx, p.TxID, envelope); err != nil {
		return result, err
	}
	v, err := wait.verdict(ctx)
	if err != nil {
		return result, fmt.Errorf("transaction %.8s was sent, its verdict is not known: %w", p.TxID, err)
	}
	result.Block, result.Code = v.block, v.code
	return result, nil
}

// ask sends the proposal to all peers at the same time. For one that hangs, and that
// the call does not name itself, another of its organisation is asked.
func (c *Client) ask(ctx context.Context, p *proposal, peers []link.Target, named []string) []Answer {
	answers := make([]Answer, len(peers))
	var wg sync.WaitGroup
	for i := 1; i < len(peers); i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			answers[i] = c.askOrStandIn(ctx, p, peers[i], named)
		}()
	}
	answers[0] = c.askOrStandIn(ctx, p, peers[0], named)
	wg.Wait()
	return answers
}

func (c *Client) askOrStandIn(ctx context.Context, p *proposal, peer link.Target, named []string) Answer {
	asked := []string{peer.Name}
	for {
		a, hung := c.askOne(ctx, p, peer)
		if !hung || slices.ContainsFunc(named, func(name string) bool { return matchName(name, peer.Name) }) {
			return a
		}
		next, ok := c.net.standIn(c, peer.Name, asked)
		if !ok {
			return a
		}
		peer, asked = next, append(asked, next.Name)
	}
}

func (c *Client) askOne(ctx context.Context, p *proposal, peer link.Target) (a Answer, hung bool) {
	a = Answer{Peer: peer.Name}
	conn, err := c.conns.To(peer)
	if err != nil {
		a.Err = err
		return a, false
	}
	ctx, release := c.conns.Guarded(ctx, peer)
	defer release()
	a.Response, err = peerpb.NewEndorserClient(conn).ProcessProposal(ctx, p.signed)
	a.Err = deliver.Failure(ctx, err)
	return a, err != nil && deliver.Hung(ctx)
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
	what, note := trace.Equal, "equal"
	differ := differences(answers)
	if differ != "" {
		what, note = trace.Differs, differ
	}
	c.net.trace.Record(trace.Event{Kind: trace.Compared, Node: c.Name, Channel: c.net.topology.Channel, TxID: p.TxID, What: what, A: int64(len(answers)), Note: note})
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
	a := c.askOrStandIn(ctx, p, peers[0], call.Endorsers)
	if a.Err != nil || a.status() < 200 || a.status() >= 400 {
		return result, &EndorseError{TxID: p.TxID, Answers: []Answer{a}}
	}
	result.Payload, result.Status = a.Response.GetResponse().GetPayload(), a.status()
	result.Endorsers = []string{a.Peer}
	result.Took = time.Since(start)
	return result, nil
}

// Close ends the client's connections.
func (c *Client) Close() {
	if c.feed != nil {
		c.feed.close()
	}
	c.conns.Close()
}
