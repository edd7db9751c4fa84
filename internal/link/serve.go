package link

import (
	"context"
	"crypto/tls"
	"net"
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

// Server answers calls: over the wire as gRPC's own, and those of nodes in the same
// process directly, see direct.go.
type Server struct {
	end     *Endpoint
	wire    *grpc.Server
	secret  bool                // it speaks TLS: others than a chaincode call it
	methods map[string]*handler // by full name; complete before Serve
	unary   grpc.UnaryServerInterceptor
	stream  grpc.StreamServerInterceptor
	ctx     context.Context // of all direct calls
	stop    context.CancelCauseFunc
}

// handler is one method of a service.
type handler struct {
	impl   any
	unary  *grpc.MethodDesc // one of the two
	stream *grpc.StreamDesc
}

// Interceptor stands between the link and a server's handlers.
type Interceptor struct {
	unary  grpc.UnaryServerInterceptor
	stream grpc.StreamServerInterceptor
}

// NewServer makes a server that shows the endpoint's certificate, asks for
// the client's and verifies it if there is one, and records and holds messages.
// A panic in a handler becomes an Internal error and an error event.
func (e *Endpoint) NewServer(more ...Interceptor) *Server {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return e.serverTLS(), nil
		},
	}
	return e.server(credentials.NewTLS(config), more)
}

// NewPlainServer makes a server without TLS, for the Unix sockets through which
// chaincodes register. Whoever is there is called "outside" in events until it
// registers or NameStream names it.
func (e *Endpoint) NewPlainServer() *Server { return e.server(nil, nil) }

func (e *Endpoint) server(creds credentials.TransportCredentials, more []Interceptor) *Server {
	s := &Server{end: e, secret: creds != nil, methods: make(map[string]*handler), unary: e.serveUnary, stream: e.serveStream}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	for _, m := range more {
		s.unary, s.stream = chainUnary(s.unary, m.unary), chainStream(s.stream, m.stream)
	}
	options := []grpc.ServerOption{
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
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
	}
	if creds != nil {
		options = append(options, grpc.Creds(creds))
	}
	s.wire = grpc.NewServer(options...)
	registerAlive(s)
	return s
}

func chainUnary(outer, inner grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		return outer(ctx, request, info, func(ctx context.Context, request any) (any, error) { return inner(ctx, request, info, handle) })
	}
}

func chainStream(outer, inner grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	return func(impl any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		return outer(impl, stream, info, func(impl any, stream grpc.ServerStream) error { return inner(impl, stream, info, handle) })
	}
}

// RegisterService adds a service, before Serve.
func (s *Server) RegisterService(desc *grpc.ServiceDesc, impl any) {
	s.wire.RegisterService(desc, impl)
	for i := range desc.Methods {
		s.methods["/"+desc.ServiceName+"/"+desc.Methods[i].MethodName] = &handler{impl: impl, unary: &desc.Methods[i]}
	}
	for i := range desc.Streams {
		s.methods["/"+desc.ServiceName+"/"+desc.Streams[i].StreamName] = &handler{impl: impl, stream: &desc.Streams[i]}
	}
}

// Serve answers until Stop.
func (s *Server) Serve(on net.Listener) error {
	if l, ok := on.(*listener); ok && s.secret {
		l.server.Store(s)
	}
	return s.wire.Serve(on)
}

// Stop ends all calls and closes the listener.
func (s *Server) Stop() {
	s.stop(errStopped)
	s.wire.Stop()
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
