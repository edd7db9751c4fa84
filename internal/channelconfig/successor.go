package channelconfig

import (
	"bytes"
	"net"
	"strconv"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	raftpb "github.com/hyperledger/fabric-protos-go-apiv2/orderer/etcdraft"
	"google.golang.org/protobuf/proto"
)

// checkSuccessor holds what an ordering node demands of a change beyond a valid
// result: things that a running channel cannot survive. Peers do not check it;
// they follow what the ordering service decided.
func (b *Bundle) checkSuccessor(next *Bundle) error {
	if (b.groupOf(groupApplication) != nil) != (next.groupOf(groupApplication) != nil) {
		return invalid("/Channel/Application", "this group can be neither added nor removed later")
	}
	if b.orderer.consensus != next.orderer.consensus {
		return invalid("/Channel/Orderer/ConsensusType", "it cannot change from %s to %s while the channel runs",
			b.orderer.consensus, next.orderer.consensus)
	}
	for _, pair := range [][2][]Org{{b.ordererOrgs, next.ordererOrgs}, {b.applicationOrgs, next.applicationOrgs}} {
		if err := sameMSPIDs(pair[0], pair[1]); err != nil {
			return err
		}
	}
	if next.orderer.consensus != consensusRaft || b.sameConsensus(next) {
		return nil
	}
	return checkConsenters(b.orderer, next.orderer)
}

func (b *Bundle) groupOf(name string) *commonpb.ConfigGroup {
	return b.config.GetChannelGroup().GetGroups()[name]
}

func (b *Bundle) sameConsensus(next *Bundle) bool {
	return bytes.Equal(
		b.groupOf(groupOrderer).GetValues()[valueConsensusType].GetValue(),
		next.groupOf(groupOrderer).GetValues()[valueConsensusType].GetValue())
}

// sameMSPIDs: what its members signed is in the chain under the old id.
func sameMSPIDs(old, now []Org) error {
	ids := map[string]string{}
	for _, org := range old {
		ids[org.Name] = org.MSPID
	}
	for _, org := range now {
		if before, ok := ids[org.Name]; ok && before != org.MSPID {
			return invalid("organisation "+org.Name, "its MSP id cannot change from %s to %s; add a new organisation instead", before, org.MSPID)
		}
	}
	return nil
}

// checkConsenters: Raft stays safe if one node at a time joins, leaves or changes
// its certificates.
func checkConsenters(old, now ordererSettings) error {
	const at = "/Channel/Orderer/ConsensusType"
	if len(now.consenters) == 0 && len(old.consenters) > 0 {
		return invalid(at, "no consenter would be left")
	}
	o := now.options
	if o.GetElectionTick() <= o.GetHeartbeatTick() || o.GetHeartbeatTick() == 0 || o.GetMaxInflightBlocks() == 0 || o.GetSnapshotIntervalSize() == 0 {
		return invalid(at, "options: election_tick must be more than heartbeat_tick, and all of them more than 0")
	}
	seen := map[string]bool{}
	for _, c := range now.consenters {
		if seen[consenterAddress(c)] {
			return invalid(at, "consenter %s is listed twice", consenterAddress(c))
		}
		seen[consenterAddress(c)] = true
	}
	added, removed := difference(now.consenters, old.consenters), difference(old.consenters, now.consenters)
	if added > 1 || removed > 1 {
		return invalid(at, "%d consenters would join and %d would leave; change one at a time", added, removed)
	}
	return nil
}

func consenterAddress(c *raftpb.Consenter) string {
	return net.JoinHostPort(c.GetHost(), strconv.FormatUint(uint64(c.GetPort()), 10))
}

// difference counts the consenters of a that are not in b.
func difference(a, b []*raftpb.Consenter) int {
	n := 0
	for _, x := range a {
		found := false
		for _, y := range b {
			found = found || proto.Equal(x, y)
		}
		if !found {
			n++
		}
	}
	return n
}
