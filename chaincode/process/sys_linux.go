package process

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes gives the child a process group of its own, so that Ctrl-C in the
// program's terminal does not reach it and one signal reaches all it starts, and lets
// it die with the program.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// awaitStop waits until every thread of the child has stopped. It leaves the child's end
// to whoever waits for that.
func awaitStop(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
