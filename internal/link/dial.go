package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// dialTimeout is for one attempt; a handshake over the slowest link takes 20 s.
const dialTimeout = 30 * time.Second

// Target is where to connect to.
type Target struct {
	Name       string // the node's name in events and link rules
	Addr       string // "host:port" or "unix:/path"
	ServerName string // name that the certificate must carry; empty means Name

	// Outside says that the other end is not of this network (a chaincode that
	// somebody else runs): what it answers is then recorded with its payload here.
	Outside bool

	// TLS replaces the endpoint's own settings, for a chaincode with
	// certificates of its own.
	TLS *tls.Config
}

// Dial makes a connection over TLS with the endpoint's certificate. Like
// grpc.NewClient it does not wait: the first call connects. The connection
// comes back by itself after a failure.
func (e *Endpoint) Dial(to Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	creds := credentials.NewTLS(e.clientTLS(to))
	way := newDirect(e, to, creds)
	return e.dial(to, creds, append([]grpc.DialOption{
		grpc.WithChainUnaryInterceptor(e.dialUnary(to), way.unary),
		grpc.WithChainStreamInterceptor(e.dialStream(to), way.stream),
	}, options...))
}

// DialPlain makes a connection without TLS, to a chaincode's own server.
func (e *Endpoint) DialPlain(to Target, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	return e.dial(to, insecure.NewCredentials(), append([]grpc.DialOption{
		grpc.WithAuthority("localhost"), // with TLS it is the server's name
		grpc.WithChainUnaryInterceptor(e.dialUnary(to)),
		grpc.WithChainStreamInterceptor(e.dialStream(to)),
	}, options...))
}

func (e *Endpoint) dial(to Target, creds credentials.TransportCredentials, options []grpc.DialOption) (*grpc.ClientConn, error) {
	if to.Addr == "" {
		return nil, fmt.Errorf("connect %s to %s: %w", e.name, to.Name, errors.New("no address is known"))
	}
	attempts := newRedial()
	dialer := func(ctx context.Context, _ string) (net.Conn, error) {
		if err := attempts.wait(ctx); err != nil {
			return nil, fmt.Errorf("connect %s to %s: %w", e.name, to.Name, err)
		}
		conn, err := e.net.connect(ctx, e.name, to)
		if err != nil {
			attempts.failed()
		}
		return conn, err
	}
	all := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(dialer),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithReadBufferSize(readBuffer),
		grpc.WithWriteBufferSize(writeBuffer),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           noPause,
			MinConnectTimeout: dialTimeout,
		}),
	}
	// The dialer above knows the address; there is nothing to resolve.
	client, err := grpc.NewClient("passthrough:///link", append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", e.name, to.Name, err)
	}
	e.net.links.remember(e.name, to.Name, client, attempts)
	return client, nil
}

// connect opens the connection that gRPC asks for, unless a rule cuts the link.
func (n *Net) connect(ctx context.Context, from string, to Target) (net.Conn, error) {
	if n.links.isCut(from, to.Name) {
		return nil, cutError(from, to.Name)
	}
	raw, err := dialSocket(ctx, to.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect %s to %s: %w", from, to.Name, err)
	}
	shaped, err := n.links.open(from, to.Name, n.seed, raw)
	if err != nil {
		return nil, err
	}
	return shaped, nil
}

// dialSocket opens a connection through the kernel.
func dialSocket(ctx context.Context, addr string) (net.Conn, error) {
	var dialer net.Dialer
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return dialer.DialContext(ctx, "unix", path)
	}
	return dialer.DialContext(ctx, "tcp", addr)
}
