package cli

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/session"
)

func (p *program) doctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "doctor",
		GroupID: "more",
		Short:   "Say what this computer has for Fabriscope, and what to do about what it lacks",
		Long:    "Looks for Docker, Go, memory, room for temporary files and a display. Nothing of it is required to run the samples.",
		Example: `  fabriscope doctor --json`,
		Args:    atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := session.Computer(cmd.Context())
			if asJSON {
				return json.NewEncoder(p.out).Encode(findings)
			}
			for _, f := range findings {
				mark := "yes"
				if !f.OK {
					mark = "no "
				}
				fmt.Fprintf(p.out, "%s  %-14s %s\n", mark, f.Title(), f.Detail)
				if f.Remedy != "" {
					fmt.Fprintf(p.out, "     %-12s %s\n", "", f.Remedy)
				}
			}
			fmt.Fprintf(p.out, "\nfabriscope %s, %s/%s, %d cores\n", Version, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}
