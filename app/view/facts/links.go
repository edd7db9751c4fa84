package facts

import (
	"path"
	"strings"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Between gives the rule that is in force between two nodes: the later one wins. parted
// tells that a partition keeps them apart, whatever the rules say.
func (s *State) Between(a, b string) (rule *Rule, parted bool) {
	if s.parted(a, b) {
		return nil, true
	}
	for i := len(s.Rules) - 1; i >= 0; i-- {
		r := &s.Rules[i]
		if matches(r.From, a) && matches(r.To, b) || matches(r.From, b) && matches(r.To, a) {
			return r, false
		}
	}
	return nil, false
}

// Apart tells whether nothing passes between two nodes.
func (s *State) Apart(a, b string) bool {
	rule, parted := s.Between(a, b)
	return parted || rule != nil && rule.Cut
}

// parted tells whether a partition puts two nodes into different groups.
func (s *State) parted(a, b string) bool {
	ga, gb := -1, -1
	for i, group := range s.Groups {
		for _, name := range group {
			if name == a {
				ga = i
			}
			if name == b {
				gb = i
			}
		}
	}
	return ga >= 0 && gb >= 0 && ga != gb
}

func matches(pattern, name string) bool {
	if pattern == name {
		return true
	}
	if !strings.ContainsAny(pattern, "*?[") {
		return false
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// Natural orders names as people do: peer2 before peer10.
func Natural(a, b string) bool {
	for a != "" && b != "" {
		if digit(a[0]) && digit(b[0]) {
			i, j := digits(a), digits(b)
			x, y := strings.TrimLeft(a[:i], "0"), strings.TrimLeft(b[:j], "0")
			if len(x) != len(y) {
				return len(x) < len(y)
			}
			if x != y {
				return x < y
			}
			a, b = a[i:], b[j:]
			continue
		}
		if a[0] != b[0] {
			if a[0] == '.' || b[0] == '.' { // a name before the same name with a number
				return a[0] == '.'
			}
			return a[0] < b[0]
		}
		a, b = a[1:], b[1:]
	}
	return len(a) < len(b)
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func digits(s string) int {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return n
}

// HoldOf is the hold that an event sets or takes away.
func HoldOf(e *trace.Event) *Hold {
	return &Hold{ID: e.A, Kind: e.Name, From: e.Node, To: e.Other, Tx: e.TxID, Key: e.Key, Channel: e.Channel, Count: int(e.B), Since: e.Time, Seq: e.Seq}
}
