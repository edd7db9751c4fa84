package wire

import (
	"fmt"
	"strings"

	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"
)

// Where the definitions of chaincodes stand in the state (wire.md G.3): records of
// named fields under two sections of one namespace, in public and in the implicit
// collection of each organisation.
const (
	LifecycleNamespace = "_lifecycle"
	LegacyNamespace    = "lscc" // of the definitions of Fabric 1

	SectionNamespaces = "namespaces"
	SectionSources    = "chaincode-sources"

	DatatypeDefinition = "ChaincodeDefinition" // of a committed definition
	DatatypeParameters = "ChaincodeParameters" // of an approval
	DatatypePackage    = "ChaincodeLocalPackage"

	FieldSequence        = "Sequence"
	FieldEndorsementInfo = "EndorsementInfo"
	FieldValidationInfo  = "ValidationInfo"
	FieldCollections     = "Collections"
	FieldPackageID       = "PackageID"

	// ImplicitPrefix and an MSP id are the name of the collection that only the peers
	// of that organisation hold in plain text.
	ImplicitPrefix = "_implicit_org_"
)

// IsSystemChaincode tells the chaincodes that are part of a peer.
func IsSystemChaincode(name string) bool {
	switch name {
	case LifecycleNamespace, LegacyNamespace, "cscc", "qscc":
		return true
	}
	return false
}

// IsSystemNamespace tells the namespaces that no endorsement policy of a user's
// chaincode guards, and whose names no definition may take.
func IsSystemNamespace(name string) bool {
	return IsSystemChaincode(name) || name == "escc" || name == "vscc"
}

// MetadataKey is the key of a record's head. With no name it is what the keys of all
// heads of the section begin with.
func MetadataKey(section, name string) string { return section + "/metadata/" + name }

// FieldKey is the key of one field of a record.
func FieldKey(section, name, field string) string { return section + "/fields/" + name + "/" + field }

// fieldKeys is what the keys of all fields of definitions begin with.
const fieldKeys = SectionNamespaces + "/fields/"

// DefinedBySequenceKey tells of which definition a key is the sequence, which every
// invocation of the chaincode reads (wire.md C.1); ok is false for other keys.
func DefinedBySequenceKey(key string) (chaincode string, ok bool) {
	name, ok := strings.CutPrefix(key, fieldKeys)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(name, "/"+FieldSequence)
}

// RecordReader gives the value of a key of namespace _lifecycle, nil if it is absent:
// from the public state, or from an organisation's implicit collection.
type RecordReader func(key string) ([]byte, error)

// Head reads which fields a record has; nil if there is no such record. Bytes that do
// not decode are ErrMalformed.
func (read RecordReader) Head(section, name string) (*lifecyclepb.StateMetadata, error) {
	raw, err := read(MetadataKey(section, name))
	if err != nil {
		return nil, fmt.Errorf("could not query metadata for namespace %s/%s: %w", section, name, err)
	}
	if raw == nil {
		return nil, nil
	}
	head := &lifecyclepb.StateMetadata{}
	if err := proto.Unmarshal(raw, head); err != nil {
		return nil, malformed(fmt.Sprintf("could not unmarshal metadata for namespace %s/%s", section, name), err)
	}
	return head, nil
}

// Field reads one field of a record; an absent one is empty. Bytes that do not decode
// are ErrMalformed.
func (read RecordReader) Field(section, name, field string) (*lifecyclepb.StateData, error) {
	raw, err := read(FieldKey(section, name, field))
	if err != nil {
		return nil, fmt.Errorf("could not get value for key %s: %w", FieldKey(section, name, field), err)
	}
	data := &lifecyclepb.StateData{}
	if err := proto.Unmarshal(raw, data); err != nil {
		return nil, malformed("field "+field, err)
	}
	return data, nil
}

// MessageField reads a field whose value is a message; anything else is ErrMalformed.
func (read RecordReader) MessageField(section, name, field string, into proto.Message) error {
	data, err := read.Field(section, name, field)
	if err != nil {
		return err
	}
	if _, ok := data.GetType().(*lifecyclepb.StateData_Bytes); !ok {
		return fmt.Errorf("field %s: %w: it holds no message", field, ErrMalformed)
	}
	if err := proto.Unmarshal(data.GetBytes(), into); err != nil {
		return malformed("field "+field, err)
	}
	return nil
}
