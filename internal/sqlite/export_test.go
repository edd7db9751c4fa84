package sqlite

import "time"

// Portions is the size of portions on a disk that writes so many bytes a second, after
// some folds.
func Portions(begin int64, perSecond float64) int64 {
	portion := begin
	for range 20 {
		portion = nextPortion(portion, portion, time.Duration(float64(portion)/perSecond*float64(time.Second)))
	}
	return portion
}
