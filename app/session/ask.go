package session

import (
	"context"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/network"
)

// How often the running network is asked about the selection, and what for at most.
const (
	askEvery      = time.Second
	askTimeout    = 5 * time.Second
	askNamespaces = 16
	askEntries    = 200 // of a namespace
	askHistory    = 100
	maxShownValue = 400 // characters
)

// asked is what the running network said about the selection: what the trace cannot know
// (addresses, process ids, digests over the whole state) and, where the trace does not
// reach back to the beginning, state and history.
type asked struct {
	sel     view.Selection
	facts   []inspect.Fact
	ledger  []namespaceState
	history *network.LedgerAnswer
	height  uint64
	version int
	stale   bool // to be asked again
	asking  bool
	waited  time.Duration
	took    time.Duration // the last question: one that is dear is asked seldom
}

// namespaceState is the state of one namespace at a peer.
type namespaceState struct {
	name   string
	answer *network.LedgerAnswer
}

// answer is what one question brought.
type answer struct {
	facts   []inspect.Fact
	ledger  []namespaceState
	history *network.LedgerAnswer
	height  uint64
}

// askLive asks the network about the selection now and then, in the background.
func (s *Session) askLive(dt time.Duration) {
	a := &s.asked
	a.waited += dt
	if a.asking || a.sel == s.selection && !a.stale && a.waited < max(askEvery, 20*a.took) {
		return
	}
	n := s.Net()
	if n == nil {
		return
	}
	var ask func(context.Context) (answer, error)
	sel, search := s.selection, s.document.search
	switch sel.What {
	case view.SelectNode:
		if _, ok := s.nodes.byName[sel.Node]; ok {
			ask = func(ctx context.Context) (answer, error) { return askNode(ctx, n, sel.Node) }
		}
	case view.SelectPeers:
		ask = func(ctx context.Context) (answer, error) { return askSums(ctx, n) }
	case view.SelectLedger:
		if s.reachesBack() {
			break
		}
		ask = func(ctx context.Context) (answer, error) { return askState(ctx, n, sel.Node, search) }
	case view.SelectKey:
		if s.reachesBack() {
			break
		}
		peer := sel.Node
		if peer == "" {
			peer = s.somePeer()
		}
		ask = func(ctx context.Context) (answer, error) { return askKey(ctx, n, peer, sel) }
	}
	if ask == nil {
		a.stale = false
		if a.sel != sel && a.sel.What != view.Nothing {
			*a = asked{version: a.version + 1}
		}
		return
	}
	a.asking, a.stale, a.waited = true, false, 0
	s.aside(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		begin := time.Now()
		got, err := ask(ctx)
		took := time.Since(begin)
		return func() {
			s.heard(sel, got, err)
			if a.took = took; err != nil {
				a.took = 0 // one that failed is asked again soon
			}
		}
	})
}

// heard takes an answer; an error leaves what was known.
func (s *Session) heard(sel view.Selection, got answer, err error) {
	a := &s.asked
	a.asking = false
	if err != nil {
		if a.sel != sel {
			*a = asked{sel: sel, version: a.version + 1, waited: a.waited}
		}
		return
	}
	before := answer{a.facts, a.ledger, a.history, a.height}
	if a.sel == sel && reflect.DeepEqual(before, got) {
		return
	}
	a.sel, a.facts, a.ledger, a.history, a.height = sel, got.facts, got.ledger, got.history, got.height
	a.version++
}

// reachesBack tells whether the panels have seen everything since the network's beginning.
func (s *Session) reachesBack() bool { return s.lost == 0 && !s.resumed }

// somePeer is a peer that runs.
func (s *Session) somePeer() string {
	for _, name := range s.Peers() {
		if s.nodes.byName[name].Running {
			return name
		}
	}
	return ""
}

func askNode(ctx context.Context, n *network.Network, node string) (answer, error) {
	var a answer
	for _, st := range n.Status(ctx) {
		if st.Name != node {
			continue
		}
		add := func(name, value string) {
			if value != "" {
				a.facts = append(a.facts, inspect.Fact{Name: name, Value: value})
			}
		}
		if !st.Running {
			add("state", "not running")
			return a, nil
		}
		add("address", st.Addr)
		if st.PID > 0 {
			add("process", fmt.Sprint(st.PID))
		}
		add("height", fmt.Sprint(st.Height))
		add("last block's hash", st.Hash)
		add("commit hash", st.CommitHash)
		add("chaincode runs as", strings.TrimSuffix(st.Runtime+": "+st.RuntimeWhy, ": "))
		for _, c := range st.Chaincodes {
			label, _, _ := strings.Cut(c.PackageID, ":")
			state := "starting"
			if c.Ready {
				state = "ready"
			}
			add(label, strings.TrimSpace(c.Runtime+" "+state))
		}
	}
	return a, nil
}

// askSums compares the peers' whole states.
func askSums(ctx context.Context, n *network.Network) (answer, error) {
	var a answer
	sums, err := n.StateSums(ctx)
	for name, sum := range sums {
		a.facts = append(a.facts, inspect.Fact{Name: "state of " + view.Short(name), Value: sum})
	}
	sort.Slice(a.facts, func(i, j int) bool { return a.facts[i].Name < a.facts[j].Name })
	return a, err
}

// askState asks for the state of all namespaces, or for the keys that begin with search.
func askState(ctx context.Context, n *network.Network, peer, search string) (answer, error) {
	var a answer
	names, err := n.Ledger(ctx, peer, network.LedgerQuery{})
	if err != nil {
		return a, err
	}
	a.height = names.Height
	for _, ns := range names.Namespaces {
		if len(a.ledger) == askNamespaces {
			break
		}
		got, err := n.Ledger(ctx, peer, network.LedgerQuery{Namespace: ns, Prefix: search, Limit: askEntries})
		if err != nil {
			return a, err
		}
		a.ledger = append(a.ledger, namespaceState{ns, got})
	}
	return a, nil
}

func askKey(ctx context.Context, n *network.Network, peer string, sel view.Selection) (answer, error) {
	got, err := n.Ledger(ctx, peer, network.LedgerQuery{Namespace: sel.Namespace, Key: sel.Key, Limit: askHistory})
	if err != nil {
		return answer{}, err
	}
	return answer{history: got, height: got.Height}, nil
}

// blocks are the parts of a document that the trace could not give.
func (a *asked) blocks(s *Session) []inspect.Block {
	if a.sel != s.selection {
		return nil
	}
	var out []inspect.Block
	for _, ns := range a.ledger {
		out = append(out, a.stateTable(ns))
	}
	if a.history != nil {
		b := inspect.Block{Form: inspect.Table, Title: "History", Aside: inspect.Cell{Text: fmt.Sprintf("asked now, at height %d", a.height), Tone: inspect.Weak},
			Header: []string{"transaction", "value"}}
		for _, w := range a.history.History {
			value := inspect.Cell{Text: valueText(w.Value), Mono: true}
			if w.Deleted {
				value = inspect.Cell{Text: "deleted", Tone: inspect.Bad}
			}
			b.Rows = append(b.Rows, []inspect.Cell{{Text: view.ShortID(w.TxID), Mono: true, Link: view.Selection{What: view.SelectTx, TxID: w.TxID}}, value})
		}
		out = append(out, b)
	}
	return out
}

func (a *asked) stateTable(ns namespaceState) inspect.Block {
	b := inspect.Block{Form: inspect.Table, Title: "State of " + ns.name, Search: true, Header: []string{"key", "version", "value"},
		Aside: inspect.Cell{Text: fmt.Sprintf("asked now, at height %d", a.height), Tone: inspect.Weak}}
	for _, e := range ns.answer.Entries {
		key := inspect.Cell{Text: printable(e.Key), Mono: true, Link: view.Selection{What: view.SelectKey, Namespace: ns.name, Key: e.Key, Node: a.sel.Node}}
		b.Rows = append(b.Rows, []inspect.Cell{key, {Text: e.Version(), Mono: true}, {Text: valueText(e.Value), Mono: true}})
	}
	if ns.answer.More {
		b.More = 1
	}
	return b
}

// valueText is a value in one line.
func valueText(value []byte) string {
	if !utf8.Valid(value) {
		return fmt.Sprintf("%.40x", value)
	}
	return clip(printable(string(value)), maxShownValue)
}

// printable shows the separators of composite keys as spaces.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == utf8.MaxRune {
			return ' '
		}
		return r
	}, text))
}

// AskLedger asks a running peer for its state or a key's history, as it is now.
func (s *Session) AskLedger(peer string, q network.LedgerQuery, done func(*network.LedgerAnswer, error)) {
	var got *network.LedgerAnswer
	s.act(func(err error) { done(got, err) }, func(ctx context.Context, n *network.Network) error {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		var err error
		got, err = n.Ledger(ctx, peer, q)
		return err
	}, nil)
}
