package launch

import (
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// What is told of a chaincode's output at most.
const (
	MaxLineBytes = 1024 // of one line; the rest of it is cut
	lineBurst    = 200  // lines at once
	linesASecond = 50   // lines in the long run
)

// Output is an io.Writer for what a chaincode prints: it keeps the end and tells it line by
// line. Close it when the chaincode has ended. It may be used by several goroutines at once.
type Output struct {
	*Tail
	said func(line string, leftOut int)
	now  func() time.Time

	mu      sync.Mutex
	line    []byte // that has not ended yet
	allowed float64
	since   time.Time
	leftOut int
}

// NewOutput gives an Output that tells spec.Said, if there is one.
func NewOutput(spec *Spec) *Output {
	return &Output{Tail: NewTail(spec.Limits.WithDefaults().OutputBytes), said: spec.Said, now: time.Now, allowed: lineBurst}
}

// Write takes p; it never fails.
func (o *Output) Write(p []byte) (int, error) {
	n, _ := o.Tail.Write(p)
	if o.said == nil {
		return n, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	rest := string(p)
	for {
		piece, more, ended := strings.Cut(rest, "\n")
		if room := MaxLineBytes + 1 - len(o.line); room > 0 {
			o.line = append(o.line, piece[:min(room, len(piece))]...)
		}
		if !ended {
			return n, nil
		}
		o.tell()
		rest = more
	}
}

// Close tells what has come without the end of its line, and how much was left out.
func (o *Output) Close() {
	if o.said == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tell()
	o.tellLeftOut()
}

// tell passes on the line that has ended, unless there were too many lately. Caller holds mu.
func (o *Output) tell() {
	text := strings.TrimRight(string(o.line), " \t\r")
	o.line = o.line[:0]
	if text == "" {
		return
	}
	now := o.now()
	if !o.since.IsZero() {
		o.allowed = min(lineBurst, o.allowed+now.Sub(o.since).Seconds()*linesASecond)
	}
	o.since = now
	if o.allowed < 1 {
		o.leftOut++
		return
	}
	o.allowed--
	o.tellLeftOut()
	if len(text) > MaxLineBytes {
		end := MaxLineBytes
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
		text = text[:end] + "..."
	}
	o.said(strings.ToValidUTF8(text, "\uFFFD"), 0)
}

// tellLeftOut says how many lines were left out since the last one that was told. Caller
// holds mu.
func (o *Output) tellLeftOut() {
	if o.leftOut > 0 {
		o.said("", o.leftOut)
		o.leftOut = 0
	}
}

// PanicIn finds the last line of an output with which a Go program says why it ended, ""
// if there is none.
func PanicIn(output string) (said string) {
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			said = strings.TrimSpace(line)
		}
	}
	return strings.ToValidUTF8(said[:min(len(said), MaxLineBytes)], "")
}
