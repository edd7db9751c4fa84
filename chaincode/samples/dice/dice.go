// Package dice is the sample chaincode that is wrong on purpose: Roll asks the
// computer for a random number. Each peer rolls its own, the read-write sets differ,
// and a client that needs two endorsements sees ProposalResponsePayloads that do not
// match. With a policy of one organisation nobody notices, which is worse.
//
// Stamp and Shuffle are wrong in the same way, without a random number: one asks the clock,
// the other walks a map, which Go does in another order each time.
//
// RollFair is the way out: it takes the number from the transaction id, which is the
// same at every peer and which nobody can choose freely.
package dice

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

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
		{Name: "Stamp", Args: name, Doc: "Keeps the time of the peer's clock; no two peers have the same.", Call: stamp},
		{Name: "Shuffle", Args: name, Doc: "Keeps the order in which it met the entries of a map; it is another one each time.", Call: shuffle},
		{Name: "RollFair", Args: name, Doc: "Rolls a die that shows the same at every peer.", Call: rollFair},
		{Name: "Last", Args: name, Doc: "Gives the number that was kept last, or nothing.", ReadOnly: true, Call: last},
	}
}

func roll(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return keep(stub, args[0], strconv.Itoa(rand.IntN(6)+1))
}

func stamp(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return keep(stub, args[0], time.Now().UTC().Format(time.RFC3339Nano))
}

func shuffle(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	var order []string
	for number := range map[string]bool{"one": true, "two": true, "three": true, "four": true, "five": true, "six": true, "seven": true, "eight": true} {
		order = append(order, number)
	}
	return keep(stub, args[0], strings.Join(order, " "))
}

func rollFair(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	id := stub.GetTxID()
	n, err := strconv.ParseUint(id[:min(len(id), 15)], 16, 64)
	if err != nil {
		return nil, fmt.Errorf("the transaction id %q is not hexadecimal", id)
	}
	return keep(stub, args[0], strconv.Itoa(int(n%6)+1))
}

func last(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := stub.GetState(args[0])
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", args[0], err)
	}
	return value, nil
}

func keep(stub shim.ChaincodeStubInterface, name, what string) (any, error) {
	if err := stub.PutState(name, []byte(what)); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return what, nil
}
