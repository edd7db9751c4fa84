package channelconfig_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/internal/channelconfig"
	"github.com/fabriscope/fabriscope/internal/msp"
	"github.com/fabriscope/fabriscope/internal/policy"
)

// BenchmarkFromBlock is what every node pays when it joins a channel.
func BenchmarkFromBlock(b *testing.B) {
	block, err := channelconfig.Genesis(MustOrganisations(b).profile())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := channelconfig.FromBlock(block, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck is what an ordering node pays for each transaction, apart from
// the signature, which is remembered.
func BenchmarkCheck(b *testing.B) {
	o := MustOrganisations(b)
	block, err := channelconfig.Genesis(o.profile())
	if err != nil {
		b.Fatal(err)
	}
	bundle, err := channelconfig.FromBlock(block, msp.NewVerifier(100))
	if err != nil {
		b.Fatal(err)
	}
	client := o.one.User("User1").Signer
	payload := make([]byte, 3000)
	signature, err := client.Sign(payload)
	if err != nil {
		b.Fatal(err)
	}
	claim := policy.Signed{Data: payload, Identity: client.Creator(), Signature: signature}
	b.ReportAllocs()
	for b.Loop() {
		if err := bundle.Check(channelconfig.PathWriters, claim); err != nil {
			b.Fatal(err)
		}
	}
}
