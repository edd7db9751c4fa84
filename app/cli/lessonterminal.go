package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/fabriscope/fabriscope/network/scenario"
)

// terminal shows a lesson to somebody who reads and types. There is no window to do a
// task in, so Enter lets the lesson do it.
type terminal struct {
	out      io.Writer
	language string
	lines    chan string // what was typed; closed at the end of the input
}

func newTerminal(in io.Reader, out io.Writer, language string) *terminal {
	t := &terminal{out: out, language: language, lines: make(chan string)}
	go func() { // ends with the input, or with the program
		defer close(t.lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			t.lines <- s.Text()
		}
	}()
	return t
}

func (t *terminal) teacher() *scenario.Teacher {
	return &scenario.Teacher{
		Chapter: func(c scenario.Chapter) { fmt.Fprintf(t.out, "\n== %d/%d %s\n", c.N, c.Of, c.Title.In(t.language)) },
		Ask:     t.ask,
		Pause:   t.pause,
		Task:    t.task,
	}
}

// readerSteps leaves out what the terminal has shown itself, what only a window can
// show, and what a lesson checks for itself.
func readerSteps(show func(scenario.Step)) func(scenario.Step) {
	return func(s scenario.Step) {
		switch s.Name {
		case "chapter", "ask", "go_on", "task", "highlight", "close_up", "pace", "look", "conceal", "expect", "events", "wait_event", "content", "listen", "nodes", "progress":
			if !s.Failed {
				return
			}
		}
		show(s)
	}
}

// read waits for a line; the end of the input counts as Enter.
func (t *terminal) read(ctx context.Context) (string, error) {
	select {
	case text := <-t.lines:
		return strings.TrimSpace(text), nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (t *terminal) pause(ctx context.Context, text scenario.Text) error {
	fmt.Fprintf(t.out, "\n      %s\n", strings.TrimSpace(text.In(t.language)+" [Enter]"))
	_, err := t.read(ctx)
	return err
}

func (t *terminal) ask(ctx context.Context, q scenario.Question) (int, error) {
	fmt.Fprintf(t.out, "\n      %s\n", q.Text.In(t.language))
	for i, o := range q.Options {
		fmt.Fprintf(t.out, "        %c  %s\n", 'A'+i, o.In(t.language))
	}
	choice := -1
	for choice < 0 {
		last := scenario.Text{ID: "terminal.choose", Args: map[string]string{"last": string(rune('A' + len(q.Options) - 1))}}
		fmt.Fprint(t.out, "      "+last.In(t.language))
		text, err := t.read(ctx)
		if err != nil {
			return 0, err
		}
		if text == "" {
			choice = q.Answer // nobody is there, or nobody wants to guess
		} else if i := int(strings.ToUpper(text)[0]) - 'A'; len(text) == 1 && i >= 0 && i < len(q.Options) {
			choice = i
		}
	}
	if !q.Later {
		verdict := q.About("terminal.right", choice)
		if choice != q.Answer {
			verdict = q.About("terminal.wrong", q.Answer)
		}
		fmt.Fprintf(t.out, "      %s\n", verdict.In(t.language))
	}
	return choice, nil
}

func (t *terminal) task(task scenario.Task) {
	turn, how := scenario.Text{ID: "terminal.turn"}, scenario.Text{ID: "terminal.no-window"}
	fmt.Fprintf(t.out, "\n      %s %s\n      %s\n", turn.In(t.language), task.Text.In(t.language), how.In(t.language))
	go func() {
		select {
		case <-t.lines:
			task.Do()
		case <-task.Done:
		}
	}()
}
