// Package ledger keeps what one peer knows about one channel, in one SQLite file:
// the blocks with their verdicts, the state they lead to, its history, the hashes
// of private data and the private data itself.
//
// It serves the peer's steps of a transaction. While a proposal is endorsed, a
// [Simulator] answers the chaincode's requests (through [Requests]) from the
// state at one height and notes what was read and written. When the block
// arrives, the validator reads the state through a [View], collects the effects
// of the valid transactions in a [Batch], and [Ledger.Commit] stores block,
// state, history and height in one SQLite transaction.
//
// # How reading at one height works
//
// Between two commits all views share one SQLite read transaction, opened when
// the first of them misses the cache, or at the latest just before the next
// commit (snapshot.go). So a simulation costs no database work until it reads
// something unusual, it never waits for another simulation or for a commit, and
// a commit never waits for it.
//
// Read next: ledger.go, then view.go, simulator.go, batch.go and commit.go.
package ledger
