package session

import (
	"time"

	"github.com/fabriscope/fabriscope/app/session/draft"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/network"
)

// ApplyChanges makes the live changes of a draft, one after the other, and stops at the
// first that fails. each (may be nil) hears of a change before it is made.
func (s *Session) ApplyChanges(live []draft.Change, each func(draft.Change), done func(error)) {
	if len(live) == 0 {
		done(nil)
		return
	}
	first := live[0]
	if each != nil {
		each(first)
	}
	s.applyChange(first, func(err error) {
		if err != nil {
			done(words.NewFault("{{.Change}}: {{.Cause}}", "", first.Text, err))
			return
		}
		s.ApplyChanges(live[1:], each, done)
	})
}

func (s *Session) applyChange(c draft.Change, done func(error)) {
	named := func(_ string, err error) { done(err) }
	switch c.Step {
	case draft.AddPeer:
		s.AddPeer(c.Org, named)
	case draft.AddOrderer:
		s.AddOrderer(named)
	case draft.Deploy:
		s.Deploy(c.Chaincode, nil, func(_ *network.Deployment, err error) { done(err) })
	case draft.HealAll:
		s.Heal(done)
	case draft.SetShape:
		l := c.Link
		s.SetLink(l.Between[0], l.Between[1], link.Shape{Latency: time.Duration(l.Latency), Jitter: time.Duration(l.Jitter), Loss: float64(l.Loss), Cut: l.Cut}, done)
	default:
		done(words.NewFault("it needs a new start", ""))
	}
}
