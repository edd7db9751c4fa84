package cli

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/network"
)

// node is how the program runs a single node of a network with placement process.
func (p *program) node() *cobra.Command {
	return &cobra.Command{
		Use: "node FILE", Hidden: true, Args: exactly("FILE"),
		Short: "Run one node; started by a network with placement process",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !network.IsNodeProcess() {
				return fmt.Errorf("this command is for the program itself; start a network with: fabriscope up --placement process")
			}
			return network.RunNode(cmd.Context(), args[0], p.log())
		},
	}
}

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
