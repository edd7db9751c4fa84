package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// Definition is what a channel has agreed on about one chaincode: the name, the
// count of definitions so far, and everything that all organisations must agree
// on. Which package runs is not part of it: every organisation approves its own.
type Definition struct {
	Name                string
	Sequence            int64 // from 1; grows by one with every committed definition
	Version             string
	EndorsementPlugin   string // "escc" unless somebody asked for another name
	ValidationPlugin    string // "vscc" unless somebody asked for another name
	ValidationParameter []byte // a marshalled ApplicationPolicy
	Collections         *peerpb.CollectionConfigPackage
	InitRequired        bool
}

// Plugin names and the policy that a definition gets when it names none.
const (
	defaultEndorsementPlugin = "escc"
	defaultValidationPlugin  = "vscc"
	defaultEndorsementPolicy = "/Channel/Application/Endorsement"
)

// applyDefaults fills what an approval or a commit left open, before it is
// stored or compared: an organisation that writes a default out and one that
// leaves it open have agreed.
func (d *Definition) applyDefaults() error {
	if d.EndorsementPlugin == "" {
		d.EndorsementPlugin = defaultEndorsementPlugin
	}
	if d.ValidationPlugin == "" {
		d.ValidationPlugin = defaultValidationPlugin
	}
	if len(d.ValidationParameter) > 0 {
		return nil
	}
	parameter, err := proto.Marshal(&peerpb.ApplicationPolicy{
		Type: &peerpb.ApplicationPolicy_ChannelConfigPolicyReference{ChannelConfigPolicyReference: defaultEndorsementPolicy},
	})
	if err != nil {
		return fmt.Errorf("default policy of chaincode %s: %w", d.Name, err)
	}
	d.ValidationParameter = parameter
	return nil
}

// Names that a definition may carry (wire.md B.9).
var (
	chaincodeNamePattern    = regexp.MustCompile(`^[a-zA-Z0-9]+([-_][a-zA-Z0-9]+)*$`)
	chaincodeVersionPattern = regexp.MustCompile(`^[A-Za-z0-9_.+-]+$`)
	collectionNamePattern   = regexp.MustCompile(`^[A-Za-z0-9-]+([A-Za-z0-9_-]+)*$`)
)

// checkNames refuses names and versions that no chaincode may have.
func (d *Definition) checkNames() error {
	if !chaincodeNamePattern.MatchString(d.Name) {
		return fmt.Errorf("invalid chaincode name '%s'. Names can only consist of alphanumerics, '_', and '-' and can only begin with alphanumerics", d.Name)
	}
	if wire.IsSystemNamespace(d.Name) {
		return fmt.Errorf("chaincode name '%s' is the name of a system chaincode", d.Name)
	}
	if !chaincodeVersionPattern.MatchString(d.Version) {
		return fmt.Errorf("invalid chaincode version '%s'. Versions can only consist of alphanumerics, '_', '-', '+', and '.'", d.Version)
	}
	return nil
}

// sameParameters says in which parameter two definitions differ, nil if in none.
// Names and sequences are not compared.
func (d *Definition) sameParameters(other *Definition) error {
	switch {
	case d.Version != other.Version:
		return fmt.Errorf("expected Version '%s' does not match passed Version '%s'", d.Version, other.Version)
	case d.EndorsementPlugin != other.EndorsementPlugin:
		return fmt.Errorf("expected EndorsementPlugin '%s' does not match passed EndorsementPlugin '%s'", d.EndorsementPlugin, other.EndorsementPlugin)
	case d.InitRequired != other.InitRequired:
		return fmt.Errorf("expected InitRequired '%t' does not match passed InitRequired '%t'", d.InitRequired, other.InitRequired)
	case d.ValidationPlugin != other.ValidationPlugin:
		return fmt.Errorf("expected ValidationPlugin '%s' does not match passed ValidationPlugin '%s'", d.ValidationPlugin, other.ValidationPlugin)
	case !bytes.Equal(d.ValidationParameter, other.ValidationParameter):
		return fmt.Errorf("expected ValidationParameter '%x' does not match passed ValidationParameter '%x'", d.ValidationParameter, other.ValidationParameter)
	case !proto.Equal(d.collections(), other.collections()):
		return errors.New("Collections do not match")
	}
	return nil
}

// Collection finds a collection of the definition, nil if it has none of that name.
func (d *Definition) Collection(name string) *peerpb.StaticCollectionConfig {
	for _, c := range d.Collections.GetConfig() {
		if static := c.GetStaticCollectionConfig(); static.GetName() == name {
			return static
		}
	}
	return nil
}

func (d *Definition) collections() *peerpb.CollectionConfigPackage {
	if d.Collections == nil {
		return &peerpb.CollectionConfigPackage{}
	}
	return d.Collections
}
