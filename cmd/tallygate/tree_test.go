package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
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
