package sim

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A sample is a value that fits a JSON schema, roughly: patterns, uniqueness
// and conditions are not looked at. The schema is the client's, so it may refer
// to itself: below maxSampleDepth, or once a sample is maxSample long, values
// are null.
const (
	maxSampleDepth = 12
	maxSample      = 16 << 10
)

type schema = map[string]any

// sampler writes a sample.
type sampler struct {
	root any // what $ref refers into
	out  []byte
}

// sample returns a JSON object that fits a schema, or whatever value the schema
// asks for. Spaces follow colons and commas so that it can be sent in pieces.
func sample(root any) []byte {
	s := sampler{root: root}
	if of, ok := root.(schema); !ok || len(of) == 0 {
		return []byte("{}")
	}
	s.value(root, "value", 0)
	return s.out
}

func (s *sampler) value(v any, name string, depth int) {
	of, _ := v.(schema)
	if depth > maxSampleDepth || len(s.out) > maxSample {
		s.out = append(s.out, "null"...)
		return
	}
	for _, key := range [...]string{"const", "default"} {
		if given, ok := of[key]; ok {
			s.literal(given)
			return
		}
	}
	for _, key := range [...]string{"enum", "examples"} {
		if list, ok := of[key].([]any); ok && len(list) > 0 {
			s.literal(list[0])
			return
		}
	}
	if ref, ok := of["$ref"].(string); ok {
		s.value(s.resolve(ref), name, depth+1)
		return
	}
	for _, key := range [...]string{"anyOf", "oneOf", "allOf"} {
		if list, ok := of[key].([]any); ok && len(list) > 0 {
			s.value(list[0], name, depth+1)
			return
		}
	}
	switch typeOf(of) {
	case "object":
		s.object(of, depth)
	case "array":
		s.array(of, name, depth)
	case "integer", "number":
		s.out = strconv.AppendFloat(s.out, number(of), 'f', -1, 64)
	case "boolean":
		s.out = append(s.out, "true"...)
	case "null":
		s.out = append(s.out, "null"...)
	default:
		s.out = append(s.out, quote(text(of, name))...)
	}
}

// typeOf is the type a schema asks for, the first of several.
func typeOf(of schema) string {
	switch t := of["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			first, _ := t[0].(string)
			return first
		}
	}
	switch {
	case of["properties"] != nil:
		return "object"
	case of["items"] != nil:
		return "array"
	}
	return "string"
}

// object writes all properties while there is room, and then only the required ones.
func (s *sampler) object(of schema, depth int) {
	properties, _ := of["properties"].(schema)
	required, _ := of["required"].([]any)
	s.out = append(s.out, '{')
	first := true
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if (depth > maxSampleDepth/2 || len(s.out) > maxSample/2) && !slices.Contains(required, any(name)) {
			continue
		}
		if !first {
			s.out = append(s.out, ", "...)
		}
		first = false
		s.out = append(append(s.out, quote(name)...), ": "...)
		s.value(properties[name], name, depth+1)
	}
	s.out = append(s.out, '}')
}

func (s *sampler) array(of schema, name string, depth int) {
	least, most := 1, 64
	if n, ok := of["minItems"].(float64); ok {
		least = max(least, int(min(n, float64(most))))
	}
	if n, ok := of["maxItems"].(float64); ok && n < 1 {
		least = 0
	}
	s.out = append(s.out, '[')
	for i := range least {
		if i > 0 {
			s.out = append(s.out, ", "...)
		}
		s.value(of["items"], name, depth+1)
	}
	s.out = append(s.out, ']')
}

// literal writes a value that the schema itself gives.
func (s *sampler) literal(v any) {
	text, _ := json.Marshal(v) // it came from JSON
	s.out = append(s.out, text...)
}

// resolve finds what a reference within the schema refers to.
func (s *sampler) resolve(ref string) any {
	at := s.root
	path, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if part == "" {
			continue
		}
		of, _ := at.(schema)
		at = of[strings.NewReplacer("~1", "/", "~0", "~").Replace(part)]
	}
	return at
}

// number is 3, or the nearest to it that the bounds allow.
func number(of schema) float64 {
	n := 3.0
	whole := typeOf(of) == "integer"
	if low, ok := of["exclusiveMinimum"].(float64); ok {
		n = max(n, low+1)
	}
	if low, ok := of["minimum"].(float64); ok {
		n = max(n, low)
	}
	if high, ok := of["exclusiveMaximum"].(float64); ok {
		n = min(n, high-1)
	}
	if high, ok := of["maximum"].(float64); ok {
		n = min(n, high)
	}
	if whole {
		n = math.Ceil(n)
	}
	return n
}

// text is a string that a person recognises as pretend, unless a format wants
// something else.
func text(of schema, name string) string {
	switch format, _ := of["format"].(string); format {
	case "date":
		return "2026-01-31"
	case "time":
		return "12:00:00Z"
	case "date-time":
		return "2026-01-31T12:00:00Z"
	case "email":
		return "pretend@example.com"
	case "uri", "url":
		return "https://example.com/pretend"
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	}
	t := "pretend " + name
	if n, ok := of["maxLength"].(float64); ok && n >= 0 && n < float64(len(t)) {
		t = strings.ToValidUTF8(t[:int(n)], "")
	}
	if n, ok := of["minLength"].(float64); ok {
		t += strings.Repeat(".", max(0, int(min(n, 1<<10))-len(t)))
	}
	return t
}
