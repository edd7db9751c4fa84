package peer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// legacyNamespace held definitions before _lifecycle existed. Nothing is in it
// here, but looking for an unknown chaincode leaves a read of it all the same.
const legacyNamespace = "lscc"

// defined is a committed definition and what this peer can do with it.
type defined struct {
	*Definition
	approved   bool   // this peer's organisation approved exactly this definition
	sourceHash []byte // hash of the approved package id's record, nil if there is none
	packageID  string // installed package that the approval means, "" if none
}

// definitions is what a channel has defined, kept in memory so that a proposal
// costs one read of the sequence and no more. It follows the committed state.
type definitions struct {
	loading sync.Mutex // held by load, so that an older state never replaces a newer one

	mu         sync.RWMutex
	byName     map[string]*defined
	runnable   map[string]string // name to version of what this peer can run; never changed in place
	generation uint64            // changes with every change of what is in here
}

// viewFields reads the public namespace of a committed state.
type viewFields struct{ view *ledger.View }

func (v viewFields) Get(key string) ([]byte, error) {
	value, ok, err := v.view.GetState(lifecycleNamespace, key)
	if err != nil || !ok {
		return nil, err
	}
	return value.Value, nil
}

// load reads all definitions from the committed state. mspID is the peer's own
// organisation, host tells what is installed.
func (d *definitions) load(l *ledger.Ledger, mspID string, host *chaincode.Host) error {
	d.loading.Lock()
	defer d.loading.Unlock()
	view, err := l.View()
	if err != nil {
		return err
	}
	defer view.Close()
	found := map[string]*defined{}
	prefix := metadataKey(sectionNamespaces, "")
	for entry, err := range view.Range(lifecycleNamespace, prefix, afterPrefix(prefix), false) {
		if err != nil {
			return fmt.Errorf("read the chaincode definitions: %w", err)
		}
		name := strings.TrimPrefix(entry.Key, prefix)
		one, err := readDefinition(viewFields{view}, name)
		if err != nil || one == nil {
			continue // no peer can run it, and validation says so
		}
		at := &defined{Definition: one}
		if err := at.readApproval(view, mspID); err != nil {
			return fmt.Errorf("read the approval of chaincode %s: %w", name, err)
		}
		found[name] = at
	}
	d.mu.Lock()
	d.byName = found
	d.mu.Unlock()
	d.resolve(host)
	return nil
}

// readApproval compares what the own organisation approved with the definition.
// It works on hashes, which every peer has: one that missed the plain text can
// run the chaincode all the same.
func (d *defined) readApproval(view *ledger.View, mspID string) error {
	collection := implicitCollection(mspID)
	hash := func(key string) ([]byte, error) {
		value, ok, err := view.GetHash(lifecycleNamespace, collection, wire.Hash([]byte(key)))
		if err != nil || !ok {
			return nil, err
		}
		return value.Value, nil
	}
	r, err := d.parameters()
	if err != nil {
		return err
	}
	name := privateName(d.Name, d.Sequence)
	differences, err := differing(hash, name, r)
	if err != nil {
		return err
	}
	d.approved = len(differences) == 0
	d.sourceHash, err = hash(fieldKey(sectionSources, name, fieldPackageID))
	return err
}

// resolve finds the installed packages that the approvals mean.
func (d *definitions) resolve(host *chaincode.Host) {
	byHash := map[string]string{}
	for _, pkg := range host.Installed() {
		if f, err := stringField(fieldPackageID, pkg.ID); err == nil {
			byHash[string(wire.Hash(f.value))] = pkg.ID
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	resolved := make(map[string]*defined, len(d.byName))
	for name, at := range d.byName {
		one := *at // others may be reading the old one
		one.packageID = byHash[string(at.sourceHash)]
		resolved[name] = &one
	}
	d.byName = resolved
	d.runnable = map[string]string{}
	for name, at := range resolved {
		if at.approved && at.packageID != "" {
			d.runnable[name] = at.Version
		}
	}
	d.generation++
}

// canRun lists the chaincodes that this peer can run, with their versions. It must
// not be changed.
func (d *definitions) canRun() map[string]string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.runnable
}

// get finds a definition; nil if the channel has none of that name.
func (d *definitions) get(name string) *defined {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.byName[name]
}

// all lists the definitions by name.
func (d *definitions) all() []*defined {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]*defined, 0, len(d.byName))
	for _, name := range slices.Sorted(maps.Keys(d.byName)) {
		list = append(list, d.byName[name])
	}
	return list
}

func (d *definitions) version() uint64 {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.generation
}

// runnable says why a definition cannot be run on this peer, nil if it can.
func (d *defined) runnable(channel string) error {
	if !d.approved {
		return fmt.Errorf("chaincode definition for '%s' at sequence %d on channel '%s' has not yet been approved by this org", d.Name, d.Sequence, channel)
	}
	if d.packageID == "" {
		return fmt.Errorf("chaincode definition for '%s' exists, but chaincode is not installed", d.Name)
	}
	return nil
}

// errChanging: the definition was upgraded while the proposal looked at it.
var errChanging = errors.New("chaincode definition changed during invoke; send the proposal again")

// lookup finds the definition of a chaincode for one simulation. The sequence is
// read through the simulation: that read is what makes transactions in flight
// invalid when a definition is upgraded (wire.md C.1).
func (c *channel) lookup(sim *ledger.Simulator, name string) (*defined, error) {
	raw, err := sim.GetState(lifecycleNamespace, sequenceKey(name))
	if err != nil {
		return nil, err
	}
	sequence, err := decodeSequence(raw)
	if err != nil {
		return nil, err
	}
	if sequence == 0 {
		if _, err := sim.GetState(legacyNamespace, name); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("chaincode %s not found", name)
	}
	d := c.definitions.get(name)
	if d == nil || d.Sequence < sequence {
		// The block with the definition is on disk, the table is about to follow.
		if err := c.loadDefinitions(); err != nil {
			return nil, err
		}
		d = c.definitions.get(name)
	}
	if d == nil || d.Sequence != sequence {
		return nil, fmt.Errorf("%w: chaincode '%s' has sequence %d in the state that this proposal sees", errChanging, name, sequence)
	}
	return d, d.runnable(c.name)
}

// loadDefinitions brings the table of definitions in line with the ledger.
func (c *channel) loadDefinitions() error {
	return c.definitions.load(c.ledger, c.peer.config.MSPID, c.peer.host)
}
