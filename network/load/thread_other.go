//go:build !linux

package load

import "time"

// threadTime is a clock where the time of one thread is not to be had: right as
// long as nothing else runs.
func threadTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
