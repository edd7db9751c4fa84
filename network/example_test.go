package network_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/network"
)

// exampleTopology is two organisations with one peer each and a chaincode that counts.
const exampleTopology = `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
chaincodes: [{name: counter, sample: counter}]
runtime: process
`

// start runs a topology; stop ends it and leaves nothing behind.
func start(o network.Options) (n *network.Network, stop func()) {
	topology, err := network.ParseTopology("example.yaml", []byte(exampleTopology))
	if err != nil {
		log.Fatal(err)
	}
	n, err = network.Start(context.Background(), topology, o)
	if err != nil {
		log.Fatal(err)
	}
	return n, func() {
		if err := n.Stop(context.Background()); err != nil {
			log.Fatal(err)
		}
	}
}

// Start a network from a topology, submit a transaction, and read what it wrote.
func Example() {
	ctx := context.Background()
	n, stop := start(network.Options{})
	defer stop()
	alice, err := n.Client("alice")
	if err != nil {
		log.Fatal(err)
	}
	result, err := alice.Submit(ctx, network.Call{Chaincode: "counter", Function: "Increment", Args: []string{"visits"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Code, "endorsed by", len(result.Endorsers))
	read, err := alice.Evaluate(ctx, network.Call{Chaincode: "counter", Function: "Get", Args: []string{"visits"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("visits: %s\n", read.Payload)
	// Output:
	// VALID endorsed by 2
	// visits: 1
}

// Two clients change one key at the same time: both envelopes are held until both were
// endorsed, so that both read the same version, and only one can be valid.
func ExampleClient_Begin() {
	ctx := context.Background()
	n, stop := start(network.Options{})
	defer stop()
	hold, err := n.Faults.Hold(link.Filter{Kind: trace.Broadcast})
	if err != nil {
		log.Fatal(err)
	}
	var race []*network.TxHandle
	for _, name := range []string{"alice", "bob"} {
		client, err := n.Client(name)
		if err != nil {
			log.Fatal(err)
		}
		tx, err := client.Begin(ctx, network.Call{Chaincode: "counter", Function: "Increment", Args: []string{"seats"}})
		if err != nil {
			log.Fatal(err)
		}
		race = append(race, tx)
	}
	err = network.Poll(ctx, func() (bool, error) {
		held, err := n.Faults.Held()
		return len(held) == len(race), err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := n.Faults.Unhold(hold); err != nil {
		log.Fatal(err)
	}
	codes := map[string]int{}
	for _, tx := range race {
		result, err := tx.Wait(ctx)
		var invalid *network.CommitError
		if err != nil && !errors.As(err, &invalid) {
			log.Fatal(err)
		}
		codes[result.Code.String()]++
	}
	fmt.Println(codes)
	// Output:
	// map[MVCC_READ_CONFLICT:1 VALID:1]
}

// Cut a link, see what a client is told, and heal it.
func ExampleFaults_SetLink() {
	ctx := context.Background()
	n, stop := start(network.Options{})
	defer stop()
	alice, err := n.Client("alice")
	if err != nil {
		log.Fatal(err)
	}
	call := network.Call{Chaincode: "counter", Function: "Increment", Args: []string{"a"}, Endorsers: []string{"Org1", "Org2"}}
	if err := n.Faults.SetLink("alice", "peer0.org2", link.Shape{Cut: true}); err != nil {
		log.Fatal(err)
	}
	_, err = alice.Submit(ctx, call)
	var refused *network.EndorseError
	fmt.Println("not endorsed:", errors.As(err, &refused))
	if err := n.Faults.Heal(); err != nil {
		log.Fatal(err)
	}
	result, err := alice.Submit(ctx, call)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Code)
	// Output:
	// not endorsed: true
	// VALID
}

// Record a run into a file, and read from it what happened to a transaction.
func ExampleNetwork_Trace() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "run.fscope")
	recorder := trace.NewRecorder(trace.Options{})
	if err := runfile.Record(recorder, file, trace.Meta{Name: "example"}); err != nil {
		log.Fatal(err)
	}
	n, stop := start(network.Options{Trace: recorder})
	alice, err := n.Client("alice")
	if err != nil {
		log.Fatal(err)
	}
	result, err := alice.Submit(ctx, network.Call{Chaincode: "counter", Function: "Increment", Args: []string{"a"}})
	if err != nil {
		log.Fatal(err)
	}
	stop()
	if err := recorder.StopRecording(); err != nil {
		log.Fatal(err)
	}
	run, err := runfile.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	for _, e := range run.ByTx(result.TxID) {
		if e.Kind == trace.Submitted || e.Kind == trace.Verdict && e.Node == "peer0.org1.example.com" {
			fmt.Println(e.Node, e.Kind, e.What)
		}
	}
	// Output:
	// alice submitted told
	// peer0.org1.example.com verdict valid
}
