package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/chaincode/samples"
)

// chaincode is how the program runs one of its own sample chaincodes when it was
// built without the static binary that holds them.
func (p *program) sampleChaincode() *cobra.Command {
	return &cobra.Command{
		Use: "chaincode NAME", Hidden: true, DisableFlagParsing: true,
		Short: "Run a sample chaincode; started by a peer",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return fmt.Errorf("this command is for the program itself; see: fabriscope samples")
			}
			os.Exit(samples.Main(args[0], args[1:]))
			return nil
		},
	}
}

// samples lists the chaincodes that come with the program.
func (p *program) listSamples() *cobra.Command {
	return &cobra.Command{
		Use: "samples", GroupID: "more", Args: atMost(0),
		Short:   "List the chaincodes that come with the program and their functions",
		Example: `  fabriscope samples`,
		RunE: func(*cobra.Command, []string) error {
			w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
			for _, s := range samples.All() {
				fmt.Fprintf(w, "%s\t%s\n", s.Name, s.Doc)
				for _, f := range s.Functions {
					fmt.Fprintf(w, "  %s(%s)\t%s\n", f.Name, strings.Join(f.Args, ", "), f.Doc)
				}
			}
			return w.Flush()
		},
	}
}
