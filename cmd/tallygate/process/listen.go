package process

import (
	"errors"
	"io/fs"
	"net"
	"runtime"
	"strconv"
	"syscall"

	"tallygate/engine/tally"
)

// SplitAddress reads an address to listen on.
func SplitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, tally.Errorf(tally.Invalid, "%q is not an address to listen on", address).WithHint("like 127.0.0.1:4283, or :4283 for all networks")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, tally.Errorf(tally.Invalid, "%q is not a port", text).WithHint("a number from 1 to 65535, or 0 for any free one")
	}
	return host, uint16(n), nil
}

// Listen opens the public listener. A busy port is an error that says how to
// find out who has it.
func Listen(address string) (net.Listener, error) {
	host, port, err := SplitAddress(address)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(address, host, port, err)
	}
	return ln, nil
}

func listenError(address, host string, port uint16, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the address is named already
	}
	switch {
	case isBusy(err):
		next := port + 1
		if next == 0 {
			next = 4283
		}
		return tally.Errorf(tally.InUse, "port %d is in use by another program", port).
			WithHint("find it with: %s; or serve elsewhere: --listen %s", whoHas(port), net.JoinHostPort(host, strconv.Itoa(int(next))))
	case errors.Is(err, fs.ErrPermission):
		return tally.Errorf(tally.Denied, "listen on %s: %w", address, err).WithHint("ports below 1024 need rights of their own; choose a higher one with --listen")
	}
	return tally.Errorf(tally.Invalid, "listen on %s: %w", address, err).WithHint("the address must be this machine's, like 127.0.0.1:4283")
}

func isBusy(err error) bool {
	const busyOnWindows = syscall.Errno(10048) // WSAEADDRINUSE
	return errors.Is(err, syscall.EADDRINUSE) || runtime.GOOS == "windows" && errors.Is(err, busyOnWindows)
}

// whoHas is the command that shows whose a port is.
func whoHas(port uint16) string {
	n := strconv.Itoa(int(port))
	switch runtime.GOOS {
	case "windows":
		return "netstat -ano | findstr :" + n
	case "darwin":
		return "lsof -nP -iTCP:" + n + " -sTCP:LISTEN"
	}
	return "ss -ltnp 'sport = :" + n + "'"
}

// BaseURL is the address that client apps on this machine use. A listener on
// all networks is reached here by loopback.
func BaseURL(addr net.Addr) string { return BaseURLOf(addr.String()) }

// BaseURLOf is the base URL of an address to listen on; "" if that is none, or of any
// free port.
func BaseURLOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/v1"
}
