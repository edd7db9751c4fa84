package orderer

import (
	"context"
	"errors"
	"io"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
)

// orderTime is how long a node tries to get an envelope into a batch while the
// leader has as many blocks on their way as it may.
const orderTime = 30 * time.Second

// Broadcast takes envelopes and answers each one, in order. After a refusal the
// stream ends (wire.md E.1).
func (n *Node) Broadcast(stream ordererpb.AtomicBroadcast_BroadcastServer) error {
	for {
		envelope, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		verdict := n.process(stream.Context(), envelope)
		if err := stream.Send(&ordererpb.BroadcastResponse{Status: verdict.Status, Info: verdict.Info}); err != nil {
			return err
		}
		if !verdict.OK() {
			return nil
		}
	}
}

// process checks an envelope and has it ordered.
func (n *Node) process(ctx context.Context, envelope *commonpb.Envelope) Verdict {
	m, verdict := ReadMessage(envelope)
	if !verdict.OK() {
		return verdict
	}
	c := n.chain(m.Channel)
	if c == nil {
		return badRequest(UnknownChannel)
	}
	s, verdict := c.checked(m)
	if !verdict.OK() {
		return verdict
	}
	return c.order(ctx, s, orderTime, true)
}

// checked applies the channel's present rules to a message. Every envelope that may
// get into a block passes here, at the node that leads.
func (c *chain) checked(m *Message) (submission, Verdict) {
	bundle := c.bundle.Load()
	s := submission{message: m, sequence: bundle.Sequence()}
	if m.Channel != c.name {
		return s, badRequest(UnknownChannel)
	}
	if verdict := m.CheckType(); !verdict.OK() {
		return s, verdict
	}
	if verdict := m.Check(bundle, time.Now()); !verdict.OK() {
		return s, verdict
	}
	if m.IsConfigUpdate() {
		config, verdict := m.Configure(bundle)
		if !verdict.OK() {
			return s, verdict
		}
		s.config = config
	}
	return s, accepted
}

// order hands a message to the leader: to this node's own loop or, once, to the
// node that leads. SUCCESS means that the leader has taken it in.
func (c *chain) order(ctx context.Context, s submission, within time.Duration, mayForward bool) Verdict {
	if own, _, _ := c.look(); own != nil {
		select {
		case c.intake <- s:
			return accepted
		default: // the loop is busy: the long way
		}
	}
	ctx, cancel := c.node.config.Link.Net().WithTimeout(ctx, s.message.TxID, within)
	defer cancel()
	for {
		own, leader, changed := c.look()
		switch {
		case own != nil:
			select {
			case c.intake <- s:
				return accepted
			case <-own.lost:
			case <-ctx.Done():
				return unavailable("the ordering service has too much to do: try again later")
			case <-c.ctx.Done():
				return unavailable("this ordering node stops: ask another one")
			}
		case leader == c.node.config.Name:
			// Elected, and about to apply what earlier leaders left.
			select {
			case <-changed:
			case <-ctx.Done():
				return errNoLeader
			case <-c.ctx.Done():
				return unavailable("this ordering node stops: ask another one")
			}
		case leader == "" || !mayForward:
			return errNoLeader
		default:
			return c.node.forwards.send(ctx, leader, c, s)
		}
	}
}
