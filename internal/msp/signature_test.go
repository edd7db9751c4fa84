package msp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/msp"
)

// Whatever is signed: the signature is good, its s is low, its twin is refused,
// and so is any signature with a bit changed.
func TestSign(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	id := MustIdentity(t, msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil)), org.Node("peer0").Signer.Creator())
	signer := org.Node("peer0").Signer
	rapid.Check(t, func(rt *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "message")
		signature, err := signer.Sign(message)
		if err != nil {
			rt.Fatal(err)
		}
		if highS(t, signature) {
			rt.Fatal("s is in the upper half")
		}
		if err := id.Verify(message, signature); err != nil {
			rt.Fatal(err)
		}
		cut := rapid.IntRange(0, len(message)).Draw(rt, "cut")
		if err := id.VerifyParts(signature, message[:cut], message[cut:]); err != nil {
			rt.Fatal(err)
		}
		if err := id.Verify(message, twin(t, signature)); !errors.Is(err, msp.ErrSignature) {
			rt.Fatalf("the twin was accepted: %v", err)
		}
		signature[rapid.IntRange(0, len(signature)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if id.Verify(message, signature) == nil {
			rt.Fatal("a changed signature was accepted")
		}
	})
}

// Both ways of signing give both halves without the rule; the library alone would
// be refused about every second time.
func TestLibraryGivesHighS(t *testing.T) {
	key := MustKey(t)
	high := 0
	for i := range 64 {
		signature, err := ecdsa.SignASN1(rand.Reader, key, digest([]byte{byte(i)}))
		if err != nil {
			t.Fatal(err)
		}
		if highS(t, signature) {
			high++
		}
	}
	if high == 0 {
		t.Error("the library gives low s only: signLowS has become unnecessary")
	}
}

// The quick look takes what is canonical with a low s, and nothing else.
func TestPlainLowS(t *testing.T) {
	order := elliptic.P256().Params().N
	half := new(big.Int).Rsh(order, 1)
	rapid.Check(t, func(rt *rapid.T) {
		number := rapid.OneOf(
			rapid.Custom(func(rt *rapid.T) *big.Int {
				return new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 33).Draw(rt, "bytes"))
			}),
			rapid.Custom(func(rt *rapid.T) *big.Int {
				return new(big.Int).Add(half, big.NewInt(rapid.Int64Range(-2, 2).Draw(rt, "from the half")))
			}),
		)
		r, s := number.Draw(rt, "r"), number.Draw(rt, "s")
		signature, err := asn1.Marshal(struct{ R, S *big.Int }{r, s})
		if err != nil {
			rt.Fatal(err)
		}
		want := r.Sign() > 0 && s.Sign() > 0 && s.Cmp(half) <= 0
		if got := msp.PlainLowS(elliptic.P256(), signature); got != want {
			rt.Fatalf("%x: %t, want %t", signature, got, want)
		}
		if s.Sign() > 0 && s.Cmp(order) < 0 && r.Sign() > 0 {
			lower := s
			if s.Cmp(half) > 0 {
				lower = new(big.Int).Sub(order, s)
			}
			want, _ := asn1.Marshal(struct{ R, S *big.Int }{r, lower})
			if got, err := msp.LowS(elliptic.P256(), signature); err != nil || !bytes.Equal(got, want) {
				rt.Fatalf("twin of %x: %x, %v; want %x", signature, got, err, want)
			}
		}
		if msp.PlainLowS(elliptic.P384(), signature) {
			rt.Fatal("of another curve")
		}
		signature[rapid.IntRange(0, len(signature)-1).Draw(rt, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if !msp.PlainLowS(elliptic.P256(), signature) {
			return
		}
		var changed struct{ R, S *big.Int }
		rest, err := asn1.Unmarshal(signature, &changed)
		again, _ := asn1.Marshal(changed)
		if err != nil || len(rest) > 0 || !bytes.Equal(again, signature) || changed.R.Sign() <= 0 || changed.S.Sign() <= 0 || changed.S.Cmp(half) > 0 {
			rt.Fatalf("%x passed", signature)
		}
	})
}

func TestVerifyGarbage(t *testing.T) {
	org := MustOrg(t, "Org1MSP", "org1.example.com")
	id := MustIdentity(t, msp.NewSet(nil, MustMSP(t, org.MSPConfig(), nil)), org.Node("peer0").Signer.Creator())
	for _, signature := range [][]byte{nil, {}, {0x30}, {0x30, 0}, []byte("signature"), {0x30, 6, 2, 1, 0, 2, 1, 0}, {0x30, 6, 2, 1, 1, 2, 1, 0xff}} {
		if err := id.Verify([]byte("m"), signature); !errors.Is(err, msp.ErrSignature) {
			t.Errorf("%x: %v, want ErrSignature", signature, err)
		}
	}
	// Bytes after the signature are ignored, as the protocol does.
	signature, err := org.Node("peer0").Signer.Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.Verify([]byte("m"), append(signature, 0)); err != nil {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	org := MustOrg(f, "Org1MSP", "org1.example.com")
	id := MustIdentity(f, msp.NewSet(nil, MustMSP(f, org.MSPConfig(), nil)), org.Node("peer0").Signer.Creator())
	f.Add([]byte{0x30, 6, 2, 1, 1, 2, 1, 1})
	f.Fuzz(func(t *testing.T, signature []byte) {
		if id.Verify([]byte("message"), signature) == nil {
			t.Fatalf("forged %x", signature)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	signer := MustOrg(b, "Org1MSP", "org1.example.com").Node("peer0").Signer
	message := make([]byte, 1500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := signer.Sign(message); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkVerify(b *testing.B, v *msp.Verifier) {
	org := MustOrg(b, "Org1MSP", "org1.example.com")
	signer := org.Node("peer0").Signer
	id := MustIdentity(b, msp.NewSet(v, MustMSP(b, org.MSPConfig(), nil)), signer.Creator())
	message := make([]byte, 1500)
	signature, err := signer.Sign(message)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := id.Verify(message, signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B)           { benchmarkVerify(b, nil) }
func BenchmarkVerifyRemembered(b *testing.B) { benchmarkVerify(b, msp.NewVerifier(0)) }
