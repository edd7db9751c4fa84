package network

// What waits say, for tests of the sentences.
var (
	Oddities   = oddities
	PeersAhead = peersAhead
)
