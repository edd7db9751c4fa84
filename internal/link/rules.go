package link

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// reconnectPatience bounds how long healing a link, or Redial, waits until the
// connections over it work again or are known not to: on a link that stays slow a
// handshake takes its time.
const reconnectPatience = 5 * time.Second

// Rules say how all links behave. The zero value leaves them undisturbed.
type Rules struct {
	// Links are the rules for pairs of ends; of two that fit the later one counts.
	Links []Rule
	// Groups are the sides of a partition: every link between nodes of different groups
	// is cut. Names may be patterns; a node belongs to the first group that fits, and
	// one that no group names keeps all its links.
	Groups [][]string
}

// Put adds a rule, or replaces the one for exactly these ends (either way round, unless
// it is for one way only). A rule that disturbs nothing only takes away.
func (r *Rules) Put(rule Rule) {
	r.Links = slices.DeleteFunc(slices.Clone(r.Links), func(old Rule) bool {
		same := old.From == rule.From && old.To == rule.To
		reversed := old.From == rule.To && old.To == rule.From
		return same || reversed && !rule.OneWay
	})
	if rule.Shape != (Shape{OneWay: rule.OneWay}) {
		r.Links = append(r.Links, rule)
	}
}

// SetRules replaces all rules at once: no message passes in between that neither the
// old nor the new rules let pass. Live connections change at once: cut ones are closed,
// and both ends get an error that says so; healed ones are dialled again at once.
//
// Nothing is recorded here: a network of many processes has one set of rules, and
// whoever changes it says so once.
func (n *Net) SetRules(rules Rules) error {
	for _, r := range rules.Links {
		if err := r.Check(); err != nil {
			return err
		}
	}
	for _, group := range rules.Groups {
		for _, pattern := range group {
			if _, err := path.Match(pattern, ""); err != nil {
				return fmt.Errorf("partition: pattern %q: %w", pattern, err)
			}
		}
	}
	n.links.mu.Lock()
	n.links.rules = rules
	healed := n.links.apply()
	n.links.mu.Unlock()
	awaitConnections(healed)
	return nil
}

// Redial connects at once to a node that was away and is back. Without it callers
// would be refused until their connections try again by themselves.
func (n *Net) Redial(name string) {
	n.links.mu.Lock()
	var back []returning
	for _, c := range n.links.clients {
		if _, _, cut := n.links.between(c.from, c.to); c.to == name && !cut {
			back = append(back, returning{c.conn, c.attempts.hurry()})
		}
	}
	n.links.mu.Unlock()
	awaitConnections(back)
}

// returning is a connection that is being made again at once.
type returning struct {
	conn   *grpc.ClientConn
	failed <-chan struct{} // closed if that came to nothing
}

// awaitConnections waits until no connection refuses calls any more because of an
// earlier failure, or the new attempt has failed as well: a node may be away for
// another reason.
func awaitConnections(all []returning) {
	ctx, cancel := context.WithTimeout(context.Background(), reconnectPatience)
	defer cancel()
	for _, r := range all {
		r.await(ctx)
	}
}

func (r returning) await(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.failed:
			cancel()
		case <-ctx.Done():
		}
	}()
	// An attempt from before shows as connecting until it has failed, also to a caller
	// that it has failed already.
	for state := r.conn.GetState(); state == connectivity.TransientFailure || state == connectivity.Connecting; state = r.conn.GetState() {
		if !r.conn.WaitForStateChange(ctx, state) {
			return
		}
	}
}
