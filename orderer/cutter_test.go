package orderer_test

import (
	"fmt"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer"
)

func envelopeOf(size int) *commonpb.Envelope {
	signature := min(size, 3)
	return &commonpb.Envelope{Payload: make([]byte, size-signature), Signature: make([]byte, signature)}
}

// shape is a list of batches as one line: the sizes in each, and why it was cut.
func shape(batches []orderer.Batch) string {
	text := ""
	for _, b := range batches {
		text += "["
		for _, e := range b.Envelopes {
			text += fmt.Sprint(orderer.Size(e), " ")
		}
		text += b.Why.String() + "]"
	}
	return text
}

func TestCutterRules(t *testing.T) {
	limits := orderer.Limits{MaxMessageCount: 3, PreferredMaxBytes: 100}
	cases := []struct {
		name  string
		sizes []int
		want  []string // what each Add returns
		left  int
	}{
		{"below all limits", []int{10, 10}, []string{"", ""}, 2},
		{"count", []int{10, 10, 10, 10}, []string{"", "", "[10 10 10 count]", ""}, 1},
		{"exactly full by bytes stays", []int{50, 50}, []string{"", ""}, 2},
		{"bytes push out the pending", []int{50, 51}, []string{"", "[50 bytes]"}, 1},
		{"as large as preferred is no exception", []int{100, 1}, []string{"", "[100 bytes]"}, 1},
		{"larger than preferred alone", []int{101}, []string{"[101 bytes]"}, 0},
		{"larger than preferred behind others", []int{10, 101, 10}, []string{"", "[10 bytes][101 bytes]", ""}, 1},
		{"bytes and count at once", []int{40, 40, 30, 10, 10}, []string{"", "", "[40 40 bytes]", "", "[30 10 10 count]"}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cutter := &orderer.Cutter{Limits: limits}
			for i, size := range c.sizes {
				if got := shape(cutter.Add(envelopeOf(size))); got != c.want[i] {
					t.Errorf("Add %d returned %q, want %q", i, got, c.want[i])
				}
			}
			if count, _ := cutter.Pending(); count != c.left {
				t.Errorf("%d envelopes are pending, want %d", count, c.left)
			}
		})
	}
}

func TestCutterOfOneMessageBlocks(t *testing.T) {
	cutter := &orderer.Cutter{Limits: orderer.Limits{MaxMessageCount: 1, PreferredMaxBytes: 10}}
	if got := shape(cutter.Add(envelopeOf(5))); got != "[5 count]" {
		t.Errorf("Add returned %q", got)
	}
	if got := shape(cutter.Add(envelopeOf(50))); got != "[50 bytes]" {
		t.Errorf("Add returned %q", got)
	}
}

// Whatever arrives: nothing is lost, doubled or reordered, no batch breaks a
// limit except a single large envelope, and no batch was cut too early.
func TestCutterProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := orderer.Limits{
			MaxMessageCount:   rapid.Uint32Range(1, 8).Draw(t, "count"),
			PreferredMaxBytes: rapid.Uint32Range(1, 200).Draw(t, "bytes"),
		}
		cutter := &orderer.Cutter{Limits: limits}
		var in, out []*commonpb.Envelope
		check := func(batches []orderer.Batch, next *commonpb.Envelope) {
			for i, b := range batches {
				var bytes uint64
				for _, e := range b.Envelopes {
					bytes += orderer.Size(e)
				}
				if bytes != b.Bytes || len(b.Envelopes) == 0 {
					t.Fatalf("a batch of %d envelopes says %d bytes, has %d", len(b.Envelopes), b.Bytes, bytes)
				}
				if len(b.Envelopes) > int(limits.MaxMessageCount) {
					t.Fatalf("%d envelopes in a batch, at most %d are allowed", len(b.Envelopes), limits.MaxMessageCount)
				}
				if bytes > uint64(limits.PreferredMaxBytes) && len(b.Envelopes) > 1 {
					t.Fatalf("%d bytes in a batch of %d", bytes, len(b.Envelopes))
				}
				last := i == len(batches)-1
				switch b.Why {
				case trace.CutByCount:
					if len(b.Envelopes) != int(limits.MaxMessageCount) || !last {
						t.Fatalf("a batch of %d was cut by count", len(b.Envelopes))
					}
				case trace.CutByBytes:
					alone := len(b.Envelopes) == 1 && bytes > uint64(limits.PreferredMaxBytes)
					if !alone && bytes+orderer.Size(next) <= uint64(limits.PreferredMaxBytes) {
						t.Fatalf("a batch of %d bytes was cut although %d more fitted", bytes, orderer.Size(next))
					}
				}
				out = append(out, b.Envelopes...)
			}
			if len(batches) > 2 {
				t.Fatalf("%d batches at once", len(batches))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				e := envelopeOf(rapid.IntRange(0, 250).Draw(t, "size"))
				in = append(in, e)
				check(cutter.Add(e), e)
			},
			"timeout": func(t *rapid.T) { check(cutter.Cut(trace.CutByTimeout), nil) },
			"": func(t *rapid.T) {
				count, bytes := cutter.Pending()
				if count >= int(limits.MaxMessageCount) || bytes > uint64(limits.PreferredMaxBytes) {
					t.Fatalf("%d envelopes with %d bytes are pending beyond the limits", count, bytes)
				}
				if len(out)+count != len(in) {
					t.Fatalf("%d went in, %d came out, %d are pending", len(in), len(out), count)
				}
				for i := range out {
					if out[i] != in[i] {
						t.Fatalf("envelope %d came out of order", i)
					}
				}
			},
		})
	})
}

func BenchmarkCutter(b *testing.B) {
	cutter := &orderer.Cutter{Limits: orderer.Limits{MaxMessageCount: 500, PreferredMaxBytes: 2 << 20}}
	envelope := envelopeOf(3500)
	b.ReportAllocs()
	for b.Loop() {
		cutter.Add(envelope)
	}
}
