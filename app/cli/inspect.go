package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/validate"
)

func (p *program) inspect() *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:     "inspect FILE|FOLDER...",
		GroupID: "look",
		Short:   "Validate blocks of any Fabric network again, and say why each transaction got its code",
		Long: `Takes blocks of any Fabric network: .block files as "peer channel fetch" writes them, a
peer's own block store (blockfile_000000 ..., or their folder), or files with many
blocks, each preceded by its length as a varint; gzip too. Files are read in the order given (1, 2, 10 if a * named them) and validated from block 0 on, as a peer
would; without the blocks before, what can still be said is said. With --json one object a line: block, tx,
txid, code, recorded, reason. Exit code 1 if a verdict differs from the recorded one or
a block is not sound.`,
		Example: `  fabriscope inspect blocks/*.block
  fabriscope inspect all-blocks.pb --json
  fabriscope inspect ledgersData/chains/chains/mychannel
  peer channel fetch 0 b0.block -c mychannel && peer channel fetch 1 b1.block -c mychannel && fabriscope inspect b0.block b1.block`,
		Args: atLeast("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			i := &inspector{p: p, all: all, json: asJSON}
			if asJSON {
				i.enc = json.NewEncoder(p.out)
			}
			if slices.IsSorted(args) { // as a shell's * gives them: 10 before 2
				sort.SliceStable(args, func(i, j int) bool { return facts.Natural(args[i], args[j]) })
			}
			err := validate.Inspect(cmd.Context(), session.ReadBlocks(args), i.printVerdict)
			if err != nil {
				return err
			}
			return i.finish()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a transaction")
	cmd.Flags().BoolVar(&all, "all", false, "list valid transactions too")
	return cmd
}

// inspector prints lines and counts.
type inspector struct {
	p                                    *program
	all, json                            bool
	enc                                  *json.Encoder
	transactions, invalid, differ, blame int
	last                                 uint64
}

func (i *inspector) printVerdict(l validate.Line) error {
	i.last = l.Block
	switch {
	case l.Tx < 0:
		i.blame++
	default:
		i.transactions++
		if l.Code != nil && *l.Code != 0 {
			i.invalid++
		}
		if l.Differs() {
			i.differ++
		}
	}
	if i.json {
		return i.enc.Encode(&l)
	}
	return i.print(l)
}

func (i *inspector) print(l validate.Line) error {
	var err error
	switch {
	case l.Tx < 0:
		_, err = fmt.Fprintf(i.p.out, "block %d: %s\n", l.Block, l.Problem)
	case l.Code == nil:
		recorded := "no verdict recorded"
		if l.Recorded != nil {
			recorded = "recorded " + l.Recorded.String()
		}
		_, err = fmt.Fprintf(i.p.out, "%d:%d  %.12s  %s  %s\n", l.Block, l.Tx, l.TxID, recorded, l.Text())
	case *l.Code != 0 || i.all || l.Differs():
		note := ""
		if l.Differs() {
			note = fmt.Sprintf("  (the block says %s)", l.Recorded)
		}
		_, err = fmt.Fprintf(i.p.out, "%d:%d  %.12s  %s%s\n", l.Block, l.Tx, l.TxID, l.Code, note)
		if err == nil && l.Text() != "" {
			_, err = fmt.Fprintf(i.p.out, "      %s\n", l.Text())
		}
	}
	return err
}

func (i *inspector) finish() error {
	if i.transactions == 0 && i.blame == 0 {
		return errors.New("there is no block in these files")
	}
	if !i.json {
		fmt.Fprintf(i.p.out, "%d transactions up to block %d: %d invalid, %d with another verdict than recorded\n", i.transactions, i.last, i.invalid, i.differ)
	}
	switch {
	case i.differ > 0:
		return failed(fmt.Errorf("%d of %d verdicts differ from the recorded ones", i.differ, i.transactions))
	case i.blame > 0:
		return failed(fmt.Errorf("%s could not be judged as a peer would; see above", view.Count(i.blame, "block")))
	}
	return nil
}

func (p *program) ledger() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ledger", GroupID: "more",
		Short: "Check and repair ledger files",
		Args:  noUnknown,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(p.ledgerCheck(), &cobra.Command{
		Use:     "rebuild FILE",
		Short:   "Rebuild state, history and index of a peer's ledger from its blocks",
		Example: `  fabriscope ledger rebuild net/nodes/peer0.org1.example.com/channels/mychannel/ledger.db`,
		Args:    exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(args[0]); err != nil {
				return fmt.Errorf("%w; name a peer's ledger file", err)
			}
			progress := io.Discard
			if isTerminal(p.err) {
				progress = p.err
			}
			report, err := ledger.Rebuild(cmd.Context(), args[0], func(done, of uint64) { fmt.Fprintf(progress, "\r%d of %d blocks", done, of) })
			fmt.Fprint(progress, "\r\x1b[K")
			if err != nil {
				return err
			}
			fmt.Fprintf(p.out, "%s: %d blocks, commit hash %x\n", args[0], report.Height, report.CommitHash)
			if report.Stopped != "" {
				fmt.Fprintf(p.out, "%s; the peer fetches the missing blocks from an ordering node when it starts\n", report.Stopped)
			}
			return nil
		},
	})
	return cmd
}
