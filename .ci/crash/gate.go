package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// gate is the program under test over one data folder.
type gate struct {
	bin, data, log string
	clock          string // file that sets its clock; "" if it goes by the wall's

	serving *exec.Cmd // nil while it does not run
	started time.Time
	ended   chan error
	address string
	kills   int
}

// setClock sets the program's clock off.
func (g *gate) setClock(by time.Duration) error {
	next := g.clock + ".next"
	if err := os.WriteFile(next, []byte(by.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, g.clock) // it may be read at this moment
}

// command makes a command of the program. Keys of real providers, and settings
// of a person's own tallygate, do not reach it.
func (g *gate) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, g.bin, append(args, "--data", g.data)...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "TALLYGATE_") && !strings.HasSuffix(name, "_API_KEY") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if g.clock != "" {
		cmd.Env = append(cmd.Env, "CRASH_CLOCK="+g.clock)
	}
	return cmd
}

// ask runs a command and reads its JSON into out.
func (g *gate) ask(ctx context.Context, out any, args ...string) error {
	var stdout, stderr bytes.Buffer
	cmd := g.command(ctx, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tallygate %s: %w\n%s%s", strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return fmt.Errorf("tallygate %s: %w in %s", strings.Join(args, " "), err, stdout.String())
	}
	return nil
}

// launch starts serving and does not wait for anything.
func (g *gate) launch() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.address = ln.Addr().String()
	ln.Close()
	log, err := os.OpenFile(g.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- start %s\n", time.Now().Format(time.RFC3339Nano))
	cmd := g.command(context.Background(), "serve", "--listen", g.address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	g.serving, g.started, g.ended = cmd, time.Now(), make(chan error, 1)
	go func() { g.ended <- cmd.Wait() }()
	return nil
}

// readyPatience is how long a start may take, recovery included.
const readyPatience = 30 * time.Second

// start starts serving and waits until requests are answered.
func (g *gate) start(ctx context.Context) error {
	if err := g.launch(); err != nil {
		return err
	}
	for until := time.Now().Add(readyPatience); time.Now().Before(until); {
		select {
		case err := <-g.ended:
			g.serving = nil
			return fmt.Errorf("serve ended by itself: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if r, err := http.Get("http://" + g.address + "/readyz"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("serve is not ready within %v", readyPatience)
}

// kill kills the serving process as hard as there is.
func (g *gate) kill() {
	if g.serving == nil {
		return
	}
	g.serving.Process.Kill()
	<-g.ended
	g.serving = nil
	g.kills++
}

// stop lets the serving process end well.
func (g *gate) stop() error {
	if err := g.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-g.ended:
		g.serving = nil
		if err != nil {
			return fmt.Errorf("a graceful stop: %w", err)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.New("a graceful stop takes over a minute")
	}
}
