package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// windowFiles are the kinds of files that the window opens.
var windowFiles = []string{".fscope", ".yaml", ".yml", ".star", ".block", ".pb"}

// windowOptions are what a person can say about the window on the command line.
type windowOptions struct {
	Files     []string
	Theme     string
	Language  string
	Size      string
	Lesson    string
	Sample    string
	Tx        string
	Runtime   string
	Presenter bool
}

func (p *program) window() *cobra.Command {
	var o windowOptions
	cmd := &cobra.Command{
		Use:     "window [FILE...]",
		GroupID: "run",
		Short:   "Open the window: watch a network work, or look at a recorded run (same as no command at all)",
		Long: `Opens the window. Without a file it shows what there is: lessons, sample networks,
recent files. A topology (.yaml) is started, a scenario (.star) is opened in the
script drawer, a recorded run (.fscope) is played, blocks of another network
(.block) are judged and explained.`,
		Example: `  fabriscope window --lesson 2 --theme light
  fabriscope
  fabriscope race.fscope
  fabriscope window race.fscope --tx conflict
  fabriscope mychannel_7.block mychannel_8.block`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if ok, err := forWindow(args); err != nil {
				return err
			} else if !ok {
				return fmt.Errorf("the window opens files that end in %s; got %s", strings.Join(windowFiles, ", "), strings.Join(args, " "))
			}
			o.Files = args
			return p.openWindow(o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Theme, "theme", "", "dark, light or auto (default: as last time)")
	flags.StringVar(&o.Language, "language", "", "language of the window, such as en or de (default: the system's)")
	flags.StringVar(&o.Size, "size", "", "size of the window, such as 1440x900 (default: as last time)")
	flags.StringVar(&o.Lesson, "lesson", "", "start a lesson, such as 2")
	flags.StringVar(&o.Sample, "start", "", "start a sample network, such as two-organisations")
	flags.StringVar(&o.Tx, "tx", "", "show a transaction in the middle of its simulation: the first letters of its id, or conflict")
	flags.StringVar(&o.Runtime, "runtime", "", "where chaincode runs: auto, docker or process (default: as the topology says)")
	flags.BoolVar(&o.Presenter, "presenter", false, "open in presenter mode")
	return cmd
}

// forWindow tells whether all words of a command line without a command are files that
// the window opens; a word that only looks like a file gives the error of opening it.
func forWindow(args []string) (bool, error) {
	for _, a := range args {
		if !slices.Contains(windowFiles, strings.ToLower(filepath.Ext(a))) {
			return false, nil
		}
		if _, err := os.Stat(a); err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			return false, fmt.Errorf("open %s: %w", a, err)
		}
	}
	return true, nil
}
