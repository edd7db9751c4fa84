package network_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	gonet "net"
	"sync"
	"testing"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/network"
)

// probe is a chaincode on the real shim that does what the samples do not: it sets
// events, reads transient data, calls others, and waits until the test lets it go on.
// It runs in the test's own process, as a service.
type probe struct {
	mu   sync.Mutex
	gate map[string]chan struct{}
}

func (p *probe) Init(shim.ChaincodeStubInterface) *peerpb.Response { return shim.Success(nil) }

func (p *probe) Invoke(stub shim.ChaincodeStubInterface) *peerpb.Response {
	function, args := stub.GetFunctionAndParameters()
	payload, err := p.invoke(stub, function, args)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success([]byte(payload))
}

func (p *probe) invoke(stub shim.ChaincodeStubInterface, function string, args []string) (string, error) {
	switch function {
	case "Put": // key, value: writes it and announces it
		if err := stub.SetEvent("put", []byte(args[0]+"="+args[1])); err != nil {
			return "", err
		}
		return stub.GetTxID(), stub.PutState(args[0], []byte(args[1]))
	case "Get":
		value, err := stub.GetState(args[0])
		return string(value), err
	case "Secret": // writes the digest of a transient value
		transient, err := stub.GetTransient()
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256(transient["secret"])
		return hex.EncodeToString(sum[:]), stub.PutState("secret", sum[:])
	case "Private":
		_, err := stub.GetPrivateData("drawer", "key")
		return "", err
	case "Call": // chaincode, function
		r := stub.InvokeChaincode(args[0], [][]byte{[]byte(args[1])}, "")
		return string(r.GetPayload()), nil
	case "Wait":
		<-p.opened(args[0])
		return "waited", nil
	case "Fail":
		return "", fmt.Errorf("%s", args[0])
	}
	return "", fmt.Errorf("the probe has no function %q", function)
}

func (p *probe) opened(gate string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate == nil {
		p.gate = map[string]chan struct{}{}
	}
	if p.gate[gate] == nil {
		p.gate[gate] = make(chan struct{})
	}
	return p.gate[gate]
}

// open lets everybody pass who waits at a gate, and who will come.
func (p *probe) open(gate string) { close(p.opened(gate)) }

// mustDeployProbe runs a probe as a service and deploys it under a name.
func (n *net) mustDeployProbe(name string) *probe {
	n.t.Helper()
	listener, err := gonet.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	c := network.Chaincode{Name: name, Version: "1.0", Address: listener.Addr().String()}
	p := &probe{}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(100<<20), grpc.MaxSendMsgSize(100<<20)) // as the shim's own
	peerpb.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: mustPackageID(n.t, c), CC: p})
	go func() { _ = server.Serve(listener) }()
	n.t.Cleanup(server.Stop)
	if _, err := n.Chaincodes.Deploy(n.ctx(), c); err != nil {
		n.t.Fatal(err)
	}
	return p
}

func mustPackageID(t testing.TB, c network.Chaincode) string {
	t.Helper()
	raw, err := chaincode.PackageExternal(c.Name+"_"+c.Version, external.Connection{Address: c.Address})
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	return pkg.ID
}
