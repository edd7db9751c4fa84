package scenario_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/syntax"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// speaking are the functions that say something, with the parameters that are texts; the
// first one may stand without its name.
var speaking = map[string][]string{
	"say": {"text"}, "go_on": {"text"}, "chapter": {"title"}, "task": {"text", "hint"}, "ask": {"question", "options", "why"},
}

// byProgram are the texts that no script names: the program fills them.
var byProgram = regexp.MustCompile(`^(lesson\.(name|chosen|answer|right|wrong)|(terminal|window)\..*|lesson-\d\.(title|question))$`)

// TestTexts: what shipped lessons and scenarios say are texts of the catalogues and no words
// of their own; each catalogue has each text, with the same places, and none that nobody
// says.
func TestTexts(t *testing.T) {
	english := assets.Texts("en")
	said := map[string]bool{}
	for name, src := range shipped(t) {
		f, err := (&syntax.FileOptions{TopLevelControl: true, GlobalReassign: true, While: true, Set: true}).Parse(name, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		syntax.Walk(f, func(n syntax.Node) bool {
			if call, ok := n.(*syntax.CallExpr); ok {
				for _, id := range textsOf(t, call) {
					said[id] = true
				}
			}
			return true
		})
	}
	for id := range english {
		if !said[id] && !byProgram.MatchString(id) {
			t.Errorf("no script says %s", id)
		}
	}
	for id := range said {
		if _, ok := english[id]; !ok {
			t.Errorf("a script says %q, which is no text of assets/texts", id)
		}
	}
	for _, language := range assets.TextLanguages() {
		texts := assets.Texts(language)
		for id, text := range english {
			switch translated, ok := texts[id]; {
			case !ok || strings.TrimSpace(translated) == "":
				t.Errorf("%s.json lacks %s", language, id)
			case !slices.Equal(places(translated), places(text)):
				t.Errorf("%s.json: %s has the places %v, in English it has %v", language, id, places(translated), places(text))
			case strings.HasSuffix(translated, ".") && regexp.MustCompile(`\.[a-f]$`).MatchString(id):
				t.Errorf("%s.json: the option %s ends with a full stop; what repeats it sets its own", language, id)
			}
		}
		for id := range texts {
			if _, ok := english[id]; !ok {
				t.Errorf("%s.json has %s, which the English texts lack", language, id)
			}
		}
	}
}

// shipped are the sources of all lessons and scenarios.
func shipped(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, l := range assets.Lessons() {
		all[l.Name] = l.Source
	}
	for _, name := range assets.ScenarioNames() {
		src, err := assets.Scenario(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = src
	}
	return all
}

// textsOf are the ids of the texts that a call says. Anything but a literal id is a mistake:
// values stand in the places of texts.
func textsOf(t *testing.T, call *syntax.CallExpr) (ids []string) {
	fn, ok := call.Fn.(*syntax.Ident)
	if !ok || speaking[fn.Name] == nil {
		return nil
	}
	for i, arg := range call.Args {
		parameter := ""
		if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
			parameter, arg = named.X.(*syntax.Ident).Name, named.Y
		} else if i == 0 {
			parameter = speaking[fn.Name][0]
		}
		if !slices.Contains(speaking[fn.Name], parameter) {
			continue
		}
		literal, ok := arg.(*syntax.Literal)
		if !ok || literal.Token != syntax.STRING || strings.Contains(literal.Value.(string), " ") {
			start, _ := call.Span()
			t.Errorf("%s: %s of %s is no id of a text", start, parameter, fn.Name)
			continue
		}
		id := literal.Value.(string)
		if fn.Name != "ask" {
			ids = append(ids, id)
			continue
		}
		ids = append(ids, id+".question", id+".why")
		for option := 'a'; assets.HasText(fmt.Sprintf("%s.%c", id, option)); option++ {
			ids = append(ids, fmt.Sprintf("%s.%c", id, option))
		}
	}
	return ids
}

var placePattern = regexp.MustCompile(`\{\{\.[a-z]+\}\}`)

func places(text string) []string {
	found := placePattern.FindAllString(text, -1)
	slices.Sort(found)
	return slices.Compact(found)
}

// recorded runs a scenario without a network and gives the events that it recorded.
func recorded(t *testing.T, src string, teacher *scenario.Teacher) []trace.Event {
	t.Helper()
	r := trace.NewRecorder(trace.Options{})
	if err := scenario.Run(t.Context(), "x.star", []byte(src), scenario.Options{Trace: r, Teacher: teacher}); err != nil {
		t.Fatal(err)
	}
	events, _, _ := r.Since(0, 1000)
	return events
}

// What a script says is recorded so that it can be read in every language afterwards.
func TestSayingsAreRecordedInEveryLanguage(t *testing.T) {
	events := recorded(t, `
ask("lesson-3.after.where", answer = 1, now = 4, once = 5, twice = 6)
reveal()
say("lesson-4.open.reason", endorsers = ["peer0.org1", "peer0.org2"], policy = "OR & more")
say("In words of its own, block {{.block}}.", block = 7)
`, &scenario.Teacher{})
	want := []struct{ key, note, german string }{
		{"ask", "IncrementTwice reads the counter (4), ", "IncrementTwice liest den Zähler (4), "},
		{"reveal", "B: 5. GetState gives the committed state, never what this call has written. Both reads gave 4.", "B: 5. GetState gibt den festgeschriebenen Zustand"},
		{"say", "The endorsement policy of open is OR & more. peer0.org1, peer0.org2 has signed", "Die Endorsement-Richtlinie von open ist OR & more. Unterschrieben hat peer0.org1, peer0.org2, und"},
		{"say", "In words of its own, block 7.", ""},
	}
	if len(events) != len(want) {
		t.Fatalf("%d events, want %d", len(events), len(want))
	}
	for i, w := range want {
		e := events[i]
		if e.Kind != trace.Say || e.Key != w.key || !strings.HasPrefix(e.Note, w.note) {
			t.Errorf("event %d is %s %s %q, want %q", i, e.Kind, e.Key, e.Note, w.note)
		}
		text, ok := assets.ReadText(e.Name)
		if ok != (w.german != "") || ok && (!strings.HasPrefix(text.In("de-AT"), w.german) || text.String() != e.Note) {
			t.Errorf("event %d: %q reads %q in German, want %q", i, e.Name, text.In("de"), w.german)
		}
	}
	if _, ok := assets.ReadText("lesson-9.of.a.later.version?x=1"); ok {
		t.Error("a text that nobody has was read")
	}
}

// A person's own lesson needs no catalogue; what it gives must have a place.
func TestPlacesAndArguments(t *testing.T) {
	for _, c := range []struct{ src, says string }{
		{`say("lesson-2.sees.block")`, "has a place {{.block}}"},
		{`say("lesson-2.sees.block", block = 7, peer = "p")`, `"peer"`},
		{`say("Hello.", peer = "p")`, `"peer"`},
		{`say("Hello, {{.peer}}.", peer = {})`, "must be a text, a number or a list"},
		{`ask("Why?", opions = ["a", "b"], answer = 0, why = "w")`, "2 to 6"},
	} {
		err := scenario.Run(t.Context(), "x.star", []byte(c.src), scenario.Options{})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s gave %v, want %q", c.src, err, c.says)
		}
	}
	events := recorded(t, `ask("Which of {{.n}}?", options = ["a {{.n}}.", "b"], answer = 0, why = "Because.", n = 2)`+"\nreveal()\n", nil)
	if len(events) != 2 || events[0].Note != "Which of 2?" || events[1].Note != "A: a 2. Because." || events[0].Name != "" {
		t.Errorf("a lesson with its own words recorded %+v", events)
	}
}
