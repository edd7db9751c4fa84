//go:build unix && !linux

package process

import "syscall"

// attributes gives the child a process group of its own. Only Linux lets it die with
// the program; elsewhere it ends when its stream to the peer breaks.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

// awaitStop would wait until the child has stopped; here that is soon enough.
func awaitStop(int) error { return nil }
