package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Who may not look is told so by every command, and never shown that there is nothing.
func TestCommandsWithoutPermission(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	env := func(string) (string, bool) { return "", false }
	run := func(args ...string) (string, error) {
		var out, aside bytes.Buffer
		a := &app{version: "dev", env: env, stdin: strings.NewReader(""), stdout: &out, stderr: &aside}
		err := a.execute(t.Context(), append(args, "--data", dir))
		return out.String(), err
	}
	if _, err := run("init", "--yes", "--json"); err != nil {
		t.Fatal(err)
	}
	// A process that answers and has given this caller no right.
	l, _, err := process.Take(t.Context(), dir, "serve")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	l.Socket = filepath.Join(dir, "s")
	text, err := json.Marshal(l.Holder)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tallygate.lock"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := control.ListenUnix(l.Socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := http.Server{Handler: (&control.Server{}).For("")}
	go srv.Serve(ln)
	defer srv.Close()

	refused := 0
	var lines []string
	each((&app{env: env}).root(), func(cmd *cobra.Command) {
		if cmd.Annotations[madeFrom] != "" {
			lines = append(lines, strings.TrimSpace(strings.SplitN(strings.TrimSpace(cmd.Example), "\n", 2)[0]))
		}
	})
	for _, line := range append(lines, "tallygate requests tail", "tallygate stop") {
		words := splitWords(line)[1:]
		for i, w := range words {
			if w == "|" || w == ">" {
				words = words[:i]
				break
			}
		}
		switch strings.Join(words[:min(len(words), 2)], " ") {
		case "providers create", "init": // the key is asked for first
			continue
		}
		out, err := run(words...)
		switch {
		case out != "":
			t.Errorf("%s: prints %q", line, out)
		case tally.CodeOf(err) == tally.Invalid: // its example needs more than this
			t.Logf("%s: %v", line, err)
			continue
		case tally.CodeOf(err) != tally.Denied || !strings.Contains(err.Error(), "may not use the control plane"):
			t.Errorf("%s: %v, want that it is not permitted", line, err)
		}
		refused++
	}
	if refused < 50 {
		t.Errorf("only %d of %d commands were asked", refused, len(lines))
	}
}
