package facts_test

import (
	"testing"

	"github.com/fabriscope/fabriscope/app/view/facts"
	"github.com/fabriscope/fabriscope/internal/trace"
	"github.com/fabriscope/fabriscope/internal/trace/runfile"
	"github.com/fabriscope/fabriscope/internal/wire"
)

// What the blocks say about a read that did not hold is what the peer that checked it told;
// whoever is valid found what it had read.
func TestWhyAReadDidNotHold(t *testing.T) {
	conflicts, held := 0, 0
	for _, name := range []string{"two-clients-one-key", "lying-endorser", "leader-dies", "mixed-block", "gateway"} {
		run, err := runfile.Open("../testdata/" + name + ".fscope")
		if err != nil {
			t.Fatal(err)
		}
		defer run.Close()
		events, _, _ := run.Since(0, 1_000_000)
		w := facts.New(run, 0)
		w.Add(events, nil)
		for i := range events {
			e := &events[i]
			c := w.Content(e.Block, ^uint64(0))
			if e.Kind != trace.VersionCheck || c == nil {
				continue
			}
			tx := c.Position(e.TxID)
			code, _ := facts.CodeOf(e)
			for j := range c.Txs[tx].Reads {
				r := &c.Txs[tx].Reads[j]
				found, told := w.Finds(e.Block, tx, r, code, nil, nil), w.Finds(e.Block, tx, r, code, e, nil)
				switch {
				case code == facts.Valid:
					if held++; !found.Known || !found.Holds {
						t.Errorf("%s, %s: %+v of a valid transaction does not hold: %+v", name, e.TxID, r, found)
					}
				case facts.Conflict(code) && !r.Ranged && r.Namespace == e.Name && r.Key == e.Key:
					conflicts++
					version := wire.Version{Block: uint64(e.B), Tx: uint64(e.C)}
					if !found.Known || found.Holds || !found.By.Gone() && found.By.Version != version || found.By.Tx == "" || found != told {
						t.Errorf("%s, %s: the blocks say %+v, the peer told %v", name, e.TxID, found, version)
					}
				}
			}
		}
	}
	if conflicts == 0 || held == 0 {
		t.Errorf("%d conflicts and %d reads that held were compared", conflicts, held)
	}
}

// Where the blocks are not to be had, what the peer told is found, and else nothing is said.
func TestAReadWithoutBlocks(t *testing.T) {
	w := facts.New(trace.NewRecorder(trace.Options{}), 0)
	r := &facts.Read{Namespace: "basic", Key: "a", Version: &wire.Version{Block: 3, Tx: 1}}
	check := &trace.Event{Kind: trace.VersionCheck, What: trace.Invalid, A: 11, Name: "basic", Key: "a", B: 7, C: 2}
	code, _ := facts.CodeOf(check)
	if f := w.Finds(9, 0, r, code, check, nil); !f.Known || f.Holds || f.By.Version != (wire.Version{Block: 7, Tx: 2}) || f.By.Gone() {
		t.Errorf("%+v", f)
	}
	check.B, check.C = 0, 0
	if f := w.Finds(9, 0, r, code, check, nil); !f.Known || f.Holds || !f.By.Gone() {
		t.Errorf("of a deleted key: %+v", f)
	}
	if f := w.Finds(9, 0, r, code, nil, nil); f.Known {
		t.Errorf("it is known without a source: %+v", f)
	}
}
