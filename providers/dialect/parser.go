package dialect

import (
	"encoding/base64"
	"slices"
	"strings"

	"tallygate/engine/tally"
	"tallygate/providers/dialect/wire"
)

// Parser reads the fields of a request for a dialect's Parse. Its methods take the field's
// name and value, and null for not said. The first fault is kept in Err.
type Parser struct {
	*Request
	Err  error
	seen []string // top-level fields, as long as there are few
	more map[string]bool
}

// NewParser makes the parser of a request in a dialect.
func NewParser(from Name) *Parser {
	return &Parser{Request: &Request{From: from}, seen: make([]string, 0, fewFields)}
}

// Read reads the fields of a body, each with the first of some functions that knows it, and
// returns the request, or the first fault.
func (p *Parser) Read(body wire.Value, known ...func(key string, v wire.Value) bool) (*Request, error) {
fields:
	for k, v := range body.Members() {
		key := string(k)
		p.once(key)
		for _, read := range known {
			if read(key, v) {
				continue fields
			}
		}
		p.Unknown(key, v)
	}
	if p.Err != nil {
		return nil, p.Err
	}
	return p.Request, nil
}

// Fail keeps the first fault.
func (p *Parser) Fail(err error) {
	if p.Err == nil {
		p.Err = err
	}
}

// once refuses a field of the body that occurs twice: its readers need not agree which of
// the two counts.
func (p *Parser) once(field string) {
	if slices.Contains(p.seen, field) || p.more[field] {
		p.Fail(Invalid(field, "the field %q occurs twice", field))
	}
	if len(p.seen) < fewFields {
		p.seen = append(p.seen, field)
		return
	}
	if p.more == nil {
		p.more = map[string]bool{}
	}
	p.more[field] = true
}

const fewFields = 24

// Unknown notes a field that no dialect knows, if it says something.
func (p *Parser) Unknown(field string, v wire.Value) {
	if v.Said() && v.Kind() != 'f' && !v.Empty() {
		p.Use(UnknownField, field)
	}
}

// If notes a feature if its field says something but false.
func (p *Parser) If(f Feature, field string, v wire.Value) {
	if v.Said() && v.Kind() != 'f' {
		p.Use(f, field)
	}
}

// IfAny notes a feature if its field says something but false, nothing, and zero.
func (p *Parser) IfAny(f Feature, field string, v wire.Value) {
	if n, ok := v.Int(); !v.Empty() && v.Kind() != 'f' && !(ok && n == 0) {
		p.Use(f, field)
	}
}

// String reads a string.
func (p *Parser) String(field string, v wire.Value) string {
	if v.Said() && v.Kind() != '"' {
		p.Fail(WrongType(field, "a string"))
	}
	return v.Text()
}

// Bool reads true or false.
func (p *Parser) Bool(field string, v wire.Value) bool { return p.Switch(field, v) == Yes }

// Switch reads true, false or neither.
func (p *Parser) Switch(field string, v wire.Value) Maybe {
	m := MaybeOf(v)
	if m == Unsaid && v.Said() {
		p.Fail(WrongType(field, "true or false"))
	}
	return m
}

// Number reads a number and notes the feature.
func (p *Parser) Number(f Feature, field string, v wire.Value) Number {
	if !v.Said() {
		return ""
	}
	if v.Kind() != '0' || len(v) > 40 {
		p.Fail(WrongType(field, "a number"))
		return ""
	}
	p.Use(f, field)
	return Number(v)
}

// Count reads a whole number of at least 1.
func (p *Parser) Count(field string, v wire.Value) int64 {
	if !v.Said() {
		return 0
	}
	n, ok := v.Int()
	switch {
	case !ok:
		p.Fail(WrongType(field, "a whole number"))
	case n < 1:
		p.Fail(Invalid(field, "%q must be at least 1", field))
	case n > tally.MaxTokens:
		p.Fail(Invalid(field, "%q is larger than %d", field, tally.MaxTokens))
	}
	return n
}

// Strings reads a list of strings, or one alone.
func (p *Parser) Strings(field string, v wire.Value) []string {
	switch v.Kind() {
	case '"':
		return []string{v.Text()}
	case '[':
		var list []string
		for e := range v.Elements() {
			list = append(list, p.String(field, e))
		}
		return list
	}
	if v.Said() {
		p.Fail(WrongType(field, "a string or a list of strings"))
	}
	return nil
}

// Object takes an object as it is.
func (p *Parser) Object(field string, v wire.Value) wire.Value {
	if !v.Said() {
		return nil
	}
	if v.Kind() != '{' {
		p.Fail(WrongType(field, "an object"))
	}
	return v
}

// List refuses what is no list.
func (p *Parser) List(field string, v wire.Value) {
	if v.Said() && v.Kind() != '[' {
		p.Fail(WrongType(field, "a list"))
	}
}

// Each calls f with the objects of a list, and refuses what is no list of objects.
func (p *Parser) Each(field string, v wire.Value, f func(wire.Value)) {
	p.List(field, v)
	for e := range v.Elements() {
		if p.Item(field, e) {
			f(e)
		}
	}
}

// Item refuses an element of a list that is no object.
func (p *Parser) Item(field string, v wire.Value) bool {
	if v.Kind() != '{' {
		p.Fail(WrongType(field, "a list of objects"))
		return false
	}
	return true
}

// Cache reads a mark for the prompt cache.
func (p *Parser) Cache(v wire.Value) string {
	if v.Kind() != '{' {
		return ""
	}
	p.Use(CacheMarks, "cache_control")
	if v.Get("ttl").Text() == "1h" {
		return "1h"
	}
	return "5m"
}

// Media takes an address or a data URL of a kind of part.
func (p *Parser) Media(kind PartKind, field, url string) Part {
	m := Media{URL: url}
	if rest, ok := strings.CutPrefix(url, "data:"); ok {
		head, data, _ := strings.Cut(rest, ",")
		typ, coded := strings.CutSuffix(head, ";base64")
		if !coded {
			p.Fail(Invalid(field, "the data URL in %q is not in base64", field))
		}
		typ, _, _ = strings.Cut(typ, ";")
		m = Media{Type: typ, Data: data}
	} else if !strings.HasPrefix(url, "https://") && !strings.HasPrefix(url, "http://") {
		p.Fail(Invalid(field, "%q holds neither a data URL nor an address that begins with https://", field))
	}
	p.NoteMedia(kind, &m, field)
	return Part{Kind: kind, Media: &m}
}

// NoteMedia notes the features of a medium.
func (p *Parser) NoteMedia(kind PartKind, m *Media, field string) {
	switch {
	case kind == ImagePart:
		p.Use(Images, field)
	case kind == AudioPart:
		p.Use(Sound, field)
	case m.URL != "":
		p.Use(FileAddresses, field)
	default:
		p.Use(Files, field)
	}
}

// DataURL is a medium as a URL: its address, or its data.
func (m *Media) DataURL() string {
	if m.URL != "" {
		return m.URL
	}
	typ := m.Type
	if typ == "" {
		typ = "application/octet-stream"
	}
	if m.Data == "" && m.Text != "" {
		return "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte(m.Text))
	}
	return "data:" + typ + ";base64," + m.Data
}
