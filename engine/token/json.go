package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// What a token says is read on top of encoding/json, and more strictly where
// readers of JSON differ, so that no two programs see two different tokens: an
// object has each name once and exactly as it is written, texts are UTF-8, and
// nothing stands for something of another kind.

// value is a value of JSON as it is written.
type value string

// parse checks that a text is one value of JSON.
func parse(text []byte) (value, error) {
	switch {
	case !json.Valid(text):
		return "", fmt.Errorf("is not written in JSON: %w", json.Unmarshal(text, new(any)))
	case !utf8.Valid(text):
		return "", errors.New("is not written in UTF-8")
	}
	return value(strings.TrimSpace(string(text))), nil
}

// members calls read with each member of an object. It returns the first error, and
// the name of the member it is about, "" if it is about the object.
func (v value) members(read func(name string, v value) error) (about string, err error) {
	if v[0] != '{' {
		return "", errors.New("is not written in JSON as an object")
	}
	var room [16]string
	names, name, named := room[:0], "", false
	v.parts(func(part value) bool {
		if named = !named; named {
			name = unquote(part)
			if slices.Contains(names, name) {
				err = fmt.Errorf("has the name %s twice", quoted(name))
				name = ""
			}
			names = append(names, name)
		} else if err == nil {
			err = read(name, part)
		}
		return err == nil
	})
	return name, err
}

// parts calls yield with what stands between the commas and colons of an object or a
// list: names and values in turn, or items.
func (v value) parts(yield func(value) bool) {
	depth, start := 0, 1
	for i := 0; i < len(v); i++ {
		switch c := v[i]; c {
		case '"':
			for i++; v[i] != '"'; i++ {
				if v[i] == '\\' {
					i++ // what follows is part of the escape
				}
			}
		case '{', '[':
			depth++
		case ',', ':', '}', ']':
			if depth == 1 {
				if part := strings.TrimSpace(string(v[start:i])); part != "" && !yield(value(part)) {
					return
				}
				start = i + 1
			}
			if c == '}' || c == ']' {
				depth--
			}
		}
	}
}

// text is the text that a value is.
func (v value) text() (string, error) {
	if v[0] != '"' {
		return "", errors.New("is not a text")
	}
	return unquote(v), nil
}

func unquote(v value) string {
	if strings.IndexByte(string(v), '\\') < 0 {
		return string(v[1 : len(v)-1])
	}
	var text string
	json.Unmarshal([]byte(v), &text) // it is valid
	return text
}

// number is the number that a value is, as it is written.
func (v value) number() (string, error) {
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return "", errors.New("is not a number")
	}
	return string(v), nil
}

// list reads a list of texts, or one text as a list of it, in their canonical form.
func (v value) list(canonical func(string) (text, wrong string)) (list []string, err error) {
	switch v[0] {
	case '"':
		v = "[" + v + "]"
	case '[':
	default:
		return nil, errors.New("is not a list")
	}
	list = make([]string, 0, 4)
	v.parts(func(item value) bool {
		if item[0] != '"' {
			err = errors.New("is not a list of texts")
			return false
		}
		text, wrong := canonical(unquote(item))
		if wrong != "" {
			err = fmt.Errorf("has %s, which is not %s", quoted(unquote(item)), wrong)
		}
		list = append(list, text)
		return err == nil
	})
	return list, err
}
