//go:build !linux || !x11

package window

// whenDisplayGoes does nothing where windows need no X server.
func whenDisplayGoes(func()) {}
