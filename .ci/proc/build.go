package proc

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

//go:embed testdata/clock.go
var clockSource string

// The packages whose clock is set: the first decides which minute it is, the second compares
// the clock with a database's.
var clocked = []string{"engine", "storage/pgstore"}

// Build makes the program in a work folder. If its clock is to be one that can be set, the
// tree stays as it is: the changed files are laid over it for the compiler only.
func (p *Program) Build(ctx context.Context, work string, clock bool) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the tree: %w", err)
	}
	dir := string(bytes.TrimSpace(root))
	p.Bin = filepath.Join(work, "tallygate")
	args := []string{"build", "-o", p.Bin}
	if clock {
		list, err := overlay(dir, work)
		if err != nil {
			return err
		}
		args = append(args, "-overlay", list)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/tallygate")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	if !clock {
		return nil
	}
	p.Clock = filepath.Join(work, "clock")
	return p.SetClock(0)
}

// overlay writes the files with which packages go by a clock that can be set, and returns the
// list of them.
func overlay(dir, work string) (string, error) {
	over := struct{ Replace map[string]string }{map[string]string{}}
	lay := func(name, text string) error {
		file := filepath.Join(work, strings.ReplaceAll(name, "/", "-"))
		over.Replace[filepath.Join(dir, name)] = file
		return os.WriteFile(file, []byte(text), 0o600)
	}
	for _, pkg := range clocked {
		files, err := filepath.Glob(filepath.Join(dir, pkg, "*.go"))
		if err != nil {
			return "", err
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			if strings.HasSuffix(file, "_test.go") || !bytes.Contains(text, []byte("time.Now")) {
				continue
			}
			found = true
			set := strings.ReplaceAll(string(text), "time.Now", "steppedClock") + "\nvar _ time.Time // it is imported still\n"
			if err := lay(pkg+"/"+filepath.Base(file), set); err != nil {
				return "", err
			}
		}
		if !found {
			return "", fmt.Errorf("nothing in %s says time.Now: the proofs must learn how the clock is chosen", pkg)
		}
		source := strings.Replace(clockSource, "package clock", "package "+filepath.Base(pkg), 1)
		if err := lay(pkg+"/stepped_clock.go", source); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(over)
	if err != nil {
		return "", err
	}
	list := filepath.Join(work, "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}

// SetClock sets the program's clock off.
func (p *Program) SetClock(by time.Duration) error {
	next := p.Clock + ".next"
	if err := os.WriteFile(next, []byte(by.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(next, p.Clock) // it may be read at this moment
}
