package session

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
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

// asked is what the running network said about the selection, and when to ask again.
type asked struct {
	sel     view.Selection
	answer  answer
	version int
	stale   bool // to be asked again
	asking  bool
	waited  time.Duration
	took    time.Duration // the last question: one that is dear is asked seldom
}

// answer is what the trace cannot know (addresses, process ids, digests over the whole
// state) and, where the trace does not reach back to the beginning, state and history.
type answer struct {
	facts  []inspect.Fact
	blocks []inspect.Block
}

// question asks a running network.
type question func(context.Context, *network.Network) (answer, error)

// askLive asks the network about the selection now and then, in the background.
func (l *Look) askLive(dt time.Duration) {
	a := &l.asked
	a.waited += dt
	if a.asking || a.sel == l.selection && !a.stale && a.waited < max(askEvery, 20*a.took) {
		return
	}
	n := l.s.Net()
	if n == nil || l.s.hides() {
		return
	}
	sel := l.selection
	ask := l.question(sel)
	if ask == nil {
		a.stale = false
		if a.sel != sel && a.sel.What != view.Nothing {
			*a = asked{version: a.version + 1}
		}
		return
	}
	a.asking, a.stale, a.waited = true, false, 0
	l.s.AskAside(func(ctx context.Context) func() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		begin := time.Now()
		got, err := ask(ctx, n)
		took := time.Since(begin)
		return func() { l.keepAnswer(sel, got, took, err) }
	})
}

// question is what to ask about a selection, nil for nothing.
func (l *Look) question(sel view.Selection) question {
	switch sel.What {
	case view.SelectNode:
		if _, ok := l.s.Node(sel.Node); ok {
			return func(ctx context.Context, n *network.Network) (answer, error) { return askNode(ctx, n, sel.Node), nil }
		}
	case view.SelectPeers:
		return askSums
	case view.SelectLedger:
		if search := l.document.search; !l.reachesBack() {
			return func(ctx context.Context, n *network.Network) (answer, error) {
				return askState(ctx, n, sel.Node, search)
			}
		}
	case view.SelectKey:
		if peer := cmp.Or(sel.Node, l.somePeer()); !l.reachesBack() {
			return func(ctx context.Context, n *network.Network) (answer, error) { return askKey(ctx, n, peer, sel) }
		}
	}
	return nil
}

// keepAnswer notes an answer; an error leaves what was known, and is asked again soon.
func (l *Look) keepAnswer(sel view.Selection, got answer, took time.Duration, err error) {
	a := &l.asked
	a.asking, a.took = false, took
	if err != nil {
		a.took, got = 0, answer{}
		if a.sel == sel {
			return
		}
	}
	if a.sel != sel || !reflect.DeepEqual(a.answer, got) {
		a.sel, a.answer = sel, got
		a.version++
	}
}

// reachesBack tells whether the panels have seen everything since the network's beginning.
func (l *Look) reachesBack() bool { return l.s.lost == 0 && !l.s.resumed }

// somePeer is a peer that runs.
func (l *Look) somePeer() string {
	for _, n := range l.s.Nodes() {
		if n.Running && n.Role == "peer" {
			return n.Name
		}
	}
	return ""
}

func askNode(ctx context.Context, n *network.Network, node string) answer {
	var a answer
	for _, st := range n.Nodes.Status(ctx) {
		if st.Name != node {
			continue
		}
		add := func(name, value string) {
			if value != "" {
				a.facts = append(a.facts, inspect.Fact{Name: name, Value: value})
			}
		}
		if !st.Running {
			add(words.L("state"), words.L("not running"))
			return a
		}
		add(words.L("address"), st.Addr)
		if st.PID > 0 {
			add(words.L("process"), fmt.Sprint(st.PID))
		}
		add(words.L("height"), fmt.Sprint(st.Height))
		add(words.L("last block's hash"), st.Hash)
		add(words.L("commit hash"), st.CommitHash)
		add(words.L("chaincode runs as"), strings.TrimSuffix(st.Runtime+": "+st.RuntimeWhy, ": "))
		for _, c := range st.Chaincodes {
			label, _, _ := strings.Cut(c.PackageID, ":")
			state := words.L("starting")
			if c.Ready {
				state = words.L("ready")
			}
			add(label, strings.TrimSpace(c.Runtime+" "+state))
		}
	}
	return a
}

// askSums compares the peers' whole states.
func askSums(ctx context.Context, n *network.Network) (answer, error) {
	var a answer
	sums, err := n.Nodes.StateSums(ctx)
	for name, sum := range sums {
		a.facts = append(a.facts, inspect.Fact{Name: words.L("state of {{.Node}}", name), Value: sum})
	}
	slices.SortFunc(a.facts, func(x, y inspect.Fact) int { return strings.Compare(x.Name, y.Name) })
	return a, err
}

// askState asks for the state of all namespaces, or for the keys that begin with search.
func askState(ctx context.Context, n *network.Network, peer, search string) (answer, error) {
	var a answer
	names, err := n.Nodes.Ledger(ctx, peer, network.LedgerQuery{})
	if err != nil {
		return a, err
	}
	for _, ns := range names.Namespaces[:min(len(names.Namespaces), askNamespaces)] {
		got, err := n.Nodes.Ledger(ctx, peer, network.LedgerQuery{Namespace: ns, Prefix: search, Limit: askEntries})
		if err != nil {
			return a, err
		}
		b := askedTable(words.L("State of {{.Namespace}}", ns), names.Height, words.L("key"), words.L("version"), words.L("value"))
		b.Search = true
		for _, e := range got.Entries {
			key := inspect.Cell{Text: words.KeyText(e.Key), Mono: true, Link: view.Selection{What: view.SelectKey, Namespace: ns, Key: e.Key, Node: peer}}
			b.Rows = append(b.Rows, []inspect.Cell{key, {Text: e.Version(), Mono: true}, {Text: valueText(e.Value), Mono: true}})
		}
		if got.More {
			b.More = 1
		}
		a.blocks = append(a.blocks, b)
	}
	return a, nil
}

func askKey(ctx context.Context, n *network.Network, peer string, sel view.Selection) (answer, error) {
	got, err := n.Nodes.Ledger(ctx, peer, network.LedgerQuery{Namespace: sel.Namespace, Key: sel.Key, Limit: askHistory})
	if err != nil {
		return answer{}, err
	}
	b := askedTable(words.L("History"), got.Height, words.L("transaction"), words.L("value"))
	for _, w := range got.History {
		value := inspect.Cell{Text: valueText(w.Value), Mono: true}
		if w.Deleted {
			value = inspect.Cell{Text: words.L("deleted"), Tone: inspect.Bad}
		}
		b.Rows = append(b.Rows, []inspect.Cell{{Text: view.ShortID(w.TxID), Mono: true, Link: view.Selection{What: view.SelectTx, TxID: w.TxID}}, value})
	}
	return answer{blocks: []inspect.Block{b}}, nil
}

// askedTable is a part of a document that the trace could not give.
func askedTable(title string, height uint64, header ...string) inspect.Block {
	return inspect.Block{Form: inspect.Table, Title: title, Header: header,
		Aside: inspect.Cell{Text: words.L("asked now, at height {{.Height}}", height), Tone: inspect.Weak}}
}

// valueText is a value in one line.
func valueText(value []byte) string {
	if !utf8.Valid(value) {
		return fmt.Sprintf("%.40x", value)
	}
	return view.Clip(printable(string(value)), maxShownValue)
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
