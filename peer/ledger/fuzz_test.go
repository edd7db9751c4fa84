package ledger_test

import (
	"errors"
	"io/fs"
	"path"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// FuzzRequests sends arbitrary sequences of messages to a simulation, as a
// chaincode could: a request is a type byte and a length-delimited payload. In a
// payload the id of the last iterator stands for the byte sequence "ID".
func FuzzRequests(f *testing.F) {
	addTranscripts(f)
	f.Add([]byte{14, 0, 16, 4, 0x0a, 2, 'I', 'D', 17, 4, 0x0a, 2, 'I', 'D', 16, 0})
	l := MustTemp(f, ledger.Options{})
	a := &author{l: l}
	for _, key := range []string{"a", "b", "\x00x\x00"} {
		a.put(f, key, "v")
	}
	a.define(f, "cc", &peerpb.StaticCollectionConfig{Name: "c"})
	f.Fuzz(func(t *testing.T, script []byte) {
		sim, err := l.NewSimulator(bg, "tx")
		if err != nil {
			t.Fatal(err)
		}
		defer sim.Done()
		r := ledger.NewRequests(sim, "cc", ledger.RequestOptions{QueryLimit: 50})
		id := ""
		for len(script) > 0 {
			kind := peerpb.ChaincodeMessage_Type(script[0])
			payload, n := protowire.ConsumeBytes(script[1:])
			if n < 0 {
				break
			}
			script = script[1+n:]
			answer, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: kind, Txid: "tx", Payload: withID(payload, id)})
			if errors.Is(err, ledger.ErrCorrupt) || errors.Is(err, ledger.ErrClosed) {
				t.Fatal(err)
			}
			response := new(peerpb.QueryResponse)
			if err == nil && kind == peerpb.ChaincodeMessage_GET_STATE_BY_RANGE && proto.Unmarshal(answer, response) == nil {
				id = response.Id
			}
		}
		r.Close()
		result, err := sim.Result()
		if err != nil {
			return // for example a policy that does not decode
		}
		if _, err := wire.ParseRWSet(result.Public); err != nil {
			t.Fatalf("the read-write set does not decode: %v", err)
		}
	})
}

// withID replaces an id field of the value "ID".
func withID(payload []byte, id string) []byte {
	if string(payload) == "\x0a\x02ID" {
		return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), id)
	}
	return payload
}

// addTranscripts makes seeds of the recorded streams.
func addTranscripts(f *testing.F) {
	f.Helper()
	files := conformance.FS(f)
	names, err := fs.Glob(files, "stream/*.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		if path.Base(name) == "handshake.jsonl" {
			continue
		}
		var script []byte
		for _, l := range mustLines(f, files, name) {
			if l.From == "chaincode" {
				script = append(script, byte(peerpb.ChaincodeMessage_Type_value[l.Type]))
				script = protowire.AppendBytes(script, l.Payload)
			}
		}
		f.Add(script)
	}
}

// FuzzRecordedBatch applies arbitrary bytes that a block calls a valid
// transaction: refused or applied, never a panic.
func FuzzRecordedBatch(f *testing.F) {
	for i, block := range conformance.Blocks(f) {
		if i%10 == 0 {
			f.Add(block.GetData().GetData()[0])
		}
	}
	l := MustTemp(f, ledger.Options{})
	f.Fuzz(func(t *testing.T, envelope []byte) {
		v, err := l.View()
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		block := wire.NewBlock(0, nil, [][]byte{envelope})
		wire.SetFilter(block, []byte{0})
		batch, err := ledger.RecordedBatch(block, v)
		if err == nil {
			batch.Updates()
		}
	})
}
