package link

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// pair is a connection from a to b without a network: near goes through links, far is the bare other end.
func pair(t *testing.T, n *Net) (near net.Conn, far net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	near, err := n.links.open("a", "b", n.seed, a)
	if err != nil {
		t.Fatal(err)
	}
	return near, b
}

func MustSetLink(t *testing.T, n *Net, from, to string, shape Shape) {
	t.Helper()
	rules := n.links.rules
	rules.Put(Rule{from, to, shape})
	if err := n.SetRules(rules); err != nil {
		t.Fatal(err)
	}
}

// transfer writes one message at one end and returns how long it took to arrive whole at the other.
func transfer(t *testing.T, from io.Writer, to io.Reader, text string) time.Duration {
	t.Helper()
	begin := time.Now()
	failed := make(chan error, 1)
	go func() {
		_, err := from.Write([]byte(text))
		failed <- err
	}()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil || string(got) != text {
		t.Fatalf("%q arrived as %q, %v", text, got, err)
	}
	return time.Since(begin)
}

func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		near, far := pair(t, n)
		defer near.Close()
		check := func(what string, out, in time.Duration) {
			t.Helper()
			if got := transfer(t, near, far, "ping"); got != out {
				t.Errorf("%s: out took %v, want %v", what, got, out)
			}
			if got := transfer(t, far, near, "pong"); got != in {
				t.Errorf("%s: in took %v, want %v", what, got, in)
			}
		}
		check("undisturbed", 0, 0)
		MustSetLink(t, n, "b", "a", Shape{Latency: 40 * time.Millisecond})
		check("slow", 40*time.Millisecond, 40*time.Millisecond)
		MustSetLink(t, n, "a", "b", Shape{Latency: 7 * time.Millisecond, OneWay: true})
		check("one way", 7*time.Millisecond, 40*time.Millisecond)
		MustSetLink(t, n, "a", "b", Shape{})
		check("undisturbed again", 0, 0)
	})
}

// A rule set while a read is waiting holds for what that read brings.
func TestLatencyOfAWaitingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		near, far := pair(t, n)
		defer near.Close()
		arrived := make(chan time.Time, 1)
		go func() {
			_, _ = io.ReadFull(near, make([]byte, 4))
			arrived <- time.Now()
		}()
		synctest.Wait()
		MustSetLink(t, n, "a", "b", Shape{Latency: time.Second})
		begin := time.Now()
		if _, err := far.Write([]byte("pong")); err != nil {
			t.Fatal(err)
		}
		if got := (<-arrived).Sub(begin); got != time.Second {
			t.Errorf("took %v", got)
		}
	})
}

// Many pieces on a slow link overtake neither one another nor the delay, and
// they travel at the same time: latency is not paid for each.
func TestSlowLinkKeepsOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		shape := Shape{Latency: time.Duration(rapid.IntRange(0, 30).Draw(r, "latency")) * time.Millisecond,
			Jitter: time.Duration(rapid.IntRange(0, 30).Draw(r, "jitter")) * time.Millisecond,
			Loss:   rapid.SampledFrom([]float64{0, 0, 0.2}).Draw(r, "loss")}
		pieces := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 3000), 1, 40).Draw(r, "pieces")
		synctest.Test(t, func(t *testing.T) {
			n := New(Config{Seed: 3})
			near, far := pair(t, n)
			defer near.Close()
			MustSetLink(t, n, "*", "*", shape)
			for _, way := range []struct {
				from io.Writer
				to   io.Reader
			}{{near, far}, {far, near}} {
				begin := time.Now()
				go func() {
					for _, piece := range pieces {
						_, _ = way.from.Write(piece)
					}
				}()
				want := bytes.Join(pieces, nil)
				got := make([]byte, len(want))
				if _, err := io.ReadFull(way.to, got); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("the bytes differ, %v", err)
				}
				if took := time.Since(begin); shape.Loss == 0 && (took < shape.Latency || took > shape.Latency+shape.Jitter) {
					t.Errorf("took %v, shape %v", took, shape)
				}
			}
		})
	})
}

func TestLoss(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	shape := Shape{Latency: time.Millisecond, Loss: 0.1}
	lost := 0
	for range 10_000 {
		if d := shape.delay(random); d != time.Millisecond {
			if d != time.Millisecond+retransmission && d != time.Millisecond+3*retransmission && d < 7*retransmission {
				t.Fatalf("a delay of %v", d)
			}
			lost++
		}
	}
	if lost < 900 || lost > 1100 {
		t.Errorf("%d of 10000 lost, want about 1000", lost)
	}
	worst := Shape{Loss: 0.999999}
	if d := worst.delay(random); d > 3*time.Minute {
		t.Errorf("a delay of %v: it must be bounded", d)
	}
}

func TestCutConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, slow := range []bool{false, true} {
			n := New(Config{})
			near, far := pair(t, n)
			if slow {
				MustSetLink(t, n, "a", "b", Shape{Latency: maxDelay})
				if _, err := near.Write([]byte("never arrives")); err != nil {
					t.Fatal(err)
				}
			}
			failed := make(chan error, 1)
			go func() {
				_, err := near.Read(make([]byte, 1))
				failed <- err
			}()
			synctest.Wait()
			if err := n.SetRules(Rules{Groups: [][]string{{"a"}, {"b*", "c"}}}); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; !errors.Is(err, ErrCut) {
				t.Errorf("slow %v: a waiting read got %v", slow, err)
			}
			if _, err := near.Write([]byte("x")); !errors.Is(err, ErrCut) {
				t.Errorf("slow %v: a write got %v", slow, err)
			}
			if _, err := io.ReadAll(far); err != nil {
				t.Errorf("slow %v: the far end got %v", slow, err)
			}
			if _, err := n.links.open("a", "b", 0, far); !errors.Is(err, ErrCut) {
				t.Errorf("slow %v: a new connection: %v", slow, err)
			}
			synctest.Wait()
			if len(n.links.opened) != 0 {
				t.Errorf("slow %v: the connection is still known", slow)
			}
			MustHeal(t, n)
			near, far = pair(t, n)
			if !slow {
				transfer(t, near, far, "hello")
			}
			near.Close()
		}
	})
}

func TestRules(t *testing.T) {
	n := New(Config{})
	ms := func(n int) Shape { return Shape{Latency: time.Duration(n) * time.Millisecond} }
	MustSetLink(t, n, "peer*", "orderer*", ms(10))
	MustSetLink(t, n, "peer0", "orderer0", ms(20))
	MustSetLink(t, n, "peer1", "orderer*", Shape{Cut: true, OneWay: true})
	for _, test := range []struct {
		from, to string
		out, in  Shape
		cut      bool
	}{
		{"peer2", "orderer1", ms(10), ms(10), false},
		{"orderer1", "peer2", ms(10), ms(10), false},
		{"peer0", "orderer0", ms(20), ms(20), false},
		{"peer1", "orderer0", Shape{Cut: true, OneWay: true}, ms(10), true},
		{"orderer0", "peer1", ms(10), Shape{Cut: true, OneWay: true}, false}, // what the orderer dials still works
		{"alice", "peer0", Shape{}, Shape{}, false},
	} {
		out, in, cut := n.links.between(test.from, test.to)
		if out != test.out || in != test.in || cut != test.cut {
			t.Errorf("%s to %s: %v, %v, %v", test.from, test.to, out, in, cut)
		}
	}
	if rules := n.links.rules.Links; len(rules) != 3 || rules[0].From != "peer*" {
		t.Errorf("rules %+v", rules)
	}
	MustSetLink(t, n, "orderer*", "peer*", Shape{}) // the same link the other way round
	if rules := n.links.rules.Links; len(rules) != 2 {
		t.Errorf("after removing one: %+v", rules)
	}
	nan := 0.0
	nan /= nan
	for _, wrong := range []Shape{{Latency: -1}, {Jitter: -1}, {Loss: 1}, {Loss: -0.1}, {Loss: nan}, {Latency: 2 * time.Hour}} {
		if err := n.SetRules(Rules{Links: []Rule{{"a", "b", wrong}}}); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
	for _, wrong := range []Rules{{Links: []Rule{{To: "b"}}}, {Links: []Rule{{From: "a", To: "[b"}}}, {Groups: [][]string{{"[a"}}}} {
		if err := n.SetRules(wrong); err == nil {
			t.Errorf("%+v was accepted", wrong)
		}
	}
	if len(n.links.rules.Links) != 2 {
		t.Errorf("rules that were refused took others away: %+v", n.links.rules)
	}
}

// A connection that nobody drains does not collect data without bound.
func TestSlowQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		near, far := pair(t, n)
		MustSetLink(t, n, "a", "b", Shape{Latency: maxDelay})
		written := 0
		go func() {
			for {
				k, err := near.Write(make([]byte, 64<<10))
				if err != nil {
					return
				}
				written += k
			}
		}()
		synctest.Wait()
		if written > queueLimit+2*(64<<10) {
			t.Errorf("%d bytes were taken", written)
		}
		near.Close()
		far.Close()
		synctest.Wait()
	})
}

func MustHeal(t *testing.T, n *Net) {
	t.Helper()
	if err := n.SetRules(Rules{}); err != nil {
		t.Fatal(err)
	}
}
