package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// install builds and stores a package on this peer. Launching comes later, when a
// definition that names the package is committed, or at the first call.
func (c *Call) install(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.InstallChaincodeArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	pkg, err := c.Peer.Install(args.GetChaincodeInstallPackage())
	if err != nil {
		return nil, err
	}
	return &lifecyclepb.InstallChaincodeResult{PackageId: pkg.ID, Label: pkg.Label}, nil
}

func (c *Call) queryInstalled(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.QueryInstalledChaincodeArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	list := c.Host.Installed()
	at := slices.IndexFunc(list, func(p *chaincode.Package) bool { return p.ID == args.GetPackageId() })
	if at < 0 {
		return nil, fmt.Errorf("could not find chaincode with package id '%s'", args.GetPackageId())
	}
	pkg := list[at]
	result := &lifecyclepb.QueryInstalledChaincodeResult{PackageId: pkg.ID, Label: pkg.Label}
	for channel, users := range c.Peer.Users(pkg.ID) {
		references := &lifecyclepb.QueryInstalledChaincodeResult_References{}
		for _, d := range users {
			references.Chaincodes = append(references.Chaincodes, &lifecyclepb.QueryInstalledChaincodeResult_Chaincode{Name: d.Name, Version: d.Version})
		}
		if result.References == nil {
			result.References = map[string]*lifecyclepb.QueryInstalledChaincodeResult_References{}
		}
		result.References[channel] = references
	}
	return result, nil
}

func (c *Call) queryAllInstalled(raw []byte) (proto.Message, error) {
	if err := decodeArgs(raw, &lifecyclepb.QueryInstalledChaincodesArgs{}); err != nil {
		return nil, err
	}
	result := &lifecyclepb.QueryInstalledChaincodesResult{}
	for _, pkg := range c.Host.Installed() {
		entry := &lifecyclepb.QueryInstalledChaincodesResult_InstalledChaincode{PackageId: pkg.ID, Label: pkg.Label}
		for channel, users := range c.Peer.Users(pkg.ID) {
			references := &lifecyclepb.QueryInstalledChaincodesResult_References{}
			for _, d := range users {
				references.Chaincodes = append(references.Chaincodes, &lifecyclepb.QueryInstalledChaincodesResult_Chaincode{Name: d.Name, Version: d.Version})
			}
			if entry.References == nil {
				entry.References = map[string]*lifecyclepb.QueryInstalledChaincodesResult_References{}
			}
			entry.References[channel] = references
		}
		result.InstalledChaincodes = append(result.InstalledChaincodes, entry)
	}
	return result, nil
}

func (c *Call) installedPackage(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.GetInstalledChaincodePackageArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	pkg, err := c.Host.Package(args.GetPackageId())
	if errors.Is(err, chaincode.ErrNotInstalled) {
		return nil, fmt.Errorf("could not load cc install package: chaincode install package '%s' not found", args.GetPackageId())
	}
	if err != nil {
		return nil, err
	}
	return &lifecyclepb.GetInstalledChaincodePackageResult{ChaincodeInstallPackage: pkg.Raw}, nil
}

// queryApproved tells what the peer's organisation approved. Sequence 0 asks for
// the latest approval: the next definition's if there is one, else the present one's.
func (c *Call) queryApproved(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.QueryApprovedChaincodeDefinitionArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	own := wire.RecordReader(orgState{c.Sim, ImplicitCollection(c.MSPID)}.Get)
	sequence := args.GetSequence()
	if sequence == 0 {
		current, err := readSequence(publicState{c.Sim}.Get, args.GetName())
		if err != nil {
			return nil, fmt.Errorf("could not get current sequence: %w", err)
		}
		sequence = current
		next, err := own.Head(wire.SectionNamespaces, approvalName(args.GetName(), current+1))
		if err != nil {
			return nil, err
		}
		if next != nil {
			sequence = current + 1
		}
	}
	d, err := readApproval(own, args.GetName(), sequence)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("could not fetch approved chaincode definition (name: '%s', sequence: '%d') on channel '%s'", args.GetName(), args.GetSequence(), c.Channel)
	}
	source, err := approvedSource(own, args.GetName(), sequence)
	if err != nil {
		return nil, err
	}
	return &lifecyclepb.QueryApprovedChaincodeDefinitionResult{
		Sequence: sequence, Version: d.Version, EndorsementPlugin: d.EndorsementPlugin, ValidationPlugin: d.ValidationPlugin,
		ValidationParameter: d.ValidationParameter, Collections: d.Collections, InitRequired: d.InitRequired, Source: source,
	}, nil
}

func approvedSource(read wire.RecordReader, name string, sequence int64) (*lifecyclepb.ChaincodeSource, error) {
	id, ok, err := readPackageID(read, name, sequence)
	if err != nil {
		return nil, err
	}
	if !ok || id == "" {
		return &lifecyclepb.ChaincodeSource{Type: &lifecyclepb.ChaincodeSource_Unavailable_{Unavailable: &lifecyclepb.ChaincodeSource_Unavailable{}}}, nil
	}
	return &lifecyclepb.ChaincodeSource{Type: &lifecyclepb.ChaincodeSource_LocalPackage{LocalPackage: &lifecyclepb.ChaincodeSource_Local{PackageId: id}}}, nil
}

// queryAllApproved lists every approval of the organisation.
func (c *Call) queryAllApproved(raw []byte) (proto.Message, error) {
	if err := decodeArgs(raw, &lifecyclepb.QueryApprovedChaincodeDefinitionsArgs{}); err != nil {
		return nil, err
	}
	names, err := c.approvedNames()
	if err != nil {
		return nil, err
	}
	result := &lifecyclepb.QueryApprovedChaincodeDefinitionsResult{}
	for _, each := range names {
		name, number, _ := strings.Cut(each, "#")
		sequence, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("could not extract chaincode name and sequence number from metadata: %s", each)
		}
		args, err := proto.Marshal(&lifecyclepb.QueryApprovedChaincodeDefinitionArgs{Name: name, Sequence: sequence})
		if err != nil {
			return nil, err
		}
		one, err := c.queryApproved(args)
		if err != nil {
			return nil, err
		}
		d, _ := one.(*lifecyclepb.QueryApprovedChaincodeDefinitionResult)
		result.ApprovedChaincodeDefinitions = append(result.ApprovedChaincodeDefinitions, &lifecyclepb.QueryApprovedChaincodeDefinitionsResult_ApprovedChaincodeDefinition{
			Name: name, Sequence: d.Sequence, Version: d.Version, EndorsementPlugin: d.EndorsementPlugin, ValidationPlugin: d.ValidationPlugin,
			ValidationParameter: d.ValidationParameter, Collections: d.Collections, InitRequired: d.InitRequired, Source: d.Source,
		})
	}
	return result, nil
}

// queryDefinition tells the committed definition and who approved it.
func (c *Call) queryDefinition(raw []byte) (proto.Message, error) {
	args := &lifecyclepb.QueryChaincodeDefinitionArgs{}
	if err := decodeArgs(raw, args); err != nil {
		return nil, err
	}
	d, err := readDefinition(publicState{c.Sim}.Get, args.GetName())
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, &NotFoundError{fmt.Sprintf("namespace %s is not defined", args.GetName())}
	}
	approved, _, err := c.approvals(d)
	if err != nil {
		return nil, err
	}
	return &lifecyclepb.QueryChaincodeDefinitionResult{
		Sequence: d.Sequence, Version: d.Version, EndorsementPlugin: d.EndorsementPlugin, ValidationPlugin: d.ValidationPlugin,
		ValidationParameter: d.ValidationParameter, Collections: d.Collections, InitRequired: d.InitRequired, Approvals: approved,
	}, nil
}

func (c *Call) queryAllDefinitions(raw []byte) (proto.Message, error) {
	if err := decodeArgs(raw, &lifecyclepb.QueryChaincodeDefinitionsArgs{}); err != nil {
		return nil, err
	}
	names, err := c.definedNames()
	if err != nil {
		return nil, err
	}
	result := &lifecyclepb.QueryChaincodeDefinitionsResult{}
	for _, name := range names {
		d, err := readDefinition(publicState{c.Sim}.Get, name)
		if err != nil {
			return nil, err
		}
		if d == nil {
			continue
		}
		result.ChaincodeDefinitions = append(result.ChaincodeDefinitions, &lifecyclepb.QueryChaincodeDefinitionsResult_ChaincodeDefinition{
			Name: name, Sequence: d.Sequence, Version: d.Version, EndorsementPlugin: d.EndorsementPlugin, ValidationPlugin: d.ValidationPlugin,
			ValidationParameter: d.ValidationParameter, Collections: d.Collections, InitRequired: d.InitRequired,
		})
	}
	return result, nil
}
