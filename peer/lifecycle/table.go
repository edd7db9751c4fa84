package lifecycle

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

// Defined is a committed definition and what this peer can do with it.
type Defined struct {
	*Definition
	Approved   bool   // this peer's organisation approved exactly this definition
	PackageID  string // installed package that the approval means, "" if none
	sourceHash []byte // hash of the approved package id's record, nil if there is none
}

// Table is what a channel has defined, kept in memory so that a proposal costs one
// read of the sequence and no more. It follows the committed state. Fill the exported
// fields before the first use.
type Table struct {
	Channel string
	MSPID   string // the peer's own organisation
	Ledger  *ledger.Ledger
	Host    *chaincode.Host // tells what is installed

	loading sync.Mutex // held by Load, so that an older state never replaces a newer one

	mu         sync.RWMutex
	byName     map[string]*Defined
	runnable   map[string]string // name to version of what this peer can run; never changed in place
	generation uint64            // changes with every change of what is in here
}

// Load reads all definitions from the committed state.
func (t *Table) Load() error {
	t.loading.Lock()
	defer t.loading.Unlock()
	view, err := t.Ledger.View()
	if err != nil {
		return err
	}
	defer view.Close()
	read := wire.RecordReader(func(key string) ([]byte, error) {
		value, ok, err := view.GetState(wire.LifecycleNamespace, key)
		if err != nil || !ok {
			return nil, err
		}
		return value.Value, nil
	})
	found := map[string]*Defined{}
	prefix := wire.MetadataKey(wire.SectionNamespaces, "")
	for entry, err := range view.Range(wire.LifecycleNamespace, prefix, afterPrefix(prefix), false) {
		if err != nil {
			return fmt.Errorf("read the chaincode definitions: %w", err)
		}
		name := strings.TrimPrefix(entry.Key, prefix)
		one, err := readDefinition(read, name)
		if err != nil || one == nil {
			continue // no peer can run it, and validation says so
		}
		d := &Defined{Definition: one}
		if err := d.readApproval(view, t.MSPID); err != nil {
			return fmt.Errorf("read the approval of chaincode %s: %w", name, err)
		}
		found[name] = d
	}
	t.mu.Lock()
	t.byName = found
	t.mu.Unlock()
	t.FindPackages()
	return nil
}

// afterPrefix is the first key that is larger than every key with the prefix,
// which must end with an ASCII character.
func afterPrefix(prefix string) string {
	return prefix[:len(prefix)-1] + string(prefix[len(prefix)-1]+1)
}

// readApproval compares what the own organisation approved with the definition.
// It works on hashes, which every peer has: one that missed the plain text can
// run the chaincode all the same.
func (d *Defined) readApproval(view *ledger.View, mspID string) error {
	hash := func(key string) ([]byte, error) {
		value, ok, err := view.GetHash(wire.LifecycleNamespace, ImplicitCollection(mspID), wire.Hash([]byte(key)))
		if err != nil || !ok {
			return nil, err
		}
		return value.Value, nil
	}
	r, err := d.parameters()
	if err != nil {
		return err
	}
	name := approvalName(d.Name, d.Sequence)
	differences, err := differing(hash, name, r)
	if err != nil {
		return err
	}
	d.Approved = len(differences) == 0
	d.sourceHash, err = hash(wire.FieldKey(wire.SectionSources, name, wire.FieldPackageID))
	return err
}

// FindPackages finds the installed packages that the approvals mean. It is called
// again when a package was installed.
func (t *Table) FindPackages() {
	byHash := map[string]string{}
	for _, pkg := range t.Host.Installed() {
		if f, err := stringField(wire.FieldPackageID, pkg.ID); err == nil {
			byHash[string(wire.Hash(f.value))] = pkg.ID
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	resolved := make(map[string]*Defined, len(t.byName))
	runnable := map[string]string{}
	for name, before := range t.byName {
		d := *before // others may be reading the old one
		d.PackageID = byHash[string(before.sourceHash)]
		resolved[name] = &d
		if d.Approved && d.PackageID != "" {
			runnable[name] = d.Version
		}
	}
	t.byName, t.runnable = resolved, runnable
	t.generation++
}

// Runnable lists the chaincodes that this peer can run, with their versions. It must
// not be changed.
func (t *Table) Runnable() map[string]string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.runnable
}

// Get finds a definition; nil if the channel has none of that name.
func (t *Table) Get(name string) *Defined {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[name]
}

// All lists the definitions by name.
func (t *Table) All() []*Defined {
	t.mu.RLock()
	defer t.mu.RUnlock()
	list := make([]*Defined, 0, len(t.byName))
	for _, name := range slices.Sorted(maps.Keys(t.byName)) {
		list = append(list, t.byName[name])
	}
	return list
}

// Generation changes with every change of what the table says.
func (t *Table) Generation() uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.generation
}

// CheckRunnable says why a definition cannot be run on this peer, nil if it can.
func (t *Table) CheckRunnable(d *Defined) error {
	if !d.Approved {
		return fmt.Errorf("chaincode definition for '%s' at sequence %d on channel '%s' has not yet been approved by this org", d.Name, d.Sequence, t.Channel)
	}
	if d.PackageID == "" {
		return fmt.Errorf("chaincode definition for '%s' exists, but chaincode is not installed", d.Name)
	}
	return nil
}

// errChanging: the definition was upgraded while the proposal looked at it.
var errChanging = errors.New("chaincode definition changed during invoke; send the proposal again")

// Find finds the definition of a chaincode for one simulation, if this peer can run
// it. The sequence is read through the simulation: that read is what makes
// transactions in flight invalid when a definition is upgraded (wire.md C.1).
func (t *Table) Find(sim *ledger.Simulator, name string) (*Defined, error) {
	sequence, err := readSequence(publicState{sim}.Get, name)
	if err != nil {
		return nil, err
	}
	if sequence == 0 {
		if _, err := sim.GetState(wire.LegacyNamespace, name); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("chaincode %s not found", name)
	}
	d := t.Get(name)
	if d == nil || d.Sequence < sequence {
		// The block with the definition is on disk, the table is about to follow.
		if err := t.Load(); err != nil {
			return nil, err
		}
		d = t.Get(name)
	}
	if d == nil || d.Sequence != sequence {
		return nil, fmt.Errorf("%w: chaincode '%s' has sequence %d in the state that this proposal sees", errChanging, name, sequence)
	}
	return d, t.CheckRunnable(d)
}
