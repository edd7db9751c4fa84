package link

import (
	"crypto/tls"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Settings that both ends must agree on or that keep many connections small.
const (
	maxMessage    = 100 << 20 // Fabric's limit in both directions
	readBuffer    = 16 << 10  // per connection, one TLS record
	writeBuffer   = 32 << 10  // shared: taken only while something is written
	streamWindow  = 1 << 20   // fixed windows spare the pings that would measure better ones
	connWindow    = 4 << 20
	maxStreams    = 4096        // calls at once on one connection
	minPing       = time.Second // shims and SDKs ping every 60 s, Fabric's peer command an ordering node every 10 s
	pingInterval  = 60 * time.Second
	pingTimeout   = 20 * time.Second
	serverPing    = 2 * time.Hour
	handshakeTime = 30 * time.Second
)

// NewServer makes a gRPC server that shows the endpoint's certificate, asks for
// the client's and verifies it if there is one, and records and holds messages.
// A panic in a handler becomes an Internal error and an error event.
func (e *Endpoint) NewServer(options ...grpc.ServerOption) *grpc.Server {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return e.serverTLS(), nil
		},
	}
	return e.server(credentials.NewTLS(config), options)
}

// NewPlainServer makes a server without TLS, for the Unix sockets through which
// chaincodes register. Whoever is there is called "outside" in events until it
// registers or NameStream names it.
func (e *Endpoint) NewPlainServer(options ...grpc.ServerOption) *grpc.Server {
	return e.server(nil, options)
}

// server applies the settings; the caller's options come last and may override them.
func (e *Endpoint) server(creds credentials.TransportCredentials, options []grpc.ServerOption) *grpc.Server {
	all := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.ReadBufferSize(readBuffer),
		grpc.WriteBufferSize(writeBuffer),
		grpc.SharedWriteBuffer(true),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: serverPing, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(e.serveUnary),
		grpc.ChainStreamInterceptor(e.serveStream),
	}
	if creds != nil {
		all = append(all, grpc.Creds(creds))
	}
	return grpc.NewServer(append(all, options...)...)
}

// serverTLS is the configuration for one incoming connection.
func (e *Endpoint) serverTLS() *tls.Config {
	return &tls.Config{
		MinVersion:       tls.VersionTLS12,
		Certificates:     []tls.Certificate{e.cert},
		ClientAuth:       tls.VerifyClientCertIfGiven,
		ClientCAs:        e.roots.Load(),
		CurvePreferences: curves(),
		NextProtos:       []string{"h2"},
	}
}

// curves leaves out the post-quantum exchange: it doubles the cost of a
// handshake, and these connections stay on one computer.
func curves() []tls.CurveID { return []tls.CurveID{tls.X25519, tls.CurveP256} }
