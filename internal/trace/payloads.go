package trace

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// A payload chunk holds the payloads of the events of one chunk. Many messages
// travel several times with the same bytes (a block goes to every peer and every
// follower): a large payload that was written recently is not written again but
// referred to by the position of the event that had it.
//
//	chunk   = crc32c(rest) as 4 bytes, s2(body)
//	body    = version, names, number of entries, entries, bytes
//	names   = number of texts, then each as length and bytes
//	entry   = distance of its event from the one before (from 0 at first),
//	          0 and how many positions back the same payload is, or
//	          number of its name and its length in bytes
const (
	maxPayloadBody = 256 << 20 // decoded size; more is damage
	sameFrom       = 512       // payloads from this size on are looked up
	sameKept       = 2048      // as many of them are remembered
)

// same remembers large payloads that were written recently.
type same struct {
	seeds [2]maphash.Seed
	known map[sameKey]uint64
	order [sameKept]sameKey
	next  int
}

// sameKey is what two payloads must have in common to be taken for the same:
// 128 bits of hash, the name and the length.
type sameKey struct {
	first, second uint64
	name          string
	length        int
}

// find returns the position of an event with the same payload, 0 for none; then seq is remembered.
func (s *same) find(name string, bytes []byte, seq uint64) uint64 {
	if len(bytes) < sameFrom {
		return 0
	}
	if s.known == nil {
		s.known = make(map[sameKey]uint64, sameKept)
		s.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	}
	key := sameKey{maphash.Bytes(s.seeds[0], bytes), maphash.Bytes(s.seeds[1], bytes), name, len(bytes)}
	if earlier, ok := s.known[key]; ok {
		return earlier
	}
	delete(s.known, s.order[s.next])
	s.order[s.next] = key
	s.known[key] = seq
	s.next = (s.next + 1) % sameKept
	return 0
}

// payloadEncoder turns payloads into chunks and keeps its memory between them.
type payloadEncoder struct {
	same    same
	names   map[string]uint64
	name    []byte
	entries []byte
	data    []byte
	body    []byte
}

// encode appends the chunk of payloads, which belong to the events from first
// on, to out. Without a payload it appends nothing.
func (c *payloadEncoder) encode(out []byte, payloads []payload, first uint64) ([]byte, error) {
	if c.names == nil {
		c.names = make(map[string]uint64)
	}
	clear(c.names)
	c.name, c.entries, c.data, c.body = c.name[:0], c.entries[:0], c.data[:0], c.body[:0]
	count, before := 0, 0
	for i := range payloads {
		if payloads[i].value == nil {
			continue
		}
		start := len(c.data)
		name, data, err := payloads[i].encode(c.data)
		if err != nil {
			return nil, fmt.Errorf("encode the payload of event %d: %w", first+uint64(i), err)
		}
		c.entries = binary.AppendUvarint(c.entries, uint64(i-before))
		before = i
		count++
		seq := first + uint64(i)
		if earlier := c.same.find(name, data[start:], seq); earlier != 0 {
			c.entries = append(c.entries, 0)
			c.entries = binary.AppendUvarint(c.entries, seq-earlier)
			c.data = data[:start]
			continue
		}
		c.data = data
		c.entries = binary.AppendUvarint(c.entries, c.number(name))
		c.entries = binary.AppendUvarint(c.entries, uint64(len(data)-start))
	}
	if count == 0 {
		return out, nil
	}
	c.body = append(c.body, chunkVersion)
	c.body = binary.AppendUvarint(c.body, uint64(len(c.names)))
	c.body = append(c.body, c.name...)
	c.body = binary.AppendUvarint(c.body, uint64(count))
	c.body = append(c.body, c.entries...)
	c.body = append(c.body, c.data...)
	return seal(out, c.body), nil
}

func (c *payloadEncoder) number(name string) uint64 {
	number, ok := c.names[name]
	if !ok {
		number = uint64(len(c.names)) + 1
		c.names[name] = number
		c.name = binary.AppendUvarint(c.name, uint64(len(name)))
		c.name = append(c.name, name...)
	}
	return number
}

// Stored is a payload as a chunk has it: itself, or where it is.
type Stored struct {
	Payload
	At uint64 // position of the event that has it; 0 = here
}

// DecodePayloads reads a payload chunk whose events begin at first, by position.
func DecodePayloads(chunk []byte, first uint64) (map[uint64]Stored, error) {
	body, err := unseal(chunk, maxPayloadBody)
	if err != nil {
		return nil, err
	}
	d := decoder{rest: body}
	d.version()
	names := d.texts()
	count := d.size(MaxChunkEvents)
	type entry struct {
		seq, length uint64
		Stored
	}
	entries := make([]entry, count)
	offset := uint64(0)
	for i := range entries {
		e := &entries[i]
		offset += d.uvarint()
		e.seq = first + offset
		name := d.uvarint()
		value := d.uvarint()
		if offset >= MaxChunkEvents || (name == 0 && (value == 0 || value >= e.seq)) {
			d.fail()
			break
		}
		if name == 0 {
			e.At = e.seq - value
			continue
		}
		e.Name, e.length = d.text(names, name), value
	}
	payloads := make(map[uint64]Stored, count)
	for i := range entries {
		e := &entries[i]
		if e.length > uint64(len(d.rest)) {
			d.fail()
			break
		}
		e.Bytes, d.rest = d.rest[:e.length:e.length], d.rest[e.length:]
		payloads[e.seq] = e.Stored
	}
	if d.failed || len(d.rest) > 0 {
		return nil, d.problem("its entries do not fit its length")
	}
	return payloads, nil
}
