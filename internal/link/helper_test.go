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
	trace *trace.Recorder
	ca    *authority
}

func MustWorld(t testing.TB) *world {
	t.Helper()
	recorder := trace.NewRecorder(trace.Options{})
	return &world{t, link.New(link.Config{Trace: recorder, Seed: 1}), recorder, MustAuthority(t)}
}

func (w *world) MustEndpoint(name string) *link.Endpoint {
	w.Helper()
	return w.Endpoint(name, w.ca.MustIssue(w, name), w.ca.pool)
}

// MustServe serves what register adds and returns the address.
func (w *world) MustServe(server *grpc.Server, addr string, register func(*grpc.Server)) string {
	w.Helper()
	listener, err := w.Endpoint("listener", tls.Certificate{}, nil).Listen(addr)
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
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
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

func (e *endorser) register(s *grpc.Server) { peerpb.RegisterEndorserServer(s, e) }

// support is the peer's end of a chaincode stream.
type support struct {
	peerpb.UnimplementedChaincodeSupportServer
	handle func(peerpb.ChaincodeSupport_RegisterServer) error
}

func (s *support) Register(stream peerpb.ChaincodeSupport_RegisterServer) error {
	return s.handle(stream)
}
func (s *support) register(server *grpc.Server) { peerpb.RegisterChaincodeSupportServer(server, s) }

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
func (o *ordering) register(s *grpc.Server)                                 { ordererpb.RegisterAtomicBroadcastServer(s, o) }

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

// MustFreeAddr is an address on which nobody listens.
func MustFreeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
