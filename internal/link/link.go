// Package link carries every connection between nodes, clients and chaincodes.
// It dials and serves gRPC over mutual TLS, records each message that passes at
// both ends, slows or cuts connections when asked, and can hold a message until
// it is released. Protocol code only ever sees ordinary gRPC connections.
//
// It serves every step of a transaction: proposal, chaincode stream, broadcast,
// Raft, deliver. What a message is about is read in describe.go; nothing here
// decides anything about a transaction.
//
// A message of our own nodes is recorded as Sent where it leaves and as Received
// where it arrives, with the same Event.Msg; both ends learn the call's number
// from the call's metadata. A program from outside (a chaincode, somebody's
// client) records nothing, so its messages show at our end only.
//
// Read next: record.go (the interceptors), hold.go (breakpoints), shape.go and
// conn.go (latency, loss, cuts).
package link

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
	grpcpeer "google.golang.org/grpc/peer"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Config says what a Net shares between all connections of a process. All
// fields may be empty.
type Config struct {
	Trace *trace.Recorder // where messages are recorded; nil records nothing
	Log   *slog.Logger    // nil discards
	Seed  int64           // fixes jitter and loss

	// Sockets makes nodes of this process use the wire among themselves too, as
	// separate machines do: TCP, TLS, HTTP/2.
	Sockets bool

	// Claim is asked before a hold with a Count stops a message. nil: such holds stop
	// nothing.
	Claim Claim

	// Run is common to all processes of one network: messages that carry it come
	// from our own nodes. Empty makes one up, which fits a network in one process.
	Run string
}

// Net holds what the connections of one process have in common: the recorder,
// the rules for slow and cut links, and the holds.
type Net struct {
	trace *trace.Recorder
	log   *slog.Logger
	seed  uint64
	run   string

	claim   Claim
	sockets bool
	near    near
	calls   atomic.Uint64 // numbers calls; starts at random, so that processes do not collide

	methods sync.Map // full method name -> *method
	links   links
	holds   holds
	clocks  clocks
}

// New makes the Net of a process.
func New(config Config) *Net {
	n := &Net{trace: config.Trace, log: config.Log, seed: uint64(config.Seed), run: config.Run, sockets: config.Sockets, claim: config.Claim}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails since Go 1.24
	if n.run == "" {
		n.run = hex.EncodeToString(random[8:])
	}
	n.calls.Store(binary.LittleEndian.Uint64(random[:8]))
	n.links.opened = make(map[way]struct{})
	return n
}

// Run is the text that marks this network's own messages; hand it to Config.Run
// in the other processes of the network.
func (n *Net) Run() string { return n.run }

// Endpoint is one node's, client's or peer process's end of its connections.
type Endpoint struct {
	net   *Net
	name  string
	cert  tls.Certificate
	roots atomic.Pointer[x509.CertPool]
}

// Endpoint makes the end called name, which is the name that events and link
// rules show. cert is its TLS certificate; a client may have none. roots are the
// TLS authorities that it trusts.
func (n *Net) Endpoint(name string, cert tls.Certificate, roots *x509.CertPool) *Endpoint {
	e := &Endpoint{net: n, name: name, cert: cert}
	e.SetRoots(roots)
	return e
}

// Name is the name given to Net.Endpoint.
func (e *Endpoint) Name() string { return e.name }

// Net is where the endpoint belongs.
func (e *Endpoint) Net() *Net { return e.net }

// SetRoots replaces the trusted authorities for connections made from now on,
// when an organisation joins a running network. nil trusts nobody.
func (e *Endpoint) SetRoots(roots *x509.CertPool) {
	if roots == nil {
		roots = x509.NewCertPool() // a nil pool would mean the system's authorities
	}
	e.roots.Store(roots)
}

// PeerName tells who is at the other end of a call that a server handles: the
// common name of the verified TLS certificate, and the certificate. Without a
// certificate both are empty. What the other end says about itself in metadata
// never counts here.
func PeerName(ctx context.Context) (name string, cert *x509.Certificate) {
	peer, ok := grpcpeer.FromContext(ctx)
	if !ok {
		return "", nil
	}
	info, ok := peer.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return "", nil
	}
	cert = info.State.VerifiedChains[0][0]
	return cert.Subject.CommonName, cert
}
