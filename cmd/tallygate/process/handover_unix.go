//go:build unix

package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"tallygate/engine/tally"
)

// CannotHandOver says why serving cannot go on in another process, "" if it can.
const CannotHandOver = ""

// inheritedAt is where a child finds what it inherits: after the three standard
// files.
const inheritedAt = 3

// comingUp is how long a process in the background may take to open a store.
const comingUp = 60 * time.Second

// keepSocket returns the listening socket itself, which stays open when the
// listener is closed. Connections that nobody accepts wait in its backlog.
func keepSocket(ln net.Listener) (*os.File, error) {
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, tally.Errorf(tally.Internal, "a listener on %s cannot be handed over", ln.Addr().Network())
	}
	return tcp.File()
}

// Inherited is the socket that a parent has handed over.
func Inherited(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "file %d is no listening socket: %w", fd, err).WithHint("--inherit is for tallygate itself; use --listen")
	}
	return ln, nil
}

// HandOver ends the process and starts one that goes on: `tallygate serve` with args,
// whose output goes to a file. It returns its number once it serves. The listening
// socket stays open in between, so that new connections wait instead of failing.
func (p *Process) HandOver(output *os.File, args ...string) (pid int, err error) {
	socket, err := keepSocket(p.public)
	if err != nil {
		return 0, errors.Join(err, p.Close())
	}
	defer socket.Close()
	p.retire()
	if err := p.Close(); err != nil {
		return 0, err
	}
	if pid, err = p.succeed(socket, output, args); err != nil {
		return 0, tally.Errorf(tally.CodeOf(err), "nothing serves any more: %w", err).WithHint("the log is %s; start again with: tallygate serve", output.Name())
	}
	return pid, nil
}

// succeed starts a process that serves the folder over a socket, and returns once it
// does.
func (p *Process) succeed(socket, output *os.File, args []string) (pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	child := exec.Command(self, append([]string{"serve", "--data", p.Dir, "--inherit", strconv.Itoa(inheritedAt)}, args...)...)
	child.ExtraFiles = []*os.File{socket}
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
