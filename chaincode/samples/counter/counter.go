// Package counter is the sample chaincode with one hot key. Increment reads a
// number and writes it back plus one. Send ten of them at once and nine are marked
// MVCC_READ_CONFLICT: all ten read the same version, and the first one in the block
// changed it. No money is lost and nobody is told a wrong sum; the other nine must
// simply be sent again.
package counter

import (
	"fmt"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	return []sample.Function{
		{Name: "Increment", Args: []string{"name"}, Doc: "Adds one and answers with the new number.", Call: increment},
		{Name: "Add", Args: []string{"name", "n"}, Doc: "Adds n, which may be negative, and answers with the new number.", Call: add},
		{Name: "IncrementTwice", Args: []string{"name"}, Doc: "Adds one twice, reading the number again in between, and answers with what it read: the second read sees the old number too.", Call: twice},
		{Name: "Announce", Args: []string{"name"}, Doc: "Adds one and sets the chaincode event \"counted\" with the new number.", Call: announce},
		{Name: "Get", Args: []string{"name"}, Doc: "Gives the number; a counter that nobody touched stands at 0.", ReadOnly: true, Call: get},
	}
}

func increment(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return change(stub, args[0], 1)
}

func add(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("n %q is not a whole number", args[1])
	}
	return change(stub, args[0], n)
}

// twice shows what a chaincode author may not expect: GetState gives the committed
// value, not what this call has written with PutState. So the counter goes up by one.
func twice(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	var seen [2]int64
	for i := range seen {
		old, err := value(stub, args[0])
		if err != nil {
			return nil, err
		}
		seen[i] = old
		if err := stub.PutState(args[0], []byte(strconv.FormatInt(old+1, 10))); err != nil {
			return nil, fmt.Errorf("write counter %s: %w", args[0], err)
		}
	}
	return seen, nil
}

// announce says what it did to whoever listens to the chaincode's events.
func announce(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	sum, err := change(stub, args[0], 1)
	if err != nil {
		return nil, err
	}
	if err := stub.SetEvent("counted", fmt.Appendf(nil, "%s %d", args[0], sum)); err != nil {
		return nil, fmt.Errorf("set the event of counter %s: %w", args[0], err)
	}
	return sum, nil
}

func get(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return value(stub, args[0])
}

func change(stub shim.ChaincodeStubInterface, name string, n int64) (int64, error) {
	old, err := value(stub, name)
	if err != nil {
		return 0, err
	}
	sum := old + n
	if (sum > old) != (n > 0) && n != 0 {
		return 0, fmt.Errorf("counter %s at %d has no room for %d more", name, old, n)
	}
	if err := stub.PutState(name, []byte(strconv.FormatInt(sum, 10))); err != nil {
		return 0, fmt.Errorf("write counter %s: %w", name, err)
	}
	return sum, nil
}

func value(stub shim.ChaincodeStubInterface, name string) (int64, error) {
	b, err := stub.GetState(name)
	if err != nil {
		return 0, fmt.Errorf("read counter %s: %w", name, err)
	}
	if len(b) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("counter %s holds %q, which is not a number", name, b)
	}
	return n, nil
}
