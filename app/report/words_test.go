package report_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/view/stage"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

// eachRun reads the recorded runs.
func eachRun(t *testing.T, do func(name string, events []trace.Event)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "view", "testdata", "*.fscope"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded runs: %v", err)
	}
	for _, file := range files {
		run, err := runfile.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		events, _, lost := run.Since(0, 1<<20)
		if lost > 0 || len(events) == 0 {
			t.Fatalf("%s has %d events and lacks %d", file, len(events), lost)
		}
		do(filepath.Base(file), events)
	}
}

// told is everything that a run says in a language, by where it says it.
func told(t *testing.T, src made, language string) map[string]string {
	t.Helper()
	book, all := words.Of(language), map[string]string{}
	w := stage.Alone(src)
	w.SetBook(book)
	w.Add(src.events)
	index := inspect.Alone(src)
	index.Add(src.events)
	end := view.Moment{Seq: src.events[len(src.events)-1].Seq, Time: src.events[len(src.events)-1].Time}
	for _, e := range src.events {
		at := view.Moment{Seq: e.Seq, Time: e.Time}
		all["caption: "+w.Caption(at, view.Selection{})] = string(e.Kind)
		switch e.Kind {
		case trace.Installed, trace.BuildStart, trace.LaunchStart, trace.LaunchEnd, trace.ChaincodeExit:
			f := w.Frame(at, stage.Options{Aspect: 1.5})
			for _, o := range f.Orgs {
				for _, p := range o.Peers {
					for _, c := range p.Containers {
						all["stage: "+c.Kind+": "+c.Line] = string(e.Kind)
					}
				}
			}
		}
	}
	for _, n := range w.Facts().Nodes {
		d := inspect.Of(inspect.Input{Source: src, Index: index, At: end, Book: book, Selection: view.Selection{What: view.SelectNode, Node: n.Name}})
		all["inspector: "+d.Text()] = n.Name
	}
	return all
}

// What a chaincode runs as is told by the event of its launch, and every text follows it: a
// process is never called a container, nor the reverse, and what somebody else runs is neither.
func TestWordsFollowTheRuntime(t *testing.T) {
	is := map[string]map[string]string{
		"en": {"docker": "container", "process": "process", "external": "service"},
		"de": {"docker": "Container", "process": "Prozess", "external": "Dienst"},
	}
	eachRun(t, func(name string, events []trace.Event) {
		for language, runtimes := range is {
			for runtime, word := range runtimes {
				src := made{events: append([]trace.Event(nil), events...)}
				for i := range src.events {
					if k := src.events[i].Kind; k == trace.LaunchStart || k == trace.LaunchEnd {
						src.events[i].Name = runtime
					}
				}
				seen := map[string]bool{}
				for text, where := range told(t, src, language) {
					place, _, _ := strings.Cut(text, ":")
					for other, wrong := range runtimes {
						pattern := regexp.MustCompile(`\b` + wrong + `\b`)
						switch {
						case other == runtime && pattern.MatchString(text):
							seen[place] = true
						case other != runtime && wrong != "Dienst" && wrong != "service" && pattern.MatchString(text):
							t.Errorf("%s in %s by runtime %s: %s speaks of a %s: %s", name, language, runtime, where, wrong, text)
						}
					}
				}
				for _, place := range []string{"caption", "stage", "inspector"} {
					if !seen[place] {
						t.Errorf("%s in %s by runtime %s: no %s speaks of a %s", name, language, runtime, place, word)
					}
				}
			}
		}
		var page strings.Builder
		if err := report.WriteHTML(&page, made{events: events}, report.PageInfo{}); err != nil || strings.Contains(page.String(), "ontainer") {
			t.Errorf("%s, of which no event tells a runtime: the report speaks of containers, or there is none: %v", name, err)
		}
	})
}

// Captions are sentences: none has gRPC's words around an error's cause, none is cut, and every
// one ends.
func TestCaptionsAreSentences(t *testing.T) {
	raw := regexp.MustCompile(`rpc error|code = |desc = |transport:|connection error|%!|\x00|…$|\.\.\.$|  |^ `)
	held := 0
	eachRun(t, func(name string, events []trace.Event) {
		for _, language := range []string{"en", "de"} {
			for text, where := range told(t, made{events: events}, language) {
				caption, ok := strings.CutPrefix(text, "caption: ")
				if !ok || caption == "" {
					continue
				}
				held++
				if found := raw.FindString(caption); found != "" || !strings.ContainsAny(caption[len(caption)-1:], ".!?") {
					t.Errorf("%s in %s, %s: %q: %s", name, language, where, found, caption)
				}
			}
		}
	})
	if held < 1000 {
		t.Errorf("there are %d captions only", held)
	}
}
