package control

import (
	"reflect"
	"strings"

	"tallygate/engine/tally"
)

// commandNames are the commands of operations that are not called as the operation is:
// "clients.create" is "clients create".
var commandNames = map[string]string{
	"engine.setup": "init", "engine.stop": "stop", "engine.upgrade": "upgrade", "engine.try": "try", "engine.status": "status", "engine.verify": "verify",
	"audit.undo": "undo", "usage.show": "usage", "metrics.show": "metrics", "prices.recost": "recost", "providers.reconcile": "reconcile", "clients.close": "clients statement --close",
	"prices.what-if": "what-if", "forecast.show": "forecast",
}

// longestCommand bounds a command line that is kept or shown, in bytes.
const longestCommand = 500

// CommandLine is the line that runs an operation with an input, a struct or a pointer
// to one: "tallygate clients update aurora --limit cost=80/month". Secrets are left
// out, and a line that is too long to read ends in "…".
func CommandLine(op string, in any) string {
	name, ok := commandNames[op]
	if !ok {
		name = strings.ReplaceAll(op, ".", " ")
	}
	words := []string{"tallygate", name}
	var flags []string
	add := func(f *Field, value string) {
		flag := "--" + f.Flag
		if value != "" || !f.IsBool() {
			if value = tally.ShellWord(value); f.IsBool() {
				flag += "=" + value
			} else {
				flag += " " + value
			}
		}
		flags = append(flags, flag)
	}
	fields := FieldsOf(reflect.Indirect(reflect.ValueOf(in)).Type())
	for i := range fields {
		f := &fields[i]
		if !f.given(in) || f.IsSecret() || f.Arg == "" && f.Flag == "" {
			continue
		}
		text := f.Text(in)
		switch {
		case f.Arg != "" && repeated(valueType(f.Go)):
			for _, word := range strings.Fields(text) {
				words = append(words, tally.ShellWord(word))
			}
		case f.Arg != "":
			words = append(words, tally.ShellWord(text))
		case repeated(valueType(f.Go)) && text != "":
			for _, word := range strings.Fields(text) {
				add(f, word)
			}
		case f.IsBool() && text == "yes":
			add(f, "")
		case f.IsBool():
			add(f, "false")
		default:
			add(f, text)
		}
	}
	out := strings.Join(append(words, flags...), " ")
	if len(out) > longestCommand {
		out = strings.ToValidUTF8(out[:longestCommand], "") + "…"
	}
	return out
}
