package chaincode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
)

// TestPackageBombs uses a small bound, because unpacking the real one takes seconds.
func TestPackageBombs(t *testing.T) {
	zeros := make([]byte, 4<<20)
	meta := entry{"metadata.json", []byte(`{"type":"golang","label":"x"}`)}
	for name, files := range map[string][]entry{
		"code":      {meta, {"code.tar.gz", zeros}},
		"elsewhere": {{"x", zeros}, meta, {"code.tar.gz", nil}},
	} {
		raw, err := archive(files)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := readOuter(raw, 8<<20); err != nil {
			t.Errorf("%s: within the bound: %v", name, err)
		}
		if _, _, err := readOuter(raw, 2<<20); err == nil {
			t.Errorf("%s: the bomb was unpacked", name)
		}
	}
}

// script is a chaincode whose messages are given in advance. It stands for a gRPC
// stream, because the fuzzer needs many of them. It sends a message when the host asks
// for one, and ends when there are no more and the host has been told.
type script struct {
	messages chan *peerpb.ChaincodeMessage

	mu   sync.Mutex
	sent []*peerpb.ChaincodeMessage // by the host
}

func (s *script) Recv() (*peerpb.ChaincodeMessage, error) {
	m, ok := <-s.messages
	if !ok {
		return nil, io.EOF
	}
	return m, nil
}

func (s *script) Send(m *peerpb.ChaincodeMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, m)
	return nil
}

// FuzzStream lets a chaincode send any sequence of messages for two running invocations,
// for one that does not run, and for none. Whatever comes, both invocations end, no
// request is answered twice, and nothing is said to a transaction that has ended in
// the chaincode.
func FuzzStream(f *testing.F) {
	const get, put, next, completed, failed, keepalive, response = 8, 9, 16, 6, 7, 18, 13
	f.Add([]byte{get, 0, put, 0, completed, 0, completed, 1})
	f.Add([]byte{get, 0, get, 0, get, 1, failed, 1, get, 2, completed, 0})
	f.Add([]byte{keepalive, 3, next, 0, response, 0})
	f.Add([]byte{completed, 0, completed, 0, get, 0})
	f.Add([]byte{99, 0})
	f.Fuzz(func(t *testing.T, sequence []byte) {
		if len(sequence) > 400 {
			return
		}
		w := &script{messages: make(chan *peerpb.ChaincodeMessage)}
		ended := 0
		s := newStream("cc:00", w, 2, time.Second, func() { ended++ })
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				m, err := s.execute(t.Context(), &Invocation{Channel: "ch", TxID: fmt.Sprint(i), Input: &peerpb.ChaincodeInput{},
					Answer: func(_ context.Context, req *peerpb.ChaincodeMessage) ([]byte, error) {
						if !isRequest(req.Type) || req.Txid != fmt.Sprint(i) {
							t.Errorf("invocation %d was asked %v", i, req)
						}
						if req.Type == peerpb.ChaincodeMessage_PUT_STATE {
							return nil, errors.New("no")
						}
						return []byte("value"), nil
					}})
				switch {
				case err == nil && m.Type != peerpb.ChaincodeMessage_COMPLETED && m.Type != peerpb.ChaincodeMessage_ERROR:
					t.Errorf("invocation %d ended with %v", i, m)
				case err != nil && !errors.Is(err, ErrStreamTerminated):
					t.Errorf("invocation %d: %v", i, err)
				}
			})
		}
		go func() {
			defer close(w.messages)
			for i := 0; i+1 < len(sequence); i += 2 {
				m := &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_Type(sequence[i]), ChannelId: "ch", Txid: fmt.Sprint(sequence[i+1] % 4)}
				select {
				case w.messages <- m:
				case <-s.done:
					return
				}
			}
		}()
		s.serve()
		wg.Wait()
		if ended != 1 || s.reason() == nil || len(s.calls) != 0 {
			t.Errorf("ended %d times, %v, %d calls are left", ended, s.reason(), len(s.calls))
		}
		checkReplies(t, w.sent, sequence)
	})
}

// checkReplies counts: each reply belongs to a request that was sent.
func checkReplies(t *testing.T, sent []*peerpb.ChaincodeMessage, sequence []byte) {
	t.Helper()
	asked, replied := map[string]int{}, map[string]int{}
	for i := 0; i+1 < len(sequence); i += 2 {
		if isRequest(peerpb.ChaincodeMessage_Type(sequence[i])) {
			asked[fmt.Sprint(sequence[i+1]%4)]++
		}
	}
	for _, m := range sent {
		switch m.Type {
		case peerpb.ChaincodeMessage_RESPONSE, peerpb.ChaincodeMessage_ERROR:
			replied[m.Txid]++
		case peerpb.ChaincodeMessage_TRANSACTION:
		default:
			t.Errorf("the host sent %v", m)
		}
	}
	for tx, n := range replied {
		if n > asked[tx] {
			t.Errorf("transaction %s: %d requests, %d replies", tx, asked[tx], n)
		}
	}
}

func TestSweepRemovesWhatTheDeadLeft(t *testing.T) {
	temp := t.TempDir()
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"dead", "alive", "new", "nolock"} {
		dir := filepath.Join(temp, socketPrefix+name)
		err := os.Mkdir(dir, 0o700)
		if name != "nolock" {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
		}
		if name != "new" {
			err = errors.Join(err, os.Chtimes(dir, old, old))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	held, err := os.Open(filepath.Join(temp, socketPrefix+"alive", "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	sweep(temp)
	for name, want := range map[string]bool{"dead": false, "alive": true, "new": true, "nolock": true} {
		if _, err := os.Stat(filepath.Join(temp, socketPrefix+name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSocketPathsAreShort(t *testing.T) {
	long := filepath.Join(t.TempDir(), "a-directory-whose-name-is-much-too-long-for-a-socket-in-it-whatever-else-is-before-it")
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if s, err := listenIn(long); !errors.Is(err, errPathTooLong) {
		t.Errorf("got %v, %v", s, err)
	}
	if left, err := os.ReadDir(long); err != nil || len(left) != 0 {
		t.Errorf("%v was left, %v", left, err)
	}
	t.Setenv("TMPDIR", long)
	s, err := listen() // falls back to /tmp
	if err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{s.outer: 0o700, s.dir: 0o711, s.path: 0o666} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has mode %v, %v", path, info.Mode(), err)
		}
	}
	if err := errors.Join(s.Close(), s.remove()); err != nil {
		t.Error(err)
	}
}
