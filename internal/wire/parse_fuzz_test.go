package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// mustEnvelope is a complete transaction with one endorsement.
func mustEnvelope(t testing.TB, org *msp.Org) []byte {
	t.Helper()
	client := org.User("User1").Signer
	return mustEnvelopeOf(t, MustProposal(t, client.Creator()), client, org.Node("peer0").Signer)
}

// seedEnvelope is one too, but small and always the same, as the fuzzer wants it.
func seedEnvelope(t testing.TB) []byte {
	t.Helper()
	p, err := wire.NewProposal(wire.ProposalSpec{
		Channel: "ch", Chaincode: "cc", Args: [][]byte{[]byte("f")},
		Creator: MustMarshal(t, &msppb.SerializedIdentity{Mspid: "Org1MSP", IdBytes: []byte("cert")}),
		Nonce:   []byte("nonce"), Time: time.Unix(1, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	return mustEnvelopeOf(t, p, seedSigner{}, seedSigner{})
}

// seedSigner signs for nobody.
type seedSigner struct{}

func (seedSigner) Creator() []byte                     { return []byte("creator") }
func (seedSigner) Sign([]byte) ([]byte, error)         { return []byte("signature"), nil }
func (seedSigner) SignParts(...[]byte) ([]byte, error) { return []byte("signature"), nil }

// mustEnvelopeOf endorses, assembles and signs.
func mustEnvelopeOf(t testing.TB, p *wire.Proposal, client wire.Signer, endorser endorsing) []byte {
	t.Helper()
	response := MustEndorse(t, p.Parsed, "blue", endorser)
	payload, err := wire.AssembleTransaction(p.Parsed, []*peerpb.ProposalResponse{response})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := wire.SignEnvelope(payload, client)
	if err != nil {
		t.Fatal(err)
	}
	return MustMarshal(t, envelope)
}

func FuzzParseProposal(f *testing.F) {
	f.Add(MustProposal(f, []byte("creator")).Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := wire.ParseProposal(&peerpb.SignedProposal{ProposalBytes: b})
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("error is not ErrMalformed: %v", err)
			}
			return
		}
		if p.Input == nil || p.ChaincodeName == "" {
			t.Fatal("accepted without input or chaincode name")
		}
		payload := MustMarshal(t, &peerpb.ChaincodeProposalPayload{Input: p.Payload.GetInput()})
		if hash := wire.Hash(p.RawChannelHeader, p.RawSignatureHeader, payload); !bytes.Equal(hash, p.Hash()) {
			t.Fatalf("hash %x, want %x", p.Hash(), hash)
		}
		_ = p.CheckHeader()
	})
}

func FuzzParseTransaction(f *testing.F) {
	f.Add(seedEnvelope(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		tx, err := wire.ParseTransaction(b)
		if err != nil && !errors.Is(err, wire.ErrMalformed) {
			t.Fatalf("error is not ErrMalformed: %v", err)
		}
		if err == nil {
			wire.CountRWSet(tx.Action.GetResults())
		}
	})
}

func FuzzParseRWSet(f *testing.F) {
	tx, err := wire.ParseTransaction(seedEnvelope(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tx.Action.GetResults())
	f.Fuzz(func(t *testing.T, b []byte) {
		set, err := wire.ParseRWSet(b)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) {
				t.Fatalf("error is not ErrMalformed: %v", err)
			}
			return
		}
		for _, ns := range set.Namespaces {
			if ns.KV == nil {
				t.Fatal("namespace without a set")
			}
			for _, coll := range ns.Collections {
				if coll.Hashed == nil {
					t.Fatal("collection without a set")
				}
			}
		}
	})
}

func FuzzReadBlocks(f *testing.F) {
	var stream bytes.Buffer
	for i := range uint64(3) {
		if err := writeBlock(&stream, wire.NewBlock(i, nil, [][]byte{[]byte("x")})); err != nil {
			f.Fatal(err)
		}
	}
	var stored bytes.Buffer
	for i := range uint64(3) {
		storeBlock(&stored, wire.NewBlock(i, make([]byte, 32), [][]byte{[]byte("x")}))
	}
	f.Add(stream.Bytes())
	f.Add(stored.Bytes())
	f.Add(MustMarshal(f, wire.NewBlock(0, nil, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, ended := 0, false
		for block, err := range wire.ReadBlocks(bytes.NewReader(b)) {
			if ended {
				t.Fatal("the iterator goes on after an error")
			}
			if err != nil {
				if !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrTooLarge) {
					t.Fatalf("error of an unknown kind: %v", err)
				}
				ended = true
				continue
			}
			if block.GetHeader() == nil {
				t.Fatal("a block without a header")
			}
			blocks++
		}
		if packed := bytes.HasPrefix(b, []byte{0x1f, 0x8b}); blocks > len(b) && !packed {
			t.Fatalf("%d blocks out of %d bytes", blocks, len(b))
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("common.Envelope", seedEnvelope(f))
	f.Add("common.Block", MustMarshal(f, wire.NewBlock(1, nil, [][]byte{{0x0a, 0x00}})))
	f.Add("common.Config", []byte{0x12, 0x02, 0x2a, 0x00})
	f.Add("kvrwset.KVRWSet", MustMarshal(f, &kvrwsetpb.KVRWSet{Writes: []*kvrwsetpb.KVWrite{{Key: "k"}}}))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		tree, err := wire.Decode(name, b)
		if err != nil {
			if !errors.Is(err, wire.ErrMalformed) && !errors.Is(err, wire.ErrUnknownMessage) {
				t.Fatalf("error of an unknown kind: %v", err)
			}
			return
		}
		if _, err := json.Marshal(tree); err != nil {
			t.Fatalf("the tree has no JSON form: %v", err)
		}
	})
}
