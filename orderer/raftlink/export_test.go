package raftlink

import (
	"github.com/hashicorp/raft"

	"github.com/fabriscope/fabriscope/orderer/clusterpb"
)

// Receive is what a server does with an append before Raft sees it.
func Receive(request *clusterpb.AppendRequest) (*raft.AppendEntriesRequest, error) {
	if err := check(request); err != nil {
		return nil, err
	}
	return toAppend(request), nil
}

// CheckConfiguration tries a configuration's bytes.
func CheckConfiguration(encoded []byte) error { return checkConfiguration(encoded) }

// Bounds of an append.
const (
	MaxAppend = maxAppend
	Inflight  = inflight
)
