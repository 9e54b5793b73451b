package sshd

import (
	"strings"

	"tallygate/engine/tally"
)

// Words splits a command line as a shell does, at blanks outside of quotes, and does
// nothing else that a shell does: nothing is expanded, sent elsewhere or run.
func Words(line string) ([]string, error) {
	var out []string
	var word strings.Builder
	begun, escaped, quote := false, false, rune(0)
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`", r) {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			begun, escaped = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			begun, quote = true, r
		case strings.ContainsRune(" \t\r\n", r):
			if begun {
				out = append(out, word.String())
			}
			word.Reset()
			begun = false
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, tally.Errorf(tally.Invalid, "the command line ends within quotes").
			WithHint("close them; your own shell takes one pair away: ssh HOST \"clients show 'a b'\"")
	}
	if begun {
		out = append(out, word.String())
	}
	return out, nil
}
