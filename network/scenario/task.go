package scenario

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.starlark.net/starlark"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// task is task(text, until=, hint=, otherwise=, call=): the person does something. until is
// called with each new event; the first for which it is true ends the task and is
// given back. Or it names a function, such as "basic.TransferAsset": then the first
// verdict VALID on a call of it does. otherwise does the task where there is nobody
// to do it. call names the function that the person will call, where until does not.
func (r *run) task(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	kwargs, places, err := placed(kwargs, "text", "until", "otherwise", "hint", "call")
	if err != nil {
		return nil, line{}, err
	}
	var text, hint, calls string
	var until starlark.Value
	var otherwise starlark.Callable
	if err := starlark.UnpackArgs("task", args, kwargs, "text", &text, "until", &until, "otherwise", &otherwise, "hint?", &hint, "call?", &calls); err != nil {
		return nil, line{}, err
	}
	texts, err := sayings(places, text, hint)
	if err != nil {
		return nil, line{}, err
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	fits, err := taskEnd(thread, until)
	if err != nil {
		return nil, line{}, err
	}
	if name, ok := starlark.AsString(until); ok {
		calls = name
	}
	chaincode, function, _ := strings.Cut(calls, ".")
	l := line{what: texts[0].String(), text: texts[0]}
	cursor := n.Trace().Last()
	wish := make(chan struct{})
	by := "done"
	if r.teacher.Task == nil {
		close(wish)
	} else {
		done := make(chan struct{})
		defer close(done)
		r.teacher.Task(Task{Text: texts[0], Hint: texts[1], Chaincode: chaincode, Function: function, Do: sync.OnceFunc(func() { close(wish) }), Done: done})
	}
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	for {
		changed := n.Trace().Changed()
		events, next, _ := n.Trace().Since(cursor, 1000)
		cursor = next
		for i := range events {
			if k := events[i].Kind; events[i].Node == scriptNode || k == trace.RaftHeartbeat || k == trace.RaftHeartbeatAck {
				continue // what until itself calls is no news
			}
			done, err := fits(&events[i])
			if err != nil {
				return nil, l, err
			}
			if done {
				l.result = by
				l.data = map[string]any{"seq": events[i].Seq, "txid": events[i].TxID}
				return eventValue(events[i]), l, nil
			}
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-wish:
			wish, by = nil, "done by the lesson"
			if _, err := starlark.Call(thread, otherwise, nil, nil); err != nil {
				return nil, l, err
			}
			var stop context.CancelFunc
			ctx, stop = context.WithTimeout(ctx, taskTimeout)
			defer stop()
		case <-changed:
		case <-ctx.Done():
			if err := r.ctx.Err(); err != nil {
				return nil, l, &callError{err}
			}
			return nil, l, fmt.Errorf("what otherwise does brings no event for which until is true (waited %s)", taskTimeout)
		}
	}
}

// taskEnd tells for each event in turn whether it ends a task.
func taskEnd(thread *starlark.Thread, until starlark.Value) (func(*trace.Event) (bool, error), error) {
	if name, ok := starlark.AsString(until); ok {
		chaincode, function, ok := strings.Cut(name, ".")
		if !ok {
			return nil, fmt.Errorf("until = %q is no function: write it like \"basic.TransferAsset\"", name)
		}
		return calls(chaincode, function), nil
	}
	call, ok := until.(starlark.Callable)
	if !ok {
		return nil, fmt.Errorf("until must be a function or a text like \"basic.TransferAsset\", not a %s", until.Type())
	}
	return func(e *trace.Event) (bool, error) {
		v, err := starlark.Call(thread, call, starlark.Tuple{eventValue(*e)}, nil)
		return err == nil && bool(v.Truth()), err
	}, nil
}

// calls finds the verdict on the first valid transaction that calls a function and
// whose simulation began after the search.
func calls(chaincode, function string) func(*trace.Event) (bool, error) {
	called := map[string]bool{}
	return func(e *trace.Event) (bool, error) {
		switch {
		case e.Kind == trace.ChaincodeTransaction && strings.HasPrefix(e.Other, chaincode+"_") && (e.Key == function || strings.HasSuffix(e.Key, ":"+function)):
			called[e.TxID] = true
		case e.Kind == trace.Verdict:
			return called[e.TxID] && e.What == trace.Valid, nil
		}
		return false, nil
	}
}
