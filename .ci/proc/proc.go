// Package proc runs the program for those who prove something of it: it starts, kills and
// stops what serves, and asks commands. Each proof has its own load and its own books.
package proc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Program is the program under test over one data folder.
type Program struct {
	Bin, Data, Log string
	Name           string          // says in errors which it is, where there are several
	Address        string          // where it listens
	Ready          string          // the path that says with 200 that it serves
	Clock          string          // the file that sets its clock; "" if it goes by the machine's
	Env            []string        // that commands have beside the environment
	Serves         func(*exec.Cmd) // what is particular to the command that serves; may be nil

	Started time.Time
	Kills   int
	serving *exec.Cmd // nil while it does not run
	Ended   chan error
}

// Command makes a command of the program. Keys of real providers, and settings of a person's
// own tallygate or database, do not reach it.
func (p *Program) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Bin, append(args, "--data", p.Data)...)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(name, "TALLYGATE_") && !strings.HasPrefix(name, "PG") && !strings.HasSuffix(name, "_API_KEY") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, p.Env...)
	if p.Clock != "" {
		cmd.Env = append(cmd.Env, "PROOF_CLOCK="+p.Clock)
	}
	return cmd
}

// Ask runs a command and reads its JSON into out.
func (p *Program) Ask(ctx context.Context, out any, args ...string) error {
	var stdout, stderr bytes.Buffer
	cmd := p.Command(ctx, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	what := strings.TrimSpace(p.Name + " tallygate " + strings.Join(args, " "))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s%s", what, err, &stdout, &stderr)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(stdout.Bytes(), out); err != nil {
		return fmt.Errorf("%s: %w in %s", what, err, &stdout)
	}
	return nil
}

// Busy says what is held or in flight; "" if nothing is.
func (p *Program) Busy(ctx context.Context) (string, error) {
	var status struct {
		Holds    int
		InFlight int `json:"in_flight"`
	}
	if err := p.Ask(ctx, &status, "status"); err != nil || status.Holds == 0 && status.InFlight == 0 {
		return "", err
	}
	return fmt.Sprintf("%d holds and %d requests in flight are left", status.Holds, status.InFlight), nil
}

// Settled waits until nothing is held any more.
func (p *Program) Settled(ctx context.Context) error {
	for until := time.Now().Add(15 * time.Second); ; {
		busy, err := p.Busy(ctx)
		switch {
		case err != nil || busy == "":
			return err
		case time.Now().After(until):
			return fmt.Errorf("15 s after the last request %s", busy)
		}
		if err := Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// Proof is what the program says of its own books.
type Proof struct {
	OK      bool
	Records int64
	Holds   int64
	Faults  []struct{ Kind, Subject, Message string }
}

// Verify lets the program prove its own books.
func (p *Program) Verify(ctx context.Context) (v Proof, err error) {
	err = p.Ask(ctx, &v, "verify")
	if err == nil && (!v.OK || len(v.Faults) > 0 || v.Holds != 0) {
		err = fmt.Errorf("verify: %+v", v)
	}
	return v, err
}

// Sleep waits, unless it is called off.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
