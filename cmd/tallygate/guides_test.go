package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/assets"
)

// What the README and the pages of the help say of flags is there, their lines fit a terminal, and the
// help lists them.
func TestTopics(t *testing.T) {
	var out bytes.Buffer
	a := &app{env: func(string) (string, bool) { return "", false }, stdout: &out, stderr: &out, stdin: strings.NewReader("")}
	help := func(args ...string) string {
		out.Reset()
		if err := a.execute(t.Context(), args); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	flags := map[string]bool{"--help": true}
	see := func(f *pflag.Flag) { flags["--"+f.Name] = true }
	a.root().PersistentFlags().VisitAll(see)
	each(a.root(), func(cmd *cobra.Command) { cmd.Flags().VisitAll(see) })
	hasFlags := func(name, text string) {
		for _, flag := range regexp.MustCompile(`--[a-z][a-z-]*`).FindAllString(text, -1) {
			if !flags[flag] {
				t.Errorf("%s: there is no flag %s", name, flag)
			}
		}
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\|.*`) // of tables: commands of others
	hasFlags("README", rows.ReplaceAllString(string(readme), ""))
	for _, g := range guides() {
		text := help("help", g.Name)
		if text != g.Text {
			t.Errorf("help %s says %q", g.Name, text)
		}
		hasFlags(g.Name, text)
		for line := range strings.Lines(text) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
				t.Errorf("%s: a line of %d: %s", g.Name, n, line)
			}
		}
		if !regexp.MustCompile(`\n  ` + g.Name + ` +\w`).MatchString(help("--help")) {
			t.Errorf("the help does not list %s", g.Name)
		}
	}
}

// guides are those for people, and what an agent is told.
func guides() []assets.Guide {
	return append(assets.Guides(), assets.Guide{Name: "skill", Text: assets.Skill})
}

// What begins a skill is read by programs: a name that is its folder's, and when to use it.
func TestSkill(t *testing.T) {
	head, _, ok := strings.Cut(strings.TrimPrefix(assets.Skill, "---\n"), "\n---\n")
	if !ok || !strings.HasPrefix(head, "name: tallygate\ndescription: >-\n") {
		t.Errorf("it begins with %q", head)
	}
	if len(head) > 1024 {
		t.Errorf("the description has more than %d characters, which agents cut off", len(head))
	}
}

// All that llms.txt points to is there, and it leaves no guide out.
func TestLLMs(t *testing.T) {
	const folder = "../../assets/docs"
	text, err := os.ReadFile(filepath.Join(folder, "llms.txt"))
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]bool{}
	for _, m := range regexp.MustCompile(`\]\((.*?)\)`).FindAllStringSubmatch(string(text), -1) {
		links[m[1]] = true
		if _, err := os.Stat(filepath.Join(folder, m[1])); err != nil {
			t.Error(err)
		}
	}
	for _, g := range assets.Guides() {
		if !links[g.Name+".md"] {
			t.Errorf("it does not name %s", g.Name)
		}
	}
}

// On a terminal a guide has no signs of Markdown.
func TestGuidesOnATerminal(t *testing.T) {
	got := forTerminal("# Title\n\nSay #1:\n\n```sh\ntallygate status # a comment\n```\n", true)
	want := "\x1b[1mTitle\x1b[m\n\nSay #1:\n\n    tallygate status # a comment\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every command of every guide does what the guide says, in its order, in an empty
// folder. A block of "sh" succeeds, one of "sh fails" does not; each line of the block of
// "text" that follows stands in what it printed, where "…" is anything and blanks are
// alike. Until what a block starts behind it serves, nothing goes on.
func TestGuides(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"curl", "ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatal(err)
		}
	}
	run := 0
	for _, g := range guides() {
		blocks := blocksOf(g.Text)
		if len(blocks) == 0 {
			continue
		}
		run++
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("openssl"); err != nil && strings.Contains(g.Text, "\nopenssl ") {
				t.Skip("openssl is not installed")
			}
			port, ssh, figures, admin := freePort(), freePort(), "127.0.0.1:"+freePort(), "127.0.0.1:"+freePort()
			dir := t.TempDir()
			var script strings.Builder
			script.WriteString("trap '[ -z $served ] || kill $served 2>/dev/null || :; wait' EXIT\n")
			for i, b := range blocks {
				fmt.Fprintf(&script, "exec >%d 2>&1\n", i)
				commands := strings.NewReplacer(standardAddress, "127.0.0.1:"+port, metricsAddress, figures, standardSSH, ssh, adminAddress, admin).Replace(b.commands)
				if b.fails {
					fmt.Fprintf(&script, "set +e\n%s[ $? != 0 ] || { echo it did not fail; exit 1; }\n", commands)
					continue
				}
				script.WriteString("set -e\n" + commands)
				if strings.HasSuffix(commands, "serve &\n") {
					script.WriteString("served=$!\nuntil curl -s -o ready http://127.0.0.1:" + port + "/readyz; do kill -0 $served; sleep 0.05; done\n")
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, shell, "-c", script.String())
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HOME="+dir, "TALLYGATE_DATA="+filepath.Join(dir, "data"), "TALLYGATE_LISTEN=127.0.0.1:"+port, "TZ=UTC", "GORACE=atexit_sleep_ms=0")
			failed := cmd.Run()
			last := ""
			for i, b := range blocks {
				said, err := os.ReadFile(filepath.Join(dir, fmt.Sprint(i)))
				if err != nil {
					break // the script ended in the block before
				}
				text := strings.ReplaceAll(string(said), "127.0.0.1:"+port, standardAddress)
				last = b.commands + text
				for _, line := range b.says {
					if !matches(text, line) {
						t.Errorf("%s\ndoes not say %q, but\n%s", b.commands, line, text)
					}
				}
			}
			if failed != nil {
				t.Errorf("%v:\n%s", failed, last)
			}
		})
	}
	if run < 6 {
		t.Errorf("only %d guides have commands", run)
	}
}

// What stands in guides for addresses, and for a port to serve over ssh on: a test takes what
// is free.
const (
	standardAddress = "127.0.0.1:4283"
	metricsAddress  = "127.0.0.1:9283"
	standardSSH     = "2222"
	adminAddress    = "127.0.0.1:4284"
)

// block is what a guide has run, and what it says of the output.
type block struct {
	commands string
	fails    bool
	says     []string
}

// blocksOf finds the blocks of a guide.
func blocksOf(text string) []block {
	var out []block
	kind := ""
	for line := range strings.Lines(text) {
		if info, fence := strings.CutPrefix(line, "```"); fence {
			if kind = strings.TrimSpace(info); strings.HasPrefix(kind, "sh") {
				out = append(out, block{fails: kind == "sh fails"})
			}
			continue
		}
		switch kind {
		case "sh", "sh fails":
			out[len(out)-1].commands += line
		case "text":
			b := &out[len(out)-1]
			b.says = append(b.says, strings.TrimSpace(line))
		}
	}
	return out
}

// matches reports whether a line of the text has the pattern in it, with anything in the
// place of each "…".
func matches(text, pattern string) bool {
	var parts []string
	for part := range strings.SplitSeq(strings.Join(strings.Fields(pattern), " "), "…") {
		parts = append(parts, regexp.QuoteMeta(strings.TrimSpace(part)))
	}
	form := regexp.MustCompile(strings.Join(parts, ".*"))
	for line := range strings.Lines(text) {
		if form.MatchString(strings.Join(strings.Fields(line), " ")) {
			return true
		}
	}
	return false
}
