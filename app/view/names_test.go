package view

import "testing"

func TestNames(t *testing.T) {
	for _, c := range []struct {
		nodes, others []string
		node, want    string
	}{
		{[]string{"peer0.org1.example.com", "orderer.example.com"}, nil, "peer0.org1.example.com", "peer0.org1"},
		{[]string{"peer0.org1.acme.net", "peer1.org1.acme.net"}, nil, "peer1.org1.acme.net", "peer1"},
		{[]string{"peer0.org1.acme.net", "orderer.example.com"}, nil, "peer0.org1.acme.net", "peer0.org1.acme.net"},
		{[]string{"a.net", "net"}, nil, "a.net", "a.net"},
		{[]string{"peer0.org1.example.com"}, nil, "peer0.org1.example.com", "peer0.org1.example.com"},
		{[]string{"peer0.x", "peer1.x"}, []string{"peer0"}, "peer0.x", "peer0.x"},
		{[]string{"peer0.x", "peer1.x"}, []string{"alice"}, "User1@org.x", "User1@org"},
		{[]string{"peer0.x", "peer1.x"}, nil, "asset_1.0@peer0.x", "asset 1.0"},
		{nil, nil, "alice", "alice"},
	} {
		if got := NamesOf(c.nodes, c.others).Short(c.node); got != c.want {
			t.Errorf("%q among %q is %q, want %q", c.node, c.nodes, got, c.want)
		}
	}
}
