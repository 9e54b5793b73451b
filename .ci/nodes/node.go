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
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const readyPatience = 30 * time.Second

// node is the program over one data folder.
type node struct {
	bin, name, data, log string
	store                string // the database's URL; "" for a store of its own
	address              string

	serving *exec.Cmd // nil while it does not run
	ended   chan error
}

func (c *cluster) newNode(name, store string) (*node, error) {
	n := &node{bin: c.bin, name: name, store: store,
		data: filepath.Join(c.work, name), log: filepath.Join(c.work, name+".log")}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	n.address = ln.Addr().String()
	return n, ln.Close()
}

// command makes a command of the program. Keys of real providers, and settings of a person's
// own tallygate, do not reach it.
func (n *node) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, n.bin, append(args, "--data", n.data)...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "TALLYGATE_") && !strings.HasPrefix(name, "PG") && !strings.HasSuffix(name, "_API_KEY") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "NODES_API=key")
	return cmd
}

// serve makes the command that serves.
func (n *node) serve(ctx context.Context) *exec.Cmd {
	args := []string{"serve", "--listen", n.address, "--drain", "20s"}
	if n.store != "" {
		args = append(args, "--node", n.name)
	}
	cmd := n.command(ctx, args...)
	if n.store != "" {
		cmd.Env = append(cmd.Env, "TALLYGATE_STORE="+n.store)
	}
	return cmd
}

// ask runs a command and reads its JSON into out.
func (n *node) ask(ctx context.Context, out any, args ...string) error {
	var stdout, stderr bytes.Buffer
	cmd := n.command(ctx, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: tallygate %s: %w\n%s%s", n.name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return fmt.Errorf("%s: tallygate %s: %w in %s", n.name, strings.Join(args, " "), err, stdout.String())
	}
	return nil
}

// start starts serving and waits until it is ready.
func (n *node) start(ctx context.Context) error {
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := n.serve(context.WithoutCancel(ctx))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	n.serving, n.ended = cmd, ended
	go func() { ended <- cmd.Wait() }()
	for until := time.Now().Add(readyPatience); time.Now().Before(until); {
		select {
		case err := <-n.ended:
			n.serving = nil
			return fmt.Errorf("%s ended by itself: %v", n.name, err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		if n.ready() {
			return nil
		}
	}
	return fmt.Errorf("%s is not ready within %v", n.name, readyPatience)
}

// ready reports whether it is ready. Before there is anything set up it says that it serves.
func (n *node) ready() bool {
	r, err := http.Get("http://" + n.address + "/healthz")
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// kill kills the serving process as hard as there is.
func (n *node) kill() {
	if n.serving != nil {
		n.serving.Process.Kill()
		<-n.ended
		n.serving = nil
	}
}

// stop lets the serving process leave.
func (n *node) stop() error {
	if err := n.serving.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-n.ended:
		n.serving = nil
		if err != nil {
			return fmt.Errorf("%s leaves: %w", n.name, err)
		}
		return nil
	case <-time.After(time.Minute):
		return errors.New(n.name + " takes over a minute to leave")
	}
}
