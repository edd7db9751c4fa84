package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/network/report"
)

// exportFlags are what an export is made of.
type exportFlags struct {
	filterFlags
	pictureFlags
	format, output string
	payloads       bool
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
  html      a page with summary, charts, blocks and every invalid transaction
            with its reason and messages; it needs no other file and no network
  png, svg  the stage or the timeline (--of) at a moment (--at), with one
            transaction lit up if --tx names it
  gif       the same in motion, over the life of --tx or from --from to --to
Without --format the ending of --output decides: .jsonl, .csv, .json (chrome),
.mmd, .puml, .html, .png, .svg or .gif.`,
		Example: `  fabriscope export demo.fscope --output report.html
  fabriscope export demo.fscope --format chrome --output demo.json
  fabriscope export demo.fscope --format mermaid --tx 51c0
  fabriscope export demo.fscope --format csv --kind 'raft.*'
  fabriscope export demo.fscope --tx 51c0 --output stage.png
  fabriscope export demo.fscope --of timeline --tx 51c0 --theme light --output timeline.svg
  fabriscope export demo.fscope --from 3.2s --to 3.3s --output race.gif`,
		Args: exactly("RUN.fscope"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			run, err := openRun(args[0])
			if err != nil {
				return err
			}
			defer run.Close()
			return p.writeExport(run, &f)
		},
	}
	f.filterFlags.add(cmd)
	f.pictureFlags.add(cmd)
	cmd.Flags().StringVar(&f.format, "format", "", "jsonl (the default), csv, chrome, mermaid, plantuml, html, png, svg or gif")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write instead of standard output")
	cmd.Flags().BoolVar(&f.payloads, "payloads", false, "jsonl: with every message decoded to the last field")
	return cmd
}

func (p *program) writeExport(run view.RunSource, f *exportFlags) error {
	format := f.format
	if format == "" {
		if format = formats[strings.ToLower(filepath.Ext(f.output))]; format == "" {
			format = "jsonl"
		}
	}
	return p.toFile(f.output, func(w io.Writer) error {
		switch format {
		case "png", "svg", "gif":
			a, err := newAlbum(run, f)
			if err != nil {
				return err
			}
			return a.write(w, format, f.of, f.length)
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
			return writePage(w, run)
		}
		return fmt.Errorf("format %q is not known: write jsonl, csv, chrome, mermaid, plantuml, html, png, svg or gif", format)
	})
}

func sequence(w io.Writer, run view.RunSource, tx string, write func(io.Writer, *report.Explanation) error) error {
	if tx == "" {
		return errors.New("a sequence diagram shows one transaction: name it with --tx")
	}
	id, err := report.FindTx(run, tx)
	if err != nil {
		return err
	}
	x, err := report.Explain(run, id)
	if err != nil {
		return err
	}
	return write(w, x)
}

// writePage writes a run as a page, with what its file says about itself.
func writePage(w io.Writer, run view.RunSource) error {
	meta, err := run.Meta()
	if err != nil {
		return err
	}
	return report.WriteHTML(w, run, report.PageInfo{Meta: meta, Damage: run.Damage})
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
	file, err := openRun(record)
	if err != nil {
		return errors.Join(result, err)
	}
	defer file.Close()
	return errors.Join(result, p.toFile(page, func(w io.Writer) error { return writePage(w, file) }))
}
