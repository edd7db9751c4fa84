package chaincode_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// MustServe runs a chaincode as a service, on the real shim, and gives the function that
// ends it.
func MustServe(t *testing.T, listener net.Listener, id string, creds credentials.TransportCredentials, cc shim.Chaincode) (stop func()) {
	t.Helper()
	server := grpc.NewServer(grpc.Creds(creds))
	peerpb.RegisterChaincodeServer(server, &shim.ChaincodeServer{CCID: id, CC: cc})
	go server.Serve(listener) //nolint:errcheck // it ends with Stop
	t.Cleanup(server.Stop)
	return server.Stop
}

func MustListen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// MustExternal makes a host with a ccaas package for that connection.
func MustExternal(t *testing.T, conn external.Connection, rec ...*trace.Recorder) *cctest.Bench {
	t.Helper()
	cfg := chaincode.Config{Use: cctest.InProcess{}}
	if len(rec) > 0 {
		cfg.Trace = rec[0]
	}
	h := cctest.MustHost(t, cfg)
	raw, err := chaincode.PackageExternal("cc", conn)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Install(context.Background(), raw)
	if err != nil {
		t.Fatal(err)
	}
	return &cctest.Bench{TB: t, Host: h, ID: p.ID, Ledger: cctest.NewLedger()}
}

var hello = function(func(s shim.ChaincodeStubInterface) (string, error) {
	return "hello", s.PutState("k", []byte("v"))
})

// ownAddress is a loopback address whose ports nobody but this test gets, where the system
// has more than one such address: a port that is closed stays free until it is opened again.
func ownAddress() string {
	host := fmt.Sprintf("127.%d.%d.%d", 1+mathrand.IntN(250), mathrand.IntN(250), 2+mathrand.IntN(250))
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return host + ":0"
}

func TestExternalChaincode(t *testing.T) {
	l := MustListen(t, ownAddress())
	rec := trace.NewRecorder(trace.Options{})
	b := MustExternal(t, external.Connection{Address: l.Addr().String()}, rec)
	stop := MustServe(t, l, b.ID, insecure.NewCredentials(), hello)
	if got := b.MustCall("f"); got != "hello" || string(b.Ledger.Get("k")) != "v" {
		t.Errorf("got %q", got)
	}
	s := b.Host.Running()
	if len(s) != 1 || s[0].Runtime != "external" || s[0].Instance != l.Addr().String() || !s[0].Ready {
		t.Errorf("Running gave %+v", s)
	}
	if e := byKind(rec, trace.LaunchStart); len(e) != 1 || e[0].Name != "external" {
		t.Errorf("the trace has %+v", e)
	}
	// Its owner restarts it: the next call dials again.
	stop()
	if _, err := b.Host.Execute(t.Context(), b.ID, b.Ledger.Invocation("f")); !errors.Is(err, chaincode.ErrLaunch) && !errors.Is(err, chaincode.ErrStreamTerminated) {
		t.Errorf("while it is down: %v", err)
	}
	MustServe(t, MustListen(t, l.Addr().String()), b.ID, insecure.NewCredentials(), hello)
	if got := b.MustCall("f"); got != "hello" {
		t.Errorf("got %q", got)
	}
}

func TestExternalChaincodeThatIsNotThere(t *testing.T) {
	const address = "127.0.0.1:1" // a port that is never given to who asks for any
	b := MustExternal(t, external.Connection{Address: address, DialTimeout: external.Duration(50 * time.Millisecond)})
	if err := b.Host.Launch(t.Context(), b.ID); !errors.Is(err, chaincode.ErrLaunch) || !strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
}

func TestExternalChaincodeWithAnotherName(t *testing.T) {
	l := MustListen(t, "127.0.0.1:0")
	b := MustExternal(t, external.Connection{Address: l.Addr().String()})
	MustServe(t, l, "other:00", insecure.NewCredentials(), hello)
	if err := b.Host.Launch(t.Context(), b.ID); !errors.Is(err, chaincode.ErrLaunch) || !strings.Contains(err.Error(), `registered as "other:00"`) {
		t.Errorf("got %v", err)
	}
}

// MustCertificate makes a self-signed certificate for a name.
func MustCertificate(t *testing.T, name string) (certPEM, keyPEM string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	keyPEM = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}))
	pair, err = tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		t.Fatal(err)
	}
	return certPEM, keyPEM, pair
}

func TestExternalChaincodeOverMutualTLS(t *testing.T) {
	serverCert, _, serverPair := MustCertificate(t, "cc.example.com")
	clientCert, clientKey, _ := MustCertificate(t, "peer0")
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM([]byte(clientCert))
	l := MustListen(t, "127.0.0.1:0")
	conn := external.Connection{
		Address: l.Addr().String(), TLSRequired: true, ClientAuthRequired: true,
		RootCert: serverCert, ClientCert: clientCert, ClientKey: clientKey, Domain: "cc.example.com",
	}
	b := MustExternal(t, conn)
	creds := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{serverPair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients})
	MustServe(t, l, b.ID, creds, hello)
	if got := b.MustCall("f"); got != "hello" {
		t.Errorf("got %q", got)
	}
	conn.RootCert = clientCert                        // the wrong authority
	conn.DialTimeout = external.Duration(time.Second) // enough to hear what is wrong
	wrong := MustExternal(t, conn)
	if err := wrong.Host.Launch(t.Context(), wrong.ID); !errors.Is(err, chaincode.ErrLaunch) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("with a wrong authority: %v", err)
	}
}
