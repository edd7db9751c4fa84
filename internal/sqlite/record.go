package sqlite

import (
	"fmt"
	"time"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// Recorded gives a Synced that records each wait for the disk as a fact of the node.
// nil when nothing is recorded.
func Recorded(rec *trace.Recorder, node, channel string) func(Sync) {
	if rec == nil {
		return nil
	}
	return func(s Sync) {
		e := trace.Event{Kind: trace.DiskSync, Node: node, Channel: channel, What: trace.SyncFile, A: int64(s.Took), B: s.Bytes, C: 1}
		took := s.Took.Round(time.Microsecond)
		switch {
		case s.Waited:
			e.What, e.Note = trace.SyncAwaited, fmt.Sprintf("waited %s for the disk", took)
		case s.Log:
			e.What, e.Note = trace.SyncLog, fmt.Sprintf("synced the log, %d bytes, in %s", s.Bytes, took)
		default:
			e.Note = fmt.Sprintf("synced the file, %d bytes, in %s", s.Bytes, took)
		}
		if s.Background {
			e.C = 0
		}
		rec.Record(e)
	}
}
