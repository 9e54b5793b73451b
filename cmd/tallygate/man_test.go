package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The pages are made by a test, so that what makes them is not in the program:
//
//	go test ./cmd/tallygate -run TestManPages -man /tmp/tallygate-man
//
// SOURCE_DATE_EPOCH is their date, VERSION in the environment the version that they name.
var manFolder = flag.String("man", "", "folder for the manual pages")

// Each command has a page that says what the help of the command does, and mandoc has
// nothing against it.
func TestManPages(t *testing.T) {
	dir := *manFolder
	if dir == "" {
		dir = t.TempDir()
		t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
		t.Setenv("VERSION", "test")
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root := manRoot(t)
	pages := 0
	each(root, func(cmd *cobra.Command) {
		if !cmd.IsAvailableCommand() && cmd != root {
			return
		}
		pages++
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := doc.GenMan(cmd, manHeader(), file); err != nil {
			t.Fatal(err)
		}
	})
	if pages < 60 {
		t.Errorf("only %d pages", pages)
	}
	page, err := os.ReadFile(filepath.Join(dir, "tallygate.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"EXIT STATUS", "ENVIRONMENT", "TALLYGATE_LISTEN", "tallygate-clients(1)", "tallygate help limits",
	} {
		if !strings.Contains(strings.ReplaceAll(string(page), `\-`, "-"), want) {
			t.Errorf("tallygate.1 does not have %q:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), os.TempDir()) {
		t.Error("tallygate.1 names a folder of the machine that made it")
	}
	mandoc, err := exec.LookPath("mandoc")
	if err != nil {
		return
	}
	all, _ := filepath.Glob(filepath.Join(dir, "*.1"))
	lint := exec.Command(mandoc, append([]string{"-T", "lint", "-W", "error"}, all...)...)
	if out, err := lint.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// manRoot is the program, of which no part depends on the machine.
func manRoot(t *testing.T) *cobra.Command {
	home := map[string]string{"HOME": "~"}
	a := &app{env: func(name string) (string, bool) { v, ok := home[name]; return v, ok }}
	root := a.root()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	words, table, ok := strings.Cut(settingsHelp, "\n  --")
	if !ok {
		t.Fatal("the help of settings has no table any more")
	}
	_, topics, _ := strings.Cut(a.topicList(), "\n")
	root.Long += "\n\n# ENVIRONMENT\n" + words + verbatim("--"+strings.ReplaceAll(table, "\n  ", "\n")) +
		"\n# EXIT STATUS\n" + exitCodesHelp +
		"\n\n# GUIDES\nThe program has them; `tallygate help limits` prints one." + verbatim(topics)
	return root
}

func verbatim(text string) string { return "\n\n```\n" + text + "\n```\n" }

func manHeader() *doc.GenManHeader {
	return &doc.GenManHeader{Section: "1", Manual: "tallygate",
		Source: strings.TrimSpace("tallygate " + os.Getenv("VERSION"))}
}
