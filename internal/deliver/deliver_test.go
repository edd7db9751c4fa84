package deliver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

var epoch = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// chain is a Source in memory.
type chain struct {
	deliver.Tip
	blocks []*commonpb.Block
}

func newChain(height int) *chain {
	c := &chain{}
	for range height {
		c.grow()
	}
	return c
}

func (c *chain) grow() {
	n := uint64(len(c.blocks))
	block := wire.NewBlock(n, nil, [][]byte{fmt.Appendf(nil, "transaction of block %d", n)})
	if n == 0 {
		block = wire.NewBlock(0, nil, [][]byte{configEnvelope()})
	}
	c.blocks = append(c.blocks, block)
	c.Set(n + 1)
}

func (c *chain) Block(n uint64) (*commonpb.Block, error) {
	if n >= uint64(len(c.blocks)) {
		return nil, fmt.Errorf("no block %d", n)
	}
	return c.blocks[n], nil
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func configEnvelope() []byte {
	return marshal(&commonpb.Envelope{Payload: marshal(&commonpb.Payload{Header: &commonpb.Header{
		ChannelHeader: marshal(&commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_CONFIG)}),
	}})})
}

func at(n uint64) *ordererpb.SeekPosition {
	return &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Specified{Specified: &ordererpb.SeekSpecified{Number: n}}}
}

var (
	oldest = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Oldest{Oldest: &ordererpb.SeekOldest{}}}
	newest = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_Newest{Newest: &ordererpb.SeekNewest{}}}
	next   = &ordererpb.SeekPosition{Type: &ordererpb.SeekPosition_NextCommit{NextCommit: &ordererpb.SeekNextCommit{}}}
)

// seek is an envelope that asks for blocks of a channel at the time epoch.
func seek(channel string, info *ordererpb.SeekInfo, change ...func(*commonpb.ChannelHeader)) *commonpb.Envelope {
	header := &commonpb.ChannelHeader{Type: int32(commonpb.HeaderType_DELIVER_SEEK_INFO), ChannelId: channel, Timestamp: timestamppb.New(epoch)}
	for _, c := range change {
		c(header)
	}
	return &commonpb.Envelope{
		Payload: marshal(&commonpb.Payload{
			Header: &commonpb.Header{
				ChannelHeader:   marshal(header),
				SignatureHeader: marshal(&commonpb.SignatureHeader{Creator: []byte("reader")}),
			},
			Data: marshal(info),
		}),
		Signature: []byte("signature"),
	}
}

// reader is the client's end of a stream. What it received is a list of block
// numbers and status names.
type reader struct {
	cancel   context.CancelFunc
	ctx      context.Context
	send     chan *commonpb.Envelope
	received chan string
	blocks   []*commonpb.Block
	done     chan error
}

func (r *reader) next(t *testing.T) string {
	t.Helper()
	select {
	case got := <-r.received:
		return got
	case <-time.After(time.Minute):
		t.Fatal("nothing was received for a minute")
		return ""
	}
}

func (r *reader) expect(t *testing.T, want ...string) {
	t.Helper()
	for i, w := range want {
		if got := r.next(t); got != w {
			t.Fatalf("response %d is %q, want %q", i, got, w)
		}
	}
}

func mustServe(t *testing.T, server *deliver.Server) *reader {
	t.Helper()
	r := &reader{send: make(chan *commonpb.Envelope), received: make(chan string, 100), done: make(chan error, 1)}
	r.ctx, r.cancel = context.WithCancel(t.Context())
	t.Cleanup(r.cancel)
	if server.Now == nil {
		server.Now = func() time.Time { return epoch }
	}
	stream := deliver.Stream{
		Context: r.ctx,
		Recv: func() (*commonpb.Envelope, error) {
			select {
			case e, open := <-r.send:
				if !open {
					return nil, io.EOF
				}
				return e, nil
			case <-r.ctx.Done():
				return nil, r.ctx.Err()
			}
		},
		Block: func(_ *deliver.Request, b *commonpb.Block) error {
			r.blocks = append(r.blocks, b)
			r.received <- fmt.Sprint(b.Header.Number)
			return nil
		},
		Status: func(s commonpb.Status) error { r.received <- s.String(); return nil },
	}
	go func() { r.done <- server.Serve(stream) }()
	return r
}

func allow(policy.Signed) (time.Time, error) { return time.Time{}, nil }

func serverOf(channel *deliver.Channel) *deliver.Server {
	return &deliver.Server{Lookup: func(name string) (*deliver.Channel, bool) { return channel, name == "trade" }}
}

func TestSeveralSeeksOnOneStream(t *testing.T) {
	r := mustServe(t, serverOf(&deliver.Channel{Source: newChain(5), Judge: allow}))
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: at(2)})
	r.expect(t, "0", "1", "2", "SUCCESS")
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: newest, Stop: newest})
	r.expect(t, "4", "SUCCESS")
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: at(3), Stop: oldest})
	r.expect(t, "3", "SUCCESS")
	close(r.send)
	if err := <-r.done; err != nil {
		t.Fatalf("the stream ended with %v, want nil", err)
	}
}

func TestRefusalEndsTheStream(t *testing.T) {
	forbidden := func(policy.Signed) (time.Time, error) { return time.Time{}, errors.New("no reader") }
	errored := make(chan struct{})
	close(errored)
	seekAll := &ordererpb.SeekInfo{Start: oldest, Stop: newest}
	cases := []struct {
		name     string
		channel  *deliver.Channel
		envelope *commonpb.Envelope
		want     string
	}{
		{"no payload", nil, &commonpb.Envelope{}, "BAD_REQUEST"},
		{"garbage", nil, &commonpb.Envelope{Payload: []byte{0xff, 0xff}}, "BAD_REQUEST"},
		{"no timestamp", nil, seek("trade", seekAll, func(h *commonpb.ChannelHeader) { h.Timestamp = nil }), "BAD_REQUEST"},
		{"old timestamp", nil, seek("trade", seekAll, func(h *commonpb.ChannelHeader) {
			h.Timestamp = timestamppb.New(epoch.Add(-deliver.TimeWindow - time.Second))
		}), "BAD_REQUEST"},
		{"timestamp in the future", nil, seek("trade", seekAll, func(h *commonpb.ChannelHeader) {
			h.Timestamp = timestamppb.New(epoch.Add(deliver.TimeWindow + time.Second))
		}), "BAD_REQUEST"},
		{"impossible timestamp", nil, seek("trade", seekAll, func(h *commonpb.ChannelHeader) {
			h.Timestamp = &timestamppb.Timestamp{Seconds: math.MaxInt64}
		}), "BAD_REQUEST"},
		{"other channel", nil, seek("other", seekAll), "NOT_FOUND"},
		{"no leader", &deliver.Channel{Errored: func() <-chan struct{} { return errored }}, seek("trade", seekAll), "SERVICE_UNAVAILABLE"},
		{"no right to read", &deliver.Channel{Judge: forbidden}, seek("trade", seekAll), "FORBIDDEN"},
		{"no right and no start", &deliver.Channel{Judge: forbidden}, seek("trade", &ordererpb.SeekInfo{}), "FORBIDDEN"},
		{"no start", nil, seek("trade", &ordererpb.SeekInfo{Stop: newest}), "BAD_REQUEST"},
		{"no stop", nil, seek("trade", &ordererpb.SeekInfo{Start: newest}), "BAD_REQUEST"},
		{"empty position", nil, seek("trade", &ordererpb.SeekInfo{Start: &ordererpb.SeekPosition{}, Stop: newest}), "BAD_REQUEST"},
		{"stop before start", nil, seek("trade", &ordererpb.SeekInfo{Start: at(2), Stop: at(1)}), "BAD_REQUEST"},
		{"stop at the next commit", nil, seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: next}), "BAD_REQUEST"},
		{"start above the height", nil, seek("trade", &ordererpb.SeekInfo{Start: at(4), Stop: at(9)}), "NOT_FOUND"},
		{"not ready", nil, seek("trade", &ordererpb.SeekInfo{Start: at(3), Stop: at(9), Behavior: ordererpb.SeekInfo_FAIL_IF_NOT_READY}), "NOT_FOUND"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			channel := &deliver.Channel{}
			if c.channel != nil {
				*channel = *c.channel
			}
			channel.Source = newChain(3)
			if channel.Judge == nil {
				channel.Judge = allow
			}
			r := mustServe(t, serverOf(channel))
			r.send <- c.envelope
			r.expect(t, c.want)
			if err := <-r.done; err != nil {
				t.Fatalf("the stream ended with %v, want nil", err)
			}
		})
	}
}

func TestGarbageSeekInfo(t *testing.T) {
	r := mustServe(t, serverOf(&deliver.Channel{Source: newChain(1), Judge: allow}))
	envelope := seek("trade", &ordererpb.SeekInfo{})
	var payload commonpb.Payload
	if err := proto.Unmarshal(envelope.Payload, &payload); err != nil {
		t.Fatal(err)
	}
	payload.Data = []byte{0xff}
	envelope.Payload = marshal(&payload)
	r.send <- envelope
	r.expect(t, "BAD_REQUEST")
}

func TestBinding(t *testing.T) {
	header := func(hash string) *commonpb.Envelope {
		return seek("trade", &ordererpb.SeekInfo{}, func(h *commonpb.ChannelHeader) { h.TlsCertHash = []byte(hash) })
	}
	for _, c := range []struct {
		claimed, actual string
		ok              bool
	}{{"", "", true}, {"a", "", true}, {"", "a", true}, {"a", "a", true}, {"a", "b", false}} {
		_, refusal := deliver.Parse(header(c.claimed), epoch, []byte(c.actual))
		if ok := refusal == nil; ok != c.ok {
			t.Errorf("claimed %q, actual %q: accepted %v, want %v", c.claimed, c.actual, ok, c.ok)
		}
	}
}

func TestBestEffortIgnoresTheMissingLeader(t *testing.T) {
	errored := make(chan struct{})
	close(errored)
	channel := &deliver.Channel{Source: newChain(1), Judge: allow, Errored: func() <-chan struct{} { return errored }}
	r := mustServe(t, serverOf(channel))
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: oldest, ErrorResponse: ordererpb.SeekInfo_BEST_EFFORT})
	r.expect(t, "0", "SUCCESS")
}

// awaited is a chain that says when somebody waits for it to grow: then his seek is
// resolved, and what "the next commit" means is settled.
type awaited struct {
	*chain
	waits chan struct{} // closed with the first wait
	once  sync.Once
}

func (a *awaited) Grown() <-chan struct{} {
	a.once.Do(func() { close(a.waits) })
	return a.chain.Grown()
}

func TestWaitsForBlocks(t *testing.T) {
	chain := newChain(1)
	source := &awaited{chain: chain, waits: make(chan struct{})}
	r := mustServe(t, serverOf(&deliver.Channel{Source: source, Judge: allow}))
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: next, Stop: at(math.MaxUint64)})
	<-source.waits
	for n := 1; n <= 3; n++ {
		chain.grow()
		r.expect(t, fmt.Sprint(n))
	}
	r.cancel()
	if err := <-r.done; !errors.Is(err, context.Canceled) {
		t.Fatalf("the stream ended with %v, want context.Canceled", err)
	}
}

func TestLosingTheLeaderEndsALongRead(t *testing.T) {
	errored, gone := make(chan struct{}), make(chan struct{})
	channel := &deliver.Channel{Source: newChain(1), Judge: allow, Errored: func() <-chan struct{} { return errored }, Gone: gone}
	long := seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: at(9)})
	first, second := mustServe(t, serverOf(channel)), mustServe(t, serverOf(channel))
	first.send <- long
	first.expect(t, "0")
	close(errored)
	first.expect(t, "SERVICE_UNAVAILABLE")
	errored = make(chan struct{})
	second.send <- long
	second.expect(t, "0")
	close(gone)
	second.expect(t, "SERVICE_UNAVAILABLE")
}

func TestReaderIsJudgedOncePerConfiguration(t *testing.T) {
	chain := newChain(3)
	var judged int
	var sequence uint64
	channel := &deliver.Channel{
		Source:   chain,
		Sequence: func() uint64 { return sequence },
		Judge: func(s policy.Signed) (time.Time, error) {
			if string(s.Identity) != "reader" || string(s.Signature) != "signature" || len(s.Data) == 0 {
				return time.Time{}, fmt.Errorf("judged with %q, %q", s.Identity, s.Signature)
			}
			if judged++; sequence == 2 {
				return time.Time{}, errors.New("no reader any more")
			}
			return time.Time{}, nil
		},
	}
	r := mustServe(t, serverOf(channel))
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: at(9)})
	r.expect(t, "0", "1", "2")
	if judged != 1 {
		t.Fatalf("judged %d times for one configuration", judged)
	}
	sequence = 1
	chain.grow()
	r.expect(t, "3")
	if judged != 2 {
		t.Fatalf("judged %d times for two configurations", judged)
	}
	sequence = 2
	chain.grow()
	r.expect(t, "FORBIDDEN")
}

func TestExpiredCertificateEndsALongRead(t *testing.T) {
	chain := newChain(1)
	now := epoch
	expiring := func(policy.Signed) (time.Time, error) { return epoch.Add(time.Hour), nil }
	server := serverOf(&deliver.Channel{Source: chain, Judge: expiring})
	server.Now = func() time.Time { return now }
	r := mustServe(t, server)
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: at(9)})
	r.expect(t, "0")
	now = epoch.Add(2 * time.Hour)
	chain.grow()
	r.expect(t, "FORBIDDEN")
}

func TestHeadersOnly(t *testing.T) {
	r := mustServe(t, serverOf(&deliver.Channel{Source: newChain(2), Judge: allow}))
	r.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: newest, ContentType: ordererpb.SeekInfo_HEADER_WITH_SIG})
	r.expect(t, "0", "1", "SUCCESS")
	if len(r.blocks[0].GetData().GetData()) != 1 {
		t.Error("the config block was sent without its data")
	}
	if r.blocks[1].Data != nil || r.blocks[1].Header == nil || r.blocks[1].Metadata == nil {
		t.Errorf("block 1 should have header and metadata only: %v", r.blocks[1])
	}
}

func TestStreamLimit(t *testing.T) {
	server := serverOf(&deliver.Channel{Source: newChain(1), Judge: allow})
	server.Limit = 1
	first := mustServe(t, server)
	first.send <- seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: oldest})
	first.expect(t, "0", "SUCCESS")
	if err := server.Serve(deliver.Stream{}); err == nil {
		t.Fatal("a second stream was served although the limit is 1")
	}
}

// Whatever a seek asks for, the blocks come in order without gaps, from the
// start position to the stop position.
func TestCursorProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		position := rapid.Custom(func(t *rapid.T) *ordererpb.SeekPosition {
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				return oldest
			case 1:
				return newest
			case 2:
				return next
			case 3:
				return nil
			default:
				return at(rapid.Uint64Range(0, 12).Draw(t, "number"))
			}
		})
		height := rapid.Uint64Range(1, 10).Draw(t, "height")
		info := &ordererpb.SeekInfo{Start: position.Draw(t, "start"), Stop: position.Draw(t, "stop"),
			Behavior: rapid.SampledFrom([]ordererpb.SeekInfo_SeekBehavior{ordererpb.SeekInfo_BLOCK_UNTIL_READY, ordererpb.SeekInfo_FAIL_IF_NOT_READY}).Draw(t, "behavior")}
		cursor, refusal := deliver.NewCursor(info, height)
		if refusal != nil {
			if refusal.Status != commonpb.Status_BAD_REQUEST && refusal.Status != commonpb.Status_NOT_FOUND {
				t.Fatalf("refused with %v", refusal)
			}
			return
		}
		start, stop := cursor.Next, cursor.Stop
		if start > height {
			t.Fatalf("the seek starts at %d of %d", start, height)
		}
		for want := start; ; want++ {
			ready, refusal := cursor.Ready(height)
			if refusal != nil {
				if info.Behavior != ordererpb.SeekInfo_FAIL_IF_NOT_READY || cursor.Next < height || refusal.Status != commonpb.Status_NOT_FOUND {
					t.Fatalf("refused with %v at %d", refusal, cursor.Next)
				}
				return
			}
			if !ready {
				if cursor.Next < height || !cursor.Wait {
					t.Fatalf("not ready at %d of %d", cursor.Next, height)
				}
				return
			}
			if cursor.Next != want {
				t.Fatalf("block %d comes, want %d", cursor.Next, want)
			}
			if cursor.Advance() {
				if want != stop {
					t.Fatalf("ended at %d, want %d", want, stop)
				}
				return
			}
		}
	})
}

func FuzzSeek(f *testing.F) {
	good := seek("trade", &ordererpb.SeekInfo{Start: oldest, Stop: newest})
	f.Add(good.Payload, good.Signature, uint64(3))
	f.Add([]byte{}, []byte{}, uint64(0))
	f.Fuzz(func(t *testing.T, payload, signature []byte, height uint64) {
		server := &deliver.Server{
			Now: func() time.Time { return epoch },
			Lookup: func(string) (*deliver.Channel, bool) {
				return &deliver.Channel{Source: newChain(int(height % 4)), Judge: allow}, true
			},
		}
		sent, statuses := false, 0
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := server.Serve(deliver.Stream{
			Context: ctx,
			Recv: func() (*commonpb.Envelope, error) {
				if sent {
					return nil, io.EOF
				}
				sent = true
				cancel() // a seek that waits ends at once
				return &commonpb.Envelope{Payload: payload, Signature: signature}, nil
			},
			Block:  func(*deliver.Request, *commonpb.Block) error { return nil },
			Status: func(commonpb.Status) error { statuses++; return nil },
		})
		if err == nil && statuses != 1 {
			t.Fatalf("%d statuses for one seek", statuses)
		}
	})
}

// The Tip wakes those who wait when the height grows.
func ExampleTip() {
	var tip deliver.Tip
	grown := tip.Grown()
	tip.Set(1)
	<-grown
	fmt.Println(tip.Height())
	// Output: 1
}
