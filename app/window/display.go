package window

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// dialTimeout bounds the look for an X server.
const dialTimeout = 2 * time.Second

// checkDisplay looks whether an X server answers before Fyne is begun, which would end
// the program without one.
func checkDisplay(getenv func(string) string, dial func(network, address string) error) error {
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" && runtime.GOOS != "openbsd" {
		return nil
	}
	display := getenv("DISPLAY")
	if display == "" {
		if getenv("WAYLAND_DISPLAY") != "" {
			return fmt.Errorf("%w (DISPLAY is not set: the window needs XWayland on this desktop)", ErrNoDisplay)
		}
		return fmt.Errorf("%w (DISPLAY is not set)", ErrNoDisplay)
	}
	addresses, ok := displayAddresses(display)
	if !ok {
		return fmt.Errorf("%w (DISPLAY is %q, which names no display)", ErrNoDisplay, display)
	}
	var err error
	for _, a := range addresses {
		if err = dial(a[0], a[1]); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w (nothing answers at DISPLAY %s)", ErrNoDisplay, display)
}

// displayAddresses is where the X server of a display name such as :0 or host:10.0 listens.
func displayAddresses(display string) ([][2]string, bool) {
	colon := strings.LastIndexByte(display, ':')
	if colon < 0 {
		return nil, false
	}
	host, number := display[:colon], display[colon+1:]
	number, _, _ = strings.Cut(number, ".")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 {
		return nil, false
	}
	if host == "" || host == "unix" {
		path := "/tmp/.X11-unix/X" + number
		return [][2]string{{"unix", path}, {"unix", "@" + path}}, true
	}
	if strings.HasPrefix(host, "/") {
		return [][2]string{{"unix", display}}, true
	}
	return [][2]string{{"tcp", net.JoinHostPort(host, strconv.Itoa(6000+n))}}, true
}

func dial(network, address string) error {
	c, err := net.DialTimeout(network, address, dialTimeout)
	if err != nil {
		return err
	}
	return c.Close()
}
