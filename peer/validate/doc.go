// Package validate decides which transactions of a block are valid, with Fabric's
// codes, and says of every other one why not.
//
// It serves the step after ordering: a peer has received a block, and before it
// commits anything it judges every transaction in it. All peers of a channel come
// to the same verdicts without talking to each other, because nothing goes in but
// the block, the state before it and the channel's configuration.
//
//  1. The block itself (block.go): number, hashes, form, the ordering nodes'
//     signatures. A fault refuses the whole block with a *BlockError.
//  2. Each transaction for itself, several at a time: its form and its creator
//     (transaction.go), then the endorsement policies of everything that it writes
//     (endorse.go), found in the committed definitions (definition.go).
//  3. One after the other, in the order of the block: two with one id, keys whose
//     policy changes earlier in the block, and conflicts with what was read
//     (conflict.go). The effects of a valid transaction count for the next one.
//
// A Reason (reason.go) is a value and a text; text.go writes the sentences. The
// order of checks is that of wire.md F.1, and docs/DIVERGENCE.md lists the inputs
// that stop a Fabric peer, and what this one does instead.
//
// Inspect (inspect.go) runs the same checks over the blocks of any network.
//
// Read next: validate.go.
package validate
