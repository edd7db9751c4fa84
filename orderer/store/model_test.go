package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// logModel is what a log should hold, beside the one that is tested.
type logModel struct {
	s                 opened
	path              string
	want              map[uint64]*raft.Log
	first, last, term uint64
}

func (m *logModel) empty() bool { return m.last < m.first }

func (m *logModel) append(t *rapid.T) {
	var logs []*raft.Log
	for range rapid.IntRange(1, 20).Draw(t, "count") {
		m.last++
		l := command(m.last, m.term, fmt.Sprint("tx ", m.last, " of term ", m.term))
		if rapid.IntRange(0, 4).Draw(t, "type") == 0 {
			l = &raft.Log{Index: m.last, Term: m.term, Type: raft.LogNoop}
		}
		logs, m.want[m.last] = append(logs, l), l
	}
	if err := m.s.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

// replace writes an entry where others are: an earlier write that failed towards
// Raft but reached the disk.
func (m *logModel) replace(t *rapid.T) {
	if m.empty() {
		t.Skip()
	}
	from := rapid.Uint64Range(m.first, m.last).Draw(t, "from")
	m.forget(from, m.last)
	m.term++
	m.last = from
	m.want[from] = command(from, m.term, "replaced")
	if err := m.s.StoreLog(m.want[from]); err != nil {
		t.Fatal(err)
	}
}

func (m *logModel) cutEnd(t *rapid.T) {
	if m.empty() {
		t.Skip()
	}
	from := rapid.Uint64Range(m.first, m.last).Draw(t, "from")
	if err := m.s.DeleteRange(from, m.last); err != nil {
		t.Fatal(err)
	}
	m.forget(from, m.last)
	m.term++
	if from == m.first { // everything: the next entry begins a new window
		m.first = m.last + 1
		return
	}
	m.last = from - 1
}

func (m *logModel) cutBeginning(t *rapid.T) {
	if m.empty() {
		t.Skip()
	}
	to := rapid.Uint64Range(m.first, m.last).Draw(t, "to")
	if err := m.s.DeleteRange(m.first, to); err != nil {
		t.Fatal(err)
	}
	m.forget(m.first, to)
	m.first = to + 1
}

func (m *logModel) forget(from, to uint64) {
	for i := from; i <= to; i++ {
		delete(m.want, i)
	}
}

func (m *logModel) reopen(t *rapid.T) {
	if err := m.s.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if m.s, err = open(m.path); err != nil {
		t.Fatal(err)
	}
}

func (m *logModel) check(t *rapid.T) {
	first, _ := m.s.FirstIndex()
	last, _ := m.s.LastIndex()
	if m.empty() {
		if first != 0 || last != 0 {
			t.Fatalf("an empty log is %d to %d", first, last)
		}
		return
	}
	if first != m.first || last != m.last {
		t.Fatalf("the log is %d to %d, want %d to %d", first, last, m.first, m.last)
	}
	for i := first - 1; i <= last+1; i++ {
		var l raft.Log
		err := m.s.GetLog(i, &l)
		want := m.want[i]
		if want == nil {
			if !errors.Is(err, raft.ErrLogNotFound) {
				t.Fatalf("entry %d should be absent: %v", i, err)
			}
			continue
		}
		if err != nil || l.Index != i || l.Term != want.Term || l.Type != want.Type || !bytes.Equal(l.Data, want.Data) || !l.AppendedAt.Equal(want.AppendedAt) {
			t.Fatalf("entry %d is %+v (%v), want %+v", i, l, err, want)
		}
	}
}

// The log holds what was put in, whatever Raft does with it, reopened or not.
func TestLogAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "store")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &logModel{path: filepath.Join(dir, "channel.db"), want: map[uint64]*raft.Log{}, first: 1, term: 1}
		if m.s, err = open(m.path); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = m.s.Close() }() // the file is thrown away
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append, "replace": m.replace, "cut the end": m.cutEnd, "cut the beginning": m.cutBeginning,
			"reopen": m.reopen, "trim": func(*rapid.T) { m.s.Trim() }, "": m.check,
		})
	})
}
