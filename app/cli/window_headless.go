//go:build headless

package cli

import "errors"

// hasWindow tells whether this program was built with the window.
const hasWindow = false

// openWindow says that this program was built without the window.
func (p *program) openWindow(windowOptions) error {
	return errors.New("this program was built without the window (make build WINDOW=no); use: fabriscope up (a network), " +
		"fabriscope run SCENARIO --record RUN.fscope, fabriscope events RUN.fscope, fabriscope inspect FILE.block")
}
