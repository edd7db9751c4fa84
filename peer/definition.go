package peer

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"
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

// reservedName tells the names that a definition may not take.
func reservedName(name string) bool {
	switch name {
	case "cscc", "escc", "lscc", "qscc", "vscc":
		return true
	}
	return false
}

// checkNames refuses names and versions that no chaincode may have.
func (d *Definition) checkNames() error {
	if !chaincodeNamePattern.MatchString(d.Name) {
		return fmt.Errorf("invalid chaincode name '%s'. Names can only consist of alphanumerics, '_', and '-' and can only begin with alphanumerics", d.Name)
	}
	if reservedName(d.Name) {
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

func (d *Definition) collections() *peerpb.CollectionConfigPackage {
	if d.Collections == nil {
		return &peerpb.CollectionConfigPackage{}
	}
	return d.Collections
}

// Where definitions live (wire.md G.3): records of named fields under two
// sections, in the public namespace and in each organisation's implicit
// collection.
const (
	lifecycleNamespace = "_lifecycle"
	sectionNamespaces  = "namespaces"
	sectionSources     = "chaincode-sources"

	datatypeDefinition = "ChaincodeDefinition"
	datatypeParameters = "ChaincodeParameters"
	datatypePackage    = "ChaincodeLocalPackage"

	fieldSequence        = "Sequence"
	fieldEndorsementInfo = "EndorsementInfo"
	fieldValidationInfo  = "ValidationInfo"
	fieldCollections     = "Collections"
	fieldPackageID       = "PackageID"
)

func metadataKey(section, name string) string     { return section + "/metadata/" + name }
func fieldKey(section, name, field string) string { return section + "/fields/" + name + "/" + field }

// sequenceKey is the key that every invocation of a chaincode reads (wire.md C.1).
func sequenceKey(chaincode string) string {
	return fieldKey(sectionNamespaces, chaincode, fieldSequence)
}

// privateName names one approval in an implicit collection.
func privateName(chaincode string, sequence int64) string {
	return chaincode + "#" + strconv.FormatInt(sequence, 10)
}

// implicitCollection names the collection that only the peers of one
// organisation hold in plain text.
func implicitCollection(mspID string) string { return "_implicit_org_" + mspID }

// record is a structure as _lifecycle stores it: the names of its fields under
// one key, each field's value under a key of its own.
type record struct {
	datatype string
	fields   []field
}

type field struct {
	name  string
	value []byte // a marshalled StateData
}

func (r record) metadata() ([]byte, error) {
	names := make([]string, len(r.fields))
	for i, f := range r.fields {
		names[i] = f.name
	}
	return proto.Marshal(&lifecyclepb.StateMetadata{Datatype: r.datatype, Fields: names})
}

func int64Field(name string, value int64) (field, error) {
	b, err := proto.Marshal(&lifecyclepb.StateData{Type: &lifecyclepb.StateData_Int64{Int64: value}})
	return field{name, b}, err
}

func stringField(name, value string) (field, error) {
	b, err := proto.Marshal(&lifecyclepb.StateData{Type: &lifecyclepb.StateData_String_{String_: value}})
	return field{name, b}, err
}

func messageField(name string, m proto.Message) (field, error) {
	inner, err := proto.Marshal(m)
	if err != nil {
		return field{}, err
	}
	b, err := proto.Marshal(&lifecyclepb.StateData{Type: &lifecyclepb.StateData_Bytes{Bytes: inner}})
	return field{name, b}, err
}

// parameters is the record that an organisation approves: all but the sequence.
func (d *Definition) parameters() (record, error) {
	endorsement, err1 := messageField(fieldEndorsementInfo, &lifecyclepb.ChaincodeEndorsementInfo{
		Version: d.Version, InitRequired: d.InitRequired, EndorsementPlugin: d.EndorsementPlugin,
	})
	validation, err2 := messageField(fieldValidationInfo, &lifecyclepb.ChaincodeValidationInfo{
		ValidationPlugin: d.ValidationPlugin, ValidationParameter: d.ValidationParameter,
	})
	collections, err3 := messageField(fieldCollections, d.collections())
	return record{datatypeParameters, []field{endorsement, validation, collections}}, errors.Join(err1, err2, err3)
}

// record is the committed form: the sequence and the parameters.
func (d *Definition) record() (record, error) {
	sequence, err := int64Field(fieldSequence, d.Sequence)
	if err != nil {
		return record{}, err
	}
	parameters, err := d.parameters()
	return record{datatypeDefinition, append([]field{sequence}, parameters.fields...)}, err
}

// sourceRecord is the part of an approval that tells which package the
// organisation runs; an empty id means that it does not run the chaincode.
func sourceRecord(packageID string) (record, error) {
	f, err := stringField(fieldPackageID, packageID)
	return record{datatypePackage, []field{f}}, err
}

// fieldState is a place where records live. The public namespace and an
// organisation's implicit collection are the two kinds of place.
type fieldState interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Delete(key string) error
}

// reader is the half of fieldState that reading needs.
type reader interface {
	Get(key string) ([]byte, error)
}

// readMetadata reads the head of a record; ok is false if there is none.
func readMetadata(state reader, section, name string) (meta *lifecyclepb.StateMetadata, ok bool, err error) {
	raw, err := state.Get(metadataKey(section, name))
	if err != nil {
		return nil, false, fmt.Errorf("could not query metadata for namespace %s/%s: %w", section, name, err)
	}
	if raw == nil {
		return nil, false, nil
	}
	meta = &lifecyclepb.StateMetadata{}
	if err := proto.Unmarshal(raw, meta); err != nil {
		return nil, false, fmt.Errorf("could not unmarshal metadata for namespace %s/%s: %w", section, name, err)
	}
	return meta, true, nil
}

// writeRecord stores a record and touches only what changes, so that the write
// sets of all endorsers are equal and small.
func writeRecord(state fieldState, section, name string, r record) error {
	meta, ok, err := readMetadata(state, section, name)
	if err != nil {
		return err
	}
	old := map[string][]byte{}
	for _, f := range meta.GetFields() {
		if old[f], err = state.Get(fieldKey(section, name, f)); err != nil {
			return fmt.Errorf("could not get value for key %s: %w", fieldKey(section, name, f), err)
		}
	}
	for _, f := range r.fields {
		value, had := old[f.name]
		delete(old, f.name)
		if had && bytes.Equal(value, f.value) {
			continue
		}
		if err := state.Put(fieldKey(section, name, f.name), f.value); err != nil {
			return fmt.Errorf("could not write key into state: %w", err)
		}
	}
	head, err := r.metadata()
	if err != nil {
		return err
	}
	if !ok || meta.Datatype != r.datatype || len(meta.Fields) != len(r.fields) {
		if err := state.Put(metadataKey(section, name), head); err != nil {
			return fmt.Errorf("could not write metadata for namespace %s/%s: %w", section, name, err)
		}
	}
	for _, f := range meta.GetFields() {
		if _, stale := old[f]; stale {
			if err := state.Delete(fieldKey(section, name, f)); err != nil {
				return fmt.Errorf("could not delete unneeded key %s: %w", fieldKey(section, name, f), err)
			}
		}
	}
	return nil
}

// readSequence reads the committed sequence of a chaincode, 0 if it has none.
func readSequence(state reader, chaincode string) (int64, error) {
	raw, err := state.Get(sequenceKey(chaincode))
	if err != nil {
		return 0, fmt.Errorf("could not get state for key %s: %w", sequenceKey(chaincode), err)
	}
	return decodeSequence(raw)
}

func decodeSequence(raw []byte) (int64, error) {
	if len(raw) == 0 {
		return 0, nil
	}
	data := &lifecyclepb.StateData{}
	if err := proto.Unmarshal(raw, data); err != nil {
		return 0, fmt.Errorf("could not unmarshal sequence: %w", err)
	}
	return data.GetInt64(), nil
}

// readDefinition reads a committed definition; nil if there is none.
func readDefinition(state reader, chaincode string) (*Definition, error) {
	meta, ok, err := readMetadata(state, sectionNamespaces, chaincode)
	if err != nil || !ok {
		return nil, err
	}
	if meta.Datatype != datatypeDefinition {
		return nil, fmt.Errorf("not a chaincode type: %s", meta.Datatype)
	}
	d := &Definition{Name: chaincode}
	for _, f := range []string{fieldSequence, fieldEndorsementInfo, fieldValidationInfo, fieldCollections} {
		if err := d.readField(state, chaincode, f); err != nil {
			return nil, fmt.Errorf("could not deserialize chaincode definition for chaincode %s: %w", chaincode, err)
		}
	}
	return d, nil
}

// readApproval reads what an organisation approved for one sequence; nil if it
// approved nothing. The package id is "" if the organisation runs no package.
func readApproval(state reader, chaincode string, sequence int64) (*Definition, error) {
	name := privateName(chaincode, sequence)
	meta, ok, err := readMetadata(state, sectionNamespaces, name)
	if err != nil || !ok {
		return nil, err
	}
	if meta.Datatype != datatypeParameters {
		return nil, fmt.Errorf("not a chaincode parameters type: %s", meta.Datatype)
	}
	d := &Definition{Name: chaincode, Sequence: sequence}
	for _, f := range []string{fieldEndorsementInfo, fieldValidationInfo, fieldCollections} {
		if err := d.readField(state, name, f); err != nil {
			return nil, fmt.Errorf("could not deserialize chaincode parameters for %s: %w", name, err)
		}
	}
	return d, nil
}

// readPackageID reads which package an organisation named in an approval; ok is
// false if the approval has no such part.
func readPackageID(state reader, chaincode string, sequence int64) (id string, ok bool, err error) {
	name := privateName(chaincode, sequence)
	meta, ok, err := readMetadata(state, sectionSources, name)
	if err != nil || !ok {
		return "", false, err
	}
	if meta.Datatype != datatypePackage {
		return "", false, fmt.Errorf("not a chaincode local package type: %s", meta.Datatype)
	}
	raw, err := state.Get(fieldKey(sectionSources, name, fieldPackageID))
	if err != nil {
		return "", false, fmt.Errorf("could not deserialize chaincode package for %s: %w", name, err)
	}
	data := &lifecyclepb.StateData{}
	if err := proto.Unmarshal(raw, data); err != nil {
		return "", false, fmt.Errorf("could not deserialize chaincode package for %s: %w", name, err)
	}
	return data.GetString_(), true, nil
}

// readField reads one field of a record into the definition.
func (d *Definition) readField(state reader, name, fieldName string) error {
	raw, err := state.Get(fieldKey(sectionNamespaces, name, fieldName))
	if err != nil {
		return err
	}
	data := &lifecyclepb.StateData{}
	if err := proto.Unmarshal(raw, data); err != nil {
		return fmt.Errorf("field %s: %w", fieldName, err)
	}
	switch fieldName {
	case fieldSequence:
		d.Sequence = data.GetInt64()
	case fieldEndorsementInfo:
		info := &lifecyclepb.ChaincodeEndorsementInfo{}
		err = proto.Unmarshal(data.GetBytes(), info)
		d.Version, d.InitRequired, d.EndorsementPlugin = info.GetVersion(), info.GetInitRequired(), info.GetEndorsementPlugin()
	case fieldValidationInfo:
		info := &lifecyclepb.ChaincodeValidationInfo{}
		err = proto.Unmarshal(data.GetBytes(), info)
		d.ValidationPlugin, d.ValidationParameter = info.GetValidationPlugin(), info.GetValidationParameter()
	case fieldCollections:
		d.Collections = &peerpb.CollectionConfigPackage{}
		err = proto.Unmarshal(data.GetBytes(), d.Collections)
	}
	if err != nil {
		return fmt.Errorf("field %s: %w", fieldName, err)
	}
	return nil
}
