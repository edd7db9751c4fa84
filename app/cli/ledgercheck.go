package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/orderer"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

func (p *program) ledgerCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Look for damage in the files of peers and ordering nodes",
		Long: `Reads whole files and changes nothing: every page with its checksum, every block with
its hashes and its place in the chain; of a peer's ledger also every transaction with its
id and verdict, and every entry of the state with the transaction that wrote it. The nodes
may run meanwhile. Ends with 0 if everything is as it was written, with 1 if something is
damaged, with 2 if a file could not be looked at.`,
		Example: `  fabriscope ledger check net/nodes/peer0.org1.example.com/channels/mychannel/ledger.db
  fabriscope ledger check net/nodes/orderer0.example.com/mychannel.channel.db`,
		Args: atLeast("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			damaged := 0
			for _, path := range args {
				sound, err := p.checkFile(cmd.Context(), path)
				if err != nil {
					return err
				}
				if !sound {
					damaged++
				}
			}
			if damaged > 0 {
				return failed(fmt.Errorf("%s of %d damaged", view.Count(damaged, "file"), len(args)))
			}
			return nil
		},
	}
}

// checkFile checks one file, whichever sort it is, and prints what was found.
func (p *program) checkFile(ctx context.Context, path string) (sound bool, err error) {
	if info, err := os.Stat(path); err != nil {
		return false, fmt.Errorf("%w; name the file of a peer's ledger or of an ordering node's channel", err)
	} else if info.IsDir() {
		return false, fmt.Errorf("%s is a folder; name the file of a peer's ledger or of an ordering node's channel", path)
	}
	bar := io.Discard
	if isTerminal(p.err) {
		bar = p.err
	}
	progress := func(done, of uint64) { fmt.Fprintf(bar, "\r%d of %d blocks", done, of) }
	var said string
	var problems []string
	mark, err := sqlite.Mark(path)
	switch {
	case err != nil || mark == ledger.FileMark: // a file without a mark may be a ledger whose header is damaged
		var r ledger.CheckReport
		if r, err = ledger.Check(ctx, path, progress); err != nil {
			return false, err
		}
		said, problems = fmt.Sprintf("%d blocks, %d entries of the state", r.Height, r.Keys), r.Problems
	case mark == orderer.FileMark:
		var height uint64
		if height, problems, err = orderer.CheckFile(ctx, path, progress); err != nil {
			return false, err
		}
		said = fmt.Sprintf("%d blocks", height)
	default:
		return false, fmt.Errorf("%s is neither a peer's ledger nor the file of an ordering node's channel", path)
	}
	fmt.Fprint(bar, "\r\x1b[K")
	if len(problems) == 0 {
		_, err = fmt.Fprintf(p.out, "%s: %s, everything is as it was written\n", path, said)
		return true, err
	}
	for _, problem := range problems {
		fmt.Fprintf(p.out, "%s: %s\n", path, problem)
	}
	help := "`fabriscope ledger rebuild " + path + "` makes it new from its blocks while the peer is stopped; what it lacks then, the peer fetches"
	if mark == orderer.FileMark {
		help = "restore it from a copy while the node is stopped, or remove the node from the ordering service and add a new one"
	}
	_, err = fmt.Fprintf(p.out, "%s: %s\n", path, help)
	return false, err
}
