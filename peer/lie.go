package peer

import (
	"bytes"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// SetLie makes this peer's endorsements wrong, or right again: before signing, it
// changes a value that the chaincode has written. It exists to show who notices,
// and is traced as a fault.
func (p *Peer) SetLie(on bool) {
	if p.lying.Swap(on) == on {
		return
	}
	what, note := trace.FaultHonest, "its endorsements are right again"
	if on {
		what, note = trace.FaultLies, "it lies: it changes a written value before it endorses"
	}
	p.record(trace.Event{Kind: trace.Fault, What: what, Note: note})
}

// resultToSign is the read-write set that the peer signs: the true one, unless it lies.
func (p *Peer) resultToSign(tx *transaction, results []byte) []byte {
	if !p.lying.Load() {
		return results
	}
	changed, key := falsify(results)
	if key != "" {
		tx.recordAbout(key, trace.Event{Kind: trace.Fault, What: trace.FaultValueChanged, Note: "the value written to " + key + " was changed before endorsing"})
	}
	return changed
}

// falsify changes the first value that a read-write set writes in a namespace of
// a user's chaincode. key is "" if there was nothing to change.
func falsify(results []byte) (changed []byte, key string) {
	set := &rwsetpb.TxReadWriteSet{}
	if proto.Unmarshal(results, set) != nil {
		return results, ""
	}
	for _, ns := range set.GetNsRwset() {
		if wire.IsSystemChaincode(ns.GetNamespace()) {
			continue
		}
		kv := &kvrwsetpb.KVRWSet{}
		if proto.Unmarshal(ns.GetRwset(), kv) != nil {
			continue
		}
		for _, w := range kv.GetWrites() {
			if w.GetIsDelete() || len(w.GetValue()) == 0 {
				continue
			}
			w.Value = otherValue(w.GetValue())
			inner, err := proto.Marshal(kv)
			if err != nil {
				return results, ""
			}
			ns.Rwset = inner
			outer, err := proto.Marshal(set)
			if err != nil {
				return results, ""
			}
			return outer, w.GetKey()
		}
	}
	return results, ""
}

// otherValue is a value of the same length that differs: the first digit becomes
// another digit, so that numbers and JSON stay readable; without a digit the last
// byte changes.
func otherValue(value []byte) []byte {
	other := bytes.Clone(value)
	for i, c := range other {
		if c >= '0' && c <= '9' {
			other[i] = '0' + ('9'-c+1)%10
			if other[i] == c {
				other[i] = '0' + (c-'0'+1)%10
			}
			return other
		}
	}
	other[len(other)-1] ^= 1
	return other
}
