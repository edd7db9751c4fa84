package policy

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// Signed is a claim: this identity signed these bytes.
type Signed struct {
	Data      []byte // what was signed
	More      []byte // what was signed after Data, so that nobody needs to join them; often nil
	Identity  []byte // marshalled msp.SerializedIdentity
	Signature []byte // DER
}

// Rejected is a claim that does not count, and why.
type Rejected struct {
	Index int    // position among the claims
	Who   string // as far as it could be read, "" if not at all
	Why   error
}

// ErrRepeated: the identity is in the set already; only its first valid signature counts.
var ErrRepeated = errors.New("this identity's signature counts already")

// Identities turns claims into the distinct identities that policies are evaluated
// on. For each identity the first claim counts whose signature verifies; claims
// that cannot be read, come from unknown organisations, repeat an identity or do
// not verify are left out and reported, and are no error (wire.md F.3, step 1).
func Identities(set *msp.Set, signed []Signed) (ids []*msp.Identity, rejected []Rejected) {
	ids = make([]*msp.Identity, 0, len(signed))
	var many map[string]bool // keys of ids, made only when comparing one by one gets slow
	for i := range signed {
		id, err := set.Identity(signed[i].Identity)
		if err != nil {
			rejected = append(rejected, Rejected{Index: i, Who: claimedMSP(signed[i].Identity), Why: err})
			continue
		}
		// Before the signature is checked: nobody should make us verify the same
		// thing a thousand times.
		if many == nil && slices.ContainsFunc(ids, id.Same) || many != nil && many[id.Key()] {
			rejected = append(rejected, Rejected{Index: i, Who: id.String(), Why: fmt.Errorf("%s: %w", id, ErrRepeated)})
			continue
		}
		if err := id.VerifyParts(signed[i].Signature, signed[i].Data, signed[i].More); err != nil {
			rejected = append(rejected, Rejected{Index: i, Who: id.String(), Why: err})
			continue
		}
		ids = append(ids, id)
		many = noteKey(many, ids)
	}
	return ids, rejected
}

// fewIdentities is up to where comparing one by one is cheaper than a map.
const fewIdentities = 16

// noteKey adds the last identity to the keys, or starts them when there are many.
func noteKey(many map[string]bool, ids []*msp.Identity) map[string]bool {
	switch {
	case many != nil:
		many[ids[len(ids)-1].Key()] = true
	case len(ids) > fewIdentities:
		many = make(map[string]bool, 2*len(ids))
		for _, id := range ids {
			many[id.Key()] = true
		}
	}
	return many
}
