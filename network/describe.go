package network

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sort"
	"strings"

	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	kvrwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// DescribeDifference says in words how two endorsers' results
// (ProposalResponsePayload bytes) differ and what the likely cause is.
func DescribeDifference(a, b []byte) string {
	actionA, errA := actionOf(a)
	actionB, errB := actionOf(b)
	if errA != nil || errB != nil {
		return "one of the results cannot be read"
	}
	setA, errA := wire.ParseRWSet(actionA.GetResults())
	setB, errB := wire.ParseRWSet(actionB.GetResults())
	if errA != nil || errB != nil {
		return "one of the read-write sets cannot be read"
	}
	if text := differentReads(setA, setB); text != "" {
		return text + ": one peer is at another height, or committed a block between the two simulations"
	}
	if text := differentWrites(setA, setB); text != "" {
		return text + ": the chaincode is not deterministic (time, random numbers, map order, an outside call), the peers run different packages, or one of them lies"
	}
	if !proto.Equal(actionA.GetResponse(), actionB.GetResponse()) {
		return fmt.Sprintf("the answers differ (%s and %s) although the read-write sets are equal: the chaincode is not deterministic",
			clip(actionA.GetResponse().GetPayload()), clip(actionB.GetResponse().GetPayload()))
	}
	if string(actionA.GetEvents()) != string(actionB.GetEvents()) {
		return "the chaincode events differ although the read-write sets are equal"
	}
	return "the chaincode id or version differs: the peers use different definitions"
}

func actionOf(responsePayload []byte) (*peerpb.ChaincodeAction, error) {
	prp := &peerpb.ProposalResponsePayload{}
	if err := proto.Unmarshal(responsePayload, prp); err != nil {
		return nil, err
	}
	action := &peerpb.ChaincodeAction{}
	return action, proto.Unmarshal(prp.GetExtension(), action)
}

func differentReads(a, b *wire.RWSet) string {
	return differentEntries("read", entries(a, readsOf), entries(b, readsOf))
}

func differentWrites(a, b *wire.RWSet) string {
	return differentEntries("write of", entries(a, writesOf), entries(b, writesOf))
}

// entries flattens one side of a read-write set to "namespace/key" and a text.
func entries(set *wire.RWSet, of func(*kvrwsetpb.KVRWSet) map[string]string) map[string]string {
	out := map[string]string{}
	for _, ns := range set.Namespaces {
		for key, text := range of(ns.KV) {
			out[ns.Name+"/"+key] = text
		}
	}
	return out
}

func readsOf(kv *kvrwsetpb.KVRWSet) map[string]string {
	out := map[string]string{}
	for _, r := range kv.GetReads() {
		out[r.GetKey()] = versionText(r.GetVersion())
	}
	for _, q := range kv.GetRangeQueriesInfo() {
		text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(q)
		out[fmt.Sprintf("range %q to %q", q.GetStartKey(), q.GetEndKey())] = "result " + shortHash(text)
	}
	return out
}

func writesOf(kv *kvrwsetpb.KVRWSet) map[string]string {
	out := map[string]string{}
	for _, w := range kv.GetWrites() {
		if w.GetIsDelete() {
			out[w.GetKey()] = "deleted"
		} else {
			out[w.GetKey()] = clip(w.GetValue())
		}
	}
	return out
}

func versionText(v *kvrwsetpb.Version) string {
	if v == nil {
		return "absent"
	}
	return fmt.Sprintf("version %d:%d", v.GetBlockNum(), v.GetTxNum())
}

// differentEntries names the first key in order whose entries are not equal.
func differentEntries(what string, a, b map[string]string) string {
	keys := make([]string, 0, len(a)+len(b))
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		x, inA := a[k]
		y, inB := b[k]
		switch {
		case !inA:
			return fmt.Sprintf("only the second has a %s %s (%s)", what, k, y)
		case !inB:
			return fmt.Sprintf("only the first has a %s %s (%s)", what, k, x)
		case x != y:
			return fmt.Sprintf("%s %s: %s and %s", what, k, x, y)
		}
	}
	return ""
}

func clip(b []byte) string {
	const most = 60
	text := strings.ToValidUTF8(string(b), "?")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return fmt.Sprintf("%q", text)
}

func shortHash(b []byte) string { return fmt.Sprintf("%x", wire.Hash(b)[:4]) }

// describeStatus adds the details of a Gateway error to its text: what each peer
// or ordering node said.
func describeStatus(err error) error {
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	var said []string
	for _, d := range s.Details() {
		if detail, ok := d.(*gatewaypb.ErrorDetail); ok {
			said = append(said, fmt.Sprintf("%s (%s): %s", detail.GetAddress(), detail.GetMspId(), detail.GetMessage()))
		}
	}
	if len(said) == 0 {
		return fmt.Errorf("%s: %s: %w", s.Code(), s.Message(), err)
	}
	return fmt.Errorf("%s: %s: %s: %w", s.Code(), s.Message(), strings.Join(said, "; "), err)
}

// identityName gives the common name in a serialized identity's certificate, or
// its organisation where the certificate cannot be read.
func identityName(serialized []byte) string {
	id := &msppb.SerializedIdentity{}
	if proto.Unmarshal(serialized, id) != nil {
		return "unknown"
	}
	if block, _ := pem.Decode(id.GetIdBytes()); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return cert.Subject.CommonName
		}
	}
	return id.GetMspid()
}
