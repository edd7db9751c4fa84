package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
)

// Pause freezes the process with all that it started, or lets it go on. Twice the same is
// no error.
func (in *instance) Pause(_ context.Context, on bool) error {
	signal := syscall.SIGCONT
	if on {
		signal = syscall.SIGSTOP
	}
	if err := in.signal(signal); err != nil {
		return fmt.Errorf("send \"%s\" to process %d: %w", signal, in.pid, err)
	}
	if !on {
		return nil
	}
	// The signal is on its way, and threads on other processors still run.
	if err := awaitStop(in.pid); err != nil {
		return fmt.Errorf("wait until process %d stands still: %w", in.pid, err)
	}
	return nil
}

// signal sends a signal to the process and all that it started, if it has not ended:
// then the number may be somebody else's.
func (in *instance) signal(s syscall.Signal) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	select {
	case <-in.done:
		return errors.New("it has ended")
	default:
		return syscall.Kill(-in.pid, s)
	}
}
