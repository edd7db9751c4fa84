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

// Event says what a rule does from now on.
func (r Rule) Event() trace.Event {
	e := trace.Event{Kind: trace.LinkRule, Node: r.From, Other: r.To, What: trace.RuleShaped, A: int64(r.Latency), B: int64(r.Jitter),
		C: int64(r.Loss * 1e6), Note: r.Shape.String()}
	switch {
	case r.Cut && r.OneWay:
		e.What = trace.RuleCutOneWay
	case r.Cut:
		e.What = trace.RuleCut
	case !r.slow():
		e.What = trace.RuleHealed
	case r.OneWay:
		e.What = trace.RuleShapedOneWay
	}
	return e
}

// way is a connection that rules apply to, with a wire or without.
type way interface {
	ends() (from, to string)
	shape(out, in Shape)
	cut()
}

// links holds the rules and the connections that they apply to.
type links struct {
	mu      sync.Mutex
	rules   Rules
	opened  map[way]struct{}
	clients []client
	number  uint64 // connections opened so far, for seeding
}

// client is a connection as gRPC keeps it: it outlives the sockets below.
type client struct {
	from, to string
	conn     *grpc.ClientConn
	attempts *redial
	cut      bool // when the rules were applied last
}

// Check refuses what cannot be meant.
func (r Rule) Check() error {
	from, to, s := r.From, r.To, r.Shape
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

// apply brings the live connections in line with the rules. It returns those that
// were cut and are not any more: they are being dialled again. Caller holds mu.
func (l *links) apply() (healed []returning) {
	for c := range l.opened {
		out, in, cut := l.between(c.ends())
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
		if c.cut && !cut {
			healed = append(healed, returning{c.conn, c.attempts.hurry()})
		}
		c.cut = cut
	}
	return healed
}

// between is how the connections that from dials to to behave: data on its way
// out, data coming in, and whether they are cut. Caller holds mu.
func (l *links) between(from, to string) (out, in Shape, cut bool) {
	for _, rule := range l.rules.Links {
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
	return slices.IndexFunc(l.rules.Groups, func(group []string) bool {
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

// shapes is how data travels between two ends now.
func (l *links) shapes(from, to string) (out, in Shape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, in, _ = l.between(from, to)
	return out, in
}

func (l *links) isCut(from, to string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _, cut := l.between(from, to)
	return cut
}

// remember keeps a client so that a healed link is dialled at once.
func (l *links) remember(from, to string, conn *grpc.ClientConn, attempts *redial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune()
	_, _, cut := l.between(from, to)
	l.clients = append(l.clients, client{from, to, conn, attempts, cut})
}

// prune forgets clients that their owners have closed.
func (l *links) prune() {
	l.clients = slices.DeleteFunc(l.clients, func(c client) bool {
		return c.conn.GetState() == connectivity.Shutdown
	})
}

// open wraps a fresh socket; a rule set since it was asked for may refuse it.
func (l *links) open(from, to string, seed uint64, raw net.Conn) (*conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, in, cut := l.between(from, to)
	if cut {
		_ = raw.Close() // nothing was sent on it
		return nil, cutError(from, to)
	}
	c := newConn(raw, from, to, l.random(from, to, seed), l.forget)
	c.shape(out, in)
	l.opened[c] = struct{}{}
	return c, nil
}

// join is open for a connection without a wire.
func (l *links) join(c *line, seed uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out, in, cut := l.between(c.from, c.to)
	if cut {
		c.cut()
		return cutError(c.from, c.to)
	}
	c.out.random, c.in.random = l.random(c.from, c.to, seed), l.random(c.from, c.to, seed)
	c.shape(out, in)
	l.opened[c] = struct{}{}
	return nil
}

// random is a source for one more connection. Caller holds mu.
func (l *links) random(from, to string, seed uint64) *rand.Rand {
	l.number++
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(from + "\x00" + to)) // never fails
	return rand.New(rand.NewPCG(seed, hash.Sum64()+l.number))
}

func (l *links) forget(c way) {
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
