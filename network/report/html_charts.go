package report

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// series counts verdicts over time. It starts with narrow buckets and joins two to one
// whenever there are too many, so that it needs no second reading and bounded memory.
type series struct {
	begin   int64
	width   int64 // of one bucket, nanoseconds
	buckets []bucket
}

type bucket struct {
	valid, invalid int
	latency        *hdrhistogram.Histogram // microseconds
}

const mostBuckets = 120

// longest is what counts as the longest latency: ten minutes.
const longest = int64(10 * time.Minute / time.Microsecond)

func newLatency() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 2) }

// add counts one verdict; took is the time since the proposal, negative if unknown.
func (s *series) add(at int64, valid bool, took int64) {
	if s.width == 0 {
		s.width = int64(10 * time.Millisecond)
	}
	i := max(0, (at-s.begin)/s.width)
	for i >= mostBuckets {
		s.join()
		i = max(0, (at-s.begin)/s.width)
	}
	for int64(len(s.buckets)) <= i {
		s.buckets = append(s.buckets, bucket{})
	}
	b := &s.buckets[i]
	if valid {
		b.valid++
	} else {
		b.invalid++
	}
	if took >= 0 {
		if b.latency == nil {
			b.latency = newLatency()
		}
		_ = b.latency.RecordValue(min(max(1, took/1000), longest))
	}
}

func (s *series) join() {
	for i := range (len(s.buckets) + 1) / 2 {
		b := s.buckets[2*i]
		if 2*i+1 < len(s.buckets) {
			o := s.buckets[2*i+1]
			b.valid += o.valid
			b.invalid += o.invalid
			switch {
			case b.latency == nil:
				b.latency = o.latency
			case o.latency != nil:
				b.latency.Merge(o.latency)
			}
		}
		s.buckets[i] = b
	}
	s.buckets = s.buckets[:(len(s.buckets)+1)/2]
	s.width *= 2
}

// whole is the latency of all transactions, nil if none is known.
func (s *series) whole() *hdrhistogram.Histogram {
	var all *hdrhistogram.Histogram
	for _, b := range s.buckets {
		if b.latency != nil {
			if all == nil {
				all = newLatency()
			}
			all.Merge(b.latency)
		}
	}
	return all
}

// chart is one inline picture. Coordinates are in a box of chartW by chartH.
type chart struct {
	Title, Note string
	W, H        int
	Bars        []bar
	Lines       []line
	Ticks       []tick
	Times       []tick
	Left, Right float64
	Top, Bottom float64
}

type bar struct {
	X, Y, W, H float64
	Class      string
	Say        string
}

type line struct {
	Points, Class, Label string
	X, Y                 float64 // of the label
}

type tick struct {
	X, Y float64
	Text string
}

const (
	chartW, chartH            = 760, 190
	chartLeft, chartRight     = 56.0, 700.0
	chartTop, chartBottom     = 14.0, 160.0
	chartInner, chartHeightIn = chartRight - chartLeft, chartBottom - chartTop
)

func (s *series) charts() []chart {
	if len(s.buckets) == 0 {
		return nil
	}
	return append([]chart{s.throughput()}, s.latencies()...)
}

func (s *series) empty(title, note string) chart {
	c := chart{Title: title, Note: note, W: chartW, H: chartH, Left: chartLeft, Right: chartRight, Top: chartTop, Bottom: chartBottom}
	span := float64(len(s.buckets)) * float64(s.width) / 1e9
	step := niceStep(span / 6)
	for t := 0.0; t <= span*1.0001; t += step {
		c.Times = append(c.Times, tick{X: round1(chartLeft + t/span*chartInner), Y: chartBottom + 16, Text: trimmed(t) + " s"})
	}
	return c
}

// scale puts the marks of the vertical axis and gives pixels per unit.
func (c *chart) scale(most float64, unit string) float64 {
	if most <= 0 {
		most = 1
	}
	step := niceStep(most / 4)
	top := math.Ceil(most/step) * step
	for v := 0.0; v <= top*1.0001; v += step {
		c.Ticks = append(c.Ticks, tick{X: chartLeft - 8, Y: round1(chartBottom - v/top*chartHeightIn), Text: trimmed(v) + unit})
	}
	return chartHeightIn / top
}

func (s *series) throughput() chart {
	c := s.empty("Throughput", "Transactions that got their verdict, per second. Hatched: invalid.")
	seconds := float64(s.width) / 1e9
	most := 0.0
	for _, b := range s.buckets {
		most = math.Max(most, float64(b.valid+b.invalid)/seconds)
	}
	per := c.scale(most, "")
	w := chartInner / float64(len(s.buckets))
	for i, b := range s.buckets {
		x := chartLeft + float64(i)*w
		valid, invalid := float64(b.valid)/seconds*per, float64(b.invalid)/seconds*per
		say := fmt.Sprintf("%s to %s s: %d valid, %d invalid", trimmed(float64(i)*seconds), trimmed(float64(i+1)*seconds), b.valid, b.invalid)
		if b.valid > 0 {
			c.Bars = append(c.Bars, bar{round1(x), round1(chartBottom - valid), round1(math.Max(1, w-0.6)), round1(valid), "valid", say})
		}
		if b.invalid > 0 {
			c.Bars = append(c.Bars, bar{round1(x), round1(chartBottom - valid - invalid), round1(math.Max(1, w-0.6)), round1(invalid), "invalid", say})
		}
	}
	return c
}

func (s *series) latencies() []chart {
	all := s.whole()
	if all == nil {
		return nil
	}
	c := s.empty("Latency", "From the first proposal to the verdict, in milliseconds: the median, and what 95 and 99 of 100 transactions did not exceed.")
	most := 0.0
	for _, b := range s.buckets {
		if b.latency != nil {
			most = math.Max(most, float64(b.latency.ValueAtQuantile(99))/1000)
		}
	}
	per := c.scale(most, " ms")
	w := chartInner / float64(len(s.buckets))
	var ends []line // the last pieces, with the labels
	for _, q := range []struct {
		at           float64
		class, label string
	}{{99, "p99", "99 %"}, {95, "p95", "95 %"}, {50, "p50", "median"}} {
		gap := 0
		var points []string
		l := line{Class: q.class}
		for i, b := range s.buckets {
			if b.latency == nil {
				// A line over a long silence would claim what nobody measured.
				if gap++; gap == len(s.buckets)/10+1 {
					l.Points = strings.Join(points, " ")
					c.Lines = append(c.Lines, l)
					points = nil
				}
				continue
			}
			gap = 0
			v := float64(b.latency.ValueAtQuantile(q.at)) / 1000
			l.X, l.Y = round1(chartLeft+(float64(i)+0.5)*w), round1(chartBottom-v*per)
			points = append(points, fmt.Sprintf("%g,%g", l.X, l.Y))
			c.Bars = append(c.Bars, bar{X: l.X - 1.5, Y: l.Y - 1.5, W: 3, H: 3, Class: q.class, Say: fmt.Sprintf("%s: %.1f ms", q.label, v)})
		}
		l.Points, l.Label = strings.Join(points, " "), q.label
		l.X += 6
		l.Y += 3
		ends = append(ends, l)
	}
	apart(ends)
	c.Lines = append(c.Lines, ends...)
	return []chart{c}
}

// apart keeps the labels at the lines' ends from covering each other, from above.
func apart(lines []line) {
	for i := 1; i < len(lines); i++ {
		lines[i].Y = math.Max(lines[i].Y, lines[i-1].Y+12)
	}
}

// niceStep is 1, 2 or 5 times a power of ten, at least least.
func niceStep(least float64) float64 {
	if !(least > 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(least)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= least {
			return m * p
		}
	}
	return 10 * p
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }

func trimmed(v float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}
