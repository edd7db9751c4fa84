// Package assets holds the files that come inside the program: sample topologies,
// scenarios, the topology's JSON Schema, fonts and the icon. Nothing here runs; package network
// reads topologies and network/scenario runs scenarios.
package assets

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
)

//go:embed topologies scenarios topology.schema.json
var files embed.FS

// TopologySchema is the JSON Schema of a topology file.
func TopologySchema() []byte {
	b, err := files.ReadFile("topology.schema.json")
	if err != nil {
		panic("assets: the topology schema is not in the program: " + err.Error())
	}
	return b
}

// Topology gives a sample topology by its name, such as two-organisations.
func Topology(name string) ([]byte, error) { return read("topologies", name, ".yaml") }

// Scenario gives a scenario by its name, such as first-transaction.
func Scenario(name string) ([]byte, error) { return read("scenarios", name, ".star") }

// TopologyNames lists the sample topologies, sorted.
func TopologyNames() []string { return names("topologies", ".yaml") }

// ScenarioNames lists the scenarios, sorted.
func ScenarioNames() []string { return names("scenarios", ".star") }

func read(dir, name, ext string) ([]byte, error) {
	b, err := files.ReadFile(path.Join(dir, strings.TrimSuffix(name, ext)+ext))
	if err != nil {
		return nil, fmt.Errorf("there is no %s in the program's %s; there are %s", name, dir, strings.Join(names(dir, ext), ", "))
	}
	return b, nil
}

func names(dir, ext string) []string {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ext); ok {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}
