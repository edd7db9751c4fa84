package chaincode_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
)

func TestMain(m *testing.M) {
	samples.Hook() // the process runtime starts this binary as a sample
	os.Exit(m.Run())
}

// function is a chaincode that is one Go function.
type function func(stub shim.ChaincodeStubInterface) (string, error)

func (f function) Init(stub shim.ChaincodeStubInterface) *peerpb.Response { return f.Invoke(stub) }

func (f function) Invoke(stub shim.ChaincodeStubInterface) *peerpb.Response {
	out, err := f(stub)
	if err != nil {
		return shim.Error(err.Error())
	}
	return shim.Success([]byte(out))
}

// MustRunFunctions makes a chaincode of named functions and runs it.
func MustRunFunctions(tb testing.TB, cfg chaincode.Config, functions map[string]function) *cctest.Bench {
	tb.Helper()
	cc := function(func(stub shim.ChaincodeStubInterface) (string, error) {
		name, _ := stub.GetFunctionAndParameters()
		if functions[name] == nil {
			return "", errors.New("no such function")
		}
		return functions[name](stub)
	})
	if cfg.Use == nil {
		cfg.Use = cctest.InProcess{"cc": cctest.Shim(cc)}
	}
	h := cctest.MustHost(tb, cfg)
	return &cctest.Bench{TB: tb, Host: h, ID: cctest.MustInstall(tb, h, "asset", "cc"), Ledger: cctest.NewLedger()}
}

func join(values ...any) string {
	var parts []string
	for _, v := range values {
		parts = append(parts, fmt.Sprintf("%s", v))
	}
	return strings.Join(parts, "|")
}

func drain(it shim.StateQueryIteratorInterface, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer it.Close()
	var keys []string
	for it.HasNext() {
		kv, err := it.Next()
		if err != nil {
			return "", err
		}
		keys = append(keys, strings.ReplaceAll(kv.Key, "\x00", "~"))
	}
	return strings.Join(keys, " "), nil
}

// everyKind has a function for each request that a chaincode can make.
var everyKind = map[string]function{
	"write": func(s shim.ChaincodeStubInterface) (string, error) {
		composite, err := s.CreateCompositeKey("color~id", []string{"blue", "1"})
		return "", errors.Join(err, s.PutState("a", []byte("1")), s.PutState("b", []byte("2")), s.PutState("c", []byte("3")),
			s.PutState(composite, []byte{0}), s.DelState("b"), s.PutPrivateData("coll", "p", []byte("private")),
			s.PutPrivateData("coll", "q", []byte("gone")), s.PurgePrivateData("coll", "q"),
			s.SetStateValidationParameter("a", []byte("policy")), s.SetEvent("written", []byte("event")))
	},
	"batch": func(s shim.ChaincodeStubInterface) (string, error) {
		s.StartWriteBatch()
		return "", errors.Join(s.PutState("x", []byte("1")), s.PutState("y", []byte("2")), s.DelState("z"),
			s.SetStateValidationParameter("x", []byte("policy x")), s.FinishWriteBatch())
	},
	"read": func(s shim.ChaincodeStubInterface) (string, error) {
		a, err1 := s.GetState("a")
		b, err2 := s.GetState("b")
		p, err3 := s.GetPrivateData("coll", "p")
		h, err4 := s.GetPrivateDataHash("coll", "p")
		m, err5 := s.GetStateValidationParameter("a")
		many, err6 := s.GetMultipleStates("a", "none", "c")
		return join(a, b, p, len(h), m, many), errors.Join(err1, err2, err3, err4, err5, err6)
	},
	"range": func(s shim.ChaincodeStubInterface) (string, error) {
		r, err1 := drain(s.GetStateByRange("", ""))
		c, err2 := drain(s.GetStateByPartialCompositeKey("color~id", []string{"blue"}))
		it, meta, err3 := s.GetStateByRangeWithPagination("a", "", 1, "")
		page, err4 := drain(it, err3)
		return join(r, c, page, meta.GetBookmark()), errors.Join(err1, err2, err3, err4)
	},
	"history": func(s shim.ChaincodeStubInterface) (string, error) {
		it, err := s.GetHistoryForKey("b")
		if err != nil {
			return "", err
		}
		defer it.Close()
		var out []string
		for it.HasNext() {
			h, err := it.Next()
			if err != nil {
				return "", err
			}
			out = append(out, fmt.Sprintf("%s %v", h.Value, h.IsDelete))
		}
		return strings.Join(out, ","), nil
	},
	"rich": func(s shim.ChaincodeStubInterface) (string, error) {
		return drain(s.GetQueryResult(`{}`))
	},
	"call": func(s shim.ChaincodeStubInterface) (string, error) {
		r := s.InvokeChaincode("other", [][]byte{[]byte("f")}, "")
		return join(r.Payload, r.Message), nil
	},
	"context": func(s shim.ChaincodeStubInterface) (string, error) {
		creator, err1 := s.GetCreator()
		transient, err2 := s.GetTransient()
		return join(s.GetChannelID(), creator, transient["secret"]), errors.Join(err1, err2)
	},
}

func TestEveryMessageKind(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	b.Ledger.Call = func(_ context.Context, req *peerpb.ChaincodeMessage, spec *peerpb.ChaincodeSpec) (*peerpb.ChaincodeMessage, error) {
		r := &peerpb.Response{Status: 200, Payload: []byte("from " + spec.ChaincodeId.Name)}
		return &peerpb.ChaincodeMessage{Type: peerpb.ChaincodeMessage_COMPLETED, Txid: req.Txid, Payload: cctest.Marshal(r)}, nil
	}
	m, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("write"))
	if err != nil {
		t.Fatal(err)
	}
	if r := cctest.Response(t, m); r.Status != 200 || m.ChaincodeEvent.GetEventName() != "written" || string(m.ChaincodeEvent.Payload) != "event" {
		t.Errorf("write: got %v, event %v", r, m.ChaincodeEvent)
	}
	b.MustCall("batch")
	for function, want := range map[string]string{
		"read":    "1||private|%!s(int=32)|policy|[1  3]",
		"range":   "a c x y|~color~id~blue~1~|a|c",
		"history": " true,2 false",
		"call":    "from other|",
		"context": "ch|alice|42",
	} {
		if got := b.MustCall(function); got != want {
			t.Errorf("%s: got %q, want %q", function, got, want)
		}
	}
	if got := b.MustFail("rich"); !strings.HasPrefix(got, "GET_QUERY_RESULT failed: transaction ID: ") || !strings.HasSuffix(got, ": GET_QUERY_RESULT not supported") {
		t.Errorf("a request that the peer refuses gave %q", got)
	}
	var missing []string
	for n, name := range peerpb.ChaincodeMessage_Type_name {
		kind := peerpb.ChaincodeMessage_Type(n)
		if n >= 8 && n != 13 && n != 18 && kind != peerpb.ChaincodeMessage_QUERY_STATE_NEXT && b.Ledger.Requests[kind] == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Errorf("these requests never came: %v", missing)
	}
}

func TestWithoutBatchesTheShimWritesOneByOne(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{Batches: chaincode.Batches{Off: true}}, everyKind)
	b.MustCall("batch")
	if n := b.Ledger.Requests[peerpb.ChaincodeMessage_WRITE_BATCH_STATE]; n != 0 {
		t.Errorf("%d batches came although READY was empty", n)
	}
	if string(b.Ledger.Get("y")) != "2" {
		t.Error("the writes are missing")
	}
}

func TestBatchSizeIsNegotiated(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{Batches: chaincode.Batches{Write: 150, GetMultiple: 150}}, map[string]function{
		"f": func(s shim.ChaincodeStubInterface) (string, error) {
			s.StartWriteBatch()
			keys := make([]string, 400)
			for i := range keys {
				keys[i] = fmt.Sprint("k", i)
				if err := s.PutState(keys[i], []byte("v")); err != nil {
					return "", err
				}
			}
			if err := s.FinishWriteBatch(); err != nil {
				return "", err
			}
			values, err := s.GetMultipleStates(keys...)
			return fmt.Sprint(len(values)), err
		},
	})
	if got := b.MustCall("f"); got != "400" {
		t.Errorf("got %s", got)
	}
	w, g := b.Ledger.Requests[peerpb.ChaincodeMessage_WRITE_BATCH_STATE], b.Ledger.Requests[peerpb.ChaincodeMessage_GET_STATE_MULTIPLE]
	if w != 3 || g != 3 {
		t.Errorf("400 keys took %d write batches and %d reads, not 3 and 3", w, g)
	}
}

func TestInit(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{}, map[string]function{
		"good": func(s shim.ChaincodeStubInterface) (string, error) { return "", s.PutState("k", []byte("v")) },
		"bad":  func(shim.ChaincodeStubInterface) (string, error) { return "", errors.New("no good") },
	})
	run := func(f string) *peerpb.ChaincodeMessage {
		inv := b.Ledger.Invocation(f)
		inv.Init = true
		m, err := b.Host.Execute(t.Context(), b.ID, inv)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := run("good"); m.Type != peerpb.ChaincodeMessage_COMPLETED || string(b.Ledger.Get("k")) != "v" {
		t.Errorf("got %v", m)
	}
	if m := run("bad"); m.Type != peerpb.ChaincodeMessage_ERROR || string(m.Payload) != "no good" {
		t.Errorf("got %v", m)
	}
}

func TestManyTransactionsShareOneStream(t *testing.T) {
	const n = 100
	var arrived sync.WaitGroup
	arrived.Add(n)
	b := MustRunFunctions(t, chaincode.Config{}, map[string]function{
		"f": func(s shim.ChaincodeStubInterface) (string, error) {
			_, args := s.GetFunctionAndParameters()
			arrived.Done()
			arrived.Wait() // all of them are in the chaincode at once
			for i := range 5 {
				if err := s.PutState(args[0], fmt.Append(nil, i)); err != nil {
					return "", err
				}
				if v, err := s.GetState(args[0]); err != nil || string(v) != fmt.Sprint(i) {
					return "", fmt.Errorf("read %s, %v", v, err)
				}
			}
			return args[0], nil
		},
	})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if got := b.MustCall("f", fmt.Sprint("key", i)); got != fmt.Sprint("key", i) {
				t.Errorf("call %d got %q", i, got)
			}
		})
	}
	wg.Wait()
	if s := b.Host.Running(); len(s) != 1 || s[0].Calls != 0 || !s[0].Ready {
		t.Errorf("afterwards: %+v", s)
	}
}

// What no shim can take is refused; the stream, and who else is on it, goes on.
func TestTooLargeMessages(t *testing.T) {
	const most = 100 << 20
	b := MustRunFunctions(t, chaincode.Config{}, map[string]function{
		"wait": func(s shim.ChaincodeStubInterface) (string, error) {
			_, err := s.GetState("wait")
			return "waited", err
		},
		"read": func(s shim.ChaincodeStubInterface) (string, error) {
			_, err := s.GetState("large")
			return "", err
		},
	})
	release, arrived := make(chan struct{}), make(chan struct{})
	other := b.Ledger.Invocation("wait")
	answer := other.Answer
	other.Answer = func(ctx context.Context, req *peerpb.ChaincodeMessage) ([]byte, error) {
		close(arrived)
		<-release
		return answer(ctx, req)
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.Host.Execute(t.Context(), b.ID, other)
		done <- err
	}()
	<-arrived
	if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("f", strings.Repeat("x", most))); err == nil || !strings.Contains(err.Error(), "send less data") {
		t.Errorf("a call of 100 MB: %v", err)
	}
	inv := b.Ledger.Invocation("read")
	inv.Answer = func(context.Context, *peerpb.ChaincodeMessage) ([]byte, error) { return make([]byte, most), nil }
	m, err := b.Host.Execute(t.Context(), b.ID, inv)
	if err != nil || !strings.Contains(cctest.Response(t, m).GetMessage(), "send less data") {
		t.Errorf("an answer of 100 MB: %v, %v", m, err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("the other call: %v", err)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	var mu sync.Mutex
	now, most := 0, 0
	enter, leave := make(chan struct{}, 100), make(chan struct{})
	b := MustRunFunctions(t, chaincode.Config{Concurrent: 3}, map[string]function{
		"f": func(shim.ChaincodeStubInterface) (string, error) {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			enter <- struct{}{}
			<-leave
			mu.Lock()
			now--
			mu.Unlock()
			return "", nil
		},
	})
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() { b.MustCall("f") })
	}
	for range 3 {
		<-enter
	}
	close(leave)
	wg.Wait()
	if most != 3 {
		t.Errorf("%d invocations ran at once", most)
	}
}

func TestTimeoutLeavesTheStreamUsable(t *testing.T) {
	entered, release, late := make(chan struct{}), make(chan struct{}), make(chan string, 1)
	b := MustRunFunctions(t, chaincode.Config{ExecuteTimeout: 50 * time.Millisecond}, map[string]function{
		"slow": func(s shim.ChaincodeStubInterface) (string, error) {
			close(entered)
			<-release
			_, err := s.GetState("k")
			late <- fmt.Sprint(err)
			return "", err
		},
		"fast": func(shim.ChaincodeStubInterface) (string, error) { return "ok", nil },
	})
	if err := b.Host.Launch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	inv := b.Ledger.Invocation("slow")
	_, err := b.Host.Execute(t.Context(), b.ID, inv)
	if !errors.Is(err, chaincode.ErrTimeout) || !strings.HasSuffix(err.Error(), "error sending: timeout expired while executing transaction") {
		t.Fatalf("got %v", err)
	}
	<-entered
	close(release)
	if got, want := <-late, "GET_STATE failed: transaction ID: "+inv.TxID+": no ledger context"; got != want {
		t.Errorf("a request after the timeout got %q, want %q", got, want)
	}
	before := b.Host.Running()[0].Since
	for { // on a busy computer this one may take longer than it has, too
		out, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("fast"))
		if errors.Is(err, chaincode.ErrTimeout) {
			continue
		}
		if err != nil || out.Type != peerpb.ChaincodeMessage_COMPLETED {
			t.Errorf("got %+v, %v", out, err)
		}
		break
	}
	if b.Host.Running()[0].Since != before {
		t.Error("the chaincode was launched anew")
	}
}

// TestClockStandsStillDuringAHold holds a message of one transaction until another one,
// which began later, has run into the timeout.
func TestClockStandsStillDuringAHold(t *testing.T) {
	rec := trace.NewRecorder(trace.Options{})
	net := link.New(link.Config{Trace: rec})
	block := make(chan struct{})
	defer close(block)
	b := MustRunFunctions(t, chaincode.Config{ExecuteTimeout: time.Second, Trace: rec, Link: net.Endpoint("peer0", tls.Certificate{}, nil)}, map[string]function{
		"read": func(s shim.ChaincodeStubInterface) (string, error) {
			v, err := s.GetState("k")
			return string(v), err
		},
		"block": func(shim.ChaincodeStubInterface) (string, error) { <-block; return "", nil },
	})
	if err := b.Host.Launch(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if err := net.SetHolds([]link.Hold{{ID: 1, Filter: link.Filter{Kind: trace.ChaincodeGetState}}}); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() { got <- b.MustCall("read") }()
	if _, _, err := rec.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Dir == trace.Held }); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("block")); !errors.Is(err, chaincode.ErrTimeout) {
		t.Errorf("the other transaction got %v", err)
	}
	if n := net.ReleaseAll(); n != 1 {
		t.Errorf("%d messages were held", n)
	}
	<-got
}

func TestCallerGivesUp(t *testing.T) {
	entered := make(chan struct{})
	b := MustRunFunctions(t, chaincode.Config{}, map[string]function{
		"f": func(s shim.ChaincodeStubInterface) (string, error) {
			close(entered)
			_, err := s.GetState("k")
			return "", err
		},
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	inv := b.Ledger.Invocation("f")
	inv.Answer = func(ctx context.Context, _ *peerpb.ChaincodeMessage) ([]byte, error) {
		cancel(errors.New("client went away"))
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if _, err := b.Host.Execute(ctx, b.ID, inv); err == nil || !strings.Contains(err.Error(), "the caller gave up: client went away") {
		t.Errorf("got %v", err)
	}
	<-entered
}

func TestChaincodeThatCallsItself(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	var inner error
	b.Ledger.Call = func(ctx context.Context, req *peerpb.ChaincodeMessage, spec *peerpb.ChaincodeSpec) (*peerpb.ChaincodeMessage, error) {
		m, err := b.Host.Execute(ctx, b.ID, &chaincode.Invocation{Channel: req.ChannelId, TxID: req.Txid, Input: spec.Input, Answer: b.Ledger.Answer})
		inner = err
		return m, err
	}
	inv := b.Ledger.Invocation("call")
	m, err := b.Host.Execute(t.Context(), b.ID, inv)
	if err != nil {
		t.Fatal(err)
	}
	if want := "error sending: txid: " + inv.TxID + "(ch) exists"; !errors.Is(inner, chaincode.ErrTxExists) || inner.Error() != want {
		t.Errorf("the inner call got %v, want %s", inner, want)
	}
	if r := cctest.Response(t, m); r.Status != 200 {
		t.Errorf("the outer call got %v", r)
	}
}

func TestStreamLossAndRelaunch(t *testing.T) {
	launches := 0
	crash := make(chan struct{})
	entered := make(chan struct{}, 10)
	cc := function(func(s shim.ChaincodeStubInterface) (string, error) {
		name, _ := s.GetFunctionAndParameters()
		if name == "wait" {
			entered <- struct{}{}
			select {}
		}
		return "ok", nil
	})
	rt := cctest.InProcess{"cc": func(stream shim.ClientStream, spec launch.Spec) error {
		launches++
		gone := make(chan error, 1)
		go func() { gone <- shim.StartInProc(spec.PackageID, stream, cc) }()
		select {
		case err := <-gone:
			return err
		case <-crash:
			return errors.New("exit status 3")
		}
	}}
	rec := trace.NewRecorder(trace.Options{})
	b := MustRunFunctions(t, chaincode.Config{Use: rt, Trace: rec}, nil)
	errs := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("wait"))
			errs <- err
		}()
	}
	for range 3 {
		<-entered
	}
	close(crash)
	for range 3 {
		if err := <-errs; !errors.Is(err, chaincode.ErrStreamTerminated) || !strings.HasSuffix(err.Error(), "chaincode stream terminated") {
			t.Errorf("got %v", err)
		}
	}
	exit, _, err := rec.Wait(t.Context(), 0, func(e *trace.Event) bool { return e.Kind == trace.ChaincodeExit })
	if err != nil || exit.Note != "exit status 3" || exit.Key != b.ID || exit.Node != "peer0" || exit.Other != "cc@peer0" {
		t.Errorf("the trace has %+v, %v", exit, err)
	}
	crash = make(chan struct{})
	if got := b.MustCall("f"); got != "ok" || launches != 2 {
		t.Errorf("after the loss: got %q, %d launches", got, launches)
	}
}

func TestLaunchOnce(t *testing.T) {
	var mu sync.Mutex
	launches := 0
	cc := cctest.Shim(function(func(shim.ChaincodeStubInterface) (string, error) { return "ok", nil }))
	rt := cctest.InProcess{"cc": func(stream shim.ClientStream, spec launch.Spec) error {
		mu.Lock()
		launches++
		mu.Unlock()
		return cc(stream, spec)
	}}
	rec := trace.NewRecorder(trace.Options{})
	b := MustRunFunctions(t, chaincode.Config{Use: rt, Trace: rec}, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { b.MustCall("f") })
	}
	wg.Wait()
	if launches != 1 {
		t.Errorf("20 calls at once made %d launches", launches)
	}
	events, _, _ := rec.Since(0, 10_000)
	var kinds []trace.Kind
	for _, e := range events {
		if e.Key == b.ID && !strings.HasPrefix(string(e.Kind), string(trace.ChaincodePrefix)) {
			kinds = append(kinds, e.Kind)
		}
	}
	if want := []trace.Kind{trace.Installed, trace.LaunchStart, trace.LaunchEnd}; !slices.Equal(kinds, want) {
		t.Errorf("the trace has %v, want %v", kinds, want)
	}
	if err := b.Host.Stop(b.ID); err != nil {
		t.Fatal(err)
	}
	if got := b.Host.Running(); len(got) != 0 {
		t.Errorf("after Stop: %+v", got)
	}
	b.MustCall("f")
	if launches != 2 {
		t.Errorf("a call after Stop made %d launches", launches-1)
	}
}

func TestChaincodeThatNeverRegisters(t *testing.T) {
	rt := cctest.InProcess{"cc": func(stream shim.ClientStream, _ launch.Spec) error {
		_, err := stream.Recv()
		return err
	}}
	b := MustRunFunctions(t, chaincode.Config{Use: rt, StartupTimeout: 50 * time.Millisecond}, nil)
	if err := b.Host.Launch(t.Context(), b.ID); !errors.Is(err, chaincode.ErrLaunch) || !strings.Contains(err.Error(), "not registered after 50ms") {
		t.Errorf("got %v", err)
	}
	if got := b.Host.Running(); len(got) != 0 {
		t.Errorf("it still runs: %+v", got)
	}
}

func TestChaincodeThatEndsAtOnce(t *testing.T) {
	rt := cctest.InProcess{"cc": func(shim.ClientStream, launch.Spec) error { return errors.New("exit status 1") }}
	b := MustRunFunctions(t, chaincode.Config{Use: rt}, nil)
	if err := b.Host.Launch(t.Context(), b.ID); !errors.Is(err, chaincode.ErrLaunch) || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("got %v", err)
	}
}

func TestInstallAndReopen(t *testing.T) {
	h := cctest.MustHost(t, chaincode.Config{Use: cctest.InProcess{}})
	raw, err := chaincode.PackageSample("dice", "dice-1.0_x+y")
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Install(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Install(context.Background(), raw)
	if want := "chaincode already successfully installed (package ID '" + p.ID + "')"; !errors.Is(err, chaincode.ErrAlreadyInstalled) || err.Error() != want || again.ID != p.ID {
		t.Errorf("installing twice gave %v, %v", again, err)
	}
	if _, err := h.Install(context.Background(), []byte("rubbish")); !errors.Is(err, chaincode.ErrPackage) {
		t.Errorf("rubbish gave %v", err)
	}
	got, err := h.Package(p.ID)
	if err != nil || string(got.Raw) != string(raw) || got.Sample != "dice" {
		t.Errorf("Package gave %v, %v", got, err)
	}
	if list := h.Installed(); len(list) != 1 || list[0].ID != p.ID || list[0].Label != "dice-1.0_x+y" || list[0].Raw != nil {
		t.Errorf("Installed gave %+v", list)
	}
	for _, id := range []string{"", "nonsense", "dice:00", "../../etc/passwd:00"} {
		if _, err := h.Package(id); !errors.Is(err, chaincode.ErrNotInstalled) {
			t.Errorf("Package(%q) gave %v", id, err)
		}
		if _, err := h.Execute(t.Context(), id, cctest.NewLedger().Invocation("f")); !errors.Is(err, chaincode.ErrNotInstalled) {
			t.Errorf("Execute(%q) gave %v", id, err)
		}
	}
}

func TestTwoPackagesWithOneLabelHaveTwoNames(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	other := cctest.MustInstall(t, b.Host, "dice", "cc")
	for _, id := range []string{b.ID, other} {
		if err := b.Host.Launch(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	s := b.Host.Running()
	if len(s) != 2 || s[0].Node != s[0].PackageID[:9]+"@peer0" || s[1].Node != s[1].PackageID[:9]+"@peer0" {
		t.Errorf("they are called %+v", s)
	}
}

func TestClosedHost(t *testing.T) {
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	b.MustCall("context")
	if err := b.Host.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("context")); !errors.Is(err, chaincode.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := b.Host.Close(); err != nil {
		t.Errorf("the second Close gave %v", err)
	}
}

func TestInstalledPackagesSurviveARestart(t *testing.T) {
	dir, l := t.TempDir(), link.New(link.Config{}).Endpoint("peer0", tls.Certificate{}, nil)
	open := func() *chaincode.Host {
		h, err := chaincode.NewHost(chaincode.Config{Peer: "peer0", Dir: dir, Link: l, Use: cctest.InProcess{}})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h := open()
	id := cctest.MustInstall(t, h, "dice", "dice-1.0_x+y")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	h = open()
	if list := h.Installed(); len(list) != 1 || list[0].ID != id || list[0].Label != "dice-1.0_x+y" {
		t.Errorf("after the restart: %+v", list)
	}
	if p, err := h.Package(id); err != nil || p.Sample != "dice" {
		t.Errorf("after the restart: %v, %v", p, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "chaincodes", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the files are %v, %v", files, err)
	}
	other, err := chaincode.PackageSample("asset", "dice-1.0_x+y")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], other, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := h.Package(id); err == nil || !strings.Contains(err.Error(), "was changed since it was installed") {
		t.Errorf("a file that was exchanged gave %v, %v", p, err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHostsThatCannotBe(t *testing.T) {
	l := link.New(link.Config{}).Endpoint("peer0", tls.Certificate{}, nil)
	for want, cfg := range map[string]chaincode.Config{
		"needs Peer, Dir and Link":    {Peer: "p", Dir: t.TempDir()},
		"no chaincode runtime \"vm\"": {Peer: "p", Dir: t.TempDir(), Link: l, Runtime: "vm"},
	} {
		if _, err := chaincode.NewHost(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	b := MustRunFunctions(t, chaincode.Config{}, everyKind)
	b.MustCall("context")
	if left, err := os.ReadDir(temp); err != nil || len(left) != 1 {
		t.Fatalf("while it runs there are %v, %v; expected the socket's directory", left, err)
	}
	if err := b.Host.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("after Close there are %v, %v", left, err)
	}
}
