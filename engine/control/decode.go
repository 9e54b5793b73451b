package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// decodeInput reads one JSON object into the input of an operation. Nothing is
// guessed (but the case of names, by encoding/json): a field we do not know, a
// value of another type and anything after the object are errors that name it.
// No body at all is an empty object.
func decodeInput(body []byte, in any) error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	if body[0] != '{' {
		return tally.Errorf(tally.Invalid, "the input is not a JSON object").WithHint(`send an object, like {"name":"acme"}`)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(in); err != nil {
		return decodeError(err, reflect.TypeOf(in))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return tally.Errorf(tally.Invalid, "there is something after the JSON object")
	}
	return checkWords(reflect.ValueOf(in).Elem())
}

// checkWords refuses words that are no choice of their field.
func checkWords(in reflect.Value) error {
	if in.Kind() != reflect.Struct {
		return nil
	}
	for _, f := range FieldsOf(in.Type()) {
		v := reflect.Indirect(in.FieldByIndex(f.Index))
		if len(f.Choices) == 0 || !v.IsValid() {
			continue
		}
		if err := f.checkWord(v.String()); err != nil {
			return err
		}
	}
	return nil
}

func decodeError(err error, in reflect.Type) error {
	var wrong *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	var ours *tally.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &wrong):
		field := fieldPath(in, wrong.Field)
		if n, ok := strings.CutPrefix(wrong.Value, "number "); ok && !strings.ContainsAny(n, ".eE") {
			return tally.Errorf(tally.Invalid, "the field %s is out of range: %.40s", field, n)
		}
		return tally.Errorf(tally.Invalid, "the field %s is %.40s; it must be %s", field, article(wrong.Value), article(typeName(wrong.Type)))
	case errors.As(err, &syntax):
		return tally.Errorf(tally.Invalid, "the input is not JSON: %s (at byte %d)", syntax.Error(), syntax.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return tally.Errorf(tally.Invalid, "the input is not JSON: it ends too early")
	}
	// encoding/json has no type for this error.
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, _ := strconv.Unquote(quoted)
		e := tally.Errorf(tally.Invalid, "there is no field %.100q in the input", name)
		known := fieldNames(in)
		if near := Nearest(name, known); near != "" {
			return e.WithHint("did you mean %q?", near)
		}
		if len(known) == 0 {
			return e.WithHint("the operation takes no input")
		}
		return e.WithHint("the fields are %s", strings.Join(known, ", "))
	}
	return tally.Errorf(tally.Invalid, "the input cannot be read: %w", err)
}

// fieldPath is the path of a field as it is written in JSON. That of
// encoding/json also names embedded structs, which the JSON does not show.
func fieldPath(t reflect.Type, path string) string {
	var out []string
	for name := range strings.SplitSeq(path, ".") {
		t = element(t)
		if t.Kind() == reflect.Struct {
			if f, ok := t.FieldByName(name); ok && f.Anonymous && f.Tag.Get("json") == "" {
				t = f.Type
				continue
			}
			for _, f := range FieldsOf(t) {
				if f.Name == name {
					t = f.Go
					break
				}
			}
		}
		out = append(out, name)
	}
	return strings.Join(out, ".")
}

func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}
