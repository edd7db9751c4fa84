package policy_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

func BenchmarkEvaluate(b *testing.B) {
	p := MustPeople(b)
	ids := p.MustIdentities(b, "Org1MSP.peer0", "Org2MSP.peer0")
	b.Run("signature", func(b *testing.B) {
		s := MustSignature(b, "AND('Org1MSP.peer','Org2MSP.peer')")
		b.ReportAllocs()
		for b.Loop() {
			if !s.Evaluate(ids) {
				b.Fatal("not satisfied")
			}
		}
	})
	b.Run("majority", func(b *testing.B) {
		m := policy.NewMeta(policy.Majority, "Endorsement", []policy.Policy{
			MustSignature(b, "OR('Org1MSP.peer')"), MustSignature(b, "OR('Org2MSP.peer')"), MustSignature(b, "OR('Org3MSP.peer')"),
		})
		b.ReportAllocs()
		for b.Loop() {
			if !m.Evaluate(ids) {
				b.Fatal("not satisfied")
			}
		}
	})
}

// BenchmarkIdentities is the cost of two endorsements: with every signature
// verified, and with signatures that another peer of the process verified before.
func BenchmarkIdentities(b *testing.B) {
	p := MustPeople(b)
	message := make([]byte, 500)
	signed := []policy.Signed{p.MustSign(b, "Org1MSP.peer0", message), p.MustSign(b, "Org2MSP.peer0", message)}
	run := func(b *testing.B, set *msp.Set) {
		b.ReportAllocs()
		for b.Loop() {
			if ids, _ := policy.Identities(set, signed); len(ids) != 2 {
				b.Fatal("not two identities")
			}
		}
	}
	b.Run("verified", func(b *testing.B) { run(b, p.set) })
	b.Run("remembered", func(b *testing.B) {
		run(b, msp.NewSet(msp.NewVerifier(1000), p.set.MSP("Org1MSP"), p.set.MSP("Org2MSP")))
	})
}
