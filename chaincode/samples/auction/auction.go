// Package auction is the sample chaincode for range queries and phantoms.
//
// Each bid is a key of its own, so bids for different auctions never meet. But a
// bid must beat the highest one so far, and to know that the chaincode walks over
// all bids of the auction. The peer records that range. If another bid for the same
// auction is committed before this one, the range has a new key in it when it is
// walked again at validation, a phantom, and this bid is marked
// PHANTOM_READ_CONFLICT although nobody wrote the same key. Close shows the same: an
// auction cannot be closed past a bid that was quicker.
package auction

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"

	"github.com/fabriscope/fabriscope/chaincode/samples/sample"
)

// The first parts of the composite keys: an auction is auction~id, a bid bid~id~bidder.
const (
	auctionKey = "auction"
	bidKey     = "bid"
)

// Auction is one auction's state.
type Auction struct {
	ID     string `json:"id"`
	Item   string `json:"item"`
	Open   bool   `json:"open"`
	Winner string `json:"winner,omitempty"`
	Price  int64  `json:"price,omitempty"`
}

// Bid is what one bidder offers in one auction; a later one replaces it.
type Bid struct {
	Bidder string `json:"bidder"`
	Amount int64  `json:"amount"`
}

// New gives the chaincode.
func New() shim.Chaincode { return sample.New(Functions()) }

// Functions lists what the chaincode can do.
func Functions() []sample.Function {
	id := []string{"auction"}
	return []sample.Function{
		{Name: "Open", Args: []string{"auction", "item"}, Doc: "Starts an auction; fails if the id is taken.", Call: open},
		{Name: "Bid", Args: []string{"auction", "bidder", "amount"}, Doc: "Offers an amount, which must be more than the highest so far.", Call: bid},
		{Name: "Close", Args: id, Doc: "Ends the auction and answers with its winner.", Call: closeAuction},
		{Name: "Bids", Args: id, Doc: "Lists the bids.", ReadOnly: true, Call: list},
		{Name: "Highest", Args: id, Doc: "Gives the highest bid, or null.", ReadOnly: true, Call: highest},
	}
}

func open(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	key, err := stub.CreateCompositeKey(auctionKey, args[:1])
	if err != nil {
		return nil, err
	}
	old, err := stub.GetState(key)
	if err != nil {
		return nil, fmt.Errorf("read auction %s: %w", args[0], err)
	}
	if len(old) > 0 {
		return nil, fmt.Errorf("there is an auction %s already", args[0])
	}
	a := Auction{ID: args[0], Item: args[1], Open: true}
	return a, put(stub, key, a)
}

func bid(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	amount, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil || amount <= 0 {
		return nil, fmt.Errorf("amount %q is not a whole number above 0", args[2])
	}
	a, _, err := get(stub, args[0])
	if err != nil {
		return nil, err
	}
	if !a.Open {
		return nil, fmt.Errorf("auction %s is closed", a.ID)
	}
	bids, err := bidsOf(stub, a.ID)
	if err != nil {
		return nil, err
	}
	if top := best(bids); top != nil && amount <= top.Amount {
		return nil, fmt.Errorf("%d is not more than %s's bid of %d", amount, top.Bidder, top.Amount)
	}
	key, err := stub.CreateCompositeKey(bidKey, []string{a.ID, args[1]})
	if err != nil {
		return nil, err
	}
	return nil, put(stub, key, Bid{Bidder: args[1], Amount: amount})
}

func closeAuction(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	a, key, err := get(stub, args[0])
	if err != nil {
		return nil, err
	}
	if !a.Open {
		return nil, fmt.Errorf("auction %s is closed already", a.ID)
	}
	bids, err := bidsOf(stub, a.ID)
	if err != nil {
		return nil, err
	}
	a.Open = false
	if top := best(bids); top != nil {
		a.Winner, a.Price = top.Bidder, top.Amount
	}
	return a, put(stub, key, a)
}

func list(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	return bidsOf(stub, args[0])
}

func highest(stub shim.ChaincodeStubInterface, args []string) (any, error) {
	bids, err := bidsOf(stub, args[0])
	if err != nil {
		return nil, err
	}
	return best(bids), nil
}

// get reads an auction that must exist, and its key.
func get(stub shim.ChaincodeStubInterface, id string) (*Auction, string, error) {
	key, err := stub.CreateCompositeKey(auctionKey, []string{id})
	if err != nil {
		return nil, "", err
	}
	value, err := stub.GetState(key)
	if err != nil {
		return nil, "", fmt.Errorf("read auction %s: %w", id, err)
	}
	if len(value) == 0 {
		return nil, "", fmt.Errorf("there is no auction %s", id)
	}
	var a Auction
	if err := json.Unmarshal(value, &a); err != nil {
		return nil, "", fmt.Errorf("auction %s is not the JSON that was written: %w", id, err)
	}
	return &a, key, nil
}

// bidsOf walks over the bids of one auction, in the order of the bidders' names.
func bidsOf(stub shim.ChaincodeStubInterface, id string) ([]Bid, error) {
	results, err := stub.GetStateByPartialCompositeKey(bidKey, []string{id})
	if err != nil {
		return nil, fmt.Errorf("list the bids of %s: %w", id, err)
	}
	defer results.Close()
	bids := []Bid{}
	for results.HasNext() {
		kv, err := results.Next()
		if err != nil {
			return nil, fmt.Errorf("list the bids of %s: %w", id, err)
		}
		var b Bid
		if err := json.Unmarshal(kv.Value, &b); err != nil {
			return nil, fmt.Errorf("a bid of %s is not the JSON that was written: %w", id, err)
		}
		bids = append(bids, b)
	}
	return bids, nil
}

// best gives the highest bid, the earlier name if there are two, nil if there is none.
func best(bids []Bid) *Bid {
	var top *Bid
	for i := range bids {
		if top == nil || bids[i].Amount > top.Amount {
			top = &bids[i]
		}
	}
	return top
}

func put(stub shim.ChaincodeStubInterface, key string, value any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return stub.PutState(key, b)
}
