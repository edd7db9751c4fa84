package ledger_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	rwsetpb "github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/ledger"
)

// The lifecycle namespace has one implicit collection per organisation, so it
// needs no definition.
const (
	pvtNs   = "_lifecycle"
	pvtColl = "_implicit_org_Org1MSP"
)

// private simulates a change of private data and gives a transaction that brings
// the plain text along, or not.
func (a *author) private(t testing.TB, along bool, f func(sim *ledger.Simulator) error) authored {
	t.Helper()
	result := a.simulate(t, f)
	tx := a.tx(result.Public)
	if along {
		tx.private = result.Private
	}
	return tx
}

func (a *author) getPrivate(t testing.TB, key string) (value []byte, err error) {
	t.Helper()
	sim, err := a.l.NewSimulator(bg, "read")
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Done()
	return sim.GetPrivate(pvtNs, pvtColl, key)
}

func put(key, value string) func(sim *ledger.Simulator) error {
	return func(sim *ledger.Simulator) error { return sim.PutPrivate(pvtNs, pvtColl, key, []byte(value)) }
}

func TestPrivateData(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	mustHave := func(step, key, want string) {
		t.Helper()
		got, err := a.getPrivate(t, key)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s is %q, %v; want %q", step, key, got, err, want)
		}
	}
	a.commit(t, a.private(t, true, put("k", "v1")))
	mustHave("written", "k", "v1")

	a.commit(t, a.private(t, true, func(sim *ledger.Simulator) error {
		return sim.SetPrivateMetadata(pvtNs, pvtColl, "k", map[string][]byte{"N": []byte("m")})
	}))
	mustHave("metadata written", "k", "v1")

	a.commit(t, a.private(t, false, put("k", "v2")))
	_, err := a.getPrivate(t, "k")
	want := "private data matching public hash version is not available. Public hash version = {BlockNum: 2, TxNum: 0}, Private data version = {BlockNum: 1, TxNum: 0}"
	if err == nil || err.Error() != want {
		t.Errorf("value that never arrived: %v, want %s", err, want)
	}

	a.commit(t, a.private(t, true, put("k", "v3")), a.private(t, true, put("other", "x")))
	mustHave("written again", "k", "v3")
	var listed []string
	for entry, err := range MustView(t, a.l).PrivateRange(pvtNs, pvtColl, "", "") {
		if err != nil {
			t.Fatal(err)
		}
		listed = append(listed, entry.Key+"="+string(entry.Value.Value))
	}
	if got := strings.Join(listed, " "); got != "k=v3 other=x" {
		t.Errorf("listed %q", got)
	}
	a.commit(t, a.private(t, false, func(sim *ledger.Simulator) error { return sim.DelPrivate(pvtNs, pvtColl, "k") }))
	mustHave("deleted by hash", "k", "")
	mustHave("not touched", "other", "x")
}

func TestPrivateDataMustBeVouchedFor(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	tx := a.private(t, true, put("k", "true"))
	lie := a.simulate(t, put("k", "lie"))
	tx.private = lie.Private
	a.commit(t, tx)
	if got, err := a.getPrivate(t, "k"); err == nil {
		t.Errorf("a value that nobody vouches for was taken: %q", got)
	}
	invalid := a.private(t, true, put("j", "v"))
	invalid.code = 10
	a.commit(t, invalid)
	if got, err := a.getPrivate(t, "j"); err != nil || got != nil {
		t.Errorf("private data of an invalid transaction: %q, %v", got, err)
	}
}

func TestPurge(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	a.commit(t, a.private(t, true, put("k", "secret")), a.private(t, true, put("j", "other")))
	before, err := a.l.PrivateOf(0)
	if err != nil || !strings.Contains(before[0].String(), "secret") {
		t.Fatalf("private data of block 0: %v, %v", before, err)
	}
	a.commit(t, a.private(t, false, func(sim *ledger.Simulator) error { return sim.PurgePrivate(pvtNs, pvtColl, "k") }))
	after, err := a.l.PrivateOf(0)
	if err != nil || strings.Contains(after[0].String(), "secret") || !strings.Contains(after[1].String(), "other") {
		t.Errorf("after the purge: %v, %v", after, err)
	}
	if got, err := a.getPrivate(t, "k"); err != nil || got != nil {
		t.Errorf("purged key: %q, %v", got, err)
	}
}

func TestTransient(t *testing.T) {
	a := &author{l: MustTemp(t, ledger.Options{})}
	result := a.simulate(t, put("k", "v"))
	tx := a.tx(result.Public)
	other := a.simulate(t, put("k", "another value"))
	for _, set := range []*rwsetpb.TxPvtReadWriteSet{other.Private, result.Private} {
		if err := a.l.AddTransient(bg, tx.id, a.l.Height(), set); err != nil {
			t.Fatal(err)
		}
	}
	public, err := wire.ParseRWSet(result.Public)
	if err != nil {
		t.Fatal(err)
	}
	found, missing, err := a.l.PrivateFor(tx.id, public)
	if err != nil || len(missing) != 0 || !proto.Equal(found.NsPvtRwset[0], result.Private.NsPvtRwset[0]) {
		t.Fatalf("found %v, missing %v, %v", found, missing, err)
	}
	if found, missing, err := a.l.PrivateFor("unknown", public); err != nil || found != nil || len(missing) != 1 || missing[0].Collection != pvtColl {
		t.Errorf("unknown transaction: %v, missing %v, %v", found, missing, err)
	}
	tx.private = found
	a.commit(t, tx)
	if got, err := a.getPrivate(t, "k"); err != nil || string(got) != "v" {
		t.Errorf("after the commit: %q, %v", got, err)
	}
	if sets, err := a.l.Transient(tx.id); err != nil || len(sets) != 0 {
		t.Errorf("still waiting: %v, %v", sets, err)
	}
}

func TestPrivateDataSurvivesARebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "channel.db")
	l, err := ledger.Open(path, ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := &author{l: l}
	a.commit(t, a.private(t, true, put("k", "v1")), a.private(t, true, put("j", "w")))
	a.commit(t, a.private(t, true, put("k", "v2")))
	a.put(t, "public", "p")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, path, "DELETE FROM private")
	if _, err := ledger.Rebuild(bg, path, nil); err != nil {
		t.Fatal(err)
	}
	a.l = MustOpen(t, path)
	for key, want := range map[string]string{"k": "v2", "j": "w"} {
		if got, err := a.getPrivate(t, key); err != nil || !bytes.Equal(got, []byte(want)) {
			t.Errorf("%s is %q, %v; want %q", key, got, err, want)
		}
	}
}
