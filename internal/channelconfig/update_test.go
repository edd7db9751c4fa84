package channelconfig_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	ordererpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
)

// step applies an update as an ordering node does and accepts it as a peer does,
// with the bytes in between.
func step(t testing.TB, b *channelconfig.Bundle, o *organisations, update *commonpb.Envelope) (*channelconfig.Bundle, error) {
	t.Helper()
	applied, err := b.ApplyUpdate(update)
	if err != nil {
		return nil, err
	}
	envelope, err := channelconfig.NewConfigEnvelope(b.Channel(), applied, o.orderer.Node("orderer0").Signer)
	if err != nil {
		t.Fatal(err)
	}
	received := &commonpb.Envelope{}
	if err := proto.Unmarshal(MustMarshal(t, envelope), received); err != nil {
		t.Fatal(err)
	}
	_, config, err := channelconfig.ParseEnvelope(received)
	if err != nil {
		t.Fatal(err)
	}
	next, err := b.Next(config)
	if err != nil {
		t.Fatalf("the peer refuses what the ordering node accepted: %v", err)
	}
	return next, nil
}

// newOrg is the group of Org3 as its administrators would offer it.
func newOrg(t testing.TB, o *organisations) *commonpb.ConfigGroup {
	t.Helper()
	p := o.profile()
	p.Orgs = append(p.Orgs, channelconfig.OrgProfile{MSPID: "Org3MSP", Config: o.three.MSPConfig()})
	return MustGenesis(t, p).Config().GetChannelGroup().GetGroups()["Application"].GetGroups()["Org3MSP"]
}

type edit = func(channel *commonpb.ConfigGroup)

// updateCase is a change of the channel of two organisations, and its outcome.
type updateCase struct {
	edit   edit
	signed string // MSP ids of the administrators who sign
	want   error  // nil: accepted
	text   string // part of the error's text
}

func application(g *commonpb.ConfigGroup) *commonpb.ConfigGroup { return g.GetGroups()["Application"] }

func orderer(g *commonpb.ConfigGroup) *commonpb.ConfigGroup { return g.GetGroups()["Orderer"] }

func TestUpdates(t *testing.T) {
	o := MustOrganisations(t)
	for _, cases := range []map[string]updateCase{settingsCases(t), memberCases(t, o), forbiddenCases(t, o), consenterCases(t, o)} {
		for name, c := range cases {
			t.Run(name, func(t *testing.T) { checkUpdate(t, o, c) })
		}
	}
}

func checkUpdate(t *testing.T, o *organisations, c updateCase) {
	b := MustGenesis(t, o.profile())
	next, err := step(t, b, o, o.MustUpdate(t, b, c.signed, c.edit))
	if !errors.Is(err, c.want) {
		t.Fatalf("error %v, want %v", err, c.want)
	}
	if err != nil {
		if !strings.Contains(err.Error(), c.text) {
			t.Fatalf("error\n  %v\ndoes not say\n  %s", err, c.text)
		}
		return
	}
	want := proto.CloneOf(b.Config()).GetChannelGroup()
	c.edit(want)
	if !proto.Equal(withoutVersions(next.Config().GetChannelGroup()), withoutVersions(want)) {
		t.Errorf("the configuration is not what was asked for")
	}
}

// settingsCases: changes of values, by those who may and by others.
func settingsCases(t *testing.T) map[string]updateCase {
	return map[string]updateCase{
		"batch timeout, by its administrator": {
			func(g *commonpb.ConfigGroup) {
				set(t, orderer(g), "BatchTimeout", &ordererpb.BatchTimeout{Timeout: "1s"})
			},
			"OrdererMSP", nil, "",
		},
		"batch timeout, by another organisation": {
			func(g *commonpb.ConfigGroup) {
				set(t, orderer(g), "BatchTimeout", &ordererpb.BatchTimeout{Timeout: "1s"})
			},
			"Org1MSP Org2MSP", channelconfig.ErrDenied,
			"change of value /Channel/Orderer/BatchTimeout: policy /Channel/Orderer/Admins is not satisfied: MAJORITY Admins has 0 of 1 needed, nobody for 'OrdererMSP.admin'; signed by Admin@org1.example.com (Org1MSP, admin), Admin@org2",
		},
		"batch timeout, unsigned": {
			func(g *commonpb.ConfigGroup) {
				set(t, orderer(g), "BatchTimeout", &ordererpb.BatchTimeout{Timeout: "1s"})
			},
			"", channelconfig.ErrDenied, "no valid signature",
		},
		"batch timeout that is none": {
			func(g *commonpb.ConfigGroup) {
				set(t, orderer(g), "BatchTimeout", &ordererpb.BatchTimeout{Timeout: "soon"})
			},
			"OrdererMSP", channelconfig.ErrInvalid, `"soon" is not a duration such as 2s`,
		},
		"the list of ordering nodes, whose mod_policy is a whole path": {
			func(g *commonpb.ConfigGroup) {
				set(t, g, "OrdererAddresses", &commonpb.OrdererAddresses{Addresses: []string{"elsewhere:7050"}})
			},
			"OrdererMSP", nil, "",
		},
		"a value that nobody knows": {
			func(g *commonpb.ConfigGroup) {
				set(t, application(g), "Weather", &commonpb.HashingAlgorithm{Name: "rain"})
			},
			"Org1MSP Org2MSP", channelconfig.ErrInvalid, "/Channel/Application/Weather: this value is not known here",
		},
		"a value without mod_policy": {
			func(g *commonpb.ConfigGroup) { application(g).Values["ACLs"] = &commonpb.ConfigValue{} },
			"Org1MSP Org2MSP", channelconfig.ErrBadUpdate, "value /Channel/Application/ACLs has no mod_policy",
		},
		"a mod_policy that is no path": {
			func(g *commonpb.ConfigGroup) {
				application(g).Values["ACLs"] = &commonpb.ConfigValue{ModPolicy: "//Ad mins"}
			},
			"Org1MSP Org2MSP", channelconfig.ErrBadUpdate, "mod_policy name",
		},
	}
}

// memberCases: changes of what belongs to whom.
func memberCases(t *testing.T, o *organisations) map[string]updateCase {
	return map[string]updateCase{
		"a new organisation, by the majority": {
			func(g *commonpb.ConfigGroup) { application(g).Groups["Org3MSP"] = newOrg(t, o) },
			"Org1MSP Org2MSP", nil, "",
		},
		"a new organisation, by one of two": {
			func(g *commonpb.ConfigGroup) { application(g).Groups["Org3MSP"] = newOrg(t, o) },
			"Org1MSP Org1MSP", channelconfig.ErrDenied, "MAJORITY Admins has 1 of 2 needed",
		},
		"an organisation leaves": {
			func(g *commonpb.ConfigGroup) { delete(application(g).Groups, "Org2MSP") },
			"Org1MSP Org2MSP", nil, "",
		},
		"own anchor peer": {
			func(g *commonpb.ConfigGroup) {
				set(t, application(g).Groups["Org2MSP"], "AnchorPeers", &peerpb.AnchorPeers{AnchorPeers: []*peerpb.AnchorPeer{{Host: "peer0.org2.example.com", Port: 9051}}})
			},
			"Org2MSP", nil, "",
		},
		"another's anchor peer": {
			func(g *commonpb.ConfigGroup) {
				set(t, application(g).Groups["Org2MSP"], "AnchorPeers", &peerpb.AnchorPeers{})
			},
			"Org1MSP", channelconfig.ErrDenied, "policy /Channel/Application/Org2MSP/Admins is not satisfied",
		},
	}
}

// forbiddenCases: changes that no signature makes acceptable.
func forbiddenCases(t *testing.T, o *organisations) map[string]updateCase {
	return map[string]updateCase{
		"another group": {
			func(g *commonpb.ConfigGroup) { g.Groups["Spectators"] = &commonpb.ConfigGroup{ModPolicy: "Admins"} },
			"Org1MSP Org2MSP OrdererMSP", channelconfig.ErrInvalid, "groups here are Orderer and Application",
		},
		"a capability of the future": {
			func(g *commonpb.ConfigGroup) {
				set(t, application(g), "Capabilities", &commonpb.Capabilities{Capabilities: map[string]*commonpb.Capability{"V9_0": {}}})
			},
			"Org1MSP Org2MSP", channelconfig.ErrUnsupported, "the Application capability V9_0",
		},
		"another MSP id under an old name": {
			func(g *commonpb.ConfigGroup) { set(t, application(g).Groups["Org2MSP"], "MSP", o.three.MSPConfig()) },
			"Org2MSP", channelconfig.ErrInvalid, "its MSP id cannot change from Org2MSP to Org3MSP",
		},
		"another ordering protocol": {
			func(g *commonpb.ConfigGroup) {
				set(t, orderer(g), "ConsensusType", &ordererpb.ConsensusType{Type: "solo"})
			},
			"OrdererMSP", channelconfig.ErrInvalid, "it cannot change from etcdraft to solo",
		},
		"no application any more": {
			func(g *commonpb.ConfigGroup) { delete(g.Groups, "Application") },
			"Org1MSP Org2MSP OrdererMSP", channelconfig.ErrInvalid, "this group can be neither added nor removed",
		},
	}
}

// consenterCases: changes of the Raft cluster.
func consenterCases(t *testing.T, o *organisations) map[string]updateCase {
	four := o.consenters(4)
	consenters := func(all []*raftpb.Consenter, tick uint32) edit {
		return func(g *commonpb.ConfigGroup) {
			set(t, orderer(g), "ConsensusType", &ordererpb.ConsensusType{Type: "etcdraft", Metadata: MustMarshal(t, &raftpb.ConfigMetadata{
				Consenters: all,
				Options:    &raftpb.Options{TickInterval: "500ms", ElectionTick: tick, HeartbeatTick: 1, MaxInflightBlocks: 5, SnapshotIntervalSize: 1 << 20},
			})})
		}
	}
	return map[string]updateCase{
		"a fourth consenter":     {consenters(four, 10), "OrdererMSP", nil, ""},
		"two consenters leave":   {consenters(four[:1], 10), "OrdererMSP", channelconfig.ErrInvalid, "0 consenters would join and 2 would leave"},
		"no consenters":          {consenters(nil, 10), "OrdererMSP", channelconfig.ErrInvalid, "no consenter would be left"},
		"a consenter twice":      {consenters(append(o.consenters(3), four[0]), 10), "OrdererMSP", channelconfig.ErrInvalid, "orderer0.example.com:7050 is listed twice"},
		"elections all the time": {consenters(four[:3], 1), "OrdererMSP", channelconfig.ErrInvalid, "election_tick must be more"},
	}
}

func withoutVersions(g *commonpb.ConfigGroup) *commonpb.ConfigGroup {
	plain := proto.CloneOf(g)
	plain.Version = 0
	for name, sub := range plain.GetGroups() {
		plain.Groups[name] = withoutVersions(sub)
	}
	for _, v := range plain.GetValues() {
		v.Version = 0
	}
	for _, p := range plain.GetPolicies() {
		p.Version = 0
	}
	return plain
}

// A new member acts from the next configuration on, and its identities are known.
func TestNewOrganisationTakesPart(t *testing.T) {
	o := MustOrganisations(t)
	b := MustGenesis(t, o.profile())
	stranger := o.three.Node("peer0").Signer.Creator()
	if _, err := b.MSPs().Identity(stranger); err == nil {
		t.Error("Org3 is known before it joined")
	}
	next, err := step(t, b, o, o.MustUpdate(t, b, "Org1MSP Org2MSP", func(g *commonpb.ConfigGroup) {
		g.GetGroups()["Application"].Groups["Org3MSP"] = newOrg(t, o)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.MSPs().Identity(stranger); err != nil {
		t.Errorf("Org3 joined, but %v", err)
	}
	if got := next.ApplicationOrgs(); !slices.Equal(got, []string{"Org1MSP", "Org2MSP", "Org3MSP"}) {
		t.Errorf("organisations %v", got)
	}
	endorsement, err := next.Policy(channelconfig.PathEndorsement)
	if err != nil || endorsement.Explain(nil).Need != 2 || len(endorsement.Explain(nil).Children) != 3 {
		t.Errorf("endorsement is %v, %v", endorsement, err)
	}
}

// Two administrators edit the same version: the second update no longer fits.
func TestSecondOfTwoConcurrentUpdatesIsStale(t *testing.T) {
	o := MustOrganisations(t)
	b := MustGenesis(t, o.profile())
	timeout := func(text string) *commonpb.Envelope {
		return o.MustUpdate(t, b, "OrdererMSP", func(g *commonpb.ConfigGroup) {
			set(t, g.GetGroups()["Orderer"], "BatchTimeout", &ordererpb.BatchTimeout{Timeout: text})
		})
	}
	first, second := timeout("1s"), timeout("3s")
	next, err := step(t, b, o, first)
	if err != nil {
		t.Fatal(err)
	}
	for name, update := range map[string]*commonpb.Envelope{"the other one": second, "the same again": first} {
		if _, err := next.ApplyUpdate(update); !errors.Is(err, channelconfig.ErrStale) ||
			!strings.Contains(err.Error(), "value /Channel/Orderer/BatchTimeout is at version 1, so 2 must follow, not 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestHandMadeUpdates(t *testing.T) {
	o := MustOrganisations(t)
	b := MustGenesis(t, o.profile())
	value := func(version uint64) *commonpb.ConfigValue {
		return &commonpb.ConfigValue{Version: version, ModPolicy: "Admins", Value: MustMarshal(t, &ordererpb.BatchTimeout{Timeout: "9s"})}
	}
	group := func(version uint64, values map[string]*commonpb.ConfigValue, groups map[string]*commonpb.ConfigGroup) *commonpb.ConfigGroup {
		return &commonpb.ConfigGroup{Version: version, Values: values, Groups: groups}
	}
	type values = map[string]*commonpb.ConfigValue
	type groups = map[string]*commonpb.ConfigGroup
	deep := group(0, nil, nil)
	for range 20 {
		deep = group(0, nil, groups{"Deeper": deep})
	}
	for name, c := range map[string]struct {
		update *commonpb.ConfigUpdate
		want   error
	}{
		"empty":           {&commonpb.ConfigUpdate{ChannelId: "mychannel"}, channelconfig.ErrNoChange},
		"another channel": {&commonpb.ConfigUpdate{ChannelId: "yourchannel"}, channelconfig.ErrWrongChannel},
		"reads what is not there": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			ReadSet: group(0, nil, groups{"Consortiums": group(0, nil, nil)})}, channelconfig.ErrStale},
		"reads a later version": {&commonpb.ConfigUpdate{ChannelId: "mychannel", ReadSet: group(1, nil, nil)}, channelconfig.ErrStale},
		"writes the same version without reading": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			ReadSet: group(0, nil, nil), WriteSet: group(0, nil, groups{"Orderer": {ModPolicy: "Admins"}})}, channelconfig.ErrStale},
		"skips a version": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			ReadSet:  group(0, nil, groups{"Orderer": group(0, nil, nil)}),
			WriteSet: group(0, nil, groups{"Orderer": group(0, values{"BatchTimeout": value(2)}, nil)})}, channelconfig.ErrStale},
		"starts above zero": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			ReadSet:  group(0, nil, groups{"Orderer": group(0, nil, nil)}),
			WriteSet: group(0, nil, groups{"Orderer": group(0, values{"New": value(1)}, nil)})}, channelconfig.ErrStale},
		"lists what is not there": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			ReadSet: group(0, nil, groups{"Orderer": group(0, nil, nil)}),
			WriteSet: group(0, nil, groups{"Orderer": {Version: 1, ModPolicy: "Admins",
				Values: values{"BatchTimeout": value(1)}}})}, channelconfig.ErrInvalid},
		"a name with a slash": {&commonpb.ConfigUpdate{ChannelId: "mychannel",
			WriteSet: group(0, nil, groups{"Orderer/Org": {ModPolicy: "Admins"}})}, channelconfig.ErrBadUpdate},
		"a name of dots":  {&commonpb.ConfigUpdate{ChannelId: "mychannel", WriteSet: group(0, values{"..": value(0)}, nil)}, channelconfig.ErrBadUpdate},
		"nested too deep": {&commonpb.ConfigUpdate{ChannelId: "mychannel", WriteSet: deep}, channelconfig.ErrBadUpdate},
	} {
		if _, err := b.ApplyUpdate(o.MustSign(t, c.update, "OrdererMSP Org1MSP Org2MSP")); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	for name, envelope := range map[string]*commonpb.Envelope{
		"none":         nil,
		"empty":        {},
		"garbage":      {Payload: []byte("nonsense")},
		"not a change": {Payload: MustMarshal(t, &commonpb.Payload{Header: &commonpb.Header{ChannelHeader: MustMarshal(t, &commonpb.ChannelHeader{Type: 3})}})},
	} {
		if _, err := b.ApplyUpdate(envelope); !errors.Is(err, channelconfig.ErrBadUpdate) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// As in Fabric, a new element that its group does not list (because the group's
// version was not raised) has no effect: it is not smuggled in, and others go on.
func TestUnlistedElementIsDropped(t *testing.T) {
	o := MustOrganisations(t)
	b := MustGenesis(t, o.profile())
	update := &commonpb.ConfigUpdate{
		ChannelId: "mychannel",
		ReadSet:   &commonpb.ConfigGroup{Groups: map[string]*commonpb.ConfigGroup{"Application": {}}},
		WriteSet:  &commonpb.ConfigGroup{Groups: map[string]*commonpb.ConfigGroup{"Application": {Groups: map[string]*commonpb.ConfigGroup{"Org3MSP": newOrg(t, o)}}}},
	}
	next, err := step(t, b, o, o.MustSign(t, update, ""))
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(next.Config().GetChannelGroup(), b.Config().GetChannelGroup()) || next.Sequence() != 1 {
		t.Errorf("organisations %v at sequence %d", next.ApplicationOrgs(), next.Sequence())
	}
}

// Any edit that leaves a valid configuration is found by ComputeUpdate and led to
// by ApplyUpdate, over several rounds.
func TestComputedUpdatesLeadToTheGoal(t *testing.T) {
	o := MustOrganisations(t)
	third := newOrg(t, o)
	genesis := MustGenesis(t, o.profile())
	everybody := "Org1MSP Org2MSP OrdererMSP"
	rapid.Check(t, func(rt *rapid.T) {
		b := genesis
		for range rapid.IntRange(1, 3).Draw(rt, "rounds") {
			to := proto.CloneOf(b.Config())
			for range rapid.IntRange(1, 4).Draw(rt, "edits") {
				drawEdit(t, rt, to.GetChannelGroup(), third)
			}
			update, err := channelconfig.ComputeUpdate("mychannel", b.Config(), to)
			if proto.Equal(withoutVersions(to.GetChannelGroup()), withoutVersions(b.Config().GetChannelGroup())) {
				if !errors.Is(err, channelconfig.ErrNoChange) {
					rt.Fatalf("nothing changed, but %v, %v", update, err)
				}
				continue
			}
			if err != nil {
				rt.Fatal(err)
			}
			next, err := step(t, b, o, o.MustSign(t, update, everybody))
			if err != nil {
				rt.Fatalf("%v\n%v", err, update)
			}
			if !proto.Equal(withoutVersions(next.Config().GetChannelGroup()), withoutVersions(to.GetChannelGroup())) {
				rt.Fatalf("another configuration than asked for, by %v", update)
			}
			b = next
		}
	})
}

// drawEdit changes one thing in a way that everybody's administrators may.
func drawEdit(t testing.TB, rt *rapid.T, channel, third *commonpb.ConfigGroup) {
	application, orderer := channel.GetGroups()["Application"], channel.GetGroups()["Orderer"]
	number := rapid.Uint32Range(1, 5).Draw(rt, "number")
	switch rapid.IntRange(0, 7).Draw(rt, "edit") {
	case 0:
		set(t, orderer, "BatchTimeout", &ordererpb.BatchTimeout{Timeout: fmt.Sprintf("%ds", number)})
	case 1:
		set(t, orderer, "BatchSize", &ordererpb.BatchSize{MaxMessageCount: number, AbsoluteMaxBytes: 1000, PreferredMaxBytes: 500})
	case 2:
		if application.GetGroups()["Org3MSP"] != nil {
			delete(application.Groups, "Org3MSP")
		} else {
			application.Groups["Org3MSP"] = proto.CloneOf(third)
		}
	case 3:
		rule, err := channelconfig.ParsePolicy(fmt.Sprintf("OutOf(%d,'Org1MSP.peer','Org2MSP.peer','Org1MSP.peer','Org2MSP.peer')", number))
		if err != nil {
			rt.Fatal(err)
		}
		application.Policies["Endorsement"] = &commonpb.ConfigPolicy{Policy: rule, ModPolicy: "Admins"}
	case 4:
		set(t, application, "ACLs", &peerpb.ACLs{Acls: map[string]*peerpb.APIResource{"peer/Propose": {PolicyRef: fmt.Sprintf("P%d", number)}}})
	case 5:
		delete(application.Values, "ACLs")
	case 6:
		application.Groups["Org2MSP"].ModPolicy = []string{"Admins", "/Channel/Application/Org2MSP/Admins"}[number%2]
	case 7:
		set(t, application.GetGroups()["Org1MSP"], "AnchorPeers", &peerpb.AnchorPeers{AnchorPeers: []*peerpb.AnchorPeer{{Host: "h", Port: int32(number)}}})
	}
}
