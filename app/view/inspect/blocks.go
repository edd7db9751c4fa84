package inspect

import (
	"encoding/hex"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const valid = "VALID"

// decodedBlocks keeps a few blocks decoded, by number.
type decodedBlocks struct {
	blocks map[uint64]*decodedBlock
	bytes  int
	failed map[uint64]uint64 // blocks that are not to be had, with the newest message tried
}

const maxDecodedBytes = 24 << 20

// decodedBlock is what documents need of a block.
type decodedBlock struct {
	number           uint64
	hash, prev, data string
	txs              []decodedTx
	codes            []string // by the peer that judged it first, nil while it has not
	reasons          []string
	complete         bool // codes are final
}

// decodedTx is one transaction of a block.
type decodedTx struct {
	id, chaincode, call, creator, msp string
	envelope                          []byte
	writes                            []writeEntry
}

// writeEntry is one public write.
type writeEntry struct {
	ns, key string
	value   []byte
	gone    bool
}

// payload is the message of an event, if it is still there.
func (x *Index) payload(seq uint64) (name string, raw []byte, ok bool) {
	if x.src == nil || seq == 0 {
		return "", nil, false
	}
	return x.src.Payload(seq)
}

// decode gives a block's content if a message with it was on its way at seq; nil if
// not, or if it has left the memory.
func (x *Index) decode(number, seq uint64) *decodedBlock {
	b := x.blockAt(number)
	if b == nil || b.message == 0 || b.message > seq {
		return nil
	}
	d := x.decoded.blocks[number]
	if d == nil {
		if d = x.decodeFrom(b); d == nil {
			return nil
		}
	}
	if !d.complete {
		x.verdicts(b, d)
	}
	return d
}

func (x *Index) decodeFrom(b *blockLog) *decodedBlock {
	if x.decoded.failed[b.number] == b.again {
		return nil
	}
	for _, seq := range []uint64{b.message, b.again} {
		_, raw, ok := x.payload(seq)
		if !ok {
			continue
		}
		block := blockIn(raw)
		if block == nil || block.GetHeader().GetNumber() != b.number {
			continue
		}
		if x.decoded.blocks == nil || x.decoded.bytes > maxDecodedBytes {
			x.decoded.blocks, x.decoded.bytes = map[uint64]*decodedBlock{}, 0
		}
		d := newDecoded(block)
		x.decoded.blocks[b.number] = d
		x.decoded.bytes += 2 * len(raw)
		return d
	}
	if x.decoded.failed == nil || len(x.decoded.failed) > maxBlocks {
		x.decoded.failed = map[uint64]uint64{}
	}
	x.decoded.failed[b.number] = b.again
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

func newDecoded(block *commonpb.Block) *decodedBlock {
	d := &decodedBlock{number: block.GetHeader().GetNumber(), hash: hex.EncodeToString(wire.BlockHash(block.GetHeader())),
		prev: hex.EncodeToString(block.GetHeader().GetPreviousHash()), data: hex.EncodeToString(block.GetHeader().GetDataHash())}
	for _, envelope := range block.GetData().GetData() {
		d.txs = append(d.txs, decodeTx(envelope))
	}
	return d
}

func decodeTx(envelope []byte) decodedTx {
	t := decodedTx{envelope: envelope}
	tx, err := wire.ParseTransaction(envelope)
	if err != nil {
		return t
	}
	t.id, t.chaincode, t.call = tx.TxID, tx.Chaincode, callOf(tx.Input.GetArgs(), 28)
	if call := lifecycleCall(t.chaincode, tx.Input.GetArgs()); call != "" {
		t.call = call
	}
	if tx.Config != nil {
		t.call = "channel configuration"
	}
	if tx.SignatureHeader != nil {
		t.creator = shortName(msp.NameOf(tx.SignatureHeader.GetCreator()))
	}
	t.msp = tx.Creator.GetMspid()
	if tx.RWSet == nil {
		return t
	}
	for _, ns := range tx.RWSet.Namespaces {
		for _, w := range ns.KV.GetWrites() {
			t.writes = append(t.writes, writeEntry{ns.Name, w.GetKey(), w.GetValue(), w.GetIsDelete()})
		}
	}
	return t
}

// verdicts reads what the first peer found about each transaction. All of it counts as
// known once it is in the trace: who asks about an earlier moment looks at codesAt.
func (x *Index) verdicts(b *blockLog, d *decodedBlock) {
	if b.judged == "" {
		return
	}
	d.codes, d.reasons = nil, nil
	x.validation(b.number, b.judged, b.from, ^uint64(0), func(e *trace.Event) {
		switch e.Kind {
		case trace.ValidateFrom:
			d.codes, d.reasons = nil, nil
		case trace.Verdict:
			d.codes, d.reasons = append(d.codes, e.Key), append(d.reasons, e.Note)
		}
	})
	d.complete = len(d.codes) >= len(d.txs)
}

// maxLooked bounds how many events are read for one validation.
const maxLooked = 200_000

// validation reads one peer's events about one block, from a position to its commit.
func (x *Index) validation(number uint64, peer string, from, end uint64, take func(*trace.Event)) {
	for cursor, left := from-1, maxLooked; left > 0; {
		events, next, lost := x.src.Since(cursor, 1024)
		if len(events) == 0 || lost > 0 {
			return
		}
		for i := range events {
			e := &events[i]
			if e.Seq > end {
				return
			}
			if e.Node != peer || e.Block != number {
				continue
			}
			switch e.Kind {
			case trace.ValidateFrom, trace.PolicyJudged, trace.VersionCheck, trace.Verdict:
				take(e)
			case trace.Committed:
				take(e)
				return
			}
		}
		left -= len(events)
		cursor = next
	}
}

// code is a transaction's verdict, "" before there is one.
func (d *decodedBlock) code(i int) string {
	if i < len(d.codes) {
		return d.codes[i]
	}
	return ""
}

// position is where a transaction stands in its block, -1 if it does not.
func (d *decodedBlock) position(id string) int {
	for i := range d.txs {
		if d.txs[i].id == id {
			return i
		}
	}
	return -1
}

// shortName is a name in a certificate as people say it: without an e-mail's domain.
func shortName(name string) string {
	if before, _, ok := strings.Cut(name, "@"); ok && before != "" {
		return before
	}
	return name
}

// keyAt is one version of a key.
type keyAt struct {
	version wire.Version
	value   []byte
	gone    bool
	txID    string
}

// searchBack bounds how many blocks are decoded to find who wrote a key.
const searchBack = 64

// writerBefore finds the last valid write to a key before a place in the chain, going
// back to block oldest. ok is false if there is none; sure is false if blocks are
// missing on the way.
func (x *Index) writerBefore(ns, key string, number uint64, position int, oldest uint64) (found keyAt, ok, sure bool) {
	for left := searchBack; left > 0; left-- {
		d := x.decode(number, ^uint64(0))
		if d == nil {
			return keyAt{}, false, number == 0 // the first block holds no chaincode's keys
		}
		for i := min(position, len(d.txs)) - 1; i >= 0; i-- {
			if d.code(i) != valid {
				continue
			}
			for n := len(d.txs[i].writes) - 1; n >= 0; n-- {
				w := &d.txs[i].writes[n]
				if w.ns == ns && w.key == key {
					return keyAt{wire.Version{Block: number, Tx: uint64(i)}, w.value, w.gone, d.txs[i].id}, true, true
				}
			}
		}
		if number <= oldest {
			return keyAt{}, false, true
		}
		number--
		position = 1 << 30
	}
	return keyAt{}, false, false
}

// versionOf finds the write that made a version of a key.
func (x *Index) versionOf(ns, key string, v wire.Version) (keyAt, bool) {
	d := x.decode(v.Block, ^uint64(0))
	if d == nil || v.Tx >= uint64(len(d.txs)) {
		return keyAt{}, false
	}
	t := &d.txs[v.Tx]
	for n := len(t.writes) - 1; n >= 0; n-- {
		if w := &t.writes[n]; w.ns == ns && w.key == key {
			return keyAt{v, w.value, w.gone, t.id}, true
		}
	}
	return keyAt{version: v, txID: t.id}, false
}
