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
	"main":           "app/...",
	"fabriscopetest": "app/player/write app/report app/session network internal/link internal/trace",
	"app/cli":        "app/words app/player/... app/report network/... peer/... orderer chaincode/... internal/... assets app/view/... app/paint app/session/... app/window/...",
	// The window's floors: what it shows, how that is drawn, what it does, and Fyne on top.
	"app/words":          "internal/trace assets",
	"app/window":         "app/words app/player/... app/window/... app/session/... app/report app/paint app/view/... network/... chaincode/... internal/... assets",
	"app/session":        "app/words app/player app/session/... app/view/... network/... chaincode/... internal/... peer/validate assets",
	"app/session/draft":  "app/words app/view network internal/file",
	"app/session/script": "app/words app/view network network/load network/scenario internal/link internal/trace assets",
	"app/paint":          "app/words app/view/... assets",
	"app/view":           "app/words internal/...",
	"app/view/facts":     "app/words app/view internal/...",
	"app/view/stage":     "app/words app/view app/view/facts internal/...",
	"app/view/timeline":  "app/words app/view app/view/facts internal/...",
	"app/view/meter":     "app/words app/view app/view/facts internal/...",
	"app/view/chain":     "app/words app/view app/view/facts internal/...",
	"app/view/inspect":   "app/words app/view app/view/facts peer/validate internal/...",
	"app/player":         "app/words app/view/... app/paint internal/trace",
	"app/player/page":    "app/player app/view",
	"app/player/write":   "app/words app/player app/report app/view",
	"app/report":         "app/words app/view/... app/paint network internal/... peer/validate",
	"app/":               "network/... peer/... orderer chaincode/... internal/... assets app/...",

	// The window's own parts.
	"app/window/look":      "app/words app/paint app/view assets",
	"app/window/sheet":     "app/words app/window/look app/paint app/view",
	"app/window/panel":     "app/words app/window/look app/paint app/view/...",
	"app/window/inspector": "app/words app/window/look app/window/sheet app/view/...",
	"app/window/drawers":   "app/words app/window/look app/window/sheet app/session/... app/paint app/view/... network/... internal/... assets",

	"network":          "peer orderer chaincode chaincode/external chaincode/launch internal/... assets",
	"network/scenario": "network network/load internal/... chaincode assets",
	"network/load":     "network internal/...",

	"peer":           "peer/... chaincode chaincode/launch internal/...",
	"peer/ledger":    "internal/...",
	"peer/validate":  "peer/ledger internal/...",
	"peer/lifecycle": "peer/ledger chaincode internal/...",
	"peer/gateway":   "peer/ledger peer/lifecycle internal/...",

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

	"internal/trace":         "internal/wire",
	"internal/trace/runfile": "internal/trace internal/sqlite",
	"internal/sqlite":        "internal/trace",
	"internal/wire":          "",
	"internal/cache":         "",
	"internal/mango":         "",
	"internal/msp":           "internal/wire internal/cache",
	"internal/policy":        "internal/msp internal/wire",
	"internal/channelconfig": "internal/policy internal/msp internal/wire",
	"internal/link":          "internal/trace internal/wire internal/msp",
	"internal/deliver":       "internal/wire internal/msp internal/policy internal/channelconfig internal/trace internal/link",
	"internal/conformance":   "",
	"internal/file":          "",
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
	"github.com/hyperledger/fabric-gateway":          "fabriscopetest",
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
