package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/player"
	"github.com/fabriscope/fabriscope/app/player/write"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// exportFlags are what an export is made of.
type exportFlags struct {
	filterFlags
	pictureFlags
	format, output string
	payloads       bool
	pageFlags
}

// pageFlags say what a page of a run holds.
type pageFlags struct {
	report     bool
	noPayloads bool
	events     uint64
}

// formats are the formats by the endings of files that they are written to.
var formats = map[string]string{".jsonl": "jsonl", ".csv": "csv", ".json": "chrome", ".mmd": "mermaid", ".puml": "plantuml", ".html": "html",
	".png": "png", ".svg": "svg", ".gif": "gif"}

func (p *program) export() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:     "export RUN.fscope",
		GroupID: "look",
		Short:   "Write a recorded run for other tools, or as a page to read",
		Long: `Writes a recorded run as
  jsonl     one JSON object an event
  csv       one line an event
  chrome    JSON for chrome://tracing and ui.perfetto.dev
  mermaid   a sequence diagram of one transaction (needs --tx)
  plantuml  the same for PlantUML
  html      one page that anybody opens in a browser: the run in motion, as in the
            window, forwards and backwards, and below it a report with summary,
            charts, blocks and every invalid transaction; it needs no other file
            and no network. --report leaves the motion out. Long runs are shown
            from --from to --to, or their last 50,000 events (--events). Messages
            hold certificates and values of keys: --no-payloads leaves them out
  png, svg  the stage or the timeline (--of) at a moment (--at), with one
            transaction lit up if --tx names it; the stage with time and caption
  gif       the same in motion, over the life of --tx or from --from to --to;
            without these that of the first transaction that is not valid
Without --format the ending of --output decides: .jsonl, .csv, .json (chrome),
.mmd, .puml, .html, .png, .svg or .gif.`,
		Example: `  fabriscope export demo.fscope --report --output report.html
  fabriscope export demo.fscope --output demo.html
  fabriscope export demo.fscope --format chrome --output demo.json
  fabriscope export demo.fscope --format mermaid --tx 51c0
  fabriscope export demo.fscope --format csv --kind 'raft.*'
  fabriscope export demo.fscope --tx 51c0 --output stage.png
  fabriscope export demo.fscope --output first-conflict.gif
  fabriscope export demo.fscope --of timeline --tx 51c0 --theme light --output timeline.svg
  fabriscope export demo.fscope --from 3.2s --to 3.3s --output race.gif`,
		Args: exactly("RUN.fscope"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			run, err := session.OpenRunFile(args[0])
			if err != nil {
				return err
			}
			defer run.Close()
			return p.writeExport(run, &f)
		},
	}
	f.filterFlags.define(cmd)
	f.pictureFlags.define(cmd)
	cmd.Flags().StringVar(&f.format, "format", "", "jsonl (the default), csv, chrome, mermaid, plantuml, html, png, svg or gif")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write instead of standard output")
	cmd.Flags().BoolVar(&f.payloads, "payloads", false, "jsonl: with every message decoded to the last field")
	cmd.Flags().BoolVar(&f.report, "report", false, "html: only the report, without the run in motion")
	cmd.Flags().BoolVar(&f.noPayloads, "no-payloads", false, "html: without what messages hold (certificates, keys and values)")
	cmd.Flags().Uint64Var(&f.events, "events", write.MostEvents, "html: how many events the page holds at most")
	return cmd
}

func (p *program) writeExport(run *runfile.Run, f *exportFlags) error {
	format := f.format
	if format == "" {
		if format = formats[strings.ToLower(filepath.Ext(f.output))]; format == "" {
			format = "jsonl"
		}
	}
	return p.toFile(f.output, func(w io.Writer) error {
		switch format {
		case "png", "svg", "gif":
			a, err := newAlbum(run, f, format == "gif")
			if err != nil {
				return err
			}
			return a.writePicture(w, format, f.of, f.length)
		case "jsonl":
			return report.WriteJSONL(w, run, f.Fits, f.payloads)
		case "csv":
			return report.WriteCSV(w, run, f.Fits)
		case "chrome":
			return report.WriteChrome(w, run, f.Fits)
		case "mermaid":
			return sequence(w, run, f.TxID, report.WriteMermaid)
		case "plantuml":
			return sequence(w, run, f.TxID, report.WritePlantUML)
		case "html":
			return p.writePlayer(w, run, f)
		}
		return fmt.Errorf("format %q is not known: write jsonl, csv, chrome, mermaid, plantuml, html, png, svg or gif", format)
	})
}

func sequence(w io.Writer, run *runfile.Run, tx string, write func(io.Writer, report.Source, string) error) error {
	if tx == "" {
		return errors.New("a sequence diagram shows one transaction: name it with --tx")
	}
	id, err := report.FindTx(run, tx)
	if err != nil {
		return err
	}
	return write(w, run, id)
}

// writePlayer writes a run as a page, with what its file says about itself.
func (p *program) writePlayer(w io.Writer, run *runfile.Run, f *exportFlags) error {
	meta, err := run.Meta()
	if err != nil {
		return err
	}
	info := report.PageInfo{Meta: meta, Damage: run.Damage}
	if !f.report && !write.Available() {
		fmt.Fprintln(p.err, "note:", write.ErrAbsent)
	}
	if f.report {
		return report.WriteHTML(w, run, info)
	}
	head, err := f.head(run, meta)
	if err != nil {
		return err
	}
	return write.Page(w, run, info, head)
}

// head says which part of a run a page holds.
func (f *exportFlags) head(run *runfile.Run, meta trace.Meta) (player.Head, error) {
	h := session.PageHead(meta)
	count, err := run.Count()
	if err != nil {
		return h, err
	}
	h.Of, h.Contents, h.First, h.Events = count, !f.noPayloads, 1, count
	if f.from != "" || f.to != "" {
		if h.First, h.Events, err = f.span(run, count); err != nil {
			return h, err
		}
	}
	if f.events > 0 && h.Events > f.events {
		h.First, h.Events = h.First+h.Events-f.events, f.events
	}
	return h, nil
}

// span finds the events between two moments.
func (f *exportFlags) span(run *runfile.Run, count uint64) (first, events uint64, err error) {
	axis := view.NewAxis(int(count))
	for cursor := uint64(0); ; {
		batch, next, _ := run.Since(cursor, 4096)
		if len(batch) == 0 {
			break
		}
		axis.Add(batch)
		cursor = next
	}
	a := album{Models: &report.Models{Axis: axis}}
	if err := a.parseMoments(&f.pictureFlags); err != nil {
		return 0, 0, err
	}
	from, to := axis.At(a.from).Seq, axis.At(a.to).Seq
	return from, to - from + 1, nil
}

// runAndReport runs something that records to a file, and writes a page about it if one
// is asked for. Without a file of its own, the recording is thrown away afterwards.
func (p *program) runAndReport(record, page string, run func(record string) error) error {
	if page == "" {
		return run(record)
	}
	if _, err := os.Stat(filepath.Dir(page)); err != nil {
		return fmt.Errorf("write %s: %w; name a file in a folder that exists", page, err)
	}
	if record == "" {
		dir, err := os.MkdirTemp("", "fabriscope-report-")
		if err != nil {
			return fmt.Errorf("record the run for its report: %w", err)
		}
		defer os.RemoveAll(dir)
		record = filepath.Join(dir, "run.fscope")
	}
	result := run(record)
	file, err := session.OpenRunFile(record)
	if err != nil {
		return errors.Join(result, err)
	}
	defer file.Close()
	f := exportFlags{pageFlags: pageFlags{events: write.MostEvents}}
	return errors.Join(result, p.toFile(page, func(w io.Writer) error { return p.writePlayer(w, file, &f) }))
}
