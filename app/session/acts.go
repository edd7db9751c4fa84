package session

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/session/script"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/network"
)

// callTimeout bounds one transaction or query of a person.
const callTimeout = 10 * time.Minute

// Call is one transaction or query and who asks for it.
type Call = script.Call

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

// Acts is what a person asks of chaincodes: transactions, queries and loads.
type Acts struct {
	*core
	loads     []*LoadRun
	submitted func(tx string)     // hears of a transaction when it is proposed
	decided   func(all []Outcome) // and of its outcome, before whoever submitted it
}

// Submit proposes a transaction, has it endorsed and ordered, and tells its outcome.
func (a *Acts) Submit(c Call, done func(Outcome)) {
	a.SubmitTogether([]Call{c}, firstOf(done))
}

// SubmitTogether begins several transactions at the same time and tells their outcomes,
// in the order of the calls, when all are known.
func (a *Acts) SubmitTogether(calls []Call, done func([]Outcome)) {
	a.runCalls(calls, false, func(all []Outcome) {
		a.decided(all)
		if done != nil {
			done(all)
		}
	}, func(ctx context.Context, n *network.Network, calls []Call) []Outcome {
		return submitAll(ctx, n, calls, func(tx string) { a.outcomes.queueAside(func() { a.submitted(tx) }) })
	})
}

// Evaluate asks one peer and orders nothing.
func (a *Acts) Evaluate(c Call, done func(Outcome)) {
	a.runCalls([]Call{c}, true, firstOf(done), evaluate)
}

func firstOf(done func(Outcome)) func([]Outcome) {
	return func(all []Outcome) {
		if done != nil {
			done(all[0])
		}
	}
}

// runCalls makes calls in the background, notes them and tells their outcomes.
func (a *Acts) runCalls(calls []Call, query bool, done func([]Outcome), do func(context.Context, *network.Network, []Call) []Outcome) {
	if done == nil {
		done = func([]Outcome) {}
	}
	n, err := a.liveNetwork()
	if err == nil {
		note := a.notes.Begin(calls, query)
		w := a.beginWait(CallText(calls[0]))
		err = a.runBackground(func(ctx context.Context) func() {
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			all := do(ctx, n, calls)
			return func() {
				a.endWait(w)
				a.notes.End(note, resultsOf(all))
				done(all)
			}
		})
		if err != nil {
			a.endWait(w)
			note.Drop()
		}
	}
	if err != nil {
		all := make([]Outcome, len(calls))
		for i, c := range calls {
			all[i] = outcomeOf(c, nil, err, query)
		}
		done(all)
	}
}

// CallText is a call as one writes it: TransferAsset(asset1, carol).
func CallText(c Call) string { return c.Function + "(" + strings.Join(c.Args, ", ") + ")" }

// resultsOf are outcomes as a scenario expects them again.
func resultsOf(all []Outcome) []script.Result {
	results := make([]script.Result, len(all))
	for i, o := range all {
		results[i] = script.Result{Valid: o.Valid, Code: o.Code, Text: o.Text}
	}
	return results
}

func evaluate(ctx context.Context, n *network.Network, calls []Call) []Outcome {
	var r *network.Result
	client, err := n.Client(calls[0].Identity)
	if err == nil {
		r, err = client.Evaluate(ctx, calls[0].Call)
	}
	return []Outcome{outcomeOf(calls[0], r, err, true)}
}

func submitAll(ctx context.Context, n *network.Network, calls []Call, begun func(tx string)) []Outcome {
	all := make([]Outcome, len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := submitOne(ctx, n, c, begun)
			all[i] = outcomeOf(c, r, err, false)
		}()
	}
	wg.Wait()
	return all
}

func submitOne(ctx context.Context, n *network.Network, c Call, begun func(tx string)) (*network.Result, error) {
	client, err := n.Client(c.Identity)
	if err != nil {
		return nil, err
	}
	tx, err := client.Begin(ctx, c.Call)
	if err != nil {
		return nil, err
	}
	begun(tx.TxID)
	return tx.Wait(context.WithoutCancel(ctx)) // it ends with ctx by itself, and says how far it came
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
		o.Text = words.L("The peer answered{{.Answer}} Nothing was ordered, and nothing has changed.", answerText(o.Payload))
	case err == nil:
		o.Text = words.L("Valid, in block {{.Block}}{{.Answer}}", o.Block, answerText(o.Payload))
	case invalid:
		o.Text = words.L("Not valid: {{.Code}}, in block {{.Block}}. {{.Reason}}", o.Code, o.Block, reasonText(r.Code, o.Reason))
	case errors.Is(err, context.Canceled):
		o.Text = words.L("Nobody waits for this transaction any more; it may still be ordered.")
	case errors.Is(err, context.DeadlineExceeded):
		o.Text = words.L("There was no verdict within {{.Time}}; look whether a message is held, a link is cut, or most ordering nodes are stopped.", callTimeout)
	default:
		o.Text = view.Sentence(words.Now().Fault(err))
	}
	return o
}

// reasonText says why a transaction is not valid: as the peer does, which speaks English, or
// what the code means.
func reasonText(code peerpb.TxValidationCode, reason string) string {
	if meaning := words.Now().Code(code); reason == "" || words.Now().Tag() != "en" && meaning != "" {
		return meaning
	}
	return reason
}

// answerText is the chaincode's answer at the end of a sentence.
func answerText(payload []byte) string {
	if len(payload) == 0 {
		return "."
	}
	return ": " + view.Clip(strings.ToValidUTF8(string(payload), "?"), 200) + "."
}
