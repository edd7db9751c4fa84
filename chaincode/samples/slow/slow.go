// Package slow is the sample chaincode that takes its time. Two things can be seen
// with it. Simulations run side by side: ten calls of Write that sleep a second
// each take one second, not ten. And every write costs one message to the peer and
// one acknowledgement back before the next can be sent; WriteBatch hands the same
// writes over in one message (Fabric 3).
package slow

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// What a call may ask for at most.
const (
	maxKeys  = 10_000
	maxSleep = time.Hour
)

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	args := []string{"n", "ms", "prefix?"}
	return []sample.Function{
		{Name: "Write", Args: args, Doc: "Sleeps ms milliseconds, then writes n keys one by one.", Call: write},
		{Name: "WriteBatch", Args: args, Doc: "Sleeps ms milliseconds, then writes n keys in one message, if the peer can.", Call: writeBatch},
		{Name: "Read", Args: []string{"n", "ms", "prefix?"}, Doc: "Sleeps ms milliseconds, then reads n keys one by one and says how many there are.", ReadOnly: true, Call: read},
	}
}

func write(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	n, prefix, err := begin(args)
	if err != nil {
		return nil, err
	}
	return n, writeAll(stub, n, prefix)
}

func writeBatch(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	n, prefix, err := begin(args)
	if err != nil {
		return nil, err
	}
	stub.StartWriteBatch()
	if err := writeAll(stub, n, prefix); err != nil {
		return nil, err
	}
	return n, stub.FinishWriteBatch()
}

func read(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	n, prefix, err := begin(args)
	if err != nil {
		return nil, err
	}
	found := 0
	for i := range n {
		value, err := stub.GetState(key(prefix, i))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", key(prefix, i), err)
		}
		if len(value) > 0 {
			found++
		}
	}
	return found, nil
}

// begin reads the arguments and sleeps.
func begin(args []string) (n int, prefix string, err error) {
	n, err = strconv.Atoi(args[0])
	if err != nil || n < 0 || n > maxKeys {
		return 0, "", fmt.Errorf("n %q is not a whole number from 0 to %d", args[0], maxKeys)
	}
	ms, err := strconv.Atoi(args[1])
	if err != nil || ms < 0 || ms > int(maxSleep/time.Millisecond) {
		return 0, "", fmt.Errorf("ms %q is not a whole number from 0 to %d", args[1], maxSleep/time.Millisecond)
	}
	prefix = "slow"
	if len(args) > 2 {
		prefix = args[2]
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return n, prefix, nil
}

func writeAll(stub shim.ChaincodeStubInterface, n int, prefix string) error {
	for i := range n {
		if err := stub.PutState(key(prefix, i), []byte(stub.GetTxID())); err != nil {
			return fmt.Errorf("write %s: %w", key(prefix, i), err)
		}
	}
	return nil
}

func key(prefix string, i int) string { return fmt.Sprintf("%s-%05d", prefix, i) }
