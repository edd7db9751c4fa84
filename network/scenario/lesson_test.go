package scenario_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fabriscope/fabriscope/assets"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// TestLessons runs every lesson as it runs without a window.
func TestLessons(t *testing.T) {
	for _, l := range assets.Lessons() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel() // most of the time goes by in elections and in sleeping chaincode
			count := map[string]int{}
			err := scenario.Run(t.Context(), l.Name+".star", l.Source, scenario.Options{Runtime: "process", OnStep: func(s scenario.Step) {
				t.Logf("%3d line %d %s %s: %s", s.N, s.Line, s.Name, s.What, s.Result)
				count[s.Name]++
				for _, language := range assets.TextLanguages() {
					for _, text := range []scenario.Text{s.Text, s.Outcome} {
						if told := text.In(language); strings.Contains(told, "{{") || text.ID != "" && told == text.ID {
							t.Errorf("line %d says %q in %s", s.Line, told, language)
						}
					}
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				step      string
				least, to int
			}{{"chapter", 5, 8}, {"ask", 2, 6}, {"task", 4, 9}, {"expect", 8, 100}, {"go_on", 5, 40}} {
				if n := count[c.step]; n < c.least || n > c.to {
					t.Errorf("the lesson has %d of %s, want %d to %d", n, c.step, c.least, c.to)
				}
			}
		})
	}
}

// learner answers, acts and presses on like a person at the window.
type learner struct {
	t        *testing.T
	net      *network.Network
	answer   func(q scenario.Question) int
	act      func(ctx context.Context, n *network.Network, task scenario.Task)
	mu       sync.Mutex
	chapters []scenario.Chapter
	said     []scenario.Text
	asked    []scenario.Question
	shown    map[string]int
	tasks    sync.WaitGroup
	done     int
}

func (l *learner) teacher(ctx context.Context) *scenario.Teacher {
	l.shown = map[string]int{}
	show := func(what string) { l.shown[what]++ }
	return &scenario.Teacher{
		Chapter:   func(c scenario.Chapter) { l.chapters = append(l.chapters, c) },
		Say:       func(text scenario.Text) { l.said = append(l.said, text) },
		Pause:     func(ctx context.Context, text scenario.Text) error { show("pause"); return ctx.Err() },
		Highlight: func(m []scenario.Mark) { show("highlight") },
		CloseUp:   func(c scenario.CloseUp) { show("close-up") },
		Pace:      func(p scenario.Pace) { show("pace") },
		Look: func(k scenario.Look) {
			show("look")
			if events, _, _ := l.net.Trace().Since(k.Seq-1, 1); len(events) != 1 || events[0].Seq != k.Seq {
				l.t.Errorf("look at %d, which is not in the trace", k.Seq)
			}
		},
		Ask: func(_ context.Context, q scenario.Question) (int, error) {
			l.asked = append(l.asked, q)
			return l.answer(q), nil
		},
		Task: func(task scenario.Task) {
			l.tasks.Go(func() {
				l.act(ctx, l.net, task)
				<-task.Done
				l.mu.Lock()
				defer l.mu.Unlock()
				l.done++
			})
		},
	}
}

// submit is what the client panel does.
func submit(t *testing.T, ctx context.Context, n *network.Network, chaincode, function string, args ...string) error {
	t.Helper()
	client, err := n.Client("bob")
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Submit(ctx, network.Call{Chaincode: chaincode, Function: function, Args: args})
	return err
}

// acts are tasks, done from outside as a person does them, by their texts. What is not among
// them the lesson is asked to do.
func acts(t *testing.T) map[string]func(context.Context, *network.Network) {
	call := func(chaincode, function string, args ...string) func(context.Context, *network.Network) {
		return func(ctx context.Context, n *network.Network) {
			if err := submit(t, ctx, n, chaincode, function, args...); err != nil {
				t.Errorf("submit %s.%s: %v", chaincode, function, err)
			}
		}
	}
	kill := func(ctx context.Context, n *network.Network) {
		leader, err := n.Nodes.Leader(ctx)
		if err == nil {
			err = n.Nodes.Kill(leader)
		}
		if err != nil {
			t.Error(err)
		}
	}
	return map[string]func(context.Context, *network.Network){
		"lesson-1.idle.task":     call("basic", "TransferAsset", "asset2", "Grace"),
		"lesson-2.stream.task":   call("slow", "Write", "1", "0", "mine"),
		"lesson-3.set.task":      call("counter", "Increment", "clicks"),
		"lesson-3.after.task":    call("counter", "IncrementTwice", "elsewhere"), // not quite what was asked for
		"lesson-3.same.task":     call("counter", "Add", "elsewhere", "0"),
		"lesson-4.majority.task": call("basic", "TransferAsset", "asset2", "Grace"),
		"lesson-5.leader.task":   kill,
		"lesson-5.alone.task":    kill,
		"lesson-6.later.task":    call("basic", "TransferAsset", "asset2", "Grace"),
		"lesson-6.again.task":    call("basic", "TransferAsset", "asset1", "Grace"),
		"lesson-7.right.task":    call("auction", "Bid", "vase", "dan", "1"),
		"lesson-7.rich.task":     call("stock", "Add", "1", "box", "north", "9"), // what was found is changed
		"lesson-7.close.task":    call("auction", "Close", "lamp"),
		"lesson-8.roll.task": func(ctx context.Context, n *network.Network) {
			for range 60 {
				if submit(t, ctx, n, "dice", "Roll", "table") != nil {
					return
				}
			}
			t.Error("sixty rolls were all equal")
		},
	}
}

// TestLearner takes every lesson with somebody at the window: odd questions are
// answered wrongly, tasks are done by real submits.
func TestLearner(t *testing.T) {
	for _, l := range assets.Lessons() {
		t.Run(l.Name, func(t *testing.T) {
			t.Parallel()
			s := &learner{t: t}
			s.answer = func(q scenario.Question) int {
				if q.N%2 == 1 {
					return (q.Answer + 1) % len(q.Options)
				}
				return q.Answer
			}
			acted := 0
			s.act = func(ctx context.Context, n *network.Network, task scenario.Task) {
				if do := acts(t)[task.Text.ID]; do != nil {
					acted++
					do(ctx, n)
				} else {
					task.Do()
				}
			}
			var begun, ended []int
			err := scenario.Run(t.Context(), l.Name+".star", l.Source, scenario.Options{Runtime: "process", Teacher: s.teacher(t.Context()),
				OnStart: func(n *network.Network) { s.net = n },
				OnBegin: func(b scenario.Step) { begun = append(begun, b.Line) },
				OnStep: func(e scenario.Step) {
					if e.Line > 0 {
						ended = append(ended, e.Line)
					}
					if byHand := acts(t)[e.Text.ID] != nil; e.Name == "task" && byHand != (e.Result == "done") {
						t.Errorf("the task %s was %s", e.Text.ID, e.Result)
					}
				}})
			s.tasks.Wait()
			if err != nil {
				t.Fatal(err)
			}
			s.check(l)
			if acted == 0 {
				t.Error("no task was done by hand")
			}
			if len(begun) != len(ended) {
				t.Errorf("%d steps begun, %d ended", len(begun), len(ended))
			}
		})
	}
}

func (s *learner) check(l assets.Lesson) {
	t := s.t
	for i, c := range s.chapters {
		if c.N != i+1 || c.Of != len(l.Chapters) {
			t.Errorf("chapter %q is %d of %d, want %d of %d", c.Title, c.N, c.Of, i+1, len(l.Chapters))
		} else if c.Title.ID != l.Chapters[i].ID {
			t.Errorf("chapter %d was %q, assets lists %q", c.N, c.Title, l.Chapters[i])
		}
	}
	if s.done < 4 {
		t.Errorf("%d tasks were done, want 4 or more", s.done)
	}
	for _, q := range s.asked {
		if q.Of != len(s.asked) {
			t.Errorf("question %d is one of %d, want %d", q.N, q.Of, len(s.asked))
		}
		if !q.Later {
			continue
		}
		want := "lesson.right"
		if q.N%2 == 1 {
			want = "lesson.wrong"
		}
		if !slices.ContainsFunc(s.said, func(text scenario.Text) bool { return text.ID == want && s.tellsWhy(text, q) }) {
			t.Errorf("question %d was not taken up again with %s", q.N, want)
		}
	}
	for _, what := range []string{"pause", "highlight", "pace", "look"} {
		if s.shown[what] == 0 {
			t.Errorf("the lesson never calls %s", what)
		}
	}
}

// tellsWhy tells whether a text gives the reason of a question, in every language.
func (s *learner) tellsWhy(text scenario.Text, q scenario.Question) bool {
	for _, language := range assets.TextLanguages() {
		if !strings.Contains(text.In(language), q.Why.In(language)) {
			return false
		}
	}
	return true
}

// A person may give up on a task: the lesson then does it.
func TestShowMe(t *testing.T) {
	src := `
network("one-of-each")
e = task("Create an asset.", until = "basic.CreateAsset",
    otherwise = lambda: submit("alice", "basic", "CreateAsset", "a1", "red", "1", "alice", "1"))
expect(e.kind == "verdict" and e.key == "VALID", "the event is given back")
`
	s := &learner{t: t, act: func(_ context.Context, _ *network.Network, task scenario.Task) { task.Do(); task.Do() }}
	err := scenario.Run(t.Context(), "x.star", []byte(src), scenario.Options{Runtime: "process", Teacher: s.teacher(t.Context()),
		OnStart: func(n *network.Network) { s.net = n }})
	if err != nil {
		t.Fatal(err)
	}
	s.tasks.Wait()
}

// Whoever closes a lesson does not wait for the person's answer.
func TestALessonEndsWithItsContext(t *testing.T) {
	for _, call := range []string{`go_on("wait")`, `ask("q", options = ["a", "b"], answer = 0, why = "w")`} {
		ctx, cancel := context.WithCancel(t.Context())
		teacher := &scenario.Teacher{
			Pause: func(ctx context.Context, _ scenario.Text) error { cancel(); <-ctx.Done(); return ctx.Err() },
			Ask: func(ctx context.Context, _ scenario.Question) (int, error) {
				cancel()
				<-ctx.Done()
				return 0, ctx.Err()
			},
		}
		err := scenario.Run(ctx, "x.star", []byte(call), scenario.Options{Teacher: teacher})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s gave %v, want the end of the context", call, err)
		}
		cancel()
	}
}

func TestWrongLessons(t *testing.T) {
	for _, c := range []struct{ name, src, says string }{
		{"one option", `ask("q", options = ["a"], answer = 0, why = "w")`, "2 to 6"},
		{"no such answer", `ask("q", options = ["a", "b"], answer = 2, why = "w")`, "the first is 0"},
		{"no why", `ask("q", options = ["a", "b"], answer = 0, why = "")`, "why"},
		{"nothing asked", `reveal()`, "call ask before"},
		{"no pace", `pace("fast")`, "\"live\" or \"event\""},
		{"too slow", `pace(0)`, "1us"},
		{"no network", `highlight("alice")`, "call network() first"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := scenario.Run(t.Context(), "x.star", []byte("\n"+c.src+"\n"), scenario.Options{})
			if !errors.Is(err, scenario.ErrScript) || !strings.Contains(err.Error(), "x.star:2:") || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error of the script at x.star:2 that says %q", err, c.says)
			}
		})
	}
}

// TestPointingAtNothing: what a lesson points at must be there.
func TestPointingAtNothing(t *testing.T) {
	for _, c := range []struct{ src, says string }{
		{`highlight("peer9.org1")`, "nothing in this network is called"},
		{`highlight("block seven")`, "write \"block 7\""},
		{`highlight("basic_9.9@peer0.org1")`, "no chaincode basic_9.9 has run"},
		{`highlight(7)`, "cannot show a int"},
		{`close_up(99)`, "has not validated a block 99"},
		{`close_up("x")`, "a block above 0"},
		{`look()`, "where to"},
		{`look(seq = 99999999)`, "no event 99999999"},
		{`look(kind = "raft.snapshot")`, "finds no such event"},
		{`task("t", until = "x", otherwise = lambda: None)`, "basic.TransferAsset"},
		{`task("t", until = lambda e: e.nothing, otherwise = lambda: say("x"))`, ""},
	} {
		err := scenario.Run(t.Context(), "x.star", []byte("network(\"one-of-each\")\nsay(\"a\")\nsubmit(\"alice\", \"basic\", \"InitLedger\")\n"+c.src+"\n"),
			scenario.Options{Runtime: "process"})
		if !errors.Is(err, scenario.ErrScript) || !strings.Contains(err.Error(), "x.star:4:") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error of the script at line 4 that says %q", c.src, err, c.says)
		}
	}
}

// A state database is edited only where its peer does not hold it, and only where there is
// something to edit.
func TestEditState(t *testing.T) {
	src := `
network("one-of-each", cut = "idle")
submit("alice", "basic", "CreateAsset", "a1", "red", "1", "alice", "1")
settle()
peer = [n.name for n in nodes() if n.role == "peer"][0]
`
	for _, c := range []struct{ then, says string }{
		{`edit_state(peer, "basic", "a1", "{}")`, "stop it first"},
		{`stop(peer); edit_state(peer, "basic", "a2", "{}")`, "not found"},
		{`edit_state("orderer", "basic", "a1", "{}")`, "has no state"},
	} {
		err := scenario.Run(t.Context(), "x.star", []byte(src+c.then+"\n"), scenario.Options{Runtime: "process"})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", c.then, err, c.says)
		}
	}
	err := scenario.Run(t.Context(), "x.star", []byte(src+`
stop(peer)
edit_state(peer, "basic", "a1", "{\"ID\":\"a1\",\"Owner\":\"mallory\"}")
restart(peer)
expect(evaluate("alice", "basic", "ReadAsset", "a1").json["Owner"] == "mallory", "the peer believes its database")
expect(events(kind = "fault", node = peer)[0].what == "state-edited", "the trace tells of it")
`), scenario.Options{Runtime: "process"})
	if err != nil {
		t.Error(err)
	}
}
