package report

import (
	"fmt"
	"strings"
)

// diagram is a transaction's messages as a sequence diagram: a line down for each node,
// an arrow for each message.
type diagram struct {
	W, H   int
	Heads  []head
	Arrows []arrow
	Left   int // messages that are left out
}

type head struct {
	X, Top, Bottom int
	Name, Detail   string
}

type arrow struct {
	X1, X2, Y int
	Tip       string // points of the arrow's head
	TextX     int
	Anchor    string
	Text, At  string
	Class     string
	Answer    bool
	Say       string
}

const (
	laneWidth, firstLane, headHeight, rowHeight = 168, 150, 46, 24
	mostLanes                                   = 24
)

// newDiagram draws a transaction's messages, nil if it has none.
func newDiagram(x *Explanation) *diagram {
	d := &diagram{}
	lanes := map[string]int{}
	lane := func(name string) (int, bool) {
		if _, ok := lanes[name]; !ok {
			if len(lanes) >= mostLanes {
				return 0, false
			}
			lanes[name] = firstLane + len(lanes)*laneWidth
			label, at, _ := strings.Cut(name, "@")
			if !strings.Contains(label, "_") { // a user at an organisation, not a chaincode at a peer
				label, at = name, ""
			}
			d.Heads = append(d.Heads, head{X: lanes[name], Name: cut(strings.TrimSuffix(label, ".example.com"), 24), Detail: cut(strings.TrimSuffix(at, ".example.com"), 26)})
		}
		return lanes[name], true
	}
	for i, m := range x.Messages {
		from, ok := lane(m.From)
		to, ok2 := lane(m.To)
		if !ok || !ok2 || len(d.Arrows) >= mostArrows {
			d.Left = len(x.Messages) - i
			break
		}
		d.Arrows = append(d.Arrows, newArrow(m, from, to, headHeight+20+len(d.Arrows)*rowHeight))
	}
	if len(d.Arrows) == 0 {
		return nil
	}
	d.H = headHeight + len(d.Arrows)*rowHeight + 24
	d.W = firstLane + (len(d.Heads)-1)*laneWidth + 110
	for i := range d.Heads {
		d.Heads[i].Top, d.Heads[i].Bottom = headHeight, d.H-8
	}
	return d
}

func newArrow(m Message, from, to, y int) arrow {
	a := arrow{X1: from, X2: to, Y: y, At: milliseconds(m.AtMS), Class: classOf(m.Kind), Answer: isAnswer(m.Kind), Anchor: "middle", TextX: (from + to) / 2}
	a.Text = cut(strings.TrimSpace(strings.TrimPrefix(m.Kind, "chaincode.")+" "+m.Key), 25)
	a.Say = strings.TrimSpace(m.Kind + " " + m.Key + " " + m.Note)
	tip := -7
	if to < from {
		tip = 7
	}
	if to == from {
		a.X2, tip = from+40, 7
	}
	a.Tip = points(a.X2, y, a.X2+tip, y-4, a.X2+tip, y+4)
	return a
}

func points(xy ...int) string {
	var b strings.Builder
	for i := 0; i < len(xy); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%d,%d", xy[i], xy[i+1])
	}
	return b.String()
}

func isAnswer(kind string) bool {
	return strings.HasSuffix(kind, "response") || strings.HasSuffix(kind, "answer") || strings.HasSuffix(kind, "completed")
}

// classOf gives an arrow's colour by the kind of message.
func classOf(kind string) string {
	switch {
	case strings.HasPrefix(kind, "chaincode.put_") || strings.HasPrefix(kind, "chaincode.del_"):
		return "write"
	case strings.HasPrefix(kind, "chaincode.get_") || kind == "chaincode.response":
		return "read"
	case kind == "proposal-response" || kind == "gateway-answer" || kind == "chaincode.completed":
		return "endorsement"
	case strings.HasPrefix(kind, "block") || strings.HasPrefix(kind, "filtered"):
		return "block"
	case strings.HasPrefix(kind, "raft."):
		return "raft"
	}
	return "proposal"
}

// cut shortens a label to most characters.
func cut(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}
