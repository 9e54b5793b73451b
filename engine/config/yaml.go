package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"

	"tallygate/engine/tally"
)

const seeUsual = "tallygate config export shows what a file looks like"

// parse reads the one document of a text. What makes a value mean something else than it says,
// or stand in several places, is refused: the fields say what is a number, and an error names
// the line on which something stands.
func parse(text string) (*yaml.Node, error) {
	var docs []yaml.Node
	if err := yaml.Load([]byte(text), &docs, yaml.WithAllDocuments(), yaml.WithUniqueKeys(false)); err != nil {
		what := err.Error()
		if at := (*yaml.LoadError)(nil); errors.As(err, &at) {
			if what = at.Message; at.Mark.Line > 0 {
				what = fmt.Sprintf("line %d: %s", at.Mark.Line, what)
			}
		}
		return nil, tally.Errorf(tally.Invalid, "%s", what).
			WithHint("a text with signs like : # { [ & * or ! stands in quotes; " + seeUsual)
	}
	switch {
	case len(docs) == 0 || len(docs[0].Content) == 0:
		return nil, tally.Errorf(tally.Invalid, "the file says nothing").WithHint(seeUsual)
	case len(docs) > 1:
		return nil, tally.Errorf(tally.Invalid, "line %d: a second document begins here, and a file is one", docs[1].Line).
			WithHint(seeUsual)
	}
	return docs[0].Content[0], plain(docs[0].Content[0])
}

// plain refuses tags, anchors, merged mappings, and names that are no words.
func plain(n *yaml.Node) error {
	what := ""
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		what = "anchors and aliases"
	case n.Style&yaml.TaggedStyle != 0:
		what = "tags"
	case n.Tag == "!!merge":
		what = "merged mappings"
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind&(yaml.MappingNode|yaml.SequenceNode) != 0 {
			what = "names that are lists or mappings"
		}
		if err := plain(c); err != nil {
			return err
		}
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind != yaml.ScalarNode {
			c.Line = n.Content[i-1].Line // what is wrong with all of it is said of its name
		}
	}
	if what == "" {
		return nil
	}
	return tally.Errorf(tally.Invalid, "line %d: %s are not read", n.Line, what).
		WithHint("write each value where it stands, and a text that begins with &, * or ! in quotes; " + seeUsual)
}

// null reports whether nothing stands there.
func null(n *yaml.Node) bool { return n.ShortTag() == "!!null" }

func mapping() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode} }

// inline is a mapping or a list on one line.
func inline(kind yaml.Kind) *yaml.Node { return &yaml.Node{Kind: kind, Style: yaml.FlowStyle} }

// figure is a value that needs no quotes.
func figure(value string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: value} }

// word is a text, which is quoted where some parser would take it for something else.
func word(value string) *yaml.Node {
	n := &yaml.Node{}
	n.Encode(strings.ToValidUTF8(value, "\ufffd")) // a string can always be encoded
	if n.Tag != "!!str" {                          // it would be the mark of a merged mapping
		n.Tag, n.Style = "!!str", yaml.DoubleQuotedStyle
	}
	return n
}

func add(to *yaml.Node, name string, value *yaml.Node) {
	to.Content = append(to.Content, word(name), value)
}

// written is the text of a document.
func written(root *yaml.Node) string {
	out, _ := yaml.Dump(root, yaml.WithLineWidth(-1)) // nodes that were made here can be written
	return string(out)
}
