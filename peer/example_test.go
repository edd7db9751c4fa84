package peer_test

import (
	"fmt"
	"log"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/peer"
)

// A peer that joins a channel and pulls its blocks from one ordering node.
func Example() {
	var (
		org     *msp.Org        // its organisation, from msp.Generate or msp.LoadOrg
		genesis *commonpb.Block // the channel's first block
	)
	if org == nil {
		return // there is no network in an example
	}
	me := org.Node("peer0")
	network := link.New(link.Config{})
	p, err := peer.New(peer.Config{
		Name: me.Name, MSPID: org.MSPID, Signer: me.Signer, MSP: org.MSPConfig(),
		Dir: "/var/lib/peer0", Link: network.Endpoint(me.Name, me.TLS, org.TLSRoots()),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	orderer := link.Target{Name: "orderer0.example.com", Addr: "localhost:7050"}
	if err := p.JoinChannel(genesis, []link.Target{orderer}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", p.Addr())
}
