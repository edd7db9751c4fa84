package launch

import "sync"

// Tail is an io.Writer that keeps the last bytes written to it. The zero value
// is not usable; see [NewTail]. It may be used by several goroutines at once.
type Tail struct {
	mu   sync.Mutex
	max  int
	buf  []byte
	lost bool
}

// NewTail gives a Tail that keeps up to max bytes.
func NewTail(max int) *Tail { return &Tail{max: max} }

// Write takes p; it never fails and never blocks for long.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	if n > t.max {
		p, t.lost = p[n-t.max:], true
	}
	t.buf = append(t.buf, p...)
	// Cut only when twice the size is reached, so that a flood of short
	// writes does not move all the bytes each time.
	if len(t.buf) > 2*t.max {
		t.buf = append(t.buf[:0], t.buf[len(t.buf)-t.max:]...)
		t.lost = true
	}
	return n, nil
}

// String gives the end of what was written, with "..." before it if something
// was dropped.
func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.buf) > t.max {
		return "..." + string(t.buf[len(t.buf)-t.max:])
	}
	if t.lost {
		return "..." + string(t.buf)
	}
	return string(t.buf)
}
