package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/peer/gateway"
	"github.com/fabriscope/fabriscope/peer/ledger"
	"github.com/fabriscope/fabriscope/peer/lifecycle"
	"github.com/fabriscope/fabriscope/peer/validate"
)

// channel is one channel that this peer has joined.
type channel struct {
	peer *Peer
	name string
	log  *slog.Logger

	ledger      *ledger.Ledger
	validator   *validate.Validator
	current     atomic.Pointer[settings]
	definitions *lifecycle.Table
	gateway     *gateway.Channel
	puller      *puller
	lacks       lacks
	indexed     sync.Map // chaincode's name to the package id whose indexes are made
	filtered    recent[peerpb.FilteredBlock]
	events      recent[[]*peerpb.ChaincodeEvent] // of valid transactions

	ctx      context.Context // ends when the channel closes
	cancel   context.CancelFunc
	starting sync.Mutex // orders the start of a task and the wait for all
	tasks    sync.WaitGroup
}

// Names in a peer's folder: of the channels', and of the ledger in each of them.
const (
	channelsFolder = "channels"
	ledgerFile     = "ledger.db"
)

// errNeverJoined: the directory is that of a channel whose first block was never
// stored.
var errNeverJoined = errors.New("the ledger is empty")

// openChannel opens a channel's ledger. An empty one takes the first block; without
// one it is errNeverJoined.
func openChannel(p *Peer, name string, genesis *commonpb.Block) (*channel, error) {
	c := &channel{peer: p, name: name, log: p.log.With(logKeyChannel, name)}
	dir := c.dir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.puller = newPuller(c)
	var err error
	c.ledger, err = ledger.Open(filepath.Join(dir, ledgerFile), ledger.Options{
		Channel: name, Node: p.config.Name, Readers: p.config.Limits.Readers, CacheBytes: p.config.Limits.CacheBytes,
		CouchDB: p.config.CouchDB, Trace: p.config.Trace, Log: c.log, Disk: p.config.Disk,
	})
	if err != nil {
		return nil, err
	}
	c.definitions = &lifecycle.Table{Channel: name, MSPID: p.config.MSPID, Ledger: c.ledger, Host: p.host}
	c.gateway = p.gateway.NewChannel(gateway.ChannelConfig{
		Joined: c, Name: name, Ledger: c.ledger, Definitions: c.definitions, Closing: c.ctx.Done(),
	})
	if err := c.load(genesis); err != nil {
		return nil, errors.Join(err, c.ledger.Close())
	}
	return c, nil
}

// dir is where the channel's ledger lies.
func (c *channel) dir() string { return filepath.Join(c.peer.channelsDir(), c.name) }

// load brings everything in memory in line with the ledger.
func (c *channel) load(genesis *commonpb.Block) error {
	if c.ledger.Height() == 0 {
		if genesis == nil {
			return errNeverJoined
		}
		c.validator = c.newValidator(nil)
		if err := c.commitBlock(c.ctx, genesis); err != nil {
			return err
		}
		return c.definitions.Load()
	}
	bundle, err := c.storedConfig()
	if err != nil {
		return fmt.Errorf("the channel's configuration in %s cannot be read: %w; delete the folder %s: the peer then fetches the chain from the ordering service anew",
			filepath.Join(c.dir(), ledgerFile), err, c.dir())
	}
	c.current.Store(newSettings(bundle))
	c.validator = c.newValidator(bundle)
	if err := c.definitions.Load(); err != nil {
		return err
	}
	c.makeIndexes(c.ctx)
	return nil
}

// storedConfig is the configuration in the state: the one that the last valid config
// block brought.
func (c *channel) storedConfig() (*channelconfig.Bundle, error) {
	view, err := c.ledger.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	value, ok, err := view.GetState(configNamespace, configKey)
	if err != nil {
		return nil, err
	}
	config := &commonpb.Config{}
	if !ok {
		return nil, errors.New("the state has none")
	}
	if err := proto.Unmarshal(value.Value, config); err != nil {
		return nil, err
	}
	return channelconfig.FromConfig(c.name, config, c.peer.config.Verifier)
}

// Where the state has the configuration (wire.md F.6).
const (
	configNamespace = ""
	configKey       = "CHANNEL_CONFIG_ENV_BYTES"
)

func (c *channel) newValidator(bundle *channelconfig.Bundle) *validate.Validator {
	return validate.New(validate.Config{
		Ledger: c.ledger, Bundle: bundle, Verifier: c.peer.config.Verifier, Shared: c.peer.config.Shared.decoder(), Node: c.peer.config.Name, Trace: c.peer.config.Trace,
	})
}

// settings is the present configuration, with what was decided under it.
func (c *channel) settings() *settings { return c.current.Load() }

// Bundle is the present configuration.
func (c *channel) Bundle() *channelconfig.Bundle { return c.settings().bundle }

// Allow tells whether whoever signed may use a resource.
func (c *channel) Allow(resource string, signed policy.Signed) error {
	_, err := c.settings().allow(resource, signed, c.peer.now())
	return err
}

// start begins to pull blocks, and to launch what the definitions need.
func (c *channel) start() {
	c.Background(c.puller.run)
	c.launchNeeded()
}

// close ends everything that goes on in the channel and closes its ledger.
func (c *channel) close() error {
	c.starting.Lock()
	c.cancel()
	c.starting.Unlock()
	c.tasks.Wait()
	return c.ledger.Close()
}
