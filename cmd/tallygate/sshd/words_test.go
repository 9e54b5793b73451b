package sshd

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	for line, want := range map[string][]string{
		"":                               nil,
		"  ":                             nil,
		"clients list --json":            {"clients", "list", "--json"},
		" clients\tlist\n":               {"clients", "list"},
		`clients show 'hotel aurora'`:    {"clients", "show", "hotel aurora"},
		`create --name "Ana's \"bar\""`:  {"create", "--name", `Ana's "bar"`},
		`a\ b 'c'd"e" ''`:                {"a b", "cde", ""},
		`"\n\$" '\n'`:                    {`\n$`, `\n`},
		"list; rm -rf / | cat > $HOME `": {"list;", "rm", "-rf", "/", "|", "cat", ">", "$HOME", "`"}, // nobody runs any of it
	} {
		got, err := Words(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`'`, `"a`, `a\`, `"\"`} {
		if got, err := Words(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// What is quoted as a shell wants it comes out as it was.
func FuzzWords(f *testing.F) {
	f.Add("it's", `a\ "b`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ToValidUTF8(a, "") != a || strings.ToValidUTF8(b, "") != b {
			return
		}
		quoted := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
		got, err := Words(quoted(a) + " " + quoted(b))
		if err != nil || !slices.Equal(got, []string{a, b}) {
			t.Errorf("%q, %q: %q, %v", a, b, got, err)
		}
		Words(a) // whatever it is
	})
}
