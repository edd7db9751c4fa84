package docker

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/api/types/filters"
)

// Labels of everything that this package makes. A person can list it with
// docker ps --all --filter label=fabriscope.kind
const (
	labelKind    = "fabriscope.kind"    // one of the kinds below
	labelRun     = "fabriscope.run"     // Config.RunID
	labelPeer    = "fabriscope.peer"    // node name
	labelPackage = "fabriscope.package" // package id
	labelRuntime = "fabriscope.runtime" // the Runtime that made it, for its events
	labelGo      = "fabriscope.go"      // Go version of a builder image

	labelPID   = "fabriscope.owner.pid"       // the program
	labelStart = "fabriscope.owner.start"     // when it started, in clock ticks since boot
	labelBoot  = "fabriscope.owner.boot"      // which boot that was
	labelSpace = "fabriscope.owner.namespace" // where the pid means something
)

// Values of labelKind. Builder images and the cache volume are kept for the next
// program; all the rest goes with its owner.
const (
	kindChaincode    = "chaincode"     // a container
	kindBuild        = "build"         // a container, or a volume of one
	kindImage        = "image"         // what a chaincode's container runs
	kindBuilderImage = "builder-image" // a Go toolchain
	kindCache        = "cache"         // the volume with the compiler's cache
)

// owner names a program that runs, or ran, beyond doubt: process ids are used again, so
// the start time, the boot and the pid namespace belong to it.
type owner struct {
	pid   int
	start string
	boot  string
	space string
}

// self is this program.
func self() (owner, error) {
	pid := os.Getpid()
	start, ok := startOf(pid)
	if !ok {
		return owner{}, errors.New("this system does not say in /proc when a process started")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return owner{}, fmt.Errorf("ask for the boot id: %w", err)
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return owner{}, fmt.Errorf("ask for the pid namespace: %w", err)
	}
	return owner{pid: pid, start: start, boot: strings.TrimSpace(string(boot)), space: space}, nil
}

// labels are what everything of this owner carries, and more after them.
func (o owner) labels(kind string, more ...string) map[string]string {
	all := map[string]string{
		labelKind: kind, labelPID: strconv.Itoa(o.pid), labelStart: o.start, labelBoot: o.boot, labelSpace: o.space,
	}
	for i := 0; i+1 < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// ownerOf reads labels back; ok is false if they are not ours.
func ownerOf(labels map[string]string) (o owner, ok bool) {
	pid, err := strconv.Atoi(labels[labelPID])
	o = owner{pid: pid, start: labels[labelStart], boot: labels[labelBoot], space: labels[labelSpace]}
	return o, err == nil && pid > 0 && o.start != "" && o.boot != "" && o.space != ""
}

// dead decides whether the owner has ended, as far as me can know: a program that
// shares the engine from another pid namespace is never taken for dead. startOf tells
// when a process started, and false if there is none.
func (o owner) dead(me owner, startOf func(pid int) (string, bool)) bool {
	if o.boot != me.boot {
		return true
	}
	if o.space != me.space {
		return false
	}
	start, ok := startOf(o.pid)
	return !ok || start != "" && start != o.start
}

// startOf gives the start time of a process, "" if there is one that may not be looked
// at, and false if there is none.
func startOf(pid int) (string, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		// Where /proc hides other users' processes, only a signal tells.
		return "", errors.Is(syscall.Kill(pid, 0), syscall.EPERM)
	}
	return parseStat(string(stat))
}

// parseStat finds the start time in /proc/PID/stat: field 22, where field 2 is the
// command's name in brackets, which may hold anything. A zombie counts as gone.
// (proc(5))
func parseStat(stat string) (start string, ok bool) {
	_, rest, found := cutLast(stat, ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// withLabels makes a filter of labels; an empty value means any.
func withLabels(labels map[string]string) filters.Args {
	args := filters.NewArgs()
	for name, value := range maps.All(labels) {
		if value != "" {
			name += "=" + value
		}
		args.Add("label", name)
	}
	return args
}
