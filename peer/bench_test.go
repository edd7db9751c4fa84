package peer_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	gatewaypb "github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/internal/wire"
)

// MustBench is a network as a run has it: samples as child processes, signatures
// remembered.
func MustBench(b *testing.B, traced bool) *network {
	n := MustNetwork(b, options{memory: true, process: true, noTrace: !traced})
	n.MustDeploy(b, "asset", definition{name: "asset"})
	return n
}

// proposals makes signed proposals in advance: signing is the client's work.
func (n *network) proposals(b *testing.B, count int, spec func(i int) wire.ProposalSpec) []*peerpb.SignedProposal {
	b.Helper()
	list := make([]*peerpb.SignedProposal, count)
	for i := range list {
		_, list[i] = MustPropose(b, n.user(), spec(i))
	}
	return list
}

// BenchmarkProcessProposal measures one endorsement as a client sees it: over TLS,
// with the chaincode in a process of its own.
func BenchmarkProcessProposal(b *testing.B) {
	for _, traced := range []bool{false, true} {
		for _, kind := range []string{"ReadAsset", "CreateAsset"} {
			b.Run(fmt.Sprintf("%s/trace=%t", kind, traced), func(b *testing.B) {
				n := MustBench(b, traced)
				at := n.firstPeers()[0]
				if kind == "ReadAsset" {
					if code, _ := n.MustSubmit(b, n.user(), call("asset", "CreateAsset", "a", "blue", "1", "me", "1"), n.firstPeers()...); code != 0 {
						b.Fatal(code)
					}
				}
				list := n.proposals(b, b.N, func(i int) wire.ProposalSpec {
					if kind == "ReadAsset" {
						return call("asset", "ReadAsset", "a")
					}
					return call("asset", "CreateAsset", fmt.Sprintf("asset%d", i), "blue", "1", "me", "1")
				})
				client := peerpb.NewEndorserClient(n.MustConn(at))
				var next atomic.Int64
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						response, err := client.ProcessProposal(b.Context(), list[next.Add(1)-1])
						if err != nil || response.GetEndorsement() == nil {
							b.Errorf("%v %v", response.GetResponse(), err)
							return
						}
					}
				})
			})
		}
	}
}

// BenchmarkGatewayEndorse measures both endorsements, collected by a gateway.
func BenchmarkGatewayEndorse(b *testing.B) {
	n := MustBench(b, false)
	list := n.proposals(b, b.N, func(i int) wire.ProposalSpec {
		return call("asset", "CreateAsset", fmt.Sprintf("asset%d", i), "blue", "1", "me", "1")
	})
	client := gatewaypb.NewGatewayClient(n.MustConn(n.firstPeers()[0]))
	var next atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			response, err := client.Endorse(b.Context(), &gatewaypb.EndorseRequest{ChannelId: channelName, ProposedTransaction: list[next.Add(1)-1]})
			if err != nil || response.GetPreparedTransaction() == nil {
				b.Errorf("%v", err)
				return
			}
		}
	})
}
