package inspect

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	peerpb "github.com/hyperledger/fabric-protos-go-apiv2/peer"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// Bounds of a span's sums.
const (
	mostSummed  = 400_000 // events that are gone through; what comes after them is not counted
	mostWeighed = 20_000  // messages whose size is looked up
	mostWaits   = 6
)

// sums are what happened in a span of the trace.
type sums struct {
	events    int
	from, to  int64
	cut       bool // there was more than can be gone through
	kinds     map[trace.Kind]int
	verdicts  map[peerpb.TxValidationCode]int // by the first peer that judges a transaction
	judged    map[string]bool
	sent      [view.ClassCount]int
	bytes     [view.ClassCount]int
	weighed   int
	unweighed bool
	lost      int
	written   map[uint64]int64 // transactions of the blocks that were written, by number
	submitted map[string]int64 // when, by transaction
	waits     []wait
	syncs     time.Duration
	longest   time.Duration
}

type wait struct {
	tx   string
	took int64
}

// sumUp goes through a span of a trace.
func sumUp(src view.Source, first, last uint64) *sums {
	s := &sums{kinds: map[trace.Kind]int{}, verdicts: map[peerpb.TxValidationCode]int{}, judged: map[string]bool{}, written: map[uint64]int64{}, submitted: map[string]int64{}}
	for cursor := first - 1; cursor < last; {
		events, _, _ := src.Since(cursor, int(min(last-cursor, 4096)))
		if len(events) == 0 || s.events >= mostSummed {
			s.cut = len(events) > 0
			break
		}
		for i := range events {
			if events[i].Seq > last {
				return s
			}
			s.take(src, &events[i])
		}
		cursor = events[len(events)-1].Seq
	}
	return s
}

func (s *sums) take(src view.Source, e *trace.Event) {
	if s.events == 0 {
		s.from = e.Time
	}
	s.to = max(s.to, e.Time)
	s.events++
	s.kinds[e.Kind]++
	switch e.Dir {
	case trace.Sent:
		class := view.ClassOf(e.Kind)
		s.sent[class]++
		if s.weighed == mostWeighed {
			s.unweighed = true
		} else if _, raw, ok := src.Payload(e.Seq); ok {
			s.weighed++
			s.bytes[class] += len(raw)
		}
	case trace.Lost:
		s.lost++
	}
	switch e.Kind {
	case trace.Verdict:
		if code, ok := words.CodeOf(e); ok && !s.judged[e.TxID] {
			s.judged[e.TxID] = true
			s.verdicts[code]++
		}
	case trace.BlockWritten:
		s.written[e.Block] = e.A
	case trace.Submitted:
		s.submitted[e.TxID] = e.Time
	case trace.CommitSeen:
		if at, ok := s.submitted[e.TxID]; ok {
			s.waits = append(s.waits, wait{e.TxID, e.Time - at})
			delete(s.submitted, e.TxID)
		}
	case trace.DiskSync:
		s.syncs += time.Duration(e.A)
		s.longest = max(s.longest, time.Duration(e.A))
	}
}

// span makes the document of a part of the trace: its sums.
func (a *about) span(first, last uint64) {
	s := sumUp(a.in.Source, max(1, first), last)
	a.doc.Title, a.doc.Live = a.L("Span of {{.Time}}", view.SpanText(time.Duration(s.to-s.from))), false
	a.doc.Subtitle = a.L("{{.N}} events", s.events)
	if s.cut {
		a.add(text(Warn, a.L("The span is long: only its first {{.N}} events are counted.", s.events)))
	}
	a.add(a.spanTxs(s), a.spanWork(s), a.spanMessages(s), a.spanWaits(s))
}

// spanTxs are the transactions that were judged in a span, by code.
func (a *about) spanTxs(s *sums) Block {
	b := Block{Form: Table, Title: a.L("Transactions judged"), Header: []string{a.L("code"), a.L("transactions")}, Text: a.L("None was judged.")}
	codes := make([]peerpb.TxValidationCode, 0, len(s.verdicts))
	for c := range s.verdicts {
		codes = append(codes, c)
	}
	slices.SortFunc(codes, func(x, y peerpb.TxValidationCode) int {
		return cmp.Or(cmp.Compare(s.verdicts[y], s.verdicts[x]), cmp.Compare(x, y))
	})
	for _, c := range codes {
		tone := Good
		if c != peerpb.TxValidationCode_VALID {
			tone = Bad
		}
		b.Rows = append(b.Rows, []Cell{{Text: c.String(), Mono: true, Tone: tone}, mono(strconv.Itoa(s.verdicts[c]))})
	}
	if seconds := float64(s.to-s.from) / 1e9; seconds > 0 && len(s.judged) > 0 {
		b.Aside = plain(strconv.FormatFloat(float64(len(s.judged))/seconds, 'f', 1, 64) + " " + a.L("tx/s"))
	}
	return b
}

// spanWork is what was done for them.
func (a *about) spanWork(s *sums) Block {
	b := Block{Form: Fields, Title: a.L("Work")}
	count := func(name string, n int) {
		if n > 0 {
			b.row(name, mono(view.Thousands(uint64(n))))
		}
	}
	txs := 0
	for _, n := range s.written {
		txs += int(n)
	}
	count(a.L("simulations finished"), s.kinds[trace.SimulateEnd])
	count(a.L("endorsements signed"), s.kinds[trace.Endorsed])
	count(a.L("endorsements refused"), s.kinds[trace.Refused])
	count(a.L("transactions submitted"), s.kinds[trace.Submitted])
	count(a.L("blocks written"), len(s.written))
	count(a.L("transactions in them"), txs)
	count(a.L("blocks committed, by all peers"), s.kinds[trace.Committed])
	count(a.L("syncs of disks"), s.kinds[trace.DiskSync])
	if s.syncs > 0 {
		b.row(a.L("time for them"), mono(a.L("{{.Time}}, the longest {{.Longest}}", map[string]any{"Time": view.SpanText(s.syncs), "Longest": view.SpanText(s.longest)})))
	}
	return b
}

// spanMessages are the messages by class.
func (a *about) spanMessages(s *sums) Block {
	b := Block{Form: Table, Title: a.L("Messages"), Header: []string{a.L("class"), a.L("sent"), a.L("bytes")}}
	total := 0
	for class, n := range s.sent {
		if n == 0 {
			continue
		}
		total += n
		name := view.Class(class).Name()
		if name == "" {
			name = "other"
		}
		weight := weak("-") // contents were not kept
		if s.bytes[class] > 0 {
			weight = mono(view.Thousands(uint64(s.bytes[class])))
		}
		b.Rows = append(b.Rows, []Cell{plain(a.L(name)), mono(view.Thousands(uint64(n))), weight})
	}
	b.Aside = plain(view.Thousands(uint64(total)))
	if s.lost > 0 {
		b.Rows = append(b.Rows, []Cell{{Text: a.L("lost on the way"), Tone: Bad}, mono(view.Thousands(uint64(s.lost))), weak("-")})
	}
	if s.unweighed {
		b.Title = a.L("Messages (sizes of the first {{.N}})", mostWeighed)
	}
	return b
}

// spanWaits are the transactions whose clients waited longest from submitting to the
// verdict.
func (a *about) spanWaits(s *sums) Block {
	b := Block{Form: Table, Title: a.L("Longest waits for a verdict"), Header: []string{a.L("transaction"), a.L("took")}}
	slices.SortStableFunc(s.waits, func(x, y wait) int { return cmp.Compare(y.took, x.took) })
	for i, w := range s.waits {
		if i == mostWaits {
			b.More = len(s.waits) - i
			break
		}
		b.Rows = append(b.Rows, []Cell{txCell(w.tx), mono(view.SpanText(time.Duration(w.took)))})
	}
	return b
}
