package deliver

import (
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
)

// Cursor says which block a seek wants next. It is a value; the loop around it
// owns clocks, waiting and sending.
type Cursor struct {
	Next uint64 // number of the next block to send
	Stop uint64 // the block after which the seek has succeeded
	Wait bool   // wait for blocks that do not exist yet, or fail
}

// NewCursor resolves a seek at the moment when the chain has this height. Start
// and stop positions are those of the protocol: Oldest is block 0, Newest the
// last one now, NextCommit the next one to come.
func NewCursor(seek *ordererpb.SeekInfo, height uint64) (Cursor, *Refusal) {
	if seek.GetStart().GetType() == nil || seek.GetStop().GetType() == nil {
		return Cursor{}, refuse(commonpb.Status_BAD_REQUEST, "the seek lacks a start or a stop position")
	}
	newest := height
	if newest > 0 {
		newest--
	}
	c := Cursor{Wait: seek.Behavior != ordererpb.SeekInfo_FAIL_IF_NOT_READY}
	switch start := seek.Start.Type.(type) {
	case *ordererpb.SeekPosition_Oldest:
		c.Next = 0
	case *ordererpb.SeekPosition_Newest:
		c.Next = newest
	case *ordererpb.SeekPosition_NextCommit:
		c.Next = height
	case *ordererpb.SeekPosition_Specified:
		c.Next = start.Specified.GetNumber()
		if c.Next > height {
			return Cursor{}, refuse(commonpb.Status_NOT_FOUND, "the seek starts at block %d, the chain has %d blocks", c.Next, height)
		}
	}
	switch stop := seek.Stop.Type.(type) {
	case *ordererpb.SeekPosition_Oldest:
		c.Stop = c.Next
	case *ordererpb.SeekPosition_Newest:
		c.Stop = newest
	case *ordererpb.SeekPosition_Specified:
		c.Stop = stop.Specified.GetNumber()
		if c.Stop < c.Next {
			return Cursor{}, refuse(commonpb.Status_BAD_REQUEST, "the seek starts at block %d and stops before it, at %d", c.Next, c.Stop)
		}
	default:
		return Cursor{}, refuse(commonpb.Status_BAD_REQUEST, "a seek cannot stop at the next commit")
	}
	return c, nil
}

// Ready tells whether the next block exists. The refusal is NOT_FOUND when it
// does not and the seek does not want to wait.
func (c Cursor) Ready(height uint64) (bool, *Refusal) {
	if c.Next < height {
		return true, nil
	}
	if !c.Wait {
		return false, refuse(commonpb.Status_NOT_FOUND, "block %d does not exist yet, the chain has %d blocks", c.Next, height)
	}
	return false, nil
}

// Advance moves past the block that was just sent. done means that it was the
// last one. A start after the stop (NextCommit to Newest) never ends, as in Fabric.
func (c *Cursor) Advance() (done bool) {
	done = c.Next == c.Stop
	c.Next++
	return done
}
