// Fabriscope runs a Hyperledger-Fabric-style network on this computer and shows
// what happens inside it: every proposal, simulation, endorsement, block and
// verdict, and why.
package main

import (
	"os"

	"github.com/fabriscope/fabriscope/app/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
