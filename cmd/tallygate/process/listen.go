package process

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tallygate/engine/tally"
)

// onUnix begins the address of a Unix socket, whose path follows.
const onUnix = "unix:"

// CheckAddress refuses what is no address to listen on.
func CheckAddress(address string) error {
	if path, is := strings.CutPrefix(address, onUnix); is {
		if path == "" {
			return tally.Errorf(tally.Invalid, "%q names no socket", address).WithHint("like unix:/run/tallygate/http.sock")
		}
		return nil
	}
	_, _, err := splitAddress(address)
	return err
}

// splitAddress reads an address to listen on.
func splitAddress(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, tally.Errorf(tally.Invalid, "%q is not an address to listen on", address).
			WithHint("like 127.0.0.1:4283, :4283 for all networks, or unix:/run/tallygate/http.sock")
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, tally.Errorf(tally.Invalid, "%q is not a port", text).WithHint("a number from 1 to 65535, or 0 for any free one")
	}
	return host, uint16(n), nil
}

// Listen opens a listening socket. A busy port is an error that says how to
// find out who has it.
func Listen(address string) (net.Listener, error) {
	if path, is := strings.CutPrefix(address, onUnix); is {
		return listenUnix(path)
	}
	host, port, err := splitAddress(address)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(address, host, port, err)
	}
	return ln, nil
}

// listenUnix opens a Unix socket that this user and its group may connect to. One that a
// process has left, which nobody serves any more, is removed.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket != 0 {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, tally.Errorf(tally.InUse, "the socket %s is served by another program", path).WithHint("serve elsewhere: --listen unix:PATH")
		}
		os.Remove(path) // else listening says why not
	}
	ln, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o660)
	}
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, tally.Errorf(tally.Invalid, "listen on %s: %w", path, err).WithHint("its folder must be there, and be writable for this process; what is at the path is not replaced unless it is a socket")
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

// BaseURLOf is the base URL that client apps on this machine use where we serve at an
// address, "" if that is none, or of any free port. A listener on all networks is reached
// here by loopback.
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

// baseURL is where client apps reach a listener: by the first domain that certificates are
// for, if there are any. A Unix socket is named as such.
func baseURL(ln net.Listener, t *TLS) string {
	if ln.Addr().Network() == "unix" {
		return onUnix + ln.Addr().String()
	}
	plain := BaseURLOf(ln.Addr().String())
	if t == nil {
		return plain
	}
	at := strings.TrimSuffix(strings.TrimPrefix(plain, "http://"), "/v1")
	host, port, err := net.SplitHostPort(at)
	if name := t.name(); err == nil && name != "" {
		host = name
	}
	if port == "443" {
		return "https://" + host + "/v1"
	}
	return "https://" + net.JoinHostPort(host, port) + "/v1"
}
