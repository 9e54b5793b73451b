package config

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// texts of all that is read, and of what is not.
var texts = []string{
	"a: 1\n", "# c\n\na: 1 # d\nb:\n  c: [x, 'y z', \"q\\n\"]\n  d: {e: f, g: }\n", "a:\n- x\n- y\nb: ~\n",
	"a: |\n  one\n\n    two\nb: |-\n  three\n", "a: >\n  x\n  y\n", "---\na: -1\n", "a: b: c\n", "a: &x 1\nb: *x\n", "a: !t 1\n",
	"? [a]\n: b\n", "? a\n: b\n", "<<: {a: b}\n", "a: [x\n", "\ta: 1\n", "a: 1\na: 2\n", "a: 'x\n", "- a\n", "a\n", "a: 1\n---\nb: 2\n",
	"a: @x\n", "a: \"\\ud800\"\n", "a: 2026-11-30\nno: no\n", "", "# nothing\n", "a: !!binary gIGC\n", "a: \x00\n", "a: \xff\n",
}

// What would mean something else than it says is refused with what to do about it, and what is
// read is read as it stands there.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"a: [no, 012, 2026-12-01, 1_000, ~, 'null', \"\", 12:30:45]\n": "a no 012 2026-12-01 1_000 (null) null  12:30:45",
		"a: >\n  x\n  y\n":          "a x y\n",
		"a: &x 1\n":                 "! line 1: anchors and aliases are not read",
		"a: 1\nb: *a\n":             "! line 2: unknown anchor 'a' referenced",
		"a: 1\nb: !!str 2\n":        "! line 2: tags are not read",
		"a: 1\n<<: {b: c}\n":        "! line 2: merged mappings are not read",
		"a: 1\n? [b]\n: c\n":        "! line 1: names that are lists or mappings are not read",
		"a: 1\n---\nb: 2\n":         "! line 2: a second document begins here, and a file is one",
		"# nothing\n":               "! the file says nothing",
		"a: 1\nb: c: d\n":           "! line 2: mapping values are not allowed in this context",
		"a: 1\nb: [c\nd: e\n":       "! line 3: did not find expected ',' or ']'",
		"a: 1\n" + "b: \x00" + "\n": "! control characters are not allowed (value: 0)",
	} {
		n, err := parse(text)
		got := ""
		if err != nil {
			e := tally.AsError(err)
			if got = "! " + e.Message; e.Code != tally.Invalid || e.Hint == "" {
				t.Errorf("%q: %v without a hint", text, err)
			}
		} else {
			got = strings.Join(said(n), " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// said are the scalars of a node.
func said(n *yaml.Node) (out []string) {
	if null(n) {
		return []string{"(null)"}
	}
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	for _, c := range n.Content {
		out = append(out, said(c)...)
	}
	return out
}

// A text is read back as it was, whatever stands in it, and by other parsers as a text.
func TestWords(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9:#\-?{}\[\],&*!|>'"%@ .~\n]{0,12}`),
		rapid.SampledFrom([]string{"no", "y", "1", "1e3", "2026-11-30", "null", "~", "", " ", "a: b", "- x", "12:30:45", "0x1f", ".5",
			"+1", "a #b", "<<", "=", "line\nline\n", "line\n\n  more", "\u0085", "\ufeff"}))
	rapid.Check(t, func(t *rapid.T) {
		root, list, row := mapping(), inline(yaml.SequenceNode), inline(yaml.MappingNode)
		want := []string{"name", text.Draw(t, "text"), "list", text.Draw(t, "item"), "row", text.Draw(t, "name"), text.Draw(t, "value")}
		for i := range want {
			want[i] = strings.ToValidUTF8(want[i], "\ufffd")
		}
		list.Content = append(list.Content, word(want[3]))
		add(row, want[5], word(want[6]))
		add(root, want[0], word(want[1]))
		add(root, want[2], list)
		add(root, want[4], row)
		out := written(root)
		n, err := parse(out)
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
		if got := said(n); strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("%q, want %q:\n%s", got, want, out)
		}
	})
}
