package cli_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/gif"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is written into a pipe that has a name arrives at its reader, and the pipe stays:
// a file in its place would leave the reader waiting for ever.
func TestExportIntoAPipe(t *testing.T) {
	p := newProgram(t)
	pipe := filepath.Join(p.tmp, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	read := make(chan string, 1)
	go func() {
		data, err := os.ReadFile(pipe)
		if err != nil {
			data = []byte(err.Error())
		}
		read <- string(data)
	}()
	run, err := filepath.Abs(filepath.Join("..", "view", "testdata", "leader-dies.fscope"))
	if err != nil {
		t.Fatal(err)
	}
	p.must("export", run, "--format", "svg", "--output", pipe)
	if got, want := <-read, p.must("export", run, "--format", "svg"); got != want {
		t.Errorf("%d bytes came out of the pipe, %d are right", len(got), len(want))
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is no pipe any more: %v, %v", info, err)
	}
}

// One run, written as a page, as pictures and as an animation.
func TestExports(t *testing.T) {
	p := newProgram(t)
	file, page := filepath.Join(p.tmp, "race.fscope"), filepath.Join(p.tmp, "race.html")
	p.must("run", "two-clients-one-key", "--runtime", "process", "--record", file, "--report", page)
	loser := ""
	for _, l := range strings.Split(p.must("events", file, "--kind", "verdict", "--json"), "\n") {
		if strings.Contains(l, "MVCC_READ_CONFLICT") {
			var e struct{ TxID string }
			decode(t, l, &e)
			loser = e.TxID
		}
	}

	t.Run("page", func(t *testing.T) {
		fromRun, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		out := p.must("export", file, "--format", "html")
		if out != string(fromRun) {
			t.Error("run --report and export write different pages of one run")
		}
		for _, want := range []string{"MVCC_READ_CONFLICT", loser, "asset1 had version", "TransferAsset", "peer0.org1.example.com", "computed equal commit hashes"} {
			if !strings.Contains(out, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
	})
	t.Run("plantuml", func(t *testing.T) {
		if out := p.must("export", file, "--format", "plantuml", "--tx", loser); !strings.HasPrefix(out, "@startuml") || !strings.HasSuffix(out, "@enduml\n") {
			t.Errorf("got %q", out)
		}
	})
	for _, of := range []string{"stage", "timeline"} {
		t.Run(of, func(t *testing.T) {
			picture := filepath.Join(p.tmp, of+".png")
			p.must("export", file, "--of", of, "--tx", loser[:8], "--size", "800x500", "--theme", "light", "-o", picture)
			data, err := os.ReadFile(picture)
			if err != nil {
				t.Fatal(err)
			}
			pic, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			colours := map[any]bool{}
			for x := range 800 {
				for y := range 500 {
					colours[pic.At(x, y)] = true
				}
			}
			if b := pic.Bounds(); b.Dx() != 800 || b.Dy() != 500 || len(colours) < 50 {
				t.Errorf("a picture of %v with %d colours", b, len(colours))
			}
			d := xml.NewDecoder(strings.NewReader(p.must("export", file, "--of", of, "--format", "svg", "--at", "10ms")))
			for err = nil; err == nil; {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("the SVG is not well formed: %v", err)
			}
		})
	}
	t.Run("gif of what is interesting", func(t *testing.T) {
		args := []string{"export", file, "--format", "gif", "--size", "640x400", "--length", "1s"}
		if p.must(args...) != p.must(append(args, "--tx", loser)...) {
			t.Error("without a transaction the animation is not that of the first one that was rejected")
		}
		g, err := gif.DecodeAll(strings.NewReader(p.must(args...)))
		if err != nil {
			t.Fatal(err)
		}
		if g.Config.Width != 640 || g.Config.Height != 400 {
			t.Errorf("it is %d x %d", g.Config.Width, g.Config.Height)
		}
	})
	t.Run("caption", func(t *testing.T) {
		svg := p.must("export", file, "--format", "svg")
		if !strings.Contains(svg, " s</text>") || !strings.Contains(svg, "MVCC_READ_CONFLICT") {
			t.Error("the picture does not say when it is, or shows another moment than the first rejection")
		}
	})
	t.Run("gif", func(t *testing.T) {
		g, err := gif.DecodeAll(strings.NewReader(p.must("export", file, "--tx", loser, "--format", "gif", "--size", "640x400", "--length", "1s")))
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Image) < 3 {
			t.Errorf("only %d pictures differ over the life of a transaction", len(g.Image))
		}
	})
	t.Run("mistakes", func(t *testing.T) {
		for _, c := range []struct{ args, says string }{
			{"--format png --of chain", "stage or timeline"},
			{"--format png --theme pink", "dark or light"},
			{"--format png --size 10x10", "1440x900"},
			{"--format png --at yesterday", "time since the beginning"},
			{"--format gif --from 2s --to 1s", "--from must be before --to"},
			{"--format gif --tx " + loser + " --length 5h", "an animation lasts"},
			{"--format plantuml", "name it with --tx"},
			{"--format word", "is not known"},
		} {
			code, _, errOut := p.run(append([]string{"export", file}, strings.Fields(c.args)...)...)
			if code != 2 || !strings.Contains(errOut, c.says) || strings.Count(strings.TrimSpace(errOut), "\n") > 0 {
				t.Errorf("export %s: exit code %d, %q; want 2 and one sentence with %q", c.args, code, errOut, c.says)
			}
		}
	})
}
