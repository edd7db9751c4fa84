package session_test

import (
	"net"
	"reflect"
	"testing"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-contract-api-go/v2/contractapi"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/network"
)

// Book is what a shelf holds.
type Book struct{ Title string }

// Shelf is a contract as Fabric's tutorials teach to write them.
type Shelf struct{ contractapi.Contract }

// Put adds a book.
func (*Shelf) Put(ctx contractapi.TransactionContextInterface, id string, pages int, lent bool) error {
	return ctx.GetStub().PutState(id, []byte("a book"))
}

// Get gives a book.
func (*Shelf) Get(contractapi.TransactionContextInterface, string) (*Book, error) {
	return &Book{}, nil
}

// GetEvaluateTransactions names what only reads.
func (*Shelf) GetEvaluateTransactions() []string { return []string{"Get"} }

// What chaincode of the contract API offers is known from its metadata, before anybody has
// called it: functions, their arguments' types, and what only reads.
func TestFunctionsFromMetadata(t *testing.T) {
	s := mustStart(t, small, session.StartOptions{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cc, err := contractapi.NewChaincode(&Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	c := network.Chaincode{Name: "shelf", Version: "1.0", Address: listener.Addr().String()}
	raw, err := chaincode.PackageExternal("shelf_1.0", external.Connection{Address: c.Address})
	if err != nil {
		t.Fatal(err)
	}
	pkg, err := chaincode.ParsePackage(raw)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	peerpb.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: pkg.ID, CC: cc})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	var failed error
	deployed := false
	s.Deploy(c, nil, func(_ *network.Deployment, err error) { deployed, failed = true, err })
	s.until("it is deployed", func() bool { return deployed })
	if failed != nil {
		t.Fatal(failed)
	}
	s.until("its functions are known", func() bool { return len(s.Functions("shelf")) > 0 })
	got := map[string]session.Function{}
	for _, f := range s.Functions("shelf") {
		got[f.Name] = f
	}
	put, get := got["Put"], got["Get"]
	var types []string
	for _, a := range put.Args {
		types = append(types, a.Type)
	}
	if !reflect.DeepEqual(types, []string{"string", "integer", "boolean"}) || put.ReadOnly || put.Seen || put.Args[0].Name == "" {
		t.Errorf("Put is %+v", put)
	}
	if len(get.Args) != 1 || !get.ReadOnly || len(got) != 2 {
		t.Errorf("there are %+v", got)
	}
}

// FuzzParseMetadata reads whatever a chaincode may answer.
func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(`{"contracts":{"A":{"default":true,"transactions":[{"name":"F","tag":["evaluate"],"parameters":[{"name":"p","schema":{"$ref":"#/x"}}]}]},` +
		`"B":{"transactions":[{"name":"F","parameters":[{"name":"q","schema":{"type":"array"}}]}]},"org.hyperledger.fabric":{"transactions":[{"name":"GetMetadata"}]}}}`))
	f.Add([]byte(`{"contracts":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, fn := range session.ParseMetadata(b) {
			if fn.Name == "" || fn.Args == nil {
				t.Errorf("%+v", fn)
			}
		}
	})
}

// Functions of contracts that are not the default one are called with the contract's name.
func TestSeveralContracts(t *testing.T) {
	got := session.ParseMetadata([]byte(`{"contracts":{"A":{"default":true,"transactions":[{"name":"F","parameters":[{"name":"p","schema":{"$ref":"#/x"}}]}]},` +
		`"B":{"transactions":[{"name":"G","tag":["EVALUATE"]}]},"org.hyperledger.fabric":{"transactions":[{"name":"GetMetadata"}]}}}`))
	want := []session.Function{{Name: "F", Args: []session.Argument{{Name: "p", Type: "object"}}}, {Name: "B:G", Args: []session.Argument{}, ReadOnly: true}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := session.ParseMetadata([]byte("no metadata")); got != nil {
		t.Errorf("of no metadata comes %+v", got)
	}
}
