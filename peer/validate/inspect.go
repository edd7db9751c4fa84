package validate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// Line is what an inspection says about one transaction, or with Tx -1 about a
// block as a whole.
type Line struct {
	Block     uint64
	Tx        int    // position in the block, -1 for the block as a whole
	TxID      string // as in the header, "" if there is none
	Chaincode string // the invoked one, "" if there is none

	Code     *peerpb.TxValidationCode // our verdict, nil if it cannot be found
	Recorded *peerpb.TxValidationCode // the verdict in the block, nil if no peer wrote one
	Reason   *Reason                  // why it is invalid; nil if it is valid
	Problem  string                   // of a block: what is wrong, or what cannot be checked
}

// Text is the reason or the problem, "" if there is nothing to say.
func (l *Line) Text() string {
	if l.Reason != nil {
		return l.Reason.Text
	}
	return l.Problem
}

// Differs tells whether our verdict is not the recorded one. It is false if one
// of them is unknown.
func (l *Line) Differs() bool {
	return l.Code != nil && l.Recorded != nil && *l.Code != *l.Recorded
}

// MarshalJSON writes one object with the keys block, tx, txid, chaincode, code,
// code_name, recorded, recorded_name, reason (the text) and detail (the Reason).
// Codes are numbers, null where unknown.
func (l *Line) MarshalJSON() ([]byte, error) {
	name := func(code *peerpb.TxValidationCode) *string {
		if code == nil {
			return nil
		}
		s := code.String()
		return &s
	}
	return json.Marshal(struct {
		Block        uint64                   `json:"block"`
		Tx           int                      `json:"tx"`
		TxID         string                   `json:"txid"`
		Chaincode    string                   `json:"chaincode,omitempty"`
		Code         *peerpb.TxValidationCode `json:"code"`
		CodeName     *string                  `json:"code_name"`
		Recorded     *peerpb.TxValidationCode `json:"recorded"`
		RecordedName *string                  `json:"recorded_name"`
		Reason       string                   `json:"reason"`
		Detail       *Reason                  `json:"detail,omitempty"`
	}{l.Block, l.Tx, l.TxID, l.Chaincode, l.Code, name(l.Code), l.Recorded, name(l.Recorded), l.Text(), l.Reason})
}

// inspectedSignatures bounds how many signatures an inspection remembers.
const inspectedSignatures = 4096

// Inspect judges the blocks of any Fabric network again, one after the other, on
// a ledger of its own that is deleted in the end, and hands out a Line for every
// transaction and for every block with a problem. The memory that it needs does
// not grow with the number of blocks.
//
// Where a verdict differs from the recorded one, the line says so, and the
// inspection goes on with the recorded one, so that later blocks meet the state
// that the network had.
//
// The blocks should begin with number 0. If they do not, or blocks are missing,
// verdicts cannot be found again; a line says so, and the others say what the
// blocks alone show: faults of form, conflicts inside a block, who endorsed.
//
// It ends with the first error of blocks, out or ctx.
func Inspect(ctx context.Context, blocks iter.Seq2[*commonpb.Block, error], out func(Line) error) error {
	l, err := ledger.OpenTemp(ledger.Options{})
	if err != nil {
		return fmt.Errorf("inspect: %w", err)
	}
	defer l.Close()
	i := &inspection{
		ctx: ctx, out: out, ledger: l,
		validator: New(Config{Ledger: l, Verifier: msp.NewVerifier(inspectedSignatures)}),
	}
	for block, err := range blocks {
		if err == nil {
			err = i.next(block)
		}
		if err != nil {
			return fmt.Errorf("inspect: %w", err)
		}
	}
	return nil
}

// inspection is the state of an Inspect between two blocks.
type inspection struct {
	ctx       context.Context
	out       func(Line) error
	ledger    *ledger.Ledger
	validator *Validator
	partial   *partial // set once the chain is broken or does not begin with block 0
}

func (i *inspection) next(block *commonpb.Block) error {
	if err := i.ctx.Err(); err != nil {
		return err
	}
	if i.partial != nil {
		return i.partial.next(i.out, block)
	}
	info := i.ledger.Info()
	err := CheckBlock(block, info.GetHeight(), info.GetCurrentBlockHash(), i.validator.Bundle())
	empty := block.GetHeader() == nil || len(block.GetData().GetData()) == 0
	switch {
	case empty, errors.Is(err, ErrNumber), errors.Is(err, ErrPreviousHash):
		return i.giveUp(block, whyPartial(block, info.GetHeight(), err))
	case err != nil:
		if err := i.problem(block, err.Error()+". A Fabric peer takes nothing of such a block."); err != nil {
			return err
		}
	}
	return i.judge(block)
}

// whyPartial explains that from here on nothing can be judged.
func whyPartial(block *commonpb.Block, height uint64, err error) string {
	number := block.GetHeader().GetNumber()
	const rest = " Without the state before it no verdict can be found again; what follows is what the blocks alone show."
	switch {
	case errors.Is(err, ErrNumber) && height == 0:
		return fmt.Sprintf("The blocks begin with number %d instead of 0.%s To have everything judged, fetch all blocks (peer channel fetch 0, 1, …) and give them in order.", number, rest)
	case errors.Is(err, ErrNumber):
		return fmt.Sprintf("After block %d comes block %d; blocks are missing or in another order.%s", height-1, number, rest)
	default:
		return clean(err) + "." + rest
	}
}

func (i *inspection) problem(block *commonpb.Block, text string) error {
	return i.out(Line{Block: block.GetHeader().GetNumber(), Tx: -1, Problem: text})
}

// giveUp goes on without a state.
func (i *inspection) giveUp(block *commonpb.Block, why string) error {
	if err := i.problem(block, why); err != nil {
		return err
	}
	i.partial = &partial{bundle: i.validator.Bundle(), verifier: i.validator.config.Verifier}
	return i.partial.next(i.out, block)
}

// judge gives the lines of one block and adds it to the ledger.
func (i *inspection) judge(block *commonpb.Block) error {
	recorded := wire.Filter(block)
	if len(recorded) != len(block.GetData().GetData()) {
		recorded = nil
	}
	v := i.validator
	judgeable := v.Bundle() == nil || v.Bundle().ApplicationV20()
	all, err := v.decode(i.ctx, block)
	if err != nil {
		return err
	}
	result, err := v.judge(i.ctx, block, all, recorded)
	if errors.Is(err, ErrConfig) {
		return i.giveUp(block, err.Error()+". From here on nothing can be judged; what follows is what the blocks alone show.")
	}
	if err != nil {
		return err
	}
	if result.configProblem != nil {
		if err := i.problem(block, result.configProblem.Error()+". The network took it, and so does the inspection."); err != nil {
			return err
		}
	}
	for t := range result.Transactions {
		line := result.line(t, recorded)
		if !judgeable {
			line.Code, line.Reason = nil, nil
			line.Problem = "The channel's capabilities are older than V2_0, and peers judged by older rules; the recorded verdict is taken."
		}
		if err := i.out(line); err != nil {
			return err
		}
	}
	return i.commit(block, result, recorded)
}

// line is what a result says about one transaction.
func (r *Result) line(t int, recorded []byte) Line {
	tx := &r.Transactions[t]
	line := Line{
		Block: r.Block.GetHeader().GetNumber(), Tx: t, TxID: tx.TxID, Chaincode: tx.Chaincode,
		Code: &r.Codes[t], Reason: r.Reasons[t], Recorded: recordedCode(recorded, t),
	}
	return line
}

func recordedCode(recorded []byte, t int) *peerpb.TxValidationCode {
	if t >= len(recorded) {
		return nil
	}
	code := peerpb.TxValidationCode(recorded[t])
	return &code
}

// commit adds a judged block to the ledger, with the recorded verdicts if there
// are any, and compares the commit hash.
func (i *inspection) commit(block *commonpb.Block, result *Result, recorded []byte) error {
	if recorded != nil {
		wire.SetFilter(result.Block, recorded)
	}
	stored, err := i.ledger.Commit(i.ctx, result.Block, result.Batch, nil)
	if err != nil {
		return err
	}
	if result.NextBundle != nil {
		i.validator.Use(result.NextBundle)
	}
	want, got := wire.CommitHash(block), wire.CommitHash(stored)
	if len(want) > 0 && string(want) != string(got) {
		return i.problem(block, fmt.Sprintf("The recorded commit hash is %x, the verdicts and their effects give %x. The peer that this block comes from has another state.", want, got))
	}
	return nil
}
