package session_test

import (
	"context"
	"fmt"
	"io/fs"
	"testing"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/network"
)

// An error says what happened and what to do.
func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err          error
		what, remedy string
	}{
		{nil, "", ""},
		{fmt.Errorf("start nodes: port 7051 is in use; or use any free ports: --ports any"), "Start nodes: port 7051 is in use.", "Or use any free ports: --ports any."},
		{fmt.Errorf("peer0.org1.example.com is not running; restart it first"), "peer0.org1.example.com is not running.", "Restart it first."},
		{fmt.Errorf("submit: %w", context.Canceled), "It was stopped before it was done.", ""},
		{&network.TopologyError{File: "a.yaml", Key: "channel", Problem: "too long"}, "Too long.", "Change channel in the topology."},
		{fmt.Errorf("open x: %w", fs.ErrNotExist), "Open x: file does not exist.", "Choose a file that exists."},
	} {
		got := session.Explain(c.err)
		if got.What != c.what || got.Remedy != c.remedy || c.err != nil && got.Detail != c.err.Error() {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}
