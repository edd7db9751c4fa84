package load

import (
	"context"
	"fmt"
	"strconv"

	"github.com/fabriscope/fabriscope/network"
)

// What the workload rich asks about: documents of the sample stock, spread over places. A
// query is for what lies in one place.
const (
	richChaincode = "stock"
	richThings    = 1000
	richPlaces    = 50
)

// Suit changes a topology so that a workload can run on it: rich needs CouchDB's queries and
// the sample stock.
func Suit(t *network.Topology, workload string) {
	if workload != "rich" {
		return
	}
	t.State = "couchdb"
	for _, c := range t.Chaincodes {
		if c.Name == richChaincode {
			return
		}
	}
	t.Chaincodes = append(t.Chaincodes, network.Chaincode{Name: richChaincode, Sample: "stock", Version: "1.0", Runtime: t.Runtime})
}

// makeThings creates the documents.
func (r *runner) makeThings(ctx context.Context) error {
	_, err := r.client.Submit(ctx, network.Call{Chaincode: r.Chaincode, Function: "Fill", Args: []string{strconv.Itoa(richThings), strconv.Itoa(richPlaces)}, Flow: r.Flow})
	if err != nil {
		return fmt.Errorf("create the documents for the workload rich: %w; it needs a network with state: couchdb and the sample stock under the name %s", err, r.Chaincode)
	}
	return nil
}
