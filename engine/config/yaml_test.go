package config

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// texts of all that is read, and of what is not.
var texts = []string{
	"a: 1\n", "# c\n\na: 1 # d\nb:\n  c: [x, 'y z', \"q\\n\"]\n  d: {e: f, g: }\n", "a:\n- x\n- y\nb: ~\n", "a:\n  - b: 1\n    c: 2\n  - - x\n    - y\n",
	"a: |\n  one\n\n    two\nb: |-\n  three\n", "a: [\n  x, # why\n  {y: [z]},\n]\n", "'a b': c#d\n\"e: f\": g:h\n", "---\na: -1\n", "a:\n  b:\n c: 1\n", "a: b: c\n",
	"a: &x 1\nb: *x\n", "a: !t 1\n", "a: >\n  x\n", "? a\n", "a: [x\n", "a: {x}\n", "\ta: 1\n", "a: 1\na: 2\n", "a: 'x\n", "- a\nb: 1\n", "a\n", "a: 1\n--- \nb: 2\n", "a: @x\n",
	"a: |\n\n  x\n", "a: \"\\ud800\"\n", "a: x\n  y\n", "a:b\n", "a: [b:c, d: e]\n", "{a: 1}\n", "a: -\n", "a: [- x]\n", "a: '' \n\n  \n", ": x\n", "a: 2026-11-30\nno: no\n", "a: # x\n", "a:\n  # x\n  - 1\n",
}

// same compares what is read with what a whole parser of YAML reads; strict is whether
// names and texts are texts to that as well.
func same(n *node, y *yaml.Node, strict bool, path string) error {
	kinds := map[kind]yaml.Kind{scalarKind: yaml.ScalarNode, mappingKind: yaml.MappingNode, listKind: yaml.SequenceNode}
	switch {
	case y.Anchor != "" || kinds[n.kind] != y.Kind || len(n.content) != len(y.Content):
		return fmt.Errorf("%s: %v of %d, in YAML %v of %d %q", path, n.kind, len(n.content), y.Kind, len(y.Content), y.Value)
	case n.kind == scalarKind && n.null != (y.Tag == "!!null"):
		return fmt.Errorf("%s: null %v, in YAML %s %q", path, n.null, y.Tag, y.Value)
	case n.kind == scalarKind && !n.null && n.value != y.Value:
		return fmt.Errorf("%s: %q, in YAML %q", path, n.value, y.Value)
	case n.kind == scalarKind && n.text && strict && y.Tag != "!!str":
		return fmt.Errorf("%s: the text %q, in YAML a %s", path, n.value, y.Tag)
	}
	for i := range n.content {
		if err := same(n.content[i], y.Content[i], strict, path+fmt.Sprintf(".%d", i)); err != nil {
			return err
		}
	}
	return nil
}

// compare reads a text in both ways. What is read here is read alike there.
func compare(t interface{ Errorf(string, ...any) }, text string, strict bool) *node {
	n, err := parse(text)
	if err != nil {
		if e := tally.AsError(err); tally.CodeOf(err) != tally.Invalid || e.Hint == "" {
			t.Errorf("%q: %v without a hint", text, err)
		}
		return nil
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(strings.NewReader(text))
	if err := dec.Decode(&doc); err != nil {
		t.Errorf("%q is read, but not as YAML: %v", text, err)
		return n
	}
	if err := same(n, doc.Content[0], strict, ""); err != nil {
		t.Errorf("%q: %v", text, err)
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		t.Errorf("%q: YAML goes on: %v", text, err)
	}
	return n
}

func TestReadsAsYAML(t *testing.T) {
	read := 0
	for _, text := range texts {
		if compare(t, text, false) != nil {
			read++
		}
	}
	if read != 14 {
		t.Errorf("%d of %d texts are read", read, len(texts))
	}
}

func FuzzYAML(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { compare(t, text, false) })
}

// What is written is read back as it was, here and as YAML.
func TestWritesYAML(t *testing.T) {
	word := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9:#\-?{}\[\],&*!|>'"%@ .~\n]{0,12}`),
		rapid.SampledFrom([]string{"no", "1", "1e3", "2026-11-30", "null", "~", "", " ", "a: b", "- x", "12:30:45", "0x1f", ".5", "+1", "a #b", "<<", "=", "line\nline\n", "line\n\n  more"}))
	rapid.Check(t, func(t *rapid.T) {
		var draw func(depth int, flow bool) *node
		draw = func(depth int, flow bool) *node {
			n := &node{flow: flow || rapid.Bool().Draw(t, "flow")}
			if n.kind = kind(rapid.IntRange(0, 2).Draw(t, "kind")); depth == 0 && n.kind != scalarKind || depth == 3 {
				n.kind = map[bool]kind{true: mappingKind, false: scalarKind}[depth == 0]
			}
			if n.kind == scalarKind {
				return scalar(word.Draw(t, "text"), true)
			}
			if depth == 0 {
				n.flow = false
			}
			for range rapid.IntRange(min(1, 1-depth), 3).Draw(t, "content") {
				if n.kind == mappingKind {
					n.content = append(n.content, scalar(word.Draw(t, "name"), true))
				}
				n.content = append(n.content, draw(depth+1, n.flow))
			}
			return n
		}
		n := draw(0, false)
		var out strings.Builder
		n.write(&out, "")
		seen := map[string]bool{}
		var twice func(n *node) bool // which YAML refuses
		twice = func(n *node) bool {
			clear(seen)
			for i, c := range n.content {
				if n.kind == mappingKind && i%2 == 0 {
					if seen[c.value] || c.value == "<<" {
						return true
					}
					seen[c.value] = true
				}
			}
			for _, c := range n.content {
				if twice(c) {
					return true
				}
			}
			return false
		}
		if len(n.content) == 0 || twice(n) {
			return
		}
		again := compare(t, out.String(), true)
		if again == nil {
			_, err := parse(out.String())
			t.Fatalf("%v:\n%s", err, out.String())
		}
		var as func(a, b *node) bool
		as = func(a, b *node) bool {
			if a.kind != b.kind || a.value != strings.ToValidUTF8(b.value, "\ufffd") || len(a.content) != len(b.content) || a.null {
				return false
			}
			for i := range a.content {
				if !as(a.content[i], b.content[i]) {
					return false
				}
			}
			return true
		}
		if !as(again, n) {
			t.Fatalf("read back in another way:\n%s", out.String())
		}
	})
}
