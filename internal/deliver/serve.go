package deliver

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// MaxStreams is how many streams one Server serves at once unless it says otherwise.
const MaxStreams = 2500

// Stream is one reader's connection. The two node kinds, and the peer's three
// flavours of Deliver, fill in how their response messages look.
type Stream struct {
	Context context.Context
	Recv    func() (*commonpb.Envelope, error)
	// Block sends one block. It is shared with other readers: do not change it.
	Block func(*Request, *commonpb.Block) error
	// Status ends a seek.
	Status func(commonpb.Status) error
	// TLSCertHash is the SHA-256 of the reader's TLS certificate, nil without one.
	TLSCertHash []byte
}

// Server serves any number of streams. Fill the fields before the first Serve.
type Server struct {
	// Lookup finds a channel by name.
	Lookup func(channel string) (*Channel, bool)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets one line at debug level for each refusal; nil means none.
	Log *slog.Logger
	// Limit is the most streams at once; 0 means MaxStreams.
	Limit int64

	streams atomic.Int64
}

// Serve answers seeks until the reader hangs up (nil), a seek is refused (nil,
// after its status was sent) or the connection fails (its error).
func (s *Server) Serve(stream Stream) error {
	limit := s.Limit
	if limit == 0 {
		limit = MaxStreams
	}
	if s.streams.Add(1) > limit {
		s.streams.Add(-1)
		return status.Errorf(codes.ResourceExhausted, "this node serves %d readers of blocks already: close one or ask another node", limit)
	}
	defer s.streams.Add(-1)
	for {
		envelope, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		refusal, err := s.serveOne(stream, envelope)
		if err != nil {
			return err
		}
		if refusal != nil {
			if s.Log != nil {
				s.Log.Debug("deliver refused", "status", refusal.Status.String(), "why", refusal.Reason)
			}
			return stream.Status(refusal.Status)
		}
		if err := stream.Status(commonpb.Status_SUCCESS); err != nil {
			return err
		}
	}
}

// serveOne answers one seek with blocks. The checks and their order are those of
// Fabric; err means that the connection failed.
func (s *Server) serveOne(stream Stream, envelope *commonpb.Envelope) (*Refusal, error) {
	request, refusal := Parse(envelope, s.now(), stream.TLSCertHash)
	if refusal != nil {
		return refusal, nil
	}
	channel, known := s.Lookup(request.Channel)
	if !known {
		return refuse(commonpb.Status_NOT_FOUND, "this node is not in channel %q", request.Channel), nil
	}
	seek, refusal := request.seek()
	if refusal != nil {
		return refusal, nil
	}
	var errored <-chan struct{}
	if channel.Errored != nil && seek.ErrorResponse != ordererpb.SeekInfo_BEST_EFFORT {
		errored = channel.Errored()
	}
	if isClosed(errored) {
		return refuse(commonpb.Status_SERVICE_UNAVAILABLE, "this node has no leader to learn new blocks from"), nil
	}
	access := access{channel: channel, request: request}
	if refusal := access.check(s.now()); refusal != nil {
		return refusal, nil
	}
	cursor, refusal := NewCursor(seek, channel.Source.Height())
	if refusal != nil {
		return refusal, nil
	}
	headersOnly := seek.ContentType == ordererpb.SeekInfo_HEADER_WITH_SIG
	for {
		if refusal, err := s.await(stream.Context, channel, cursor, errored); refusal != nil || err != nil {
			return refusal, err
		}
		if refusal := access.check(s.now()); refusal != nil {
			return refusal, nil
		}
		block, err := channel.Source.Block(cursor.Next)
		if err != nil {
			return refuse(commonpb.Status_SERVICE_UNAVAILABLE, "read block %d: %w", cursor.Next, err), nil
		}
		if headersOnly {
			block = withoutData(block)
		}
		if err := stream.Block(request, block); err != nil {
			return nil, err
		}
		if cursor.Advance() {
			return nil, nil
		}
	}
}

// await returns when the cursor's next block exists.
func (s *Server) await(ctx context.Context, channel *Channel, cursor Cursor, errored <-chan struct{}) (*Refusal, error) {
	for {
		grown := channel.Source.Grown()
		ready, refusal := cursor.Ready(channel.Source.Height())
		if ready || refusal != nil {
			return refusal, nil
		}
		select {
		case <-grown:
		case <-errored:
			return refuse(commonpb.Status_SERVICE_UNAVAILABLE, "this node lost its leader"), nil
		case <-channel.Gone:
			return refuse(commonpb.Status_SERVICE_UNAVAILABLE, "this node left the channel"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// access remembers that a reader was judged, so that a long read costs one
// verification for each configuration and not one for each block.
type access struct {
	channel  *Channel
	request  *Request
	judged   bool
	sequence uint64
	expires  time.Time
}

func (a *access) check(now time.Time) *Refusal {
	var sequence uint64
	if a.channel.Sequence != nil {
		sequence = a.channel.Sequence()
	}
	if !a.judged || sequence != a.sequence {
		expires, err := a.channel.Judge(a.request.Signed)
		if err != nil {
			return refuse(commonpb.Status_FORBIDDEN, "%w", err)
		}
		a.judged, a.sequence, a.expires = true, sequence, expires
	}
	if !a.expires.IsZero() && now.After(a.expires) {
		return refuse(commonpb.Status_FORBIDDEN, "the reader's certificate expired at %s", a.expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// withoutData is the block for a reader of headers and signatures: config
// blocks stay whole, because without them signatures cannot be judged.
func withoutData(block *commonpb.Block) *commonpb.Block {
	if wire.IsConfigBlock(block) {
		return block
	}
	return &commonpb.Block{Header: block.Header, Metadata: block.Metadata}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c: // a nil channel is never ready
		return true
	default:
		return false
	}
}

func (s *Server) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
