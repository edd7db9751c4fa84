package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/s2"
)

// The run file keeps events and payloads in chunks: a few hundred to a few
// thousand consecutive events each. Texts are written once per chunk and numbers
// column by column, as differences; that alone makes an event about 25 bytes,
// before s2 compresses it. A chunk can be read without any other.
//
//	chunk    = crc32c(rest) as 4 bytes, s2(body)
//	body     = version, count, texts, then the columns, each of count numbers
//	texts    = number of texts, then each as length and bytes; number 0 is ""
//	columns  = time (zigzag difference to the one before), kind*8+direction,
//	           node, other, channel, txid, key, note (all numbers of texts),
//	           block, message (8 bytes little endian); since version 2 also what, a,
//	           b, c (zigzag) and name (number of a text)
//
// All other numbers are unsigned varints. Version 1 had no facts: its events are Untold.
const (
	chunkVersion   = 2
	firstVersion   = 1         // the oldest that is read
	columnCount    = 15        // of the newest version
	MaxChunkEvents = 1 << 20   // more is damage
	maxEventBody   = 256 << 20 // decoded size of an event chunk; more is damage
)

// ErrDamaged is wrapped by every error of a decoder.
var ErrDamaged = errors.New("a chunk of the run file is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encoder turns events into chunks. It is kept between chunks to reuse its memory.
type encoder struct {
	texts   map[string]uint64
	text    []byte
	columns [columnCount][]byte
	body    []byte
	txids   []uint64

	// The text of each column's event before, and its number: mostly the same again.
	before [columnCount]struct {
		text   string
		number uint64
	}
}

// PackEvents is the body of the chunk of events, for whoever keeps many of them and
// compresses the whole. UnpackEvents reads it.
func PackEvents(events []Event) []byte {
	var c encoder
	c.write(events)
	return c.body
}

// UnpackEvents reads what PackEvents made of events whose first has position first.
func UnpackEvents(body []byte, first uint64) ([]Event, error) {
	if len(body) > maxEventBody {
		return nil, fmt.Errorf("%w: its size is impossible", ErrDamaged)
	}
	return decodeBody(body, first)
}

// encodeEvents appends the chunk of events to out and returns, sorted, the
// hashes of the transactions that occur in it; they are valid until the next call.
func (c *encoder) encodeEvents(out []byte, events []Event) (chunk []byte, txids []uint64) {
	c.write(events)
	slices.Sort(c.txids)
	return seal(out, c.body), c.txids
}

// write fills the body.
func (c *encoder) write(events []Event) {
	if c.texts == nil {
		c.texts = make(map[string]uint64)
	}
	clear(c.texts)
	clear(c.before[:])
	c.text, c.body, c.txids = c.text[:0], c.body[:0], c.txids[:0]
	for i := range c.columns {
		c.columns[i] = c.columns[i][:0]
	}
	before := int64(0)
	for i := range events {
		e := &events[i]
		c.columns[0] = binary.AppendVarint(c.columns[0], e.Time-before)
		before = e.Time
		c.columns[1] = binary.AppendUvarint(c.columns[1], c.number(1, string(e.Kind))<<3|uint64(e.Dir&7))
		c.columns[2] = binary.AppendUvarint(c.columns[2], c.number(2, e.Node))
		c.columns[3] = binary.AppendUvarint(c.columns[3], c.number(3, e.Other))
		c.columns[4] = binary.AppendUvarint(c.columns[4], c.number(4, e.Channel))
		known := len(c.texts)
		c.columns[5] = binary.AppendUvarint(c.columns[5], c.number(5, e.TxID))
		if len(c.texts) > known {
			c.txids = append(c.txids, HashTxID(e.TxID))
		}
		c.columns[6] = binary.AppendUvarint(c.columns[6], c.number(6, e.Key))
		c.columns[7] = binary.AppendUvarint(c.columns[7], c.number(7, e.Note))
		c.columns[8] = binary.AppendUvarint(c.columns[8], e.Block)
		c.columns[9] = binary.LittleEndian.AppendUint64(c.columns[9], e.Msg)
		c.columns[10] = append(c.columns[10], byte(e.What))
		c.columns[11] = binary.AppendVarint(c.columns[11], e.A)
		c.columns[12] = binary.AppendVarint(c.columns[12], e.B)
		c.columns[13] = binary.AppendVarint(c.columns[13], e.C)
		c.columns[14] = binary.AppendUvarint(c.columns[14], c.number(14, e.Name))
	}
	c.body = append(c.body, chunkVersion)
	c.body = binary.AppendUvarint(c.body, uint64(len(events)))
	c.body = binary.AppendUvarint(c.body, uint64(len(c.texts)))
	c.body = append(c.body, c.text...)
	for _, column := range c.columns {
		c.body = append(c.body, column...)
	}
}

// number is the number of a text in this chunk, which is added if it is new.
func (c *encoder) number(column int, text string) uint64 {
	if text == "" {
		return 0
	}
	before := &c.before[column]
	if text == before.text {
		return before.number
	}
	number, ok := c.texts[text]
	if !ok {
		number = uint64(len(c.texts)) + 1
		c.texts[text] = number
		c.text = binary.AppendUvarint(c.text, uint64(len(text)))
		c.text = append(c.text, text...)
	}
	before.text, before.number = text, number
	return number
}

// seal compresses body and puts the checksum in front.
func seal(out, body []byte) []byte {
	start := len(out)
	out = append(out, 0, 0, 0, 0)
	room := s2.MaxEncodedLen(len(body))
	out = slices.Grow(out, room)
	packed := s2.Encode(out[start+4:start+4+room], body)
	out = out[:start+4+len(packed)]
	binary.LittleEndian.PutUint32(out[start:], crc32.Checksum(packed, castagnoli))
	return out
}

// unseal is the reverse of seal; limit bounds the size of the body.
func unseal(chunk []byte, limit int) ([]byte, error) {
	if len(chunk) < 4 || binary.LittleEndian.Uint32(chunk) != crc32.Checksum(chunk[4:], castagnoli) {
		return nil, fmt.Errorf("%w: its checksum does not fit", ErrDamaged)
	}
	size, err := s2.DecodedLen(chunk[4:])
	if err != nil || size > limit {
		return nil, fmt.Errorf("%w: its size is impossible", ErrDamaged)
	}
	body, err := s2.Decode(nil, chunk[4:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return body, nil
}

// DecodeEvents reads a chunk whose first event has position first.
func DecodeEvents(chunk []byte, first uint64) ([]Event, error) {
	body, err := unseal(chunk, maxEventBody)
	if err != nil {
		return nil, err
	}
	return decodeBody(body, first)
}

func decodeBody(body []byte, first uint64) ([]Event, error) {
	d := decoder{rest: body}
	version := d.version()
	count := d.size(MaxChunkEvents)
	texts := d.texts()
	if d.failed {
		return nil, d.problem("it ends too early")
	}
	events := make([]Event, count)
	before := int64(0)
	for i := range events {
		before += d.varint()
		events[i].Time, events[i].Seq = before, first+uint64(i)
	}
	for i := range events {
		value := d.uvarint()
		events[i].Kind, events[i].Dir = Kind(d.text(texts, value>>3)), Dir(value&7)
	}
	for _, place := range []func(*Event) *string{
		func(e *Event) *string { return &e.Node }, func(e *Event) *string { return &e.Other },
		func(e *Event) *string { return &e.Channel }, func(e *Event) *string { return &e.TxID },
		func(e *Event) *string { return &e.Key }, func(e *Event) *string { return &e.Note },
	} {
		for i := range events {
			*place(&events[i]) = d.text(texts, d.uvarint())
		}
	}
	for i := range events {
		events[i].Block = d.uvarint()
	}
	for i := range events {
		events[i].Msg = d.fixed()
	}
	if version >= 2 {
		d.facts(events, texts)
	}
	if d.failed || len(d.rest) > 0 {
		return nil, d.problem("its columns do not fit its length")
	}
	return events, nil
}

// facts reads the columns that version 2 added.
func (d *decoder) facts(events []Event, texts []string) {
	for i := range events {
		events[i].What = What(d.byte())
	}
	for _, place := range []func(*Event) *int64{
		func(e *Event) *int64 { return &e.A }, func(e *Event) *int64 { return &e.B }, func(e *Event) *int64 { return &e.C },
	} {
		for i := range events {
			*place(&events[i]) = d.varint()
		}
	}
	for i := range events {
		events[i].Name = d.text(texts, d.uvarint())
	}
}

// decoder takes numbers off the front of a body. After a mistake it is failed
// and returns zeros.
type decoder struct {
	rest    []byte
	failed  bool
	unknown byte // a version that is not known, 0 if it is
}

func (d *decoder) fail() {
	d.failed = true
	d.rest = nil
}

// version reads the version of a body, and fails on one that this program does not know.
func (d *decoder) version() byte {
	version := d.byte()
	if !d.failed && (version < firstVersion || version > chunkVersion) {
		d.unknown = version
		d.fail()
	}
	return version
}

// problem is the error of a decoder that failed, or that left something over.
func (d *decoder) problem(what string) error {
	if d.unknown != 0 {
		return fmt.Errorf("%w: it has version %d, this program reads %d to %d; a newer Fabriscope wrote it, use that one", ErrDamaged, d.unknown, firstVersion, chunkVersion)
	}
	return fmt.Errorf("%w: %s", ErrDamaged, what)
}

func (d *decoder) byte() byte {
	if len(d.rest) == 0 {
		d.fail()
		return 0
	}
	b := d.rest[0]
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) uvarint() uint64 {
	value, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return value
}

func (d *decoder) varint() int64 {
	value, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[n:]
	return value
}

func (d *decoder) fixed() uint64 {
	if len(d.rest) < 8 {
		d.fail()
		return 0
	}
	value := binary.LittleEndian.Uint64(d.rest)
	d.rest = d.rest[8:]
	return value
}

// size is a number of things that each take at least one byte of what is left.
func (d *decoder) size(limit int) int {
	value := d.uvarint()
	if value > uint64(limit) || value > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	return int(value)
}

// texts reads a list of texts.
func (d *decoder) texts() []string {
	texts := make([]string, d.size(maxEventBody))
	for i := range texts {
		length := d.size(maxEventBody)
		if d.failed {
			return nil
		}
		texts[i] = string(d.rest[:length])
		d.rest = d.rest[length:]
	}
	return texts
}

// text is the text with that number.
func (d *decoder) text(texts []string, number uint64) string {
	if number == 0 {
		return ""
	}
	if number > uint64(len(texts)) {
		d.fail()
		return ""
	}
	return texts[number-1]
}

// HashTxID is FNV-1a, by which a run file finds the chunks of a transaction.
func HashTxID(text string) uint64 {
	hash := uint64(14695981039346656037)
	for i := range len(text) {
		hash = (hash ^ uint64(text[i])) * 1099511628211
	}
	return hash
}
