package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed testdata/clock.go
var clockSource []byte

// The line of the program that says which clock it goes by.
const (
	clockFile = "engine/engine.go"
	clockLine = "o.Clock = time.Now\n"
	steppable = "o.Clock = steppedClock\n"
)

// build makes the program with a clock that can be set. The tree stays as it
// is: the changed files are laid over it for the compiler only.
func build(ctx context.Context, work, bin string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the tree: %w", err)
	}
	dir := string(bytes.TrimSpace(root))
	source, err := os.ReadFile(filepath.Join(dir, clockFile))
	if err != nil {
		return err
	}
	if bytes.Count(source, []byte(clockLine)) != 1 {
		return fmt.Errorf("%s does not say %q once: the crash loop must learn how the clock is chosen", clockFile, clockLine)
	}
	over := struct{ Replace map[string]string }{map[string]string{}}
	for name, text := range map[string][]byte{
		clockFile:                 bytes.Replace(source, []byte(clockLine), []byte(steppable), 1),
		"engine/stepped_clock.go": clockSource,
	} {
		file := filepath.Join(work, filepath.Base(name))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return err
		}
		over.Replace[filepath.Join(dir, name)] = file
	}
	text, err := json.Marshal(over)
	if err != nil {
		return err
	}
	list := filepath.Join(work, "overlay.json")
	if err := os.WriteFile(list, text, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-o", bin, "./cmd/tallygate")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}
