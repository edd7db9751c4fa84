// Package clusterpb holds what the ordering nodes of one network say to each
// other: Raft's messages and envelopes that a follower passes to the leader.
//
// It serves the ordering step. The messages are Fabriscope's own and describe
// themselves for the trace, so that an election or a replicated block can be
// watched like a transaction.
//
// cluster.pb.go is generated from cluster.proto. Read next: orderer/raftlink.
package clusterpb
