package link_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// authority issues the certificates of one test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func MustAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tlsca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key, cert, x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func (a *authority) MustIssue(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// world is a Net with a recorder and an authority.
type world struct {
	testing.TB
	*link.Net
	trace   *trace.Recorder
	ca      *authority
	ask     link.Claim
	holds   []link.Hold
	granted atomic.Int64 // messages that stood still for holds with a count
}

// MustWorld makes a world in which holds with a count stop one message
// together; claim decides that instead where it is given.
func MustWorld(t testing.TB, claim ...link.Claim) *world {
	t.Helper()
	recorder := trace.NewRecorder(trace.Options{})
	w := &world{TB: t, trace: recorder, ca: MustAuthority(t)}
	ask := func(link.HoldID) (bool, func(bool)) {
		return w.granted.CompareAndSwap(0, 1), func(bool) {}
	}
	if len(claim) > 0 {
		ask = claim[0]
	}
	w.ask = ask
	w.Net = link.New(link.Config{Trace: recorder, Seed: 1, Claim: ask})
	return w
}

// inBothWays tests what must hold whether nodes of one process use a wire or not.
func inBothWays(t *testing.T, test func(*testing.T, *world)) {
	t.Run("direct", func(t *testing.T) { test(t, MustWorld(t)) })
	t.Run("wire", func(t *testing.T) {
		w := MustWorld(t)
		w.Net = link.New(link.Config{Trace: w.trace, Seed: 1, Claim: w.ask, Sockets: true})
		test(t, w)
	})
}

func (w *world) MustEndpoint(name string) *link.Endpoint {
	w.Helper()
	return w.Endpoint(name, w.ca.MustIssue(w, name), w.ca.pool)
}

// server is one of the link's, or a bare one of gRPC.
type server interface {
	grpc.ServiceRegistrar
	Serve(net.Listener) error
	Stop()
}

// MustServe serves what register adds and returns the address.
func (w *world) MustServe(server server, addr string, register func(grpc.ServiceRegistrar)) string {
	w.Helper()
	listener, err := w.Endpoint("listener", tls.Certificate{}, nil).Listen(addr, false)
	if err != nil {
		w.Fatal(err)
	}
	register(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	w.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			w.Errorf("serve: %v", err)
		}
	})
	if listener.Addr().Network() == "unix" {
		return "unix:" + listener.Addr().String()
	}
	return listener.Addr().String()
}

func (w *world) MustDial(e *link.Endpoint, to link.Target) *grpc.ClientConn {
	w.Helper()
	conn, err := e.Dial(to)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { _ = conn.Close() })
	return conn
}

// MustSee waits for the first event after cursor that match accepts.
func (w *world) MustSee(cursor uint64, match func(*trace.Event) bool) trace.Event {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	event, _, err := w.trace.Wait(ctx, cursor, match)
	if err != nil {
		events, _, _ := w.trace.Since(cursor, 0)
		for _, e := range events {
			w.Logf("%+v", e)
		}
		w.Fatalf("the event did not come: %v", err)
	}
	return event
}

// is matches a message by kind and direction.
func is(kind trace.Kind, dir trace.Dir) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return e.Kind == kind && e.Dir == dir }
}

// isTx matches a message of one transaction.
func isTx(kind trace.Kind, dir trace.Dir, txid string) func(*trace.Event) bool {
	return func(e *trace.Event) bool { return e.Kind == kind && e.Dir == dir && e.TxID == txid }
}

// endorser answers every proposal as its function says.
type endorser struct {
	peerpb.UnimplementedEndorserServer
	answer func(context.Context, *peerpb.SignedProposal) (*peerpb.ProposalResponse, error)
}

func (e *endorser) ProcessProposal(ctx context.Context, p *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
	if e.answer == nil {
		return &peerpb.ProposalResponse{Response: &peerpb.Response{Status: 200, Payload: []byte("answer")}}, nil
	}
	return e.answer(ctx, p)
}

func (e *endorser) register(s grpc.ServiceRegistrar) { peerpb.RegisterEndorserServer(s, e) }

// support is the peer's end of a chaincode stream.
type support struct {
	peerpb.UnimplementedChaincodeSupportServer
	handle func(peerpb.ChaincodeSupport_RegisterServer) error
}

func (s *support) Register(stream peerpb.ChaincodeSupport_RegisterServer) error {
	return s.handle(stream)
}
func (s *support) register(server grpc.ServiceRegistrar) {
	peerpb.RegisterChaincodeSupportServer(server, s)
}

// ordering is an ordering node's two streams.
type ordering struct {
	ordererpb.UnimplementedAtomicBroadcastServer
	broadcast func(ordererpb.AtomicBroadcast_BroadcastServer) error
	deliver   func(ordererpb.AtomicBroadcast_DeliverServer) error
}

func (o *ordering) Broadcast(s ordererpb.AtomicBroadcast_BroadcastServer) error {
	return o.broadcast(s)
}
func (o *ordering) Deliver(s ordererpb.AtomicBroadcast_DeliverServer) error { return o.deliver(s) }
func (o *ordering) register(s grpc.ServiceRegistrar)                        { ordererpb.RegisterAtomicBroadcastServer(s, o) }

// MustHeader encodes a channel header inside a Header.
func MustHeader(t testing.TB, kind commonpb.HeaderType, txid string) *commonpb.Header {
	return &commonpb.Header{ChannelHeader: MustMarshal(t, &commonpb.ChannelHeader{Type: int32(kind), ChannelId: "mychannel", TxId: txid,
		Extension: MustMarshal(t, &peerpb.ChaincodeHeaderExtension{ChaincodeId: &peerpb.ChaincodeID{Name: "asset"}})})}
}

func MustProposal(t testing.TB, txid string) *peerpb.SignedProposal {
	t.Helper()
	header := MustMarshal(t, MustHeader(t, commonpb.HeaderType_ENDORSER_TRANSACTION, txid))
	return &peerpb.SignedProposal{ProposalBytes: MustMarshal(t, &peerpb.Proposal{Header: header, Payload: make([]byte, 800)}), Signature: make([]byte, 70)}
}

func MustEnvelope(t testing.TB, kind commonpb.HeaderType, txid string, data proto.Message) *commonpb.Envelope {
	t.Helper()
	payload := &commonpb.Payload{Header: MustHeader(t, kind, txid)}
	if data != nil {
		payload.Data = MustMarshal(t, data)
	}
	return &commonpb.Envelope{Payload: MustMarshal(t, payload)}
}

func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// MustFreeAddr is an address on which nobody listens, nor anybody else ever will: a port
// that is free now can be another program's a moment later.
func MustFreeAddr(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "link") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix:" + filepath.Join(dir, "s")
}
