package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// filterFlags choose events.
type filterFlags struct{ network.EventFilter }

func (f *filterFlags) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.Kind, "kind", "", "only this kind of event, like verdict, or a group like chaincode.*")
	cmd.Flags().StringVar(&f.Node, "node", "", "only events of this node, at either end")
	cmd.Flags().StringVar(&f.TxID, "tx", "", "only this transaction; the first letters of its id are enough")
	cmd.Flags().StringVar(&f.Key, "key", "", "only this state key, chaincode or code")
}

// check refuses kinds that no event has: a typing error would find nothing.
func (f *filterFlags) check() error {
	if f.Kind == "" {
		return nil
	}
	known := trace.Kinds()
	prefix, group := strings.CutSuffix(f.Kind, "*")
	for _, k := range known {
		if string(k) == f.Kind || group && strings.HasPrefix(string(k), prefix) {
			return nil
		}
	}
	if strings.HasPrefix(f.Kind, string(trace.ChaincodePrefix)) {
		return nil // the protocol's own message names
	}
	return fmt.Errorf("there is no kind %q; docs/EVENTS.md lists them: verdict, proposal, block.cut, raft.*, chaincode.* and more", f.Kind)
}

func (f *filterFlags) values() url.Values {
	v := url.Values{}
	for name, value := range map[string]string{"kind": f.Kind, "node": f.Node, "tx": f.TxID, "key": f.Key} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v
}

// isRunFile tells whether an argument names a run file rather than a transaction.
func isRunFile(arg string) bool {
	if strings.HasSuffix(arg, ".fscope") {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

func (p *program) events() *cobra.Command {
	var filter filterFlags
	var asJSON, payloads bool
	var dir string
	cmd := &cobra.Command{
		Use:     "events [RUN.fscope]",
		GroupID: "look",
		Short:   "List what happened: every message and every change of state",
		Long: `Lists the events of a recorded run, or of the network that runs in another
terminal if no file is named (the last 65,536 events). Messages are listed at both
ends: sent and received. docs/EVENTS.md describes every kind.`,
		Example: `  fabriscope events demo.fscope
  fabriscope events demo.fscope --kind verdict
  fabriscope events demo.fscope --tx 51c0 --node peer0.org1
  fabriscope events --kind 'raft.*' --json | head`,
		Args: atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := filter.check(); err != nil {
				return err
			}
			if len(args) == 0 {
				v := filter.values()
				if asJSON || payloads {
					v.Set("json", "1")
				}
				if payloads {
					v.Set("payloads", "1")
				}
				return p.askRunning(cmd.Context(), dir, "/events", v, func(body io.Reader) error { _, err := io.Copy(p.out, body); return err })
			}
			run, err := session.OpenRunFile(args[0])
			if err != nil {
				return err
			}
			defer run.Close()
			if asJSON || payloads {
				return report.WriteJSONL(p.out, run, filter.Fits, payloads)
			}
			return report.WriteList(p.out, run, filter.Fits)
		},
	}
	filter.define(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVar(&payloads, "payloads", false, "with every message decoded to the last field (implies --json)")
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the running network, if several run")
	return cmd
}

// askRunning gets an answer from the network that runs in another terminal.
func (p *program) askRunning(ctx context.Context, dir, path string, query url.Values, read func(io.Reader) error) error {
	r, err := theRunning(dir)
	if err != nil {
		return err
	}
	return r.ask(ctx, http.MethodGet, path, query, nil, read)
}

func (p *program) tx() *cobra.Command {
	var asJSON bool
	var file, dir string
	cmd := &cobra.Command{
		Use:     "tx [RUN.fscope] ID",
		GroupID: "look",
		Short:   "Explain one transaction: its journey, read-write sets, verdict and the reason",
		Long: `Explains one transaction of a recorded run, or of the network that runs in another
terminal if no file is named. The first letters of the id are enough.`,
		Example: `  fabriscope tx demo.fscope 51c0
  fabriscope tx 51c0 --json`,
		Args: atLeast("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("%q is one argument too many; use: %s", args[2], cmd.UseLine())
			}
			if len(args) == 2 {
				file, args = args[0], args[1:]
				if !isRunFile(file) && isRunFile(args[0]) {
					file, args[0] = args[0], file
				}
			}
			text, err := p.explain(cmd.Context(), file, dir, args[0], asJSON)
			if err != nil {
				return err
			}
			_, err = p.out.Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	cmd.Flags().StringVar(&file, "run", "", "run file to read")
	cmd.Flags().StringVar(&dir, "dir", "", "folder of the running network, if several run")
	return cmd
}

// explain finds and explains a transaction in a run file or a running network, as text or JSON.
func (p *program) explain(ctx context.Context, file, dir, id string, asJSON bool) (text []byte, err error) {
	if file == "" {
		v := url.Values{"id": {id}}
		if asJSON {
			v.Set("json", "1")
		}
		err = p.askRunning(ctx, dir, "/tx", v, func(body io.Reader) error { text, err = io.ReadAll(body); return err })
		return text, err
	}
	run, err := session.OpenRunFile(file)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	return explained(run, id, asJSON)
}

// explained writes the document of the transaction whose id begins with prefix.
func explained(src report.Source, prefix string, asJSON bool) ([]byte, error) {
	id, err := report.FindTx(src, prefix)
	if err != nil {
		return nil, err
	}
	doc, err := report.Explain(src, id)
	if err != nil || !asJSON {
		return []byte(doc.Text()), err
	}
	b, err := doc.Copy()
	return append(b, '\n'), err
}

// toFile calls write with a file that appears whole or not at all, or with standard
// output if no name is given.
func (p *program) toFile(name string, write func(io.Writer) error) error {
	if name == "" {
		return write(p.out)
	}
	switch info, err := os.Stat(name); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder; name a file with --output", name)
	case err == nil && !info.Mode().IsRegular():
		// A pipe or a device is written to: a file in its place would replace it.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return errors.Join(write(f), f.Close())
	}
	f, err := os.Create(name + ".part")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		os.Remove(name + ".part")
		return err
	}
	if err := os.Rename(name+".part", name); err != nil {
		os.Remove(name + ".part")
		return fmt.Errorf("write %s: %w; name another file with --output", name, err)
	}
	return nil
}
