package session_test

import (
	"context"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/session"
)

// A session is closed in the background and tells what is left; a node that hangs is
// killed, and named.
func TestCloseWithANodeThatHangs(t *testing.T) {
	hangs := "peer0.org2.example.com"
	opened, err := session.Start(context.Background(), mustTopology(t, strings.Split(small, "chaincodes:")[0]+"placement: process\n"),
		session.StartOptions{NoDeploy: true, StopTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := &driven{opened, t}
	for _, n := range s.Net().Nodes.Status(t.Context()) {
		if n.Name == hangs {
			if err := syscall.Kill(n.PID, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := s.BeginClose()
	if left := c.Left(); !slices.Contains(left, hangs) {
		t.Errorf("left: %v", left)
	}
	if s.Running() || s.Tick(frame) || s.BeginClose() != c {
		t.Error("it goes on")
	}
	select {
	case <-c.Done():
	case <-time.After(patience):
		t.Fatalf("it does not end; left: %v", c.Left())
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), hangs) || len(c.Left()) != 0 {
		t.Errorf("%v, left %v", err, c.Left())
	}
}
