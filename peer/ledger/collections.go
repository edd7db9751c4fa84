package ledger

import (
	"fmt"
	"strings"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	msppb "github.com/hyperledger/fabric-protos-go-apiv2/msp"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// collectionConfig is what a chaincode's definition says about collections.
type collectionConfig struct {
	defined  bool
	byName   map[string]*peerpb.StaticCollectionConfig
	implicit func(mspID string) bool
}

// checkCollection fails unless the collection is defined, and if the simulation
// is over; the caller holds mu. The first look per namespace leaves reads of the
// chaincode's definition in namespace _lifecycle.
func (s *Simulator) checkCollection(ns, coll string) error {
	config, err := s.collectionsOf(ns)
	if err != nil {
		return err
	}
	if !config.defined {
		return fmt.Errorf("collection config not defined for chaincode [%s], pass the collection configuration upon chaincode definition/instantiation", ns)
	}
	if _, ok := config.byName[coll]; ok {
		return nil
	}
	if mspID, ok := strings.CutPrefix(coll, wire.ImplicitPrefix); ok && config.implicit(mspID) {
		return nil
	}
	return fmt.Errorf("collection [%s] not defined in the collection config for chaincode [%s]", coll, ns)
}

// Collection finds the configuration of a collection, as CollectionInfo does for
// access checks; nil if it is not defined. An organisation's implicit collection
// has one with nothing but its name.
func (s *Simulator) Collection(ns, coll string) (*peerpb.StaticCollectionConfig, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	config, err := s.collectionsOf(ns)
	if err != nil || !config.defined {
		return nil, err
	}
	if strings.HasPrefix(coll, wire.ImplicitPrefix) {
		return &peerpb.StaticCollectionConfig{Name: coll}, nil
	}
	return config.byName[coll], nil
}

// collectionsOf reads a definition, once per simulation; the caller holds mu.
func (s *Simulator) collectionsOf(ns string) (*collectionConfig, error) {
	if s.done {
		return nil, ErrDone
	}
	if config, ok := s.collections[ns]; ok {
		return config, nil
	}
	config := &collectionConfig{implicit: s.implicitOrg}
	if ns == wire.LifecycleNamespace { // it has implicit collections only, and no definition
		config.defined = true
	} else if err := s.readCollections(ns, config); err != nil {
		return nil, err
	}
	put(&s.collections, ns, config)
	return config, nil
}

// readCollections reads all fields of a definition, as a peer does that decodes
// it whole. The reads go through the simulation, because such a look belongs into the
// read set.
func (s *Simulator) readCollections(ns string, config *collectionConfig) error {
	read := wire.RecordReader(func(key string) ([]byte, error) {
		value, present, err := s.get(wire.LifecycleNamespace, key)
		if err != nil || !present {
			return nil, err
		}
		return value.Value, nil
	})
	head, err := read.Head(wire.SectionNamespaces, ns)
	if err != nil {
		return fmt.Errorf("could not get info about chaincode: %w", err)
	}
	if head == nil {
		_, _, err := s.get(wire.LegacyNamespace, ns) // the older place of definitions
		return err
	}
	if head.GetDatatype() != wire.DatatypeDefinition {
		return fmt.Errorf("could not get info about chaincode: not a chaincode type: %s", head.GetDatatype())
	}
	config.defined = true
	for _, field := range head.GetFields() {
		data, err := read.Field(wire.SectionNamespaces, ns, field)
		if err == nil && field == wire.FieldCollections {
			config.byName, err = parseCollections(data.GetBytes())
		}
		if err != nil {
			return fmt.Errorf("could not get info about chaincode: collections of chaincode %s: %w", ns, err)
		}
	}
	return nil
}

// parseCollections decodes the collections of a definition.
func parseCollections(raw []byte) (map[string]*peerpb.StaticCollectionConfig, error) {
	var configs peerpb.CollectionConfigPackage
	if err := proto.Unmarshal(raw, &configs); err != nil {
		return nil, err
	}
	byName := map[string]*peerpb.StaticCollectionConfig{}
	for _, config := range configs.GetConfig() {
		if static := config.GetStaticCollectionConfig(); static != nil {
			byName[static.GetName()] = static
		}
	}
	return byName, nil
}

// implicitOrg tells whether an organisation of the channel has this MSP id. The
// look at the channel configuration leaves no read. In a ledger without a
// configuration, as tests build them, every organisation is one.
func (s *Simulator) implicitOrg(mspID string) bool {
	config, ok, err := s.view.GetState(configNamespace, configKey)
	if err != nil || !ok {
		return err == nil
	}
	return applicationOrgs(config.Value)[mspID]
}

// applicationOrgs lists the MSP ids of the application organisations in a
// marshalled common.Config.
func applicationOrgs(raw []byte) map[string]bool {
	orgs := map[string]bool{}
	var config commonpb.Config
	if proto.Unmarshal(raw, &config) != nil {
		return orgs
	}
	for _, group := range config.GetChannelGroup().GetGroups()["Application"].GetGroups() {
		var outer msppb.MSPConfig
		var inner msppb.FabricMSPConfig
		if proto.Unmarshal(group.GetValues()["MSP"].GetValue(), &outer) == nil && proto.Unmarshal(outer.GetConfig(), &inner) == nil {
			orgs[inner.GetName()] = true
		}
	}
	return orgs
}
