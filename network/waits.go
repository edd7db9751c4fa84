package network

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Whoever waits for long is told what for, and what is odd about it.

// waitTold is how long a step may take without a word; from then on it is told again
// after twice the time.
const waitTold = 3 * time.Second

// notOdd is what the trace says of a wait of which there is nothing to say.
const notOdd = "nothing is odd, it takes its time"

// watchWait tells what a step waits for until it is stopped.
func (r *run) watchWait(ctx context.Context, step string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for pause := waitTold; ; pause *= 2 {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			why := strings.Join(r.odd(ctx), "; ")
			if ctx.Err() != nil {
				return
			}
			r.trace.Record(trace.Event{Kind: trace.Progress, Node: r.topology.Name, Key: step, What: trace.Told, Note: "still waiting: " + cmp.Or(why, notOdd)})
			r.waiting(step, why)
		}
	}()
	return func() { cancel(); <-ended }
}

// odd says what is odd about the nodes now.
func (n *Nodes) odd(ctx context.Context) []string {
	statuses := n.Status(ctx)
	if ahead := peersAhead(statuses); ahead != "" {
		return []string{ahead}
	}
	return oddities(statuses)
}

// oddities tells in sentences why nodes may not go on.
func oddities(nodes []NodeStatus) []string {
	var out, behind []string
	var most uint64
	leader, orderers := "", 0
	for _, s := range nodes {
		most = max(most, s.Height)
		if s.Role == string(roleOrderer) && s.Running && s.Raft != "" { // one of another program does not say it
			orderers++
			leader = max(leader, s.Leader)
		}
	}
	for _, s := range nodes {
		switch {
		case !s.Running:
			out = append(out, s.Name+" does not run, or does not answer")
		case s.Problem != "":
			out = append(out, s.Name+" stands still: "+s.Problem)
		case s.Height < most:
			behind = append(behind, fmt.Sprintf("%s has %d", s.Name, s.Height))
		}
	}
	if orderers > 0 && leader == "" {
		out = append(out, fmt.Sprintf("none of the %d ordering nodes that answer knows a leader", orderers))
	}
	if len(behind) > 0 {
		out = append(out, fmt.Sprintf("of %d blocks %s", most, strings.Join(behind, ", ")))
	}
	return out
}

// peersAhead tells that a peer has blocks which the ordering service does not have: then
// it can never go on. "" if that is not so, or cannot be told because an ordering node
// does not answer or nobody leads.
func peersAhead(nodes []NodeStatus) string {
	var ordered, committed uint64
	ready, peer := "", ""
	for _, s := range nodes {
		switch {
		case s.Role != string(roleOrderer):
			if s.Height > committed {
				committed, peer = s.Height, s.Name
			}
		case !s.Running:
			return ""
		default:
			ordered = max(ordered, s.Height)
			if s.Ready {
				ready = s.Name
			}
		}
	}
	if ready == "" || committed <= ordered {
		return ""
	}
	return fmt.Sprintf("%s has %d blocks and the ordering service, led by %s, only %d", peer, committed, ready, ordered)
}

// ordered is how many blocks the ordering service has.
func ordered(nodes []NodeStatus) (height uint64) {
	for _, s := range nodes {
		if s.Role == string(roleOrderer) {
			height = max(height, s.Height)
		}
	}
	return height
}

// lostOrdering is what to do about that.
func (r *run) lostOrdering(ahead string) error {
	return fmt.Errorf("%s: an ordering node's database (%s) was lost or replaced; put it back from a copy, or begin anew in another folder",
		ahead, "nodes/"+r.topology.Orderers.NodeName(0)+"/"+r.topology.Channel+".channel.db in "+r.dir)
}
