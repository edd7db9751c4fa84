package asset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fabriscope/fabriscope/chaincode/internal/cctest"
	"github.com/fabriscope/fabriscope/chaincode/samples/asset"
)

func TestLifeOfAnAsset(t *testing.T) {
	b := cctest.MustRun(t, asset.New())
	if got := b.MustCall("GetAllAssets"); got != "[]" {
		t.Errorf("an empty ledger lists %s", got)
	}
	b.MustCall("CreateAsset", "a1", "blue", "5", "Ada", "300")
	want := `{"AppraisedValue":300,"Color":"blue","ID":"a1","Owner":"Ada","Size":5}`
	if got := b.MustCall("ReadAsset", "a1"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := b.MustCall("TransferAsset", "a1", "Benoit"); got != "Ada" {
		t.Errorf("TransferAsset answered %q, not the former owner", got)
	}
	b.MustCall("UpdateAsset", "a1", "red", "6", "Chiara", "301")
	if got, want := b.MustCall("GetAllAssets"), `[{"AppraisedValue":301,"Color":"red","ID":"a1","Owner":"Chiara","Size":6}]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := b.MustCall("AssetExists", "a1"); got != "true" {
		t.Errorf("AssetExists gave %s", got)
	}
	b.MustCall("DeleteAsset", "a1")
	if got := b.MustCall("AssetExists", "a1"); got != "false" {
		t.Errorf("AssetExists gave %s after DeleteAsset", got)
	}
}

func TestInitLedgerWritesSix(t *testing.T) {
	b := cctest.MustRun(t, asset.New())
	b.MustCall("InitLedger")
	for i := 1; i <= 6; i++ {
		b.MustCall("ReadAsset", fmt.Sprintf("asset%d", i))
	}
	if b.Ledger.Len() != 6 {
		t.Errorf("%d keys were written", b.Ledger.Len())
	}
}

func TestMistakes(t *testing.T) {
	b := cctest.MustRun(t, asset.New())
	b.MustCall("CreateAsset", "a1", "blue", "5", "Ada", "300")
	for _, tc := range []struct{ want, function, args string }{
		{"there is an asset a1 already", "CreateAsset", "a1 blue 5 Ada 300"},
		{"there is no asset a2", "ReadAsset", "a2"},
		{"there is no asset a2", "UpdateAsset", "a2 blue 5 Ada 300"},
		{"there is no asset a2", "DeleteAsset", "a2"},
		{"there is no asset a2", "TransferAsset", "a2 Ada"},
		{`size "big" is not a whole number`, "CreateAsset", "a3 blue big Ada 300"},
		{`appraisedValue "much" is not a whole number`, "CreateAsset", "a3 blue 5 Ada much"},
		{"was called with 1 arguments", "CreateAsset", "a3"},
		{`there is no function "Sell"; there are InitLedger, CreateAsset`, "Sell", "a1"},
	} {
		if got := b.MustFail(tc.function, strings.Fields(tc.args)...); !strings.Contains(got, tc.want) {
			t.Errorf("%s(%s): got %q, want %q", tc.function, tc.args, got, tc.want)
		}
	}
}

func TestContractNameIsIgnored(t *testing.T) {
	b := cctest.MustRun(t, asset.New())
	if got := b.MustCall("SmartContract:AssetExists", "a1"); got != "false" {
		t.Errorf("got %s", got)
	}
}

func TestManyAssetsComeInPages(t *testing.T) {
	b := cctest.MustRun(t, asset.New())
	for i := range 250 {
		b.MustCall("CreateAsset", fmt.Sprintf("a%03d", i), "blue", "5", "Ada", "300")
	}
	if got := strings.Count(b.MustCall("GetAllAssets"), `"ID"`); got != 250 {
		t.Errorf("%d assets were listed", got)
	}
}
