package report

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// each calls f for all events of a trace that fit, in order.
func each(src Source, fits func(*trace.Event) bool, f func(*trace.Event) error) error {
	var cursor uint64
	for {
		events, next, _ := src.Since(cursor, 4096)
		if len(events) == 0 {
			return nil
		}
		for i := range events {
			if fits != nil && !fits(&events[i]) {
				continue
			}
			if err := f(&events[i]); err != nil {
				return err
			}
		}
		cursor = next
	}
}

// eventJSON is an event in JSONL: names as in the documentation of the kinds.
type eventJSON struct {
	Seq     uint64       `json:"seq"`
	Time    string       `json:"time"`
	NS      int64        `json:"ns"`
	Kind    string       `json:"kind"`
	Dir     string       `json:"dir,omitempty"`
	Node    string       `json:"node,omitempty"`
	Other   string       `json:"other,omitempty"`
	Channel string       `json:"channel,omitempty"`
	TxID    string       `json:"txid,omitempty"`
	Block   uint64       `json:"block,omitempty"`
	Key     string       `json:"key,omitempty"`
	Note    string       `json:"note,omitempty"`
	Facts   trace.Facts  `json:"facts,omitempty"`
	Msg     string       `json:"msg,omitempty"`
	Payload *wire.Object `json:"payload,omitempty"`
}

func toJSON(e *trace.Event) eventJSON {
	j := eventJSON{Seq: e.Seq, Time: time.Unix(0, e.Time).UTC().Format(time.RFC3339Nano), NS: e.Time, Kind: string(e.Kind), Dir: e.Dir.String(),
		Node: e.Node, Other: e.Other, Channel: e.Channel, TxID: e.TxID, Block: e.Block, Key: e.Key, Note: e.Note, Facts: e.Facts()}
	if e.Msg != 0 {
		j.Msg = strconv.FormatUint(e.Msg, 16)
	}
	return j
}

// WriteJSONL writes one JSON object a line and event; payloads decoded to the last
// field if asked for.
func WriteJSONL(w io.Writer, src Source, fits func(*trace.Event) bool, payloads bool) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	sent := map[uint64]bool{} // messages whose payload was written where they were sent
	err := each(src, fits, func(e *trace.Event) error {
		j := toJSON(e)
		if e.Dir == trace.Sent {
			sent[e.Msg] = true
		}
		if payloads && (e.Dir != trace.Received || !sent[e.Msg]) {
			if name, raw, ok := src.Payload(e.Seq); ok {
				if j.Payload, _ = wire.Decode(name, raw); j.Payload == nil {
					return enc.Encode(j)
				}
			}
		}
		return enc.Encode(j)
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

// WriteCSV writes one line an event, with a header line.
func WriteCSV(w io.Writer, src Source, fits func(*trace.Event) bool) error {
	out := csv.NewWriter(w)
	if err := out.Write([]string{"seq", "ns", "kind", "dir", "node", "other", "channel", "txid", "block", "key", "note", "msg"}); err != nil {
		return err
	}
	err := each(src, fits, func(e *trace.Event) error {
		return out.Write([]string{strconv.FormatUint(e.Seq, 10), strconv.FormatInt(e.Time, 10), string(e.Kind), e.Dir.String(), e.Node, e.Other,
			e.Channel, e.TxID, strconv.FormatUint(e.Block, 10), e.Key, e.Note, strconv.FormatUint(e.Msg, 16)})
	})
	if err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

// WriteList writes events for people, one line each.
func WriteList(w io.Writer, src Source, fits func(*trace.Event) bool) error {
	out := bufio.NewWriter(w)
	var begin int64
	err := each(src, func(*trace.Event) bool { return true }, func(e *trace.Event) error {
		if begin == 0 {
			begin = e.Time
		}
		if fits != nil && !fits(e) {
			return nil
		}
		return writeLine(out, e, begin)
	})
	if err != nil {
		return err
	}
	return out.Flush()
}

func writeLine(w io.Writer, e *trace.Event, begin int64) error {
	who := e.Node
	switch {
	case e.Dir == trace.Received:
		who = e.Node + " <- " + e.Other
	case e.Other != "":
		who = e.Node + " -> " + e.Other
	}
	var more []string
	if e.TxID != "" {
		more = append(more, "tx "+e.TxID[:min(8, len(e.TxID))])
	}
	if e.Block > 0 {
		more = append(more, fmt.Sprintf("#%d", e.Block))
	}
	for _, s := range []string{e.Key, e.Note} {
		if s != "" {
			more = append(more, s)
		}
	}
	_, err := fmt.Fprintf(w, "%8d %+12.3f ms  %-24s %-8s %s  %s\n", e.Seq, float64(e.Time-begin)/1e6, e.Kind, e.Dir, who, strings.Join(more, "  "))
	return err
}

// mostArrows bounds the messages of a sequence diagram.
const mostArrows = 20_000

// dialect is how a language for sequence diagrams writes things.
type dialect struct {
	begin, end, participant, ask, answer, note string // formats
	clean                                      *strings.Replacer
}

var mermaid = dialect{begin: "sequenceDiagram\n", participant: "  participant %s as %s\n", ask: "  %s->>%s: %s\n", answer: "  %s-->>%s: %s\n", note: "  Note over %s: %s\n",
	clean: strings.NewReplacer(";", ",", "#", "no. ", "\n", " ", "<", "(", ">", ")", "\x00", "·", ":", " ")}

var plantUML = dialect{begin: "@startuml\n", end: "@enduml\n", participant: "participant \"%[2]s\" as %[1]s\n", ask: "%s -> %s : %s\n", answer: "%s --> %s : %s\n", note: "note over %s : %s\n",
	clean: strings.NewReplacer("\n", " ", "\r", " ", "\"", "'", "<", "(", ">", ")", "\\", "/", "\x00", "·", "@start", "(at)start", "@end", "(at)end", "!", "·")}

// WriteMermaid writes one transaction as a Mermaid sequence diagram.
func WriteMermaid(w io.Writer, src Source, txID string) error { return mermaid.write(w, src, txID) }

// WritePlantUML writes one transaction as a PlantUML sequence diagram.
func WritePlantUML(w io.Writer, src Source, txID string) error { return plantUML.write(w, src, txID) }

func (d *dialect) write(w io.Writer, src Source, txID string) error {
	doc, err := explain(src, inspect.Alone(src), txID, mostArrows)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	fmt.Fprint(out, d.begin)
	ids := map[string]string{}
	name := func(n string) {
		if _, ok := ids[n]; !ok {
			ids[n] = fmt.Sprintf("n%d", len(ids))
			fmt.Fprintf(out, d.participant, ids[n], d.clean.Replace(n))
		}
	}
	messages := messagesOf(doc)
	for _, m := range messages {
		name(m.From)
		name(m.To)
	}
	judge := shownAs(doc.Tx.Judge, ids)
	if judge == "" && doc.Tx.Judge != "" { // a peer that did not endorse was the first to judge it
		judge = doc.Tx.Judge
		name(judge)
	}
	for _, m := range messages {
		arrow := d.ask
		if m.Reply {
			arrow = d.answer
		}
		fmt.Fprintf(out, arrow, ids[m.From], ids[m.To], d.clean.Replace(m.What))
	}
	if judge != "" && doc.Tx.Code != "" {
		fmt.Fprintf(out, d.note, ids[judge], d.clean.Replace(strings.TrimSuffix(doc.Tx.Code+": "+doc.Tx.Reason, ": ")))
	}
	fmt.Fprint(out, d.end)
	return out.Flush()
}

// messagesOf are the messages in a transaction's document that went from node to node.
func messagesOf(doc *inspect.Document) (out []inspect.Message) {
	for i := range doc.Blocks {
		for _, m := range doc.Blocks[i].List {
			if m.To != "" {
				out = append(out, m)
			}
		}
	}
	return out
}

// chromeEvent is one entry of the trace format that Chrome and Perfetto read.
type chromeEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	TS    float64        `json:"ts"` // microseconds
	Dur   float64        `json:"dur,omitempty"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	ID    string         `json:"id,omitempty"`
	BP    string         `json:"bp,omitempty"`
	Scope string         `json:"s,omitempty"`
	Args  map[string]any `json:"args,omitempty"`
}

// spans are the pairs of kinds that make a bar.
var spans = map[trace.Kind]trace.Kind{
	trace.SimulateStart: trace.SimulateEnd, trace.ValidateFrom: trace.Committed,
	trace.BuildStart: trace.BuildEnd, trace.LaunchStart: trace.LaunchEnd,
}

// WriteChrome writes the trace as JSON for chrome://tracing and Perfetto: a row per
// node, bars for simulations, validations, builds and launches, arrows for
// messages.
func WriteChrome(w io.Writer, src Source, fits func(*trace.Event) bool) error {
	c := &chromeWriter{out: bufio.NewWriter(w), rows: map[string]int{}, open: map[string]trace.Event{}, ends: map[trace.Kind]trace.Kind{}}
	for start, end := range spans {
		c.ends[end] = start
	}
	if _, err := c.out.WriteString(`{"displayTimeUnit":"ms","traceEvents":[`); err != nil {
		return err
	}
	if err := each(src, fits, c.event); err != nil {
		return err
	}
	names := make([]string, 0, len(c.rows))
	for n := range c.rows {
		names = append(names, n)
	}
	sort.Strings(names)
	for i, n := range names {
		if err := c.put(chromeEvent{Name: "thread_name", Phase: "M", PID: 1, TID: c.rows[n], Args: map[string]any{"name": n}}); err != nil {
			return err
		}
		if err := c.put(chromeEvent{Name: "thread_sort_index", Phase: "M", PID: 1, TID: c.rows[n], Args: map[string]any{"sort_index": i}}); err != nil {
			return err
		}
	}
	if _, err := c.out.WriteString("\n]}\n"); err != nil {
		return err
	}
	return c.out.Flush()
}

// chromeWriter pairs starts with ends and messages with arrows.
type chromeWriter struct {
	out   *bufio.Writer
	rows  map[string]int
	open  map[string]trace.Event
	ends  map[trace.Kind]trace.Kind
	begin int64
	any   bool
}

// maxOpenSpans bounds the starts that wait for their end.
const maxOpenSpans = 100_000

func (c *chromeWriter) row(node string) int {
	if node == "" {
		node = "network"
	}
	if _, ok := c.rows[node]; !ok {
		c.rows[node] = len(c.rows) + 1
	}
	return c.rows[node]
}

func (c *chromeWriter) event(e *trace.Event) error {
	if c.begin == 0 {
		c.begin = e.Time
	}
	base := chromeEvent{Name: string(e.Kind), TS: float64(e.Time-c.begin) / 1e3, PID: 1, TID: c.row(e.Node), Args: args(e)}
	if _, ok := spans[e.Kind]; ok {
		if len(c.open) < maxOpenSpans {
			c.open[spanKey(e.Kind, e)] = *e
		}
		return nil
	}
	if start, ok := c.ends[e.Kind]; ok {
		if s, ok := c.open[spanKey(start, e)]; ok {
			delete(c.open, spanKey(start, e))
			base.Phase, base.TS, base.Dur = "X", float64(s.Time-c.begin)/1e3, float64(e.Time-s.Time)/1e3
			base.Name = strings.TrimSuffix(string(start), ".start")
			return c.put(base)
		}
	}
	if e.Msg != 0 && (e.Dir == trace.Sent || e.Dir == trace.Received) {
		return c.message(e, base)
	}
	base.Phase, base.Scope = "i", "t"
	return c.put(base)
}

// message puts a short bar and the arrow's start or end at it.
func (c *chromeWriter) message(e *trace.Event, base chromeEvent) error {
	base.Phase, base.Dur = "X", 1
	if err := c.put(base); err != nil {
		return err
	}
	arrow := base
	arrow.Dur, arrow.Args, arrow.Cat, arrow.ID, arrow.Phase = 0, nil, "message", strconv.FormatUint(e.Msg, 16), "s"
	if e.Dir == trace.Received {
		arrow.Phase, arrow.BP = "f", "e"
	}
	return c.put(arrow)
}

func spanKey(k trace.Kind, e *trace.Event) string {
	switch k {
	case trace.ValidateFrom:
		return fmt.Sprintf("%s %s %d", k, e.Node, e.Block)
	case trace.SimulateStart:
		return fmt.Sprintf("%s %s %s", k, e.Node, e.TxID)
	}
	return fmt.Sprintf("%s %s %s", k, e.Node, e.Key)
}

func args(e *trace.Event) map[string]any {
	a := map[string]any{"seq": e.Seq}
	for name, v := range map[string]string{"txid": e.TxID, "key": e.Key, "note": e.Note, "other": e.Other, "dir": e.Dir.String()} {
		if v != "" {
			a[name] = v
		}
	}
	if e.Block > 0 {
		a["block"] = e.Block
	}
	return a
}

func (c *chromeWriter) put(e chromeEvent) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	sep := ",\n"
	if !c.any {
		sep, c.any = "\n", true
	}
	if _, err := c.out.WriteString(sep); err != nil {
		return err
	}
	_, err = c.out.Write(b)
	return err
}

// shownAs is the name under which a node stands in a diagram: messages have shortened ones.
func shownAs(node string, ids map[string]string) string {
	for name := range ids {
		if node == name || strings.HasPrefix(node, name+".") {
			return name
		}
	}
	return ""
}
