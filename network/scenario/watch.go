package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/network"
)

// waitEvent is wait_event(kind=, node=, txid=, key=, count=1, timeout="30s"): it waits
// until the trace holds so many events that fit, and gives them.
func (r *run) waitEvent(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	var f network.EventFilter
	count := 1
	var timeout starlark.Value
	if err := starlark.UnpackArgs("wait_event", args, kwargs, "kind", &f.Kind, "node?", &f.Node, "txid?", &f.TxID, "key?", &f.Key,
		"count?", &count, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	d, err := durationOf(timeout, "timeout", 30*time.Second)
	if err != nil {
		return nil, line{}, err
	}
	f.Node = fullName(n, f.Node)
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	for {
		changed := n.Trace().Changed()
		events := n.Events(f)
		if len(events) >= count {
			values := make([]starlark.Value, len(events))
			for i, e := range events {
				values[i] = eventValue(e)
			}
			return starlark.NewList(values), line{what: strings.TrimSpace(f.Kind + " " + f.Node), result: fmt.Sprintf("%d events", len(events))}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, line{}, &callError{fmt.Errorf("only %d of %d events %s after %s: %w", len(events), count, f.Kind, d, ctx.Err())}
		}
	}
}

// listen is listen(client, chaincode, block=, until=, timeout="30s"): the chaincode's events as
// a client of the Gateway hears them, from a block on, up to that of a transaction.
func (r *run) listen(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	var name, chaincode string
	var block uint64
	var until, timeout starlark.Value
	if err := starlark.UnpackArgs("listen", args, kwargs, "client", &name, "chaincode", &chaincode, "block", &block, "until", &until, "timeout?", &timeout); err != nil {
		return nil, line{}, err
	}
	tx := txidOf(until)
	if tx == "" {
		return nil, line{}, fmt.Errorf("listen needs until = a transaction, not a %s: without one it would listen for ever", until.Type())
	}
	d, err := durationOf(timeout, "timeout", 30*time.Second)
	if err != nil {
		return nil, line{}, err
	}
	client, err := n.Client(name)
	if err != nil {
		return nil, line{}, err
	}
	ctx, cancel := context.WithTimeout(r.ctx, d)
	defer cancel()
	heard, err := client.Listen(ctx, chaincode, block, tx)
	l := line{what: fmt.Sprintf("%s: events of %s from block %d on", name, chaincode, block), result: fmt.Sprintf("%d events", len(heard))}
	if err != nil {
		return nil, l, &callError{err}
	}
	values := make([]starlark.Value, len(heard))
	for i, e := range heard {
		values[i] = record("chaincode_event", starlark.StringDict{"txid": starlark.String(e.GetTxId()), "name": starlark.String(e.GetEventName()),
			"payload": starlark.String(e.GetPayload())})
	}
	return starlark.NewList(values), l, nil
}

// fullName is a node's full name if there is such a node, else the name itself.
func fullName(n *network.Network, name string) string {
	if name == "" {
		return ""
	}
	if full, err := n.Nodes.Name(name); err == nil {
		return full
	}
	return name
}

// content is content(event, raw=False): the message that an event is about, decoded to
// the last field, as JSON text; "" if it has none. raw: the encoded bytes, in which
// texts can be found.
func (r *run) content(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	var event starlark.Value
	var asIs bool
	if err := starlark.UnpackArgs("content", args, kwargs, "event", &event, "raw?", &asIs); err != nil {
		return nil, line{}, err
	}
	seq := seqOf(event)
	if seq == 0 {
		return nil, line{}, fmt.Errorf("content needs an event, not a %s", event.Type())
	}
	l := line{what: fmt.Sprintf("event %d", seq), result: "no message"}
	name, raw, ok := n.Trace().Payload(seq)
	if !ok {
		return starlark.String(""), l, nil
	}
	l.result = fmt.Sprintf("%s, %d bytes", name, len(raw))
	if asIs {
		return starlark.String(raw), l, nil
	}
	o, err := wire.Decode(name, raw)
	if err != nil {
		return nil, l, &callError{fmt.Errorf("event %d: %w", seq, err)}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, l, &callError{fmt.Errorf("event %d: %w", seq, err)}
	}
	return starlark.String(text), l, nil
}
