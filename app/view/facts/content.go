package facts

import (
	"encoding/hex"
	"slices"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Content is a block as a message carried it, decoded.
type Content struct {
	Number           uint64
	Hash, Prev, Data string // in hexadecimal: its own, the previous block's, and that of its data
	Txs              []TxContent
	Block            *Block // what the trace tells of it, nil for a block of another network
}

// TxContent is one transaction of a block; empty where it cannot be decoded.
type TxContent struct {
	ID, Chaincode string
	Args          [][]byte
	Config        bool   // it is a channel configuration
	Creator, MSP  string // the name in the certificate, and the organisation's id
	Envelope      []byte
	Reads         []Read
	Writes        []Write
}

// Read is one public entry of a read set: a key, or a range of keys.
type Read struct {
	Namespace, Key string
	Version        *wire.Version // nil: it was absent
	Ranged         bool
	End            string // of a range, "" for the end of the namespace
	Found          []Met  // of a range: what was in it, in order; nil where there are only hashes of it
	Hashed         bool   // of a range: there are only hashes
}

// Met is a key that a range query found, with its version.
type Met struct {
	Key     string
	Version wire.Version
}

// met tells whether a range query found what a write made, or found nothing where one deleted.
func (r *Read) met(w *Wrote) bool {
	i := slices.IndexFunc(r.Found, func(m Met) bool { return m.Key == w.Write.Key })
	if w.Gone() {
		return i < 0
	}
	return i >= 0 && r.Found[i].Version == w.Version
}

// Write is one public entry of a write set.
type Write struct {
	Namespace, Key string
	Value          []byte
	Gone           bool // the key is deleted
}

// contents keeps a few blocks decoded, by number.
type contents struct {
	blocks map[uint64]*Content
	bytes  int
	failed map[uint64]uint64 // blocks that are not to be had, with the newest message tried
}

const (
	maxContentBytes = 24 << 20
	maxFailed       = 8192
)

// Payload is the message of an event, if it is still there.
func (w *World) Payload(seq uint64) (name string, raw []byte, ok bool) {
	if w.src == nil || seq == 0 {
		return "", nil, false
	}
	return w.src.Payload(seq)
}

// Content gives what is in a block if a message with it was on its way at seq; nil if not, or
// if it has left the memory.
func (w *World) Content(number, seq uint64) *Content {
	b := w.blocks.Of(number)
	if b == nil || b.Message == 0 || b.Message > seq {
		return nil
	}
	if c := w.contents.blocks[number]; c != nil {
		return c
	}
	return w.decode(b)
}

func (w *World) decode(b *Block) *Content {
	c := &w.contents
	if c.failed[b.Number] == b.Again {
		return nil
	}
	for _, seq := range []uint64{b.Message, b.Again} {
		_, raw, ok := w.Payload(seq)
		if !ok {
			continue
		}
		block := blockIn(raw)
		if block == nil || block.GetHeader().GetNumber() != b.Number {
			continue
		}
		if c.blocks == nil || c.bytes > maxContentBytes {
			c.blocks, c.bytes = map[uint64]*Content{}, 0
		}
		d := NewContent(block)
		d.Block = b
		c.blocks[b.Number] = d
		c.bytes += 2 * len(raw)
		return d
	}
	if c.failed == nil || len(c.failed) > maxFailed {
		c.failed = map[uint64]uint64{}
	}
	c.failed[b.Number] = b.Again
	return nil
}

// blockIn is the block in an encoded answer of a deliver service, nil if there is none.
func blockIn(raw []byte) *commonpb.Block {
	response := &peerpb.DeliverResponse{}
	if proto.Unmarshal(raw, response) != nil {
		return nil
	}
	if block := response.GetBlock(); block != nil {
		return block
	}
	return response.GetBlockAndPrivateData().GetBlock()
}

// NewContent decodes a block.
func NewContent(block *commonpb.Block) *Content {
	h := block.GetHeader()
	c := &Content{Number: h.GetNumber(), Hash: hex.EncodeToString(wire.BlockHash(h)),
		Prev: hex.EncodeToString(h.GetPreviousHash()), Data: hex.EncodeToString(h.GetDataHash())}
	for _, envelope := range block.GetData().GetData() {
		c.Txs = append(c.Txs, contentOf(envelope))
	}
	return c
}

func contentOf(envelope []byte) TxContent {
	t := TxContent{Envelope: envelope}
	tx, err := wire.ParseTransaction(envelope)
	if err != nil {
		return t
	}
	t.ID, t.Chaincode, t.Args, t.Config, t.MSP = tx.TxID, tx.Chaincode, tx.Input.GetArgs(), tx.Config != nil, tx.Creator.GetMspid()
	if tx.SignatureHeader != nil {
		t.Creator = msp.NameOf(tx.SignatureHeader.GetCreator())
	}
	if tx.RWSet == nil {
		return t
	}
	for _, ns := range tx.RWSet.Namespaces {
		for _, r := range ns.KV.GetReads() {
			read := Read{Namespace: ns.Name, Key: r.GetKey()}
			if v, ok := wire.VersionOf(r.GetVersion()); ok {
				read.Version = &v
			}
			t.Reads = append(t.Reads, read)
		}
		for _, q := range ns.KV.GetRangeQueriesInfo() {
			read := Read{Namespace: ns.Name, Key: q.GetStartKey(), End: q.GetEndKey(), Ranged: true, Hashed: q.GetReadsMerkleHashes() != nil}
			for _, raw := range q.GetRawReads().GetKvReads() {
				if v, ok := wire.VersionOf(raw.GetVersion()); ok {
					read.Found = append(read.Found, Met{raw.GetKey(), v})
				}
			}
			t.Reads = append(t.Reads, read)
		}
		for _, w := range ns.KV.GetWrites() {
			t.Writes = append(t.Writes, Write{ns.Name, w.GetKey(), w.GetValue(), w.GetIsDelete()})
		}
	}
	return t
}

// Valid tells whether a transaction took effect. All verdicts in the trace count: who asks
// about an earlier moment asks the block.
func (c *Content) Valid(i int) bool {
	code, ok := c.Block.Code(i)
	return ok && code == Valid
}

// Complete tells whether every transaction was judged.
func (c *Content) Complete() bool {
	if len(c.Txs) == 0 {
		return true
	}
	_, ok := c.Block.Code(len(c.Txs) - 1)
	return ok
}

// Position is where a transaction stands in its block, -1 if it does not.
func (c *Content) Position(id string) int {
	for i := range c.Txs {
		if c.Txs[i].ID == id {
			return i
		}
	}
	return -1
}

// touches tells whether a write changes what was read.
func (r *Read) touches(w *Write) bool {
	if w.Namespace != r.Namespace {
		return false
	}
	if r.Ranged {
		return w.Key >= r.Key && (r.End == "" || w.Key < r.End)
	}
	return w.Key == r.Key
}

// Wrote is a write, and the version that it made.
type Wrote struct {
	Version wire.Version
	Tx      string // id of the transaction, "" if it is not known
	Write   *Write // nil: it is not known
}

// Gone tells whether the key is absent after it.
func (w *Wrote) Gone() bool {
	if w.Write != nil {
		return w.Write.Gone
	}
	return w.Version == wire.Version{}
}

// wrote is the last write of a transaction to what was read, nil if it wrote nothing of it.
func (c *Content) wrote(tx int, r *Read) *Write {
	t := &c.Txs[tx]
	for n := len(t.Writes) - 1; n >= 0; n-- {
		if r.touches(&t.Writes[n]) {
			return &t.Writes[n]
		}
	}
	return nil
}

// WriteOf finds the write that made a version of a key; ok is false where the block is missing
// or says otherwise.
func (w *World) WriteOf(namespace, key string, v wire.Version) (Wrote, bool) {
	c := w.Content(v.Block, ^uint64(0))
	if c == nil || v.Tx >= uint64(len(c.Txs)) {
		return Wrote{}, false
	}
	write := c.wrote(int(v.Tx), &Read{Namespace: namespace, Key: key})
	return Wrote{v, c.Txs[v.Tx].ID, write}, write != nil
}

// searchBack bounds how many blocks are decoded to find who wrote a key.
const searchBack = 64

// LastWrite finds the last write that took effect on what was read, before a place in the
// chain, going back to block oldest. valid says which transactions of the first block count,
// nil: those that are valid. ok is false if there is none; sure is false if blocks are missing
// on the way.
func (w *World) LastWrite(number uint64, before int, r *Read, oldest uint64, valid func(tx int) bool) (found Wrote, ok, sure bool) {
	for left := searchBack; left > 0; left-- {
		c := w.Content(number, ^uint64(0))
		if c == nil {
			return Wrote{}, false, number == 0 // the first block holds no chaincode's keys
		}
		if valid == nil {
			valid = c.Valid
		}
		for i := min(before, len(c.Txs)) - 1; i >= 0; i-- {
			if write := c.wrote(i, r); write != nil && valid(i) {
				return Wrote{wire.Version{Block: number, Tx: uint64(i)}, c.Txs[i].ID, write}, true, true
			}
		}
		if number <= oldest {
			return Wrote{}, false, true
		}
		number, before, valid = number-1, len(c.Txs)+1<<30, nil
	}
	return Wrote{}, false, false
}

// Found is what a peer finds at validation in place of what was read.
type Found struct {
	Known bool  // false: the trace cannot tell
	Holds bool  // it is what was read
	By    Wrote // whose write it is, if it is another one and not another result of a range
}

// Finds says what the peer finds for one entry of a transaction's read set, and so why a read
// did not hold. code is the transaction's as far as it is decided, check the event of its
// version check, nil before it; valid is as for LastWrite.
func (w *World) Finds(number uint64, tx int, r *Read, code uint8, check *trace.Event, valid func(tx int) bool) Found {
	if code == Valid {
		return Found{Known: true, Holds: true}
	}
	oldest := number
	if !r.Ranged {
		oldest = 0
		if r.Version != nil {
			oldest = min(r.Version.Block+1, number)
		}
	}
	by, ok, sure := w.LastWrite(number, tx, r, oldest, valid)
	if r.Ranged && !ok && code == Phantom && !r.Hashed {
		// The newest write into the range is what changed it, unless the query has met it.
		if by, ok, _ = w.LastWrite(number, tx, r, 0, valid); ok && r.met(&by) {
			return Found{Known: true, Holds: true}
		}
	}
	if r.Ranged {
		return Found{Known: true, Holds: !ok && code != Phantom, By: by}
	}
	if check != nil && check.What != trace.Untold && Conflict(code) && check.Name == r.Namespace && check.Key == r.Key {
		told := wire.Version{Block: uint64(check.B), Tx: uint64(check.C)} // zero where the key is absent
		if !ok || !by.Gone() && by.Version != told {
			by, _ = w.WriteOf(r.Namespace, r.Key, told)
			by.Version = told
		}
		return Found{Known: true, By: by}
	}
	if !ok {
		return Found{Known: sure, Holds: true}
	}
	return Found{Known: true, Holds: by.Gone() && r.Version == nil || r.Version != nil && by.Version == *r.Version, By: by}
}
