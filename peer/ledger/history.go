package ledger

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// bg is the context of all statements: one that can be cancelled costs
// go-sqlite3 a goroutine for each statement, and none of ours runs long.
var bg = context.Background()

// chain encodes where the keys that a transaction writes were written before: the
// prev column of its row. nil (NULL) if none of them was.
func (w *writer) chain(pos int64, links *txLinks) (encoded any, err error) {
	distances := make([]uint64, links.entries)
	linked := false
	for i := range links.links {
		link := &links.links[i]
		prev := link.prev
		if prev == nowhere && w.anyGone {
			err := w.getGone.QueryRowContext(bg, link.key.ns, link.key.key).Scan(&prev)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return nil, err
			}
		}
		if prev != nowhere {
			distances[link.ordinal] = uint64(pos - prev)
			linked = true
		}
	}
	if !linked {
		return nil, nil
	}
	var b []byte
	for _, d := range distances {
		b = binary.AppendUvarint(b, d)
	}
	return b, nil
}

// goneRows keeps the beginning of the history of keys that are deleted, and drops
// it for keys that have a row in the state again.
func (w *writer) goneRows(c *change) error {
	put := func(key stateKey, pos int64) error {
		w.anyGone = true
		_, err := w.putGone.ExecContext(bg, key.ns, key.key, pos)
		return err
	}
	for key, u := range c.batch.pending {
		var err error
		switch {
		case key.coll != "":
		case u.Delete:
			err = put(key, u.head)
		case u.first == nowhere && w.anyGone:
			_, err = w.delGone.ExecContext(bg, key.ns, key.key)
		}
		if err != nil {
			return err
		}
	}
	for key, pos := range c.batch.ghosts {
		if _, ok := c.batch.pending[key]; ok {
			continue
		}
		if err := put(key, pos); err != nil {
			return err
		}
	}
	return nil
}

// History lists the writes of a key by valid transactions, newest first, as of
// the view's height. Values come from the stored transactions.
func (v *View) History(ns, key string) iter.Seq2[*querypb.KeyModification, error] {
	return func(yield func(*querypb.KeyModification, error) bool) {
		scan := historyScanner{view: v, ns: ns, key: key}
		for {
			m, err := scan.step()
			if err != nil {
				yield(nil, err)
				return
			}
			if m == nil || !yield(m, nil) {
				return
			}
		}
	}
}

// historyScanner walks back along the chain of a key's writes, one transaction
// after the other.
type historyScanner struct {
	view    *View
	ns, key string
	begun   bool
	at      int64 // the next transaction to look at, nowhere at the end
}

// step gives the next older modification, nil at the end.
func (s *historyScanner) step() (m *querypb.KeyModification, err error) {
	err = s.view.read(func(conn *sql.Conn) error {
		if !s.begun {
			if err := s.findNewest(conn); err != nil {
				return err
			}
			s.begun = true
		}
		for s.at != nowhere && m == nil {
			at := s.at
			if m, err = s.follow(conn); err != nil {
				return fmt.Errorf("history of key %q in namespace %s, transaction %s: %w", s.key, s.ns, versionAt(at), err)
			}
		}
		return nil
	})
	return m, err
}

// findNewest finds the newest write.
func (s *historyScanner) findNewest(conn *sql.Conn) error {
	s.at = nowhere
	if s.ns == configNamespace {
		return nil // written by configuration transactions, which have no write sets
	}
	err := conn.QueryRowContext(bg, `SELECT pos FROM state WHERE ns = ?1 AND key = ?2
		UNION ALL SELECT pos FROM gone WHERE ns = ?1 AND key = ?2`, s.ns, s.key).Scan(&s.at)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

// follow looks at the transaction at s.at and moves on to the one before it. A
// transaction that wrote the key's metadata only gives nil.
func (s *historyScanner) follow(conn *sql.Conn) (*querypb.KeyModification, error) {
	var prev []byte
	if err := conn.QueryRowContext(bg, "SELECT prev FROM tx WHERE pos = ?", s.at).Scan(&prev); err != nil {
		return nil, err
	}
	envelope, err := readEnvelope(conn, s.at)
	if err != nil {
		return nil, err
	}
	m, ordinal, err := modification(envelope, s.ns, s.key)
	if err != nil {
		return nil, err
	}
	distance, err := nthUvarint(prev, ordinal)
	switch {
	case err != nil:
		return nil, err
	case distance == 0:
		s.at = nowhere
	case distance > uint64(s.at):
		return nil, fmt.Errorf("its link leads nowhere: %w", ErrCorrupt)
	default:
		s.at -= int64(distance)
	}
	return m, nil
}

// nthUvarint reads one number of a list of varints; a missing list is all zeros.
func nthUvarint(list []byte, n int) (uint64, error) {
	if list == nil {
		return 0, nil
	}
	for ; ; n-- {
		v, size := binary.Uvarint(list)
		if size <= 0 {
			return 0, fmt.Errorf("its links end too early: %w", ErrCorrupt)
		}
		if n == 0 {
			return v, nil
		}
		list = list[size:]
	}
}

// endorsed is what rebuilding and history need of an endorser transaction.
type endorsed struct {
	txID    string
	time    *timestamppb.Timestamp
	results []byte
}

// decodeEndorsed opens the envelope of a transaction that was found valid.
func decodeEndorsed(envelope []byte) (*endorsed, error) {
	var (
		env      commonpb.Envelope
		payload  commonpb.Payload
		header   commonpb.ChannelHeader
		tx       peerpb.Transaction
		action   peerpb.ChaincodeActionPayload
		response peerpb.ProposalResponsePayload
		result   peerpb.ChaincodeAction
	)
	for _, step := range []struct {
		what string
		into proto.Message
		from func() []byte
	}{
		{"envelope", &env, func() []byte { return envelope }},
		{"payload", &payload, func() []byte { return env.GetPayload() }},
		{"channel header", &header, func() []byte { return payload.GetHeader().GetChannelHeader() }},
		{"transaction", &tx, func() []byte { return payload.GetData() }},
		{"action", &action, func() []byte {
			if len(tx.GetActions()) == 0 {
				return nil
			}
			return tx.GetActions()[0].GetPayload()
		}},
		{"proposal response", &response, func() []byte { return action.GetAction().GetProposalResponsePayload() }},
		{"chaincode action", &result, func() []byte { return response.GetExtension() }},
	} {
		if err := proto.Unmarshal(step.from(), step.into); err != nil {
			return nil, fmt.Errorf("decode %s: %w", step.what, err)
		}
	}
	return &endorsed{txID: header.GetTxId(), time: header.GetTimestamp(), results: result.GetResults()}, nil
}

// modification finds what a transaction wrote to a key, and the number of the
// entry among its public writes and metadata writes. Of two entries for one key
// the first counts. It is nil for a transaction that wrote the metadata only.
func modification(envelope []byte, ns, key string) (m *querypb.KeyModification, ordinal int, err error) {
	tx, err := decodeEndorsed(envelope)
	if err != nil {
		return nil, 0, err
	}
	set, err := wire.ParseRWSet(tx.results)
	if err != nil {
		return nil, 0, err
	}
	for i := range set.Namespaces {
		kv := set.Namespaces[i].KV
		if set.Namespaces[i].Name != ns {
			ordinal += len(kv.GetWrites()) + len(kv.GetMetadataWrites())
			continue
		}
		for j, w := range kv.GetWrites() {
			if w.GetKey() == key {
				return &querypb.KeyModification{
					TxId: tx.txID, Value: w.GetValue(), Timestamp: tx.time, IsDelete: isDelete(w),
				}, ordinal + j, nil
			}
		}
		for j, w := range kv.GetMetadataWrites() {
			if w.GetKey() == key {
				return nil, ordinal + len(kv.GetWrites()) + j, nil
			}
		}
	}
	return nil, 0, fmt.Errorf("it has no write of the key: %w", ErrCorrupt)
}
