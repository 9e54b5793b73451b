package token

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

var errJSON = errors.New("is not written in JSON")

// reader walks a JSON text. It is as strict as the format and stricter where
// readers differ: a name that stands twice in an object is an error, so that no
// two programs see two different tokens. What it returns are parts of the text.
type reader struct {
	b string
	i int
}

// next skips blanks and returns the byte that follows, 0 at the end.
func (r *reader) next() byte {
	for ; r.i < len(r.b); r.i++ {
		if c := r.b[r.i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

// take consumes a byte if it is the next one.
func (r *reader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.i++
	return true
}

// end reports whether nothing follows.
func (r *reader) end() bool { return r.next() == 0 && r.i == len(r.b) }

// object reads an object; member must consume the value of each name.
func (r *reader) object(member func(name string) error) error {
	if !r.take('{') {
		return errJSON
	}
	if r.take('}') {
		return nil
	}
	var room [16]string
	names := room[:0]
	for {
		name, err := r.text()
		if err != nil {
			return err
		}
		for _, other := range names {
			if other == name {
				return errors.New("has the name " + quoted(name) + " twice")
			}
		}
		names = append(names, name)
		if len(names) > 64 || !r.take(':') {
			return errJSON
		}
		if err := member(name); err != nil {
			return err
		}
		switch {
		case r.take('}'):
			return nil
		case !r.take(','):
			return errJSON
		}
	}
}

// texts reads a list of texts, or one text as a list of it.
func (r *reader) texts() ([]string, error) {
	if r.next() == '"' {
		one, err := r.text()
		return []string{one}, err
	}
	if !r.take('[') {
		return nil, errors.New("is not a list")
	}
	list := make([]string, 0, 4)
	if r.take(']') {
		return list, nil
	}
	for {
		item, err := r.text()
		if err != nil {
			return nil, errors.New("is not a list of texts")
		}
		list = append(list, item)
		switch {
		case r.take(']'):
			return list, nil
		case !r.take(','):
			return nil, errJSON
		}
	}
}

// text reads a string.
func (r *reader) text() (string, error) {
	if !r.take('"') {
		return "", errors.New("is not a text")
	}
	start := r.i
	escaped := false
	for ; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; {
		case c == '"':
			raw := r.b[start:r.i]
			r.i++
			if !utf8.ValidString(raw) {
				return "", errJSON
			}
			if !escaped {
				return raw, nil
			}
			var s string
			if err := json.Unmarshal([]byte(r.b[start-1:r.i]), &s); err != nil {
				return "", errJSON
			}
			return s, nil
		case c == '\\':
			escaped = true
			r.i++ // what follows is part of the escape
		case c < ' ':
			return "", errJSON
		}
	}
	return "", errJSON
}

// number reads a number as it is written.
func (r *reader) number() (string, error) {
	r.next()
	start := r.i
	for r.i < len(r.b) {
		c := r.b[r.i]
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			break
		}
		r.i++
	}
	s := r.b[start:r.i]
	if s == "" || len(s) > 1 && s[0] == '0' && s[1] != '.' && s[1] != 'e' && s[1] != 'E' {
		return "", errors.New("is not a number")
	}
	return s, nil
}
