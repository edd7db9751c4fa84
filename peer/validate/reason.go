package validate

import (
	"encoding/json"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// Kind says which rule a transaction broke. The strings are public: they appear
// in reports and in the JSON of `fabriscope inspect`.
type Kind string

// The kinds of reasons, in the order in which the rules are checked.
const (
	KindEnvelope   Kind = "envelope"    // envelope or payload cannot be decoded
	KindHeader     Kind = "header"      // a header is absent, malformed or not acceptable
	KindCreator    Kind = "creator"     // the creator is unknown or did not sign
	KindTxID       Kind = "tx-id"       // the id is not the hash of nonce and creator
	KindStructure  Kind = "structure"   // the transaction is not one endorsed action of its proposal
	KindConfig     Kind = "config"      // the channel configuration is absent
	KindType       Kind = "type"        // this kind of transaction is never valid in a block
	KindDuplicate  Kind = "duplicate"   // the id was used before
	KindResult     Kind = "result"      // header extension, response payload or read-write set cannot be decoded
	KindChaincode  Kind = "chaincode"   // chaincode name or version is absent or contradictory
	KindEvent      Kind = "event"       // the chaincode event is malformed or of another chaincode
	KindNamespace  Kind = "namespace"   // a namespace is listed twice
	KindDefinition Kind = "definition"  // a namespace has no usable definition
	KindPolicy     Kind = "policy"      // an endorsement policy is not satisfied
	KindCollection Kind = "collection"  // a written collection is not defined
	KindKeyChanged Kind = "key-changed" // the key's own policy changes earlier in the block
	KindWrite      Kind = "write"       // the state database cannot keep a key or value
	KindRead       Kind = "read"        // a value that was read has changed
	KindRange      Kind = "range"       // the result of a range query has changed
)

// Conflict tells whether the state was another one than that on which the transaction
// was simulated: simulated again, it may be valid.
func (k Kind) Conflict() bool { return k == KindRead || k == KindRange }

// Reason says why a transaction has its code, as a value for programs and as
// sentences for people (Text). Fields that do not apply are empty.
type Reason struct {
	Code peerpb.TxValidationCode
	Kind Kind
	Text string // what happened, in plain words

	Namespace  string // the chaincode whose data is concerned
	Collection string // the private data collection, "" for public data
	Key        string // the key; of a private one its hash in hexadecimal

	Read  *wire.Version // version in the read set, nil if the key was absent
	Found *wire.Version // version at validation, nil if the key is absent
	By    *Writer       // who is behind the difference, nil if unknown

	Range *RangeChange // what a range query would find now

	at stateKey // of a read conflict: the key itself

	PolicyName string       // what the policy belongs to: "chaincode asset", "key asset1", …
	PolicyPath string       // the channel policy that it refers to, "" if it is written out
	Policy     *policy.Node // the policy's tree with what was satisfied by whom
	Endorsers  []Endorser   // every endorsement, in the transaction's order
}

// Writer is the transaction that made a difference.
type Writer struct {
	TxID      string `json:"txid,omitempty"` // "" if unknown
	Block     uint64 `json:"block"`
	Tx        uint64 `json:"tx"`         // position in its block
	SameBlock bool   `json:"same_block"` // it stands earlier in the block of the judged transaction
	Did       string `json:"did"`        // "changed", "created", "deleted", "used"
}

// RangeChange tells how a range query's result differs from the recorded one.
type RangeChange struct {
	Start       string `json:"start"`
	End         string `json:"end"`           // "" for the end of the namespace
	EndIncluded bool   `json:"end_included"`  // the query stopped at End, so End itself was seen
	Hashed      bool   `json:"hashed"`        // only hashes of the result are recorded
	What        string `json:"what"`          // one of the Range constants
	Key         string `json:"key,omitempty"` // the first key that differs; of a hashed result the newest one
}

// What can be wrong with a range.
const (
	RangeAppeared = "appeared" // Key is there and was not
	RangeVanished = "vanished" // Key was there and is not
	RangeChanged  = "changed"  // Key has another version
	RangeDiffers  = "differs"  // the hashes differ; Key is the newest one in the range, perhaps the cause
	RangeUnusable = "unusable" // the recorded result cannot be that of any query
)

// Endorser is one endorsement and whether it counted.
type Endorser struct {
	Who      string `json:"who"` // "peer0.org1.example.com (Org1MSP, peer)"; less if it cannot be read
	Accepted bool   `json:"accepted"`
	Why      string `json:"why,omitempty"` // why it does not count, "" if it does
}

// jsonReason is the public form of a Reason.
type jsonReason struct {
	Kind       Kind         `json:"kind"`
	Text       string       `json:"text"`
	Namespace  string       `json:"namespace,omitempty"`
	Collection string       `json:"collection,omitempty"`
	Key        string       `json:"key,omitempty"`
	Read       string       `json:"version_read,omitempty"`
	Found      string       `json:"version_found,omitempty"`
	By         *Writer      `json:"by,omitempty"`
	Range      *RangeChange `json:"range,omitempty"`
	PolicyName string       `json:"policy_of,omitempty"`
	PolicyPath string       `json:"policy_path,omitempty"`
	PolicyTree string       `json:"policy_tree,omitempty"`
	Missing    []string     `json:"missing,omitempty"`
	Endorsers  []Endorser   `json:"endorsers,omitempty"`
}

// MarshalJSON writes the form that `fabriscope inspect --json` prints. A version
// is a string "block:tx", or "absent" where the key did not exist.
func (r *Reason) MarshalJSON() ([]byte, error) {
	out := jsonReason{
		Kind: r.Kind, Text: r.Text, Namespace: r.Namespace, Collection: r.Collection, Key: r.Key,
		By: r.By, Range: r.Range, PolicyName: r.PolicyName, PolicyPath: r.PolicyPath, Endorsers: r.Endorsers,
	}
	if r.Kind == KindRead || r.Kind == KindRange && r.Range.What == RangeChanged {
		out.Read, out.Found = versionText(r.Read), versionText(r.Found)
	}
	if r.Policy != nil {
		out.PolicyTree, out.Missing = r.Policy.String(), r.Policy.Missing()
	}
	return json.Marshal(out)
}

func versionText(v *wire.Version) string {
	if v == nil {
		return "absent"
	}
	return v.String()
}
