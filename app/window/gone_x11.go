//go:build linux && x11

package window

// #cgo LDFLAGS: -lX11
// #include <X11/Xlib.h>
// extern int fabriscopeDisplayGone(Display *display);
import "C"

import "sync/atomic"

// gone is what is done when the connection to the display breaks. Xlib has one handler for the
// whole program, and it hands nothing on: that is why this is not a field of the shell.
var gone atomic.Pointer[func()]

//export fabriscopeDisplayGone
func fabriscopeDisplayGone(*C.Display) C.int {
	if do := gone.Load(); do != nil {
		(*do)()
	}
	return 0
}

// whenDisplayGoes has something done when the connection to the display breaks. Xlib ends the
// program after it, in the middle of whatever it did and with a text of its own, so do must not
// return.
func whenDisplayGoes(do func()) {
	gone.Store(&do)
	C.XSetIOErrorHandler(C.XIOErrorHandler(C.fabriscopeDisplayGone))
}
