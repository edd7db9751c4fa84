package runfile_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/sqlite"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
)

func MustRecordTo(t testing.TB, r *trace.Recorder, path string) {
	t.Helper()
	if err := runfile.Record(r, path, trace.Meta{Name: "test", Topology: "peers: 4\n", Labels: map[string]string{"a": "b"}}); err != nil {
		t.Fatal(err)
	}
}

func MustStop(t testing.TB, r *trace.Recorder) {
	t.Helper()
	if err := r.StopRecording(); err != nil {
		t.Fatal(err)
	}
}

func MustOpenRun(t testing.TB, path string) *runfile.Run {
	t.Helper()
	run, err := runfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Error(err)
		}
	})
	return run
}

// source is what a Recorder and a Run have in common.
type source interface {
	Since(cursor uint64, max int) ([]trace.Event, uint64, uint64)
	Payload(seq uint64) (string, []byte, bool)
}

// all reads every event in steps.
func all(t testing.TB, s source, step int) (events []trace.Event, lost uint64) {
	t.Helper()
	for cursor := uint64(0); ; {
		more, next, missing := s.Since(cursor, step)
		lost += missing
		if len(more) == 0 {
			return events, lost
		}
		if step > 0 && len(more) > step {
			t.Fatalf("%d events, at most %d were asked for", len(more), step)
		}
		events, cursor = append(events, more...), next
	}
}

// A run file gives back exactly what the recorder was told, payloads included.
func TestRunFileIsTheTrace(t *testing.T) {
	directory := t.TempDir()
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		path := filepath.Join(directory, fmt.Sprint(number, ".fscope"))
		r := trace.NewRecorder(trace.Options{})
		before := rapid.IntRange(0, 100).Draw(t, "before")
		want := rapid.SliceOfN(rapid.Custom(anyEvent), 101, 1500).Draw(t, "events")
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{-1, -1, 0, 3, 700, 700, 5000}), 7, 7).Draw(t, "sizes")
		for i := range want {
			if i == before {
				if err := runfile.Record(r, path, trace.Meta{}); err != nil {
					t.Fatal(err)
				}
			}
			if size := sizes[i%len(sizes)]; size >= 0 {
				want[i].Seq = r.RecordMessage(want[i], message(size))
			} else {
				want[i].Seq = r.Record(want[i])
			}
		}
		if err := r.StopRecording(); err != nil {
			t.Fatal(err)
		}
		run, err := runfile.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		var got []trace.Event
		step := rapid.SampledFrom([]int{0, 1, 100, 10_000}).Draw(t, "step")
		for cursor := uint64(0); ; {
			events, next, lost := run.Since(cursor, step)
			if lost != 0 {
				t.Fatalf("lost %d", lost)
			}
			if len(events) == 0 {
				break
			}
			got, cursor = append(got, events...), next
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
		for i := range want {
			if sizes[i%len(sizes)] < 0 {
				continue // another event may happen to have the same Msg
			}
			name, bytes, ok := run.Payload(want[i].Seq)
			wantName, wantBytes, wantOK := r.Payload(want[i].Seq)
			if name != wantName || string(bytes) != string(wantBytes) || ok != wantOK {
				t.Fatalf("payload of %d: %q, %d bytes, %v; want %q, %d bytes, %v", i+1, name, len(bytes), ok, wantName, len(wantBytes), wantOK)
			}
		}
		if err := run.Damage(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRunFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	r := trace.NewRecorder(trace.Options{MaxEvents: 512, MaxPayloadBytes: 100_000})
	MustRecordTo(t, r, path)
	if err := runfile.Record(r, filepath.Join(t.TempDir(), "other.fscope"), trace.Meta{}); !errors.Is(err, trace.ErrRecording) {
		t.Errorf("a second recording: %v", err)
	}
	// Much more than the memory holds: the file has all of it.
	const count = 30_000
	var group sync.WaitGroup
	for w := range 3 {
		group.Go(func() {
			for i := range count / 3 {
				r.RecordMessage(trace.Event{Kind: trace.Proposal, Node: fmt.Sprint("node", w), TxID: fmt.Sprintf("%08x", i), Block: uint64(i)}, message(100+i%50))
			}
		})
	}
	group.Wait()
	sent := r.RecordMessage(trace.Event{Dir: trace.Sent, Msg: 99, TxID: "end"}, message(4000))
	for range 20_000 { // so that the two ends lie in different chunks
		r.Record(trace.Event{Kind: trace.Enqueued})
	}
	received := r.Record(trace.Event{Dir: trace.Received, Msg: 99, TxID: "end"})
	MustStop(t, r)
	if err := r.StopRecording(); !errors.Is(err, trace.ErrNotRecording) {
		t.Errorf("stopped twice: %v", err)
	}
	if err := runfile.Record(r, path, trace.Meta{}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("recording over an old run: %v", err)
	}

	run := MustOpenRun(t, path)
	meta, err := run.Meta()
	if err != nil || meta.Name != "test" || meta.Topology != "peers: 4\n" || meta.Labels["a"] != "b" || meta.Started.IsZero() || meta.Ended.IsZero() {
		t.Errorf("meta %+v, %v", meta, err)
	}
	if got, err := run.Count(); err != nil || got != received {
		t.Errorf("count %d, %v; want %d", got, err, received)
	}
	events, lost := all(t, run, 777)
	if uint64(len(events)) != received || lost != 0 {
		t.Fatalf("%d events, %d lost; want %d", len(events), lost, received)
	}
	next := make(map[string]uint64)
	for i, e := range events[:count] {
		if e.Seq != uint64(i+1) || e.Block != next[e.Node] {
			t.Fatalf("event %d: %+v, want block %d", i+1, e, next[e.Node])
		}
		next[e.Node]++
	}
	if tx := run.ByTx(fmt.Sprintf("%08x", 5000)); len(tx) != 3 || run.Damage() != nil {
		t.Errorf("one transaction: %d events, %v", len(tx), run.Damage())
	}
	if tx := run.ByTx("unknown"); len(tx) != 0 || run.Damage() != nil {
		t.Errorf("an unknown transaction: %d events, %v", len(tx), run.Damage())
	}
	for _, seq := range []uint64{sent, received} {
		name, bytes, ok := run.Payload(seq)
		var got peerpb.ChaincodeMessage
		if !ok || name != "protos.ChaincodeMessage" || proto.Unmarshal(bytes, &got) != nil || len(got.Payload) != 4000 {
			t.Errorf("payload of %d: %q, %d bytes, %v", seq, name, len(bytes), ok)
		}
	}
	if _, _, ok := run.Payload(received + 1); ok {
		t.Error("an event that is not there has a payload")
	}
	if e, ok := run.Event(sent); !ok || e.TxID != "end" {
		t.Errorf("event %d: %+v, %v", sent, e, ok)
	}
}

// A reader may follow a run that is still being recorded.
func TestFollowLiveRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	r := trace.NewRecorder(trace.Options{})
	MustRecordTo(t, r, path)
	run := MustOpenRun(t, path)
	seen := uint64(0)
	for i := range 5 {
		for range 9000 { // a full chunk is written without waiting for the clock
			r.Record(trace.Event{Block: uint64(i)})
		}
		for cursor := seen; seen < uint64(i+1)*8192; {
			events, next, lost := run.Since(cursor, 0)
			if lost != 0 {
				t.Fatalf("lost %d", lost)
			}
			seen, cursor = seen+uint64(len(events)), next
		}
	}
	MustStop(t, r)
}

// What was written before kill -9 is readable.
func TestKilledWhileRecording(t *testing.T) {
	path := os.Getenv("TRACE_TEST_RECORD")
	if path != "" {
		recordForEver(path)
	}
	path = filepath.Join(t.TempDir(), "run.fscope")
	child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileRecording$")
	child.Env = append(os.Environ(), "TRACE_TEST_RECORD="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var written uint64
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, err := fmt.Sscanf(lines.Text(), "written %d", &written); err == nil && written > 20_000 {
			break
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // says that it was killed
	run := MustOpenRun(t, path)
	count, err := run.Count()
	if err != nil || count < written {
		t.Fatalf("%d events, %v; %d were there before the kill", count, err, written)
	}
	events, lost := all(t, run, 1000)
	if uint64(len(events)) != count || lost != 0 || run.Damage() != nil {
		t.Errorf("%d events of %d, %d lost, %v", len(events), count, lost, run.Damage())
	}
	if meta, err := run.Meta(); err != nil || !meta.Ended.IsZero() {
		t.Errorf("a killed run says that it ended: %+v, %v", meta, err)
	}
}

// recordForEver records and prints, now and then, how much a reader finds in the file.
func recordForEver(path string) {
	r := trace.NewRecorder(trace.Options{})
	if err := runfile.Record(r, path, trace.Meta{}); err != nil {
		panic(err)
	}
	run, err := runfile.Open(path)
	if err != nil {
		panic(err)
	}
	for {
		for range 3000 {
			r.RecordMessage(trace.Event{Kind: trace.Proposal}, message(10))
		}
		count, err := run.Count()
		if err != nil {
			panic(err)
		}
		fmt.Println("written", count)
	}
}

func TestRefusesOtherFiles(t *testing.T) {
	directory := t.TempDir()
	if _, err := runfile.Open(filepath.Join(directory, "none.fscope")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	text := filepath.Join(directory, "text.fscope")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a run file\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := runfile.Open(text); !errors.Is(err, sqlite.ErrCorrupt) || !strings.Contains(err.Error(), text) {
		t.Errorf("a text file: %v", err)
	}
	other := filepath.Join(directory, "other.fscope")
	db, err := sqlite.Open(other, sqlite.Options{Migrations: []string{"CREATE TABLE x (y)"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := runfile.Open(other); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("another database: %v", err)
	}
	r := trace.NewRecorder(trace.Options{})
	if err := runfile.Record(r, filepath.Join(directory, "no", "such", "folder.fscope"), trace.Meta{}); err == nil {
		t.Error("recording into a folder that is not there")
	}
	if err := r.StopRecording(); !errors.Is(err, trace.ErrNotRecording) {
		t.Errorf("after a recording that did not begin: %v", err)
	}
}

// Damaged chunks are lost events, not wrong ones, and the rest stays readable.
func TestDamagedChunk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	r := trace.NewRecorder(trace.Options{})
	MustRecordTo(t, r, path)
	for i := range 30_000 {
		r.RecordMessage(trace.Event{Block: uint64(i)}, message(10))
	}
	MustStop(t, r)
	db, err := sqlite.Open(path, sqlite.Options{SkipCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	var first, last uint64
	err = db.Update(context.Background(), func(tx *sql.Tx) error {
		if err := tx.QueryRow("SELECT first, last FROM chunk ORDER BY first LIMIT 1 OFFSET 1").Scan(&first, &last); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE chunk SET events = zeroblob(length(events)) WHERE first = ?", first)
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	run := MustOpenRun(t, path)
	events, lost := all(t, run, 1000)
	if lost != last-first+1 || uint64(len(events)) != 30_000-lost {
		t.Errorf("%d events, %d lost; chunk %d to %d is damaged", len(events), lost, first, last)
	}
	for _, e := range events {
		if e.Block != e.Seq-1 {
			t.Fatalf("wrong event %+v", e)
		}
	}
	if err := run.Damage(); err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), path) {
		t.Errorf("damage is described as %v", err)
	}
}

// MustOutside runs statements on a run file behind the recorder's back.
func MustOutside(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{SkipCheck: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// A disk that stands still makes Record wait, at a bound, and loses nothing.
func TestSlowDisk(t *testing.T) {
	const behind = 1 << 18 // as behindEvents
	const count = behind + 100_000
	path := filepath.Join(t.TempDir(), "run.fscope")
	r := trace.NewRecorder(trace.Options{MaxEvents: 1024})
	MustRecordTo(t, r, path)
	lock, err := MustOutside(t, path).Writer().Begin()
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range count {
			r.Record(trace.Event{Block: uint64(i)})
		}
	}()
	for changed := r.Changed(); r.Last() < behind; changed = r.Changed() {
		<-changed
	}
	select {
	case <-done:
		t.Error("recording did not wait for the disk")
	default:
	}
	if events, _, lost := r.Since(0, 0); uint64(len(events)) != r.Last() || lost != 0 {
		t.Errorf("%d events, %d lost, before any is in the file", len(events), lost)
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	<-done
	if events, _, _ := r.Since(0, 0); len(events) > behind {
		t.Errorf("%d events in memory", len(events))
	}
	MustStop(t, r)
	run := MustOpenRun(t, path)
	if got, err := run.Count(); err != nil || got != count {
		t.Errorf("%d events in the file, %v; want %d", got, err, count)
	}
	r.Record(trace.Event{})
	for range 1024 {
		r.Record(trace.Event{})
	}
	if events, _, _ := r.Since(0, 0); len(events) > 2048 {
		t.Errorf("%d events in memory after the recording", len(events))
	}
}

// A disk that refuses ends the recording, not the network, and says so.
func TestDiskRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.fscope")
	r := trace.NewRecorder(trace.Options{})
	MustRecordTo(t, r, path)
	if _, err := MustOutside(t, path).Writer().Exec("DROP TABLE chunk"); err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		r.Record(trace.Event{})
	}
	event, _, err := r.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.ErrorEvent })
	if err != nil || !strings.Contains(event.Note, "recording stopped") || !strings.Contains(event.Note, path) {
		t.Errorf("recorded as %+v, %v", event, err)
	}
	if err := r.StopRecording(); err == nil || errors.Is(err, trace.ErrNotRecording) {
		t.Errorf("stop says %v", err)
	}
	if err := r.StopRecording(); !errors.Is(err, trace.ErrNotRecording) {
		t.Errorf("stop says, the second time, %v", err)
	}
	MustRecordTo(t, r, filepath.Join(t.TempDir(), "next.fscope"))
	MustStop(t, r)
}

func message(size int) *peerpb.ChaincodeMessage {
	return &peerpb.ChaincodeMessage{Payload: make([]byte, size)}
}

func anyEvent(t *rapid.T) trace.Event {
	name := rapid.SampledFrom([]string{"", "peer0", "peer1", "orderer0", "kanal-ä"})
	number := rapid.Int64()
	return trace.Event{
		Time: rapid.Int64Range(1, 1<<62).Draw(t, "time"), Kind: trace.Kind(rapid.SampledFrom([]string{"proposal", "block.cut", "x"}).Draw(t, "kind")),
		Dir: trace.Dir(rapid.IntRange(0, 5).Draw(t, "dir")), Node: name.Draw(t, "node"), Other: name.Draw(t, "other"),
		Channel: name.Draw(t, "channel"), TxID: rapid.StringMatching("([0-9a-f]{8})?").Draw(t, "txid"),
		Block: rapid.Uint64().Draw(t, "block"), Key: rapid.String().Draw(t, "key"), Note: rapid.String().Draw(t, "note"),
		Msg: rapid.Uint64().Draw(t, "msg"), What: trace.What(rapid.Byte().Draw(t, "what")), Name: name.Draw(t, "name"),
		A: number.Draw(t, "a"), B: number.Draw(t, "b"), C: number.Draw(t, "c"),
	}
}
