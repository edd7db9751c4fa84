package ledger

import (
	"database/sql"
	"slices"
	"strings"
)

// usedChunk is how many ids one statement looks up.
const usedChunk = 64

// usedQuery finds where ids with these hashes stand. Without ORDER BY, see findTx.
var usedQuery = "SELECT pos FROM tx_id WHERE hash IN (?" + strings.Repeat(", ?", usedChunk-1) + ")"

// Used is TxStatus for the ids of a whole block at once: it tells which of them
// the ledger has already. For a validator, which asks for every transaction and
// nearly always learns that the id is new, this costs a tenth.
func (l *Ledger) Used(ids []string) (map[string]TxStatus, error) {
	var used map[string]TxStatus
	args := make([]any, usedChunk)
	for chunk := range slices.Chunk(ids, usedChunk) {
		var found []int64
		for i := range args {
			if i < len(chunk) {
				hash := txHash(chunk[i])
				found = append(found, l.index.find(hash)...) // before the file, see findTx
				args[i] = hash
				continue
			}
			args[i] = args[i-1]
		}
		err := eachRow(l.db.Reader(), func(rows *sql.Rows) error {
			var pos int64
			err := rows.Scan(&pos)
			found = append(found, pos)
			return err
		}, usedQuery, args...)
		if err != nil {
			return nil, l.db.Explain("look up transactions in", err)
		}
		slices.Sort(found) // the first occurrence of an id counts
		for _, pos := range slices.Compact(found) {
			at := versionAt(pos)
			id, code, err := l.TxAt(at) // two ids may have one hash
			if err != nil {
				return nil, err
			}
			if _, earlier := used[id]; earlier || !slices.Contains(chunk, id) {
				continue
			}
			if used == nil {
				used = map[string]TxStatus{}
			}
			used[id] = TxStatus{Code: code, Block: at.Block, Index: at.Tx}
		}
	}
	return used, nil
}
