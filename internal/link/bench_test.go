package link_test

import (
	"context"
	"crypto/tls"
	"net"
	"syscall"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/fabriscope/fabriscope/internal/link"
)

// cpu is the processor time that the process has used, in nanoseconds.
func cpu(t testing.TB) int64 {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// reportCPU adds the processor time of one operation, both ends together.
func reportCPU(b *testing.B, before int64) {
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// benchmarkProposals calls from several goroutines, as clients do.
func benchmarkProposals(b *testing.B, client peerpb.EndorserClient) {
	proposal := MustProposal(b, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	if _, err := client.ProcessProposal(context.Background(), proposal); err != nil {
		b.Fatal(err)
	}
	before := cpu(b)
	b.ReportAllocs()
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.ProcessProposal(context.Background(), proposal); err != nil {
				b.Error(err)
				return
			}
		}
	})
	reportCPU(b, before)
}

// One proposal and its answer over TLS: plain gRPC, the link over TCP with
// nothing to record, the same through memory, and that with a recorder.
func BenchmarkUnary(b *testing.B) {
	service := &endorser{}
	b.Run("grpc", func(b *testing.B) {
		ca := MustAuthority(b)
		config := &tls.Config{Certificates: []tls.Certificate{ca.MustIssue(b, peer0)}, RootCAs: ca.pool, ClientCAs: ca.pool,
			ClientAuth: tls.VerifyClientCertIfGiven, ServerName: peer0}
		server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
		service.register(server)
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		go func() { _ = server.Serve(listener) }()
		defer server.Stop()
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(config)))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		benchmarkProposals(b, peerpb.NewEndorserClient(conn))
	})
	for _, mode := range []string{"tcp", "memory", "recording"} {
		b.Run(mode, func(b *testing.B) {
			w := MustWorld(b)
			if mode != "recording" {
				w.Net = link.New(link.Config{Sockets: mode == "tcp"})
			}
			addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", service.register)
			benchmarkProposals(b, peerpb.NewEndorserClient(w.MustDial(w.MustEndpoint("alice"), link.Target{Name: peer0, Addr: addr})))
		})
	}
}

// One GET_STATE and its RESPONSE on a chaincode stream over a Unix socket.
func BenchmarkChaincodeStream(b *testing.B) {
	for _, mode := range []string{"off", "recording"} {
		b.Run(mode, func(b *testing.B) {
			w := MustWorld(b)
			if mode == "off" {
				w.Net = link.New(link.Config{})
			}
			shim := MustChaincode(w)
			before := cpu(b)
			b.ReportAllocs()
			for b.Loop() {
				MustGetState(b, shim, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
				if _, err := shim.Recv(); err != nil {
					b.Fatal(err)
				}
			}
			reportCPU(b, before)
		})
	}
}

// Setting up a connection: TCP, mutual TLS, HTTP/2 and one call.
func BenchmarkConnect(b *testing.B) {
	w := MustWorld(b)
	addr := w.MustServe(w.MustEndpoint(peer0).NewServer(), "127.0.0.1:0", (&endorser{}).register)
	alice := w.MustEndpoint("alice")
	proposal := MustProposal(b, "aa")
	before := cpu(b)
	for b.Loop() {
		conn, err := alice.Dial(link.Target{Name: peer0, Addr: addr})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := peerpb.NewEndorserClient(conn).ProcessProposal(context.Background(), proposal); err != nil {
			b.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, before)
}
