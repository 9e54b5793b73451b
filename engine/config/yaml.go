package config

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// What a config file is written in is the part of YAML that it needs: mappings and lists,
// by indent or in brackets, texts plain, in quotes or as a block behind "|", and comments.
// What else YAML knows is refused, so that nothing is read as another program would not: a
// test compares the two. A whole parser would add more to the program than all of this
// package.

type kind int

const (
	scalarKind kind = iota
	mappingKind
	listKind
)

func (k kind) String() string {
	return [...]string{"one value", "names with a colon behind each", "a list"}[k]
}

// node is a value of a file. A mapping has its names and values in turn. A scalar is what
// it says: whether it is a number or a word is said by the field.
type node struct {
	kind    kind
	value   string
	null    bool // nothing stands there
	text    bool // a text, which is quoted where it would be taken for something else
	flow    bool // written in brackets
	line    int
	content []*node
}

const (
	tooDeep = "it is nested too deep"
	deepest = 32
	// YAML knows names up to 1,024 characters.
	longestName = 1000
	seeUsual    = "tallygate config export shows what a file looks like"
)

// reader reads a text from pos on.
type reader struct {
	text  string
	pos   int
	line  int
	depth int
}

func (r *reader) wrong(format string, args ...any) error {
	e := tally.Errorf(tally.Invalid, format, args...)
	return tally.Errorf(tally.Invalid, "line %d: %s", r.line, e.Message).WithHint(seeUsual)
}

// parse reads a whole file.
func parse(text string) (*node, error) {
	text = strings.TrimPrefix(strings.ReplaceAll(text, "\r\n", "\n"), "\ufeff")
	if !utf8.ValidString(text) {
		return nil, tally.Errorf(tally.Invalid, "the file is no text in UTF-8").WithHint(seeUsual)
	}
	r := &reader{text: text, line: 1}
	if at := strings.IndexFunc(text, func(c rune) bool { return c != '\n' && !plainSign(c) }); at >= 0 {
		r.line += strings.Count(text[:at], "\n")
		if text[at] == '\t' {
			return nil, r.wrong("a tab stands where blanks belong")
		}
		return nil, r.wrong("here stands a character that is written with \\u in quotes")
	}
	if strings.HasPrefix(text, "---\n") {
		r.pos, r.line = 4, 2
	}
	line := r.line
	for l := range strings.Lines(text[r.pos:]) {
		if strings.HasPrefix(l, "---") || strings.HasPrefix(l, "...") {
			return nil, (&reader{line: line}).wrong("a second document begins here, and a file is one")
		}
		line++
	}
	indent, err := r.next()
	if err != nil {
		return nil, err
	}
	if r.pos == len(text) {
		return nil, tally.Errorf(tally.Invalid, "the file says nothing").WithHint(seeUsual)
	}
	n, err := r.block(indent)
	if err == nil && r.pos < len(text) {
		err = r.wrong("this does not stand below what is before it: its indent fits nothing")
	}
	return n, err
}

// plainSign reports whether a character may stand in a file as it is. A tab may not: what
// it means depends on where it stands.
func plainSign(c rune) bool {
	return ' ' <= c && c <= '~' || 0xa0 <= c && c <= 0xfffd && c != 0x2028 && c != 0x2029 && c != 0xfeff || c > 0xffff
}

// next goes to the next line that says something, and returns its indent; pos is behind it.
func (r *reader) next() (indent int, err error) {
	for r.pos < len(r.text) {
		start := r.pos
		for r.pos < len(r.text) && r.text[r.pos] == ' ' {
			r.pos++
		}
		if indent = r.pos - start; r.pos == len(r.text) {
			return 0, nil
		}
		switch r.text[r.pos] {
		case '\n':
			r.pos++
			r.line++
		case '#':
			r.comment()
		default:
			return indent, nil
		}
	}
	return 0, nil
}

// comment skips the rest of a line.
func (r *reader) comment() {
	at := strings.IndexByte(r.text[r.pos:], '\n')
	if at < 0 {
		r.pos = len(r.text)
		return
	}
	r.pos += at + 1
	r.line++
}

// endLine skips blanks and a comment up to the end of the line.
func (r *reader) endLine() error {
	start := r.pos
	r.blanks()
	switch {
	case r.pos == len(r.text):
	case r.text[r.pos] == '\n', r.text[r.pos] == '#' && r.pos > start:
		r.comment()
	default:
		return r.wrong("%.40q is too much here", r.rest())
	}
	return nil
}

func (r *reader) blanks() {
	for r.pos < len(r.text) && r.text[r.pos] == ' ' {
		r.pos++
	}
}

// rest is what is left of the line.
func (r *reader) rest() string {
	line, _, _ := strings.Cut(r.text[r.pos:], "\n")
	return line
}

func (r *reader) at(c byte) bool { return r.pos < len(r.text) && r.text[r.pos] == c }

// dash reports whether an item of a list begins here.
func (r *reader) dash() bool {
	return r.at('-') && (r.pos+1 == len(r.text) || r.text[r.pos+1] == ' ' || r.text[r.pos+1] == '\n')
}

// block reads the mapping or list whose first line begins at pos with an indent. After it,
// pos is behind the indent of the next line, or at the end.
func (r *reader) block(indent int) (*node, error) {
	if r.depth++; r.depth > deepest {
		return nil, r.wrong(tooDeep)
	}
	defer func() { r.depth-- }()
	n := &node{kind: mappingKind, line: r.line}
	if r.dash() {
		n.kind = listKind
	}
	for {
		more, err := r.item(n, indent)
		if err != nil || !more {
			return n, err
		}
	}
}

// item reads one line of a block and what stands below it; more is whether another follows.
func (r *reader) item(n *node, indent int) (more bool, err error) {
	if r.dash() != (n.kind == listKind) {
		return false, r.wrong("names and items of a list are mixed")
	}
	var value *node
	var after int
	if n.kind == listKind {
		r.pos++
		start := r.pos
		r.blanks()
		inner := indent + 1 + r.pos - start
		if r.pos < len(r.text) && r.text[r.pos] != '\n' && r.text[r.pos] != '#' && (r.dash() || r.hasKey()) {
			value, err = r.block(inner)
			after = r.indent()
		} else {
			value, after, err = r.value(indent, true)
		}
	} else {
		var key *node
		if key, err = r.key(); err != nil {
			return false, err
		}
		n.content = append(n.content, key)
		value, after, err = r.value(indent, false)
	}
	if err != nil {
		return false, err
	}
	n.content = append(n.content, value)
	switch {
	case r.pos == len(r.text) || after < indent:
		return false, nil
	case after > indent:
		return false, r.wrong("this line is indented more than what it belongs to")
	}
	// The items of a list may stand below a name at its own indent; then they are over
	// where a name follows.
	return n.kind != listKind || r.dash(), nil
}

// indent is the indent of the line whose first sign is at pos.
func (r *reader) indent() int { return r.pos - 1 - strings.LastIndexByte(r.text[:r.pos], '\n') }

// hasKey reports whether a name with a colon begins here.
func (r *reader) hasKey() bool {
	try := *r
	_, err := try.key()
	return err == nil
}

// key reads a name and its colon.
func (r *reader) key() (*node, error) {
	k := &node{line: r.line, text: true}
	start := r.pos
	var err error
	if r.at('"') || r.at('\'') {
		k.value, err = r.quoted()
	} else if err = r.plainStart(); err == nil {
		if k.value = r.plain(false); k.value == "" || k.value == "<<" || isNull(k.value) {
			err = r.wrong("here stands no name that is read")
		}
	}
	if err != nil {
		return nil, err
	}
	if r.pos-start > longestName {
		return nil, r.wrong("a name is longer than %d bytes", longestName)
	}
	if !r.at(':') || r.pos+1 < len(r.text) && r.text[r.pos+1] != ' ' && r.text[r.pos+1] != '\n' {
		return nil, r.wrong("here stands no name with a colon and a blank behind it")
	}
	r.pos++
	return k, nil
}

// value reads what stands behind a colon or a dash, on its line or below it. after is the
// indent of the line that follows.
func (r *reader) value(indent int, item bool) (n *node, after int, err error) {
	start := r.pos
	r.blanks()
	n = &node{line: r.line}
	switch {
	case r.pos == len(r.text) || r.at('\n') || r.at('#') && (r.pos > start || item):
		at := r.line
		r.comment()
		line := r.line
		if after, err = r.next(); err != nil {
			return nil, 0, err
		}
		if r.pos < len(r.text) && (after > indent || after == indent && !item && r.dash()) {
			if n, err = r.block(after); err == nil {
				n.line = at // what it is called is what people look for
			}
			return n, r.indent(), err
		}
		n.null, n.line = true, max(line-1, 1)
		return n, after, nil
	case r.at('|'):
		n.text = true
		n.value, err = r.literal(indent)
	case r.at('[') || r.at('{'):
		if n, err = r.brackets(); err == nil {
			err = r.endLine()
		}
	case r.at('"') || r.at('\''):
		n.text = true
		if n.value, err = r.quoted(); err == nil {
			err = r.endLine()
		}
	default:
		if err = r.plainStart(); err != nil {
			return nil, 0, err
		}
		n.value = r.plain(false)
		if r.at(':') {
			return nil, 0, r.wrong("a text with a colon and a blank in it stands in quotes")
		}
		n.null = isNull(n.value)
		err = r.endLine()
	}
	if err != nil {
		return nil, 0, err
	}
	after, err = r.next()
	return n, after, err
}

// isNull reports whether a text without quotes says that nothing stands there.
func isNull(plain string) bool { return slices.Contains([]string{"~", "null", "Null", "NULL"}, plain) }

// plainStart refuses what begins something else in YAML.
func (r *reader) plainStart() error {
	if strings.IndexByte("&*!|>%@`,[]{}?#:", r.text[r.pos]) >= 0 || r.dash() {
		return r.wrong("%.20q is not read: a text that begins so stands in quotes, and anchors, aliases and tags are for others", r.rest())
	}
	return nil
}

// plain reads a text without quotes up to what ends it: a colon with a blank, a comment,
// the end of the line, and in brackets their signs.
func (r *reader) plain(flow bool) string {
	start := r.pos
	for ; r.pos < len(r.text) && r.text[r.pos] != '\n'; r.pos++ {
		c := r.text[r.pos]
		next := byte('\n')
		if r.pos+1 < len(r.text) {
			next = r.text[r.pos+1]
		}
		if c == ':' && (next == ' ' || next == '\n') || c == '#' && r.pos > start && r.text[r.pos-1] == ' ' ||
			flow && strings.IndexByte(",[]{}", c) >= 0 {
			break
		}
	}
	text := strings.TrimRight(r.text[start:r.pos], " \t")
	if c := r.pos - start - len(text); c > 0 && !r.at(':') {
		r.pos -= c // so that a comment has its blank
	}
	return text
}

// quoted reads a text in quotes, which ends on its line.
func (r *reader) quoted() (string, error) {
	line := r.rest()
	if line[0] == '\'' {
		var out strings.Builder
		for i := 1; i < len(line); i++ {
			switch {
			case line[i] != '\'':
				out.WriteByte(line[i])
			case i+1 < len(line) && line[i+1] == '\'':
				out.WriteByte('\'')
				i++
			default:
				r.pos += i + 1
				return out.String(), nil
			}
		}
		return "", r.wrong("a quote is not closed on its line")
	}
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			if i++; i+2 < len(line) && line[i] == 'u' && line[i+1]|0x20 == 'd' && line[i+2] >= '8' {
				return "", r.wrong("half a character stands here: write it as it is")
			}
		case '"':
			var out string
			if json.Unmarshal([]byte(line[:i+1]), &out) != nil {
				return "", r.wrong("%.40q is no text in quotes: behind \\ stands one of \" \\ / b f n r t and uXXXX", line[:i+1])
			}
			r.pos += i + 1
			return out, nil
		}
	}
	return "", r.wrong("a quote is not closed on its line")
}

// literal reads the block behind "|" or "|-".
func (r *reader) literal(indent int) (string, error) {
	r.pos++
	keep := true
	if r.at('-') {
		keep = false
		r.pos++
	}
	if err := r.endLine(); err != nil {
		return "", err
	}
	inner, ended := -1, false
	var lines []string
	for r.pos < len(r.text) {
		line := r.rest()
		blanks := len(line) - len(strings.TrimLeft(line, " "))
		if strings.TrimLeft(line, " ") == "" {
			if inner < 0 && blanks > indent+1 {
				return "", r.wrong("a block begins with its text, and no empty line")
			}
			rest := ""
			if inner >= 0 {
				rest = line[min(inner, len(line)):]
			}
			if lines = append(lines, rest); rest != "" {
				ended = r.pos+len(line) < len(r.text)
			}
		} else {
			if inner < 0 {
				inner = blanks
			}
			if inner <= indent || blanks < inner {
				break
			}
			lines = append(lines, line[inner:])
			ended = r.pos+len(line) < len(r.text)
		}
		r.comment()
	}
	text := strings.TrimRight(strings.Join(lines, "\n"), "\n")
	if strings.TrimSpace(text) == "" {
		return "", r.wrong("the block is empty")
	}
	if keep && ended {
		text += "\n"
	}
	return text, nil
}

// brackets reads a list or a mapping in brackets, over as many lines as it takes.
func (r *reader) brackets() (*node, error) {
	if r.depth++; r.depth > deepest {
		return nil, r.wrong(tooDeep)
	}
	defer func() { r.depth-- }()
	n := &node{kind: listKind, flow: true, line: r.line}
	end := byte(']')
	if r.text[r.pos] == '{' {
		n.kind, end = mappingKind, '}'
	}
	r.pos++
	for {
		if err := r.space(); err != nil {
			return nil, err
		}
		if r.at(end) {
			r.pos++
			return n, nil
		}
		start := r.pos
		value, err := r.inBrackets(n.kind == mappingKind)
		if err != nil {
			return nil, err
		}
		if n.kind == mappingKind && r.pos-start > longestName {
			return nil, r.wrong("a name is longer than %d bytes", longestName)
		}
		n.content = append(n.content, value)
		if err := r.space(); err != nil {
			return nil, err
		}
		if n.kind == mappingKind {
			if !r.at(':') {
				return nil, r.wrong("in { } stand names with a colon and a blank behind each")
			}
			r.pos++
			if err := r.space(); err != nil {
				return nil, err
			}
			if r.at(',') || r.at(end) {
				value = &node{null: true, line: r.line}
			} else if value, err = r.inBrackets(false); err != nil {
				return nil, err
			}
			n.content = append(n.content, value)
			if err := r.space(); err != nil {
				return nil, err
			}
		}
		switch {
		case r.at(','):
			r.pos++
		case !r.at(end):
			return nil, r.wrong("a comma is missing, or %q that ends this", string(end))
		}
	}
}

// inBrackets reads a name or a value in brackets.
func (r *reader) inBrackets(name bool) (n *node, err error) {
	n = &node{line: r.line, text: true}
	switch {
	case r.pos == len(r.text):
		return nil, r.wrong("brackets are not closed")
	case r.at('"') || r.at('\''):
		n.value, err = r.quoted()
		return n, err
	case !name && (r.at('[') || r.at('{')):
		return r.brackets()
	}
	if err := r.plainStart(); err != nil {
		return nil, err
	}
	if n.value = r.plain(true); n.value == "" {
		return nil, r.wrong("here stands no value")
	}
	n.text, n.null = name, !name && isNull(n.value)
	switch {
	case n.value == "<<" || name && isNull(n.value) || strings.HasSuffix(n.value, ":"): // parsers differ here
		return nil, r.wrong("here stands no name that is read")
	case !name && r.at(':'):
		return nil, r.wrong("a text with a colon and a blank in it stands in quotes")
	}
	return n, nil
}

// space skips blanks, ends of lines and comments in brackets.
func (r *reader) space() error {
	for r.pos < len(r.text) {
		switch c := r.text[r.pos]; {
		case c == ' ':
			r.pos++
		case c == '\n':
			r.comment()
		case c == '#' && strings.ContainsRune(" \n", rune(r.text[r.pos-1])):
			r.comment()
		default:
			return nil
		}
	}
	return nil
}

// Writing.

// bare are texts that need no quotes, and other are those that would be numbers, dates or
// words with a meaning.
var (
	bare  = regexp.MustCompile(`^[A-Za-z0-9/_][A-Za-z0-9/_.@=+ -]*(?:[:][A-Za-z0-9/_.@=+ -]+)*$`)
	other = regexp.MustCompile(`^(?i:[-+.0-9][-+.0-9_:a-fxo]*(?:e[-+]?[0-9]+)?|[0-9]{4}-[0-9].*|y|n|yes|no|on|off|true|false|null|nan|inf)$`)
)

// written is a scalar as it is written on one line.
func (n *node) written() string {
	v := n.value
	if !n.text || bare.MatchString(v) && !other.MatchString(v) && strings.TrimSpace(v) == v &&
		!strings.Contains(v, ": ") && !strings.Contains(v, " :") {
		return v
	}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // a string cannot fail
	quoted := strings.TrimSuffix(out.String(), "\n")
	if !strings.ContainsFunc(quoted, func(c rune) bool { return !plainSign(c) }) {
		return quoted
	}
	out.Reset()
	for _, c := range quoted {
		if plainSign(c) {
			out.WriteRune(c)
		} else {
			fmt.Fprintf(&out, `\u%04x`, c)
		}
	}
	return out.String()
}

// block reports whether a text is written behind "|": it has several lines, and each would
// be read back as it is.
func (n *node) block() bool {
	return n.kind == scalarKind && n.text && strings.Contains(n.value, "\n") &&
		!strings.HasPrefix(n.value, "\n") && !strings.HasPrefix(n.value, " ") &&
		strings.TrimRight(n.value, "\n ") != "" && !strings.HasSuffix(n.value, "\n\n") &&
		!strings.ContainsFunc(n.value, func(c rune) bool { return c != '\n' && !plainSign(c) || c == utf8.RuneError })
}

// write writes a mapping or list as lines with an indent.
func (n *node) write(out *strings.Builder, indent string) {
	step := 2
	if n.kind == listKind {
		step = 1
	}
	for i := 0; i < len(n.content); i += step {
		v := n.content[i+step-1]
		out.WriteString(indent)
		if n.kind == listKind {
			out.WriteString("-")
		} else {
			out.WriteString(n.content[i].written() + ":")
		}
		switch {
		case v.block():
			sign := " |-\n"
			if strings.HasSuffix(v.value, "\n") {
				sign = " |\n"
			}
			out.WriteString(sign)
			for line := range strings.SplitSeq(strings.TrimSuffix(v.value, "\n"), "\n") {
				if line != "" {
					line = indent + "  " + line
				}
				out.WriteString(line + "\n")
			}
		case v.kind == scalarKind || v.flow || len(v.content) == 0:
			out.WriteString(" " + v.inline() + "\n")
		default:
			out.WriteString("\n")
			v.write(out, indent+"  ")
		}
	}
}

// inline writes a value on one line.
func (n *node) inline() string {
	var parts []string
	switch n.kind {
	case listKind:
		for _, v := range n.content {
			parts = append(parts, v.inFlow())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case mappingKind:
		for i := 0; i < len(n.content); i += 2 {
			parts = append(parts, n.content[i].inFlow()+": "+n.content[i+1].inFlow())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return n.written()
}

// inFlow writes a value in brackets.
func (n *node) inFlow() string {
	if n.kind != scalarKind {
		return n.inline()
	}
	return n.written() // texts without quotes have no signs of brackets
}
