package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// transcript is one invocation that a real peer served.
type transcript struct {
	Name      string          `json:"name"`
	About     string          `json:"about"`
	Chaincode string          `json:"chaincode"`
	Height    uint64          `json:"height"`
	TxID      string          `json:"txid"`
	Results   []byte          `json:"results"`
	Interest  json.RawMessage `json:"interest"`
}

// line is one message of a transcript.
type line struct {
	N       int    `json:"n"`
	Stream  string `json:"stream"` // the chaincode whose stream it is on
	From    string `json:"from"`
	Type    string `json:"type"`
	Payload []byte `json:"payload"`
	Raw     []byte `json:"raw"`
}

// before is the state that a transcript started from.
type before struct {
	Height  uint64 `json:"height"`
	Entries []struct {
		Namespace  string          `json:"namespace"`
		Collection string          `json:"collection"`
		Key        string          `json:"key"`
		KeyHash    conformance.Hex `json:"key_hash"`
		Value      []byte          `json:"value"`
		ValueHash  conformance.Hex `json:"value_hash"`
		Metadata   []byte          `json:"metadata"`
		Version    string          `json:"version"`
		Present    bool            `json:"present"`
		Private    bool            `json:"private"`
	} `json:"entries"`
}

// TestTranscripts replays what real chaincodes asked a real peer. Every answer,
// the read-write set and the interest must be the recorded ones, byte for byte.
func TestTranscripts(t *testing.T) {
	files := conformance.FS(t)
	var transcripts []transcript
	var states map[string]before
	mustJSON(t, files, "stream/index.json", &transcripts)
	mustJSON(t, files, "stream/state_before.json", &states)
	if len(transcripts) != 49 {
		t.Fatalf("%d transcripts, 49 expected", len(transcripts))
	}
	height := transcripts[0].Height
	l := MustTemp(t, ledger.Options{})
	MustReplay(t, l, conformance.Blocks(t)[:height])
	mustAddPrivate(t, l, states)
	for _, tr := range transcripts {
		t.Run(tr.Name, func(t *testing.T) {
			if tr.Height != height {
				t.Fatalf("recorded at height %d, not %d", tr.Height, height)
			}
			checkBefore(t, l, states[tr.Name])
			replayTranscript(t, l, &tr, mustLines(t, files, "stream/"+tr.Name+".jsonl"))
		})
	}
}

func mustJSON(t testing.TB, files fs.FS, name string, into any) {
	t.Helper()
	data, err := fs.ReadFile(files, name)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func mustLines(t testing.TB, files fs.FS, name string) (lines []line) {
	t.Helper()
	data, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(bytes.NewReader(data))
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var l line
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines = append(lines, l)
	}
	return lines
}

func mustVersion(t testing.TB, text string) wire.Version {
	t.Helper()
	block, tx, _ := strings.Cut(text, ":")
	b, err1 := strconv.ParseUint(block, 10, 64)
	i, err2 := strconv.ParseUint(tx, 10, 64)
	if err1 != nil || err2 != nil {
		t.Fatalf("version %q", text)
	}
	return wire.Version{Block: b, Tx: i}
}

// mustAddPrivate adds the plain text that blocks do not carry.
func mustAddPrivate(t *testing.T, l *ledger.Ledger, states map[string]before) {
	t.Helper()
	done := map[string]bool{}
	for _, state := range states {
		for _, e := range state.Entries {
			id := e.Namespace + "/" + e.Collection + "/" + e.Key
			if !e.Private || !e.Present || done[id] {
				continue
			}
			done[id] = true
			if err := l.AddPrivate(e.Namespace, e.Collection, e.Key, e.Value, mustVersion(t, e.Version)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkBefore makes sure that the replayed chain has led to the recorded state.
func checkBefore(t *testing.T, l *ledger.Ledger, want before) {
	t.Helper()
	v := MustView(t, l)
	for _, e := range want.Entries {
		var got ledger.Value
		var ok bool
		var err error
		value := e.Value
		switch {
		case e.Private:
			got, ok, err = v.Private(e.Namespace, e.Collection, e.Key)
		case e.Collection != "":
			got, ok, err = v.GetHash(e.Namespace, e.Collection, e.KeyHash)
			value = e.ValueHash
		default:
			got, ok, err = v.GetState(e.Namespace, e.Key)
		}
		if err != nil {
			t.Fatal(err)
		}
		if ok != e.Present || ok && (!bytes.Equal(got.Value, value) || got.Version.String() != e.Version || !bytes.Equal(got.Metadata, e.Metadata)) {
			t.Errorf("state before: %s %s %q: %v %v, recorded %+v", e.Namespace, e.Collection, e.Key, got, ok, e)
		}
	}
}

// replay is one transcript under way.
type replay struct {
	t     *testing.T
	sim   *ledger.Simulator
	lines []line
	at    int
	ids   map[string]string // recorded iterator id, ours
}

func replayTranscript(t *testing.T, l *ledger.Ledger, tr *transcript, lines []line) {
	sim, err := l.NewSimulator(bg, tr.TxID)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	r := &replay{t: t, sim: sim, lines: lines, ids: map[string]string{}}
	r.definition(tr.Chaincode)
	r.invocation(tr.Chaincode)
	if r.at != len(lines) {
		t.Errorf("stopped at message %d of %d", r.at, len(lines))
	}
	result, err := sim.Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Results) > 0 && !bytes.Equal(result.Public, tr.Results) {
		got, _ := wire.ParseRWSet(result.Public)
		want, _ := wire.ParseRWSet(tr.Results)
		t.Errorf("read-write set differs:\n got %v\nwant %v", got, want)
	}
	if string(tr.Interest) == "null" {
		return
	}
	want := new(peerpb.ChaincodeInterest)
	if err := protojson.Unmarshal(tr.Interest, want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(result.Interest, want) {
		t.Errorf("interest %v, recorded %v", result.Interest, want)
	}
}

// definition is the look at a chaincode's definition that the peer itself makes
// through the simulation, before it runs the chaincode.
func (r *replay) definition(name string) {
	r.t.Helper()
	switch name {
	case "qscc":
		return
	}
	sequence, err := r.sim.GetState("_lifecycle", "namespaces/fields/"+name+"/Sequence")
	if err == nil && sequence == nil {
		_, err = r.sim.GetState("lscc", name)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// invocation serves one chaincode from its TRANSACTION to its COMPLETED.
func (r *replay) invocation(chaincode string) {
	r.t.Helper()
	if r.lines[r.at].Type != "TRANSACTION" {
		r.t.Fatalf("message %d is %s, TRANSACTION expected", r.lines[r.at].N, r.lines[r.at].Type)
	}
	r.at++
	requests := ledger.NewRequests(r.sim, chaincode, ledger.RequestOptions{Invoke: r.invoke})
	defer requests.Close()
	for {
		request := r.lines[r.at]
		r.at++
		if request.From != "chaincode" || request.Type == "COMPLETED" || request.Type == "ERROR" {
			return
		}
		message := new(peerpb.ChaincodeMessage)
		if err := proto.Unmarshal(request.Raw, message); err != nil {
			r.t.Fatal(err)
		}
		r.ownID(message)
		payload, err := requests.Handle(bg, message)
		reply := r.lines[r.at]
		r.at++
		r.compare(request, reply, message, payload, err)
	}
}

// ownID puts our iterator's id in the place of the recorded one.
func (r *replay) ownID(message *peerpb.ChaincodeMessage) {
	r.t.Helper()
	switch message.Type {
	case peerpb.ChaincodeMessage_QUERY_STATE_NEXT, peerpb.ChaincodeMessage_QUERY_STATE_CLOSE:
	default:
		return
	}
	next := new(peerpb.QueryStateNext) // both messages are an id
	if err := proto.Unmarshal(message.Payload, next); err != nil {
		r.t.Fatal(err)
	}
	next.Id = r.ids[next.Id]
	payload, err := proto.Marshal(next)
	if err != nil {
		r.t.Fatal(err)
	}
	message.Payload = payload
}

// compare checks an answer against the recorded one.
func (r *replay) compare(request, reply line, message *peerpb.ChaincodeMessage, payload []byte, err error) {
	r.t.Helper()
	if err != nil {
		got := fmt.Sprintf("%s failed: transaction ID: %s: %v", message.Type, message.Txid, err)
		if reply.Type != "ERROR" || got != string(reply.Payload) {
			r.t.Errorf("message %d %s: error %q, recorded %s %q", request.N, request.Type, got, reply.Type, reply.Payload)
		}
		return
	}
	if reply.Type != "RESPONSE" {
		r.t.Errorf("message %d %s: answered with %x, recorded %s %q", request.N, request.Type, payload, reply.Type, reply.Payload)
		return
	}
	switch message.Type {
	case peerpb.ChaincodeMessage_GET_STATE_BY_RANGE, peerpb.ChaincodeMessage_GET_HISTORY_FOR_KEY,
		peerpb.ChaincodeMessage_QUERY_STATE_NEXT, peerpb.ChaincodeMessage_QUERY_STATE_CLOSE:
		payload = r.recordedID(payload, reply.Payload)
	}
	if !bytes.Equal(payload, reply.Payload) {
		r.t.Errorf("message %d %s: answer %x, recorded %x", request.N, request.Type, payload, reply.Payload)
	}
}

// recordedID puts the recorded iterator id in the place of ours.
func (r *replay) recordedID(payload, recorded []byte) []byte {
	r.t.Helper()
	got, want := new(peerpb.QueryResponse), new(peerpb.QueryResponse)
	if err := proto.Unmarshal(payload, got); err != nil {
		r.t.Fatal(err)
	}
	if err := proto.Unmarshal(recorded, want); err != nil {
		r.t.Fatal(err)
	}
	r.ids[want.Id] = got.Id
	got.Id = want.Id
	out, err := proto.Marshal(got)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// invoke plays the peer that runs the called chaincode: what it did is in the
// next messages of the transcript, and its final message in the reply.
func (r *replay) invoke(_ context.Context, request *peerpb.ChaincodeMessage) ([]byte, error) {
	spec := new(peerpb.ChaincodeSpec)
	if err := proto.Unmarshal(request.Payload, spec); err != nil {
		return nil, err
	}
	name := spec.GetChaincodeId().GetName()
	r.definition(name)
	if r.lines[r.at].Type == "TRANSACTION" {
		r.invocation(name)
	}
	reply := r.lines[r.at]
	if reply.Type == "ERROR" {
		_, cause, _ := strings.Cut(string(reply.Payload), request.Txid+": ")
		return nil, fmt.Errorf("%s", cause)
	}
	return reply.Payload, nil
}
