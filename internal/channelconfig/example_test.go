package channelconfig_test

import (
	"fmt"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

func ExampleGenesis() {
	org1, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "org1.example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	orderers, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	block, err := channelconfig.Genesis(channelconfig.Profile{
		Channel:     "mychannel",
		Orgs:        []channelconfig.OrgProfile{{Config: org1.MSPConfig()}},
		OrdererOrgs: []channelconfig.OrdererOrgProfile{{Config: orderers.MSPConfig(), Endpoints: []string{"localhost:7050"}}},
		Policies:    map[string]string{channelconfig.PathEndorsement: "ANY Endorsement"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	bundle, err := channelconfig.FromBlock(block, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(bundle.Channel(), bundle.ApplicationOrgs(), bundle.OrdererEndpoints(), bundle.Batch().Timeout)

	// Who may send transactions? A client of Org1 may, with its signature.
	client := org1.User("User1").Signer
	signature, err := client.Sign([]byte("a payload"))
	if err != nil {
		fmt.Println(err)
		return
	}
	claim := policy.Signed{Data: []byte("a payload"), Identity: client.Creator(), Signature: signature}
	fmt.Println(bundle.Check(channelconfig.PathWriters, claim))
	fmt.Println(bundle.Check(channelconfig.PathEndorsement, claim))
	// Output:
	// mychannel [Org1MSP] [localhost:7050] 2s
	// <nil>
	// policy /Channel/Application/Endorsement is not satisfied: ANY Endorsement has 0 of 1 needed, nobody for 'Org1MSP.peer'; signed by User1@org1.example.com (Org1MSP, client)
}
