package wire

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Update is the net effect of a block on one key: the last writer's. For a key of
// a private data collection Key and Value are hashes.
type Update struct {
	Namespace  string
	Collection string // "" for public state
	Key        []byte
	Value      []byte // nil for a delete
	Delete     bool
	Version    Version
}

// compareUpdates is the order in which a commit hash covers updates: by
// namespace, public keys before collections, collections by name, keys as bytes.
func compareUpdates(a, b Update) int {
	return cmp.Or(
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Collection, b.Collection),
		bytes.Compare(a.Key, b.Key),
	)
}

// NextCommitHash chains what a peer did with a block to everything before it: it
// covers the verdicts (filter), the updates and the previous block's commit hash
// (nil for block 1). Peers that agree have equal hashes, so the first difference
// shows where two peers parted. Updates may come in any order, at most one per
// key; those of namespace "" (the channel configuration) do not count.
func NextCommitHash(previous, filter []byte, updates []Update) []byte {
	if !slices.IsSortedFunc(updates, compareUpdates) {
		updates = slices.Clone(updates)
		slices.SortFunc(updates, compareUpdates)
	}
	return Hash(protowire.AppendVarint(nil, uint64(len(filter))), filter, updatesBytes(updates), previous)
}

// updatesBytes encodes sorted updates as a list of KVWrite (field 1): namespace
// 1, collection 2, key 3, is_delete 4, value 5, version_bytes 6. The names stand
// in the first entry of each run only.
func updatesBytes(updates []Update) []byte {
	var out, entry []byte
	namespace, collection := "", ""
	for i := range updates {
		u := &updates[i]
		if u.Namespace == "" {
			continue
		}
		entry = entry[:0]
		if u.Namespace != namespace {
			namespace, collection = u.Namespace, ""
			entry = appendBytesField(entry, 1, []byte(namespace))
		}
		if u.Collection != collection {
			collection = u.Collection
			entry = appendBytesField(entry, 2, []byte(collection))
		}
		entry = appendBytesField(entry, 3, u.Key)
		if u.Delete {
			entry = protowire.AppendTag(entry, 4, protowire.VarintType)
			entry = protowire.AppendVarint(entry, 1)
		} else {
			entry = appendBytesField(entry, 5, u.Value)
		}
		entry = appendBytesField(entry, 6, VersionBytes(u.Version))
		out = protowire.AppendTag(out, 1, protowire.BytesType)
		out = protowire.AppendBytes(out, entry)
	}
	return out
}

// appendBytesField appends a length-delimited field unless it is empty.
func appendBytesField(to []byte, number protowire.Number, content []byte) []byte {
	if len(content) == 0 {
		return to
	}
	to = protowire.AppendTag(to, number, protowire.BytesType)
	return protowire.AppendBytes(to, content)
}

// VersionBytes is an encoding of versions whose order as bytes is the order of
// the versions: of block and then transaction the number of bytes and the bytes,
// big-endian and without leading zeros. 1:0 is 01 01 00.
func VersionBytes(v Version) []byte {
	return appendOrdered(appendOrdered(make([]byte, 0, 10), v.Block), v.Tx)
}

// appendOrdered appends one number in that encoding.
func appendOrdered(to []byte, n uint64) []byte {
	size := 0
	for rest := n; rest > 0; rest >>= 8 {
		size++
	}
	to = append(to, byte(size))
	for i := size - 1; i >= 0; i-- {
		to = append(to, byte(n>>(8*i)))
	}
	return to
}
