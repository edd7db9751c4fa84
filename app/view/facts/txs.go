package facts

// Tx is a transaction that the trace has named.
type Tx struct {
	ID          string
	First, Last int64  // times of its first and latest event
	Block       uint64 // of its verdict, plus one; 0 while there is none
	newest      uint64 // place of its latest event
	way         uint8  // see journey.go
}

// Txs gives transactions small numbers, from 1, in the order in which they appear, so that
// a million messages and spans need not keep ids.
type Txs struct {
	ids     map[string]uint32
	list    []Tx
	base    uint32 // number of list[0]
	overdue uint32 // those before are not waited for
	lost    int    // pending ones that were forgotten
	lastN   uint32 // the transaction asked for last: events of one come in groups
	last    string

	// How many events before each event the one before it of the same transaction stands: so its
	// events are found without a list for each transaction.
	back []uint32
	end  uint64 // place of the newest event
}

// maxPlaces is of how many events the places are remembered: 3 MB.
const maxPlaces = 800_000

// What stands in back beside distances.
const (
	firstPlace = uint32(0)
	forgotten  = uint32(1<<32 - 1)
)

func newTxs() Txs { return Txs{ids: map[string]uint32{}, base: 1} }

// number gives a transaction's number, 0 for "".
func (t *Txs) number(id string, at int64) uint32 {
	if id == "" {
		return 0
	}
	n := t.lastN
	if n == 0 || id != t.last {
		var ok bool
		if n, ok = t.ids[id]; !ok {
			n = t.base + uint32(len(t.list))
			t.ids[id] = n
			t.list = append(t.list, Tx{ID: id, First: at})
		}
		t.lastN, t.last = n, id
	}
	t.list[n-t.base].Last = at
	return n
}

// Tx gives what is known of a transaction by its number, nil when it was forgotten.
func (t *Txs) Tx(n uint32) *Tx {
	if n < t.base || n-t.base >= uint32(len(t.list)) {
		return nil
	}
	return &t.list[n-t.base]
}

// TxID gives a transaction's id by its number, "" when it was forgotten.
func (t *Txs) TxID(n uint32) string {
	if tx := t.Tx(n); tx != nil {
		return tx.ID
	}
	return ""
}

// Find gives the number of a transaction that was seen, 0 for others.
func (t *Txs) Find(id string) uint32 { return t.ids[id] }

// forget drops the transactions of which nothing happened from a time on.
func (t *Txs) forget(cutoff int64) {
	n := 0
	for n < len(t.list) && t.list[n].Last < cutoff {
		delete(t.ids, t.list[n].ID)
		t.lost += t.list[n].leaves()
		n++
	}
	t.list = append(t.list[:0:0], t.list[n:]...)
	t.base += uint32(n)
	t.lastN, t.last = 0, ""
}

// place notes where an event stands, and of which transaction it is. What was done to a
// transaction on purpose belongs to it here.
func (t *Txs) place(e *Step) {
	n := e.Tx
	if n == 0 && e.Info.Op == OpFault {
		n = t.ids[e.TxID]
	}
	if len(t.back) >= maxPlaces+maxPlaces/8 {
		t.back = append(t.back[:0:0], t.back[len(t.back)-maxPlaces:]...)
	}
	t.end = e.Seq
	tx := t.Tx(n)
	if tx == nil {
		t.back = append(t.back, 0)
		return
	}
	before := firstPlace
	if tx.newest != 0 {
		before = uint32(e.Seq - tx.newest)
	} else if t.base > 1 && e.Info.Op != OpProposal && e.Info.Op != OpGateway {
		before = forgotten // it may have been known before
	}
	tx.newest = e.Seq
	t.back = append(t.back, before)
}

// trail gives the places of a transaction's events, newest first. whole is false if not all of
// them are remembered.
func (t *Txs) trail(id string) (places []uint64, whole bool) {
	tx := t.Tx(t.ids[id])
	if tx == nil || tx.newest == 0 {
		return nil, false
	}
	start := t.end + 1 - uint64(len(t.back))
	for at := tx.newest; at >= start; {
		places = append(places, at)
		switch before := t.back[at-start]; before {
		case firstPlace:
			return places, true
		case forgotten:
			return nil, false
		default:
			at -= uint64(before)
		}
	}
	return nil, false
}
