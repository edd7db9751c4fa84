package validate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"testing"

	commonpb "github.com/hyperledger/fabric-protos-go-apiv2/common"
	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/fabriscope/fabriscope/internal/conformance"
	"github.com/fabriscope/fabriscope/internal/wire"
	"github.com/fabriscope/fabriscope/peer/validate"
)

func each(blocks []*commonpb.Block) iter.Seq2[*commonpb.Block, error] {
	return func(yield func(*commonpb.Block, error) bool) {
		for _, b := range blocks {
			if !yield(b, nil) {
				return
			}
		}
	}
}

func MustInspect(t *testing.T, blocks iter.Seq2[*commonpb.Block, error]) (transactions, problems []validate.Line) {
	t.Helper()
	err := validate.Inspect(context.Background(), blocks, func(l validate.Line) error {
		if l.Tx < 0 {
			problems = append(problems, l)
		} else {
			transactions = append(transactions, l)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return transactions, problems
}

// A whole chain, read from the file: every verdict is the recorded one.
func TestInspectFabricsChain(t *testing.T) {
	file := bytes.NewReader(conformance.Read(t, "blocks.pb"))
	transactions, problems := MustInspect(t, wire.ReadBlocks(file))
	for _, p := range problems {
		t.Errorf("block %d: %s", p.Block, p.Problem)
	}
	if len(transactions) != 355 {
		t.Errorf("%d lines, want 355", len(transactions))
	}
	expected := conformance.Expected(t)
	for _, l := range transactions {
		want := expected[l.Block].Transactions[l.Tx]
		if l.Code == nil || l.Recorded == nil || int(*l.Code) != want.Code || l.Differs() || l.TxID != want.TxID {
			t.Errorf("%d:%d: %v recorded %v id %s, want %s, id %s", l.Block, l.Tx, l.Code, l.Recorded, l.TxID, want.CodeName, want.TxID)
		}
	}
}

// Blocks without codes, as an ordering node delivers them, are judged as well.
func TestInspectWithoutRecordedCodes(t *testing.T) {
	blocks := conformance.Blocks(t)
	for i := range blocks {
		blocks[i] = asOrdered(blocks[i])
	}
	transactions, problems := MustInspect(t, each(blocks))
	if len(problems) > 0 {
		t.Errorf("problems: %+v", problems)
	}
	expected := conformance.Expected(t)
	for _, l := range transactions {
		if want := expected[l.Block].Transactions[l.Tx]; int(*l.Code) != want.Code || l.Recorded != nil {
			t.Errorf("%d:%d: %v recorded %v, want %s", l.Block, l.Tx, l.Code, l.Recorded, want.CodeName)
		}
	}
}

// Where a recorded verdict is wrong the line shows both, and the blocks after it
// are judged on the path that was recorded.
func TestInspectFollowsTheRecordedPath(t *testing.T) {
	blocks := conformance.Blocks(t)
	forged := proto.Clone(blocks[16]).(*commonpb.Block)
	wire.SetFilter(forged, []byte{0, 0, 0}) // transaction 1 had conflicted
	blocks[16] = forged
	transactions, problems := MustInspect(t, each(blocks[:20]))
	var differing []validate.Line
	for _, l := range transactions {
		if l.Differs() {
			differing = append(differing, l)
		}
	}
	if len(differing) != 1 || differing[0].Block != 16 || differing[0].Tx != 1 || *differing[0].Code != peerpb.TxValidationCode_MVCC_READ_CONFLICT {
		t.Errorf("differing: %+v", differing)
	}
	// The state has the forged effect, so no commit hash from there on is the
	// recorded one.
	for _, p := range problems {
		if !strings.Contains(p.Problem, "commit hash") {
			t.Errorf("block %d: %s", p.Block, p.Problem)
		}
	}
	if len(problems) == 0 || problems[0].Block != 16 {
		t.Errorf("no difference of commit hashes was reported at block 16: %+v", problems)
	}
}

// One block alone: what can be said without the state is said.
func TestInspectOneBlock(t *testing.T) {
	blocks := conformance.Blocks(t)
	transactions, problems := MustInspect(t, each(blocks[16:17]))
	if len(problems) != 1 || !strings.Contains(problems[0].Problem, "begin with number 16 instead of 0") {
		t.Errorf("problems: %+v", problems)
	}
	if len(transactions) != 3 || transactions[1].Code != nil || transactions[1].Reason == nil ||
		transactions[1].Reason.By == nil || !transactions[1].Reason.By.SameBlock || transactions[1].Reason.Key != "p-car2" {
		t.Errorf("transactions: %+v", transactions)
	}
}

// Every recorded failure gets some explanation, and none crashes, with blocks
// missing and with only the last configuration known.
func TestInspectWithoutTheBeginning(t *testing.T) {
	blocks := conformance.Blocks(t)
	for _, from := range []int{1, 100, 188, 195} {
		var out bytes.Buffer
		transactions, problems := MustInspect(t, each(blocks[from:]))
		if len(problems) != 1 {
			t.Errorf("from %d: problems %+v", from, problems)
		}
		for _, l := range transactions {
			if l.Code != nil || l.Recorded == nil {
				t.Fatalf("from %d: %d:%d has code %v, recorded %v", from, l.Block, l.Tx, l.Code, l.Recorded)
			}
			if *l.Recorded != peerpb.TxValidationCode_VALID && l.Text() == "" {
				t.Errorf("from %d: %d:%d %s has no explanation", from, l.Block, l.Tx, l.Recorded)
			}
			out.WriteString(l.Text() + "\n")
		}
		if from == 1 {
			checkGolden(t, "partial.golden", out.Bytes())
		}
	}
}

// A gap ends the judging but not the inspection.
func TestInspectGap(t *testing.T) {
	blocks := conformance.Blocks(t)
	gapped := append(append([]*commonpb.Block(nil), blocks[:30]...), blocks[40:50]...)
	transactions, problems := MustInspect(t, each(gapped))
	if len(problems) != 1 || !strings.Contains(problems[0].Problem, "After block 29 comes block 40") {
		t.Errorf("problems: %+v", problems)
	}
	for _, l := range transactions {
		if (l.Code != nil) != (l.Block < 30) {
			t.Errorf("%d:%d: code %v", l.Block, l.Tx, l.Code)
		}
	}
}

// The block that real peers refuse: it is named as a problem, and still read.
func TestInspectRefusedBlock(t *testing.T) {
	blocks := append(conformance.Blocks(t), conformance.RejectedBlock(t))
	transactions, problems := MustInspect(t, each(blocks))
	if len(problems) != 1 || problems[0].Block != 196 || !strings.Contains(problems[0].Problem, "transaction 1 has no signature") {
		t.Errorf("problems: %+v", problems)
	}
	last := transactions[len(transactions)-1]
	if last.Block != 196 || last.Code == nil || last.Recorded != nil {
		t.Errorf("last line: %+v", last)
	}
}

func TestInspectEndsWithTheFirstError(t *testing.T) {
	blocks := conformance.Blocks(t)[:3]
	failed := errors.New("failed")
	broken := func(yield func(*commonpb.Block, error) bool) {
		_ = yield(blocks[0], nil) && yield(nil, failed) && yield(blocks[1], nil)
	}
	lines := 0
	count := func(validate.Line) error { lines++; return nil }
	if err := validate.Inspect(context.Background(), broken, count); !errors.Is(err, failed) || lines != 1 {
		t.Errorf("broken file: %v after %d lines", err, lines)
	}
	if err := validate.Inspect(context.Background(), each(blocks), func(validate.Line) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("broken output: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := validate.Inspect(ctx, each(blocks), count); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestLineJSON(t *testing.T) {
	transactions, _ := MustInspect(t, each(conformance.Blocks(t)[:40]))
	var got []byte
	for _, l := range transactions {
		if l.Block != 15 && l.Block != 16 && l.Block != 34 && l.Block != 38 {
			continue
		}
		raw, err := json.Marshal(&l)
		if err != nil {
			t.Fatal(err)
		}
		got = append(append(got, raw...), '\n')
	}
	checkGolden(t, "lines.golden", got)
}
