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
	out   io.Writer
	lines chan string // what was typed; closed at the end of the input
}

func newTerminal(in io.Reader, out io.Writer) *terminal {
	t := &terminal{out: out, lines: make(chan string)}
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
		Chapter: func(c scenario.Chapter) { fmt.Fprintf(t.out, "\n== %d/%d %s\n", c.N, c.Of, c.Title) },
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
		case "chapter", "ask", "go_on", "task", "highlight", "close_up", "pace", "look", "expect", "events", "wait_event", "content", "nodes", "progress":
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

func (t *terminal) pause(ctx context.Context, text string) error {
	if text != "" {
		text += " "
	}
	fmt.Fprintf(t.out, "\n      %s[Enter]\n", text)
	_, err := t.read(ctx)
	return err
}

func (t *terminal) ask(ctx context.Context, q scenario.Question) (int, error) {
	fmt.Fprintf(t.out, "\n      %s\n", q.Text)
	for i, o := range q.Options {
		fmt.Fprintf(t.out, "        %c  %s\n", 'A'+i, o)
	}
	choice := -1
	for choice < 0 {
		fmt.Fprintf(t.out, "      A to %c: ", 'A'+len(q.Options)-1)
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
		verdict := "That is it."
		if choice != q.Answer {
			verdict = fmt.Sprintf("Many say so. It is %c.", 'A'+q.Answer)
		}
		fmt.Fprintf(t.out, "      %s %s\n", verdict, q.Why)
	}
	return choice, nil
}

func (t *terminal) task(task scenario.Task) {
	fmt.Fprintf(t.out, "\n      Your turn: %s\n      There is no window here: Enter lets the lesson do it.\n", task.Text)
	go func() {
		select {
		case <-t.lines:
			task.Do()
		case <-task.Done:
		}
	}()
}
