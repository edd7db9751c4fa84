package words

import (
	"maps"
	"slices"

	"github.com/fabriscope/fabriscope/internal/trace"
)

// TableTexts are the texts of the tables, which are not given to a call.
func TableTexts() []string {
	all := []string{holdStops, goesOn, lostCut, lostGivenUp, lostGone, codeCalls, codeCallsFor, scriptStep, scriptDid, linksHealed, linksNow,
		noLeader, leads, learnsLeader, fillsBlock, startsCode, codeLists, "instance"}
	all = slices.AppendSeq(all, maps.Values(held))
	all = slices.AppendSeq(all, maps.Values(codes))
	for _, table := range []map[string]string{workloads, types, found, steps, causes} {
		all = slices.AppendSeq(all, maps.Values(table))
	}
	for _, r := range runtimes {
		all = append(all, r.name, r.starts)
	}
	for _, table := range []map[trace.What]string{roles, cuts} {
		all = slices.AppendSeq(all, maps.Values(table))
	}
	for _, table := range []map[trace.Kind][]told{sentences, briefs} {
		for _, ways := range table {
			for _, w := range ways {
				all = append(all, w.id)
			}
		}
	}
	return all
}
