package validate

import (
	"fmt"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// stateKey names an entry of the public state (coll "") or of a collection's
// hashed state (key is the key hash).
type stateKey struct{ ns, coll, key string }

// committed is what the state before the block has for the keys of the block,
// read once. Absent keys have an entry without present.
type committed map[stateKey]entry

type entry struct {
	ledger.Value
	present bool
}

// before is the state before the block: the keys that were read in advance, and
// the ledger for everything else.
type before struct {
	known committed
	view  *ledger.View
}

// GetState makes before the state that a ledger.Batch builds upon.
func (b *before) GetState(ns, key string) (ledger.Value, bool, error) {
	if e, ok := b.known[stateKey{ns: ns, key: key}]; ok {
		return e.Value, e.present, nil
	}
	return b.view.GetState(ns, key)
}

// GetHash does the same for a hashed entry.
func (b *before) GetHash(ns, coll string, keyHash []byte) (ledger.Value, bool, error) {
	if e, ok := b.known[stateKey{ns, coll, string(keyHash)}]; ok {
		return e.Value, e.present, nil
	}
	return b.view.GetHash(ns, coll, keyHash)
}

// readState reads what the rest needs of the state before the block, each key
// once: definitions, and every key that is read or written.
func (r *run) readState() error {
	if r.stale || len(r.definitions) > maxDefinitions {
		r.Validator.definitions = map[string]*definition{}
		r.Validator.stale = false
	}
	for _, t := range r.txs {
		if t.reason != nil || t.rwset == nil {
			continue
		}
		for i := range t.written {
			if err := r.readDefinition(t.written[i].name); err != nil {
				return fmt.Errorf("validate block %d: %w", r.number, err)
			}
		}
		if err := r.readKeys(t.rwset); err != nil {
			return fmt.Errorf("validate block %d, transaction %d: %w", r.number, t.index, err)
		}
	}
	return nil
}

func (r *run) readDefinition(name string) error {
	if _, known := r.definitions[name]; known {
		return nil
	}
	d, err := readDefinition(name, func(ns, key string) ([]byte, error) {
		value, ok, err := r.view.GetState(ns, key)
		if !ok || err != nil {
			return nil, err
		}
		if value.Value == nil {
			return []byte{}, nil
		}
		return value.Value, nil
	}, r.bundle)
	if err == nil {
		r.definitions[name] = d
	}
	return err
}

func (r *run) readKeys(set *wire.RWSet) error {
	for key := range readKeys(set) {
		if err := r.readKey(key); err != nil {
			return err
		}
	}
	for i := range set.Namespaces {
		for key := range touchedKeys(&set.Namespaces[i]) {
			if err := r.readKey(key); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) readKey(key stateKey) error {
	if _, known := r.before.known[key]; known {
		return nil
	}
	var e entry
	var err error
	if key.coll == "" {
		e.Value, e.present, err = r.view.GetState(key.ns, key.key)
	} else {
		e.Value, e.present, err = r.view.GetHash(key.ns, key.coll, []byte(key.key))
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", key.say(), err)
	}
	r.before.known[key] = e
	return nil
}
