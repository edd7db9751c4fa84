package view

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// How much of the trace one second of the screen may show.
const (
	LeastScale = time.Microsecond
	MostScale  = time.Second
)

// ScaleAt is the scale at a share of a slider, on a logarithmic scale and rounded to two
// digits.
func ScaleAt(share float64) time.Duration {
	v := float64(LeastScale) * math.Pow(float64(MostScale)/float64(LeastScale), min(1, max(0, share)))
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return time.Duration(math.Round(v/unit) * unit)
}

// ShareOf is where a scale is on the slider.
func ShareOf(scale time.Duration) float64 {
	v := math.Log(float64(scale)/float64(LeastScale)) / math.Log(float64(MostScale)/float64(LeastScale))
	return min(1, max(0, v))
}

// Scaled is a scale made factor times as large, within bounds.
func Scaled(scale time.Duration, factor float64) time.Duration {
	return time.Duration(min(float64(MostScale), max(float64(LeastScale), float64(scale)*factor)))
}

// SpanText writes a duration with at most two digits that matter.
func SpanText(d time.Duration) string {
	v, unit := float64(d), "ns"
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if v >= u.size*0.9995 {
			v, unit = v/u.size, u.name
			break
		}
	}
	if v >= 10 {
		return strconv.Itoa(int(math.Round(v))) + " " + unit
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + unit
}

// Percent writes a share with one decimal.
func Percent(share float64) string { return fmt.Sprintf("%.1f %%", share*100) }
