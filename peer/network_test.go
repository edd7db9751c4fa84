package peer_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/launch"
	"github.com/fabriscope/fabriscope/chaincode/samples"
	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/deliver"
	"github.com/fabriscope/fabriscope/internal/link"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer"
)

func TestMain(m *testing.M) {
	samples.Hook() // the process runtime starts this binary as a sample
	os.Exit(m.Run())
}

const channelName = "mychannel"

// organisations is who the test networks are made of; keys are made once.
type organisations struct{ one, two, ordering *msp.Org }

var makeOrganisations = sync.OnceValues(func() (*organisations, error) {
	hosts := []string{"localhost", "127.0.0.1"}
	spec := func(id, domain string, orderer bool, names ...string) (*msp.Org, error) {
		s := msp.OrgSpec{MSPID: id, Domain: domain, Orderer: orderer}
		for _, name := range names {
			s.Nodes = append(s.Nodes, msp.NodeSpec{Name: name, Hosts: hosts})
		}
		return msp.Generate(s)
	}
	one, err1 := spec("Org1MSP", "org1.example.com", false, "peer0", "peer1")
	two, err2 := spec("Org2MSP", "org2.example.com", false, "peer0")
	ordering, err3 := spec("OrdererMSP", "example.com", true, "orderer0", "orderer1")
	return &organisations{one, two, ordering}, errors.Join(err1, err2, err3)
})

// network is a real network in this process, except that its ordering service is
// one list of blocks that two servers share.
type network struct {
	*organisations
	t        testing.TB
	trace    *trace.Recorder
	link     *link.Net
	roots    *x509.CertPool
	verifier *msp.Verifier
	genesis  *commonpb.Block
	chain    *chain
	orderers []*solo
	peers    map[string]*peer.Peer
	configs  map[string]peer.Config
	client   *link.Endpoint
	conns    map[string]*grpc.ClientConn
}

// options change what MustNetwork makes.
type options struct {
	peers      []string // names; the default is one peer of each organisation
	chaincodes map[string]shim.Chaincode
	timeout    time.Duration // of an invocation
	limits     peer.Limits
	acls       map[string]string
	endorsers  string // the channel's endorsement policy, "" for the majority
	noTrace    bool
	memory     bool // remember signatures that hold, as a network in one process does
	process    bool // samples run as child processes
}

// MustNetwork starts a network whose peers have joined the channel.
func MustNetwork(t testing.TB, o options) *network {
	t.Helper()
	orgs, err := makeOrganisations()
	if err != nil {
		t.Fatal(err)
	}
	n := &network{organisations: orgs, t: t, peers: map[string]*peer.Peer{}, configs: map[string]peer.Config{}, conns: map[string]*grpc.ClientConn{}, roots: x509.NewCertPool()}
	if !o.noTrace {
		n.trace = trace.NewRecorder(trace.Options{})
	}
	if o.memory {
		n.verifier = msp.NewVerifier(1 << 16)
	}
	n.link = link.New(link.Config{Trace: n.trace})
	for _, org := range []*msp.Org{orgs.one, orgs.two, orgs.ordering} {
		n.roots.AddCert(org.TLSCA.Cert())
	}
	user := orgs.one.User("User1")
	n.client = n.link.Endpoint("alice", user.TLS, n.roots)
	n.chain = &chain{signer: orgs.ordering.Node("orderer0").Signer}
	for _, name := range []string{"orderer0", "orderer1"} {
		n.orderers = append(n.orderers, n.MustOrderer(name))
	}
	n.genesis = n.MustGenesis(o)
	n.chain.add(n.genesis)
	names := o.peers
	if names == nil {
		names = []string{"peer0.org1.example.com", "peer0.org2.example.com"}
	}
	for _, name := range names {
		n.MustPeer(name, o)
	}
	n.introduce()
	return n
}

// MustGenesis makes the channel's first block.
func (n *network) MustGenesis(o options) *commonpb.Block {
	n.t.Helper()
	profile := channelconfig.Profile{
		Channel: channelName, ACLs: o.acls,
		Orgs: []channelconfig.OrgProfile{{MSPID: "Org1MSP", Config: n.one.MSPConfig()}, {MSPID: "Org2MSP", Config: n.two.MSPConfig()}},
	}
	if o.endorsers != "" {
		profile.Policies = map[string]string{"/Channel/Application/Endorsement": o.endorsers, "/Channel/Application/LifecycleEndorsement": o.endorsers}
	}
	ordering := channelconfig.OrdererOrgProfile{MSPID: "OrdererMSP", Config: n.ordering.MSPConfig()}
	for _, s := range n.orderers {
		ordering.Endpoints = append(ordering.Endpoints, s.target.Addr)
		cert := n.ordering.Node(s.target.Name).TLSCertPEM
		profile.Consenters = append(profile.Consenters, &raftpb.Consenter{Host: s.target.Name, Port: 7050, ClientTlsCert: cert, ServerTlsCert: cert})
	}
	profile.OrdererOrgs = []channelconfig.OrdererOrgProfile{ordering}
	block, err := channelconfig.Genesis(profile)
	if err != nil {
		n.t.Fatal(err)
	}
	return block
}

func (n *network) orgOf(name string) *msp.Org {
	if strings.HasSuffix(name, n.two.Domain) {
		return n.two
	}
	return n.one
}

// MustPeer starts a peer with a directory of its own, and lets it join.
func (n *network) MustPeer(name string, o options) *peer.Peer {
	n.t.Helper()
	org := n.orgOf(name)
	me := org.Node(name)
	config := peer.Config{
		Name: name, MSPID: org.MSPID, Signer: me.Signer, MSP: org.MSPConfig(), Dir: n.t.TempDir(),
		Link: n.link.Endpoint(name, me.TLS, n.roots), Trace: n.trace, Verifier: n.verifier, Limits: o.limits,
	}
	config.Chaincode = chaincode.Config{ExecuteTimeout: o.timeout, Runtime: "process"}
	if !o.process {
		config.Chaincode.Use = inProcess(o.chaincodes)
	}
	n.configs[name] = config
	p := n.MustStart(name)
	if err := p.JoinChannel(n.genesis, n.targets()); err != nil {
		n.t.Fatal(err)
	}
	return p
}

// MustStart starts a peer from its configuration, again if it has run before.
func (n *network) MustStart(name string) *peer.Peer {
	n.t.Helper()
	p, err := peer.New(n.configs[name])
	if err != nil {
		n.t.Fatal(err)
	}
	n.peers[name] = p
	n.t.Cleanup(func() {
		if err := p.Close(); err != nil {
			n.t.Errorf("close %s: %v", name, err)
		}
	})
	return p
}

// introduce tells every peer where the others are.
func (n *network) introduce() {
	var infos []peer.PeerInfo
	for name, p := range n.peers {
		infos = append(infos, peer.PeerInfo{Name: name, MSPID: n.orgOf(name).MSPID, Target: link.Target{Name: name, Addr: p.Addr(), ServerName: name}})
	}
	for _, p := range n.peers {
		p.SetPeers(infos)
		p.SetOrderers(n.targets())
	}
}

func (n *network) targets() []link.Target {
	var targets []link.Target
	for _, s := range n.orderers {
		targets = append(targets, s.target)
	}
	return targets
}

func (n *network) peer0() *peer.Peer { return n.peers["peer0.org1.example.com"] }

// chain is the blocks that the ordering servers share.
type chain struct {
	deliver.Tip
	signer *msp.Signer

	mu         sync.Mutex
	blocks     []*commonpb.Block
	lastConfig uint64
}

// Block makes the chain a deliver.Source.
func (c *chain) Block(number uint64) (*commonpb.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks[number], nil
}

func (c *chain) add(b *commonpb.Block) {
	c.blocks = append(c.blocks, b)
	c.Set(uint64(len(c.blocks)))
}

// order puts envelopes into a block of their own.
func (c *chain) order(envelopes ...*commonpb.Envelope) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var data [][]byte
	for _, e := range envelopes {
		raw, err := proto.Marshal(e)
		if err != nil {
			return err
		}
		data = append(data, raw)
	}
	last := c.blocks[len(c.blocks)-1]
	b := wire.NewBlock(uint64(len(c.blocks)), wire.BlockHash(last.GetHeader()), data)
	if wire.IsConfigBlock(b) {
		c.lastConfig = b.GetHeader().GetNumber()
	}
	if err := signBlock(b, c.signer, c.lastConfig); err != nil {
		return err
	}
	c.add(b)
	return nil
}

func signBlock(b *commonpb.Block, signer *msp.Signer, lastConfig uint64) error {
	value, err1 := proto.Marshal(&commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{Index: lastConfig}})
	header, err2 := proto.Marshal(&commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()})
	signature, err3 := signer.SignParts(value, header, wire.HeaderBytes(b.GetHeader()))
	metadata, err4 := proto.Marshal(&commonpb.Metadata{Value: value, Signatures: []*commonpb.MetadataSignature{{SignatureHeader: header, Signature: signature}}})
	wire.SetMetadata(b, commonpb.BlockMetadataIndex_SIGNATURES, metadata)
	return errors.Join(err1, err2, err3, err4)
}

// solo is one ordering server.
type solo struct {
	ordererpb.UnimplementedAtomicBroadcastServer
	chain  *chain
	seeks  *deliver.Server
	target link.Target
	server *link.Server

	mu     sync.Mutex
	answer *ordererpb.BroadcastResponse // instead of ordering, if not nil
	hold   bool                         // keep envelopes back
	held   []*commonpb.Envelope
}

// MustOrderer starts an ordering server.
func (n *network) MustOrderer(name string) *solo {
	n.t.Helper()
	full := name + "." + n.ordering.Domain
	me := n.ordering.Node(full)
	listener, err := link.Listen("127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	s := &solo{chain: n.chain, target: link.Target{Name: full, Addr: listener.Addr().String(), ServerName: full}}
	s.seeks = &deliver.Server{Lookup: func(string) (*deliver.Channel, bool) {
		return &deliver.Channel{Source: n.chain, Judge: func(policy.Signed) (time.Time, error) { return time.Time{}, nil }}, true
	}}
	s.server = n.link.Endpoint(full, me.TLS, n.roots).NewServer()
	ordererpb.RegisterAtomicBroadcastServer(s.server, s)
	go func() { _ = s.server.Serve(listener) }() // ends with Stop
	n.t.Cleanup(s.server.Stop)
	return s
}

// Broadcast orders what comes, each envelope in a block of its own.
func (s *solo) Broadcast(stream ordererpb.AtomicBroadcast_BroadcastServer) error {
	for {
		envelope, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.mu.Lock()
		answer := s.answer
		if answer == nil {
			answer = &ordererpb.BroadcastResponse{Status: commonpb.Status_SUCCESS}
			if s.hold {
				s.held = append(s.held, envelope)
			} else if err := s.chain.order(envelope); err != nil {
				s.mu.Unlock()
				return err
			}
		}
		s.mu.Unlock()
		if err := stream.Send(answer); err != nil {
			return err
		}
		if answer.GetStatus() != commonpb.Status_SUCCESS {
			return nil
		}
	}
}

// Deliver serves the chain.
func (s *solo) Deliver(stream ordererpb.AtomicBroadcast_DeliverServer) error {
	return s.seeks.Serve(deliver.Stream{
		Context: stream.Context(), Recv: stream.Recv,
		Block: func(_ *deliver.Request, b *commonpb.Block) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Block{Block: b}})
		},
		Status: func(status commonpb.Status) error {
			return stream.Send(&ordererpb.DeliverResponse{Type: &ordererpb.DeliverResponse_Status{Status: status}})
		},
	})
}

// MustConn connects to a peer as a client of the network.
func (n *network) MustConn(name string) *grpc.ClientConn {
	p := n.peers[name]
	if conn, ok := n.conns[name+p.Addr()]; ok {
		return conn
	}
	n.t.Helper()
	conn, err := n.client.Dial(link.Target{Name: name, Addr: p.Addr(), ServerName: name})
	if err != nil {
		n.t.Fatal(err)
	}
	n.conns[name+p.Addr()] = conn
	n.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (n *network) user() *msp.Signer  { return n.one.User("User1").Signer }
func (n *network) admin() *msp.Signer { return n.one.User("Admin").Signer }

// MustPropose makes and signs a proposal.
func MustPropose(t testing.TB, signer *msp.Signer, spec wire.ProposalSpec) (*wire.Proposal, *peerpb.SignedProposal) {
	t.Helper()
	spec.Creator = signer.Creator()
	proposal, err := wire.NewProposal(spec)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := proposal.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	return proposal, signed
}

func strs(args ...string) [][]byte {
	out := make([][]byte, len(args))
	for i, a := range args {
		out[i] = []byte(a)
	}
	return out
}

// call is a proposal for a chaincode of the channel.
func call(name string, args ...string) wire.ProposalSpec {
	return wire.ProposalSpec{Channel: channelName, Chaincode: name, Args: strs(args...)}
}

// endorse sends a signed proposal to a peer.
func (n *network) endorse(at string, signed *peerpb.SignedProposal) (*peerpb.ProposalResponse, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return peerpb.NewEndorserClient(n.MustConn(at)).ProcessProposal(ctx, signed)
}

// ask proposes as a user of the first organisation and gives the answer.
func (n *network) ask(t testing.TB, at string, signer *msp.Signer, spec wire.ProposalSpec) *peerpb.ProposalResponse {
	t.Helper()
	_, signed := MustPropose(t, signer, spec)
	response, err := n.endorse(at, signed)
	if err != nil {
		t.Fatalf("%s refuses: %v", at, err)
	}
	return response
}

// MustSubmit has the peers endorse, orders the transaction and waits until every
// peer has committed it. It gives the verdict and the id.
func (n *network) MustSubmit(t testing.TB, signer *msp.Signer, spec wire.ProposalSpec, at ...string) (peerpb.TxValidationCode, string) {
	t.Helper()
	proposal, signed := MustPropose(t, signer, spec)
	var responses []*peerpb.ProposalResponse
	for _, name := range at {
		response, err := n.endorse(name, signed)
		if err != nil {
			t.Fatalf("%s refuses: %v", name, err)
		}
		if s := response.GetResponse().GetStatus(); s != 200 {
			t.Fatalf("%s answers %d: %s", name, s, response.GetResponse().GetMessage())
		}
		responses = append(responses, response)
	}
	payload, err := wire.AssembleTransaction(proposal.Parsed, responses)
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := wire.SignEnvelope(payload, signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.chain.order(envelope); err != nil {
		t.Fatal(err)
	}
	return n.MustVerdict(t, proposal.TxID), proposal.TxID
}

// MustVerdict waits until every peer has committed a transaction; all must agree.
func (n *network) MustVerdict(t testing.TB, txID string) peerpb.TxValidationCode {
	t.Helper()
	code := peerpb.TxValidationCode_NOT_VALIDATED
	for name, p := range n.peers {
		got := MustTx(t, p, txID)
		if code != peerpb.TxValidationCode_NOT_VALIDATED && got != code {
			t.Fatalf("%s says %s, another peer %s", name, got, code)
		}
		code = got
	}
	return code
}

// MustTx waits until a peer has committed a transaction.
func MustTx(t testing.TB, p *peer.Peer, txID string) peerpb.TxValidationCode {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		_, grown := p.Ledger(channelName).Grown()
		status, ok, err := p.Ledger(channelName).TxStatus(txID)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return status.Code
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("transaction %s was not committed", txID)
		}
	}
}

// MustHeight waits until a peer has that many blocks.
func MustHeight(t testing.TB, p *peer.Peer, height uint64) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		now, grown := p.Ledger(channelName).Grown()
		if now >= height {
			return
		}
		select {
		case <-grown:
		case <-deadline:
			t.Fatalf("the peer has %d blocks, %d were expected", now, height)
		}
	}
}

// MustEvent waits until something was recorded.
func (n *network) MustEvent(t testing.TB, is func(trace.Event) bool) trace.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	event, _, err := n.trace.Wait(ctx, 0, func(e *trace.Event) bool { return is(*e) })
	if err != nil {
		t.Fatalf("the event was not recorded: %v", err)
	}
	return event
}

// definition says what MustDeploy defines.
type definition struct {
	name, label string
	sequence    int64
	version     string
	policy      string // in the policy language; "" is the channel's
	init        bool
}

// lifecycle is a proposal for _lifecycle.
func lifecycle(t testing.TB, channel, function string, args proto.Message) wire.ProposalSpec {
	t.Helper()
	raw, err := proto.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return wire.ProposalSpec{Channel: channel, Chaincode: "_lifecycle", Args: [][]byte{[]byte(function), raw}}
}

// MustInstall installs a package on every peer and gives its id.
func (n *network) MustInstall(t testing.TB, sample, label string) string {
	t.Helper()
	raw, err := chaincode.PackageSample(sample, label)
	if err != nil {
		t.Fatal(err)
	}
	for name := range n.peers {
		admin := n.orgOf(name).User("Admin").Signer
		response := n.ask(t, name, admin, lifecycle(t, "", "InstallChaincode", &lifecyclepb.InstallChaincodeArgs{ChaincodeInstallPackage: raw}))
		if response.GetResponse().GetStatus() != 200 && !strings.Contains(response.GetResponse().GetMessage(), "already successfully installed") {
			t.Fatalf("install at %s: %s", name, response.GetResponse().GetMessage())
		}
	}
	return chaincode.PackageID(label, raw)
}

func (d definition) parameter(t testing.TB) []byte {
	t.Helper()
	if d.policy == "" {
		return nil
	}
	env, err := policy.Parse(d.policy)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(&peerpb.ApplicationPolicy{Type: &peerpb.ApplicationPolicy_SignaturePolicy{SignaturePolicy: env}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (d definition) approval(t testing.TB, packageID string) *lifecyclepb.ApproveChaincodeDefinitionForMyOrgArgs {
	t.Helper()
	return &lifecyclepb.ApproveChaincodeDefinitionForMyOrgArgs{
		Name: d.name, Sequence: d.sequence, Version: d.version, InitRequired: d.init, ValidationParameter: d.parameter(t),
		Source: &lifecyclepb.ChaincodeSource{Type: &lifecyclepb.ChaincodeSource_LocalPackage{LocalPackage: &lifecyclepb.ChaincodeSource_Local{PackageId: packageID}}},
	}
}

func (d definition) commit(t testing.TB) *lifecyclepb.CommitChaincodeDefinitionArgs {
	t.Helper()
	return &lifecyclepb.CommitChaincodeDefinitionArgs{Name: d.name, Sequence: d.sequence, Version: d.version, InitRequired: d.init, ValidationParameter: d.parameter(t)}
}

// firstPeers is one peer of each organisation that has one.
func (n *network) firstPeers() []string {
	var list []string
	for _, name := range []string{"peer0.org1.example.com", "peer0.org2.example.com"} {
		if n.peers[name] != nil {
			list = append(list, name)
		}
	}
	return list
}

// MustDeploy installs, approves and commits, as an administrator would.
func (n *network) MustDeploy(t testing.TB, sample string, d definition) string {
	t.Helper()
	if d.sequence == 0 {
		d.sequence = 1
	}
	if d.version == "" {
		d.version = "1"
	}
	if d.label == "" {
		d.label = d.name
	}
	id := n.MustInstall(t, sample, d.label)
	for _, name := range n.firstPeers() {
		admin := n.orgOf(name).User("Admin").Signer
		code, _ := n.MustSubmit(t, admin, lifecycle(t, channelName, "ApproveChaincodeDefinitionForMyOrg", d.approval(t, id)), name)
		if code != peerpb.TxValidationCode_VALID {
			t.Fatalf("approval at %s: %s", name, code)
		}
	}
	code, _ := n.MustSubmit(t, n.admin(), lifecycle(t, channelName, "CommitChaincodeDefinition", d.commit(t)), n.firstPeers()...)
	if code != peerpb.TxValidationCode_VALID {
		t.Fatalf("commit of the definition: %s", code)
	}
	for name := range n.peers {
		if n.trace == nil {
			break
		}
		note := fmt.Sprintf("version %s, sequence %d", d.version, d.sequence)
		n.MustEvent(t, func(e trace.Event) bool {
			return e.Kind == trace.DefinitionKnown && e.Node == name && e.Key == d.name && e.Note == note
		})
	}
	return id
}

// inProcess runs chaincodes, by label, in goroutines of the test on Fabric's shim.
type inProcess map[string]shim.Chaincode

// Build does nothing: the tests' chaincodes are part of the test.
func (inProcess) Build(context.Context, launch.Spec) error { return nil }

// Start runs the chaincode with the spec's label.
func (p inProcess) Start(_ context.Context, spec launch.Spec) (launch.Instance, error) {
	cc := p[spec.Label]
	if cc == nil {
		return nil, fmt.Errorf("no chaincode %q in this test", spec.Label)
	}
	conn, err := grpc.NewClient("unix://"+spec.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(100<<20), grpc.MaxCallSendMsgSize(100<<20)))
	if err != nil {
		return nil, err
	}
	stream, err := peerpb.NewChaincodeSupportClient(conn).Register(context.Background())
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	in := &running{conn: conn, done: make(chan struct{})}
	go func() {
		defer close(in.done)
		in.err = shim.StartInProc(spec.PackageID, &serial{ClientStream: stream}, cc)
		_ = conn.Close() // the end is all that matters
	}()
	return in, nil
}

// serial is a stream on which the shim may close its sending side while an answer of its
// own is still being sent, as it does at the end: gRPC does not allow both at once.
type serial struct {
	shim.ClientStream
	mu sync.Mutex
}

func (s *serial) Send(m *peerpb.ChaincodeMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ClientStream.Send(m)
}

func (s *serial) CloseSend() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ClientStream.CloseSend()
}

type running struct {
	conn *grpc.ClientConn
	done chan struct{}
	err  error // written before done is closed
}

func (r *running) Stop(ctx context.Context) error {
	_ = r.conn.Close() // twice is an error that does not matter
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (r *running) Done() <-chan struct{} { return r.done }
func (r *running) ID() string            { return "in process" }
func (r *running) Output() string        { return "" }
func (r *running) Err() error {
	select {
	case <-r.done:
		return r.err
	default:
		return nil
	}
}
