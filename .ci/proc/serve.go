package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// patience is how long a start may take, recovery included.
const patience = 30 * time.Second

// FreeAddress is one at which nobody listens.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Serve makes the command that serves.
func (p *Program) Serve(ctx context.Context) *exec.Cmd {
	cmd := p.Command(ctx, "serve", "--listen", p.Address)
	if p.Serves != nil {
		p.Serves(cmd)
	}
	return cmd
}

// Launch starts serving and does not wait for anything.
func (p *Program) Launch() error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- start %s\n", time.Now().Format(time.RFC3339Nano))
	cmd := p.Serve(context.Background())
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	p.serving, p.Started, p.Ended = cmd, time.Now(), ended
	go func() { ended <- cmd.Wait() }()
	return nil
}

// Start starts serving and waits until requests are answered.
func (p *Program) Start(ctx context.Context) error {
	if err := p.Launch(); err != nil {
		return err
	}
	return p.Wait(ctx)
}

// Wait waits until what was launched answers requests.
func (p *Program) Wait(ctx context.Context) error {
	err := Await(ctx, "http://"+p.Address+p.Ready, p.Ended)
	if errors.Is(err, errEnded) {
		p.serving = nil
	}
	return p.named(err)
}

var errEnded = errors.New("it has ended by itself")

// Await waits until an address answers with 200, or what serves there ends.
func Await(ctx context.Context, url string, ended <-chan error) error {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		select {
		case err := <-ended:
			return fmt.Errorf("%w: %v", errEnded, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if r, err := http.Get(url); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("%s does not say within %v that it is ready", url, patience)
}

// Runs reports whether it was started, and neither killed nor stopped since.
func (p *Program) Runs() bool { return p.serving != nil }

// Kill kills the serving process as hard as there is.
func (p *Program) Kill() {
	if p.serving == nil {
		return
	}
	p.serving.Process.Kill()
	<-p.Ended
	p.serving = nil
	p.Kills++
}

// Stop lets the serving process end well.
func (p *Program) Stop() error {
	if err := p.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return p.named(err)
	}
	select {
	case err := <-p.Ended:
		p.serving = nil
		if err != nil {
			err = fmt.Errorf("a graceful stop: %w", err)
		}
		return p.named(err)
	case <-time.After(time.Minute):
		return p.named(errors.New("a graceful stop takes over a minute"))
	}
}

func (p *Program) named(err error) error {
	if err == nil || p.Name == "" {
		return err
	}
	return fmt.Errorf("%s: %w", p.Name, err)
}
