package link

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"
)

// A connection through memory keeps the promises of net.Conn, alone and below
// the layer that slows connections.
func TestPipeIsAConnection(t *testing.T) {
	t.Run("bare", func(t *testing.T) {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			a, b := newPipe("x:1", new(pieces))
			return a, b, func() { a.Close(); b.Close() }, nil
		})
	})
	t.Run("below a link", func(t *testing.T) {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			n := New(Config{})
			a, b := newPipe("x:1", new(pieces))
			c, err := n.links.open("a", "b", 0, a)
			return c, b, func() { c.Close(); b.Close() }, err
		})
	})
}

func TestPipeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newPipe("x:1", new(pieces))
		written := make(chan int, 1)
		go func() {
			n, err := a.Write(make([]byte, 3*pipeLimit))
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the write ended with %v", err)
			}
			written <- n
		}()
		synctest.Wait() // it stands still now
		if got := a.out.size; got != pipeLimit {
			t.Errorf("%d bytes on their way", got)
		}
		if n, err := io.ReadFull(b, make([]byte, 1000)); n != 1000 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		a.Close()
		if n := <-written; n != pipeLimit+1000 {
			t.Errorf("%d bytes were taken", n)
		}
		if rest, err := io.ReadAll(b); len(rest) != pipeLimit || err != nil {
			t.Errorf("after the close %d bytes arrive, %v", len(rest), err)
		}
		if len(a.out.queue) != 0 {
			t.Error("an empty direction keeps its memory")
		}
	})
}

func TestListenerInMemory(t *testing.T) {
	n := New(Config{})
	e := n.Endpoint("a", tls.Certificate{}, nil)
	l, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	through := func(dial func() (net.Conn, error)) (network string) {
		t.Helper()
		dialled := make(chan error, 1)
		var near net.Conn
		go func() {
			var err error
			near, err = dial()
			dialled <- err
		}()
		far, err := l.Accept()
		if err = errors.Join(err, <-dialled); err != nil {
			t.Fatal(err)
		}
		defer near.Close()
		defer far.Close()
		if _, err := near.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 5)
		if _, err := io.ReadFull(far, got); err != nil || string(got) != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		return far.RemoteAddr().Network()
	}
	if got := through(func() (net.Conn, error) { return n.connect(t.Context(), "b", Target{Name: "a", Addr: addr}) }); got != "memory" {
		t.Errorf("a node of this process came through %s", got)
	}
	if got := through(func() (net.Conn, error) { return net.Dial("tcp", addr) }); got != "tcp" {
		t.Errorf("a program from outside came through %s", got)
	}
	other := New(Config{})
	if got := through(func() (net.Conn, error) { return other.connect(t.Context(), "b", Target{Name: "a", Addr: addr}) }); got != "tcp" {
		t.Errorf("another network's node came through %s", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after the close: %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second close: %v", err)
	}
	if conn, err := n.connect(t.Context(), "b", Target{Name: "a", Addr: addr}); err == nil {
		conn.Close()
		t.Error("connected to a listener that is closed")
	}
	sockets := New(Config{Sockets: true})
	plain, err := sockets.Endpoint("a", tls.Certificate{}, nil).Listen(addr) // the port is free again
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, ok := plain.(*listener); ok {
		t.Error("a way through memory although Sockets is set")
	}
	// Nobody accepts: the attempt ends with its context.
	idle, err := e.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := n.connect(ctx, "b", Target{Name: "a", Addr: idle.Addr().String()}); err == nil {
		t.Error("connected although nobody accepts")
	}
}
