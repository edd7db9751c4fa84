package orderer

import (
	"reflect"
	"unsafe"

	"github.com/hashicorp/raft"
)

// Raft is the running Raft instance of a channel, for tests of its faults.
func (n *Node) Raft(channel string) *raft.Raft {
	if i := n.chain(channel).current(); i != nil {
		return i.raft
	}
	return nil
}

// LogBounds are the first and last index of a channel's Raft log.
func (n *Node) LogBounds(channel string) (first, last uint64) {
	i := n.chain(channel).current()
	first, _ = i.disk.FirstIndex()
	last, _ = i.disk.LastIndex()
	return first, last
}

// RefuseWrites puts a Raft instance into the state in which an interrupted
// transfer of leadership leaves it: it leads and refuses every write, for ever.
func RefuseWrites(r *raft.Raft) {
	flag := reflect.ValueOf(r).Elem().FieldByName("leaderState").FieldByName("leadershipTransferInProgress")
	*(*int32)(unsafe.Pointer(flag.UnsafeAddr())) = 1
}

// ChannelFile is where a channel lives in a node's directory.
func ChannelFile(dir, channel string) string { return channelFile(dir, channel) }

// SnapshotDue is the rule when a snapshot is taken.
func SnapshotDue(applied, last, every, offset uint64) bool {
	return snapshotDue(applied, last, every, offset)
}
