package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

func Example() {
	l, err := ledger.OpenTemp(ledger.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer l.Close()
	sim, err := l.NewSimulator(context.Background(), "tx1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sim.Done()
	value, err := sim.GetState("asset", "car1")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("absent:", value == nil)
	if err := sim.PutState("asset", "car1", []byte("red")); err != nil {
		fmt.Println(err)
		return
	}
	result, err := sim.Result()
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := wire.ParseRWSet(result.Public)
	if err != nil {
		fmt.Println(err)
		return
	}
	asset := set.Namespaces[0]
	fmt.Println(asset.Name, asset.KV.GetReads()[0].GetKey(), string(asset.KV.GetWrites()[0].GetValue()))
	// Output:
	// absent: true
	// asset car1 red
}

func mustSimulator(t testing.TB, l *ledger.Ledger) *ledger.Simulator {
	t.Helper()
	sim, err := l.NewSimulator(bg, "tx")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Done)
	return sim
}

func TestSimulatorAfterDone(t *testing.T) {
	sim := mustSimulator(t, MustTemp(t, ledger.Options{}))
	it, err := sim.GetRange("cc", "", "")
	if err != nil {
		t.Fatal(err)
	}
	sim.Done()
	sim.Done()
	_, get := sim.GetState("cc", "k")
	_, many := sim.GetStateMultiple("cc", []string{"k"})
	_, private := sim.GetPrivate("_lifecycle", pvtColl, "k")
	_, ranged := sim.GetRange("cc", "", "")
	_, _, next := it.Next()
	_, history := sim.History("cc", "k")
	for name, err := range map[string]error{
		"GetState": get, "GetStateMultiple": many, "PutState": sim.PutState("cc", "k", nil), "GetPrivate": private,
		"GetRange": ranged, "Next": next, "History": history,
	} {
		if !errors.Is(err, ledger.ErrDone) {
			t.Errorf("%s after Done: %v", name, err)
		}
	}
}

func TestResultWorksOnce(t *testing.T) {
	sim := mustSimulator(t, MustTemp(t, ledger.Options{}))
	if _, err := sim.Result(); err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Result(); err == nil {
		t.Error("a second result")
	}
}

func TestQueriesAndWritesExcludeEachOther(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	for _, c := range []struct {
		name  string
		query func(sim *ledger.Simulator) error
		after string // error of a write after it
		wrote string // its error after a write
	}{
		{
			"page", func(sim *ledger.Simulator) error { _, err := sim.GetRangePage("cc", "", "", 5); return err },
			"txid [tx]: unsuppored transaction. Transaction has already performed a paginated query. Writes are not allowed",
			"txid [tx]: unsuppored transaction. Paginated queries are supported only in a read-only transaction",
		},
		{
			"private range", func(sim *ledger.Simulator) error {
				_, err := sim.GetPrivateRange("_lifecycle", pvtColl, "", "")
				return err
			},
			"txid [tx]: unsuppored transaction. Transaction has already performed queries on pvt data. Writes are not allowed",
			"txid [tx]: unsuppored transaction. Queries on pvt data is supported only in a read-only transaction",
		},
	} {
		sim := mustSimulator(t, l)
		if err := c.query(sim); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := sim.PutState("cc", "k", []byte("v")); err == nil || err.Error() != c.after {
			t.Errorf("write after %s: %v", c.name, err)
		}
		sim = mustSimulator(t, l)
		if err := sim.PutState("cc", "k", []byte("v")); err != nil {
			t.Error(err)
		}
		if err := c.query(sim); err == nil || err.Error() != c.wrote {
			t.Errorf("%s after a write: %v", c.name, err)
		}
	}
}

func TestUnknownCollections(t *testing.T) {
	sim := mustSimulator(t, MustTemp(t, ledger.Options{}))
	_, err := sim.GetPrivateHash("cc", "c", "k")
	if want := "collection config not defined for chaincode [cc], pass the collection configuration upon chaincode definition/instantiation"; err == nil || err.Error() != want {
		t.Errorf("chaincode without definition: %v", err)
	}
	_, err = sim.GetPrivateHash("_lifecycle", "c", "k")
	if want := "collection [c] not defined in the collection config for chaincode [_lifecycle]"; err == nil || err.Error() != want {
		t.Errorf("chaincode without this collection: %v", err)
	}
}

func TestWriteSetHasABound(t *testing.T) {
	sim := mustSimulator(t, MustTemp(t, ledger.Options{}))
	value := make([]byte, 1<<20)
	for range 99 {
		if err := sim.PutState("cc", "k", value); err != nil {
			t.Fatal(err)
		}
	}
	if err := sim.PutState("cc", "k", make([]byte, 2<<20)); !errors.Is(err, ledger.ErrTooLarge) {
		t.Errorf("101 MiB: %v", err)
	}
}

func TestSimulationSeesNoneOfItsWrites(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	a.put(t, "k", "old")
	sim := mustSimulator(t, a.l)
	if err := sim.PutState("cc", "k", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := sim.GetState("cc", "k"); err != nil || string(got) != "old" {
		t.Errorf("read after write: %q, %v", got, err)
	}
}

func TestTraceOfASimulation(t *testing.T) {
	recorder := trace.NewRecorder(trace.Options{})
	l := MustTemp(t, ledger.Options{Channel: "ch", Node: "peer0", Trace: recorder})
	sim := mustSimulator(t, l)
	for _, err := range []error{
		func() error { _, err := sim.GetState("cc", "r"); return err }(),
		func() error { _, err := sim.GetState("cc", "r"); return err }(),
		sim.PutState("cc", "w", []byte("four")),
		sim.DelState("cc", "d"),
		func() error {
			it, err := sim.GetRange("cc", "a", "b")
			if err == nil {
				_, _, err = it.Next()
			}
			return err
		}(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sim.Result(); err != nil {
		t.Fatal(err)
	}
	events, _, _ := recorder.Since(0, 100)
	var got []string
	for _, e := range events {
		if e.Kind == trace.DiskSync { // of the new file
			continue
		}
		if e.Node != "peer0" || e.Channel != "ch" || e.TxID != "tx" {
			t.Errorf("event %+v", e)
		}
		got = append(got, fmt.Sprintf("%s %s %s", e.Kind, e.Key, e.Note))
	}
	want := []string{"rwset.read r absent", "rwset.write w 4 bytes", "rwset.write d delete", "rwset.range a b, 0 keys"}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestSimulationsDuringCommits keeps two keys equal in every block and checks
// that no simulation ever sees them differ, while blocks are committed.
func TestSimulationsDuringCommits(t *testing.T) {
	const blocks = 60
	l := MustTemp(t, ledger.Options{CacheBytes: 3000})
	a := &author{l: l}
	write := func(n int) authored {
		kv := new(kvrwsetpb.KVRWSet)
		for _, key := range []string{"left", "right", fmt.Sprint("filler", n)} {
			kv.Writes = append(kv.Writes, &kvrwsetpb.KVWrite{Key: key, Value: fmt.Append(nil, n)})
		}
		return a.tx(mustResults(t, "cc", kv))
	}
	a.commit(t, write(0))
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range 6 {
		running.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := compareBoth(l); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := 1; n < blocks; n++ {
		a.commit(t, write(n))
	}
	close(stop)
	running.Wait()
}

// compareBoth reads the two keys in one simulation, through a point read and a
// range.
func compareBoth(l *ledger.Ledger) error {
	sim, err := l.NewSimulator(bg, "tx")
	if err != nil {
		return err
	}
	defer sim.Done()
	left, err := sim.GetState("cc", "left")
	if err != nil {
		return err
	}
	it, err := sim.GetRange("cc", "right", "right~")
	if err != nil {
		return err
	}
	kv, ok, err := it.Next()
	if err != nil || !ok {
		return fmt.Errorf("right: %v %v", ok, err)
	}
	if string(left) != string(kv.Value) || fmt.Sprint(sim.Height()-1) != string(left) {
		return fmt.Errorf("height %d: left %s, right %s", sim.Height(), left, kv.Value)
	}
	return nil
}

func TestCollectionAccess(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{Channel: "ch"})}
	a.define(t, "cc", &peerpb.StaticCollectionConfig{Name: "members", MemberOnlyRead: true, MemberOnlyWrite: true},
		&peerpb.StaticCollectionConfig{Name: "open"})
	asked := 0
	stranger := ledger.RequestOptions{Member: func(c *peerpb.StaticCollectionConfig) (bool, error) {
		asked++
		return false, nil
	}}
	get := func(coll string) (peerpb.ChaincodeMessage_Type, proto.Message) {
		return peerpb.ChaincodeMessage_GET_STATE, &peerpb.GetState{Key: "k", Collection: coll}
	}
	putTo := func(coll string) (peerpb.ChaincodeMessage_Type, proto.Message) {
		return peerpb.ChaincodeMessage_PUT_STATE, &peerpb.PutState{Key: "k", Value: []byte("v"), Collection: coll}
	}
	for _, c := range []struct {
		name    string
		options ledger.RequestOptions
		ask     func(string) (peerpb.ChaincodeMessage_Type, proto.Message)
		coll    string
		want    string
	}{
		{"stranger reads", stranger, get, "members", "tx creator does not have read access permission on privatedata in chaincodeName:cc collectionName: members"},
		{"stranger writes", stranger, putTo, "members", "tx creator does not have write access permission on privatedata in chaincodeName:cc collectionName: members"},
		{"stranger reads open", stranger, get, "open", ""},
		{"member reads", ledger.RequestOptions{}, get, "members", ""},
		{"member writes", ledger.RequestOptions{}, putTo, "members", ""},
		{"unknown", ledger.RequestOptions{}, get, "none", "collection ch/cc/none could not be found"},
		{"in Init", ledger.RequestOptions{Init: true}, get, "open", "private data APIs are not allowed in chaincode Init()"},
	} {
		r := ledger.NewRequests(mustSimulator(t, a.l), "cc", c.options)
		kind, m := c.ask(c.coll)
		_, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: kind, Payload: mustMarshal(t, m)})
		if err == nil && c.want != "" || err != nil && err.Error() != c.want {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if asked != 2 {
		t.Errorf("membership was asked for %d times, want 2", asked)
	}
}

func TestCapabilities(t *testing.T) {
	l := MustTemp(t, ledger.Options{})
	r := ledger.NewRequests(mustSimulator(t, l), "cc", ledger.RequestOptions{NoKeyPolicies: true, NoPurge: true})
	for kind, want := range map[peerpb.ChaincodeMessage_Type]string{
		peerpb.ChaincodeMessage_GET_STATE_METADATA: "key level endorsement is not enabled, channel application capability of V1_3 or later is required",
		peerpb.ChaincodeMessage_PUT_STATE_METADATA: "key level endorsement is not enabled, channel application capability of V1_3 or later is required",
		peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA: "purge private data is not enabled, channel application capability of V2_5 or later is required",
	} {
		if _, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: kind}); err == nil || err.Error() != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
	r = ledger.NewRequests(mustSimulator(t, l), "cc", ledger.RequestOptions{})
	if _, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_PURGE_PRIVATE_DATA}); err == nil || err.Error() != "only applicable for private data" {
		t.Errorf("purge of public data: %v", err)
	}
	if _, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_KEEPALIVE}); !errors.Is(err, ledger.ErrUnknownRequest) {
		t.Errorf("no request: %v", err)
	}
}

func TestQueryLimit(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	kv := new(kvrwsetpb.KVRWSet)
	for i := range 300 {
		kv.Writes = append(kv.Writes, &kvrwsetpb.KVWrite{Key: fmt.Sprintf("k%03d", i), Value: []byte("v")})
	}
	a.commit(t, a.tx(mustResults(t, "cc", kv)))
	r := ledger.NewRequests(mustSimulator(t, a.l), "cc", ledger.RequestOptions{QueryLimit: 150})
	total, kind := 0, peerpb.ChaincodeMessage_GET_STATE_BY_RANGE
	payload := mustMarshal(t, &peerpb.GetStateByRange{})
	for {
		raw, err := r.Handle(bg, &peerpb.ChaincodeMessage{Type: kind, Payload: payload})
		if err != nil {
			t.Fatal(err)
		}
		response := new(peerpb.QueryResponse)
		if err := proto.Unmarshal(raw, response); err != nil {
			t.Fatal(err)
		}
		total += len(response.Results)
		if !response.HasMore {
			break
		}
		kind, payload = peerpb.ChaincodeMessage_QUERY_STATE_NEXT, mustMarshal(t, &peerpb.QueryStateNext{Id: response.Id})
	}
	if total != 150 {
		t.Errorf("%d results, the limit is 150", total)
	}
}
