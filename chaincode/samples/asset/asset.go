// Package asset is the sample chaincode that keeps a list of things and who owns
// them. It has the functions and the JSON of Fabric's well-known
// asset-transfer-basic, so client programs and tutorials written for that one work
// here; the code is our own.
//
// What it is good for: a first transaction (CreateAsset), a read-modify-write
// (UpdateAsset, TransferAsset: two of them at once conflict), and a range query
// over everything (GetAllAssets).
package asset

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// Asset is the value that the ledger holds under the asset's id. The fields are
// in alphabetical order: every peer must write the same bytes.
type Asset struct {
	AppraisedValue int    `json:"AppraisedValue"`
	Color          string `json:"Color"`
	ID             string `json:"ID"`
	Owner          string `json:"Owner"`
	Size           int    `json:"Size"`
}

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	fields := []string{"id", "color", "size", "owner", "appraisedValue"}
	return []sample.Function{
		{Name: "InitLedger", Doc: "Writes six assets, asset1 to asset6.", Call: initLedger},
		{Name: "CreateAsset", Args: fields, Doc: "Adds an asset; fails if the id is taken.", Call: create},
		{Name: "ReadAsset", Args: []string{"id"}, Doc: "Gives one asset as JSON.", ReadOnly: true, Call: read},
		{Name: "UpdateAsset", Args: fields, Doc: "Overwrites an asset that exists.", Call: update},
		{Name: "DeleteAsset", Args: []string{"id"}, Doc: "Removes an asset that exists.", Call: remove},
		{Name: "AssetExists", Args: []string{"id"}, Doc: "Says true or false.", ReadOnly: true, Call: exists},
		{Name: "TransferAsset", Args: []string{"id", "newOwner"}, Doc: "Gives an asset to somebody else and answers with the former owner.", Call: transfer},
		{Name: "GetAllAssets", Doc: "Gives all assets as a JSON list.", ReadOnly: true, Call: all},
	}
}

func initLedger(stub shim.ChaincodeStubInterface, _ []string) (any, error) {
	assets := []Asset{
		{ID: "asset1", Color: "blue", Size: 5, Owner: "Ada", AppraisedValue: 300},
		{ID: "asset2", Color: "red", Size: 5, Owner: "Benoit", AppraisedValue: 400},
		{ID: "asset3", Color: "green", Size: 10, Owner: "Chiara", AppraisedValue: 500},
		{ID: "asset4", Color: "yellow", Size: 10, Owner: "Dmitri", AppraisedValue: 600},
		{ID: "asset5", Color: "black", Size: 15, Owner: "Esra", AppraisedValue: 700},
		{ID: "asset6", Color: "white", Size: 15, Owner: "Farid", AppraisedValue: 800},
	}
	for i := range assets {
		if err := put(stub, &assets[i]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func create(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	a, err := parse(args)
	if err != nil {
		return nil, err
	}
	old, err := stub.GetState(a.ID)
	if err != nil {
		return nil, fmt.Errorf("read asset %s: %w", a.ID, err)
	}
	if len(old) > 0 {
		return nil, fmt.Errorf("there is an asset %s already", a.ID)
	}
	return nil, put(stub, a)
}

func read(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := get(stub, args[0])
	if err != nil {
		return nil, err
	}
	return value, nil
}

func update(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	a, err := parse(args)
	if err != nil {
		return nil, err
	}
	if _, err := get(stub, a.ID); err != nil {
		return nil, err
	}
	return nil, put(stub, a)
}

func remove(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	if _, err := get(stub, args[0]); err != nil {
		return nil, err
	}
	return nil, stub.DelState(args[0])
}

func exists(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := stub.GetState(args[0])
	if err != nil {
		return nil, fmt.Errorf("read asset %s: %w", args[0], err)
	}
	return len(value) > 0, nil
}

func transfer(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := get(stub, args[0])
	if err != nil {
		return nil, err
	}
	var a Asset
	if err := json.Unmarshal(value, &a); err != nil {
		return nil, fmt.Errorf("asset %s is not the JSON that was written: %w", args[0], err)
	}
	former := a.Owner
	a.Owner = args[1]
	return former, put(stub, &a)
}

// all walks every key of the chaincode's namespace. The peer records the range, so
// a transaction that does this conflicts with any insert, update or delete in it.
func all(stub shim.ChaincodeStubInterface, _ []string) (any, error) {
	results, err := stub.GetStateByRange("", "")
	if err != nil {
		return nil, fmt.Errorf("list the assets: %w", err)
	}
	defer results.Close()
	assets := []json.RawMessage{}
	for results.HasNext() {
		kv, err := results.Next()
		if err != nil {
			return nil, fmt.Errorf("list the assets: %w", err)
		}
		assets = append(assets, kv.Value)
	}
	return assets, nil
}

func parse(args []string) (*Asset, error) {
	size, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, fmt.Errorf("size %q is not a whole number", args[2])
	}
	value, err := strconv.Atoi(args[4])
	if err != nil {
		return nil, fmt.Errorf("appraisedValue %q is not a whole number", args[4])
	}
	return &Asset{ID: args[0], Color: args[1], Size: size, Owner: args[3], AppraisedValue: value}, nil
}

// get reads an asset that must exist.
func get(stub shim.ChaincodeStubInterface, id string) ([]byte, error) {
	value, err := stub.GetState(id)
	if err != nil {
		return nil, fmt.Errorf("read asset %s: %w", id, err)
	}
	if len(value) == 0 {
		return nil, fmt.Errorf("there is no asset %s", id)
	}
	return value, nil
}

func put(stub shim.ChaincodeStubInterface, a *Asset) error {
	value, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("write asset %s: %w", a.ID, err)
	}
	if err := stub.PutState(a.ID, value); err != nil {
		return fmt.Errorf("write asset %s: %w", a.ID, err)
	}
	return nil
}
