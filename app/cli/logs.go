package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// printed is one line of a chaincode, as the running network tells it.
type printed struct {
	Time    time.Time `json:"time"`
	Peer    string    `json:"peer"`
	Package string    `json:"package"` // its id
	Line    string    `json:"line,omitempty"`
	LeftOut int64     `json:"left_out,omitempty"` // so many lines were left out here
}

// logFilter chooses whose lines: Chaincode is a chaincode's name, or the label or id of a
// package; Peer is empty for all.
type logFilter struct{ Chaincode, Peer string }

// fits tells whether an event is a line that is asked for.
func (f logFilter) fits(e *trace.Event) bool {
	label, _, _ := strings.Cut(e.Name, ":")
	return (f.Peer == "" || e.Node == f.Peer) &&
		(f.Chaincode == label || f.Chaincode == e.Name || strings.HasPrefix(label, f.Chaincode+"_"))
}

// serveLogs answers GET /logs: the lines that are in memory as JSON, and with follow=1
// those to come, until whoever asks goes away or the network stops.
func serveLogs(mux *http.ServeMux, n *network.Network) {
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) {
		v := r.URL.Query()
		f := logFilter{Chaincode: v.Get("chaincode"), Peer: v.Get("peer")}
		if f.Peer != "" {
			name, err := n.Nodes.Name(f.Peer)
			if err != nil {
				http.Error(w, err.Error(), http.StatusNotFound)
				return
			}
			f.Peer = name
		}
		var cursor uint64
		out := json.NewEncoder(w)
		for {
			changed := n.Trace().Changed()
			events, next := n.Trace().Of(trace.ChaincodeLog, cursor)
			for i := range events {
				if e := &events[i]; f.fits(e) {
					if out.Encode(printed{time.Unix(0, e.Time), e.Node, e.Name, e.Key, e.A}) != nil {
						return
					}
				}
			}
			cursor = next
			if v.Get("follow") == "" || http.NewResponseController(w).Flush() != nil {
				return
			}
			select {
			case <-changed:
			case <-r.Context().Done():
				return
			case <-n.Done():
				return
			}
		}
	})
}

func (p *program) logs() *cobra.Command {
	var peer, dir string
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use: "logs CHAINCODE", GroupID: "look", Args: exactly("CHAINCODE"),
		Short: "Show what a chaincode of the running network prints",
		Long: `Shows what a chaincode printed, to standard output or standard error, at all peers, as
long as the running network remembers it (65,536 events of all kinds). CHAINCODE is
its name, or a package's label or id. Of a chaincode that prints more than 50 lines a
second some are left out, and it is said how many. A recorded run has the lines too:
fabriscope events RUN.fscope --kind chaincode.log`,
		Example: `  fabriscope logs basic --follow
  fabriscope logs basic_2.0 --peer peer0.org1`,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"chaincode": {args[0]}, "peer": {peer}}
			if follow {
				query.Set("follow", "1")
			}
			any := false
			err := p.askRunning(cmd.Context(), dir, "/logs", query, func(body io.Reader) error {
				for in := json.NewDecoder(body); ; any = true {
					var line printed
					if err := in.Decode(&line); err != nil {
						return p.logEnd(cmd.Context(), err)
					}
					if err := p.printLine(&line, asJSON); err != nil {
						return err
					}
				}
			})
			if err == nil && !any && !follow {
				fmt.Fprintf(p.err, "fabriscope: note: no chaincode %s has printed anything lately; see: fabriscope chaincodes\n", args[0])
			}
			return err
		},
	}
	cmd.Flags().StringVar(&peer, "peer", "", "only at this peer")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it prints from now on, until Ctrl-C")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	defineDir(cmd, &dir)
	return cmd
}

// logEnd tells the ordinary ends of a log from others: all is told, the network has
// stopped, or the reader has seen enough.
func (p *program) logEnd(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("read the log: %w", err)
}

// plainText keeps what a chaincode prints from steering the terminal.
func plainText(line string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return unicode.ReplacementChar
		}
		return r
	}, line)
}

func (p *program) printLine(l *printed, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(p.out).Encode(l)
	}
	label, _, _ := strings.Cut(l.Package, ":")
	text := plainText(l.Line)
	if l.LeftOut > 0 {
		text = fmt.Sprintf("(%d lines were left out)", l.LeftOut)
	}
	_, err := fmt.Fprintf(p.out, "%s %s %s| %s\n", l.Time.Format("15:04:05.000"), l.Peer, label, text)
	return err
}
