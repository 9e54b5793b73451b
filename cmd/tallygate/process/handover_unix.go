//go:build unix

package process

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tallygate/engine"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

// CannotHandOver says why serving cannot go on in another process, "" if it can.
const CannotHandOver = ""

// comingUp is how long a process in the background may take to open a store.
const comingUp = 60 * time.Second

// program is where this program was started from. A new one may lie there by the time that
// it is started again, and what the system then says of the running one is that it is gone.
var program, programErr = os.Executable()

// keep returns the listening sockets themselves, which stay open when the listeners are
// closed. Connections that nobody accepts wait in their backlogs.
func (s Sockets) keep() (what []string, files []*os.File, err error) {
	for name, ln := range s {
		socket, ok := ln.(interface{ File() (*os.File, error) })
		if !ok {
			return nil, nil, tally.Errorf(tally.Internal, "a listener on %s cannot be handed over", ln.Addr().Network())
		}
		if own, is := ln.(*net.UnixListener); is {
			own.SetUnlinkOnClose(false)
		}
		file, err := socket.File()
		if err != nil {
			return nil, nil, tally.Errorf(tally.Internal, "hand over the listener on %s: %w", ln.Addr(), err)
		}
		what, files = append(what, name), append(files, file)
	}
	return what, files, nil
}

// keepKeys adds a pipe that has what opens the key of the store, where the next process
// could not find that by itself.
func (p *Process) keepKeys(what []string, files []*os.File) ([]string, []*os.File, error) {
	text := p.engine.HandKeys()
	if text == "" {
		return what, files, nil
	}
	from, to, err := os.Pipe()
	if err == nil {
		_, err = to.WriteString(text) // far less than what a pipe holds
		err = errors.Join(err, to.Close())
	}
	if err != nil {
		return what, files, tally.Errorf(tally.Internal, "hand over the key: %w", err)
	}
	return append(what, forKeys), append(files, from), nil
}

// mostCallers bounds how many connections of client apps are handed over: their list is one
// argument of the program, of which Linux takes 128 KiB. The others are closed.
const mostCallers = 4096

// retire stops accepting, finishes what was accepted, and returns what a process that goes on
// inherits: with the listening sockets, where connections that come meanwhile wait in the
// backlog, the connections that are silent, as far as nothing is agreed on them, like how they
// are encrypted.
//
// [http.Server.Shutdown] would not do: it closes a connection whose first request it reads
// after it was called, and idle ones just when their callers ask the next.
func (p *Process) retire(what []string, files []*os.File) ([]string, []*os.File) {
	p.closeHall()
	p.door.Close()
	<-p.serving // no connection is between being accepted and being counted
	heir := engine.Heir{Arrived: arrived}
	var mu sync.Mutex // guards what and files
	if p.front.TLS == nil {
		callers := 0
		heir.Take = func(c net.Conn) {
			mu.Lock()
			defer mu.Unlock()
			if socket, is := c.(interface{ File() (*os.File, error) }); is && callers < mostCallers {
				if file, err := socket.File(); err == nil {
					what, files = append(what, caller+strconv.Itoa(callers)), append(files, file)
					callers++
				}
			}
		}
	}
	if left := p.engine.Part(time.Now().Add(p.Patience()), heir); left > 0 {
		p.Log.Warn("requests under way take long", "connections", left)
		p.patience.Store(0) // they have had it: drain cuts them off
	}
	mu.Lock()
	defer mu.Unlock()
	return what, files
}

// arrived reads what has come on a connection, without waiting for more.
func arrived(c net.Conn, b []byte) (n int) {
	if socket, is := c.(syscall.Conn); is {
		if raw, err := socket.SyscallConn(); err == nil {
			raw.Read(func(fd uintptr) bool { n, _ = unix.Read(int(fd), b); return true })
		}
	}
	return max(n, 0)
}

// HandOver ends the process and starts one that goes on: `tallygate serve` with args,
// whose output goes to a file. It returns its number once it serves. The listening
// sockets stay open in between, so that new connections wait instead of failing.
func (p *Process) HandOver(output *os.File, args ...string) (pid int, err error) {
	what, files, err := p.sockets.keep()
	if err != nil {
		return 0, errors.Join(err, p.Close())
	}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if what, files, err = p.keepKeys(what, files); err != nil {
		return 0, errors.Join(err, p.Close())
	}
	what, files = p.retire(what, files)
	if err := p.Close(); err != nil {
		return 0, err
	}
	if pid, err = p.succeed(what, files, output, args); err != nil {
		return 0, tally.Errorf(tally.CodeOf(err), "nothing serves any more: %w", err).WithHint("the log is %s; start again with: tallygate serve", output.Name())
	}
	return pid, nil
}

// succeed starts a process that serves the folder over the sockets, and returns once it
// does.
func (p *Process) succeed(what []string, files []*os.File, output *os.File, args []string) (pid int, err error) {
	if programErr != nil {
		return 0, programErr
	}
	byNumber(what, files)
	inherit := make([]string, len(what))
	for i, name := range what {
		inherit[i] = fmt.Sprintf("%s=%d", name, firstFile+i)
	}
	child := exec.Command(program, append([]string{"serve", "--data", p.Dir, "--inherit", strings.Join(inherit, ",")}, args...)...)
	child.ExtraFiles = files
	child.Stdout, child.Stderr = output, output
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the terminal
	if err := child.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }() // ends with the child, or with this process
	for deadline := time.Now().Add(comingUp); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			return 0, tally.Errorf(tally.Unavailable, "the process in the background ended at once")
		default:
		}
		if by := ReadHolder(p.Dir); by.PID == child.Process.Pid && by.Answers(context.Background()) {
			return by.PID, nil
		}
	}
	return 0, tally.Errorf(tally.Unavailable, "the process %d in the background does not answer", child.Process.Pid)
}

// byNumber sorts files by their numbers: given away as 3, 4, 5 … none takes the place of one
// that is still to be moved, which would need another file for each.
func byNumber(what []string, files []*os.File) {
	names := map[*os.File]string{}
	for i, f := range files {
		names[f] = what[i]
	}
	slices.SortFunc(files, func(a, b *os.File) int { return cmp.Compare(a.Fd(), b.Fd()) })
	for i, f := range files {
		what[i] = names[f]
	}
}

// upgradePatience is how long a new program may take to say what it is.
const upgradePatience = 10 * time.Second

// UpgradeSignal asks a process that serves to become the program that lies in its place.
var UpgradeSignal os.Signal = syscall.SIGUSR2

// Successor asks the program that lies where this one was started from which version it
// is, and whether it can go on with the store.
func (p *Process) Successor(ctx context.Context) (version string, err error) {
	if programErr != nil {
		return "", programErr
	}
	ctx, cancel := context.WithTimeout(ctx, upgradePatience)
	defer cancel()
	said, err := exec.CommandContext(ctx, program, "version", "--json").Output()
	var is struct {
		Version string `json:"version"`
		Schema  int    `json:"schema"`
	}
	if err == nil {
		err = json.Unmarshal(said, &is)
	}
	if err != nil {
		return "", tally.Errorf(tally.Invalid, "%s does not run: %w", program, err).WithHint("put a whole program there; this one goes on serving meanwhile")
	}
	if is.Schema < badgerdb.Schema {
		return "", tally.Errorf(tally.Conflict, "%s is tallygate %s, which reads stores up to schema %d; this store has schema %d",
			program, is.Version, is.Schema, badgerdb.Schema).WithHint("take version %s or a later one; this one goes on serving meanwhile", p.Version)
	}
	return is.Version, nil
}

// Replace ends the process's work and starts the program again in its place, with the
// arguments that this one had: the process keeps its number, so that a service manager
// goes on watching it, and its listening sockets, so that new connections wait instead of
// failing. It returns only if that has failed; then nothing serves any more.
func (p *Process) Replace() error {
	what, files, err := p.sockets.keep()
	if err != nil {
		return errors.Join(err, p.Close())
	}
	if what, files, err = p.keepKeys(what, files); err != nil {
		return errors.Join(err, p.Close())
	}
	what, files = p.retire(what, files)
	if err := p.Close(); err != nil {
		return err
	}
	inherit := make([]string, len(what))
	for i, name := range what {
		fd, err := outlive(files[i])
		if err != nil {
			return tally.Errorf(tally.Internal, "hand over a socket: %w", err)
		}
		inherit[i] = name + "=" + strconv.Itoa(fd)
	}
	args := slices.Clone(os.Args)
	for i := 1; i < len(args); i++ {
		if args[i] == "--inherit" && i+1 < len(args) {
			args = slices.Delete(args, i, i+2)
			break
		}
	}
	args = append(args, "--inherit", strings.Join(inherit, ","))
	err = syscall.Exec(program, args, withoutSockets(os.Environ()))
	runtime.KeepAlive(files)
	return tally.Errorf(tally.Internal, "start %s: %w", program, err).WithHint("nothing serves any more; start again with: tallygate serve")
}

// outlive lets a file stay open when another program takes the place of this one. It takes no
// second file for that: with as many connections as there may be, there are none left.
func outlive(f *os.File) (fd int, err error) {
	if f.Fd() < firstFile {
		return unix.FcntlInt(f.Fd(), unix.F_DUPFD, firstFile)
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	return int(f.Fd()), err
}

// withoutSockets is an environment without what a service manager has said of its sockets,
// which are inherited by name from here on.
func withoutSockets(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "LISTEN_") })
}
