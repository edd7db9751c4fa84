// Package cli holds the commands of the program. Each is a thin shell: it reads
// flags, calls package network (or one of its neighbours), and prints.
//
// Exit codes: 0 done, 1 a check failed (an expectation, a verdict, a rejected
// transaction), 2 wrong use or could not run.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Version of the program.
const Version = "0.2.0"

// Exit codes of the program.
const (
	exitDone   = 0
	exitFailed = 1 // a check failed
	exitUnable = 2 // wrong use, or it could not run
)

// sameSignal is how long after the first signal another counts as the same wish.
const sameSignal = time.Second

// errCheck marks errors that mean "a check failed" rather than "could not run".
var errCheck = errors.New("a check failed")

// failed wraps an error so that the program ends with exit code 1.
func failed(err error) error { return &checkError{err} }

type checkError struct{ err error }

func (e *checkError) Error() string        { return e.err.Error() }
func (e *checkError) Unwrap() error        { return e.err }
func (e *checkError) Is(target error) bool { return target == errCheck }

// program is what all commands share.
type program struct {
	in       io.Reader
	out, err io.Writer
	verbose  bool
}

// Main runs the program and gives its exit code.
func Main(args []string, in io.Reader, out, errOut io.Writer) int {
	p := &program{in: in, out: out, err: errOut}
	// The first signal asks every command to stop in order; a later one ends at once.
	// Not one that comes together with the first: timeout(1) and make send two.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(sameSignal, stop) })
	// A closed pipe is an error of the write, not the end of the program: a network
	// has to be stopped in order. Notify, not Ignore, which children would inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	output := &output{Writer: out, failed: cancel}
	p.out = output
	root := p.root()
	root.SetArgs(shielded(args))
	root.SetIn(in)
	root.SetOut(output)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if lost := output.error(); lost != nil {
		err = lost
	}
	if err == nil {
		return exitDone
	}
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		fmt.Fprintln(errOut, "fabriscope: stopped")
		return exitUnable
	}
	if errors.Is(err, syscall.EPIPE) {
		return exitDone // the reader of a pipe has seen enough
	}
	fmt.Fprintln(errOut, "fabriscope:", oneLine(err.Error()))
	if errors.Is(err, errCheck) {
		return exitFailed
	}
	return exitUnable
}

// shield stands before an argument of a call that looks like a flag and is a number.
const shield = "\x00"

// shielded marks the negative numbers among the arguments of a call: no flag is a number.
func shielded(args []string) []string {
	if len(args) == 0 || args[0] != "invoke" && args[0] != "query" {
		return args
	}
	out := slices.Clone(args)
	for i, a := range out {
		if a == "--" {
			break
		}
		if len(a) > 1 && a[0] == '-' && (a[1] >= '0' && a[1] <= '9' || a[1] == '.') && !(i > 0 && strings.HasPrefix(out[i-1], "--") && !strings.Contains(out[i-1], "=")) {
			out[i] = shield + a
		}
	}
	return out
}

// oneLine joins the lines of a message, which chaincodes and compilers may have
// written.
func oneLine(message string) string {
	var all strings.Builder
	for line := range strings.Lines(message) {
		line = strings.TrimSpace(line)
		switch before := all.String(); {
		case line == "":
			continue
		case strings.HasSuffix(before, ":"):
			all.WriteString(" ")
		case before != "":
			all.WriteString("; ")
		}
		all.WriteString(line)
	}
	return all.String()
}

// output is standard output. When it cannot be written any more (the reader of a pipe
// is gone, the disk is full) the command is asked to stop, and the exit code tells.
type output struct {
	io.Writer
	failed func()
	mu     sync.Mutex
	lost   error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.Writer.Write(b)
	if err != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.lost == nil {
			o.lost = err
			o.failed()
		}
	}
	return n, err
}

func (o *output) error() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lost
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "fabriscope",
		Short: "Run a Fabric network on this computer and see what happens inside it",
		Long: `Fabriscope runs a Hyperledger-Fabric-style network on this computer: peers with
their own chaincode instances and a Raft ordering service. It shows every
message, simulation, block and verdict, and explains why a transaction is valid
or not. Unmodified Fabric chaincode and Gateway clients run on it.`,
		Example: `  fabriscope                                     open the window
  fabriscope race.fscope                         look at a recorded run in the window
  fabriscope up                                  start a network and keep it running
  fabriscope run first-transaction               run a scenario
  fabriscope run two-clients-one-key --record race.fscope
  fabriscope events race.fscope --kind verdict   what the recorded run holds
  fabriscope inspect mychannel_7.block           check blocks of any Fabric network`,
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,

		SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if ok, err := forWindow(args); ok || err != nil {
				return err
			}
			return noUnknown(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error { return p.openWindow(windowOptions{Files: args}) },
	}
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log what the nodes do to standard error")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if cmd.GroupID == "use" && strings.Contains(cmd.Use, "[ARG...]") {
			err = fmt.Errorf("%w (an argument that begins with a dash stands after --)", err)
		}
		return fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(&cobra.Group{ID: "run", Title: "Run a network:"}, &cobra.Group{ID: "use", Title: "Use a running network (from another terminal):"},
		&cobra.Group{ID: "break", Title: "Break a running network, and mend it:"},
		&cobra.Group{ID: "look", Title: "Look at what happened:"}, &cobra.Group{ID: "more", Title: "More:"})
	root.AddCommand(p.window(), p.up(), p.run(), p.bench())
	root.AddCommand(p.deploy(), p.install(), p.approve(), p.commit(), p.invoke(), p.query(), p.peers(), p.chaincodes())
	root.AddCommand(p.node(), p.link(), p.partition(), p.heal(), p.lie())
	root.AddCommand(p.events(), p.logs(), p.tx(), p.export(), p.inspect(), p.ledger())
	root.AddCommand(p.doctor(), p.listSamples(), p.version(), p.manual(), p.sampleChaincode())
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	return root
}

// noUnknown refuses words that are no command, with the nearest that is.
func noUnknown(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(text + "; see: " + cmd.CommandPath() + " --help")
}

// log gives the nodes' logger: standard error with --verbose, else nowhere.
func (p *program) log() *slog.Logger {
	if !p.verbose {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// exactly is cobra.ExactArgs with a message that names what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing; use: %s", names[len(args)], cmd.UseLine())
		}
		return fmt.Errorf("%q is one argument too many; use: %s", args[len(names)], cmd.UseLine())
	}
}

// atLeast asks for the named arguments; more may follow.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s is missing; use: %s", names[len(args)], cmd.UseLine())
		}
		return nil
	}
}

// atMost allows up to n arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) <= n {
			return nil
		}
		return fmt.Errorf("%q is one argument too many; use: %s", args[n], cmd.UseLine())
	}
}

// isTerminal tells whether w shows its text to a person.
func isTerminal(w io.Writer) bool {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
