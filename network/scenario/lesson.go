package scenario

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// Bounds of a lesson's words.
const (
	maxOptions  = 6
	taskTimeout = 30 * time.Second // for a task that the lesson does itself
)

// scriptNode is where the trace says that a scenario's steps happen.
const scriptNode = "script"

// outline is what a source says about itself before it runs.
type outline struct {
	chapters  []string
	questions int
}

// outlineOf counts the chapter() and ask() calls of a source. One in a loop counts once.
func outlineOf(f *syntax.File) outline {
	var o outline
	syntax.Walk(f, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return true
		}
		name, ok := call.Fn.(*syntax.Ident)
		if !ok {
			return true
		}
		switch name.Name {
		case "chapter":
			title := ""
			if len(call.Args) > 0 {
				if l, ok := call.Args[0].(*syntax.Literal); ok {
					title, _ = l.Value.(string)
				}
			}
			o.chapters = append(o.chapters, title)
		case "ask":
			o.questions++
		}
		return true
	})
	return o
}

// chapter is chapter(title): a new part begins.
func (r *run) chapter(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var title string
	if err := starlark.UnpackArgs("chapter", args, kwargs, "title", &title); err != nil {
		return nil, line{}, err
	}
	r.chapters++
	c := Chapter{N: r.chapters, Of: max(r.chapters, len(r.outline.chapters)), Title: Text{ID: title}}
	if r.teacher.Chapter != nil {
		r.teacher.Chapter(c)
	}
	return starlark.None, line{what: fmt.Sprintf("%d of %d: %s", c.N, c.Of, c.Title), text: c.Title}, nil
}

// ask is ask(question, options=, answer=, why=, later=False): a prediction. It gives
// the index that was chosen; headless, the right one. Without options and why, question
// is an id of the catalogue's that stands for all three.
func (r *run) ask(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	q, err := readQuestion(args, kwargs)
	if err != nil {
		return nil, line{}, err
	}
	r.asked++
	q.N, q.Of = r.asked, max(r.asked, r.outline.questions)
	choice := q.Answer
	l := line{what: q.Text.String(), text: q.Text}
	if r.teacher.Ask != nil {
		if choice, err = r.teacher.Ask(r.ctx, q); err != nil {
			return nil, l, &callError{err}
		}
		if choice < 0 || choice >= len(q.Options) {
			return nil, l, &callError{fmt.Errorf("the answer %d is not the index of an option", choice)}
		}
	}
	r.question, r.choice = &q, choice
	l.outcome = q.About("lesson.chosen", choice)
	l.result = l.outcome.String()
	options := make([]string, len(q.Options))
	for i, o := range q.Options {
		options[i] = o.String()
	}
	l.data = map[string]any{"choice": choice, "answer": q.Answer, "right": choice == q.Answer, "options": options, "why": q.Why.String()}
	return starlark.MakeInt(choice), l, nil
}

// readQuestion reads the arguments of ask.
func readQuestion(args starlark.Tuple, kwargs []starlark.Tuple) (q Question, err error) {
	kwargs, places, err := placed(kwargs, "question", "options", "answer", "why", "later")
	if err != nil {
		return q, err
	}
	var question, why string
	var list starlark.Value
	if err := starlark.UnpackArgs("ask", args, kwargs, "question", &question, "options?", &list, "answer", &q.Answer, "why?", &why, "later?", &q.Later); err != nil {
		return q, err
	}
	options, err := stringList(list, "options")
	if err != nil {
		return q, err
	}
	if list == nil && why == "" {
		if text, all, reason, ok := questionTexts(question); ok {
			question, options, why = text, all, reason
		}
	}
	switch {
	case len(options) < 2 || len(options) > maxOptions:
		return q, fmt.Errorf("ask has %d options; it needs 2 to %d", len(options), maxOptions)
	case q.Answer < 0 || q.Answer >= len(options):
		return q, fmt.Errorf("answer = %d is not the index of one of %d options; the first is 0", q.Answer, len(options))
	case why == "":
		return q, errors.New("ask needs why = ...: one or two sentences")
	}
	texts, err := sayings(places, append([]string{question, why}, options...)...)
	if err != nil {
		return q, err
	}
	q.Text, q.Why, q.Options = texts[0], texts[1], texts[2:]
	return q, nil
}

// About is a text of the catalogues about an option of the question. It may have places for
// its {{.letter}}, the {{.option}} itself, and {{.why}} the right one is right.
func (q *Question) About(id string, option int) Text {
	t := Text{ID: id, Args: map[string]string{}, Parts: map[string]string{}}
	maps.Copy(t.Args, q.Text.Args)
	for _, name := range t.Places() {
		switch name {
		case "letter":
			t.Args[name] = letter(option)
		case "option":
			t.Parts[name] = strings.TrimSuffix(q.Options[option].ID, ".")
		case "why":
			t.Parts[name] = q.Why.ID
		}
	}
	return t
}

// letter names an option: A, B, C ...
func letter(i int) string { return string(rune('A' + i)) }

// reveal is reveal(): it compares the last prediction with what happened.
func (r *run) reveal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	if err := starlark.UnpackArgs("reveal", args, kwargs); err != nil {
		return nil, line{}, err
	}
	if r.question == nil {
		return nil, line{}, errors.New("reveal has nothing to compare: call ask before")
	}
	q := r.question
	var text Text
	switch {
	case r.teacher.Ask == nil:
		text = q.About("lesson.answer", q.Answer)
	case r.choice == q.Answer:
		text = q.About("lesson.right", q.Answer)
	default:
		text = q.About("lesson.wrong", q.Answer)
		text.Args["chosen"] = letter(r.choice)
	}
	if r.teacher.Say != nil {
		r.teacher.Say(text)
	}
	right := r.choice == q.Answer
	r.question = nil
	return starlark.Bool(right), line{what: text.String(), text: text}, nil
}

// goOn is go_on(text="", **places): the lesson goes on when the person says so.
func (r *run) goOn(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	text, err := oneText("go_on", "text?", args, kwargs)
	if err != nil {
		return nil, line{}, err
	}
	l := line{what: text.String(), text: text}
	if r.teacher.Pause != nil {
		if err := r.teacher.Pause(r.ctx, text); err != nil {
			return nil, l, &callError{err}
		}
	}
	return starlark.None, l, nil
}

// highlight is highlight(*things): names, transactions, keys, "block 7".
func (r *run) highlight(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	if len(kwargs) > 0 {
		return nil, line{}, errors.New("highlight takes names, transactions and texts like \"block 7\", without keywords")
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	marks := make([]Mark, 0, len(args))
	words := make([]string, 0, len(args))
	for _, a := range args {
		m, err := r.mark(n, a)
		if err != nil {
			return nil, line{}, err
		}
		marks = append(marks, m)
		words = append(words, strings.TrimSpace(string(m.Kind)+" "+strings.TrimPrefix(m.Name, "block ")))
	}
	if r.teacher.Highlight != nil {
		r.teacher.Highlight(marks)
	}
	return starlark.None, line{what: strings.Join(words, ", ")}, nil
}

// mark finds what a word or value of the script means in this network.
func (r *run) mark(n *network.Network, v starlark.Value) (Mark, error) {
	if id := txidOf(v); id != "" {
		return Mark{Kind: MarkTx, Name: id}, nil
	}
	name, ok := starlark.AsString(v)
	if !ok || name == "" {
		return Mark{}, fmt.Errorf("highlight cannot show a %s; give a name, a transaction or \"block 7\"", v.Type())
	}
	if number, ok := strings.CutPrefix(name, "block "); ok {
		b, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			return Mark{}, fmt.Errorf("%q is not a block: write \"block 7\"", name)
		}
		return Mark{Kind: MarkBlock, Name: name, Block: b}, nil
	}
	if full, err := n.Nodes.Name(name); err == nil {
		return Mark{Kind: MarkNode, Name: full}, nil
	}
	t := n.Topology()
	for _, o := range t.Organizations {
		if o.Name == name {
			return Mark{Kind: MarkOrg, Name: name}, nil
		}
	}
	for _, c := range t.Clients {
		if c.Name == name {
			return Mark{Kind: MarkClient, Name: name}, nil
		}
	}
	if label, peer, ok := strings.Cut(name, "@"); ok && strings.Contains(label, "_") {
		full, err := n.Nodes.Name(peer)
		if err != nil {
			return Mark{}, err
		}
		name = label + "@" + full
		if len(n.Events(network.EventFilter{Node: name})) == 0 {
			return Mark{}, fmt.Errorf("no chaincode %s has run at %s", label, full)
		}
		return Mark{Kind: MarkContainer, Name: name}, nil
	}
	if events := n.Events(network.EventFilter{Key: name}); len(events) > 0 {
		return Mark{Kind: MarkKey, Name: name, Namespace: namespaceOf(events)}, nil
	}
	return Mark{}, fmt.Errorf("nothing in this network is called %q: no node, client, organisation, chaincode or key", name)
}

// namespaceOf is the chaincode whose calls read or wrote a key, "" if none of the events
// tells.
func namespaceOf(events []trace.Event) string {
	for i := range events {
		for _, name := range []string{events[i].Node, events[i].Other} {
			label, _, docked := strings.Cut(name, "@")
			if at := strings.LastIndex(label, "_"); docked && at > 0 {
				return label[:at]
			}
		}
	}
	return ""
}

// txidOf is the transaction of what begin or submit gave, "" of anything else.
func txidOf(v starlark.Value) string {
	with, ok := v.(starlark.HasAttrs)
	if !ok {
		return ""
	}
	field, err := with.Attr("txid")
	if err != nil || field == nil {
		return ""
	}
	id, _ := starlark.AsString(field)
	return id
}

// closeUp is close_up(block=, peer=): a block's validation enlarged. block is a number
// or a transaction's result; nothing: close it.
func (r *run) closeUp(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var block starlark.Value
	var peer string
	if err := starlark.UnpackArgs("close_up", args, kwargs, "block?", &block, "peer?", &peer); err != nil {
		return nil, line{}, err
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	var c CloseUp
	l := line{what: "closed"}
	if block != nil && block != starlark.None {
		if c, err = r.closeUpOf(n, block, peer); err != nil {
			return nil, line{}, err
		}
		l.what = fmt.Sprintf("block %d at %s", c.Block, c.Peer)
	}
	if r.teacher.CloseUp != nil {
		r.teacher.CloseUp(c)
	}
	return starlark.None, l, nil
}

func (r *run) closeUpOf(n *network.Network, block starlark.Value, peer string) (CloseUp, error) {
	var c CloseUp
	if with, ok := block.(starlark.HasAttrs); ok {
		if field, err := with.Attr("block"); err == nil && field != nil {
			block = field
		}
	}
	number, ok := block.(starlark.Int)
	if c.Block, _ = number.Uint64(); !ok || c.Block == 0 {
		return c, fmt.Errorf("close_up needs a block above 0 or the result of a transaction that is in one, not %s", block)
	}
	if peer == "" {
		for _, name := range n.Topology().NodeNames() {
			if strings.HasPrefix(name, "peer") {
				peer = name
				break
			}
		}
	}
	full, err := n.Nodes.Name(peer)
	if err != nil {
		return c, err
	}
	c.Peer = full
	for _, e := range n.Events(network.EventFilter{Kind: string(trace.ValidateFrom), Node: full}) {
		if e.Block == c.Block {
			return c, nil
		}
	}
	return c, fmt.Errorf("%s has not validated a block %d", full, c.Block)
}

// pace is pace("live"), pace("event") or pace("4ms"): how the playhead moves.
func (r *run) pace(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var how starlark.Value
	if err := starlark.UnpackArgs("pace", args, kwargs, "how", &how); err != nil {
		return nil, line{}, err
	}
	var p Pace
	l := line{}
	switch word, _ := starlark.AsString(how); word {
	case "live":
		p.Live, l.what = true, "live"
	case "event":
		p.Events, l.what = true, "event by event"
	default:
		d, err := durationOf(how, "pace", 0)
		if err != nil {
			return nil, l, fmt.Errorf("%w, or \"live\" or \"event\"", err)
		}
		if d < time.Microsecond {
			return nil, l, errors.New("pace: one second must show at least \"1us\"")
		}
		p.Scale, l.what = d, "one second shows "+d.String()
	}
	if r.teacher.Pace != nil {
		r.teacher.Pace(p)
	}
	return starlark.None, l, nil
}

// conceal is conceal(): what happens from now on is not shown before look() or pace().
func (r *run) conceal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	if err := starlark.UnpackArgs("conceal", args, kwargs); err != nil {
		return nil, line{}, err
	}
	if _, err := r.network(); err != nil {
		return nil, line{}, err
	}
	if r.teacher.Conceal != nil {
		r.teacher.Conceal()
	}
	return starlark.None, line{}, nil
}

// look is look(seq= or txid=, kind=, node=, key=, last=False, paused=False): the
// playhead goes to the first (or last) event that fits.
func (r *run) look(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, line, error) {
	var at starlark.Value
	var seq uint64
	var f network.EventFilter
	var last, paused bool
	if err := starlark.UnpackArgs("look", args, kwargs, "at?", &at, "seq?", &seq, "txid?", &f.TxID, "kind?", &f.Kind, "node?", &f.Node,
		"key?", &f.Key, "last?", &last, "paused?", &paused); err != nil {
		return nil, line{}, err
	}
	n, err := r.network()
	if err != nil {
		return nil, line{}, err
	}
	if at != nil && at != starlark.None {
		if seq == 0 && f == (network.EventFilter{}) && !last {
			seq = seqOf(at) // with a filter it is its transaction that is meant
		}
		if id := txidOf(at); id != "" && f.TxID == "" {
			f.TxID = id
		}
		if seq == 0 && f.TxID == "" {
			return nil, line{}, fmt.Errorf("look cannot go to a %s; give a transaction or an event", at.Type())
		}
	}
	f.Node = fullName(n, f.Node)
	e, err := lookFor(n, seq, f, last)
	if err != nil {
		return nil, line{}, err
	}
	if r.teacher.Look != nil {
		r.teacher.Look(Look{Seq: e.Seq, TxID: e.TxID, Paused: paused})
	}
	l := line{what: strings.TrimSpace(fmt.Sprintf("event %d, %s at %s %.8s", e.Seq, e.Kind, e.Node, e.TxID))}
	return eventValue(e), l, nil
}

// seqOf is the position of an event that events() or task() gave, 0 of anything else.
func seqOf(v starlark.Value) uint64 {
	with, ok := v.(starlark.HasAttrs)
	if !ok {
		return 0
	}
	field, err := with.Attr("seq")
	if err != nil || field == nil {
		return 0
	}
	number, _ := field.(starlark.Int)
	seq, _ := number.Uint64()
	return seq
}

func lookFor(n *network.Network, seq uint64, f network.EventFilter, last bool) (trace.Event, error) {
	if seq > 0 {
		events, _, _ := n.Trace().Since(seq-1, 1)
		if len(events) == 0 || events[0].Seq != seq {
			return trace.Event{}, fmt.Errorf("the trace has no event %d", seq)
		}
		return events[0], nil
	}
	if f == (network.EventFilter{}) {
		return trace.Event{}, errors.New("look needs to know where to: a transaction, seq=, txid=, kind=, node= or key=")
	}
	events := n.Events(f)
	if len(events) == 0 {
		return trace.Event{}, errors.New("look finds no such event; events() lists what there is")
	}
	if last {
		return events[len(events)-1], nil
	}
	return events[0], nil
}
