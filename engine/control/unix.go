package control

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// maxSocketPath is the longest path of a socket that every system takes (104
// bytes with the final zero on macOS, 108 on Linux).
const maxSocketPath = 103

const socketName = "control.sock"

// tempPrefix marks folders that SocketPath has made for a socket.
const tempPrefix = "tallygate-socket-"

// SocketPath returns where the socket of a data folder goes: inside it, or, if the
// path would be too long for a socket, in a new private folder of what this user has
// for such things. A folder that all users share is none: others could be there
// first, and whoever cleans it up takes the socket away.
func SocketPath(data string) (string, error) {
	if path := filepath.Join(data, socketName); len(path) <= maxSocketPath {
		return path, nil
	}
	cache, _ := os.UserCacheDir() // "" if the user has none
	if cache != "" {
		os.MkdirAll(cache, 0o700) // what fails here fails below
	}
	for _, base := range []string{os.Getenv("XDG_RUNTIME_DIR"), cache} {
		if !filepath.IsAbs(base) || len(filepath.Join(base, tempPrefix+"0123456789", socketName)) > maxSocketPath {
			continue
		}
		dir, err := os.MkdirTemp(base, tempPrefix)
		if err != nil {
			return "", tally.Errorf(tally.Internal, "make a folder for the control socket: %w", err)
		}
		return filepath.Join(dir, socketName), nil
	}
	return "", tally.Errorf(tally.Invalid, "the path of the data folder is too long for a socket").WithHint("choose a shorter one with --data, or set XDG_RUNTIME_DIR to a short folder of yours")
}

// RemoveSocket removes a socket whose engine is gone, and the folder that
// SocketPath made for it.
func RemoveSocket(path string) {
	if filepath.Base(path) != socketName {
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return // whatever it is, it is not ours
	}
	os.Remove(path)
	if dir := filepath.Dir(path); strings.HasPrefix(filepath.Base(dir), tempPrefix) {
		os.Remove(dir)
	}
}

// ListenUnix listens on a unix socket that only this user may reach: mode 0600
// in a folder of mode 0700, and connections of other users are closed. A
// socket that somebody answers on is InUse; a stale one is replaced.
func ListenUnix(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, tally.Errorf(tally.Internal, "make the folder of the control socket: %w", err)
	}
	if err := checkPrivate(dir); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode()&fs.ModeSocket == 0 {
			return nil, tally.Errorf(tally.InUse, "%s is in the way of the control socket", path).WithHint("move it away")
		}
		if answers(path) {
			return nil, tally.Errorf(tally.InUse, "another engine answers on %s", path)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, tally.Errorf(tally.Internal, "remove the stale control socket: %w", err)
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "listen for control: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, tally.Errorf(tally.Internal, "protect the control socket: %w", err)
	}
	return ownListener{ln}, nil
}

// answers reports whether somebody listens on a socket. One who is too busy to
// accept (which is a timeout, at once or after a second) is not gone.
func answers(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		busy, ok := errors.AsType[net.Error](err)
		return ok && busy.Timeout()
	}
	conn.Close()
	return true
}

// DialUnix returns the dialer that reaches a unix socket.
func DialUnix(path string) Dialer {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
}

// ownListener accepts connections of this user (and of root) only. The mode of
// the socket says the same, but not on every system.
type ownListener struct{ net.Listener }

func (l ownListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if uid, ok := peerUID(c.(*net.UnixConn)); ok && trusted(uid, os.Geteuid()) {
			return knownConn{c, uid}, nil
		}
		c.Close()
	}
}

// trusted reports whether a user may steer the engine of another: only root
// may, who could read all of it anyway.
func trusted(peer, own int) bool { return peer == own || peer == 0 }
