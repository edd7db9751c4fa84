package words

import (
	"cmp"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// briefs has what kinds of events tell beside what stands around them in a list: a term, a
// size, a result.
var briefs = map[trace.Kind][]told{
	trace.SimulateEnd: {{0, 0, "{{.Reads}}, {{.Writes}}, status {{.Status}}"}},
	trace.RaftRole:    {{0, 0, "{{.Role}}, term {{.Term}}"}},
	trace.LinkRule: {{0, trace.RuleHealed, "as it was"}, {0, trace.RuleCut, "cut"}, {0, trace.RuleCutOneWay, "cut, one way"},
		{0, trace.RuleShapedOneWay, "{{.Shape}}, one way"}, {0, 0, "{{.Shape}}"}},
	trace.BlockCut:     {{0, 0, "{{.Cut}}, {{.Transactions}}"}},
	trace.BlockPulled:  {{0, 0, "{{.Transactions}}"}},
	trace.ValidateFrom: {{0, 0, "{{.Transactions}}"}},
	trace.Fault: {{0, trace.FaultLies, "lies about what it endorses"}, {0, trace.FaultHonest, "honest again"},
		{0, trace.FaultStateEdited, "state edited: {{.Key}}"},
		{0, 0, "changed the value of {{.Key}}"}},
	trace.NodeStart:       {{0, trace.IsOrderer, "ordering node"}, {0, 0, "peer"}},
	trace.NodeReady:       {{0, 0, "{{.Name}}"}},
	trace.ChannelJoin:     {{0, 0, "height {{.Height}}"}},
	trace.Installed:       {{0, 0, "{{.Label}} {{.Name}}, {{.Size}}"}},
	trace.LaunchEnd:       {{0, trace.CodeReady, "{{.Label}} {{.Took}}"}},
	trace.DefinitionKnown: {{0, 0, "version {{.V}}, sequence {{.N}}"}},
	trace.RaftVote:        {{0, 0, "term {{.Term}}"}},
	trace.RaftVoteReply:   {{0, trace.Accepted, "granted, term {{.Term}}"}, {0, 0, "refused, term {{.Term}}"}},
	trace.ReadAdded:       {{0, trace.Absent, "absent"}, {0, 0, "{{.A}}:{{.B}}"}},
	trace.RangeAdded:      {{0, 0, "{{.N}} keys"}},
	trace.RichQuery:       {{0, trace.ByIndex, "{{.Name}}"}, {0, 0, "no index"}},
	trace.WriteAdded:      {{0, trace.Delete, "deleted"}, {0, 0, "{{.N}} bytes"}},
}

// Brief is what an event tells beside its kind and the names that stand around it in a
// list. Files that lack the facts have their note, and so have kinds whose note is a name.
func (t *Teller) Brief(e *trace.Event) string {
	if e.What != trace.Untold {
		if e.Kind == trace.RaftLeader {
			if e.Other == "" {
				return t.Book.L("none")
			}
			return t.Name(e.Other)
		}
		if id := fitting(briefs[e.Kind], e); id != "" {
			return t.fill(id, e, "", "")
		}
	}
	return cmp.Or(e.Note, Label(e.Key))
}
