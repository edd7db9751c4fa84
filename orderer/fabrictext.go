package orderer

import (
	"errors"
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// policyText says in Fabric's words why a policy is not satisfied: its command
// line and people's search results know these.
func policyText(bundle *channelconfig.Bundle, err error) string {
	var denied *channelconfig.DeniedError
	if !errors.As(err, &denied) || denied.Node == nil {
		return err.Error()
	}
	p, missing := bundle.Policy(denied.Path)
	if missing != nil {
		return fmt.Sprintf("could not find policy %s", denied.Path)
	}
	meta, ok := p.(*policy.Meta)
	if !ok {
		return "signature set did not satisfy policy"
	}
	_, sub, _ := strings.Cut(meta.String(), " ")
	return fmt.Sprintf("implicit policy evaluation failed - %d sub-policies were satisfied, but this policy requires %d of the '%s' sub-policies to be satisfied",
		denied.Node.Have, meta.Need(), sub)
}

// updateText says in Fabric's words why a configuration update is refused. Where
// the cause is a rule that Fabric words in a hundred ways, our own sentence stands.
func updateText(bundle *channelconfig.Bundle, envelope *commonpb.Envelope, err error) string {
	var problem *channelconfig.Problem
	switch {
	case errors.As(err, &problem):
		return "error authorizing update: " + problemText(bundle, problem)
	case errors.Is(err, channelconfig.ErrBadUpdate):
		return "error authorizing update: " + decodeText(envelope, err)
	case errors.Is(err, channelconfig.ErrInvalid), errors.Is(err, channelconfig.ErrUnsupported):
		return "initializing channelconfig failed: " + invalidText(envelope, err)
	default:
		return "error authorizing update: " + err.Error()
	}
}

// problemText is about one element of the configuration.
func problemText(bundle *channelconfig.Bundle, p *channelconfig.Problem) string {
	key := map[string]string{"group": "[Group]  ", "value": "[Value]  ", "policy": "[Policy] "}[p.Kind] + p.Path
	switch {
	case p.Read && p.Missing:
		return fmt.Sprintf("error validating ReadSet: existing config does not contain element for %s but was in the read set", key)
	case p.Read:
		return fmt.Sprintf("error validating ReadSet: proposed update requires that key %s be at version %d, but it is currently at version %d", key, p.Version, p.Current)
	case p.Missing:
		return fmt.Sprintf("error validating DeltaSet: attempted to set key %s to version %d, but key does not exist", key, p.Version)
	case errors.Is(p, channelconfig.ErrDenied):
		return fmt.Sprintf("error validating DeltaSet: policy for %s not satisfied: %s", key, policyText(bundle, p))
	default:
		return fmt.Sprintf("error validating DeltaSet: attempt to set key %s to version %d, but key is at version %d", key, p.Version, p.Current)
	}
}

// decodeText finds what it is that does not decode: the library's own words.
func decodeText(envelope *commonpb.Envelope, err error) string {
	update, decoding := openUpdate(envelope)
	if decoding == nil {
		decoding = proto.Unmarshal(update.GetConfigUpdate(), &commonpb.ConfigUpdate{})
	}
	if decoding != nil {
		return decoding.Error()
	}
	return err.Error()
}

func openUpdate(envelope *commonpb.Envelope) (*commonpb.ConfigUpdateEnvelope, error) {
	var payload commonpb.Payload
	if err := proto.Unmarshal(envelope.GetPayload(), &payload); err != nil {
		return nil, err
	}
	update := &commonpb.ConfigUpdateEnvelope{}
	if err := proto.Unmarshal(payload.Data, update); err != nil {
		return nil, err
	}
	return update, nil
}

// invalidText words the mistakes that are made with the settings that everybody
// plays with: the batch size.
func invalidText(envelope *commonpb.Envelope, err error) string {
	const group = "could not create channel Orderer sub-group config: "
	update, decoding := openUpdate(envelope)
	if decoding != nil {
		return err.Error()
	}
	var change commonpb.ConfigUpdate
	if proto.Unmarshal(update.GetConfigUpdate(), &change) != nil {
		return err.Error()
	}
	value := change.GetWriteSet().GetGroups()["Orderer"].GetValues()["BatchSize"]
	var size ordererpb.BatchSize
	if value == nil || proto.Unmarshal(value.GetValue(), &size) != nil {
		return err.Error()
	}
	switch {
	case size.GetMaxMessageCount() == 0:
		return group + "Attempted to set the batch size max message count to an invalid value: 0"
	case size.GetAbsoluteMaxBytes() == 0:
		return group + "Attempted to set the batch size absolute max bytes to an invalid value: 0"
	case size.GetPreferredMaxBytes() == 0:
		return group + "Attempted to set the batch size preferred max bytes to an invalid value: 0"
	case size.GetPreferredMaxBytes() > size.GetAbsoluteMaxBytes():
		return group + fmt.Sprintf("Attempted to set the batch size preferred max bytes (%d) greater than the absolute max bytes (%d).",
			size.GetPreferredMaxBytes(), size.GetAbsoluteMaxBytes())
	default:
		return err.Error()
	}
}
