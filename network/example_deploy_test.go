//go:build !race

// Under the race detector this example, which compiles a chaincode, would take minutes
// and show nothing that TestContractUnderProcess does not.

package network_test

import (
	"context"
	"fmt"
	"log"

	"github.com/fabriscope/fabriscope/network"
)

// Deploy a chaincode from a folder with its Go source: it is packaged, installed,
// approved by every organisation, committed, and built.
func ExampleChaincodes_Deploy() {
	ctx := context.Background()
	n, stop := start(network.Options{NoDeploy: true})
	defer stop()
	d, err := n.Chaincodes.Deploy(ctx, network.Chaincode{Name: "shelf", Path: "../chaincode/testdata/contract"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Name, d.Version, "sequence", d.Sequence)
	definitions, err := n.Chaincodes.Definitions(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(definitions), "definition")
	// Output:
	// shelf 1.0 sequence 1
	// 1 definition
}
