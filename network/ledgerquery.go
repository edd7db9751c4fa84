package network

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Bounds of one question about a peer's ledger.
const (
	maxLedgerEntries = 1000
	maxLedgerValue   = 64 << 10 // bytes of one value
	maxLedgerBytes   = 8 << 20  // of all values of an answer
)

// LedgerQuery asks a peer what it has committed, without a transaction. With a Key it
// asks for the key's history, else for the entries of a namespace.
type LedgerQuery struct {
	Namespace string `json:"namespace,omitempty"` // a chaincode; empty: only the list of namespaces
	Prefix    string `json:"prefix,omitempty"`    // of the keys
	Key       string `json:"key,omitempty"`
	Limit     int    `json:"limit,omitempty"` // entries at most; default and most: 1000
}

// LedgerAnswer is what a peer has, as of one height.
type LedgerAnswer struct {
	Height     uint64        `json:"height"`
	Namespaces []string      `json:"namespaces,omitempty"` // with public state, in order
	Entries    []LedgerEntry `json:"entries,omitempty"`    // in the order of their keys
	History    []LedgerWrite `json:"history,omitempty"`    // newest first
	More       bool          `json:"more,omitempty"`       // there are more than Limit
}

// LedgerEntry is one key with its value and the version of its last write.
type LedgerEntry struct {
	Key     string `json:"key"`
	Value   []byte `json:"value"`
	Clipped bool   `json:"clipped,omitempty"` // the value is longer
	Block   uint64 `json:"block"`
	Tx      uint64 `json:"tx"`
}

// Version is the entry's version as the inspector writes it: "41:2".
func (e LedgerEntry) Version() string { return fmt.Sprintf("%d:%d", e.Block, e.Tx) }

// LedgerWrite is one write of a key by a valid transaction.
type LedgerWrite struct {
	TxID    string    `json:"txid"`
	Value   []byte    `json:"value,omitempty"`
	Clipped bool      `json:"clipped,omitempty"`
	Deleted bool      `json:"deleted,omitempty"`
	Time    time.Time `json:"time"`
}

// Ledger asks a running peer about its ledger. Other programs' peers (Attach) cannot be
// asked in this way.
func (n *Nodes) Ledger(ctx context.Context, peerName string, q LedgerQuery) (*LedgerAnswer, error) {
	r, err := n.ask(ctx, peerName, command{Ledger: &ledgerCommand{Channel: n.topology.Channel, LedgerQuery: q}})
	if err == nil && r.Ledger == nil {
		err = errors.New("the peer gave no answer")
	}
	return r.Ledger, err
}

type ledgerCommand struct {
	Channel string `json:"channel"`
	LedgerQuery
}

// ledger answers a question from the state at the newest height.
func (n *node) ledger(c *ledgerCommand) (*LedgerAnswer, error) {
	l := n.peer.Ledger(c.Channel)
	if l == nil {
		return nil, fmt.Errorf("%s has not joined channel %s", n.spec.Name, c.Channel)
	}
	view, err := l.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	limit := c.Limit
	if limit <= 0 || limit > maxLedgerEntries {
		limit = maxLedgerEntries
	}
	a := &LedgerAnswer{Height: view.Height()}
	room := maxLedgerBytes
	switch {
	case c.Key != "":
		for m, err := range view.History(c.Namespace, c.Key) {
			if err != nil {
				return nil, fmt.Errorf("history of %s: %w", c.Key, err)
			}
			if len(a.History) == limit || room <= 0 {
				a.More = true
				break
			}
			w := LedgerWrite{TxID: m.GetTxId(), Deleted: m.GetIsDelete(), Time: m.GetTimestamp().AsTime()}
			w.Value, w.Clipped = clipValue(m.GetValue(), &room)
			a.History = append(a.History, w)
		}
	case c.Namespace != "":
		for e, err := range view.Range(c.Namespace, c.Prefix, "", false) {
			if err != nil {
				return nil, fmt.Errorf("state of %s: %w", c.Namespace, err)
			}
			if !strings.HasPrefix(e.Key, c.Prefix) {
				break
			}
			if len(a.Entries) == limit || room <= 0 {
				a.More = true
				break
			}
			entry := LedgerEntry{Key: e.Key, Block: e.Version.Block, Tx: e.Version.Tx}
			entry.Value, entry.Clipped = clipValue(e.Value.Value, &room)
			a.Entries = append(a.Entries, entry)
		}
	}
	a.Namespaces, err = view.Namespaces()
	return a, err
}

func clipValue(value []byte, room *int) (clipped []byte, more bool) {
	keep := min(len(value), maxLedgerValue, max(0, *room))
	*room -= keep
	return value[:keep], keep < len(value)
}

// StateSums gives the digest over the state of every running peer, by its full name:
// equal where the state is equal.
func (n *Nodes) StateSums(ctx context.Context) (map[string]string, error) {
	var mu sync.Mutex
	sums := map[string]string{}
	err := n.each(rolePeer, func(m *member, h handle) error {
		r, err := h.do(ctx, command{StateSum: &stateSumCommand{Channel: n.topology.Channel}})
		if err == nil {
			mu.Lock()
			sums[m.name] = r.StateSum
			mu.Unlock()
		}
		return err
	})
	return sums, err
}
