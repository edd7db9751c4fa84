package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// build is what a program knows about how it was made.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`   // of the source; "" when it was built outside of a checkout
	Modified bool   `json:"modified,omitempty"` // the checkout held changes that are in no commit
	Window   bool   `json:"window"`
	Go       string `json:"go"`
	System   string `json:"system"` // operating system and processor
}

func thisBuild() build {
	b := build{Version: Version, Window: hasWindow, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	commit := "commit unknown"
	if b.Commit != "" {
		commit = "commit " + b.Commit
		if b.Modified {
			commit += " with changes"
		}
	}
	window := "with window"
	if !b.Window {
		window = "without window"
	}
	return fmt.Sprintf("fabriscope %s, %s, %s, %s, %s", b.Version, commit, window, b.Go, b.System)
}

func (p *program) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "version", GroupID: "more", Args: atMost(0),
		Short:   "Say which version this is, of which commit, and how it was built",
		Example: `  fabriscope version --json`,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return json.NewEncoder(p.out).Encode(thisBuild())
			}
			_, err := fmt.Fprintln(p.out, thisBuild())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

// manual writes what packages put beside the program: pages for man, and completions for
// shells, below the folders where those look.
func (p *program) manual() *cobra.Command {
	return &cobra.Command{
		Use: "manual FOLDER", Hidden: true, Args: exactly("FOLDER"),
		Short:   "Write the manual pages and the shells' completions below a folder such as /usr/local/share",
		Example: `  fabriscope manual ./share`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // the same program writes the same pages
			man := filepath.Join(args[0], "man", "man1")
			if err := os.MkdirAll(man, 0o755); err != nil {
				return err
			}
			header := doc.GenManHeader{Title: "FABRISCOPE", Section: "1", Source: "Fabriscope " + Version, Manual: "Fabriscope"}
			if err := doc.GenManTree(root, &header, man); err != nil {
				return fmt.Errorf("write the manual pages below %s: %w", man, err)
			}
			for name, write := range map[string]func(string) error{
				"bash-completion/completions/fabriscope":    func(f string) error { return root.GenBashCompletionFileV2(f, true) },
				"zsh/site-functions/_fabriscope":            root.GenZshCompletionFile,
				"fish/vendor_completions.d/fabriscope.fish": func(f string) error { return root.GenFishCompletionFile(f, true) },
			} {
				file := filepath.Join(args[0], filepath.FromSlash(name))
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					return err
				}
				if err := write(file); err != nil {
					return fmt.Errorf("write %s: %w", file, err)
				}
			}
			return nil
		},
	}
}

// completes offers names that come with the program beside the files of a folder.
func completes(names func() []string, extensions ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var found []cobra.Completion
		for _, name := range names() {
			if len(name) >= len(word) && name[:len(word)] == word {
				found = append(found, name)
			}
		}
		if len(found) > 0 {
			return found, cobra.ShellCompDirectiveDefault
		}
		return extensions, cobra.ShellCompDirectiveFilterFileExt
	}
}
