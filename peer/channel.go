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
	"github.com/fabriscope/fabriscope/peer/ledger"
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
	definitions definitions
	commits     *commits
	surveyor    surveyor
	plans       plans
	puller      *puller
	lacks       lacks
	filtered    recent[peerpb.FilteredBlock]
	events      recent[[]*peerpb.ChaincodeEvent] // of valid transactions

	ctx      context.Context // ends when the channel closes
	cancel   context.CancelFunc
	starting sync.Mutex // orders the start of a task and the wait for all
	tasks    sync.WaitGroup
}

// ledgerFile is the name of a ledger in its channel's directory.
const ledgerFile = "ledger.db"

// errNeverJoined: the directory is that of a channel whose first block was never
// stored.
var errNeverJoined = errors.New("the ledger is empty")

// openChannel opens a channel's ledger. An empty one takes the first block; without
// one it is errNeverJoined.
func openChannel(p *Peer, name string, genesis *commonpb.Block) (*channel, error) {
	dir := filepath.Join(p.channelsDir(), name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &channel{peer: p, name: name, log: p.log.With(logKeyChannel, name), commits: newCommits()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.surveyor.channel = c
	c.puller = newPuller(c)
	var err error
	c.ledger, err = ledger.Open(filepath.Join(dir, ledgerFile), ledger.Options{
		Channel: name, Node: p.config.Name, Readers: p.config.Limits.Readers, CacheBytes: p.config.Limits.CacheBytes,
		Trace: p.config.Trace, Log: c.log,
	})
	if err != nil {
		return nil, err
	}
	if err := c.load(genesis); err != nil {
		return nil, errors.Join(err, c.ledger.Close())
	}
	return c, nil
}

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
		return c.loadDefinitions()
	}
	bundle, err := c.storedConfig()
	if err != nil {
		return fmt.Errorf("read the channel's configuration: %w", err)
	}
	c.current.Store(newSettings(bundle))
	c.validator = c.newValidator(bundle)
	return c.loadDefinitions()
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
		Ledger: c.ledger, Bundle: bundle, Verifier: c.peer.config.Verifier, Node: c.peer.config.Name, Trace: c.peer.config.Trace,
	})
}

// settings is the present configuration.
func (c *channel) settings() *settings { return c.current.Load() }

// start begins to pull blocks, and to launch what the definitions need.
func (c *channel) start() {
	c.background(c.puller.run)
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
