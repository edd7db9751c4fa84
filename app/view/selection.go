package view

// Selected says what kind of thing a Selection is.
type Selected uint8

// What can be selected.
const (
	Nothing       Selected = iota
	SelectTx               // TxID
	SelectBlock            // Block (and Node: the peer whose view of it is meant, "" any)
	SelectNode             // Node: a client, peer, chaincode container or ordering node
	SelectOrg              // Node: the organisation's name
	SelectLink             // Node and Other
	SelectMessage          // Seq: an event of the trace, with TxID if it has one
	SelectKey              // Key of Namespace (a chaincode), Node: the peer, "" any
	SelectLedger           // Node: a peer, whose state and blocks are listed
	SelectPeers            // all peers compared
)

// Selection is the one thing that all panels show as chosen. It is comparable.
type Selection struct {
	What      Selected
	TxID      string
	Node      string
	Other     string
	Namespace string
	Key       string
	Block     uint64
	Seq       uint64
}

// Tx is the transaction that a selection concerns, "" if none.
func (s Selection) Tx() string {
	if s.What == SelectTx || s.What == SelectMessage {
		return s.TxID
	}
	return ""
}
