package validate_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// organisations is who the test channels are made of; keys are made once.
type organisations struct{ one, two, orderer *msp.Org }

var makeOrganisations = sync.OnceValues(func() (*organisations, error) {
	one, err := msp.Generate(msp.OrgSpec{MSPID: "Org1MSP", Domain: "org1.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}, {Name: "peer1"}}})
	if err != nil {
		return nil, err
	}
	two, err := msp.Generate(msp.OrgSpec{MSPID: "Org2MSP", Domain: "org2.example.com", Nodes: []msp.NodeSpec{{Name: "peer0"}}})
	if err != nil {
		return nil, err
	}
	orderer, err := msp.Generate(msp.OrgSpec{MSPID: "OrdererMSP", Domain: "example.com", Orderer: true, Nodes: []msp.NodeSpec{{Name: "orderer0"}}})
	return &organisations{one, two, orderer}, err
})

const channelName = "mychannel"

// network makes the blocks of a channel of two organisations.
type network struct {
	*organisations
	next     uint64
	previous []byte
}

func MustNetwork(t testing.TB) *network {
	t.Helper()
	o, err := makeOrganisations()
	if err != nil {
		t.Fatal(err)
	}
	return &network{organisations: o}
}

func (n *network) client() *msp.Signer   { return n.one.User("User1").Signer }
func (n *network) peer1() *msp.Signer    { return n.one.Node("peer0").Signer }
func (n *network) peer2() *msp.Signer    { return n.two.Node("peer0").Signer }
func (n *network) ordering() *msp.Signer { return n.orderer.Node("orderer0").Signer }

// MustGenesis makes block 0.
func (n *network) MustGenesis(t testing.TB) *commonpb.Block {
	t.Helper()
	cert := n.orderer.Node("orderer0").TLSCertPEM
	block, err := channelconfig.Genesis(channelconfig.Profile{
		Channel: channelName,
		Orgs:    []channelconfig.OrgProfile{{MSPID: "Org1MSP", Config: n.one.MSPConfig()}, {MSPID: "Org2MSP", Config: n.two.MSPConfig()}},
		OrdererOrgs: []channelconfig.OrdererOrgProfile{
			{Name: "OrdererOrg", Config: n.orderer.MSPConfig(), Endpoints: []string{"orderer0.example.com:7050"}},
		},
		Consenters: []*raftpb.Consenter{{Host: "orderer0.example.com", Port: 7050, ClientTlsCert: cert, ServerTlsCert: cert}},
	})
	if err != nil {
		t.Fatal(err)
	}
	n.next, n.previous = 1, wire.BlockHash(block.GetHeader())
	return block
}

// MustBlock makes the next block, signed by an ordering node.
func (n *network) MustBlock(t testing.TB, envelopes ...[]byte) *commonpb.Block {
	t.Helper()
	b := wire.NewBlock(n.next, n.previous, envelopes)
	n.MustSignBlock(t, b, n.ordering())
	n.next, n.previous = n.next+1, wire.BlockHash(b.GetHeader())
	return b
}

func (n *network) MustSignBlock(t testing.TB, b *commonpb.Block, signer *msp.Signer) {
	t.Helper()
	value := MustMarshal(t, &commonpb.OrdererBlockMetadata{LastConfig: &commonpb.LastConfig{}})
	header := MustMarshal(t, &commonpb.SignatureHeader{Creator: signer.Creator(), Nonce: wire.NewNonce()})
	signature := MustSign(t, signer, value, header, wire.HeaderBytes(b.GetHeader()))
	wire.SetMetadata(b, commonpb.BlockMetadataIndex_SIGNATURES, MustMarshal(t, &commonpb.Metadata{
		Value: value, Signatures: []*commonpb.MetadataSignature{{SignatureHeader: header, Signature: signature}},
	}))
}

func MustMarshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func MustSign(t testing.TB, s *msp.Signer, parts ...[]byte) []byte {
	t.Helper()
	var message []byte
	for _, p := range parts {
		message = append(message, p...)
	}
	signature, err := s.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// transaction says what an endorser transaction is to look like; the zero value
// of most fields is the right thing.
type transaction struct {
	chaincode string
	namespace []*rwsetpb.NsReadWriteSet
	endorsers []*msp.Signer
	nonce     []byte // nil is random

	creator *msp.Signer  // nil is the client
	badEnd  map[int]bool // endorsements whose signature does not hold
	results []byte       // instead of namespace
	edit    func(*parts)
	signAs  *msp.Signer // who signs the envelope, nil is the creator
}

// parts is a transaction before it is encoded, for tests that spoil it.
type parts struct {
	channel *commonpb.ChannelHeader
	signer  *commonpb.SignatureHeader
	whole   *peerpb.Transaction
}

// MustEnvelope makes and signs a transaction.
func (n *network) MustEnvelope(t testing.TB, tx transaction) []byte {
	t.Helper()
	if tx.creator == nil {
		tx.creator = n.client()
	}
	if tx.nonce == nil {
		tx.nonce = wire.NewNonce()
	}
	creator := tx.creator.Creator()
	channel := &commonpb.ChannelHeader{
		Type: int32(commonpb.HeaderType_ENDORSER_TRANSACTION), ChannelId: channelName, TxId: wire.TxID(tx.nonce, creator),
		Timestamp: timestamppb.New(time.Unix(1_700_000_000, 0)),
		Extension: MustMarshal(t, &peerpb.ChaincodeHeaderExtension{ChaincodeId: &peerpb.ChaincodeID{Name: tx.chaincode}}),
	}
	signer := &commonpb.SignatureHeader{Creator: creator, Nonce: tx.nonce}
	proposal := MustMarshal(t, &peerpb.ChaincodeProposalPayload{Input: []byte("whatever was asked")})
	if tx.results == nil {
		tx.results = MustMarshal(t, &rwsetpb.TxReadWriteSet{NsRwset: tx.namespace})
	}
	action := MustMarshal(t, &peerpb.ChaincodeAction{
		Results: tx.results, Response: &peerpb.Response{Status: 200},
		ChaincodeId: &peerpb.ChaincodeID{Name: tx.chaincode, Version: "1"},
	})
	response := MustMarshal(t, &peerpb.ProposalResponsePayload{
		ProposalHash: wire.Hash(MustMarshal(t, channel), MustMarshal(t, signer), proposal), Extension: action,
	})
	var endorsements []*peerpb.Endorsement
	for i, endorser := range tx.endorsers {
		signed := response
		if tx.badEnd[i] {
			signed = []byte("something else")
		}
		endorsements = append(endorsements, &peerpb.Endorsement{Endorser: endorser.Creator(), Signature: MustSign(t, endorser, signed, endorser.Creator())})
	}
	p := parts{channel, signer, &peerpb.Transaction{Actions: []*peerpb.TransactionAction{{
		Header: MustMarshal(t, signer),
		Payload: MustMarshal(t, &peerpb.ChaincodeActionPayload{
			ChaincodeProposalPayload: proposal,
			Action:                   &peerpb.ChaincodeEndorsedAction{ProposalResponsePayload: response, Endorsements: endorsements},
		}),
	}}}}
	if tx.edit != nil {
		tx.edit(&p)
	}
	payload := MustMarshal(t, &commonpb.Payload{
		Header: &commonpb.Header{ChannelHeader: MustMarshal(t, p.channel), SignatureHeader: MustMarshal(t, p.signer)},
		Data:   MustMarshal(t, p.whole),
	})
	signAs := tx.signAs
	if signAs == nil {
		signAs = tx.creator
	}
	return MustMarshal(t, &commonpb.Envelope{Payload: payload, Signature: MustSign(t, signAs, payload)})
}

// space is what a transaction does in one namespace.
type space struct {
	name        string
	kv          *kvrwsetpb.KVRWSet
	collections map[string]*kvrwsetpb.HashedRWSet
	order       []string // of collections
}

func (s *space) MustEncode(t testing.TB) *rwsetpb.NsReadWriteSet {
	t.Helper()
	out := &rwsetpb.NsReadWriteSet{Namespace: s.name, Rwset: MustMarshal(t, s.kv)}
	for _, name := range s.order {
		out.CollectionHashedRwset = append(out.CollectionHashedRwset, &rwsetpb.CollectionHashedReadWriteSet{
			CollectionName: name, HashedRwset: MustMarshal(t, s.collections[name]),
		})
	}
	return out
}

// put is a namespace in which one public key is written.
func put(t testing.TB, ns, key, value string) *rwsetpb.NsReadWriteSet {
	return (&space{name: ns, kv: &kvrwsetpb.KVRWSet{Writes: []*kvrwsetpb.KVWrite{{Key: key, Value: []byte(value), IsDelete: value == ""}}}}).MustEncode(t)
}

// setPolicy is a namespace in which one public key's own policy is set.
func setPolicy(t testing.TB, ns, key string, raw []byte) *rwsetpb.NsReadWriteSet {
	write := &kvrwsetpb.KVMetadataWrite{Key: key, Entries: []*kvrwsetpb.KVMetadataEntry{{Name: "VALIDATION_PARAMETER", Value: raw}}}
	return (&space{name: ns, kv: &kvrwsetpb.KVRWSet{MetadataWrites: []*kvrwsetpb.KVMetadataWrite{write}}}).MustEncode(t)
}

// chaincodeSpec is a definition to be committed.
type chaincodeSpec struct {
	name        string
	policy      string            // policy text, or a path
	collections map[string]string // name to policy text, "" for none of its own
}

// define is a write set that commits definitions, by hand.
func define(t testing.TB, specs ...chaincodeSpec) *rwsetpb.NsReadWriteSet {
	t.Helper()
	set := &kvrwsetpb.KVRWSet{}
	write := func(key string, m proto.Message) {
		set.Writes = append(set.Writes, &kvrwsetpb.KVWrite{Key: key, Value: MustMarshal(t, m)})
	}
	field := func(m proto.Message) proto.Message {
		return &lifecyclepb.StateData{Type: &lifecyclepb.StateData_Bytes{Bytes: MustMarshal(t, m)}}
	}
	for _, s := range specs {
		write("namespaces/metadata/"+s.name, &lifecyclepb.StateMetadata{
			Datatype: "ChaincodeDefinition", Fields: []string{"Sequence", "EndorsementInfo", "ValidationInfo", "Collections"},
		})
		at := "namespaces/fields/" + s.name + "/"
		write(at+"Sequence", &lifecyclepb.StateData{Type: &lifecyclepb.StateData_Int64{Int64: 1}})
		write(at+"EndorsementInfo", field(&lifecyclepb.ChaincodeEndorsementInfo{Version: "1", EndorsementPlugin: "escc"}))
		write(at+"ValidationInfo", field(&lifecyclepb.ChaincodeValidationInfo{
			ValidationPlugin: "vscc", ValidationParameter: MustMarshal(t, applicationPolicy(t, s.policy)),
		}))
		collections := &peerpb.CollectionConfigPackage{}
		for name, text := range s.collections {
			static := &peerpb.StaticCollectionConfig{Name: name}
			if text != "" {
				static.EndorsementPolicy = applicationPolicy(t, text)
			}
			collections.Config = append(collections.Config, &peerpb.CollectionConfig{
				Payload: &peerpb.CollectionConfig_StaticCollectionConfig{StaticCollectionConfig: static},
			})
		}
		write(at+"Collections", field(collections))
	}
	return (&space{name: "_lifecycle", kv: set}).MustEncode(t)
}

func applicationPolicy(t testing.TB, text string) *peerpb.ApplicationPolicy {
	t.Helper()
	if text[0] == '/' {
		return &peerpb.ApplicationPolicy{Type: &peerpb.ApplicationPolicy_ChannelConfigPolicyReference{ChannelConfigPolicyReference: text}}
	}
	return &peerpb.ApplicationPolicy{Type: &peerpb.ApplicationPolicy_SignaturePolicy{SignaturePolicy: MustPolicy(t, text)}}
}

func MustPolicy(t testing.TB, text string) *commonpb.SignaturePolicyEnvelope {
	t.Helper()
	env, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// MustStart makes a chain with block 0 and a block of definitions.
func (n *network) MustStart(t testing.TB, specs ...chaincodeSpec) *chain {
	t.Helper()
	return n.mustStartOn(t, MustOpenChain(t), specs...)
}

func (n *network) mustStartOn(t testing.TB, c *chain, specs ...chaincodeSpec) *chain {
	t.Helper()
	c.MustAdd(t, n.MustGenesis(t))
	result, _ := c.MustAdd(t, n.MustBlock(t, n.MustEnvelope(t, transaction{
		chaincode: "_lifecycle", namespace: []*rwsetpb.NsReadWriteSet{define(t, specs...)}, endorsers: []*msp.Signer{n.peer1(), n.peer2()},
	})))
	if result.Reasons[0] != nil {
		t.Fatalf("the definitions are not accepted: %s", result.Reasons[0].Text)
	}
	return c
}

func codes(list []peerpb.TxValidationCode) string { return fmt.Sprint(list) }
