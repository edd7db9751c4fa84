// Command samples is all sample chaincodes in one static binary, which the program
// embeds (chaincode/samples/bundle): "samples asset -peer.address=unix:///...".
// It exists so that the first transaction waits for no compiler.
package main

import (
	"fmt"
	"os"

	"github.com/fabriscope/fabriscope/chaincode/samples"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintf(os.Stderr, "usage: samples NAME -peer.address=ADDRESS\nNAME is one of %v\n", samples.Names())
		os.Exit(2)
	}
	os.Exit(samples.Main(os.Args[1], os.Args[2:]))
}
