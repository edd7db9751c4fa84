package inspect

import (
	"strings"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/wire"
)

const valid = "VALID"

// decode gives a block's content if a message with it was on its way at seq; nil if not, or
// if it has left the memory.
func (x *Index) decode(number, seq uint64) *facts.Content { return x.world.Content(number, seq) }

// callIn writes the call of a transaction in a block.
func (a *about) callIn(t *facts.TxContent) string {
	if t.Config {
		return a.L("channel configuration")
	}
	if call := a.lifecycleCall(t.Chaincode, t.Args); call != "" {
		return call
	}
	return a.callOf(t.Args, 28)
}

// shortName is a name in a certificate as people say it: without an e-mail's domain.
func shortName(name string) string {
	if before, _, ok := strings.Cut(name, "@"); ok && before != "" {
		return before
	}
	return name
}

// keyAt is one version of a key.
type keyAt struct {
	version wire.Version
	value   []byte
	gone    bool
	txID    string
}
