// Package sample is the frame that Fabriscope's sample chaincodes share: a table
// of functions, and a chaincode that finds the called one, checks the number of
// arguments and turns the result into a response.
//
// It serves step 3 of a transaction (docs/ARCHITECTURE.md): the peer has opened a
// simulator and sent the call; the function runs here and asks the peer for each
// key over the stream. Everything below is plain use of Fabric's Go shim, so a
// sample also runs on a real Fabric peer.
//
// Read next: chaincode/samples/asset, the first sample.
package sample

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// Function is one function of a sample, as the chaincode runs it and as a window
// offers it.
type Function struct {
	Name string
	Args []string // what the arguments are called; those that end in "?" may be left out
	Doc  string   // one sentence
	// ReadOnly functions write nothing: evaluate them, don't submit them.
	ReadOnly bool
	// Call runs it. A []byte or string result is sent as it is, nil as nothing,
	// anything else as JSON. An error becomes a response with status 500, which
	// peers do not endorse.
	Call func(stub shim.ChaincodeStubInterface, args []string) (any, error)
}

// Required counts the arguments that must be given.
func (f *Function) Required() int {
	n := 0
	for _, a := range f.Args {
		if !strings.HasSuffix(a, "?") {
			n++
		}
	}
	return n
}

// Signature is the function as one writes it: "Bid(auction, bidder, amount)".
func (f *Function) Signature() string {
	return f.Name + "(" + strings.Join(f.Args, ", ") + ")"
}

// Chaincode runs a table of functions. It implements shim.Chaincode.
type Chaincode struct {
	functions []Function
}

// New gives a chaincode with these functions.
func New(functions []Function) *Chaincode { return &Chaincode{functions: functions} }

// Init accepts; the samples need no initialisation.
func (c *Chaincode) Init(shim.ChaincodeStubInterface) *peerpb.Response { return shim.Success(nil) }

// Invoke runs the function that the first argument names. A contract name before
// it, as Fabric's contract API writes it ("Contract:Function"), is ignored.
func (c *Chaincode) Invoke(stub shim.ChaincodeStubInterface) *peerpb.Response {
	name, args := stub.GetFunctionAndParameters()
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		name = name[i+1:]
	}
	for i := range c.functions {
		f := &c.functions[i]
		if f.Name != name {
			continue
		}
		if len(args) < f.Required() || len(args) > len(f.Args) {
			return shim.Error(fmt.Sprintf("%s was called with %d arguments", f.Signature(), len(args)))
		}
		result, err := f.Call(stub, args)
		if err != nil {
			return shim.Error(err.Error())
		}
		return respond(result)
	}
	return shim.Error(fmt.Sprintf("there is no function %q; there are %s", name, c.names()))
}

func (c *Chaincode) names() string {
	names := make([]string, len(c.functions))
	for i := range c.functions {
		names[i] = c.functions[i].Name
	}
	return strings.Join(names, ", ")
}

func respond(result any) *peerpb.Response {
	switch r := result.(type) {
	case nil:
		return shim.Success(nil)
	case []byte:
		return shim.Success(r)
	case string:
		return shim.Success([]byte(r))
	}
	b, err := json.Marshal(result)
	if err != nil {
		return shim.Error("the result cannot be written as JSON: " + err.Error())
	}
	return shim.Success(b)
}
