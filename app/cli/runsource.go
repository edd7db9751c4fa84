package cli

import (
	"github.com/fabriscope/fabriscope/internal/trace"
)

// runSource lets a run file be read where a live trace can be.
type runSource struct{ *trace.Run }

// ByTx gives a transaction's events; what cannot be read is missing, and Damage
// tells.
func (s runSource) ByTx(txID string) []trace.Event {
	events, err := s.Run.ByTx(txID)
	if err != nil {
		return nil
	}
	return events
}
