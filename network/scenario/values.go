package scenario

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	starlarkjson "go.starlark.net/lib/json"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// record makes a value with fields, printed under its name.
func record(name string, fields starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String(name), fields)
}

// resultValue is what submit, evaluate and wait give: every field is always there.
func resultValue(r *network.Result, err error) starlark.Value {
	if r == nil {
		r = &network.Result{}
	}
	code := ""
	var commit *network.CommitError
	if err == nil || errors.As(err, &commit) {
		code = r.Code.String()
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	endorsers := make([]starlark.Value, len(r.Endorsers))
	for i, e := range r.Endorsers {
		endorsers[i] = starlark.String(e)
	}
	return record("result", starlark.StringDict{
		"ok":        starlark.Bool(err == nil),
		"txid":      starlark.String(r.TxID),
		"code":      starlark.String(code),
		"reason":    starlark.String(r.Reason),
		"error":     starlark.String(text),
		"block":     starlark.MakeUint64(r.Block),
		"status":    starlark.MakeInt(int(r.Status)),
		"payload":   starlark.String(r.Payload),
		"json":      jsonValue(r.Payload),
		"endorsers": starlark.NewList(endorsers),
		"took_ms":   starlark.Float(float64(r.Took.Microseconds()) / 1000),
	})
}

// jsonValue decodes an answer that is JSON, else gives None.
func jsonValue(b []byte) starlark.Value {
	if len(b) == 0 || !json.Valid(b) {
		return starlark.None
	}
	decode := starlarkjson.Module.Members["decode"].(*starlark.Builtin)
	v, err := starlark.Call(&starlark.Thread{Name: "json"}, decode, starlark.Tuple{starlark.String(b)}, nil)
	if err != nil {
		return starlark.None
	}
	return v
}

// resultLine says in words what came of a call.
func resultLine(r *network.Result, err error) string {
	var commit *network.CommitError
	switch {
	case errors.As(err, &commit):
		text := fmt.Sprintf("%s in block %d", r.Code, r.Block)
		if r.Reason != "" {
			text += ": " + r.Reason
		}
		return text
	case err != nil:
		return err.Error()
	case r.Block > 0:
		return fmt.Sprintf("%s in block %d%s", r.Code, r.Block, answer(r.Payload))
	default:
		return strings.TrimPrefix(answer(r.Payload), ", ")
	}
}

func answer(payload []byte) string {
	if len(payload) == 0 {
		return ""
	}
	text := strings.ToValidUTF8(string(payload), "?")
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + "..."
	}
	return ", answer " + text
}

func nodeValue(s network.NodeStatus) starlark.Value {
	chaincodes := make([]starlark.Value, len(s.Chaincodes))
	for i, c := range s.Chaincodes {
		chaincodes[i] = record("chaincode", starlark.StringDict{
			"package": starlark.String(c.PackageID), "label": starlark.String(labelOf(c.PackageID)),
			"ready": starlark.Bool(c.Ready), "runtime": starlark.String(c.Runtime),
		})
	}
	return record("node", starlark.StringDict{
		"name": starlark.String(s.Name), "role": starlark.String(s.Role), "running": starlark.Bool(s.Running),
		"height": starlark.MakeUint64(s.Height), "hash": starlark.String(s.Hash), "commit_hash": starlark.String(s.CommitHash),
		"raft": starlark.String(s.Raft), "term": starlark.MakeUint64(s.Term), "chaincodes": starlark.NewList(chaincodes),
	})
}

// labelOf is the part of a package id before its hash.
func labelOf(packageID string) string {
	label, _, _ := strings.Cut(packageID, ":")
	return label
}

func eventValue(e trace.Event) starlark.Value {
	facts := &starlark.Dict{}
	for _, f := range e.Facts() {
		_ = facts.SetKey(starlark.String(f.Name), starlark.Value(factValue(f))) // a fresh dict of hashable keys takes everything
	}
	return record("event", starlark.StringDict{
		"what": starlark.String(e.What.String()), "facts": facts,
		"seq": starlark.MakeUint64(e.Seq), "kind": starlark.String(e.Kind), "dir": starlark.String(e.Dir.String()),
		"node": starlark.String(e.Node), "other": starlark.String(e.Other), "txid": starlark.String(e.TxID),
		"block": starlark.MakeUint64(e.Block), "key": starlark.String(e.Key), "note": starlark.String(e.Note),
	})
}

// factValue is a fact's number, or the word of a case or a name.
func factValue(f trace.Fact) starlark.Value {
	if f.Unit == trace.Unused {
		return starlark.String(f.Text)
	}
	return starlark.MakeInt64(f.Value)
}

// handleValue is a transaction on its way, for wait.
type handleValue struct{ h *network.TxHandle }

func (v *handleValue) String() string        { return "transaction " + v.h.TxID }
func (v *handleValue) Type() string          { return "transaction" }
func (v *handleValue) Freeze()               {}
func (v *handleValue) Truth() starlark.Bool  { return true }
func (v *handleValue) Hash() (uint32, error) { return starlark.String(v.h.TxID).Hash() }

// Attr gives the transaction's id as txid.
func (v *handleValue) Attr(name string) (starlark.Value, error) {
	if name == "txid" {
		return starlark.String(v.h.TxID), nil
	}
	return nil, nil
}

// AttrNames lists the fields.
func (v *handleValue) AttrNames() []string { return []string{"txid"} }

// stringList turns a list or tuple of strings into a slice.
func stringList(v starlark.Value, what string) ([]string, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	if s, ok := starlark.AsString(v); ok {
		return []string{s}, nil
	}
	it, ok := v.(starlark.Iterable)
	if !ok {
		return nil, fmt.Errorf("%s must be a list of strings, not a %s", what, v.Type())
	}
	var out []string
	iter := it.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		s, ok := starlark.AsString(x)
		if !ok {
			return nil, fmt.Errorf("%s must be a list of strings, but holds a %s", what, x.Type())
		}
		out = append(out, s)
	}
	return out, nil
}

// durationOf reads "200ms" or a number of seconds.
func durationOf(v starlark.Value, what string, fallback time.Duration) (time.Duration, error) {
	var d time.Duration
	switch x := v.(type) {
	case nil, starlark.NoneType:
		return fallback, nil
	case starlark.String:
		var err error
		if d, err = time.ParseDuration(string(x)); err != nil {
			return 0, fmt.Errorf("%s: %q is not a duration: write a number with a unit, like \"200ms\"", what, string(x))
		}
	case starlark.Int, starlark.Float:
		f, _ := starlark.AsFloat(x)
		d = time.Duration(f * float64(time.Second))
	default:
		return 0, fmt.Errorf("%s must be a duration like \"200ms\", not a %s", what, v.Type())
	}
	if d < 0 || d > time.Hour {
		return 0, fmt.Errorf("%s must be between 0 and 1h", what)
	}
	return d, nil
}
