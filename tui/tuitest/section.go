package tuitest

import (
	"os"
	"strings"
	"testing"
)

// Section compares what stands in a Markdown file between <!-- NAME --> and
// <!-- /NAME --> with what is generated. -update writes it anew.
func Section(t testing.TB, path, name, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	open, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, opened := strings.Cut(string(text), open)
	got, after, closed := strings.Cut(rest, end)
	switch {
	case !opened || !closed:
		t.Errorf("%s has no section %q", path, name)
	case got == want:
	case *update:
		if err := os.WriteFile(path, []byte(before+open+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("section %q of %s is not as the program is (go test ./tui -update writes it):\n%s", name, path, differences(got, want))
	}
}
