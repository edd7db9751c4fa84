package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/network"
)

// callTimeout bounds one transaction or query of a person.
const callTimeout = 10 * time.Minute

// Call is one transaction or query and who asks for it.
type Call struct {
	Identity string // a name from Identities
	network.Call
}

// String is the call as one writes it: alice: basic.ReadAsset("asset1").
func (c Call) String() string {
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = fmt.Sprintf("%q", a)
	}
	return fmt.Sprintf("%s: %s.%s(%s)", c.Identity, c.Chaincode, c.Function, strings.Join(args, ", "))
}

// Outcome is what came of a call.
type Outcome struct {
	Call    Call
	TxID    string
	Block   uint64        // where the transaction is, 0 for queries and what was not ordered
	Valid   bool          // the transaction changed the state; of a query: it was answered
	Code    string        // VALID, MVCC_READ_CONFLICT ...; "" without a verdict
	Reason  string        // why it is not valid
	Payload []byte        // the chaincode's answer
	Took    time.Duration // from the call to the verdict
	Err     error         // nil if all is well
	// Text says in one or two sentences what happened and, if it is not what one wants,
	// why and what to do.
	Text string
}

// Submit proposes a transaction, has it endorsed and ordered, and tells its outcome.
func (s *Session) Submit(c Call, done func(Outcome)) {
	s.SubmitTogether([]Call{c}, func(all []Outcome) {
		if done != nil {
			done(all[0])
		}
	})
}

// SubmitTogether begins several transactions at the same time and tells their outcomes,
// in the order of the calls, when all are known.
func (s *Session) SubmitTogether(calls []Call, done func([]Outcome)) {
	tell := func(all []Outcome) {
		if done != nil {
			done(all)
		}
	}
	n, err := s.live()
	if err == nil {
		note := s.notes.begin(s, calls, false)
		err = s.background(func(ctx context.Context) func() {
			all := submitAll(ctx, n, calls)
			return func() {
				s.notes.end(s, note, all)
				tell(all)
			}
		})
		if err != nil {
			s.notes.drop(note)
		}
	}
	if err != nil {
		all := make([]Outcome, len(calls))
		for i, c := range calls {
			all[i] = outcomeOf(c, nil, err, false)
		}
		tell(all)
	}
}

func submitAll(ctx context.Context, n *network.Network, calls []Call) []Outcome {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	all := make([]Outcome, len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Add(1)
		go func() {
			defer wg.Done()
			client, err := n.Client(c.Identity)
			if err != nil {
				all[i] = outcomeOf(c, nil, err, false)
				return
			}
			r, err := client.Submit(ctx, c.Call)
			all[i] = outcomeOf(c, r, err, false)
		}()
	}
	wg.Wait()
	return all
}

// Evaluate asks one peer and orders nothing.
func (s *Session) Evaluate(c Call, done func(Outcome)) {
	tell := func(o Outcome) {
		if done != nil {
			done(o)
		}
	}
	n, err := s.live()
	if err == nil {
		note := s.notes.begin(s, []Call{c}, true)
		err = s.background(func(ctx context.Context) func() {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			var r *network.Result
			client, err := n.Client(c.Identity)
			if err == nil {
				r, err = client.Evaluate(ctx, c.Call)
			}
			o := outcomeOf(c, r, err, true)
			return func() {
				s.notes.end(s, note, []Outcome{o})
				tell(o)
			}
		})
		if err != nil {
			s.notes.drop(note)
		}
	}
	if err != nil {
		tell(outcomeOf(c, nil, err, true))
	}
}

// outcomeOf puts what came of a call into words.
func outcomeOf(c Call, r *network.Result, err error, query bool) Outcome {
	o := Outcome{Call: c, Err: err}
	if r != nil {
		o.TxID, o.Block, o.Payload, o.Reason, o.Took = r.TxID, r.Block, r.Payload, r.Reason, r.Took
	}
	var commit *network.CommitError
	var endorse *network.EndorseError
	invalid := errors.As(err, &commit)
	if r != nil && !query && (err == nil || invalid) {
		o.Code = r.Code.String()
	}
	if errors.As(err, &endorse) && o.TxID == "" {
		o.TxID = endorse.TxID
	}
	o.Valid = err == nil
	switch {
	case err == nil && query:
		o.Text = "The peer answered" + answerText(o.Payload) + " Nothing was ordered, and nothing has changed."
	case err == nil:
		o.Text = fmt.Sprintf("Valid, in block %d%s", o.Block, answerText(o.Payload))
	case invalid:
		o.Text = fmt.Sprintf("Not valid: %s, in block %d. %s", o.Code, o.Block, cmpOr(o.Reason, codeText(r.Code)))
	case errors.Is(err, context.Canceled):
		o.Text = "Nobody waits for this transaction any more; it may still be ordered."
	case errors.Is(err, context.DeadlineExceeded):
		o.Text = "There was no verdict within " + callTimeout.String() + "; look whether a message is held, a link is cut, or most ordering nodes are stopped."
	default:
		o.Text = sentence(err.Error())
	}
	return o
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// codeText explains the codes that people meet, for when the peer's own sentence is not
// known.
func codeText(code peerpb.TxValidationCode) string {
	switch code {
	case peerpb.TxValidationCode_MVCC_READ_CONFLICT:
		return "A key that it read was changed before it was committed; submit it again."
	case peerpb.TxValidationCode_PHANTOM_READ_CONFLICT:
		return "The result of a range query that it relied on has changed; submit it again."
	case peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE:
		return "Its endorsements do not satisfy the policy; ask peers of more organisations."
	}
	return ""
}

// answerText is the chaincode's answer at the end of a sentence.
func answerText(payload []byte) string {
	if len(payload) == 0 {
		return "."
	}
	text := strings.ToValidUTF8(string(payload), "?")
	if runes := []rune(text); len(runes) > 200 {
		text = string(runes[:200]) + "..."
	}
	return ": " + text + "."
}

// sentence begins with a capital letter and ends with a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return text
	}
	first := []rune(text)
	// Names such as peer0.org1 stay as they are.
	if word, _, _ := strings.Cut(text, " "); !strings.ContainsAny(word, ".@_:/") {
		first[0] = []rune(strings.ToUpper(string(first[0])))[0]
	}
	text = string(first)
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// JSON is the answer indented, "" if it is not JSON.
func (o Outcome) JSON() string {
	var v any
	if json.Unmarshal(o.Payload, &v) != nil {
		return ""
	}
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(b)
}

// Identities lists who can call: the topology's clients first, then Admin and User1 of
// every organisation and its other users.
func (s *Session) Identities() []string {
	if s.topology == nil {
		return nil
	}
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, c := range s.topology.Clients {
		add(c.Name)
	}
	for _, o := range s.topology.Organizations {
		add("User1@" + o.Name)
		add("Admin@" + o.Name)
		for _, u := range o.Users {
			add(u + "@" + o.Name)
		}
	}
	return out
}

// Organizations lists the names of the organisations with peers.
func (s *Session) Organizations() []string {
	if s.topology == nil {
		return nil
	}
	var out []string
	for _, o := range s.topology.Organizations {
		out = append(out, o.Name)
	}
	return out
}

// Peers lists the full names of all peers, those that were added included.
func (s *Session) Peers() []string { return s.nodes.names("peer") }

// Orderers lists the full names of all ordering nodes.
func (s *Session) Orderers() []string { return s.nodes.names("orderer") }

// LastError is the newest error event of the trace, "" if there is none.
func (s *Session) LastError() string { return s.nodes.lastError }
