// Command contract is an ordinary Fabric chaincode, written with the contract API as
// Fabric's own tutorials teach it, that knows nothing of Fabriscope. Tests package,
// compile and run it to show that such chaincode runs unchanged.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-contract-api-go/v2/contractapi"

	"example.com/contract/greeting"
)

// Book is a book on a shelf.
type Book struct {
	Title string `json:"title"`
	Pages int    `json:"pages"`
}

// Shelf is the contract.
type Shelf struct {
	contractapi.Contract
}

// Put adds a book.
func (s *Shelf) Put(ctx contractapi.TransactionContextInterface, id, title string, pages int) error {
	old, err := ctx.GetStub().GetState(id)
	if err != nil {
		return err
	}
	if old != nil {
		return fmt.Errorf("place %s is taken", id)
	}
	value, err := json.Marshal(Book{Title: title, Pages: pages})
	if err != nil {
		return err
	}
	if err := ctx.GetStub().SetEvent("put", []byte(id)); err != nil {
		return err
	}
	return ctx.GetStub().PutState(id, value)
}

// Get gives a book.
func (s *Shelf) Get(ctx contractapi.TransactionContextInterface, id string) (*Book, error) {
	value, err := ctx.GetStub().GetState(id)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fmt.Errorf("nothing is at %s", id)
	}
	var b Book
	return &b, json.Unmarshal(value, &b)
}

// Pages counts the pages of all books.
func (s *Shelf) Pages(ctx contractapi.TransactionContextInterface) (int, error) {
	books, err := ctx.GetStub().GetStateByRange("", "")
	if err != nil {
		return 0, err
	}
	defer books.Close()
	sum := 0
	for books.HasNext() {
		kv, err := books.Next()
		if err != nil {
			return 0, err
		}
		var b Book
		if err := json.Unmarshal(kv.Value, &b); err != nil {
			return 0, err
		}
		sum += b.Pages
	}
	return sum, nil
}

// Greet comes from an embedded file of another package of the module.
func (s *Shelf) Greet(contractapi.TransactionContextInterface) string { return greeting.Text() }

// MSP tells the organisation of the peer that runs it.
func (s *Shelf) MSP(contractapi.TransactionContextInterface) (string, error) { return shim.GetMSPID() }

// Say prints a line.
func (s *Shelf) Say(_ contractapi.TransactionContextInterface, text string) { fmt.Println(text) }

// Panic ends the chaincode as a mistake in it would.
func (s *Shelf) Panic(_ contractapi.TransactionContextInterface, text string) { panic(text) }

// Crash ends the process in the middle of a transaction.
func (s *Shelf) Crash(contractapi.TransactionContextInterface) error {
	fmt.Println("about to crash")
	os.Exit(3)
	return nil
}

func main() {
	cc, err := contractapi.NewChaincode(&Shelf{})
	if err != nil {
		log.Panicf("make the chaincode: %v", err)
	}
	if err := cc.Start(); err != nil {
		log.Panicf("run the chaincode: %v", err)
	}
}
