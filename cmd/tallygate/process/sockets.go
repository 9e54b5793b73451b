package process

import (
	"errors"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"tallygate/engine"
	"tallygate/engine/tally"
)

// What a listening socket is for.
const (
	ForApps     = "apps"     // client apps
	ForRedirect = "redirect" // plain HTTP that leads to HTTPS
	ForMetrics  = "metrics"  // figures for Prometheus
	ForSSH      = "ssh"      // people with a terminal
	ForAdmin    = "admin"    // the control plane, for those with tokens
)

// Sockets are the listening sockets of a process, by what they are for.
type Sockets map[string]net.Listener

// Addresses say where to listen, by what for. "" is nowhere.
type Addresses map[string]string

// Open opens the sockets. What a service manager or a parent has opened already is taken
// over, and its address counts for nothing; inherited is how a parent has said so.
func (a Addresses) Open(inherited string, env func(string) (string, bool)) (Sockets, error) {
	ready, err := readyMade(inherited, env)
	if err != nil {
		return nil, err
	}
	s := Sockets{}
	for _, what := range slices.Sorted(maps.Keys(a)) {
		switch given := ready[what]; {
		case given != nil:
			s[what] = given
			delete(ready, what)
		case a[what] != "":
			ln, err := Listen(a[what])
			if err != nil {
				return nil, errors.Join(ofFlag(err, what), s.Close())
			}
			s[what] = ln
		}
	}
	return s, ready.Close() // nobody asked for these
}

// ofFlag lets the hint of an error name the flag that the address is from.
func ofFlag(err error, what string) error {
	e := *tally.AsError(err)
	if what != ForApps { // the flags are called so
		e.Hint = strings.ReplaceAll(e.Hint, "--listen ", "--"+what+" ")
	}
	return &e
}

// Close closes all of them.
func (s Sockets) Close() error {
	var all []error
	for _, ln := range s {
		all = append(all, ln.Close())
	}
	return errors.Join(all...)
}

// readyMade are the sockets that were open when the process began.
func readyMade(inherited string, env func(string) (string, bool)) (Sockets, error) {
	files, err := readInherited(inherited)
	if err != nil {
		return nil, err
	}
	if inherited == "" {
		files = fromManager(env)
	}
	delete(files, forKeys)
	s := Sockets{}
	var callers []net.Conn
	for what, fd := range files {
		file := os.NewFile(uintptr(fd), what)
		if strings.HasPrefix(what, caller) {
			if c, err := net.FileConn(file); err == nil && c.RemoteAddr() != nil {
				callers = append(callers, c)
			} else if err == nil { // it has left, and where it came from is not known any more
				c.Close()
			}
			file.Close()
			continue
		}
		ln, err := net.FileListener(file)
		file.Close()
		if err != nil {
			return nil, errors.Join(tally.Errorf(tally.Invalid, "file %d is no listening socket: %w", fd, err).
				WithHint("of a service manager, ListenStream= is one; --inherit is for tallygate itself"), s.Close())
		}
		if own, is := ln.(*net.UnixListener); is {
			own.SetUnlinkOnClose(false) // its maker's
		}
		s[what] = ln
	}
	if ln := s[ForApps]; ln != nil && len(callers) > 0 {
		r := &returning{Listener: ln, callers: callers}
		r.waiting.Store(int32(len(callers)))
		s[ForApps] = r
	}
	return s, nil
}

// caller begins the name under which a connection of a client app is inherited.
const caller = "caller."

// returning is a listener to which callers come back who were let in by the process before.
type returning struct {
	net.Listener
	callers []net.Conn
	waiting atomic.Int32 // how many are left of them
}

// Accept implements net.Listener.
func (r *returning) Accept() (net.Conn, error) {
	if n := len(r.callers); n > 0 {
		c := r.callers[n-1]
		r.callers = r.callers[:n-1]
		r.waiting.Add(-1)
		return engine.Returned{Conn: c}, nil
	}
	return r.Listener.Accept()
}

// Waiting is how many callers have not been accepted yet.
func (r *returning) Waiting() int { return int(r.waiting.Load()) }

// File is the listening socket.
func (r *returning) File() (*os.File, error) {
	return r.Listener.(interface{ File() (*os.File, error) }).File()
}

// readInherited reads "apps=3,metrics=4".
func readInherited(text string) (map[string]int, error) {
	files := map[string]int{}
	for item := range strings.SplitSeq(text, ",") {
		if text == "" {
			break
		}
		what, number, _ := strings.Cut(item, "=")
		fd, err := strconv.Atoi(number)
		if err != nil || fd < firstFile {
			return nil, tally.Errorf(tally.Invalid, "%q names no file", item).WithHint("--inherit is for tallygate itself; use --listen")
		}
		files[what] = fd
	}
	return files, nil
}

// firstFile is the first file that a process may find open beside the standard ones.
const firstFile = 3

// fromManager are the sockets that a service manager has opened, in systemd's manner: see
// sd_listen_fds(3). One without a name of ours is for client apps.
func fromManager(env func(string) (string, bool)) map[string]int {
	files := map[string]int{}
	pid, _ := env("LISTEN_PID")
	count, _ := env("LISTEN_FDS")
	n, err := strconv.Atoi(count)
	if err != nil || pid != strconv.Itoa(os.Getpid()) {
		return files
	}
	text, _ := env("LISTEN_FDNAMES")
	names := strings.Split(text, ":")
	for i := range n {
		what := ForApps
		if i < len(names) && slices.Contains([]string{ForRedirect, ForMetrics, ForSSH, ForAdmin}, names[i]) {
			what = names[i]
		}
		if _, twice := files[what]; !twice {
			files[what] = firstFile + i
		}
	}
	return files
}
