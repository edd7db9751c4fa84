package raftlink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/orderer/clusterpb"
	"github.com/fabriscope/fabriscope/orderer/raftlink"
)

var org = sync.OnceValues(func() (*msp.Org, error) {
	return msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "a"}, {Name: "b"}}})
})

const (
	nameA = "a.example.com"
	nameB = "b.example.com"
)

// pair is a transport of node a, connected to one of node b.
type pair struct {
	net  *link.Net
	a, b *raftlink.Transport
	to   raft.ServerAddress // of b
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func MustPair(t testing.TB, tune ...func(*raftlink.Config)) *pair {
	t.Helper()
	o, err := org()
	must(t, err)
	p := &pair{net: link.New(link.Config{Trace: trace.NewRecorder(trace.Options{})})}
	end := func(name string) *link.Endpoint { return p.net.Endpoint(name, o.Node(name).TLS, o.TLSRoots()) }
	listener, err := end(nameB).Listen("127.0.0.1:0", false)
	must(t, err)
	p.to = raft.ServerAddress(listener.Addr().String())
	peersA, peersB := raftlink.NewPeers(end(nameA)), raftlink.NewPeers(end(nameB))
	configA := raftlink.Config{Channel: "trade", Name: nameA, Address: "a:1", Peers: peersA}
	for _, change := range tune {
		change(&configA)
	}
	p.a = raftlink.New(configA)
	p.b = raftlink.New(raftlink.Config{Channel: "trade", Name: nameB, Address: string(p.to), Peers: peersB})
	server := end(nameB).NewServer()
	clusterpb.RegisterRaft(server, &raftlink.Server{
		Identify: func(context.Context, *clusterpb.Sender) error { return nil },
		Allow:    func(context.Context, *clusterpb.Sender) error { return nil },
		Find: func(_ context.Context, channel string) (*raftlink.Transport, error) {
			if channel != "trade" {
				return nil, fmt.Errorf("no channel %s", channel)
			}
			return p.b, nil
		},
		Peers: peersB,
	})
	go func() { _ = server.Serve(listener) }() // ends with Stop
	t.Cleanup(func() {
		must(t, p.a.Close())
		must(t, p.b.Close())
		server.Stop()
		peersA.Close()
		peersB.Close()
	})
	return p
}

// answer plays Raft at the end b: it answers each request with what reply gives.
func (p *pair) answer(t testing.TB, reply func(command any, reader io.Reader) (any, error)) {
	t.Helper()
	ctx := t.Context()
	go func() {
		for {
			select {
			case rpc := <-p.b.Consumer():
				response, err := reply(rpc.Command, rpc.Reader)
				rpc.Respond(response, err)
			case <-ctx.Done():
				return
			}
		}
	}()
}

func head() raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(nameA), Addr: []byte("a:1")}
}

func appendOf(previous uint64, data ...string) *raft.AppendEntriesRequest {
	args := &raft.AppendEntriesRequest{RPCHeader: head(), Term: 3, Leader: []byte("a:1"), PrevLogEntry: previous, PrevLogTerm: 2, LeaderCommitIndex: previous}
	for i, d := range data {
		args.Entries = append(args.Entries, &raft.Log{Index: previous + 1 + uint64(i), Term: 3, Data: []byte(d), AppendedAt: time.Unix(7, 8)})
	}
	return args
}

func accept(command any) *raft.AppendEntriesResponse {
	args := command.(*raft.AppendEntriesRequest)
	return &raft.AppendEntriesResponse{Term: args.Term, LastLog: args.PrevLogEntry + uint64(len(args.Entries)), Success: true}
}

func TestMessagesArriveWhole(t *testing.T) {
	p := MustPair(t)
	var got any
	var snapshot []byte
	p.answer(t, func(command any, reader io.Reader) (any, error) {
		got = command
		switch command.(type) {
		case *raft.AppendEntriesRequest:
			return &raft.AppendEntriesResponse{Term: 9, LastLog: 8, NoRetryBackoff: true}, nil
		case *raft.RequestVoteRequest:
			return &raft.RequestVoteResponse{Term: 9, Granted: true}, nil
		case *raft.RequestPreVoteRequest:
			return &raft.RequestPreVoteResponse{Term: 9, Granted: true}, nil
		case *raft.InstallSnapshotRequest:
			var err error
			snapshot, err = io.ReadAll(reader)
			return &raft.InstallSnapshotResponse{Term: 9, Success: true}, err
		default:
			return &raft.TimeoutNowResponse{}, nil
		}
	})
	config := raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: nameA, Address: "a:1"}}})
	data := bytes.Repeat([]byte("snapshot "), 20_000)

	sent := appendOf(4, "x", "y")
	sent.Entries[1].Type, sent.Entries[1].Data = raft.LogConfiguration, config
	var appended raft.AppendEntriesResponse
	must(t, p.a.AppendEntries(nameB, p.to, sent, &appended))
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("append: %s", diff)
	}
	if appended.Term != 9 || appended.LastLog != 8 || appended.Success || !appended.NoRetryBackoff || string(appended.ID) != nameB {
		t.Errorf("the answer to the append is %+v", appended)
	}

	vote := &raft.RequestVoteRequest{RPCHeader: head(), Term: 5, Candidate: []byte("a:1"), LastLogIndex: 6, LastLogTerm: 4, LeadershipTransfer: true}
	var voted raft.RequestVoteResponse
	must(t, p.a.RequestVote(nameB, p.to, vote, &voted))
	if diff := cmp.Diff(vote, got); diff != "" || !voted.Granted || voted.Term != 9 {
		t.Errorf("vote %+v: %s", voted, diff)
	}
	preVote := &raft.RequestPreVoteRequest{RPCHeader: head(), Term: 5, LastLogIndex: 6, LastLogTerm: 4}
	var preVoted raft.RequestPreVoteResponse
	must(t, p.a.RequestPreVote(nameB, p.to, preVote, &preVoted))
	if diff := cmp.Diff(preVote, got); diff != "" || !preVoted.Granted || preVoted.Term != 9 {
		t.Errorf("pre-vote %+v: %s", preVoted, diff)
	}
	must(t, p.a.TimeoutNow(nameB, p.to, &raft.TimeoutNowRequest{RPCHeader: head()}, &raft.TimeoutNowResponse{}))
	if diff := cmp.Diff(&raft.TimeoutNowRequest{RPCHeader: head()}, got); diff != "" {
		t.Errorf("timeout: %s", diff)
	}
	install := &raft.InstallSnapshotRequest{RPCHeader: head(), SnapshotVersion: 1, Term: 5, Leader: []byte("a:1"), LastLogIndex: 6, LastLogTerm: 4,
		Configuration: config, ConfigurationIndex: 1, Size: int64(len(data))}
	var installed raft.InstallSnapshotResponse
	must(t, p.a.InstallSnapshot(nameB, p.to, install, &installed, bytes.NewReader(data)))
	if diff := cmp.Diff(install, got); diff != "" || !installed.Success || installed.Term != 9 || !bytes.Equal(snapshot, data) {
		t.Errorf("snapshot of %d bytes, %+v: %s", len(snapshot), installed, diff)
	}
}

func TestRaftsErrorsComeBack(t *testing.T) {
	p := MustPair(t)
	p.answer(t, func(_ any, reader io.Reader) (any, error) {
		if reader != nil {
			_, _ = io.Copy(io.Discard, reader)
		}
		return nil, errors.New("unexpected command")
	})
	for name, err := range map[string]error{
		"append":   p.a.AppendEntries(nameB, p.to, appendOf(1, "x"), &raft.AppendEntriesResponse{}),
		"vote":     p.a.RequestVote(nameB, p.to, &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{}),
		"pre-vote": p.a.RequestPreVote(nameB, p.to, &raft.RequestPreVoteRequest{}, &raft.RequestPreVoteResponse{}),
		"timeout":  p.a.TimeoutNow(nameB, p.to, &raft.TimeoutNowRequest{}, &raft.TimeoutNowResponse{}),
		"snapshot": p.a.InstallSnapshot(nameB, p.to, &raft.InstallSnapshotRequest{Configuration: raft.EncodeConfiguration(raft.Configuration{})}, &raft.InstallSnapshotResponse{}, strings.NewReader("")),
	} {
		if err == nil || !strings.Contains(err.Error(), "unexpected command") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Heartbeats do not wait for Raft's main loop, which may wait for the disk.
func TestHeartbeatsAreFast(t *testing.T) {
	p := MustPair(t) // nobody takes from Consumer
	p.b.SetHeartbeatHandler(func(rpc raft.RPC) {
		rpc.Respond(&raft.AppendEntriesResponse{Term: 3, Success: true}, nil)
	})
	var response raft.AppendEntriesResponse
	must(t, p.a.AppendEntries(nameB, p.to, &raft.AppendEntriesRequest{RPCHeader: head(), Term: 3, Leader: []byte("a:1")}, &response))
	if !response.Success {
		t.Errorf("the answer is %+v", response)
	}
}

// An append that is too large for one message is cut, and Raft can see it.
func TestLargeAppendsAreCut(t *testing.T) {
	p := MustPair(t)
	p.answer(t, func(command any, _ io.Reader) (any, error) { return accept(command), nil })
	large := strings.Repeat("x", raftlink.MaxAppend/3)
	args := appendOf(1, large, large, large, large, large)
	var response raft.AppendEntriesResponse
	must(t, p.a.AppendEntries(nameB, p.to, args, &response))
	if len(args.Entries) != 3 || response.LastLog != 4 {
		t.Errorf("%d entries were sent, the follower has %d", len(args.Entries), response.LastLog)
	}
	one := appendOf(1, strings.Repeat("x", raftlink.MaxAppend+1))
	must(t, p.a.AppendEntries(nameB, p.to, one, &response))
	if len(one.Entries) != 1 {
		t.Error("an entry larger than the limit was not sent at all")
	}
}

func TestPipeline(t *testing.T) {
	p := MustPair(t)
	p.answer(t, func(command any, _ io.Reader) (any, error) { return accept(command), nil })
	line, err := p.a.AppendEntriesPipeline(nameB, p.to)
	must(t, err)
	defer line.Close()
	const appends = 100
	go func() {
		for i := range appends {
			if _, err := line.AppendEntries(appendOf(uint64(i), "entry"), &raft.AppendEntriesResponse{}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := range appends {
		select {
		case f := <-line.Consumer():
			if f.Error() != nil || f.Request().PrevLogEntry != uint64(i) || f.Response().LastLog != uint64(i)+1 || !f.Response().Success {
				t.Fatalf("answer %d: %v, %+v", i, f.Error(), f.Response())
			}
		case <-time.After(time.Minute):
			t.Fatalf("no answer %d", i)
		}
	}
}

// After a refusal Raft reads no further answer but may still send: that must not
// hang, or replication to the follower stands still while heartbeats go on.
func TestRefusedPipelineEnds(t *testing.T) {
	p := MustPair(t)
	p.answer(t, func(command any, _ io.Reader) (any, error) {
		response := accept(command)
		response.Success = false
		return response, nil
	})
	line, err := p.a.AppendEntriesPipeline(nameB, p.to)
	must(t, err)
	_, err = line.AppendEntries(appendOf(1, "x"), &raft.AppendEntriesResponse{})
	must(t, err)
	if f := <-line.Consumer(); f.Response().Success {
		t.Fatal("the append was accepted")
	}
	ended := make(chan error, 1)
	go func() {
		for range 10 * raftlink.Inflight { // Raft would not read the answers
			if _, err := line.AppendEntries(appendOf(1, "x"), &raft.AppendEntriesResponse{}); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the pipeline took more appends than it may")
		}
	case <-time.After(time.Minute):
		t.Error("an append to a refused pipeline hangs")
	}
	must(t, line.Close())
}

// A pipeline may end at any moment of an append.
func TestPipelineEndsDuringAppends(t *testing.T) {
	p := MustPair(t)
	for range 300 {
		line, err := p.a.AppendEntriesPipeline(nameB, p.to)
		must(t, err)
		ended := make(chan struct{})
		began := make(chan struct{})
		go func() {
			defer close(ended)
			for i := uint64(1); ; i++ {
				if _, err := line.AppendEntries(appendOf(i, "x"), &raft.AppendEntriesResponse{}); err != nil {
					return
				}
				if i == 1 {
					close(began)
				}
			}
		}()
		<-began
		must(t, line.Close())
		<-ended
	}
}

// A follower that does not answer ends the pipeline, unless somebody holds
// messages back on purpose.
func TestSilentPipelineEnds(t *testing.T) {
	var mu sync.Mutex
	held := true
	p := MustPair(t, func(c *raftlink.Config) {
		c.Timeout = 50 * time.Millisecond
		c.Held = func() bool { mu.Lock(); defer mu.Unlock(); return held }
	})
	line, err := p.a.AppendEntriesPipeline(nameB, p.to)
	must(t, err)
	defer line.Close()
	_, err = line.AppendEntries(appendOf(1, "x"), &raft.AppendEntriesResponse{})
	must(t, err)
	select {
	case <-line.Consumer():
		t.Fatal("the pipeline ended although messages are held")
	case <-time.After(200 * time.Millisecond):
	}
	mu.Lock()
	held = false
	mu.Unlock()
	select {
	case f := <-line.Consumer():
		if f.Response().Success || f.Error() == nil {
			t.Errorf("the answer is %+v, %v", f.Response(), f.Error())
		}
	case <-time.After(time.Minute):
		t.Fatal("the pipeline does not end")
	}
	if _, err := line.AppendEntries(appendOf(1, "x"), &raft.AppendEntriesResponse{}); err == nil {
		t.Error("an ended pipeline takes appends")
	}
}

// A follower learns at once what is committed, never more than it has.
func TestAnnounce(t *testing.T) {
	p := MustPair(t)
	seen := make(chan *raft.AppendEntriesRequest, 10)
	p.answer(t, func(command any, _ io.Reader) (any, error) {
		seen <- command.(*raft.AppendEntriesRequest)
		return accept(command), nil
	})
	must(t, p.a.AppendEntries(nameB, p.to, appendOf(4, "x", "y"), &raft.AppendEntriesResponse{}))
	<-seen
	p.a.Announce(9) // the follower has 6
	got := <-seen
	want := &raft.AppendEntriesRequest{RPCHeader: head(), Term: 3, Leader: []byte("a:1"), PrevLogEntry: 6, PrevLogTerm: 3, LeaderCommitIndex: 6}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the notice: %s", diff)
	}
	if p.a.Acknowledged(nameB) != 6 || p.a.Acknowledged("other") != 0 {
		t.Errorf("acknowledged %d", p.a.Acknowledged(nameB))
	}
	must(t, p.a.AppendEntries(nameB, p.to, appendOf(6, "z"), &raft.AppendEntriesResponse{}))
	<-seen // the append itself
	if got := <-seen; got.LeaderCommitIndex != 7 || len(got.Entries) != 0 {
		t.Errorf("after it has 7 it learns %+v", got)
	}
}

func TestClosedTransport(t *testing.T) {
	p := MustPair(t)
	must(t, p.a.Close())
	if err := p.a.AppendEntries(nameB, p.to, appendOf(1), &raft.AppendEntriesResponse{}); !errors.Is(err, raftlink.ErrClosed) {
		t.Errorf("sending: %v", err)
	}
	if err := p.a.ElectNow(); !errors.Is(err, raftlink.ErrClosed) && !errors.Is(err, context.Canceled) {
		t.Errorf("receiving: %v", err)
	}
}

func TestUnknownChannel(t *testing.T) {
	p := MustPair(t, func(c *raftlink.Config) { c.Channel = "other" })
	err := p.a.RequestVote(nameB, p.to, &raft.RequestVoteRequest{Term: 1}, &raft.RequestVoteResponse{})
	if err == nil || !strings.Contains(err.Error(), "no channel other") {
		t.Errorf("the error is %v", err)
	}
}

func TestWrongAppends(t *testing.T) {
	good := func() *clusterpb.AppendRequest {
		return &clusterpb.AppendRequest{PreviousIndex: 4, Entries: []*clusterpb.Entry{{Index: 5}, {Index: 6}}}
	}
	if _, err := raftlink.Receive(good()); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*clusterpb.AppendRequest){
		"gap":                  func(r *clusterpb.AppendRequest) { r.Entries[1].Index = 7 },
		"does not follow":      func(r *clusterpb.AppendRequest) { r.PreviousIndex = 3 },
		"unknown type":         func(r *clusterpb.AppendRequest) { r.Entries[0].Type = 17 },
		"type of old Raft":     func(r *clusterpb.AppendRequest) { r.Entries[0].Type = uint32(raft.LogAddPeerDeprecated) },
		"broken configuration": func(r *clusterpb.AppendRequest) { r.Entries[0].Type = uint32(raft.LogConfiguration) },
	} {
		request := good()
		change(request)
		if _, err := raftlink.Receive(request); !errors.Is(err, raftlink.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAppend(f *testing.F) {
	seed, _ := proto.Marshal(&clusterpb.AppendRequest{Sender: &clusterpb.Sender{Channel: "c"}, Entries: []*clusterpb.Entry{
		{Index: 1, Type: uint32(raft.LogConfiguration), Data: raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "a"}}})}}})
	f.Add(seed)
	f.Fuzz(func(t *testing.T, raw []byte) {
		var request clusterpb.AppendRequest
		if proto.Unmarshal(raw, &request) != nil {
			return
		}
		_ = request.DescribeMessage()
		got, err := raftlink.Receive(&request)
		if err != nil {
			return
		}
		for _, l := range got.Entries {
			if l.Type == raft.LogConfiguration {
				raft.DecodeConfiguration(l.Data) // must not panic
			}
		}
	})
}

func FuzzConfiguration(f *testing.F) {
	f.Add(raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "b"}}}))
	f.Fuzz(func(t *testing.T, raw []byte) { _ = raftlink.CheckConfiguration(raw) })
}

func BenchmarkAppend(b *testing.B) {
	p := MustPair(b)
	p.answer(b, func(command any, _ io.Reader) (any, error) { return accept(command), nil })
	for name, size := range map[string]int{"empty": 0, "100kB": 100_000} {
		args := appendOf(1, strings.Repeat("x", size))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(b, p.a.AppendEntries(nameB, p.to, args, &raft.AppendEntriesResponse{}))
			}
		})
	}
}
