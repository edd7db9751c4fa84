package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	lifecyclepb "github.com/hyperledger/fabric-protos-go-apiv2/peer/lifecycle"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/chaincode"
	"github.com/fabriscope/fabriscope/chaincode/external"
	"github.com/fabriscope/fabriscope/internal/policy"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Chaincodes deploys what can be called: packages on peers, definitions in the channel,
// all at once (Deploy) or step by step.
type Chaincodes struct {
	*run
	nodes   *Nodes
	clients *clients
}

// Deployment is a chaincode definition that has been committed.
type Deployment struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Sequence  int64  `json:"sequence"`
	PackageID string `json:"packageID"`
}

// maxPackageBytes is more than a peer takes in one message.
const maxPackageBytes = 110 << 20

// lifecycleName is the system chaincode that keeps the definitions.
const lifecycleName = "_lifecycle"

// label is the package label that a topology's chaincode gets.
func (c *Chaincode) label() string {
	version := strings.Map(func(r rune) rune {
		if r == '+' {
			return '_'
		}
		return r
	}, c.Version)
	return c.Name + "_" + version
}

// Pack makes the package of a chaincode of the topology.
func (n *Chaincodes) Pack(ctx context.Context, c Chaincode) ([]byte, error) {
	label := c.label()
	switch {
	case c.Sample != "":
		return chaincode.PackageSample(c.Sample, label)
	case c.Path != "":
		return chaincode.PackageSource(ctx, n.relative(c.Path), label)
	case c.Address != "":
		return chaincode.PackageExternal(label, external.Connection{Address: c.Address})
	case c.Package != "":
		b, err := ReadFile(n.relative(c.Package), maxPackageBytes)
		if err != nil {
			return nil, fmt.Errorf("package of chaincode %s: %w; name an existing .tar.gz file", c.Name, err)
		}
		return b, nil
	}
	return nil, fmt.Errorf("chaincode %s says nothing about where its code comes from: give it a sample, path, package or address", c.Name)
}

// Deploy installs a chaincode on every running peer, has every organisation
// approve its definition, commits it, and waits until every running peer knows
// it. A name that is already defined is upgraded to the next sequence.
func (n *Chaincodes) Deploy(ctx context.Context, c Chaincode) (*Deployment, error) {
	if p := c.fillAndCheck(n.topology); p != nil {
		return nil, fmt.Errorf("%s: %s", p.key, p.text)
	}
	d := &Deployment{Name: c.Name, Version: c.Version}
	var raw []byte
	steps := []struct {
		name string
		do   func(context.Context) error
	}{
		{"package", func(ctx context.Context) (err error) { raw, err = n.Pack(ctx, c); return err }},
		{"install", func(ctx context.Context) (err error) {
			if err = n.setRuntime(ctx, c); err == nil {
				d.PackageID, err = n.Install(ctx, raw, nil)
			}
			return err
		}},
		{"approve", func(ctx context.Context) (err error) {
			if d.Sequence, err = n.nextSequence(ctx, c.Name); err == nil {
				err = n.approveAll(ctx, c, d)
			}
			return err
		}},
		{"commit", func(ctx context.Context) error { return n.Commit(ctx, c, d.Sequence) }},
	}
	for _, s := range steps {
		if err := n.step(ctx, "chaincode "+c.Name+": "+s.name, s.do); err != nil {
			return nil, err
		}
	}
	if !n.attached {
		of := "chaincode " + c.Name + ": "
		err := n.stepNamed(ctx, of+"launch", func(ctx context.Context) (string, error) { return of + n.waitLaunched(ctx, d.PackageID), nil })
		if err != nil {
			return nil, err
		}
	}
	if len(c.Call) > 0 {
		err := n.step(ctx, "chaincode "+c.Name+": "+c.Call[0], func(ctx context.Context) error { return n.firstCall(ctx, c) })
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Doubt says, in a sentence, why no peers that run now can satisfy a chaincode's endorsement
// policy; "" if some can, or if the policy is the channel's own. Such a definition is legal,
// as with Fabric, and nobody can call it.
func (n *Chaincodes) Doubt(c Chaincode) string {
	if c.Policy == "" || strings.HasPrefix(c.Policy, "/") {
		return ""
	}
	env, err := policy.Parse(c.Policy)
	if err != nil {
		return "" // Deploy says what is wrong with it
	}
	signature, err := policy.NewSignature(env)
	if err != nil {
		return ""
	}
	known, running := map[string]bool{}, map[string]bool{}
	for _, o := range n.topology.Organizations {
		known[o.MSPID] = true
		running[o.MSPID] = len(n.nodes.running(rolePeer, o.Name)) > 0
	}
	lacking := ""
	for _, layout := range policy.Layouts(signature, 0) {
		reason := ""
		for _, p := range layout {
			switch {
			case !known[p.MSPID]:
				reason = cmp.Or(reason, fmt.Sprintf("no organisation of the channel has the MSP id %q (there are %s)", p.MSPID, strings.Join(slices.Sorted(maps.Keys(known)), ", ")))
			case p.Role != "peer" && p.Role != "member":
				reason = cmp.Or(reason, fmt.Sprintf("%s asks for the role %s, which no peer has", p.Text, p.Role))
			case !running[p.MSPID]:
				reason = cmp.Or(reason, fmt.Sprintf("no peer of %s runs", p.MSPID))
			}
		}
		if reason == "" {
			return ""
		}
		lacking = cmp.Or(lacking, reason)
	}
	return fmt.Sprintf("nobody can satisfy the policy %s: %s", c.Policy, cmp.Or(lacking, "no set of signers is enough"))
}

// approveAll lets every organisation with a running peer approve, all at once.
func (n *Chaincodes) approveAll(ctx context.Context, c Chaincode, d *Deployment) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, org := range n.topology.orgNames() {
		if len(n.nodes.running(rolePeer, org)) > 0 {
			group.Go(func() error { return n.Approve(ctx, c, d.Sequence, d.PackageID, org) })
		}
	}
	return group.Wait()
}

// launchWait bounds the wait for a chaincode: a first build in a container takes a
// minute or two.
const launchWait = 5 * time.Minute

// waitLaunched waits until the package runs at every running peer, and says in
// words what came of it. A launch that fails is no failed deployment: the
// definition is committed, and a call will say why the chaincode does not run.
func (n *Chaincodes) waitLaunched(ctx context.Context, packageID string) string {
	ctx, cancel := context.WithTimeout(ctx, launchWait)
	defer cancel()
	var mu sync.Mutex
	failed := "" // what the first of them said
	err := n.nodes.each(rolePeer, func(m *member, h handle) error {
		return Poll(ctx, func() (bool, error) {
			r, err := h.do(ctx, command{Status: &statusCommand{Channel: n.topology.Channel}})
			if err != nil {
				return false, err
			}
			for _, c := range r.Status.Chaincodes {
				if c.PackageID == packageID && c.Ready {
					return true, nil
				}
			}
			e, ok := n.trace.Latest(trace.LaunchEnd, func(e *trace.Event) bool {
				return e.Node == m.name && e.Key == packageID && e.What == trace.Failed
			})
			if ok {
				mu.Lock()
				failed = cmp.Or(failed, m.name+": "+e.Note)
				mu.Unlock()
			}
			return ok, nil
		})
	})
	switch {
	case failed != "":
		return "launch at " + failed
	case err != nil:
		return "launch: " + err.Error()
	}
	return "launch"
}

// firstCall submits what the topology says is called once after the deployment.
func (n *Chaincodes) firstCall(ctx context.Context, c Chaincode) error {
	admin, err := n.clients.admin(n.firstOrgWithPeer())
	if err != nil {
		return err
	}
	result, err := admin.Submit(ctx, Call{Chaincode: c.Name, Function: c.Call[0], Args: c.Call[1:], Init: c.InitRequired})
	if err != nil {
		return err
	}
	return n.nodes.waitHeight(ctx, result.Block+1)
}

// setRuntime tells the peers how the chaincode's packages are run where that differs
// from the topology's way. Peers of another program are told by nobody: they run
// them in their own way.
func (n *Chaincodes) setRuntime(ctx context.Context, c Chaincode) error {
	if n.attached || c.Runtime == n.topology.Runtime && !c.Build {
		return nil
	}
	return n.nodes.each(rolePeer, func(m *member, h handle) error {
		_, err := h.do(ctx, command{Runtime: &runtimeCommand{Label: c.label(), ForLabel: chaincode.ForLabel{Runtime: c.Runtime, Build: c.Build}}})
		return err
	})
}

// fillAndCheck prepares a chaincode that did not come through a topology file.
func (c *Chaincode) fillAndCheck(t *Topology) *problem {
	setDefault(&c.Version, "1.0")
	setDefault(&c.Runtime, t.Runtime)
	if p := chaincodeNames.check("name", c.Name); p != nil {
		return p
	}
	return c.check("chaincode " + c.Name)
}

// Install installs a package on peers (nil: every running peer) and gives its id.
// A peer that has the package already is content.
func (n *Chaincodes) Install(ctx context.Context, raw []byte, peers []string) (packageID string, err error) {
	pkg, err := chaincode.ParsePackage(raw)
	if err != nil {
		return "", err
	}
	args, err := proto.Marshal(&lifecyclepb.InstallChaincodeArgs{ChaincodeInstallPackage: raw})
	if err != nil {
		return "", fmt.Errorf("build the install request: %w", err)
	}
	members := n.nodes.running(rolePeer, "")
	if peers != nil {
		members = nil
		for _, p := range peers {
			m, err := n.nodes.find(p)
			if err != nil {
				return "", err
			}
			members = append(members, m)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, m := range members {
		group.Go(func() error { return n.installOn(ctx, m, args) })
	}
	return pkg.ID, group.Wait()
}

func (n *Chaincodes) installOn(ctx context.Context, m *member, args []byte) error {
	admin, err := n.clients.admin(m.org)
	if err != nil {
		return err
	}
	_, err = admin.Evaluate(ctx, Call{Chaincode: lifecycleName, Function: "InstallChaincode", Raw: [][]byte{args}, Channel: "-", Endorsers: []string{m.name}})
	if err != nil && !strings.Contains(err.Error(), "already successfully installed") {
		return fmt.Errorf("install on %s: %w", m.name, err)
	}
	return nil
}

// lifecycleQuery asks one peer's _lifecycle and decodes the answer.
func (n *Chaincodes) lifecycleQuery(ctx context.Context, c *Client, function string, args, answer proto.Message, channel string, peers ...string) error {
	raw, err := proto.Marshal(args)
	if err != nil {
		return fmt.Errorf("build the request %s: %w", function, err)
	}
	r, err := c.Evaluate(ctx, Call{Chaincode: lifecycleName, Function: function, Raw: [][]byte{raw}, Channel: channel, Endorsers: peers})
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(r.Payload, answer); err != nil {
		return fmt.Errorf("the answer to %s cannot be read: %w", function, err)
	}
	return nil
}

// Definition gives the committed definition of a chaincode, nil if there is none.
func (n *Chaincodes) Definition(ctx context.Context, name string) (*lifecyclepb.QueryChaincodeDefinitionResult, error) {
	admin, err := n.clients.admin(n.firstOrgWithPeer())
	if err != nil {
		return nil, err
	}
	answer := &lifecyclepb.QueryChaincodeDefinitionResult{}
	err = n.lifecycleQuery(ctx, admin, "QueryChaincodeDefinition", &lifecyclepb.QueryChaincodeDefinitionArgs{Name: name}, answer, "")
	var refused *EndorseError
	if errors.As(err, &refused) && len(refused.Answers) == 1 && refused.Answers[0].status() == 404 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up the definition of %s: %w", name, err)
	}
	return answer, nil
}

// Definitions gives all committed definitions.
func (n *Chaincodes) Definitions(ctx context.Context) ([]*lifecyclepb.QueryChaincodeDefinitionsResult_ChaincodeDefinition, error) {
	admin, err := n.clients.admin(n.firstOrgWithPeer())
	if err != nil {
		return nil, err
	}
	answer := &lifecyclepb.QueryChaincodeDefinitionsResult{}
	err = n.lifecycleQuery(ctx, admin, "QueryChaincodeDefinitions", &lifecyclepb.QueryChaincodeDefinitionsArgs{}, answer, "")
	return answer.GetChaincodeDefinitions(), err
}

// Installed gives the packages that one peer has.
func (n *Chaincodes) Installed(ctx context.Context, peerName string) ([]*lifecyclepb.QueryInstalledChaincodesResult_InstalledChaincode, error) {
	m, err := n.nodes.find(peerName)
	if err != nil {
		return nil, err
	}
	admin, err := n.clients.admin(m.org)
	if err != nil {
		return nil, err
	}
	answer := &lifecyclepb.QueryInstalledChaincodesResult{}
	err = n.lifecycleQuery(ctx, admin, "QueryInstalledChaincodes", &lifecyclepb.QueryInstalledChaincodesArgs{}, answer, "-", m.name)
	return answer.GetInstalledChaincodes(), err
}

func (n *Chaincodes) firstOrgWithPeer() string {
	for _, org := range n.topology.orgNames() {
		if len(n.nodes.running(rolePeer, org)) > 0 {
			return org
		}
	}
	return n.topology.Organizations[0].Name
}

// nextSequence gives the sequence that the chaincode's next definition needs.
func (n *Chaincodes) nextSequence(ctx context.Context, name string) (int64, error) {
	d, err := n.Definition(ctx, name)
	if err != nil {
		return 0, err
	}
	return d.GetSequence() + 1, nil
}

// validationParameter gives the definition's endorsement policy as bytes; nil
// means the channel's default.
func validationParameter(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	p := &peerpb.ApplicationPolicy{Type: &peerpb.ApplicationPolicy_ChannelConfigPolicyReference{ChannelConfigPolicyReference: text}}
	if !strings.HasPrefix(text, "/") {
		env, err := policy.Parse(text)
		if err != nil {
			return nil, err
		}
		p.Type = &peerpb.ApplicationPolicy_SignaturePolicy{SignaturePolicy: env}
	}
	return proto.Marshal(p)
}

// Approve approves a definition for one organisation. An equal approval that is
// already there is content.
func (n *Chaincodes) Approve(ctx context.Context, c Chaincode, sequence int64, packageID, org string) error {
	parameter, err := validationParameter(c.Policy)
	if err != nil {
		return err
	}
	source := &lifecyclepb.ChaincodeSource{Type: &lifecyclepb.ChaincodeSource_Unavailable_{Unavailable: &lifecyclepb.ChaincodeSource_Unavailable{}}}
	if packageID != "" {
		source.Type = &lifecyclepb.ChaincodeSource_LocalPackage{LocalPackage: &lifecyclepb.ChaincodeSource_Local{PackageId: packageID}}
	}
	args, err := proto.Marshal(&lifecyclepb.ApproveChaincodeDefinitionForMyOrgArgs{Sequence: sequence, Name: c.Name, Version: c.Version,
		ValidationParameter: parameter, InitRequired: c.InitRequired, Source: source})
	if err != nil {
		return fmt.Errorf("build the approval: %w", err)
	}
	admin, err := n.clients.admin(org)
	if err != nil {
		return err
	}
	result, err := admin.Submit(ctx, Call{Chaincode: lifecycleName, Function: "ApproveChaincodeDefinitionForMyOrg", Raw: [][]byte{args}, Endorsers: []string{org}})
	if err != nil {
		if text := err.Error(); strings.Contains(text, "attempted to redefine") && !strings.Contains(text, "different parameters") {
			return nil // it is approved already
		}
		return fmt.Errorf("approve %s for %s: %w", c.Name, org, err)
	}
	return n.nodes.waitHeight(ctx, result.Block+1)
}

// Commit commits an approved definition and waits until every running
// peer has it.
func (n *Chaincodes) Commit(ctx context.Context, c Chaincode, sequence int64) error {
	parameter, err := validationParameter(c.Policy)
	if err != nil {
		return err
	}
	args, err := proto.Marshal(&lifecyclepb.CommitChaincodeDefinitionArgs{Sequence: sequence, Name: c.Name, Version: c.Version,
		ValidationParameter: parameter, InitRequired: c.InitRequired})
	if err != nil {
		return fmt.Errorf("build the commit: %w", err)
	}
	admin, err := n.clients.admin(n.firstOrgWithPeer())
	if err != nil {
		return err
	}
	result, err := admin.Submit(ctx, Call{Chaincode: lifecycleName, Function: "CommitChaincodeDefinition", Raw: [][]byte{args}})
	if err != nil {
		return fmt.Errorf("commit the definition of %s: %w", c.Name, err)
	}
	return n.nodes.waitHeight(ctx, result.Block+1)
}

// packagesOf gives the packages that the organisation's first running peer has, to
// install them on another.
func (n *Chaincodes) packagesOf(ctx context.Context, org string) ([][]byte, error) {
	peers := n.nodes.running(rolePeer, org)
	if len(peers) == 0 {
		return nil, nil
	}
	m := peers[0]
	installed, err := n.Installed(ctx, m.name)
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", m.name, err)
	}
	admin, err := n.clients.admin(org)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, i := range installed {
		answer := &lifecyclepb.GetInstalledChaincodePackageResult{}
		err := n.lifecycleQuery(ctx, admin, "GetInstalledChaincodePackage",
			&lifecyclepb.GetInstalledChaincodePackageArgs{PackageId: i.GetPackageId()}, answer, "-", m.name)
		if err != nil {
			return nil, fmt.Errorf("get package %s from %s: %w", i.GetPackageId(), m.name, err)
		}
		out = append(out, answer.GetChaincodeInstallPackage())
	}
	return out, nil
}
