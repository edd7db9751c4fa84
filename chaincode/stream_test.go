package chaincode_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// raw is a chaincode without a shim: it gets the stream and the name to register with.
type raw func(stream shim.ClientStream, id string) error

// MustRunRaw makes a host whose one chaincode is raw.
func MustRunRaw(t *testing.T, cfg chaincode.Config, r raw) *cctest.Bench {
	t.Helper()
	cfg.Use = cctest.InProcess{"cc": func(stream shim.ClientStream, spec launch.Spec) error { return r(stream, spec.PackageID) }}
	return MustRunFunctions(t, cfg, nil)
}

func register(id string) *peerpb.ChaincodeMessage {
	return &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_REGISTER, Payload: cctest.Marshal(&peerpb.ChaincodeID{Name: id})}
}

// handshake registers and waits for READY.
func handshake(s shim.ClientStream, id string) error {
	if err := s.Send(register(id)); err != nil {
		return err
	}
	for {
		if m, err := s.Recv(); err != nil || m.Type == peerpb.ChaincodeMessage_READY {
			return err
		}
	}
}

// drainStream reads until the stream ends.
func drainStream(s shim.ClientStream) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

func TestHandshakeIsFabrics(t *testing.T) {
	got := make(chan *peerpb.ChaincodeMessage, 2)
	b := MustRunRaw(t, chaincode.Config{}, func(s shim.ClientStream, id string) error {
		if err := s.Send(register(id)); err != nil {
			return err
		}
		for range 2 {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			got <- m
		}
		return drainStream(s)
	})
	if err := b.Host.Launch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	first, second := <-got, <-got
	// The bytes are those that a real peer sends (shared vectors, handshake.jsonl).
	if b := cctest.Marshal(first); string(b) != "\x08\x02" {
		t.Errorf("REGISTERED is %x", b)
	}
	if b := cctest.Marshal(second); string(b) != "\x08\x04\x1a\x0a\x08\x01\x10\xe8\x07\x18\x01\x20\xe8\x07" {
		t.Errorf("READY is %x", b)
	}
}

func TestRefusedRegistrations(t *testing.T) {
	for name, first := range map[string]*peerpb.ChaincodeMessage{
		"not REGISTER":  {Type: peerpb.ChaincodeMessage_GET_STATE, Txid: "x"},
		"unknown type":  {Type: 99},
		"no chaincode":  {Type: peerpb.ChaincodeMessage_REGISTER, Payload: []byte("\xff\xff")},
		"empty name":    register(""),
		"somebody else": register("asset:0000"),
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			b := MustRunRaw(t, chaincode.Config{}, func(s shim.ClientStream, _ string) error {
				if err := s.Send(first); err != nil {
					return err
				}
				err := drainStream(s)
				ended <- err
				return err
			})
			if err := b.Host.Launch(t.Context(), b.ID); !errors.Is(err, chaincode.ErrLaunch) {
				t.Errorf("the launch gave %v", err)
			}
			if err := <-ended; err == nil {
				t.Error("the stream went on")
			}
		})
	}
}

func TestSecondRegistrationIsRefused(t *testing.T) {
	second := make(chan error, 1)
	cc := function(func(shim.ChaincodeStubInterface) (string, error) { return "first", nil })
	rt := cctest.InProcess{"cc": func(stream shim.ClientStream, spec launch.Spec) error {
		return shim.StartInProc(spec.PackageID, stream, cc)
	}}
	sockets := make(chan string, 1)
	spy := startFunc(func(spec launch.Spec) { sockets <- spec.Socket })
	b := MustRunFunctions(t, chaincode.Config{Use: spiedRuntime{rt, spy}}, nil)
	b.MustCall("f")
	conn, err := grpc.NewClient("unix://"+<-sockets, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, name := range []string{b.ID, "never:installed"} {
		stream, err := peerpb.NewChaincodeSupportClient(conn).Register(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { second <- handshake(stream, name) }()
		if err := <-second; err == nil {
			t.Errorf("%s: the second registration was accepted", name)
		}
	}
	if got := b.MustCall("f"); got != "first" {
		t.Errorf("got %q", got)
	}
}

// TestRubbish: whatever a registered chaincode sends, its own stream ends at worst, and
// the next call launches it again.
func TestRubbish(t *testing.T) {
	for name, m := range map[string]*peerpb.ChaincodeMessage{
		"unknown type": {Type: 99},
		"undefined":    {},
		"type 12":      {Type: 12},
		"REGISTER":     register("again"),
		"REGISTERED":   {Type: peerpb.ChaincodeMessage_REGISTERED},
		"READY":        {Type: peerpb.ChaincodeMessage_READY},
		"TRANSACTION":  {Type: peerpb.ChaincodeMessage_TRANSACTION, Txid: "x"},
		"INIT":         {Type: peerpb.ChaincodeMessage_INIT},
		"RESPONSE":     {Type: peerpb.ChaincodeMessage_RESPONSE},
	} {
		t.Run(name, func(t *testing.T) {
			b := MustRunRaw(t, chaincode.Config{}, func(s shim.ClientStream, id string) error {
				if err := handshake(s, id); err != nil {
					return err
				}
				if _, err := s.Recv(); err != nil { // the call
					return err
				}
				if err := s.Send(m); err != nil {
					return err
				}
				return drainStream(s)
			})
			for range 2 { // the second call relaunches
				if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("f")); !errors.Is(err, chaincode.ErrStreamTerminated) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

func TestStrayMessagesDoNoHarm(t *testing.T) {
	b := MustRunRaw(t, chaincode.Config{}, func(s shim.ClientStream, id string) error {
		if err := handshake(s, id); err != nil {
			return err
		}
		call, err := s.Recv()
		if err != nil {
			return err
		}
		for _, m := range []*peerpb.ChaincodeMessage{
			{Type: peerpb.ChaincodeMessage_KEEPALIVE},
			{Type: peerpb.ChaincodeMessage_COMPLETED, Txid: "long gone", ChannelId: "ch"},
			{Type: peerpb.ChaincodeMessage_ERROR, Txid: call.Txid, ChannelId: "another channel"},
			{Type: peerpb.ChaincodeMessage_GET_STATE, Txid: "long gone", ChannelId: "ch"},
		} {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		m, err := s.Recv()
		if err != nil {
			return err
		}
		done := &peerpb.Response{Status: 200, Payload: append([]byte(m.Type.String()+" "), m.Payload...)}
		if err := s.Send(&peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_COMPLETED, Txid: call.Txid, ChannelId: call.ChannelId, Payload: cctest.Marshal(done)}); err != nil {
			return err
		}
		return drainStream(s)
	})
	if got, want := b.MustCall("f"), "ERROR GET_STATE failed: transaction ID: long gone: no ledger context"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSecondRequestIsDropped: a transaction has one request at a time. A second one
// that comes before the answer is dropped without a reply, as a real peer does.
func TestSecondRequestIsDropped(t *testing.T) {
	sent := make(chan struct{})
	b := MustRunRaw(t, chaincode.Config{}, func(s shim.ClientStream, id string) error {
		if err := handshake(s, id); err != nil {
			return err
		}
		call, err := s.Recv()
		if err != nil {
			return err
		}
		ask := func(key string) error {
			return s.Send(&peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_GET_STATE, Txid: call.Txid, ChannelId: call.ChannelId, Payload: cctest.Marshal(&peerpb.GetState{Key: key})})
		}
		if err := errors.Join(ask("one"), ask("two")); err != nil {
			return err
		}
		// A third message shows that the second has arrived: it is answered.
		if err := s.Send(&peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_GET_STATE, Txid: "other"}); err != nil {
			return err
		}
		if m, err := s.Recv(); err != nil || m.Txid != "other" {
			return errors.Join(err, errors.New("expected the answer for the other transaction"))
		}
		close(sent)
		if m, err := s.Recv(); err != nil || string(m.Payload) != "one" {
			return errors.Join(err, errors.New("expected the answer for one"))
		}
		if err := ask("three"); err != nil {
			return err
		}
		m, err := s.Recv()
		if err != nil {
			return err
		}
		done := &peerpb.Response{Status: 200, Payload: m.Payload}
		if err := s.Send(&peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_COMPLETED, Txid: call.Txid, ChannelId: call.ChannelId, Payload: cctest.Marshal(done)}); err != nil {
			return err
		}
		return drainStream(s)
	})
	inv := b.Ledger.Invocation("f")
	first := true
	inv.Answer = answer(func(key string) string {
		if first {
			first = false
			<-sent
		}
		return key
	})
	m, err := b.Host.Execute(t.Context(), b.ID, inv)
	if err != nil {
		t.Fatal(err)
	}
	if r := cctest.Response(t, m); string(r.Payload) != "three" {
		t.Errorf("got %v", r)
	}
}

func TestFloodEndsTheStream(t *testing.T) {
	rec := trace.NewRecorder(trace.Options{})
	b := MustRunRaw(t, chaincode.Config{Trace: rec}, func(s shim.ClientStream, id string) error {
		if err := handshake(s, id); err != nil {
			return err
		}
		go drainStream(s) //nolint:errcheck // the loop below sees the end
		for {
			if err := s.Send(&peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_GET_STATE, Txid: "nobody", ChannelId: "ch"}); err != nil {
				return nil
			}
		}
	})
	if err := b.Host.Launch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	e, _, err := rec.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.ChaincodeExit })
	if err != nil || !strings.Contains(e.Note, "floods the stream") {
		t.Errorf("the trace has %+v, %v", e, err)
	}
}

// TestChaincodeThatDoesNotRead: messages pile up until gRPC takes no more; then the
// first invocation whose time is up ends the stream.
func TestChaincodeThatDoesNotRead(t *testing.T) {
	rec := trace.NewRecorder(trace.Options{})
	b := MustRunRaw(t, chaincode.Config{Trace: rec, ExecuteTimeout: 100 * time.Millisecond}, func(s shim.ClientStream, id string) error {
		if err := handshake(s, id); err != nil {
			return err
		}
		<-s.(grpc.ClientStream).Context().Done()
		return s.(grpc.ClientStream).Context().Err()
	})
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() {
			_, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("f", strings.Repeat("x", 8<<20)))
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; !errors.Is(err, chaincode.ErrTimeout) && !errors.Is(err, chaincode.ErrStreamTerminated) {
			t.Errorf("got %v", err)
		}
	}
	e, _, err := rec.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.ChaincodeExit })
	if err != nil || !strings.Contains(e.Note, "does not read its stream") {
		t.Errorf("the trace has %+v, %v", e, err)
	}
}

func TestKeepalive(t *testing.T) {
	got := make(chan peerpb.ChaincodeMessage_Type, 100)
	b := MustRunRaw(t, chaincode.Config{Keepalive: time.Millisecond}, func(s shim.ClientStream, id string) error {
		if err := handshake(s, id); err != nil {
			return err
		}
		for range 3 {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			got <- m.Type
			if err := s.Send(m); err != nil { // the shim sends them back
				return err
			}
		}
		return drainStream(s)
	})
	if err := b.Host.Launch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if m := <-got; m != peerpb.ChaincodeMessage_KEEPALIVE {
			t.Errorf("got %s", m)
		}
	}
}

func TestSilentConnectionsAreBounded(t *testing.T) {
	sockets := make(chan string, 1)
	rt := cctest.InProcess{"cc": cctest.Shim(function(func(shim.ChaincodeStubInterface) (string, error) { return "ok", nil }))}
	b := MustRunFunctions(t, chaincode.Config{Use: spiedRuntime{rt, startFunc(func(s launch.Spec) { sockets <- s.Socket })}}, nil)
	b.MustCall("f")
	conn, err := grpc.NewClient("unix://"+<-sockets, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ended := make(chan error, 100)
	for range cap(ended) {
		stream, err := peerpb.NewChaincodeSupportClient(conn).Register(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- drainStream(stream) }()
	}
	for range cap(ended) - 64 {
		if err := <-ended; !strings.Contains(err.Error(), "registering at once") {
			t.Errorf("got %v", err)
		}
	}
	if got := b.MustCall("f"); got != "ok" {
		t.Errorf("got %q", got)
	}
}
