package validate

import (
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// partial inspects blocks without the state before them. It gives no verdicts of
// its own; for recorded ones it says what can be seen in the block.
type partial struct {
	bundle   *channelconfig.Bundle // from the last config block seen, nil if there was none
	verifier *msp.Verifier
}

// unknownState stands for a state that nobody knows: everything is absent.
type unknownState struct{}

func (unknownState) GetState(string, string) (v ledger.Value, ok bool, err error) { return }

func (unknownState) GetHash(string, string, []byte) (v ledger.Value, ok bool, err error) { return }

// next gives the lines of one block.
func (p *partial) next(out func(Line) error, block *commonpb.Block) error {
	if bundle, err := channelconfig.FromBlock(block, p.verifier); err == nil {
		p.bundle = bundle
	}
	recorded := wire.Filter(block)
	pending := ledger.NewBatch(block.GetHeader().GetNumber(), unknownState{})
	writers := map[uint64]string{}
	for i, raw := range block.GetData().GetData() {
		t := newTransaction(i, raw)
		if t.decodeHeaders() && p.authenticate(t) && t.checkStructure() && t.kind == commonpb.HeaderType_ENDORSER_TRANSACTION {
			t.decodeResult()
		}
		line := Line{
			Block: block.GetHeader().GetNumber(), Tx: i, TxID: t.txID, Chaincode: t.chaincode,
			Recorded: recordedCode(recorded, i),
		}
		line.Reason = p.reason(t, line.Recorded, pending, writers)
		if err := out(line); err != nil {
			return err
		}
		if t.rwset != nil && line.Recorded != nil && *line.Recorded == peerpb.TxValidationCode_VALID {
			writers[uint64(i)] = t.txID
			if err := pending.Apply(uint64(i), t.rwset); err != nil {
				return err
			}
		}
	}
	return nil
}

// authenticate checks the creator if the channel's organisations are known.
func (p *partial) authenticate(t *transaction) bool {
	return p.bundle == nil || t.kind == commonpb.HeaderType_CONFIG || t.authenticate(p.bundle.Channel(), p.bundle.MSPs())
}

// reason says what the block shows about a recorded verdict. Without one it
// reports faults of form only.
func (p *partial) reason(t *transaction, recorded *peerpb.TxValidationCode, pending *ledger.Batch, writers map[uint64]string) *Reason {
	if t.reason != nil && (recorded == nil || *recorded == t.reason.Code) {
		return t.reason
	}
	if recorded == nil || *recorded == peerpb.TxValidationCode_VALID {
		return nil
	}
	r := &Reason{Code: *recorded}
	switch *recorded {
	case peerpb.TxValidationCode_MVCC_READ_CONFLICT:
		return outdatedRead(t, pending, writers)
	case peerpb.TxValidationCode_PHANTOM_READ_CONFLICT:
		r.Kind, r.Text = KindRange, "A range query of it has another result by now"+spans(t)+"; which keys have changed is in the blocks before."
	case peerpb.TxValidationCode_ENDORSEMENT_POLICY_FAILURE:
		r.Kind, r.Endorsers = KindPolicy, p.endorsers(t)
		r.Text = p.endorsementText(r.Endorsers)
	case peerpb.TxValidationCode_DUPLICATE_TXID:
		r.Kind, r.Text = KindDuplicate, "A transaction with this id stands earlier in the chain."
	case peerpb.TxValidationCode_INVALID_CHAINCODE:
		r.Kind, r.Text = KindDefinition, "A namespace that it needs has no usable definition; it needs "+strings.Join(t.needed(), ", ")+"."
	default:
		r.Text = fmt.Sprintf("A peer recorded %s; why cannot be seen in this block alone.", *recorded)
	}
	return r
}

// spans names the range queries of a transaction.
func spans(t *transaction) string {
	var all []string
	if t.rwset != nil {
		for i := range t.rwset.Namespaces {
			ns := &t.rwset.Namespaces[i]
			for _, q := range ns.KV.GetRangeQueriesInfo() {
				c := RangeChange{Start: q.GetStartKey(), End: q.GetEndKey(), EndIncluded: !q.GetItrExhausted()}
				all = append(all, fmt.Sprintf("keys of chaincode %s %s", ns.Name, c.span()))
			}
		}
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all[:min(len(all), 5)], "; ") + ")"
}

// needed names the namespaces whose definitions a transaction needs.
func (t *transaction) needed() []string {
	names := make([]string, len(t.written))
	for i := range t.written {
		names[i] = fmt.Sprintf("%q", t.written[i].name)
	}
	return names
}

// outdatedRead looks for the writer among the transactions of the block that are
// recorded as valid.
func outdatedRead(t *transaction, pending *ledger.Batch, writers map[uint64]string) *Reason {
	unknown := &Reason{
		Code: peerpb.TxValidationCode_MVCC_READ_CONFLICT, Kind: KindRead,
		Text: "Something that it read has been changed since it was simulated.",
	}
	if t.rwset == nil {
		return unknown
	}
	c := conflicts{pending: pending}
	var reads []string
	for key, recorded := range readKeys(t.rwset) {
		update, ok := c.update(key)
		if !ok {
			reads = append(reads, fmt.Sprintf("%s (%s)", key.say(), recordedVersion(recorded)))
			continue
		}
		r := readConflict(key, recorded, update.Version, !update.Delete, true)
		r.By.TxID = writers[update.Version.Tx]
		r.Text = readText(r)
		return r
	}
	const shown = 5
	if len(reads) > shown {
		reads = append(reads[:shown], fmt.Sprintf("%d more", len(reads)-shown))
	}
	if len(reads) > 0 {
		unknown.Text = "A block before this one has changed something that it read: one of " + strings.Join(reads, ", ") + "."
	}
	return unknown
}

// endorsers lists who endorsed. Whether the signatures hold is only known with a
// configuration.
func (p *partial) endorsers(t *transaction) []Endorser {
	if t.endorsed == nil {
		return nil
	}
	if p.bundle != nil {
		t.verifyEndorsements(p.bundle.MSPs())
		return t.endorsers
	}
	var all []Endorser
	for _, endorsement := range t.endorsed.GetEndorsements() {
		who := "somebody unreadable"
		var identity msppb.SerializedIdentity
		if proto.Unmarshal(endorsement.GetEndorser(), &identity) == nil {
			who = identity.GetMspid()
			if name := certificateName(identity.GetIdBytes()); name != "" {
				who = fmt.Sprintf("%s (%s)", name, identity.GetMspid())
			}
		}
		all = append(all, Endorser{Who: who, Accepted: true})
	}
	return all
}

func (p *partial) endorsementText(all []Endorser) string {
	var present []string
	for _, e := range all {
		if e.Accepted {
			present = append(present, e.Who)
		}
	}
	text := "An endorsement policy is not satisfied; which one is in the blocks before."
	if len(present) == 0 {
		return text + " There is no valid endorsement." + rejections("endorsement", all)
	}
	text += " Endorsed by " + strings.Join(present, ", ")
	if p.bundle == nil {
		text += " (not checked: this needs the channel's configuration)"
	}
	return text + "." + rejections("endorsement", all)
}
