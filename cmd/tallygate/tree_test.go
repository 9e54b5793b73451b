package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/providers/dialect"
)

// What a setting is called must not depend on which command asks, or one
// variable would mean two things.
func TestSettingNames(t *testing.T) {
	a := &app{env: func(string) (string, bool) { return "", false }}
	root := a.root()
	known := map[string]bool{}
	for _, s := range knownSettings(root) {
		known[s] = true
	}
	for _, want := range []string{"data", "json", "listen", "durability", "profile", "usage.since", "requests.list.limit", "keys.create.expires"} {
		if !known[want] {
			t.Errorf("there is no setting %q", want)
		}
	}
	if known["serve.listen"] || known["config"] {
		t.Error("serve's flags need no prefix, and a config file cannot name another")
	}
	if got := variable("requests.export.format"); got != "TALLYGATE_REQUESTS_EXPORT_FORMAT" {
		t.Errorf("got %s", got)
	}
}

// Every command explains itself in a line and shows a call; what the example
// calls exists, with flags that exist.
func TestEveryCommandHasAnExampleThatParses(t *testing.T) {
	a := &app{env: func(string) (string, bool) { return "", false }}
	root := a.root()
	seen := 0
	each(root, func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Example == "" && !cmd.HasSubCommands() && !cmd.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s has no help or no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			seen++
			words := splitWords(strings.TrimSpace(line))
			if i := slices.Index(words, "|"); i >= 0 {
				words = words[i+1:]
			}
			if i := slices.Index(words, ">"); i >= 0 {
				words = words[:i]
			}
			fresh := (&app{env: a.env}).root()
			cmd, rest, err := fresh.Find(words[1:])
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
	if seen < 40 {
		t.Errorf("only %d examples", seen)
	}
}

// The page on dialects has a line for every feature, for each dialect that upstreams are
// asked in, in lines that fit.
func TestDialectsTopic(t *testing.T) {
	text := dialectsText()
	for f := range dialect.NumFeatures {
		if !regexp.MustCompile(`\n` + regexp.QuoteMeta(f.String()) + ` +\w+.* {2,}\w`).MatchString(text) {
			t.Errorf("it does not say what becomes of %s", f)
		}
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(line); n > topicWidth+1 {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
}

// The page on filters has every column that a list can be filtered by, in lines that fit.
func TestFiltersTopic(t *testing.T) {
	text := filtersText()
	for _, name := range slices.Concat(control.RequestTable.Names(), control.ClientTable.Names(), control.TokenTable.Names()) {
		if !strings.Contains(text, " "+name) {
			t.Errorf("it does not name the column %s", name)
		}
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(line); n > topicWidth+1 {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	for _, example := range regexp.MustCompile(`requests list --filter "(.*)"`).FindAllStringSubmatch(text, -1) {
		if _, err := control.RequestTable.ParseFilter(example[1], control.Calendar{Now: time.Now(), Zone: time.UTC}); err != nil {
			t.Error(err)
		}
	}
}

// Every flag that takes a value says in the help what kind of, and every command says
// where the data is and how to write JSON.
func TestHelpNamesValues(t *testing.T) {
	a := &app{env: func(string) (string, bool) { return "", false }}
	each(a.root(), func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			value, _ := pflag.UnquoteUsage(f)
			if value != "" && value != "bool" && value != strings.ToUpper(value) && !strings.Contains(value, "|") || value == "" && f.NoOptDefVal == "" {
				t.Errorf("%s --%s takes a %q", cmd.CommandPath(), f.Name, value)
			}
		})
		if cmd.IsAdditionalHelpTopicCommand() {
			return
		}
		if help := cmd.UsageString(); !strings.Contains(help, "--json") || !strings.Contains(help, "--data DIR") {
			t.Errorf("the help of %s does not name --json and --data:\n%s", cmd.CommandPath(), help)
		}
	})
}

// The command line that forms and the log show for an operation is the command that is
// made from it.
func TestCommandLinesAreCommands(t *testing.T) {
	a := &app{env: func(string) (string, bool) { return "", false }}
	paths := map[string][]string{}
	each(a.root(), func(cmd *cobra.Command) {
		if op := cmd.Annotations[madeFrom]; op != "" {
			paths[op] = append(paths[op], cmd.CommandPath())
		}
	})
	for op, paths := range paths {
		if line := control.CommandLine(op, struct{}{}); !slices.Contains(paths, line) {
			t.Errorf("%s is shown as %q, and done by %v", op, line, paths)
		}
	}
	if len(paths) < 40 {
		t.Errorf("only %d operations have commands", len(paths))
	}
}

// each visits all commands.
func each(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Name() != "help" {
		visit(cmd)
	}
	for _, child := range cmd.Commands() {
		each(child, visit)
	}
}

// splitWords splits a line as a shell does, as far as examples need it.
func splitWords(line string) []string {
	var out []string
	var word strings.Builder
	quoted, started := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case r == ' ' && !quoted:
			if started {
				out = append(out, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	return append(out, word.String())
}
