// Package samples holds the chaincodes that come with the program: asset, counter,
// limited, auction, dice, stock and slow, one folder each, written on Fabric's own Go shim.
//
// The same code runs in three ways. Under the process runtime the program runs the
// static binary that package bundle embeds, or itself with the hidden command
// "chaincode NAME", both of which end in [Main]. Under docker that binary becomes
// an image. And package chaincode makes ordinary Fabric packages of the source
// ([Source]), which can be compiled, or installed on a real Fabric peer.
//
// Read next: asset/asset.go.
package samples

import (
	"embed"
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/asset"
	"github.com/fabriscope/fabriscope/chaincode/samples/auction"
	"github.com/fabriscope/fabriscope/chaincode/samples/counter"
	"github.com/fabriscope/fabriscope/chaincode/samples/dice"
	"github.com/fabriscope/fabriscope/chaincode/samples/limited"
	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
	"github.com/fabriscope/fabriscope/chaincode/samples/slow"
	"github.com/fabriscope/fabriscope/chaincode/samples/stock"
)

// Source is the samples' source as it is in this repository: a folder for each
// sample, the folder "sample" that they share, and the module files that a package
// with their source gets (package.mod and package.sum).
//
//go:embed asset/*.go counter/*.go limited/*.go auction/*.go dice/*.go slow/*.go stock/*.go stock/META-INF/statedb/couchdb/indexes/*.json sample/*.go package.mod package.sum
var Source embed.FS

// Command is the hidden first argument with which a program becomes a sample:
// "fabriscope chaincode asset -peer.address=...".
const Command = "chaincode"

// Sample is one of them.
type Sample struct {
	Name      string
	Doc       string // one sentence for a list
	Functions []sample.Function
	New       func() shim.Chaincode
}

// All lists the samples, the simplest first.
func All() []Sample {
	return []Sample{
		{"asset", "Things and their owners: the calls of Fabric's asset-transfer-basic.", asset.Functions(), asset.New},
		{"counter", "One hot key: what a read conflict is.", counter.Functions(), counter.New},
		{"auction", "Range queries: what a phantom is.", auction.Functions(), auction.New},
		{"dice", "Wrong on purpose: every peer computes something else.", dice.Functions(), dice.New},
		{"limited", "A counter as another organisation wrote it: the same results, up to three.", limited.Functions(), limited.New},
		{"stock", "Rich queries on peers with state: couchdb, and what does not protect them.", stock.Functions(), stock.New},
		{"slow", "Sleeps and writes many keys: parallel simulation, the price of one write.", slow.Functions(), slow.New},
	}
}

// Names lists the samples' names in the order of [All].
func Names() []string {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name)
	}
	return names
}

// ByName finds a sample.
func ByName(name string) (Sample, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Sample{}, false
}

// collectAt spares a sample most of its garbage collections: it holds next to
// nothing, so under load the collector would run every 4 MB and look through the
// stacks of all transactions each time. 16 MB cost less.
const collectAt = 400

// Main runs the sample until its peer goes away and gives the exit code: 2 if
// there is no such sample, otherwise 1, since a chaincode has no good end of its
// own. args are the shim's arguments (-peer.address=...); the environment is what
// launch.Spec.Environ says. It changes os.Args, because the shim reads those.
func Main(name string, args []string) int {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	return run(name, args, os.Stderr)
}

func run(name string, args []string, out io.Writer) int {
	s, ok := ByName(name)
	if !ok {
		fmt.Fprintf(out, "there is no sample chaincode %q; there are %v\n", name, Names())
		return 2
	}
	os.Args = append([]string{name}, args...)
	if err := shim.Start(s.New()); err != nil {
		fmt.Fprintf(out, "chaincode %s: %v\n", name, err)
	}
	return 1
}

// Hook turns the calling program into a sample, and does not return, if it was
// started with the hidden command. A test binary whose tests start samples under
// the process runtime calls it first thing in TestMain.
func Hook() {
	if len(os.Args) >= 3 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2], os.Args[3:]))
	}
}
