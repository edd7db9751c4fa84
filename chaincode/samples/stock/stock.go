// Package stock is the sample chaincode that keeps what lies where in a warehouse, and asks
// rich queries about it. It needs peers with CouchDB's queries (state: couchdb), and brings
// an index with it (META-INF).
//
// What it is good for: a query in CouchDB's language (Query), pages of it (QueryPage), and
// the difference that the question makes to validation. CountByQuery and CountByRange do the
// same, count what lies in a place and note the total; the one asks a rich query, which
// nothing protects from things that come in meanwhile, the other a range query, which is
// walked again when the transaction is validated.
package stock

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	querypb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// Thing is the value of a key. The fields are in alphabetical order, as a rich query
// answers with them.
type Thing struct {
	Count int    `json:"count"`
	Kind  string `json:"kind"`
	Place string `json:"place"`
}

// maxFill bounds what one Fill writes.
const maxFill = 10_000

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	return []sample.Function{
		{Name: "Add", Args: []string{"id", "kind", "place", "count"}, Doc: "Puts a thing into a place, or moves it there.", Call: add},
		{Name: "Fill", Args: []string{"number", "places"}, Doc: "Adds many things, spread over places p0, p1 and so on.", Call: fill},
		{Name: "Query", Args: []string{"query"}, Doc: "Asks a rich query and gives keys and records.", ReadOnly: true, Call: query},
		{Name: "QueryPage", Args: []string{"query", "pageSize", "bookmark?"}, Doc: "Gives one page of a rich query, and the bookmark of the next.", ReadOnly: true, Call: page},
		{Name: "CountByQuery", Args: []string{"place"}, Doc: "Counts what lies in a place with a rich query, and notes the total.", Call: countByQuery},
		{Name: "CountByRange", Args: []string{"place"}, Doc: "Does the same with a range query over all things.", Call: countByRange},
		{Name: "Total", Args: []string{"place"}, Doc: "Gives the total that was noted last.", ReadOnly: true, Call: total},
	}
}

// thingKey begins the keys of things; "thing;" is the first key after all of them.
const thingKey = "thing:"

func add(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	count, err := strconv.Atoi(args[3])
	if err != nil {
		return nil, fmt.Errorf("count %q is not a whole number", args[3])
	}
	return nil, put(stub, args[0], Thing{Count: count, Kind: args[1], Place: args[2]})
}

func fill(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	number, err := strconv.Atoi(args[0])
	if err != nil || number < 1 || number > maxFill {
		return nil, fmt.Errorf("number %q is not a whole number from 1 to %d", args[0], maxFill)
	}
	places, err := strconv.Atoi(args[1])
	if err != nil || places < 1 {
		return nil, fmt.Errorf("places %q is not a whole number from 1 on", args[1])
	}
	for i := range number {
		if err := put(stub, fmt.Sprintf("%05d", i), Thing{Count: i % 7, Kind: "box", Place: fmt.Sprintf("p%d", i%places)}); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func put(stub shim.ChaincodeStubInterface, id string, thing Thing) error {
	value, err := json.Marshal(thing)
	if err != nil {
		return fmt.Errorf("write thing %s: %w", id, err)
	}
	if err := stub.PutState(thingKey+id, value); err != nil {
		return fmt.Errorf("write thing %s: %w", id, err)
	}
	return nil
}

// found is one result of a query.
type found struct {
	Key    string          `json:"key"`
	Record json.RawMessage `json:"record"`
}

// iterator is what the three sorts of query give.
type iterator interface {
	HasNext() bool
	Next() (*querypb.KV, error)
	Close() error
}

// collect walks a query to its end.
func collect(results iterator) ([]found, error) {
	defer results.Close()
	all := []found{}
	for results.HasNext() {
		kv, err := results.Next()
		if err != nil {
			return nil, fmt.Errorf("read the results: %w", err)
		}
		all = append(all, found{kv.GetKey(), kv.GetValue()})
	}
	return all, nil
}

func query(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	results, err := stub.GetQueryResult(args[0])
	if err != nil {
		return nil, fmt.Errorf("ask the query: %w", err)
	}
	return collect(results)
}

// answered is one page of a query.
type answered struct {
	Bookmark string  `json:"bookmark"`
	Fetched  int32   `json:"fetchedRecordsCount"`
	Records  []found `json:"records"`
}

func page(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	size, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil {
		return nil, fmt.Errorf("pageSize %q is not a whole number", args[1])
	}
	bookmark := ""
	if len(args) > 2 {
		bookmark = args[2]
	}
	results, metadata, err := stub.GetQueryResultWithPagination(args[0], int32(size), bookmark)
	if err != nil {
		return nil, fmt.Errorf("ask the query: %w", err)
	}
	records, err := collect(results)
	if err != nil {
		return nil, err
	}
	return answered{Bookmark: metadata.GetBookmark(), Fetched: metadata.GetFetchedRecordsCount(), Records: records}, nil
}

// countByQuery reads the things that lie in the place, and no others: what comes in
// later is in nobody's read set.
func countByQuery(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	selector, err := json.Marshal(map[string]any{"selector": map[string]string{"place": args[0]}})
	if err != nil {
		return nil, fmt.Errorf("write the query: %w", err)
	}
	results, err := stub.GetQueryResult(string(selector))
	if err != nil {
		return nil, fmt.Errorf("ask the query: %w", err)
	}
	return note(stub, args[0], results)
}

// countByRange reads all things, wherever they lie: the peer records the range.
func countByRange(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	results, err := stub.GetStateByRange(thingKey, "thing;")
	if err != nil {
		return nil, fmt.Errorf("list the things: %w", err)
	}
	return note(stub, args[0], results)
}

// note adds up what lies in a place and writes it down.
func note(stub shim.ChaincodeStubInterface, place string, results iterator) (any, error) {
	all, err := collect(results)
	if err != nil {
		return nil, err
	}
	sum := 0
	for _, one := range all {
		var thing Thing
		if err := json.Unmarshal(one.Record, &thing); err != nil {
			return nil, fmt.Errorf("%s is not the JSON that was written: %w", one.Key, err)
		}
		if thing.Place == place {
			sum += thing.Count
		}
	}
	if err := stub.PutState("total:"+place, []byte(strconv.Itoa(sum))); err != nil {
		return nil, fmt.Errorf("note the total of %s: %w", place, err)
	}
	return sum, nil
}

func total(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	value, err := stub.GetState("total:" + args[0])
	if err != nil {
		return nil, fmt.Errorf("read the total of %s: %w", args[0], err)
	}
	if len(value) == 0 {
		return nil, fmt.Errorf("nobody has counted what lies in %s", args[0])
	}
	return value, nil
}
