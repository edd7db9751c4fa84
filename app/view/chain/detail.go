package chain

import (
	"fmt"
	"strings"
	"unicode"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// detail is what the close-up shows of a transaction, decoded from its block.
type detail struct {
	creator string
	call    string
	reads   []read
	writes  []write
}

// read is one entry of a read set: a key, or a range of keys.
type read struct {
	ns, key string
	version *wire.Version // nil: it was absent
	ranged  bool
	end     string // of a range, "" for the end of the namespace
}

// write is one entry of a write set.
type write struct {
	ns, key string
	gone    bool
}

// lifecycle is the namespace of chaincode definitions. Every endorser adds a read of
// the definition it used; it is left out here, because it would be on every card.
const lifecycle = "_lifecycle"

// detailsOf decodes a block's transactions, nil where no message with the block was on
// its way at seq or has left the memory.
func (s *Strip) detailsOf(b *block, seq uint64) []detail {
	if d, ok := s.details[b.number]; ok {
		return d
	}
	if s.src == nil || b.message == 0 || b.message > seq {
		return nil
	}
	for _, at := range []uint64{b.message, b.again} {
		_, raw, ok := s.src.Payload(at)
		if !ok {
			continue
		}
		block := &commonpb.Block{}
		if proto.Unmarshal(blockBytes(raw), block) != nil || block.GetHeader().GetNumber() != b.number {
			continue
		}
		details := make([]detail, len(block.GetData().GetData()))
		for i, envelope := range block.GetData().GetData() {
			details[i] = detailOf(envelope)
		}
		if s.details == nil || len(s.details) >= keptDetails {
			s.details = map[uint64][]detail{}
		}
		s.details[b.number] = details
		return details
	}
	return nil
}

func detailOf(envelope []byte) (d detail) {
	tx, err := wire.ParseTransaction(envelope)
	if err != nil {
		return d
	}
	if tx.SignatureHeader != nil {
		d.creator, _, _ = strings.Cut(msp.NameOf(tx.SignatureHeader.GetCreator()), "@")
	}
	d.call = callText(tx)
	if tx.RWSet == nil {
		return d
	}
	for i := range tx.RWSet.Namespaces {
		d.namespace(&tx.RWSet.Namespaces[i], tx.Chaincode)
	}
	return d
}

func (d *detail) namespace(ns *wire.NsRWSet, chaincode string) {
	for _, r := range ns.KV.GetReads() {
		if ns.Name == lifecycle && chaincode != lifecycle {
			continue
		}
		entry := read{ns: ns.Name, key: r.GetKey()}
		if v, ok := wire.VersionOf(r.GetVersion()); ok {
			entry.version = &v
		}
		d.reads = append(d.reads, entry)
	}
	for _, q := range ns.KV.GetRangeQueriesInfo() {
		d.reads = append(d.reads, read{ns: ns.Name, key: q.GetStartKey(), end: q.GetEndKey(), ranged: true})
	}
	for _, w := range ns.KV.GetWrites() {
		d.writes = append(d.writes, write{ns.Name, w.GetKey(), w.GetIsDelete()})
	}
}

// callText is the call as a person would write it, shortened.
func callText(tx *wire.Transaction) string {
	if tx.Config != nil {
		return "channel configuration"
	}
	args := tx.Input.GetArgs()
	if len(args) == 0 {
		return ""
	}
	words := make([]string, 0, len(args))
	for _, a := range args[1:] {
		words = append(words, printable(string(a), 24))
	}
	return printable(string(args[0]), 40) + "(" + strings.Join(words, ", ") + ")"
}

// text is the entry as a card shows it.
func (r *read) text() string {
	if r.ranged {
		switch {
		case r.key == "" && r.end == "":
			return "all keys"
		case strings.HasPrefix(r.key, "\x00") && r.end == r.key+"\U0010ffff":
			return shortKey(&write{key: r.key}) + " ..."
		case r.end == "":
			return shortKey(&write{key: r.key}) + " .. last"
		}
		return shortKey(&write{key: r.key}) + " .. " + shortKey(&write{key: r.end})
	}
	if r.version == nil {
		return shortKey(&write{key: r.key}) + " absent"
	}
	return shortKey(&write{key: r.key}) + " " + r.version.String()
}

// hit is the last of the writes that touches what was read, nil if none does.
func (r *read) hit(writes []write) *write {
	for i := len(writes) - 1; i >= 0; i-- {
		w := &writes[i]
		if w.ns != r.ns {
			continue
		}
		if r.ranged && w.key >= r.key && (r.end == "" || w.key < r.end) || !r.ranged && w.key == r.key {
			return w
		}
	}
	return nil
}

// foundText says what is there after a write.
func (r *read) foundText(hit *write, version wire.Version) string {
	if hit.gone {
		return shortKey(hit) + " deleted"
	}
	return shortKey(hit) + " " + version.String()
}

// shortKey writes a key for people: composite keys as their parts.
func shortKey(w *write) string {
	key := w.key
	if parts, ok := strings.CutPrefix(key, "\x00"); ok {
		return "[" + printable(strings.Join(strings.Split(strings.TrimSuffix(parts, "\x00"), "\x00"), " "), 20) + "]"
	}
	return printable(key, 20)
}

// printable is text without what cannot be shown, shortened to most letters.
func printable(s string, most int) string {
	if len(s) > 4*most {
		s = strings.ToValidUTF8(s[:4*most], "") + "..."
	}
	letters := []rune(s)
	for i, r := range letters {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			if i == 0 || len(letters) > 64 {
				return fmt.Sprintf("(%d bytes)", len(s))
			}
			letters[i] = ' '
		}
	}
	if len(letters) > most {
		return string(letters[:most-3]) + "..."
	}
	return string(letters)
}
