//go:build unix

package control

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// socketDir is a private folder with a path short enough for a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func mustListen(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := ListenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(socketDir(t), "new", socketName)
	ln := mustListen(t, path)
	for file, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		if info, err := os.Stat(file); err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v (%v), want %v", filepath.Base(file), info.Mode(), err, want)
		}
	}
	p := newPlant(t, Write)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(ctx, ln, Write) }()
	client := NewClient(DialUnix(path))
	defer client.Close()
	if out, err := change.Do(t.Context(), client, Named{Name: "x"}); err != nil || out.Name != "x" {
		t.Errorf("over the socket: %+v, %v", out, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind (%v)", err)
	}
	_, err := look.Do(t.Context(), client, Named{})
	if e := tally.AsError(err); e.Code != tally.Unavailable || !strings.HasPrefix(e.Message, "cannot reach the engine: ") || e.Hint == "" {
		t.Errorf("without an engine: %+v", e)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	path := filepath.Join(socketDir(t), socketName)
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false) // as a kill -9 leaves it
	stale.Close()
	ln := mustListen(t, path)
	go net.Dial("unix", path)
	if _, err := ln.Accept(); err != nil {
		t.Errorf("the new listener: %v", err)
	}
}

func TestLiveSocketIsInUse(t *testing.T) {
	path := filepath.Join(socketDir(t), socketName)
	ln := mustListen(t, path)
	if _, err := ListenUnix(path); tally.CodeOf(err) != tally.InUse {
		t.Errorf("a second listener: %v, want in_use", err)
	}
	// It is still the first one that answers; the knock of the second is closed.
	go func() {
		if conn, err := net.Dial("unix", path); err == nil {
			conn.Write([]byte("x"))
		}
	}()
	for {
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n, _ := conn.Read(make([]byte, 1)); n == 1 {
			return
		}
	}
}

// An engine that has no time to accept is not gone.
func TestBusySocketIsInUse(t *testing.T) {
	path := filepath.Join(socketDir(t), socketName)
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 4 { // more than wait in line
		if conn, err := net.DialTimeout("unix", path, 100*time.Millisecond); err == nil {
			defer conn.Close()
		}
	}
	if _, err := ListenUnix(path); tally.CodeOf(err) != tally.InUse {
		t.Errorf("a listener beside a busy one: %v, want in_use", err)
	}
}

func TestWhatIsInTheWayIsLeftAlone(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a file":    func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a folder":  func(path string) error { return os.Mkdir(path, 0o700) },
		"a symlink": func(path string) error { return os.Symlink("/nowhere", path) },
		"a pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(socketDir(t), socketName)
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		before, _ := os.Lstat(path)
		if _, err := ListenUnix(path); tally.CodeOf(err) != tally.InUse || tally.AsError(err).Hint == "" {
			t.Errorf("%s: %v, want in_use with a hint", name, err)
		}
		RemoveSocket(path)
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() || after.Size() != before.Size() {
			t.Errorf("%s was touched: %v", name, err)
		}
	}
}

func TestSharedFoldersAreRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o770, 0o701} {
		dir := socketDir(t)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ListenUnix(filepath.Join(dir, socketName)); tally.CodeOf(err) != tally.Denied || tally.AsError(err).Hint != "chmod 700 "+dir {
			t.Errorf("mode %04o: %v, want denied with a hint", mode, err)
		}
	}
}

func TestSocketPath(t *testing.T) {
	short, err := SocketPath("/data")
	if err != nil || short != "/data/control.sock" {
		t.Errorf("SocketPath = %q, %v", short, err)
	}
	long := "/" + strings.Repeat("long/", 30)
	own := socketDir(t)
	for _, env := range []struct{ name, value string }{{"XDG_RUNTIME_DIR", own}, {"HOME", own}} {
		t.Setenv("XDG_RUNTIME_DIR", "")
		t.Setenv("XDG_CACHE_HOME", "")
		t.Setenv("HOME", "")
		t.Setenv(env.name, env.value)
		path, err := SocketPath(long)
		if err != nil || len(path) > maxSocketPath || !strings.HasPrefix(path, own) {
			t.Fatalf("for a long path: %q, %v", path, err)
		}
		mustListen(t, path).Close()
		RemoveSocket(path)
		if _, err := os.Lstat(filepath.Dir(path)); !os.IsNotExist(err) {
			t.Errorf("the folder that was made for it is left (%v)", err)
		}
	}
	t.Setenv("HOME", "") // a folder that all users share is no place
	if path, err := SocketPath(long); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("without a place: %q, %v", path, err)
	}
}

func TestRemoveSocket(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, socketName)
	mustListen(t, path).(ownListener).Listener.(*net.UnixListener).SetUnlinkOnClose(false)
	RemoveSocket(path)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("it is still there (%v)", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a folder that is not ours was removed: %v", err)
	}
	other := filepath.Join(dir, "other.sock")
	ln, err := net.Listen("unix", other)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	RemoveSocket(other)
	if _, err := os.Lstat(other); err != nil {
		t.Errorf("another program's socket was removed: %v", err)
	}
}

func TestTrusted(t *testing.T) {
	for _, tc := range []struct {
		peer, own int
		want      bool
	}{{1000, 1000, true}, {0, 1000, true}, {0, 0, true}, {1001, 1000, false}, {1000, 0, false}, {-1, 1000, false}} {
		if got := trusted(tc.peer, tc.own); got != tc.want {
			t.Errorf("trusted(%d, %d) = %v, want %v", tc.peer, tc.own, got, tc.want)
		}
	}
}

// TestPeerIsKnown: the system tells who is at the other end. Where the tests
// run as root, another user really tries, on a socket that its modes let
// everybody reach.
func TestPeerIsKnown(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "open.sock")
	inner, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln := ownListener{inner}
	defer ln.Close()
	if os.Geteuid() == 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		stranger := exec.Command("/proc/self/exe", "-test.run=^TestStranger$")
		if _, err := os.Stat(stranger.Path); err != nil {
			stranger.Path, _ = os.Executable()
		}
		stranger.Env = append(os.Environ(), "TALLYGATE_TEST_SOCKET="+path)
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		go func() { // the stranger first, then we
			if out, err := stranger.CombinedOutput(); err != nil {
				t.Errorf("the stranger was let in: %v\n%s", err, out)
			}
			net.Dial("unix", path)
		}()
	} else {
		go net.Dial("unix", path)
	}
	conn, err := ln.Accept() // turns the stranger away
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if known := conn.(knownConn); known.uid != os.Geteuid() {
		t.Errorf("the peer is %d, want %d", known.uid, os.Geteuid())
	}
}

// TestStranger is the other user of TestPeerIsKnown: it passes if it is hung up
// on.
func TestStranger(t *testing.T) {
	path := os.Getenv("TALLYGATE_TEST_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the connection is open: %v", err)
	}
}
