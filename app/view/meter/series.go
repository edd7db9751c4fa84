package meter

import (
	"math"
	"time"

	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/facts"
)

// bucket is one second of the series.
type bucket struct {
	sums   counts // at its end
	codes  []uint32
	judged uint32
	times  *histogram  // nil without a finished transaction
	shown  *[3]float64 // percentiles of a second that is over, made when first asked for
}

// Latencies are counted in steps of 4 per cent from 100 microseconds on; the last step,
// about 15 minutes, takes all that is longer.
const (
	steps    = 408
	ratio    = 1.04
	shortest = 100_000.0
)

type histogram [steps]uint32

func (h *histogram) add(ns int64) {
	i := 0
	if float64(ns) > shortest {
		i = min(steps-1, int(math.Log(float64(ns)/shortest)/math.Log(ratio)))
	}
	h[i]++
}

// percentiles gives p50, p95 and p99 in milliseconds, at most 2 per cent off; NaN without
// any latency.
func (h *histogram) percentiles() (p [3]float64) {
	total := uint64(0)
	for _, n := range h {
		total += uint64(n)
	}
	if total == 0 {
		return [3]float64{math.NaN(), math.NaN(), math.NaN()}
	}
	seen, k := uint64(0), 0
	for i, n := range h {
		seen += uint64(n)
		for k < 3 && seen >= uint64(math.Ceil([3]float64{0.5, 0.95, 0.99}[k]*float64(total))) {
			p[k] = shortest * math.Pow(ratio, float64(i)+0.5) / 1e6
			k++
		}
		if k == 3 {
			break
		}
	}
	return p
}

// latencies are the percentiles of one second. They are kept once the second is over.
func (m *Meter) latencies(i int) [3]float64 {
	b := &m.seconds[i]
	switch {
	case b.times == nil:
		return [3]float64{math.NaN(), math.NaN(), math.NaN()}
	case b.shown != nil:
		return *b.shown
	}
	p := b.times.percentiles()
	if i < len(m.seconds)-1 {
		b.shown = &p
	}
	return p
}

// bucket makes sure that there is a bucket for now, and fills those of quiet seconds.
func (m *Meter) bucket(now int64) *bucket {
	if len(m.seconds) == 0 {
		m.origin, m.first = now, now
	}
	i := int((now - m.origin) / m.step)
	if i >= len(m.seconds)+maxSeconds {
		m.forget(len(m.seconds))
		m.origin += int64(i) * m.step
		m.seconds, i = m.seconds[:0], 0
	}
	for len(m.seconds) <= i {
		m.seconds = append(m.seconds, bucket{sums: m.now})
	}
	if over := len(m.seconds) - maxSeconds; over > maxSeconds/8 {
		m.forget(over)
		m.seconds = append(m.seconds[:0], m.seconds[over:]...)
		m.origin += int64(over) * m.step
	}
	return &m.seconds[len(m.seconds)-1]
}

// forget counts what the first n buckets held, before they are remembered no more.
func (m *Meter) forget(n int) {
	for i := range m.seconds[:n] {
		m.earlier += int(m.seconds[i].judged)
	}
}

func (m *Meter) latency(ns int64) {
	b := m.bucket(m.last)
	if b.times == nil {
		b.times = new(histogram)
	}
	b.times.add(ns)
}

// code counts one verdict.
func (m *Meter) code(code uint8) {
	b := m.bucket(m.last)
	b.judged++
	i := 0
	for i < len(m.codes) && m.codes[i] != code {
		i++
	}
	if i == len(m.codes) {
		m.codes = append(m.codes, code)
	}
	for len(b.codes) <= i {
		b.codes = append(b.codes, 0)
	}
	b.codes[i]++
}

// Series is what the charts show: one value for each whole step, a second mostly, oldest first.
type Series struct {
	Step       time.Duration // between two values; 0 is a second
	From       int64         // where the first second begins, in nanoseconds since 1970
	Throughput []float64     // verdicts a second
	P50        []float64     // latencies in milliseconds, from the first proposal until the client
	P95        []float64     // knows the verdict (the first verdict where the client is not ours);
	P99        []float64     // NaN in seconds in which none was finished
	Codes      []Code        // in the order in which they appeared; VALID first
	Judged     int           // transactions in all these seconds
	All50      float64       // percentiles over all these seconds, NaN without any
	All95      float64
	All99      float64
	Peak       float64       // highest throughput
	Mean       float64       // throughput over all these seconds
	Skipped    time.Duration // from the trace's first event to From: what is not in the series
	Earlier    int           // transactions that were judged in that time
}

// Code is a validation code's part of the series.
type Code struct {
	Code  uint8
	Name  string
	N     []int // in each second
	Total int
}

// Series gives the whole seconds of span that had passed at a moment. The second that the
// moment lies in is not over and is left out.
func (m *Meter) Series(at view.Moment, span time.Duration) Series {
	end := min(max(0, int((at.Time-m.origin)/m.step)), len(m.seconds))
	start := max(0, end-int(int64(span)/m.step))
	rate := float64(second) / float64(m.step)
	s := Series{From: m.origin + int64(start)*m.step, Step: time.Duration(m.step)}
	s.Skipped, s.Earlier = time.Duration(s.From-m.first), m.earlier
	for i := range start {
		s.Earlier += int(m.seconds[i].judged)
	}
	var all histogram
	for i := start; i < end; i++ {
		b := &m.seconds[i]
		s.Throughput = append(s.Throughput, float64(b.judged)*rate)
		s.Judged += int(b.judged)
		s.Peak = max(s.Peak, float64(b.judged)*rate)
		if b.times != nil {
			for k, n := range b.times {
				all[k] += n
			}
		}
		p := m.latencies(i)
		s.P50, s.P95, s.P99 = append(s.P50, p[0]), append(s.P95, p[1]), append(s.P99, p[2])
	}
	if end > start {
		s.Mean = float64(s.Judged) * rate / float64(end-start)
	}
	p := all.percentiles()
	s.All50, s.All95, s.All99 = p[0], p[1], p[2]
	s.Codes = m.shares(start, end)
	return s
}

func (m *Meter) shares(start, end int) (codes []Code) {
	for k, code := range m.codes {
		c := Code{Code: code, Name: facts.CodeName(code), N: make([]int, 0, end-start)}
		for i := start; i < end; i++ {
			n := 0
			if b := &m.seconds[i]; k < len(b.codes) {
				n = int(b.codes[k])
			}
			c.N = append(c.N, n)
			c.Total += n
		}
		if c.Total == 0 {
			continue
		}
		if codes = append(codes, c); code == facts.Valid {
			copy(codes[1:], codes[:len(codes)-1])
			codes[0] = c
		}
	}
	return codes
}
