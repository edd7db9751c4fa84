package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// indexBits is the room for a transaction's index in its position. A block of
// 2^24 transactions is far above what an ordering service can cut.
const indexBits = 24

// maxTxs is the most transactions that a block may have.
const maxTxs = 1 << indexBits

// position is a version as one number, in the order of versions.
func position(v wire.Version) int64 { return int64(v.Block<<indexBits | v.Tx&(maxTxs-1)) }

// versionAt is the inverse of position.
func versionAt(pos int64) wire.Version {
	return wire.Version{Block: uint64(pos) >> indexBits, Tx: uint64(pos) & (maxTxs - 1)}
}

// txKey is how a transaction id is stored: the bytes of an id in the usual form
// (64 lower-case hex digits), else the text itself, so that the two never meet.
func txKey(id string) any {
	if len(id) != 64 {
		return id
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id
		}
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		return id
	}
	return raw
}

// txID is the inverse of txKey.
func txID(key any) string {
	switch id := key.(type) {
	case []byte:
		return hex.EncodeToString(id)
	case string:
		return id
	}
	return ""
}

// txHash is where an id stands in the index.
func txHash(id string) int64 {
	sum := sha256.Sum256([]byte(id))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
