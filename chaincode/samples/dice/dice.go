// Package dice is the sample chaincode that is wrong on purpose: Roll asks the
// computer for a random number. Each peer rolls its own, the read-write sets differ,
// and a client that needs two endorsements sees ProposalResponsePayloads that do not
// match. With a policy of one organisation nobody notices, which is worse.
//
// RollFair is the way out: it takes the number from the transaction id, which is the
// same at every peer and which nobody can choose freely.
package dice

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	name := []string{"name"}
	return []sample.Function{
		{Name: "Roll", Args: name, Doc: "Rolls a die and keeps the number; every peer gets another one.", Call: roll},
		{Name: "RollFair", Args: name, Doc: "Rolls a die that shows the same at every peer.", Call: rollFair},
		{Name: "Last", Args: name, Doc: "Gives the number that was kept last, or nothing.", ReadOnly: true, Call: last},
	}
}

func roll(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return keep(stub, args[0], rand.IntN(6)+1)
}

func rollFair(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	id := stub.GetTxID()
	n, err := strconv.ParseUint(id[:min(len(id), 15)], 16, 64)
	if err != nil {
		return nil, fmt.Errorf("the transaction id %q is not hexadecimal", id)
	}
	return keep(stub, args[0], int(n%6)+1)
}

func last(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := stub.GetState(args[0])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", args[0], err)
	}
	return value, nil
}

func keep(stub shim.ChaincodeStubInterface, name string, n int) (any, error) {
	if err := stub.PutState(name, []byte(strconv.Itoa(n))); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return n, nil
}
