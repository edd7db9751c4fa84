package report_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/report"
	"github.com/fabriscope/fabriscope/internal/trace"
)

var update = flag.Bool("update", false, "write the golden files of this package anew")

// made is a trace made by hand.
type made struct {
	events []trace.Event
	lost   uint64 // of the beginning
}

func (m made) Since(cursor uint64, most int) ([]trace.Event, uint64, uint64) {
	lost := uint64(0)
	if cursor == 0 {
		lost = m.lost
	}
	from := min(int(cursor), len(m.events))
	to := min(from+most, len(m.events))
	return m.events[from:to], uint64(to), lost
}

func (m made) ByTx(id string) (out []trace.Event) {
	for _, e := range m.events {
		if e.TxID == id {
			out = append(out, e)
		}
	}
	return out
}

func (m made) Payload(uint64) (string, []byte, bool) { return "", nil, false }

// at numbers events and gives them times a tenth of a millisecond apart.
func at(events ...trace.Event) made {
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano()
	for i := range events {
		events[i].Seq = uint64(i + 1)
		if events[i].Time == 0 {
			events[i].Time = begin + int64(i)*100_000
		} else {
			events[i].Time += begin
		}
	}
	return made{events: events}
}

const (
	peer0, peer1, orderer = "peer0.org1.example.com", "peer0.org2.example.com", "orderer.example.com"
	asset                 = "asset_1.0@peer0.org1.example.com"
)

func id(n int) string { return fmt.Sprintf("%064x", 0x51c0<<32+n) }

// race is a small run: two transactions on one key, a fault, a check that fails.
func race() made {
	hash := strings.Repeat("ab", 32)
	return at(
		trace.Event{Kind: trace.NodeStart, Node: peer0, What: trace.IsPeer},
		trace.Event{Kind: trace.NodeStart, Node: peer1, What: trace.IsPeer},
		trace.Event{Kind: trace.NodeStart, Node: orderer, What: trace.IsOrderer},
		trace.Event{Kind: trace.Step, Node: "script", Key: "progress", Note: "nodes: 34ms"},
		trace.Event{Kind: trace.NetworkReady, Node: "Two organisations", What: trace.Told, A: 310e6},
		trace.Event{Kind: trace.Say, Node: "script", Key: "say", Note: "alice and bob both transfer asset1."},
		trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: id(1), Key: "asset", Msg: 1},
		trace.Event{Kind: trace.Proposal, Dir: trace.Received, Node: peer0, Other: "alice", TxID: id(1), Key: "asset", Msg: 1},
		trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "bob", Other: peer0, TxID: id(2), Key: "asset", Msg: 2},
		trace.Event{Kind: trace.ChaincodeTransaction, Dir: trace.Sent, Node: peer0, Other: asset, TxID: id(2), Note: "TransferAsset", Msg: 3},
		trace.Event{Kind: trace.ChaincodeGetState, Dir: trace.Received, Node: peer0, Other: asset, TxID: id(2), Key: "asset1", Msg: 4},
		trace.Event{Kind: trace.ChaincodeResponse, Dir: trace.Sent, Node: peer0, Other: asset, TxID: id(2), Msg: 5},
		trace.Event{Kind: trace.ChaincodePutState, Dir: trace.Received, Node: peer0, Other: asset, TxID: id(2), Key: "asset1", Msg: 6},
		trace.Event{Kind: trace.ChaincodeCompleted, Dir: trace.Received, Node: peer0, Other: asset, TxID: id(2), Note: "200", Msg: 7},
		trace.Event{Kind: trace.ProposalResponse, Dir: trace.Sent, Node: peer0, Other: "bob", TxID: id(2), Key: "asset", Note: "200", Msg: 8},
		trace.Event{Kind: trace.Broadcast, Dir: trace.Sent, Node: "bob", Other: orderer, TxID: id(2), Msg: 9},
		trace.Event{Kind: trace.BlockCut, Node: orderer, Block: 4, What: trace.CutByCount, A: 2, B: 1, C: 1},
		trace.Event{Kind: trace.BlockWritten, Node: orderer, Block: 4, What: trace.Told, A: 2, B: 1, C: 1},
		trace.Event{Kind: trace.Verdict, Node: peer0, Block: 4, TxID: id(1), Key: "VALID"},
		trace.Event{Kind: trace.Verdict, Node: peer0, Block: 4, TxID: id(2), Key: "MVCC_READ_CONFLICT", Note: "When it was simulated, asset1 had version 3:0. Transaction 51c0, earlier in this same block, changed it."},
		trace.Event{Kind: trace.Committed, Node: peer0, Block: 4, What: trace.Told, Key: hash},
		trace.Event{Kind: trace.Verdict, Node: peer1, Block: 4, TxID: id(1), Key: "VALID"},
		trace.Event{Kind: trace.Verdict, Node: peer1, Block: 4, TxID: id(2), Key: "MVCC_READ_CONFLICT", Note: "the same"},
		trace.Event{Kind: trace.Committed, Node: peer1, Block: 4, What: trace.Told, Key: hash},
		trace.Event{Kind: trace.Fault, Node: peer1, Note: "the value written to asset1 was changed before endorsing"},
		trace.Event{Kind: trace.NodeKilled, Node: peer1},
		trace.Event{Kind: trace.Step, Node: "script", Key: "expect", What: trace.StepDone, Note: "holds"},
		trace.Event{Kind: trace.Step, Node: "script", Key: "expect", What: trace.Failed, Note: "height is 5, expected 6"},
	)
}

func info() report.PageInfo {
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return report.PageInfo{Meta: trace.Meta{Name: "two-clients-one-key", Program: "fabriscope 0.2.0", Seed: 7, Started: begin, Ended: begin.Add(time.Second),
		Topology: "name: Two organisations\nchannel: mychannel\norganizations:\n  - name: Org1\n"}}
}

func mustWrite(t *testing.T, src report.Source, info report.PageInfo) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.WriteHTML(&b, src, info); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The page of a small run, as a whole. -update writes it; look at it in a browser.
func TestHTML(t *testing.T) {
	got := mustWrite(t, race(), info())
	path := filepath.Join("testdata", "race.html")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				t.Fatalf("line %d is\n%s\nand in the golden file\n%s", i+1, a[i], append(b, make([]string, i+1)...)[i])
			}
		}
		t.Fatal("the page is shorter than the golden file")
	}
}

// The page asks for nothing that is not in it.
func TestHTMLIsSelfContained(t *testing.T) {
	page := mustWrite(t, race(), info())
	for _, bad := range []string{"http://", "https://", "src=", "<link", "<img", "@import", "url(h", "//cdn"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// Names in a trace come from networks and files of other people; none becomes markup.
func TestHTMLWithHostileNames(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}` + "\x00\u202e"
	src := at(
		trace.Event{Kind: trace.NodeStart, Node: evil, Note: evil},
		trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: evil, Other: evil + "2", TxID: evil, Key: evil, Msg: 1},
		trace.Event{Kind: trace.Kind("chaincode." + evil), Dir: trace.Sent, Node: evil, Other: evil + "3", TxID: evil, Key: evil, Note: evil, Msg: 2},
		trace.Event{Kind: trace.BlockCut, Node: evil, Block: 1, Note: evil},
		trace.Event{Kind: trace.Verdict, Node: evil, Block: 1, TxID: evil, Key: evil, Note: evil},
		trace.Event{Kind: trace.Committed, Node: evil, Block: 1, Key: evil, Note: evil},
		trace.Event{Kind: trace.Committed, Node: evil + "2", Block: 1, Key: "other" + evil},
		trace.Event{Kind: trace.Say, Note: evil}, trace.Event{Kind: trace.Step, Key: evil, Note: evil},
		trace.Event{Kind: trace.Fault, Node: evil, Note: evil}, trace.Event{Kind: trace.ErrorEvent, Node: evil, Note: evil},
		trace.Event{Kind: trace.LinkRule, Node: evil, Other: evil, Note: evil}, trace.Event{Kind: trace.HoldSet, Key: evil, Note: evil},
	)
	page := mustWrite(t, src, report.PageInfo{Meta: trace.Meta{Name: evil, Topology: evil, Program: evil, Labels: map[string]string{evil: evil}}, Damage: func() error { return errors.New(evil) }})
	for _, tag := range regexp.MustCompile(`<(script|img)[^>]*>`).FindAllString(page, -1) {
		if tag != "<script>" {
			t.Errorf("hostile markup came through: %s", tag)
		}
	}
	if n := strings.Count(page, "<script>"); n != 1 {
		t.Errorf("%d scripts in the page; one is its own", n)
	}
	if strings.Contains(page, "onerror=alert(1)>{{") || strings.Contains(page, `"><script>alert`) {
		t.Error("hostile text came through unescaped")
	}
}

// What is damaged, missing or left out is said.
func TestHTMLGaps(t *testing.T) {
	src := race()
	src.lost = 17
	i := info()
	i.Damage = func() error { return errors.New("chunk 3: checksum does not match") }
	i.Meta.Ended = time.Time{}
	page := mustWrite(t, src, i)
	for _, want := range []string{"chunk 3: checksum does not match", "17 events of the trace are missing", "was not ended in order"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if page := mustWrite(t, made{}, report.PageInfo{}); !strings.Contains(page, "The trace has no events") {
		t.Error("an empty trace is not called empty")
	}
}

// The charts of a long run say what they leave out, and those of a short run nothing.
func TestHTMLSaysWhatChartsCover(t *testing.T) {
	const said = "The charts show the last"
	long := func(seconds int) string {
		var events []trace.Event
		for i := range seconds {
			events = append(events, trace.Event{Kind: trace.Verdict, Node: peer0, Block: uint64(i + 1), TxID: id(i), Key: "VALID", Time: int64(i)*int64(time.Second) + 2})
		}
		return mustWrite(t, at(events...), info())
	}
	if page := long(1000); strings.Contains(page, said) {
		t.Error("charts of a whole run say that they leave something out")
	}
	page := long(5000)
	found := regexp.MustCompile(said + ` (\S+) of the run, from (\S+) after its first event on\. Transactions judged before that, which are not in the charts: (\d+)\.`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the charts of a long run do not say what they leave out")
	}
	shown, err1 := time.ParseDuration(found[1])
	skipped, err2 := time.ParseDuration(found[2])
	if err1 != nil || err2 != nil || shown+skipped != 5000*time.Second || found[3] != fmt.Sprint(int(skipped.Seconds())) {
		t.Errorf("%q", found[0])
	}
}

// Peers whose commit hashes differ are named.
func TestHTMLTellsForks(t *testing.T) {
	page := mustWrite(t, at(
		trace.Event{Kind: trace.Committed, Node: peer0, Block: 1, What: trace.Told, Key: "aaaa"},
		trace.Event{Kind: trace.Committed, Node: peer1, Block: 1, What: trace.Told, Key: "bbbb"},
	), info())
	if !strings.Contains(page, "another commit hash from block 1 on") {
		t.Error("a fork is not told")
	}
}

// A huge run gives a page of bounded size, with exact counts.
func TestHTMLOfHugeRun(t *testing.T) {
	var events []trace.Event
	const blocks, perBlock = 3000, 10
	for b := range blocks {
		for i := range perBlock {
			n, when := b*perBlock+i, int64(b)*int64(10*time.Millisecond)+1
			events = append(events, trace.Event{Kind: trace.Proposal, Dir: trace.Sent, Node: "alice", Other: peer0, TxID: id(n), Msg: uint64(n + 1), Time: when})
			code := "VALID"
			if i == 3 {
				code = "MVCC_READ_CONFLICT"
			}
			events = append(events, trace.Event{Kind: trace.Verdict, Node: peer0, Block: uint64(b), TxID: id(n), Key: code, Time: when + int64(5*time.Millisecond)},
				trace.Event{Kind: trace.Verdict, Node: peer1, Block: uint64(b), TxID: id(n), Key: code, Time: when + int64(6*time.Millisecond)})
		}
		events = append(events, trace.Event{Kind: trace.Committed, Node: peer0, Block: uint64(b), Note: "aa", Time: int64(b) * int64(10*time.Millisecond)})
	}
	page := mustWrite(t, at(events...), info())
	if len(page) > 1<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	for _, want := range []string{"<b>30000</b><span>transactions", "<b>27000</b><span>valid", "<b>3000</b><span>invalid", "2960 more are only counted", "2700 earlier ones are left out"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}
