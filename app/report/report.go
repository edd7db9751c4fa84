// Package report turns a trace into words and files: listings, exports for other tools,
// pictures and one page about a whole run. It reads the trace only, so it says the same
// about a live network and about a recorded run. What it says about a transaction is the
// inspector's document.
package report

import (
	"fmt"
	"sort"
	"strings"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/app/words"
)

// Source is a trace to read: a live recorder or a run file.
type Source = view.Source

// FindTx gives the full id of the transaction that begins with prefix.
func FindTx(src Source, prefix string) (string, error) {
	prefix = strings.ToLower(prefix)
	if len(prefix) == 64 {
		if len(src.ByTx(prefix)) == 0 {
			return "", fmt.Errorf("no transaction %s in this trace", prefix)
		}
		return prefix, nil
	}
	found := map[string]bool{}
	var cursor uint64
	for {
		events, next, _ := src.Since(cursor, 4096)
		if len(events) == 0 {
			break
		}
		for i := range events {
			if id := events[i].TxID; id != "" && strings.HasPrefix(id, prefix) {
				found[id] = true
			}
		}
		cursor = next
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no transaction begins with %q in this trace; events with --kind verdict list the ids", prefix)
	case 1:
		for id := range found {
			return id, nil
		}
	}
	ids := make([]string, 0, len(found))
	for id := range found {
		ids = append(ids, id[:min(12, len(id))])
	}
	sort.Strings(ids)
	if len(ids) > 10 {
		ids = append(ids[:10], "...")
	}
	return "", fmt.Errorf("%d transactions begin with %q: write more of the id (%s)", len(found), prefix, strings.Join(ids, ", "))
}

// Explain makes the document of a transaction (full id) as it stands at the trace's end.
func Explain(src Source, txID string) (*inspect.Document, error) {
	return explain(src, inspect.Alone(src), txID, 0)
}

func explain(src Source, index *inspect.Index, txID string, messages int) (*inspect.Document, error) {
	if len(src.ByTx(txID)) == 0 {
		return nil, fmt.Errorf("no transaction %s in this trace", txID)
	}
	return inspect.Of(inspect.Input{Book: words.Now(), Source: src, Index: index, At: view.Moment{Seq: index.End()}, Messages: messages,
		Selection: view.Selection{What: view.SelectTx, TxID: txID}}), nil
}
