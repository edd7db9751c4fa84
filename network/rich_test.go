package network_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// mustAsk evaluates a rich query of the sample stock and gives the keys found.
func (n *net) mustAsk(query string) string {
	n.t.Helper()
	var found []struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal([]byte(n.mustEvaluate(call("stock", "Query", query))), &found); err != nil {
		n.t.Fatal(err)
	}
	var keys []string
	for _, f := range found {
		keys = append(keys, strings.TrimPrefix(f.Key, "thing:"))
	}
	return strings.Join(keys, " ")
}

// Peers with CouchDB's queries answer them, in this process and in their own; the index of the
// package is there from the definition on, and still when a peer comes back.
func TestRichQueries(t *testing.T) {
	placements(t, func(t *testing.T, placement string) {
		n := mustStart(t, small+"state: couchdb\n"+placement)
		n.mustDeploySample("stock")
		n.mustSubmit(call("stock", "Fill", "30", "10"))
		n.mustSubmit(call("stock", "Add", "a", "bag", "P1", "9"))
		for query, want := range map[string]string{
			`{"selector":{"place":"p3"}}`:                                     "00003 00013 00023",
			`{"selector":{"kind":"bag"}}`:                                     "a",
			`{"selector":{"place":{"$lt":"p2"}},"sort":["place"]}`:            "00000 00010 00020 00001 00011 00021 a", // p0, p1, P1
			`{"selector":{"kind":"bag"},"use_index":"_design/indexPlaceDoc"}`: "a",
		} {
			if got := n.mustAsk(query); got != want {
				t.Errorf("%s finds %s, want %s", query, got, want)
			}
		}
		_, err := n.mustClient("User1@Org1").Evaluate(n.ctx(), call("stock", "Query", `{"selector":{"place":{"$is":1}}}`))
		mustContain(t, fmt.Sprint(err), "Error:invalid_operator,  Status Code:400,  Reason:Invalid operator: $is (at place; the operators are $eq")
		if err := n.Nodes.Kill("peer0.org1"); err != nil {
			t.Fatal(err)
		}
		if err := n.Nodes.Restart(n.ctx(), "peer0.org1"); err != nil {
			t.Fatal(err)
		}
		n.mustAgree()
		if got := n.mustAsk(`{"selector":{"kind":"bag"},"sort":["place"]}`); got != "a" {
			t.Errorf("after the peer came back: %s", got)
		}
		if made := n.Events(network.EventFilter{Kind: string(trace.IndexMade)}); len(made) != 2 {
			t.Errorf("indexes were made %d times, want once a peer: %v", len(made), made)
		}
	})
}

// Without state: couchdb a peer refuses, with Fabric's words.
func TestNoRichQueries(t *testing.T) {
	n := mustStart(t, small)
	n.mustDeploySample("stock")
	_, err := n.mustClient("User1@Org1").Evaluate(n.ctx(), call("stock", "Query", `{"selector":{}}`))
	mustContain(t, fmt.Sprint(err), "ExecuteQuery not supported for leveldb")
	_, err = network.ParseTopology("t.yaml", []byte("state: mongo\n"))
	mustContain(t, fmt.Sprint(err), `"mongo" is not known: write one of leveldb, couchdb`)
}
