package load

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what all processes of a run have used together: this one and everything
// it started (nodes under placement process, chaincodes). Containers are the
// engine's children, not ours, and are not counted.
type Usage struct {
	CPU       time.Duration // user and system time since their start
	RSS       int64         // resident bytes, now
	Processes int
}

// clockTick is the unit of CPU times in /proc on Linux: USER_HZ is 100 everywhere.
const clockTick = 10 * time.Millisecond

// Measure reads the usage of this process and its descendants from /proc.
func Measure() (Usage, error) {
	stats, err := readProc()
	if err != nil {
		return Usage{}, err
	}
	var u Usage
	mine := map[int]bool{os.Getpid(): true}
	// Parents have no fixed place in the list, so go on until nothing is found.
	for grew := true; grew; {
		grew = false
		for pid, s := range stats {
			if !mine[pid] && mine[s.parent] {
				mine[pid], grew = true, true
			}
		}
	}
	for pid := range mine {
		s, ok := stats[pid]
		if !ok {
			continue
		}
		u.CPU += s.cpu
		u.RSS += s.rss
		u.Processes++
	}
	return u, nil
}

type procStat struct {
	parent int
	cpu    time.Duration
	rss    int64
}

func readProc() (map[int]procStat, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(dirs) == 0 {
		return nil, fmt.Errorf("CPU and memory of processes are read from /proc, which this system does not have")
	}
	out := map[int]procStat{}
	for _, path := range dirs {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it ended meanwhile
		}
		pid, s, ok := parseStat(b)
		if ok {
			out[pid] = s
		}
	}
	return out, nil
}

// parseStat reads one line of /proc/PID/stat. The name in parentheses may hold
// anything, so fields are counted from the last parenthesis.
func parseStat(b []byte) (pid int, s procStat, ok bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 1 || end < open {
		return 0, s, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:open])))
	f := strings.Fields(string(b[end+1:]))
	if err != nil || len(f) < 22 {
		return 0, s, false
	}
	number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
	// After the name: state 0, parent 1, ... utime 11, stime 12, waited-for children's
	// 13 and 14, resident pages 21.
	s.parent = int(number(1))
	s.cpu = time.Duration(number(11)+number(12)+number(13)+number(14)) * clockTick
	s.rss = number(21) * int64(os.Getpagesize())
	return pid, s, true
}
