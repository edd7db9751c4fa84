package link

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// queueLimit bounds the data on its way on one slow connection and direction; a
// writer waits above it, as it would for a full socket.
const queueLimit = 4 << 20

// pieceSize is how much one read of a slow connection takes.
const pieceSize = 16 << 10

// conn is the dialling end of a connection, which can be slowed and cut while
// it is in use. It shapes both directions, so that the serving end stays an
// ordinary socket. As long as no rule slows it, reads and writes go straight
// through.
type conn struct {
	net.Conn
	from, to string
	forget   func(way)
	buffered bool // what is written need not be read at once: net.Pipe has no memory

	out, in atomic.Pointer[Shape] // nil = undisturbed
	broken  atomic.Bool           // cut on purpose
	closed  chan struct{}
	once    sync.Once
	err     error // of closing

	random struct {
		sync.Mutex
		*rand.Rand
	}
	outgoing, incoming queue
}

func newConn(raw net.Conn, from, to string, random *rand.Rand, forget func(way)) *conn {
	c := &conn{Conn: raw, from: from, to: to, forget: forget, closed: make(chan struct{})}
	c.random.Rand = random
	c.outgoing.init()
	c.incoming.init()
	return c
}

// shape sets both directions from now on; what is already on its way keeps its time.
func (c *conn) shape(out, in Shape) {
	setShape(&c.out, out)
	setShape(&c.in, in)
}

// setShape puts a shape where it is looked up for each piece: nil is undisturbed.
func setShape(place *atomic.Pointer[Shape], s Shape) {
	if s.slow() {
		place.Store(&s)
	} else {
		place.Store(nil)
	}
}

func (c *conn) ends() (from, to string) { return c.from, c.to }

// cut ends the connection on purpose.
func (c *conn) cut() {
	c.broken.Store(true)
	go c.Close() // Close takes the lock of links, which the caller of cut holds
}

// Close ends the connection and lets go of everything on its way.
func (c *conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.err = c.Conn.Close()
		c.outgoing.end(net.ErrClosed)
		c.incoming.end(net.ErrClosed)
		c.forget(c)
	})
	return c.err
}

// explain says why a connection that was cut fails.
func (c *conn) explain(err error) error {
	if err != nil && c.broken.Load() {
		return cutError(c.from, c.to)
	}
	return err
}

func (c *conn) delay(shape *Shape) time.Duration {
	if shape == nil {
		return 0
	}
	c.random.Lock()
	defer c.random.Unlock()
	return shape.delay(c.random.Rand)
}

// Write sends p, or puts a copy on its way when the link is slow.
func (c *conn) Write(p []byte) (int, error) {
	shape := c.out.Load()
	if shape == nil && !c.buffered && c.outgoing.idle() {
		n, err := c.Conn.Write(p)
		return n, c.explain(err)
	}
	piece := append([]byte(nil), p...)
	start, err := c.outgoing.put(piece, c.delay(shape))
	if err != nil {
		return 0, c.explain(err)
	}
	if start {
		go c.send()
	}
	return len(p), nil
}

// send writes the pieces that are on their way when their time has come, until
// there is none left.
func (c *conn) send() {
	for {
		piece, ok := c.outgoing.next(c.closed)
		if !ok {
			return
		}
		if _, err := c.Conn.Write(piece); err != nil {
			c.outgoing.end(err)
			return
		}
		if c.outgoing.done(len(piece)) {
			return
		}
	}
}

// Read takes what has arrived. It is called by one goroutine at a time.
func (c *conn) Read(p []byte) (int, error) {
	if c.incoming.started() {
		n, err := c.incoming.read(p, c.closed)
		return n, c.explain(err)
	}
	if c.in.Load() != nil {
		c.incoming.begin()
		go c.receive()
		return c.Read(p)
	}
	n, err := c.Conn.Read(p)
	// The link may have become slow while the read was waiting for data.
	if delay := c.delay(c.in.Load()); delay > 0 && n > 0 {
		wait(delay, c.closed)
	}
	return n, c.explain(err)
}

// receive reads ahead, so that each piece is delayed from its own arrival on.
func (c *conn) receive() {
	for {
		piece := make([]byte, pieceSize)
		n, err := c.Conn.Read(piece)
		if n > 0 {
			if _, ended := c.incoming.put(piece[:n:n], c.delay(c.in.Load())); ended != nil {
				return
			}
		}
		if err != nil {
			c.incoming.finish(err)
			return
		}
	}
}

// wait sleeps for d or until closed.
func wait(d time.Duration, closed <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closed:
		return false
	}
}
