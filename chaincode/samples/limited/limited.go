// Package limited is the sample chaincode counter as another organisation might have
// written it: the same calls, but it never counts above three. Up to there both give the
// same results, and peers of different organisations may run the one and the other under
// one definition. The fourth Increment is where they part.
package limited

import (
	"fmt"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// limit is how far it counts.
const limit = 3

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	return []sample.Function{
		{Name: "Increment", Args: []string{"name"}, Doc: "Adds one, but never above three, and answers with the number.", Call: increment},
		{Name: "Get", Args: []string{"name"}, Doc: "Gives the number; a counter that nobody touched stands at 0.", ReadOnly: true, Call: get},
	}
}

func increment(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	n, err := value(stub, args[0])
	if err != nil {
		return nil, err
	}
	n = min(n+1, limit)
	if err := stub.PutState(args[0], []byte(strconv.Itoa(n))); err != nil {
		return nil, fmt.Errorf("write counter %s: %w", args[0], err)
	}
	return n, nil
}

func get(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return value(stub, args[0])
}

func value(stub shim.ChaincodeStubInterface, name string) (int, error) {
	b, err := stub.GetState(name)
	if err != nil {
		return 0, fmt.Errorf("read counter %s: %w", name, err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return 0, fmt.Errorf("counter %s holds %q, which is not a number", name, b)
	}
	return n, nil
}
