package cctest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// InProcess is a runtime that runs chaincodes, by label, in goroutines of the test on
// Fabric's own shim. They dial the host's socket like any other.
type InProcess map[string]func(stream shim.ClientStream, spec launch.Spec) error

// Shim gives an InProcess entry that runs cc.
func Shim(cc shim.Chaincode) func(shim.ClientStream, launch.Spec) error {
	return func(stream shim.ClientStream, spec launch.Spec) error {
		return shim.StartInProc(spec.PackageID, stream, cc)
	}
}

// Build does nothing: the tests' chaincodes are part of the test.
func (InProcess) Build(context.Context, launch.Spec) error { return nil }

// Start runs the chaincode with the spec's label.
func (p InProcess) Start(_ context.Context, spec launch.Spec) (launch.Instance, error) {
	run := p[spec.Label]
	if run == nil {
		return nil, fmt.Errorf("no chaincode %q in this test", spec.Label)
	}
	conn, err := grpc.NewClient("unix://"+spec.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(100<<20), grpc.MaxCallSendMsgSize(100<<20)))
	if err != nil {
		return nil, err
	}
	stream, err := peerpb.NewChaincodeSupportClient(conn).Register(context.Background())
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	in := &inProcess{conn: conn, done: make(chan struct{})}
	go func() {
		err := run(Serial(stream), spec)
		in.mu.Lock()
		in.err = err
		in.mu.Unlock()
		_ = conn.Close() // the end is all that matters
		close(in.done)
	}()
	return in, nil
}

// Serial makes a stream on which the shim may close its sending side while an answer of
// its own is still being sent, as it does at the end: gRPC does not allow both at once.
func Serial(stream peerpb.ChaincodeSupport_RegisterClient) shim.ClientStream {
	return &serial{ChaincodeSupport_RegisterClient: stream}
}

type serial struct {
	peerpb.ChaincodeSupport_RegisterClient
	mu sync.Mutex
}

func (s *serial) Send(m *peerpb.ChaincodeMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ChaincodeSupport_RegisterClient.Send(m)
}

func (s *serial) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ChaincodeSupport_RegisterClient.CloseSend()
}

type inProcess struct {
	conn *grpc.ClientConn
	done chan struct{}

	mu  sync.Mutex
	err error
}

func (i *inProcess) Stop(ctx context.Context) error {
	_ = i.conn.Close() // twice is an error that does not matter
	select {
	case <-i.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (i *inProcess) Done() <-chan struct{} { return i.done }
func (i *inProcess) ID() string            { return "in process" }
func (i *inProcess) Output() string        { return "" }
func (i *inProcess) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// MustHost makes a host of peer "peer0" and closes it at the end of the test. Fields of
// cfg that are empty get what a test needs.
func MustHost(tb testing.TB, cfg chaincode.Config) *chaincode.Host {
	tb.Helper()
	if cfg.Trace == nil {
		cfg.Trace = trace.NewRecorder(trace.Options{})
	}
	if cfg.Link == nil {
		cfg.Link = link.New(link.Config{Trace: cfg.Trace}).Endpoint("peer0", tls.Certificate{}, nil)
	}
	cfg.Peer, cfg.MSPID, cfg.Dir = "peer0", "Org1MSP", tb.TempDir()
	h, err := chaincode.NewHost(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := h.Close(); err != nil {
			tb.Error(err)
		}
		if left := h.Running(); len(left) > 0 {
			tb.Errorf("chaincodes run after Close: %v", left)
		}
	})
	return h
}

// MustInstall installs a sample's package under a label of its own and gives its id.
func MustInstall(tb testing.TB, h *chaincode.Host, sample, label string) string {
	tb.Helper()
	raw, err := chaincode.PackageSample(sample, label)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := h.Install(context.Background(), raw)
	if err != nil {
		tb.Fatal(err)
	}
	return p.ID
}

// Bench is a host with one chaincode and a ledger.
type Bench struct {
	TB     testing.TB
	Host   *chaincode.Host
	ID     string
	Ledger *Ledger
}

// MustRun makes a host that runs cc in this process.
func MustRun(tb testing.TB, cc shim.Chaincode) *Bench {
	tb.Helper()
	h := MustHost(tb, chaincode.Config{Use: InProcess{"cc": Shim(cc)}})
	return &Bench{TB: tb, Host: h, ID: MustInstall(tb, h, "asset", "cc"), Ledger: NewLedger()}
}

// Call runs a function and gives the chaincode's response.
func (b *Bench) Call(function string, args ...string) *peerpb.Response {
	b.TB.Helper()
	m, err := b.Host.Execute(b.TB.Context(), b.ID, b.Ledger.Invocation(function, args...))
	if err != nil {
		b.TB.Fatalf("%s: %v", function, err)
	}
	return Response(b.TB, m)
}

// MustCall is Call for functions that must succeed; it gives the payload.
func (b *Bench) MustCall(function string, args ...string) string {
	b.TB.Helper()
	r := b.Call(function, args...)
	if r.Status != 200 {
		b.TB.Fatalf("%s%q: status %d: %s", function, args, r.Status, r.Message)
	}
	return string(r.Payload)
}

// MustFail is Call for functions that must answer with status 500; it gives the message.
func (b *Bench) MustFail(function string, args ...string) string {
	b.TB.Helper()
	r := b.Call(function, args...)
	if r.Status != 500 {
		b.TB.Fatalf("%s%q: status %d, payload %q; it should have failed", function, args, r.Status, r.Payload)
	}
	return r.Message
}

// Response decodes a COMPLETED message.
func Response(tb testing.TB, m *peerpb.ChaincodeMessage) *peerpb.Response {
	tb.Helper()
	if m.Type != peerpb.ChaincodeMessage_COMPLETED {
		tb.Fatalf("the chaincode answered %s: %s", m.Type, m.Payload)
	}
	r, err := decode[peerpb.Response](m)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
