package session

import (
	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
	"github.com/fabriscope/fabriscope/network/scenario"
)

// LayoutOf is what the stage is told of a topology.
func LayoutOf(t *network.Topology) facts.Layout { return layoutOf(t) }

// Recorder is the whole trace, also what is hidden.
func (s *Session) Recorder() *trace.Recorder { return s.recorder }

// Marks are what a lesson points at.
func (s *Session) Marks() []scenario.Mark { return s.guide.marks }
