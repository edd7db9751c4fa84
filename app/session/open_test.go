package session_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// A run is recorded, opened again, and shows what the live session showed.
func TestRecordAndOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	settings := session.DefaultSettings()
	s := mustStart(t, small, session.StartOptions{Settings: settings})
	s.must("record", func(done func(error)) { s.StartRecording(path, done) })
	if got, _, on := s.Recording(); !on || got != path {
		t.Errorf("recording %q %v", got, on)
	}
	o := s.mustSubmit(call("alice", "TransferAsset", "asset1", "carol"))
	s.must("stop", func(done func(error)) { s.StopRecording(func(p string, err error) { done(err) }) })
	if len(settings.Recent) != 1 || settings.Recent[0].Path != path {
		t.Errorf("recent %+v", settings.Recent)
	}

	goroutines := runtime.NumGoroutine()
	opened, err := session.OpenRun(path, session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := drive(t, opened, goroutines)
	r.until("the run is read", func() bool { _, done := r.Loading(); return done })
	if r.Name() != "Small" || r.Channel() != "mychannel" || r.Topology() == nil || r.Damage() != "" {
		t.Errorf("name %q, channel %q, damage %q", r.Name(), r.Channel(), r.Damage())
	}
	first, last, _ := r.Axis.Bounds()
	if at := r.Playhead.At.Seq; at <= first || at >= last || r.Playhead.Playing {
		t.Errorf("the playhead is at %d of %d to %d", at, first, last)
	}
	if got := r.Functions("basic"); len(got) < 5 {
		t.Errorf("functions %v", got)
	}
	r.Select(view.Selection{What: view.SelectTx, TxID: o.TxID})
	if !r.StepSelection(1) || r.Document() == nil {
		t.Error("the transaction is not in the run")
	}
	var why error
	r.Kill("peer0.org1.example.com", func(err error) { why = err })
	if why != session.ErrNotLive || r.Running() || r.Script() != "" {
		t.Errorf("a recording can be acted on: %v", why)
	}
	if _, err := session.OpenRun(filepath.Join(t.TempDir(), "none.fscope"), session.StartOptions{}); err == nil {
		t.Error("a missing file opens")
	}
	junk := filepath.Join(t.TempDir(), "junk.fscope")
	if err := os.WriteFile(junk, []byte("no run at all, only words"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = session.OpenRun(junk, session.StartOptions{})
	if err == nil {
		t.Fatal("junk opens")
	}
	mustContain(t, session.Explain(err).What, "junk.fscope")
}

// A session that is closed in the middle of a recording, of calls and of a load leaves a
// whole file and nothing else.
func TestCloseInTheMiddle(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	ctx := context.Background()
	goroutines := runtime.NumGoroutine()
	s, err := session.Start(ctx, mustTopology(t, small), session.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Hold(link.Filter{Kind: trace.Broadcast, Node: "bob"}, nil)
	s.StartRecording(path, nil)
	s.Submit(call("bob", "TransferAsset", "asset1", "carol"), func(session.Outcome) { t.Error("told after the end") })
	if _, err := s.StartLoad(session.LoadOptions{Workload: "create", Clients: 4, Duration: time.Hour}, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	if s.Tick(frame) || s.Running() {
		t.Error("it goes on")
	}
	opened, err := session.OpenRun(path, session.StartOptions{})
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recording had not begun")
	}
	if err != nil {
		t.Fatal(err)
	}
	r := drive(t, opened, goroutines)
	r.until("the run is read", func() bool { _, done := r.Loading(); return done })
	if r.Damage() != "" {
		t.Error(r.Damage())
	}
}

// mustWriteBlocks writes a network's blocks to a file each, as "peer channel fetch" does.
func mustWriteBlocks(t *testing.T, s *driven, dir string) []string {
	t.Helper()
	blocks := map[uint64]*commonpb.Block{}
	events, _, _ := s.Net().Trace().Since(0, 0)
	for _, e := range events {
		if e.Kind != trace.DeliverBlock || e.Dir != trace.Sent {
			continue
		}
		_, b, ok := s.Source().Payload(e.Seq)
		if !ok {
			continue
		}
		if block := blockIn(b); block != nil && block.GetHeader().GetNumber() > 0 {
			blocks[block.GetHeader().GetNumber()] = block
		}
	}
	var paths []string
	for n, b := range blocks {
		raw, err := proto.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "channel_"+string(rune('0'+n))+".block")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// Blocks of another network are judged again and shown with their reasons.
func TestOpenBlocks(t *testing.T) {
	s := mustStart(t, strings.Replace(small, "cut: idle", "batchTimeout: 150ms", 1), session.StartOptions{})
	var both []session.Outcome
	s.SubmitTogether([]session.Call{call("alice", "TransferAsset", "asset2", "carol"), call("bob", "TransferAsset", "asset2", "dave")},
		func(all []session.Outcome) { both = all })
	s.until("both outcomes", func() bool { return both != nil })
	dir := t.TempDir()
	paths := mustWriteBlocks(t, s, dir)
	genesis := filepath.Join(s.Net().Dir(), "mychannel.block")
	paths = append(paths, genesis)
	heard := 0
	goroutines := runtime.NumGoroutine()
	opened, err := session.OpenBlocks(context.Background(), paths, session.StartOptions{}, func(n int) { heard = n })
	if err != nil {
		t.Fatal(err)
	}
	b := drive(t, opened, goroutines)
	c := b.Counts()
	if c.Blocks < 4 || c.Transactions < 4 || heard != c.Blocks || b.Channel() != "mychannel" {
		t.Errorf("%+v, heard %d, channel %q", c, heard, b.Channel())
	}
	if c.Invalid != 1 || c.Problems != 0 || c.Differ != 0 {
		t.Error(c.Text())
	}
	if !b.FirstInvalid() || b.Document() == nil {
		t.Error("the rejected transaction is not found")
	}
	b.Tick(frame)
	b.Select(view.Selection{What: view.SelectBlock, Block: 1})
	if b.Document() == nil {
		t.Error("nothing to say about a block")
	}
	if _, err := session.OpenBlocks(context.Background(), []string{filepath.Join(dir, "none.block")}, session.StartOptions{}, nil); err == nil {
		t.Error("a missing file opens")
	}
}

func blockIn(deliver []byte) *commonpb.Block {
	answer := &ordererpb.DeliverResponse{}
	if err := proto.Unmarshal(deliver, answer); err != nil {
		return nil
	}
	return answer.GetBlock()
}
