// Package fabriscopetest gives a Go test a Fabric-style network of its own: peers, ordering
// service and chaincodes that really endorse, order and validate, in about half a second. It
// is what a chaincode's author writes instead of mocks.
//
//	func TestTransfer(t *testing.T) {
//		net := fabriscopetest.Start(t)
//		net.Deploy("tickets", "../chaincode")
//		contract := net.Gateway("Org1", "User1").GetNetwork(net.Topology().Channel).GetContract("tickets")
//		...
//	}
//
// A test that fails leaves a page of its run, which shows in any browser what happened, forwards
// and backwards: see [Network.Page].
//
// Chaincodes run as processes of this computer: they are not isolated, and the Go command builds
// them from their source.
package fabriscopetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/fabriscope/fabriscope/app/player/write"
	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/app/session"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/network"
)

// twoOrganisations is what Start runs unless it is told otherwise: one peer each, one ordering
// node, blocks that are cut at once.
const twoOrganisations = `
organizations: [{name: Org1, peers: 1}, {name: Org2, peers: 1}]
orderers: {nodes: 1}
block: {cut: idle}
clients: [{name: alice, organization: Org1}, {name: bob, organization: Org2}]
chaincodes: []
runtime: process
`

// patience bounds every wait: what takes longer has failed, on a slow machine too.
const patience = 5 * time.Minute

// Network is a network that runs for one test and stops with it. Its methods end the test
// when they fail. All of network.Network can be used beside them: its Nodes are stopped and
// restarted, its Faults hold messages and cut links.
type Network struct {
	*network.Network
	t    testing.TB
	name string
}

// Start runs a network and stops it when the test ends. Topologies are YAML, the last one
// counts; without one there are Org1 and Org2 with a peer each, the clients alice (Org1) and
// bob (Org2), and one ordering node. docs/topology.schema.json describes what one can say.
func Start(t testing.TB, topology ...string) *Network {
	t.Helper()
	text := twoOrganisations
	if len(topology) > 0 {
		text = topology[len(topology)-1]
	}
	parsed, err := network.ParseTopology(t.Name()+".yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	n, err := network.Start(limited(t), parsed, network.Options{})
	if err != nil {
		t.Fatal(err)
	}
	net := &Network{Network: n, t: t, name: t.Name()}
	t.Cleanup(net.end)
	return net
}

func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// end leaves a page if the test has failed, and stops the network.
func (n *Network) end() {
	n.t.Helper()
	if n.t.Failed() {
		if path, err := n.leavePage(); err != nil {
			n.t.Logf("the page of this run: %v", err)
		} else {
			n.t.Logf("what happened: open %s in a browser", path)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Stop(ctx); err != nil {
		n.t.Errorf("stop the network: %v", err)
	}
}

// odd is what a test's name may have and a file's should not.
var odd = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (n *Network) leavePage() (string, error) {
	dir := os.Getenv("FABRISCOPE_PAGES")
	if dir == "" {
		dir = "."
	}
	path, err := filepath.Abs(filepath.Join(dir, odd.ReplaceAllString(n.name, "_")+".html"))
	if err != nil {
		return "", err
	}
	return path, n.Page(path)
}

// Page writes what has happened so far as a page for a browser. A test that fails does it by
// itself, into the folder that the environment's FABRISCOPE_PAGES names or beside the test.
// It holds what messages held: certificates, and the keys and values of the test.
func (n *Network) Page(path string) error {
	topology, err := n.Topology().YAML()
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	meta := trace.Meta{Name: n.name, Topology: string(topology), Started: time.Now()}
	head := session.PageHead(meta)
	head.Contents, head.Of = true, n.Trace().Last()
	if head.First = 1; head.Of > write.MostEvents {
		head.First, head.Events = head.Of-write.MostEvents+1, write.MostEvents
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write.Page(f, n.Trace(), report.PageInfo{Meta: meta}, head), f.Close())
}

// Deploy builds a chaincode from the folder of its Go source and commits it under a name; all
// organisations approve it. A name that is there is upgraded.
func (n *Network) Deploy(name, path string) {
	n.t.Helper()
	n.DeployChaincode(network.Chaincode{Name: name, Path: path})
}

// DeployChaincode is Deploy with everything that a topology can say of a chaincode: its
// endorsement policy, its version, an address where it runs.
func (n *Network) DeployChaincode(c network.Chaincode) {
	n.t.Helper()
	if c.Path != "" {
		path, err := filepath.Abs(c.Path)
		if err != nil {
			n.t.Fatal(err)
		}
		c.Path = path
	}
	if _, err := n.Chaincodes.Deploy(limited(n.t), c); err != nil {
		n.t.Fatalf("deploy %s: %v", c.Name, err)
	}
}

// Submit endorses and orders a transaction as one of the network's clients, and waits for the
// verdict. A transaction that is not valid is a result; one that nobody endorses ends the test.
func (n *Network) Submit(client, chaincode, function string, args ...string) *network.Result {
	n.t.Helper()
	tx := n.Begin(client, chaincode, function, args...)
	return n.wait(tx)
}

// Begin is Submit without the wait: Wait, of what it gives, or Together bring the result.
func (n *Network) Begin(client, chaincode, function string, args ...string) *network.TxHandle {
	n.t.Helper()
	c, err := n.Client(client)
	if err != nil {
		n.t.Fatal(err)
	}
	tx, err := c.Begin(limited(n.t), network.Call{Chaincode: chaincode, Function: function, Args: args})
	if err != nil {
		n.t.Fatalf("%s calls %s of %s: %v", client, function, chaincode, err)
	}
	return tx
}

func (n *Network) wait(tx *network.TxHandle) *network.Result {
	n.t.Helper()
	result, err := tx.Wait(limited(n.t))
	var refused *network.CommitError
	if errors.As(err, &refused) {
		return refused.Result
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return result
}

// Together lets transactions race: all are endorsed before the first is ordered, so that all
// have read the same state, and they are ordered in the order in which they stand. A call is
// made by its Client.
func (n *Network) Together(calls ...Call) []*network.Result {
	n.t.Helper()
	hold, err := n.Faults.Hold(link.Filter{Kind: trace.Broadcast})
	if err != nil {
		n.t.Fatal(err)
	}
	handles := make([]*network.TxHandle, len(calls))
	for i, c := range calls {
		handles[i] = n.Begin(c.Client, c.Chaincode, c.Function, c.Args...)
	}
	var held []link.HeldMessage
	err = network.Poll(limited(n.t), func() (bool, error) {
		held, err = n.Faults.Held()
		return len(held) == len(calls), err
	})
	if err != nil {
		n.t.Fatalf("wait until all are endorsed: %v", err)
	}
	results := make([]*network.Result, len(calls))
	for i, h := range handles {
		for _, m := range held {
			if m.Event.TxID == h.TxID {
				if _, err := n.Faults.Release(m.Event.Msg); err != nil {
					n.t.Fatal(err)
				}
			}
		}
		results[i] = n.wait(h)
	}
	if err := n.Faults.Unhold(hold); err != nil {
		n.t.Fatal(err)
	}
	return results
}

// Call is a transaction and who submits it.
type Call struct {
	Client, Chaincode, Function string
	Args                        []string
}

// Evaluate asks one peer as one of the network's clients and gives the answer; nothing is
// ordered.
func (n *Network) Evaluate(client, chaincode, function string, args ...string) []byte {
	n.t.Helper()
	c, err := n.Client(client)
	if err != nil {
		n.t.Fatal(err)
	}
	result, err := c.Evaluate(limited(n.t), network.Call{Chaincode: chaincode, Function: function, Args: args})
	if err != nil {
		n.t.Fatalf("%s asks for %s of %s: %v", client, function, chaincode, err)
	}
	return result.Payload
}

// WhyInvalid says why a transaction is not valid: the code and the peer's reason. "" if it is
// valid, or has no verdict yet.
func (n *Network) WhyInvalid(txID string) string {
	doc, err := report.Explain(n.Trace(), txID)
	if err != nil || doc.Tx == nil || doc.Tx.Reason == "" {
		return ""
	}
	return doc.Tx.Code + ": " + doc.Tx.Reason
}

// Gateway connects a user of an organisation (Admin, User1 and the topology's users) through
// its first peer with Fabric's own client library, as an application would. It is closed when
// the test ends.
func (n *Network) Gateway(org, user string, options ...client.ConnectOption) *client.Gateway {
	n.t.Helper()
	o := n.organization(org)
	dir := filepath.Join(n.Dir(), "organizations", "peerOrganizations", o.Domain)
	id, sign, err := identityOf(filepath.Join(dir, "users", user+"@"+o.Domain, "msp"), o.MSPID)
	if err != nil {
		n.t.Fatalf("user %s of %s: %v", user, org, err)
	}
	peer := o.PeerName(0)
	tls, err := credentials.NewClientTLSFromFile(filepath.Join(dir, "peers", peer, "tls", "ca.crt"), peer)
	if err != nil {
		n.t.Fatal(err)
	}
	conn, err := grpc.NewClient(n.address(peer), grpc.WithTransportCredentials(tls))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = conn.Close() }) // nothing is left to be told on it
	options = append([]client.ConnectOption{client.WithSign(sign), client.WithHash(hash.SHA256), client.WithClientConnection(conn),
		client.WithEvaluateTimeout(patience), client.WithEndorseTimeout(patience), client.WithSubmitTimeout(patience),
		client.WithCommitStatusTimeout(patience)}, options...)
	gateway, err := client.Connect(id, options...)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = gateway.Close() })
	return gateway
}

func (n *Network) organization(name string) *network.Organization {
	n.t.Helper()
	var names []string
	for i := range n.Topology().Organizations {
		o := &n.Topology().Organizations[i]
		if o.Name == name {
			return o
		}
		names = append(names, o.Name)
	}
	n.t.Fatalf("there is no organisation %s; there are %s", name, strings.Join(names, ", "))
	return nil
}

func (n *Network) address(node string) string {
	n.t.Helper()
	for _, s := range n.Nodes.Status(limited(n.t)) {
		if s.Name == node {
			return s.Addr
		}
	}
	n.t.Fatalf("there is no node %s", node)
	return ""
}

// identityOf reads a user's certificate and key.
func identityOf(dir, mspID string) (*identity.X509Identity, identity.Sign, error) {
	certPEM, errCert := os.ReadFile(filepath.Join(dir, "signcerts", "cert.pem"))
	keyPEM, errKey := onlyFile(filepath.Join(dir, "keystore"))
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, nil, err
	}
	cert, err := identity.CertificateFromPEM(certPEM)
	if err != nil {
		return nil, nil, err
	}
	key, err := identity.PrivateKeyFromPEM(keyPEM)
	if err != nil {
		return nil, nil, err
	}
	id, err := identity.NewX509Identity(mspID, cert)
	if err != nil {
		return nil, nil, err
	}
	sign, err := identity.NewPrivateKeySign(key)
	return id, sign, err
}

func onlyFile(dir string) ([]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("%s holds %d files, not one", dir, len(files))
	}
	return os.ReadFile(filepath.Join(dir, files[0].Name()))
}
