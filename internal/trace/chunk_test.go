package trace

import (
	"bytes"
	"errors"
	"testing"
)

// Whatever a run file holds, reading it gives events or an error, and a chunk
// that can be read is written again to the same events.
func FuzzDecodeEvents(f *testing.F) {
	var e encoder
	chunk, _ := e.encodeEvents(nil, []Event{{Seq: 1, Time: 5, Kind: Proposal, Dir: Sent, Node: "a", Other: "b", TxID: "c", Msg: 7}, {Seq: 2, Time: 4, Note: "d", Block: 9}})
	body, err := unseal(chunk, maxEventBody)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{})
	f.Add([]byte{chunkVersion, 255, 255, 63, 0})
	f.Add([]byte{2, 1, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		// The checksum is put right: the interesting bytes lie behind it.
		events, err := DecodeEvents(seal(nil, body), 10)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		var e encoder
		again, _ := e.encodeEvents(nil, events)
		same, err := DecodeEvents(again, 10)
		if err != nil || len(same) != len(events) {
			t.Fatalf("%d events became %d, %v", len(events), len(same), err)
		}
		for i := range same {
			if same[i] != events[i] {
				t.Fatalf("%+v became %+v", events[i], same[i])
			}
		}
	})
}

func FuzzDecodePayloads(f *testing.F) {
	var e payloadEncoder
	large := bytes.Repeat([]byte("x"), 600)
	chunk, err := e.encode(nil, []payload{{value: Payload{"n", []byte("abc")}}, {}, {value: Payload{"n", large}}, {value: Payload{"n", large}}}, 10)
	if err != nil {
		f.Fatal(err)
	}
	body, err := unseal(chunk, maxPayloadBody)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{chunkVersion, 0, 1, 0, 0, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		payloads, err := DecodePayloads(seal(nil, body), 10)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		for seq, p := range payloads {
			if seq < 10 || p.At >= seq {
				t.Fatalf("payload of event %d is at %d", seq, p.At)
			}
		}
	})
}

// Bytes that are not even sealed.
func FuzzUnseal(f *testing.F) {
	f.Add(seal(nil, []byte("hello")))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, chunk []byte) {
		if body, err := unseal(chunk, 1<<16); err == nil && len(body) > 1<<16 {
			t.Fatal("the limit does not hold")
		}
	})
}

func BenchmarkEncodeEvents(b *testing.B) {
	events := make([]Event, 8192)
	for i := range events {
		events[i] = Event{Seq: uint64(i), Time: int64(i) * 9000, Kind: Proposal, Dir: Sent, Node: "peer0.org1.example.com", Other: "alice",
			Channel: "mychannel", TxID: string(bytes.Repeat([]byte{'a' + byte(i/40%26)}, 64)), Key: "asset", Msg: uint64(i) * 0x9e3779b97f4a7c15}
	}
	var e encoder
	var chunk []byte
	for b.Loop() {
		chunk, _ = e.encodeEvents(chunk[:0], events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(events)), "ns/event")
	b.ReportMetric(float64(len(chunk))/float64(len(events)), "B/event")
}
