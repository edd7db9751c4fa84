package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// ImplicitCollection names the collection that only the peers of one organisation
// hold in plain text.
func ImplicitCollection(mspID string) string { return wire.ImplicitPrefix + mspID }

// approvalName names one approval in an implicit collection.
func approvalName(chaincode string, sequence int64) string {
	return chaincode + "#" + strconv.FormatInt(sequence, 10)
}

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
	endorsement, err1 := messageField(wire.FieldEndorsementInfo, &lifecyclepb.ChaincodeEndorsementInfo{
		Version: d.Version, InitRequired: d.InitRequired, EndorsementPlugin: d.EndorsementPlugin,
	})
	validation, err2 := messageField(wire.FieldValidationInfo, &lifecyclepb.ChaincodeValidationInfo{
		ValidationPlugin: d.ValidationPlugin, ValidationParameter: d.ValidationParameter,
	})
	collections, err3 := messageField(wire.FieldCollections, d.collections())
	return record{wire.DatatypeParameters, []field{endorsement, validation, collections}}, errors.Join(err1, err2, err3)
}

// record is the committed form: the sequence and the parameters.
func (d *Definition) record() (record, error) {
	sequence, err := int64Field(wire.FieldSequence, d.Sequence)
	if err != nil {
		return record{}, err
	}
	parameters, err := d.parameters()
	return record{wire.DatatypeDefinition, append([]field{sequence}, parameters.fields...)}, err
}

// sourceRecord is the part of an approval that tells which package the
// organisation runs; an empty id means that it does not run the chaincode.
func sourceRecord(packageID string) (record, error) {
	f, err := stringField(wire.FieldPackageID, packageID)
	return record{wire.DatatypePackage, []field{f}}, err
}

// state is a place where records live. The public namespace and an organisation's
// implicit collection are the two kinds of place.
type state interface {
	Get(key string) ([]byte, error)
	Put(key string, value []byte) error
	Delete(key string) error
}

// writeRecord stores a record and touches only what changes, so that the write
// sets of all endorsers are equal and small.
func writeRecord(in state, section, name string, r record) error {
	meta, err := wire.RecordReader(in.Get).Head(section, name)
	if err != nil {
		return err
	}
	old := map[string][]byte{}
	for _, f := range meta.GetFields() {
		if old[f], err = in.Get(wire.FieldKey(section, name, f)); err != nil {
			return fmt.Errorf("could not get value for key %s: %w", wire.FieldKey(section, name, f), err)
		}
	}
	for _, f := range r.fields {
		value, had := old[f.name]
		delete(old, f.name)
		if had && bytes.Equal(value, f.value) {
			continue
		}
		if err := in.Put(wire.FieldKey(section, name, f.name), f.value); err != nil {
			return fmt.Errorf("could not write key into state: %w", err)
		}
	}
	head, err := r.metadata()
	if err != nil {
		return err
	}
	if meta == nil || meta.Datatype != r.datatype || len(meta.Fields) != len(r.fields) {
		if err := in.Put(wire.MetadataKey(section, name), head); err != nil {
			return fmt.Errorf("could not write metadata for namespace %s/%s: %w", section, name, err)
		}
	}
	for _, f := range meta.GetFields() {
		if _, stale := old[f]; stale {
			if err := in.Delete(wire.FieldKey(section, name, f)); err != nil {
				return fmt.Errorf("could not delete unneeded key %s: %w", wire.FieldKey(section, name, f), err)
			}
		}
	}
	return nil
}

// readSequence reads the committed sequence of a chaincode, 0 if it has none.
func readSequence(read wire.RecordReader, chaincode string) (int64, error) {
	data, err := read.Field(wire.SectionNamespaces, chaincode, wire.FieldSequence)
	return data.GetInt64(), err
}

// readDefinition reads a committed definition; nil if there is none.
func readDefinition(read wire.RecordReader, chaincode string) (*Definition, error) {
	head, err := read.Head(wire.SectionNamespaces, chaincode)
	if err != nil || head == nil {
		return nil, err
	}
	if head.GetDatatype() != wire.DatatypeDefinition {
		return nil, fmt.Errorf("not a chaincode type: %s", head.GetDatatype())
	}
	d := &Definition{Name: chaincode}
	if d.Sequence, err = readSequence(read, chaincode); err == nil {
		err = d.readParameters(read, chaincode)
	}
	if err != nil {
		return nil, fmt.Errorf("could not deserialize chaincode definition for chaincode %s: %w", chaincode, err)
	}
	return d, nil
}

// readApproval reads what an organisation approved for one sequence; nil if it
// approved nothing.
func readApproval(read wire.RecordReader, chaincode string, sequence int64) (*Definition, error) {
	name := approvalName(chaincode, sequence)
	head, err := read.Head(wire.SectionNamespaces, name)
	if err != nil || head == nil {
		return nil, err
	}
	if head.GetDatatype() != wire.DatatypeParameters {
		return nil, fmt.Errorf("not a chaincode parameters type: %s", head.GetDatatype())
	}
	d := &Definition{Name: chaincode, Sequence: sequence}
	if err := d.readParameters(read, name); err != nil {
		return nil, fmt.Errorf("could not deserialize chaincode parameters for %s: %w", name, err)
	}
	return d, nil
}

// readPackageID reads which package an organisation named in an approval, "" if it
// runs none; ok is false if the approval has no such part.
func readPackageID(read wire.RecordReader, chaincode string, sequence int64) (id string, ok bool, err error) {
	name := approvalName(chaincode, sequence)
	head, err := read.Head(wire.SectionSources, name)
	if err != nil || head == nil {
		return "", false, err
	}
	if head.GetDatatype() != wire.DatatypePackage {
		return "", false, fmt.Errorf("not a chaincode local package type: %s", head.GetDatatype())
	}
	data, err := read.Field(wire.SectionSources, name, wire.FieldPackageID)
	if err != nil {
		return "", false, fmt.Errorf("could not deserialize chaincode package for %s: %w", name, err)
	}
	return data.GetString_(), true, nil
}

// readParameters reads everything but the sequence.
func (d *Definition) readParameters(read wire.RecordReader, name string) error {
	endorsement, validation := &lifecyclepb.ChaincodeEndorsementInfo{}, &lifecyclepb.ChaincodeValidationInfo{}
	d.Collections = &peerpb.CollectionConfigPackage{}
	for _, f := range []struct {
		name string
		into proto.Message
	}{{wire.FieldEndorsementInfo, endorsement}, {wire.FieldValidationInfo, validation}, {wire.FieldCollections, d.Collections}} {
		if err := read.MessageField(wire.SectionNamespaces, name, f.name, f.into); err != nil {
			return err
		}
	}
	d.Version, d.InitRequired, d.EndorsementPlugin = endorsement.GetVersion(), endorsement.GetInitRequired(), endorsement.GetEndorsementPlugin()
	d.ValidationPlugin, d.ValidationParameter = validation.GetValidationPlugin(), validation.GetValidationParameter()
	return nil
}
