package paint_test

import (
	"bytes"
	"fmt"
	"image"
	"strings"
	"testing"
	"time"

	"github.com/fabriscope/fabriscope/app/paint"
	"github.com/fabriscope/fabriscope/app/view"
	"github.com/fabriscope/fabriscope/app/view/meter"
	"github.com/fabriscope/fabriscope/app/words"
	"github.com/fabriscope/fabriscope/internal/trace"
)

// metered counts transactions of some seconds: more of them, later and with more conflicts
// every second, and none for a while in the middle.
func metered(seconds int) (*meter.Meter, view.Moment) {
	m := meter.Alone(time.Second)
	seq, block := uint64(0), uint64(1)
	now := int64(1_000_000_000_000)
	add := func(e trace.Event) {
		seq++
		e.Seq, e.Time = seq, now
		m.Add([]trace.Event{e})
	}
	for s := range seconds {
		for i := range 20 + s*3%70 {
			if s%40 > 25 && s%40 < 29 {
				break
			}
			id := fmt.Sprintf("%06x", seq)
			add(trace.Event{Kind: trace.Submitted, Node: "alice", TxID: id})
			now += int64(40+s%60+i%9*3) * 100_000
			code := "VALID"
			switch {
			case (i+s)%9 == 0:
				code = "MVCC_READ_CONFLICT"
			case i%17 == 0 && s > 8:
				code = "ENDORSEMENT_POLICY_FAILURE"
			case s > 20 && i%13 == 0:
				code = "PHANTOM_READ_CONFLICT"
			}
			add(trace.Event{Kind: trace.Verdict, Node: "peer0.org1.example.com", TxID: id, Block: block, Key: code})
			add(trace.Event{Kind: trace.CommitSeen, Node: "alice", TxID: id, Block: block, Key: code})
		}
		add(trace.Event{Kind: trace.Committed, Node: "peer0.org1.example.com", Block: block})
		block++
		now = 1_000_000_000_000 + int64(s+1)*1_000_000_000
	}
	add(trace.Event{Kind: trace.Committed, Node: "peer0.org1.example.com", Block: block})
	return m, view.Moment{Seq: seq, Time: now}
}

func TestCharts(t *testing.T) {
	m, end := metered(60)
	first := view.Moment{Seq: 10, Time: 1_000_000_500_000}
	for _, c := range []struct {
		name string
		th   *paint.Theme
		w, h int
		at   view.Moment
	}{
		{"stacked-dark", paint.Dark(), 320, 560, end},
		{"beside-light", paint.Light(), 980, 220, end},
		{"presenter", paint.Dark().Larger(1.6), 620, 900, end},
		{"empty", paint.Light(), 320, 420, first},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := m.Series(c.at, time.Minute)
			pic := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
			paint.ChartPainter{}.Paint(pic, &s, c.th, nil)
			golden(t, "chart-"+c.name+".png", pic)
		})
	}
}

func TestChartsAsSVG(t *testing.T) {
	m, end := metered(60)
	s := m.Series(end, time.Minute)
	var b bytes.Buffer
	c := paint.NewSVG(&b, 320, 560)
	paint.DrawCharts(c, &s, view.Rect{W: 320, H: 560}, paint.Light(), words.Of("de"))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Durchsatz", "MVCC_READ_CONFLICT", "p99"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the document does not say %q", want)
		}
	}
}

// BenchmarkCharts draws half an hour.
func BenchmarkCharts(b *testing.B) {
	m, end := metered(1800)
	pic, th := image.NewRGBA(image.Rect(0, 0, 340, 600)), paint.Dark()
	b.ResetTimer()
	for range b.N {
		s := m.Series(end, 30*time.Minute)
		paint.ChartPainter{}.Paint(pic, &s, th, nil)
	}
}
