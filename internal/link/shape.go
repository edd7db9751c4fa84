package link

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// ErrCut is why a call over a link that was cut on purpose fails. Through gRPC
// only its text arrives, with code Unavailable.
var ErrCut = errors.New("the link is cut; heal it to let messages pass again")

func cutError(from, to string) error {
	return fmt.Errorf("link %s to %s: %w", from, to, ErrCut)
}

// Shape is how a link behaves. The zero value is an undisturbed link.
type Shape struct {
	Latency time.Duration // added to every piece of data, one way
	Jitter  time.Duration // up to this much more, evenly distributed; order is kept
	Loss    float64       // probability, 0 to 1, that a piece is lost and sent again 200 ms later (400, 800 ... if lost again)
	Cut     bool          // connections are closed and refused
	OneWay  bool          // the rule is for from -> to only: Cut then stops what `from` dials, not what `to` dials
}

// retransmission is the smallest time after which Linux sends a lost segment again.
const retransmission = 200 * time.Millisecond

// maxDelay keeps a handshake of two round trips within its timeout.
const maxDelay = 5 * time.Second

// Rule is a Shape for the links between nodes whose names match.
type Rule struct {
	From, To string // names or patterns of path.Match, for example "peer*.org1.example.com"
	Shape
}

// links holds the rules and the connections that they apply to.
type links struct {
	mu        sync.Mutex
	rules     []Rule // later ones win
	partition [][]string
	opened    map[*conn]struct{}
	clients   []client
	number    uint64 // connections opened so far, for seeding
}

// client is a connection as gRPC keeps it: it outlives the sockets below.
type client struct {
	from, to string
	conn     *grpc.ClientConn
	cut      bool // when the rules were applied last
}

// SetLink sets how the links from one node to another behave, and back unless
// shape.OneWay. from and to may be patterns (path.Match); where several rules
// fit, the one set last wins. A zero Shape removes the rule. Live connections
// change at once: cut ones are closed, and both ends get an error that says so;
// healed ones are dialled again at once.
func (n *Net) SetLink(from, to string, shape Shape) error {
	if err := shape.check(from, to); err != nil {
		return err
	}
	n.links.mu.Lock()
	n.links.set(from, to, shape)
	healed := n.links.apply()
	n.links.mu.Unlock()
	n.trace.Record(trace.Event{Kind: trace.LinkRule, Node: from, Other: to, Note: shape.String()})
	awaitConnections(healed)
	return nil
}

// Partition cuts every link between nodes of different groups. Names may be
// patterns; a node belongs to the first group that fits, and one that no group
// names keeps all its links. It replaces an earlier partition; nil ends it.
func (n *Net) Partition(groups [][]string) error {
	for _, group := range groups {
		for _, pattern := range group {
			if _, err := path.Match(pattern, ""); err != nil {
				return fmt.Errorf("partition: pattern %q: %w", pattern, err)
			}
		}
	}
	words := make([]string, len(groups))
	for i, group := range groups {
		words[i] = strings.Join(group, " ")
	}
	note := "partition ended"
	if len(groups) > 0 {
		note = "partition: " + strings.Join(words, " | ")
	}
	n.links.mu.Lock()
	n.links.partition = groups
	healed := n.links.apply()
	n.links.mu.Unlock()
	n.trace.Record(trace.Event{Kind: trace.LinkRule, Note: note})
	awaitConnections(healed)
	return nil
}

// Heal ends the partition and every cut. Slow links stay slow; see SetLink.
func (n *Net) Heal() {
	n.links.mu.Lock()
	n.links.partition = nil
	n.links.rules = slices.DeleteFunc(n.links.rules, func(r Rule) bool {
		return r.Cut && r.Latency == 0 && r.Jitter == 0 && r.Loss == 0
	})
	for i := range n.links.rules {
		n.links.rules[i].Cut = false
	}
	healed := n.links.apply()
	n.links.mu.Unlock()
	n.trace.Record(trace.Event{Kind: trace.LinkRule, Note: "healed"})
	awaitConnections(healed)
}

// Shapes lists the rules in the order in which they were set.
func (n *Net) Shapes() []Rule {
	n.links.mu.Lock()
	defer n.links.mu.Unlock()
	return slices.Clone(n.links.rules)
}

// check refuses what cannot be meant.
func (s Shape) check(from, to string) error {
	for _, pattern := range []string{from, to} {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("link %q to %q: the name %q is empty or a malformed pattern", from, to, pattern)
		}
	}
	if s.Latency < 0 || s.Jitter < 0 || s.Latency+s.Jitter > maxDelay || s.Latency > maxDelay {
		return fmt.Errorf("link %s to %s: latency and jitter must lie between 0 and %v together; use Cut for a dead link", from, to, maxDelay)
	}
	if !(s.Loss >= 0 && s.Loss < 1) { // written so that NaN fails
		return fmt.Errorf("link %s to %s: loss must be at least 0 and below 1; use Cut for a dead link", from, to)
	}
	return nil
}

// String describes the shape in an event's note.
func (s Shape) String() string {
	var parts []string
	if s.Cut {
		parts = append(parts, "cut")
	}
	if s.Latency > 0 {
		parts = append(parts, "latency "+s.Latency.String())
	}
	if s.Jitter > 0 {
		parts = append(parts, "jitter "+s.Jitter.String())
	}
	if s.Loss > 0 {
		parts = append(parts, fmt.Sprintf("loss %.3g %%", s.Loss*100))
	}
	if len(parts) == 0 {
		return "undisturbed"
	}
	if s.OneWay {
		parts = append(parts, "one way")
	}
	return strings.Join(parts, ", ")
}

// set replaces the rule for exactly this pair.
func (l *links) set(from, to string, shape Shape) {
	l.rules = slices.DeleteFunc(l.rules, func(r Rule) bool {
		same := r.From == from && r.To == to
		reversed := r.From == to && r.To == from
		if !shape.OneWay && reversed {
			return true
		}
		return same
	})
	if undisturbed := (Shape{OneWay: shape.OneWay}); shape != undisturbed {
		l.rules = append(l.rules, Rule{From: from, To: to, Shape: shape})
	}
}

// apply brings the live connections in line with the rules. It returns those that
// were cut and are not any more: they are being dialled again. Caller holds mu.
func (l *links) apply() (healed []*grpc.ClientConn) {
	for c := range l.opened {
		out, in, cut := l.between(c.from, c.to)
		if cut {
			c.cut()
			continue
		}
		c.shape(out, in)
	}
	l.prune()
	for i := range l.clients {
		c := &l.clients[i]
		_, _, cut := l.between(c.from, c.to)
		if !cut {
			c.conn.ResetConnectBackoff()
		}
		if c.cut && !cut {
			healed = append(healed, c.conn)
		}
		c.cut = cut
	}
	return healed
}

// between is how the connections that from dials to to behave: data on its way
// out, data coming in, and whether they are cut. Caller holds mu.
func (l *links) between(from, to string) (out, in Shape, cut bool) {
	for _, rule := range l.rules {
		forward := match(rule.From, from) && match(rule.To, to)
		backward := match(rule.From, to) && match(rule.To, from)
		if forward || (backward && !rule.OneWay) {
			out, cut = rule.Shape, rule.Cut
		}
		if backward || (forward && !rule.OneWay) {
			in = rule.Shape
		}
	}
	if a, b := l.group(from), l.group(to); a >= 0 && b >= 0 && a != b {
		cut = true
	}
	return out, in, cut
}

// group is the index of the partition's group that name belongs to, -1 for none.
func (l *links) group(name string) int {
	return slices.IndexFunc(l.partition, func(group []string) bool {
		return slices.ContainsFunc(group, func(pattern string) bool { return match(pattern, name) })
	})
}

// match reports whether name fits pattern; patterns were checked when they were set.
func match(pattern, name string) bool {
	if pattern == name {
		return true
	}
	fits, err := path.Match(pattern, name)
	return err == nil && fits
}

func (l *links) isCut(from, to string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _, cut := l.between(from, to)
	return cut
}

// remember keeps a client so that a healed link is dialled at once.
func (l *links) remember(from, to string, conn *grpc.ClientConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune()
	_, _, cut := l.between(from, to)
	l.clients = append(l.clients, client{from, to, conn, cut})
}

// prune forgets clients that their owners have closed.
func (l *links) prune() {
	l.clients = slices.DeleteFunc(l.clients, func(c client) bool {
		return c.conn.GetState() == connectivity.Shutdown
	})
}

// open wraps a fresh socket; a rule set since it was asked for may refuse it.
func (l *links) open(from, to string, seed uint64, raw net.Conn) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, in, cut := l.between(from, to)
	if cut {
		_ = raw.Close() // nothing was sent on it
		return nil, cutError(from, to)
	}
	l.number++
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(from + "\x00" + to)) // never fails
	random := rand.New(rand.NewPCG(seed, hash.Sum64()+l.number))
	c := newConn(raw, from, to, random, l.forget)
	c.shape(out, in)
	l.opened[c] = struct{}{}
	return c, nil
}

func (l *links) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.opened, c)
}

// delay draws how long one piece of data travels.
func (s Shape) delay(random *rand.Rand) time.Duration {
	delay := s.Latency
	if s.Jitter > 0 {
		delay += time.Duration(random.Int64N(int64(s.Jitter) + 1))
	}
	for again := retransmission; s.Loss > 0 && again < time.Minute && random.Float64() < s.Loss; again *= 2 {
		delay += again
	}
	return delay
}

// slow reports whether data must be delayed at all.
func (s Shape) slow() bool { return s.Latency > 0 || s.Jitter > 0 || s.Loss > 0 }
