package inspect

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/cache"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// txFacts is what the trace tells of one transaction up to a moment.
type txFacts struct {
	id, channel string
	events      []trace.Event
	begin       int64
	sent        map[uint64]bool // messages whose sender records

	chaincode string
	args      [][]byte
	transient []string // names only: the values are secret
	creator   string
	mspID     string
	evaluate  bool // asked for an answer only; it is never ordered

	asked    []trace.Event // proposals and calls of a gateway
	starts   []trace.Event
	ends     []trace.Event
	results  []result
	refused  []trace.Event
	faults   []trace.Event
	grown    []trace.Event    // what was added to read and write sets
	told     *peerpb.Response // a gateway's answer to a question
	signed   []trace.Event    // "endorsed"
	compared *trace.Event
	sentOut  bool // submitted, or broadcast where the client does not say so
	answers  []trace.Event
	enqueued *trace.Event
	checks   []trace.Event // of versions, peer by peer
	verdicts []trace.Event
	by       string // the transaction behind the first verdict, as the validator says beside it; "" for none
	bySaid   bool   // it says so: run files from before do not
	seen     *trace.Event

	envelope *wire.Transaction // as it was sent for ordering, nil before

	known      *signers
	checked    []signer // see signers
	checkedAll bool
}

// result is one endorser's answer.
type result struct {
	peer     string
	at       trace.Event
	status   int32
	message  string
	answer   []byte
	payload  []byte // ProposalResponsePayload
	action   *peerpb.ChaincodeAction
	rwset    *wire.RWSet
	endorser *peerpb.Endorsement
}

// facts collects what is known of a transaction.
func (x *Index) facts(id string, seq uint64) *txFacts {
	f := &txFacts{id: id, events: x.world.EventsOf(id, seq), sent: map[uint64]bool{}, known: x.signers}
	if len(f.events) == 0 {
		return f
	}
	f.begin = f.events[0].Time
	for i := range f.events {
		e := &f.events[i]
		f.begin = min(f.begin, e.Time)
		if e.Dir == trace.Sent && e.Msg != 0 {
			f.sent[e.Msg] = true
		}
	}
	lists := map[trace.Kind]*[]trace.Event{
		trace.ReadAdded: &f.grown, trace.RangeAdded: &f.grown, trace.RichQuery: &f.grown, trace.WriteAdded: &f.grown,
		trace.SimulateStart: &f.starts, trace.SimulateEnd: &f.ends, trace.Endorsed: &f.signed, trace.Refused: &f.refused,
		trace.Fault: &f.faults, trace.BroadcastAnswer: &f.answers, trace.VersionCheck: &f.checks, trace.Verdict: &f.verdicts,
	}
	newest := map[trace.Kind]**trace.Event{trace.Compared: &f.compared, trace.Enqueued: &f.enqueued, trace.CommitSeen: &f.seen}
	for i := range f.events {
		e := &f.events[i]
		f.sentOut = f.sentOut || e.Kind == trace.Submitted || e.Kind == trace.Broadcast
		if e.Channel != "" {
			f.channel = e.Channel
		}
		if e.Dir != trace.None && !f.first(e) {
			continue
		}
		if list := lists[e.Kind]; list != nil {
			*list = append(*list, *e)
		}
		if last := newest[e.Kind]; last != nil {
			*last = e
		}
		f.take(x, e)
	}
	if len(f.verdicts) > 0 {
		f.by, f.bySaid = x.behind(&f.verdicts[0])
	}
	return f
}

// behind is the transaction that made the difference, as the reason beside a verdict says
// (peer/validate.Reason); ok is false where there is none.
func (x *Index) behind(verdict *trace.Event) (txID string, ok bool) {
	name, raw, ok := x.world.Payload(verdict.Seq)
	var reason struct {
		By struct {
			TxID string `json:"txid"`
		} `json:"by"`
	}
	if !ok || name != wire.ReasonName || json.Unmarshal(raw, &reason) != nil {
		return "", false
	}
	return reason.By.TxID, true
}

// first tells whether an event is the first trace of its message: where it was sent, or
// where it arrived if its sender does not record.
func (f *txFacts) first(e *trace.Event) bool {
	return e.Dir == trace.Sent || e.Dir == trace.Received && !f.sent[e.Msg]
}

// take decodes what a message carries.
func (f *txFacts) take(x *Index, e *trace.Event) {
	switch e.Kind {
	case trace.Proposal, trace.GatewayCall:
		f.proposal(x, e)
	case trace.ProposalResponse:
		f.response(x, e)
	case trace.GatewayAnswer:
		f.gatewayAnswer(x, e)
	case trace.Broadcast:
		if _, raw, ok := x.world.Payload(e.Seq); ok && f.envelope == nil {
			f.envelope, _ = wire.ParseTransaction(raw)
		}
	}
}

// proposal takes a proposal on its way to an endorser, or inside a gateway's call.
func (f *txFacts) proposal(x *Index, e *trace.Event) {
	f.asked = append(f.asked, *e)
	if e.Kind == trace.GatewayCall && e.Key == "Evaluate" {
		f.evaluate = true
	}
	if f.args != nil {
		return
	}
	name, raw, ok := x.world.Payload(e.Seq)
	if !ok {
		return
	}
	signed := signedProposal(name, raw)
	if signed == nil {
		return
	}
	p, err := wire.ParseProposal(signed)
	if err != nil {
		return
	}
	f.chaincode, f.args = p.ChaincodeName, p.Input.GetArgs()
	for key := range p.Transient {
		f.transient = append(f.transient, key)
	}
	f.who(p.Creator())
}

func (f *txFacts) who(creator []byte) {
	id := &msppb.SerializedIdentity{}
	if proto.Unmarshal(creator, id) == nil {
		f.creator, f.mspID = msp.NameOf(creator), id.GetMspid()
	}
}

// signedProposal is the proposal in the message of a proposal or of a gateway's call.
func signedProposal(name string, raw []byte) *peerpb.SignedProposal {
	switch name {
	case "protos.SignedProposal":
		signed := &peerpb.SignedProposal{}
		if proto.Unmarshal(raw, signed) == nil {
			return signed
		}
	case "gateway.EndorseRequest":
		m := &gatewaypb.EndorseRequest{}
		if proto.Unmarshal(raw, m) == nil {
			return m.GetProposedTransaction()
		}
	case "gateway.EvaluateRequest":
		m := &gatewaypb.EvaluateRequest{}
		if proto.Unmarshal(raw, m) == nil {
			return m.GetProposedTransaction()
		}
	}
	return nil
}

// gatewayAnswer takes what a gateway gives its client: the prepared transaction, or the
// answer to a question.
func (f *txFacts) gatewayAnswer(x *Index, e *trace.Event) {
	if e.Key != "Endorse" && e.Key != "Evaluate" {
		return
	}
	name, raw, ok := x.world.Payload(e.Seq)
	switch {
	case !ok:
	case name == "gateway.EndorseResponse":
		m := &gatewaypb.EndorseResponse{}
		if proto.Unmarshal(raw, m) != nil || m.GetPreparedTransaction() == nil || f.envelope != nil {
			return
		}
		if envelope, err := proto.Marshal(m.GetPreparedTransaction()); err == nil {
			f.envelope, _ = wire.ParseTransaction(envelope)
		}
	case name == "gateway.EvaluateResponse":
		m := &gatewaypb.EvaluateResponse{}
		if proto.Unmarshal(raw, m) == nil {
			f.told = m.GetResult()
		}
	}
}

func (f *txFacts) response(x *Index, e *trace.Event) {
	r := result{peer: e.Node, at: *e}
	if e.Dir == trace.Received {
		r.peer = e.Other
	}
	_, raw, ok := x.world.Payload(e.Seq)
	if !ok {
		return
	}
	pr := &peerpb.ProposalResponse{}
	if proto.Unmarshal(raw, pr) != nil {
		return
	}
	r.status, r.message, r.answer = pr.GetResponse().GetStatus(), pr.GetResponse().GetMessage(), pr.GetResponse().GetPayload()
	r.payload, r.endorser = pr.GetPayload(), pr.GetEndorsement()
	r.action, r.rwset = actionIn(r.payload)
	f.results = append(f.results, r)
}

// actionIn decodes the result that endorsers sign; nils where it does not decode.
func actionIn(payload []byte) (*peerpb.ChaincodeAction, *wire.RWSet) {
	prp, action := &peerpb.ProposalResponsePayload{}, &peerpb.ChaincodeAction{}
	if len(payload) == 0 || proto.Unmarshal(payload, prp) != nil || proto.Unmarshal(prp.GetExtension(), action) != nil {
		return nil, nil
	}
	set, err := wire.ParseRWSet(action.GetResults())
	if err != nil {
		return action, nil
	}
	return action, set
}

// block adds what the block of the transaction tells, where messages before it are
// missing (clients outside, or a trace that begins later).
func (f *txFacts) block(d *facts.Content, position int) {
	if f.envelope == nil {
		f.envelope, _ = wire.ParseTransaction(d.Txs[position].Envelope)
	}
}

// fill takes from the envelope what no proposal told.
func (f *txFacts) fill() {
	if f.envelope == nil {
		return
	}
	if f.args == nil {
		f.chaincode, f.args = f.envelope.Chaincode, f.envelope.Input.GetArgs()
	}
	if f.creator == "" && f.envelope.SignatureHeader != nil {
		f.who(f.envelope.SignatureHeader.GetCreator())
	}
	if f.channel == "" {
		f.channel = f.envelope.Channel
	}
}

// called sums up what programs ask for.
func (a *about) called(f *txFacts) *Call {
	c := &Call{TxID: f.id, Channel: f.channel, Chaincode: f.chaincode}
	if f.creator != "" {
		c.Creator = f.creator + " (" + f.mspID + ")"
	}
	for i, arg := range f.args {
		if i == 0 {
			c.Function = a.printable(string(arg), 400)
		} else {
			c.Args = append(c.Args, a.printable(string(arg), 400))
		}
	}
	if len(f.verdicts) > 0 {
		v := &f.verdicts[0]
		c.Code, c.Reason, c.Block, c.Judge = v.Key, words.Cause(v), v.Block, v.Node
	}
	return c
}

// versionCheck is what the peer that judged first told about what was read, nil if nothing.
func (f *txFacts) versionCheck() *trace.Event {
	for i := range f.checks {
		if f.checks[i].Node == f.verdicts[0].Node {
			return &f.checks[i]
		}
	}
	return nil
}

// differ tells whether a comparison of the endorsers' results found a difference. Old run
// files do not say what it found; then the results themselves do.
func (f *txFacts) differ() bool {
	if f.compared == nil || f.compared.What == trace.Equal {
		return false
	}
	return f.compared.What == trace.Differs || len(f.results) > 1 && !f.equal()
}

// equal tells whether all endorsers that answered came to one result.
func (f *txFacts) equal() bool {
	for i := range f.results {
		if string(f.results[i].payload) != string(f.results[0].payload) {
			return false
		}
	}
	return true
}

// rwset is the result that counts: that of the envelope, or of the first endorser.
func (f *txFacts) rwset() *wire.RWSet {
	if f.envelope != nil && f.envelope.RWSet != nil {
		return f.envelope.RWSet
	}
	for i := range f.results {
		if f.results[i].rwset != nil {
			return f.results[i].rwset
		}
	}
	return nil
}

// signer is one endorsement, looked at by itself.
type signer struct {
	name  string // "peer0.org1.example.com"
	msp   string
	roles []string // organisational units in the certificate: "peer"
	holds bool     // the signature is one of this certificate's key over the result
	why   string   // why it does not hold
}

// signers are the endorsements of the transaction, or of the answers before there is one.
func (f *txFacts) signers() []signer {
	if !f.checkedAll {
		f.checked, f.checkedAll = f.check(), true
	}
	return f.checked
}

func (f *txFacts) check() []signer {
	var out []signer
	if f.envelope != nil && len(f.envelope.Endorsements) > 0 {
		return f.known.of(f.envelope.Endorsements, f.envelope.ResponsePayload)
	}
	for i := range f.results {
		if r := &f.results[i]; r.endorser != nil {
			out = append(out, f.known.check(r.endorser, r.payload))
		}
	}
	return out
}

// signers remembers endorsements whose signature holds: a document is made again whenever
// the moment moves.
type signers struct {
	good *cache.Cache[[sha256.Size]byte, signer]
}

const maxSigners = 4096

func newSigners() *signers { return &signers{cache.New[[sha256.Size]byte, signer](maxSigners, nil)} }

// check is signerOf for what may have been checked before.
func (k *signers) check(e *peerpb.Endorsement, payload []byte) signer {
	var parts []byte
	for _, part := range [][]byte{e.GetEndorser(), e.GetSignature(), payload} {
		parts = append(binary.LittleEndian.AppendUint64(parts, uint64(len(part))), part...)
	}
	key := sha256.Sum256(parts)
	s, ok := k.good.Get(key)
	if !ok {
		if s = signerOf(e, payload); s.holds {
			k.good.Put(key, s)
		}
	}
	return s
}

// of checks endorsements; of several by one endorser the first that holds counts.
func (k *signers) of(endorsements []*peerpb.Endorsement, payload []byte) []signer {
	var out []signer
	counted := map[string]bool{}
	for _, e := range endorsements {
		s := k.check(e, payload)
		if id := string(e.GetEndorser()); s.holds && counted[id] {
			s.holds, s.why = false, words.L("counts once only")
		} else if s.holds {
			counted[id] = true
		}
		out = append(out, s)
	}
	return out
}

// signerOf checks an endorsement's signature with the key in its own certificate.
// Whether an organisation of the channel issued the certificate is not looked at here.
func signerOf(e *peerpb.Endorsement, payload []byte) signer {
	s := signer{name: msp.NameOf(e.GetEndorser())}
	id := &msppb.SerializedIdentity{}
	if proto.Unmarshal(e.GetEndorser(), id) != nil {
		s.why = words.L("the endorser cannot be read")
		return s
	}
	s.msp = id.GetMspid()
	block, _ := pem.Decode(id.GetIdBytes())
	if block == nil {
		s.why = words.L("no certificate")
		return s
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		s.why = words.L("the certificate cannot be read")
		return s
	}
	s.roles = cert.Subject.OrganizationalUnit
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		s.why = words.L("not an ECDSA key")
		return s
	}
	if s.holds = ecdsa.VerifyASN1(key, wire.Hash(payload, e.GetEndorser()), e.GetSignature()); !s.holds {
		s.why = words.L("the signature does not fit this result")
	}
	return s
}

// is tells whether a signer has a role of a policy's principal.
func (s *signer) is(mspID, role string) bool {
	if !s.holds || s.msp != mspID {
		return false
	}
	if role == "member" {
		return true
	}
	for _, r := range s.roles {
		if strings.EqualFold(r, role) {
			return true
		}
	}
	return false
}

// envelopeFacts makes sense of an envelope by itself, for blocks of other networks.
func (x *Index) envelopeFacts(id string, envelope []byte) *txFacts {
	f := &txFacts{id: id, sent: map[uint64]bool{}, known: x.signers}
	if len(envelope) > 0 {
		f.envelope, _ = wire.ParseTransaction(envelope)
	}
	f.fill()
	return f
}

// blockOf decodes a block.
func blockOf(raw []byte) (*commonpb.Block, error) {
	block := &commonpb.Block{}
	return block, proto.Unmarshal(raw, block)
}
