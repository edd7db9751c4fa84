package player

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"sort"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/view/inspect"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// The packed form of a run, which a page carries compressed:
//
//	packed   = magic, length and JSON of Head, chunks, a zero, contents, places
//	chunks   = each length and body (trace.PackEvents) of at most packChunk events
//	contents = number of message names, each length and text; number of contents, each
//	           number of its name, length and bytes
//	places   = number of them, each difference of positions and number of the content
//
// All numbers are unsigned varints. A content is kept once, however often it was sent.
const (
	magic        = "fabriscope page 1\n"
	packChunk    = 4096
	mostContents = 1 << 24
	mostPacked   = 1 << 30 // of anything that is read at once; more is damage
)

// ErrPacked is wrapped by the errors of Unpack.
var ErrPacked = errors.New("the run in this page is damaged")

// Head says what a packed run is about.
type Head struct {
	Name     string            `json:"name"`
	Program  string            `json:"program,omitempty"` // version that recorded it
	First    uint64            `json:"first"`             // position of the first event
	Events   uint64            `json:"events"`
	Of       uint64            `json:"of"`       // events of the run that this is a span of
	Contents bool              `json:"contents"` // messages can be opened
	Layout   *facts.Layout     `json:"layout,omitempty"`
	Orgs     []inspect.Org     `json:"orgs,omitempty"`
	Policies map[string]string `json:"policies,omitempty"`
}

// Pack writes events [h.First, h.First+h.Events) of a trace, and the contents of their
// messages if h.Contents says so. It fills h.Events if it is 0: everything.
func Pack(w io.Writer, src view.Source, h Head) error {
	chunks, err := packEvents(src, &h)
	if err != nil {
		return err
	}
	head, err := json.Marshal(h)
	if err != nil {
		return fmt.Errorf("pack the run: %w", err)
	}
	out := append([]byte(magic), binary.AppendUvarint(nil, uint64(len(head)))...)
	out = append(out, head...)
	for _, body := range chunks {
		out = append(binary.AppendUvarint(out, uint64(len(body))), body...)
	}
	out = append(out, 0)
	if h.Contents {
		out = packContents(out, src, h.First, h.First+h.Events)
	} else {
		out = append(out, 0, 0, 0)
	}
	_, err = w.Write(out)
	return err
}

func packEvents(src view.Source, h *Head) (chunks [][]byte, err error) {
	cursor := max(h.First, 1) - 1
	left := h.Events
	if left == 0 {
		left = ^uint64(0)
	}
	var count uint64
	for left > 0 {
		events, _, lost := src.Since(cursor, int(min(packChunk, left)))
		if len(events) == 0 {
			break
		}
		if lost > 0 && count > 0 {
			return nil, fmt.Errorf("%d events are missing after event %d: choose a span before or after them with --from and --to", lost, cursor)
		}
		if count == 0 {
			h.First = events[0].Seq
		}
		chunks = append(chunks, trace.PackEvents(events))
		cursor = events[len(events)-1].Seq
		count += uint64(len(events))
		left -= uint64(len(events))
	}
	if count == 0 {
		return nil, errors.New("the run has no events to show")
	}
	h.Events = count
	return chunks, nil
}

func packContents(out []byte, src view.Source, from, to uint64) []byte {
	var names []string
	numbers := map[string]uint64{}
	seed := maphash.MakeSeed()
	known := map[uint64][]uint64{} // by hash
	var contents, places []byte
	var raws [][]byte
	var kinds []uint64
	var count, last uint64
	for seq := from; seq < to; seq++ {
		name, raw, ok := src.Payload(seq)
		if !ok {
			continue
		}
		kind, ok := numbers[name]
		if !ok {
			kind = uint64(len(names))
			numbers[name], names = kind, append(names, name)
		}
		sum := maphash.Bytes(seed, raw)
		at := -1
		for _, i := range known[sum] {
			if kinds[i] == kind && bytes.Equal(raws[i], raw) {
				at = int(i)
			}
		}
		if at < 0 {
			at = len(raws)
			known[sum] = append(known[sum], uint64(at))
			raws, kinds = append(raws, raw), append(kinds, kind)
			contents = binary.AppendUvarint(contents, kind)
			contents = append(binary.AppendUvarint(contents, uint64(len(raw))), raw...)
		}
		places = binary.AppendUvarint(binary.AppendUvarint(places, seq-last), uint64(at))
		last = seq
		count++
	}
	out = binary.AppendUvarint(out, uint64(len(names)))
	for _, n := range names {
		out = append(binary.AppendUvarint(out, uint64(len(n))), n...)
	}
	out = append(binary.AppendUvarint(out, uint64(len(raws))), contents...)
	return append(binary.AppendUvarint(out, count), places...)
}

// Run is a packed run that is being read. It is a view.Source of what has been read.
type Run struct {
	Head
	events   []trace.Event
	rest     []byte
	done     bool
	kinds    []uint64
	names    []string
	contents [][]byte
	places   []place // by position
	byTx     map[string][]uint64
}

type place struct{ seq, content uint64 }

// Unpack begins to read a packed run: only its head. Read takes the rest.
func Unpack(packed []byte) (*Run, error) {
	rest, ok := bytes.CutPrefix(packed, []byte(magic))
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin as one does, or another version of Fabriscope made it", ErrPacked)
	}
	r := &Run{rest: rest, byTx: map[string][]uint64{}}
	head, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(head, &r.Head); err != nil {
		return nil, fmt.Errorf("%w: its head: %w", ErrPacked, err)
	}
	if r.First < 1 || r.Events > mostPacked {
		return nil, fmt.Errorf("%w: it begins at event %d and has %d", ErrPacked, r.First, r.Events)
	}
	return r, nil
}

// Read reads a few thousand further events, and at the end what their messages hold. It
// gives no events when everything has been read.
func (r *Run) Read() ([]trace.Event, error) {
	if r.done {
		return nil, nil
	}
	body, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		r.done = true
		return nil, r.readContents()
	}
	events, err := trace.UnpackEvents(body, r.First+uint64(len(r.events)))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPacked, err)
	}
	if uint64(len(r.events)+len(events)) > r.Events {
		return nil, fmt.Errorf("%w: it has more events than it says", ErrPacked)
	}
	for i := range events {
		if tx := events[i].TxID; tx != "" {
			r.byTx[tx] = append(r.byTx[tx], events[i].Seq)
		}
	}
	r.events = append(r.events, events...)
	return events, nil
}

// Share tells how much has been read; it is 1 when everything has.
func (r *Run) Share() float64 {
	if r.done {
		return 1
	}
	return 0.99 * float64(len(r.events)) / float64(max(1, r.Events))
}

func (r *Run) readContents() error {
	names, err := r.count()
	for range names {
		var name []byte
		if name, err = r.bytes(); err != nil {
			return err
		}
		r.names = append(r.names, string(name))
	}
	if err != nil {
		return err
	}
	contents, err := r.count()
	for range contents {
		var kind uint64
		var raw []byte
		if kind, err = r.uvarint(); err != nil {
			return err
		}
		if raw, err = r.bytes(); err != nil {
			return err
		}
		if kind >= uint64(len(r.names)) {
			return fmt.Errorf("%w: a message without a name", ErrPacked)
		}
		r.kinds, r.contents = append(r.kinds, kind), append(r.contents, raw)
	}
	if err != nil {
		return err
	}
	places, err := r.count()
	var seq uint64
	for range places {
		var by, content uint64
		if by, err = r.uvarint(); err != nil {
			return err
		}
		if content, err = r.uvarint(); err != nil {
			return err
		}
		if content >= uint64(len(r.contents)) {
			return fmt.Errorf("%w: an event without its message", ErrPacked)
		}
		seq += by
		r.places = append(r.places, place{seq, content})
	}
	if err == nil && len(r.rest) > 0 {
		err = fmt.Errorf("%w: there is more in it than it says", ErrPacked)
	}
	return err
}

func (r *Run) uvarint() (uint64, error) {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		return 0, fmt.Errorf("%w: it ends too early", ErrPacked)
	}
	r.rest = r.rest[n:]
	return v, nil
}

// count is a number of things that take at least one byte each.
func (r *Run) count() (uint64, error) {
	v, err := r.uvarint()
	if err == nil && (v > mostContents || v > uint64(len(r.rest))) {
		err = fmt.Errorf("%w: it ends too early", ErrPacked)
	}
	if err != nil {
		return 0, err
	}
	return v, nil
}

func (r *Run) bytes() ([]byte, error) {
	n, err := r.uvarint()
	if err != nil {
		return nil, err
	}
	if n > uint64(len(r.rest)) {
		return nil, fmt.Errorf("%w: it ends too early", ErrPacked)
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, nil
}

// Since gives up to max events after a position.
func (r *Run) Since(cursor uint64, max int) (events []trace.Event, next, lost uint64) {
	from := uint64(0)
	if cursor >= r.First {
		from = cursor - r.First + 1
	}
	if from >= uint64(len(r.events)) {
		return nil, cursor, 0
	}
	events = r.events[from:min(uint64(len(r.events)), from+uint64(max))]
	return events, events[len(events)-1].Seq, 0
}

// ByTx gives a transaction's events.
func (r *Run) ByTx(txID string) []trace.Event {
	var out []trace.Event
	for _, seq := range r.byTx[txID] {
		out = append(out, r.events[seq-r.First])
	}
	return out
}

// Payload gives the message of an event.
func (r *Run) Payload(seq uint64) (name string, raw []byte, ok bool) {
	i := sort.Search(len(r.places), func(i int) bool { return r.places[i].seq >= seq })
	if i == len(r.places) || r.places[i].seq != seq {
		return "", nil, false
	}
	at := r.places[i].content
	return r.names[r.kinds[at]], r.contents[at], true
}
