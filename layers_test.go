package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/fabriscope/fabriscope/"

// floors lists which packages of this module a package may import, in the order of
// the house: what stands above may import what it names, and nothing below names
// anything above. "x/..." is x and everything under it. A package that is not
// listed is taken by its longest listed prefix.
var floors = map[string]string{
	"main":    "app/...",
	"app/cli": "network/... peer/... orderer chaincode/... internal/... assets app/view/... app/paint app/session app/window/...",
	// The window's floors: what it shows, how that is drawn, what it does, and Fyne on top.
	"app/window":        "app/window/... app/session app/paint app/view/... network/... chaincode/... internal/... assets",
	"app/session":       "app/view/... network/... chaincode/... internal/... peer/validate assets",
	"app/paint":         "app/view/... assets",
	"app/view":          "internal/...",
	"app/view/stage":    "app/view internal/...",
	"app/view/timeline": "app/view internal/...",
	"app/view/meter":    "app/view internal/...",
	"app/view/chain":    "app/view internal/...",
	"app/view/inspect":  "app/view network/report peer/validate internal/...",
	"app/":              "network/... peer/... orderer chaincode/... internal/... assets app/...",

	"network":          "peer orderer chaincode chaincode/external chaincode/launch internal/... assets",
	"network/scenario": "network network/load internal/... chaincode assets",
	"network/load":     "network internal/...",
	"network/report":   "network internal/... peer/validate",

	"peer":          "peer/... chaincode chaincode/launch internal/...",
	"peer/ledger":   "internal/...",
	"peer/validate": "peer/ledger internal/...",

	"orderer":           "orderer/... internal/...",
	"orderer/raftlink":  "orderer/clusterpb internal/...",
	"orderer/store":     "internal/...",
	"orderer/clusterpb": "internal/...",

	"chaincode":          "chaincode/... internal/...",
	"chaincode/launch":   "",
	"chaincode/docker":   "chaincode/launch chaincode/internal/... chaincode/samples/... internal/trace",
	"chaincode/process":  "chaincode/launch chaincode/internal/... chaincode/samples/... internal/trace",
	"chaincode/external": "chaincode/launch internal/trace internal/link",
	"chaincode/samples":  "chaincode/samples/... chaincode/internal/...",
	"chaincode/internal": "chaincode/launch",
	// cctest is for tests only: a chaincode host with a state in memory.
	"chaincode/internal/cctest": "chaincode chaincode/... internal/...",

	"internal/trace":         "internal/sqlite internal/wire",
	"internal/sqlite":        "",
	"internal/wire":          "",
	"internal/msp":           "internal/wire",
	"internal/policy":        "internal/msp internal/wire",
	"internal/channelconfig": "internal/policy internal/msp internal/wire",
	"internal/link":          "internal/trace internal/wire internal/msp",
	"internal/deliver":       "internal/wire internal/msp internal/policy internal/channelconfig internal/trace",
	"internal/conformance":   "",
	"assets":                 "",
}

// onlyImporters names for each outside package who alone may import it.
var onlyImporters = map[string]string{
	"github.com/mattn/go-sqlite3":                    "internal/sqlite",
	"github.com/docker/docker":                       "chaincode/docker",
	"fyne.io/fyne":                                   "app/window",
	"github.com/hashicorp/raft":                      "orderer",
	"go.starlark.net":                                "network/scenario",
	"github.com/spf13/cobra":                         "app/cli",
	"github.com/hyperledger/fabric/":                 "nobody",
	"github.com/hyperledger/fabric-chaincode-go":     "chaincode/samples",
	"github.com/hyperledger/fabric-gateway":          "nobody",
	"github.com/hyperledger/fabric-contract-api-go/": "nobody",
}

// TestFloors holds the direction of imports: down, never up, never sideways.
func TestFloors(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath+"/", module)
		name = strings.TrimSuffix(name, "/")
		if p.ImportPath+"/" == module {
			name = "main"
		}
		seen++
		allowed, ok := allowedFor(name)
		if !ok {
			t.Errorf("package %s stands on no floor; add it to the list in layers_test.go and to docs/ARCHITECTURE.md", name)
			continue
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module); ok && !permits(allowed, own) {
				t.Errorf("%s imports %s: not below its floor (it may import: %s)", name, own, allowed)
			}
			for outside, only := range onlyImporters {
				if strings.HasPrefix(imported, outside) && name != "chaincode/internal/cctest" && name != only && !strings.HasPrefix(name, only+"/") {
					t.Errorf("%s imports %s: only %s may", name, imported, only)
				}
			}
		}
	}
	if seen < 15 {
		t.Fatalf("only %d packages were looked at; is this the root of the module?", seen)
	}
}

func allowedFor(name string) (string, bool) {
	for prefix := name; prefix != ""; {
		if a, ok := floors[prefix]; ok {
			return a, true
		}
		cut := strings.LastIndexByte(strings.TrimSuffix(prefix, "/"), '/')
		if cut < 0 {
			break
		}
		if a, ok := floors[prefix[:cut+1]]; ok {
			return a, true
		}
		prefix = prefix[:cut]
	}
	return "", false
}

func permits(allowed, imported string) bool {
	for _, a := range strings.Fields(allowed) {
		if base, wide := strings.CutSuffix(a, "/..."); imported == a || wide && (imported == base || strings.HasPrefix(imported, base+"/")) {
			return true
		}
	}
	return false
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}
