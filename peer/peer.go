package peer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/gateway"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// The errors that callers tell apart.
var (
	// ErrJoined: the peer is in the channel already, or in another one of the name.
	ErrJoined = errors.New("the channel was joined already")
	// ErrNotJoined: the peer is not in the channel.
	ErrNotJoined = errors.New("the peer has not joined the channel")
	// ErrClosed: the peer was closed.
	ErrClosed = errors.New("the peer is closed")
)

// Config describes one peer. Name, MSPID, Signer, MSP, Dir and Link are needed.
type Config struct {
	Name   string // node name, as in events and in its TLS certificate
	MSPID  string // its organisation
	Signer *msp.Signer
	MSP    *msppb.MSPConfig // of its organisation: who administers this peer
	Dir    string           // everything it keeps; made if absent

	Link   *link.Endpoint // its end of all connections
	Listen string         // "host:port"; "" is any free port of this computer
	Moves  bool           // to another port where Listen's is taken

	// Chaincode says how chaincodes are run. Peer, MSPID, Dir, Link, Trace and Log
	// in it are filled in from above where they are empty.
	Chaincode chaincode.Config

	// Verifier remembers the signatures that hold, for all nodes of a process;
	// nil checks each one wherever it is needed.
	Verifier *msp.Verifier

	Shared *Shared // what the peers of one process have in common; nil: nothing

	Disk *sqlite.Disk // what the files of one process share; nil works

	// CouchDB makes the state databases answer rich queries, with CouchDB's rules for keys
	// and values. Otherwise they are key-value stores.
	CouchDB bool

	Limits Limits
	Trace  *trace.Recorder // nil is off
	Log    *slog.Logger    // nil discards
}

// Shared lets the peers of a process decode each block once.
type Shared struct{ blocks *validate.Shared }

// NewShared makes what the peers of one process share.
func NewShared() *Shared { return &Shared{blocks: validate.NewShared()} }

// Limits bounds what a peer does at once and how long it waits. Zero values mean
// Fabric's defaults (wire.md I).
type Limits struct {
	EndorserCalls int // proposals at once; 2500
	GatewayCalls  int // gateway calls at once; 500
	DeliverCalls  int // readers of blocks at once; 2500

	EndorsementTimeout time.Duration // for one endorser asked by the gateway; 30 s
	BroadcastTimeout   time.Duration // for one ordering node asked by the gateway; 30 s

	Readers    int // database connections of each ledger; see ledger.Options
	CacheBytes int // state cache of each ledger; see ledger.Options
}

// decoder is nil if each peer decodes for itself.
func (s *Shared) decoder() *validate.Shared {
	if s == nil {
		return nil
	}
	return s.blocks
}

func (l Limits) withDefaults() Limits {
	l.EndorserCalls = cmp.Or(l.EndorserCalls, 2500)
	l.GatewayCalls = cmp.Or(l.GatewayCalls, 500)
	l.DeliverCalls = cmp.Or(l.DeliverCalls, 2500)
	l.EndorsementTimeout = cmp.Or(l.EndorsementTimeout, 30*time.Second)
	l.BroadcastTimeout = cmp.Or(l.BroadcastTimeout, 30*time.Second)
	return l
}

// Peer is one running peer. Its methods may be called from many goroutines.
type Peer struct {
	config Config
	log    *slog.Logger
	now    func() time.Time

	locals      *locals
	host        *chaincode.Host
	connections *deliver.Connections
	listener    net.Listener
	server      *link.Server
	gateway     *gateway.Gateway
	blocks      *deliver.Server // Deliver and DeliverWithPrivateData
	filtered    *deliver.Server // DeliverFiltered, which has an access rule of its own

	lying atomic.Bool

	filteredReaders atomic.Int32 // DeliverFiltered streams that are open

	joining sync.Mutex // held while a channel is opened
	tasks   sync.WaitGroup

	mu       sync.RWMutex
	channels map[string]*channel
	members  []PeerInfo
	orderers []link.Target
	closed   bool
}

// New opens the peer's directory, finds its channels again, and serves. Blocks
// are pulled as soon as ordering nodes are known.
func New(config Config) (*Peer, error) {
	if config.Name == "" || config.MSPID == "" || config.Signer == nil || config.MSP == nil || config.Dir == "" || config.Link == nil {
		return nil, errors.New("a peer needs Name, MSPID, Signer, MSP, Dir and Link")
	}
	config.Limits = config.Limits.withDefaults()
	p := &Peer{
		config: config, log: config.Log, now: time.Now, channels: map[string]*channel{},
		connections: deliver.NewConnections(config.Link, errConnectionsClosed, grpc.WithIdleTimeout(idleConnection)),
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With(logKeyPeer, config.Name)
	if err := p.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("peer %s: %w", config.Name, err), p.Close())
	}
	return p, nil
}

// idleConnection is how long a connection without calls is kept: fifty peers that
// have all talked to one another once should not pay for it for ever.
const idleConnection = 20 * time.Second

var errConnectionsClosed = errors.New("the peer is closing")

// Keys of log lines.
const (
	logKeyPeer    = "peer"
	logKeyChannel = "channel"
	logKeyBlock   = "block"
	logKeyOrderer = "orderer"
	logKeyError   = "error"
)

// open brings up the parts in the order in which they need one another.
func (p *Peer) open() error {
	var err error
	if p.locals, err = newLocals(p.config.MSPID, p.config.MSP, p.config.Verifier); err != nil {
		return err
	}
	if err := os.MkdirAll(p.channelsDir(), 0o700); err != nil {
		return err
	}
	if p.host, err = chaincode.NewHost(p.chaincodeConfig()); err != nil {
		return err
	}
	// The address is known before anything answers at it: the gateway names it in
	// its errors.
	if p.listener, err = p.config.Link.Listen(cmp.Or(p.config.Listen, "127.0.0.1:0"), p.config.Moves); err != nil {
		return err
	}
	p.gateway = p.newGateway()
	if err := p.reopenChannels(); err != nil {
		return err
	}
	p.serve()
	return nil
}

// newGateway makes the gateway service of this peer.
func (p *Peer) newGateway() *gateway.Gateway {
	return gateway.New(gateway.Config{
		Own: gateway.Member{
			Name: p.config.Name, MSPID: p.config.MSPID,
			Target: link.Target{Name: p.config.Name, Addr: p.Addr(), ServerName: p.config.Name},
		},
		Identity: p.config.Signer.Creator(), Connections: p.connections, Net: p.config.Link.Net(), Trace: p.config.Trace,
		EndorsementTimeout: p.config.Limits.EndorsementTimeout, BroadcastTimeout: p.config.Limits.BroadcastTimeout,
		Others: p.others, Endorse: p.endorseSafely,
		Channel: func(name string) (*gateway.Channel, bool) {
			c, ok := p.channelNamed(name)
			if !ok {
				return nil, false
			}
			return c.gateway, true
		},
	})
}

// chaincodeConfig fills in what the peer knows.
func (p *Peer) chaincodeConfig() chaincode.Config {
	c := p.config.Chaincode
	c.Peer = cmp.Or(c.Peer, p.config.Name)
	c.MSPID = cmp.Or(c.MSPID, p.config.MSPID)
	c.Dir = cmp.Or(c.Dir, filepath.Join(p.config.Dir, "chaincode"))
	if c.Link == nil {
		c.Link = p.config.Link
	}
	if c.Trace == nil {
		c.Trace = p.config.Trace
	}
	if c.Log == nil {
		c.Log = p.log
	}
	return c
}

// serve registers the services and starts to answer.
func (p *Peer) serve() {
	p.blocks = &deliver.Server{Lookup: p.deliverChannel(resourceBlock), Log: p.log, Limit: math.MaxInt64}
	p.filtered = &deliver.Server{Lookup: p.deliverChannel(resourceFilteredBlock), Log: p.log, Limit: math.MaxInt64}
	p.server = p.config.Link.NewServer(link.Limit(map[string]int{
		"protos.Endorser": p.config.Limits.EndorserCalls,
		"gateway.Gateway": p.config.Limits.GatewayCalls,
		"protos.Deliver":  p.config.Limits.DeliverCalls,
	}))
	peerpb.RegisterEndorserServer(p.server, &endorserService{peer: p})
	peerpb.RegisterDeliverServer(p.server, &deliverService{peer: p})
	gatewaypb.RegisterGatewayServer(p.server, p.gateway)
	p.server.RegisterService(peerServiceDesc(), &peerService{peer: p})
	p.tasks.Go(func() {
		if err := p.server.Serve(p.listener); err != nil && !p.isClosed() {
			p.failed(trace.Event{}, "serve", err)
		}
	})
}

// Addr is where the peer listens, "host:port".
func (p *Peer) Addr() string { return p.listener.Addr().String() }

// Host is what runs the chaincodes.
func (p *Peer) Host() *chaincode.Host { return p.host }

// Ledger is the peer's ledger of a channel, nil if it has not joined.
func (p *Peer) Ledger(channelName string) *ledger.Ledger {
	c, ok := p.channelNamed(channelName)
	if !ok {
		return nil
	}
	return c.ledger
}

// Bundle is the present configuration of a channel, nil if the peer has not joined.
func (p *Peer) Bundle(channelName string) *channelconfig.Bundle {
	c, ok := p.channelNamed(channelName)
	if !ok {
		return nil
	}
	return c.settings().bundle
}

// Status tells how a peer is.
type Status struct {
	Name       string
	MSPID      string
	Addr       string
	Channels   []ChannelStatus    // by name
	Chaincodes []chaincode.Status // running or being launched
	Runtime    string             // what runs chaincodes: "docker" or "process"
	RuntimeWhy string             // why, in a sentence
	Lying      bool               // SetLie
}

// ChannelStatus tells how a peer stands in one channel.
type ChannelStatus struct {
	Name        string
	Height      uint64
	Hash        []byte // header hash of the last block
	CommitHash  []byte // equal at peers with equal verdicts and state
	Orderer     string // node that blocks come from now, "" if none
	Definitions []DefinitionStatus
	Stopped     error // why the channel stands still, nil if it does not
}

// DefinitionStatus tells what a peer can do with a committed definition.
type DefinitionStatus struct {
	lifecycle.Definition
	Approved  bool   // by the peer's organisation
	PackageID string // installed package that runs it, "" if none
}

// Status tells how the peer is now.
func (p *Peer) Status() Status {
	s := Status{Name: p.config.Name, MSPID: p.config.MSPID, Addr: p.Addr(), Chaincodes: p.host.Running(), Lying: p.lying.Load()}
	s.Runtime, s.RuntimeWhy = p.host.RuntimeName()
	for _, c := range p.allChannels() {
		info := c.ledger.Info()
		cs := ChannelStatus{
			Name: c.name, Height: info.GetHeight(), Hash: info.GetCurrentBlockHash(), CommitHash: c.ledger.CommitHash(),
			Orderer: c.puller.source(), Stopped: c.puller.stopped(),
		}
		for _, d := range c.definitions.All() {
			cs.Definitions = append(cs.Definitions, DefinitionStatus{Definition: *d.Definition, Approved: d.Approved, PackageID: d.PackageID})
		}
		s.Channels = append(s.Channels, cs)
	}
	return s
}

// Stopped says why a channel stands still, nil if it does not.
func (p *Peer) Stopped(channel string) error {
	if c, ok := p.channelNamed(channel); ok {
		return c.puller.stopped()
	}
	return nil
}

// JoinChannel makes the peer a member of the channel that begins with this block,
// and tells it where the ordering nodes are (none: those it knows already, or
// those in the block). Joining the same channel again only sets the ordering
// nodes. ErrJoined: the peer is in another channel of that name.
func (p *Peer) JoinChannel(genesis *commonpb.Block, orderers []link.Target) error {
	if len(orderers) > 0 {
		p.SetOrderers(orderers)
	}
	err := p.join(genesis)
	if !errors.Is(err, ErrJoined) {
		return err
	}
	name, _, parseErr := channelconfig.ParseBlock(genesis)
	if parseErr != nil {
		return parseErr
	}
	if c, ok := p.channelNamed(name); ok {
		if first, firstErr := c.ledger.Block(0); firstErr == nil && bytes.Equal(wire.BlockHash(first.GetHeader()), wire.BlockHash(genesis.GetHeader())) {
			return nil
		}
	}
	return err
}

// join opens a ledger for a channel that the peer is not in.
func (p *Peer) join(genesis *commonpb.Block) error {
	bundle, err := channelconfig.FromBlock(genesis, p.config.Verifier)
	if err != nil {
		return err
	}
	name := bundle.Channel()
	if !slices.Contains(bundle.ApplicationOrgs(), p.config.MSPID) {
		p.log.Warn("the peer's organisation is not in the channel: it can follow it, but not endorse", logKeyChannel, name)
	}
	p.joining.Lock()
	defer p.joining.Unlock()
	if _, ok := p.channelNamed(name); ok {
		return fmt.Errorf("ledger [%s] already exists with state [ACTIVE]: %w", name, ErrJoined)
	}
	c, err := openChannel(p, name, genesis)
	if err != nil {
		return fmt.Errorf("join channel %s: %w", name, err)
	}
	if err := p.serveChannel(c); err != nil {
		return errors.Join(err, c.close())
	}
	p.record(trace.Event{Kind: trace.ChannelJoin, What: trace.IsPeer, Channel: name, Block: c.ledger.Height(), A: int64(c.ledger.Height())})
	return nil
}

// reopenChannels finds the channels of an earlier run.
func (p *Peer) reopenChannels() error {
	entries, err := os.ReadDir(p.channelsDir())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(p.channelsDir(), entry.Name(), ledgerFile)); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		c, err := openChannel(p, entry.Name(), nil)
		if errors.Is(err, errNeverJoined) {
			continue // it ended in the middle of joining; joining again goes on from there
		}
		if err != nil {
			return fmt.Errorf("open channel %s: %w", entry.Name(), err)
		}
		if err := p.serveChannel(c); err != nil {
			return errors.Join(err, c.close())
		}
	}
	return nil
}

// serveChannel takes an open channel into service.
func (p *Peer) serveChannel(c *channel) error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.channels[c.name] = c
	p.mu.Unlock()
	c.start()
	return nil
}

func (p *Peer) channelsDir() string { return filepath.Join(p.config.Dir, channelsFolder) }

func (p *Peer) channelNamed(name string) (*channel, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	c, ok := p.channels[name]
	return c, ok
}

// allChannels lists the channels by name.
func (p *Peer) allChannels() []*channel {
	p.mu.RLock()
	defer p.mu.RUnlock()
	list := make([]*channel, 0, len(p.channels))
	for _, c := range p.channels {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *channel) int { return cmp.Compare(a.name, b.name) })
	return list
}

func (p *Peer) isClosed() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.closed
}

// Kill ends the peer as Close does: calls that are under way are not waited for in
// either case, and what is on disk is at any time what a crash would leave. A kill -9
// needs a process of its own.
func (p *Peer) Kill() error { return p.Close() }

// Close stops serving, ends the chaincodes and closes the ledgers. Later calls do
// nothing.
func (p *Peer) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	var errs []error
	for _, c := range p.allChannels() {
		c.cancel()
	}
	if p.server != nil {
		p.server.Stop()
	} else if p.listener != nil {
		errs = append(errs, p.listener.Close())
	}
	p.connections.Close()
	if p.host != nil {
		errs = append(errs, p.host.Close())
	}
	for _, c := range p.allChannels() {
		errs = append(errs, c.close())
	}
	p.tasks.Wait()
	return errors.Join(errs...)
}

// record adds an event of this peer.
func (p *Peer) record(e trace.Event) {
	if p.config.Trace == nil {
		return
	}
	e.Node = p.config.Name
	p.config.Trace.Record(e)
}

// failed records and logs something that no caller hears of.
func (p *Peer) failed(e trace.Event, what string, err error) {
	e.Kind, e.What, e.Note = trace.ErrorEvent, trace.Told, what+": "+err.Error()
	p.record(e)
	p.log.Error(what, logKeyChannel, e.Channel, logKeyBlock, e.Block, logKeyError, err)
}

// Background runs work for a channel until it is done or the channel closes.
// false: the channel is closing, nothing was started.
func (c *channel) Background(work func(ctx context.Context)) bool {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.tasks.Go(func() { work(c.ctx) })
	return true
}
