package control

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// OpenAPI describes the operations in OpenAPI 3.1, from the types that they have here.
func (s *Server) OpenAPI() map[string]any {
	d := &describing{schemas: map[string]any{}, names: map[reflect.Type]string{}}
	paths := map[string]any{}
	for _, name := range s.names() {
		op := s.ops[name]
		answer := map[string]any{"description": "what came of it"}
		if op.stream != nil {
			answer["content"] = content("application/octet-stream", map[string]any{"type": "string", "format": "binary"})
		} else {
			answer["content"] = content("application/json", d.schema(op.out))
		}
		area, _, _ := strings.Cut(name, ".")
		paths[Prefix+name] = map[string]any{"post": map[string]any{
			"operationId": name, "summary": op.info.Help, "tags": []string{area},
			"x-tallygate-need": op.info.Need,
			"requestBody":      map[string]any{"content": content("application/json", d.schema(op.in))},
			"responses": map[string]any{
				"200": answer,
				"default": map[string]any{"description": "an error, and what to do about it", "content": content("application/json", map[string]any{
					"type": "object", "required": []string{"code", "message"},
					"properties": map[string]any{"code": text(), "message": text(), "hint": text()},
				})},
			},
		}}
	}
	return map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "tallygate, the control plane", "version": "1",
			"description": "What the owner can do. Money is in whole billionths of a US dollar (…_nano_usd), lengths of time in nanoseconds (…_ns)."},
		"security": []any{map[string]any{"token": []string{}}},
		"paths":    paths,
		"components": map[string]any{
			"schemas":         d.schemas,
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer"}},
		},
	}
}

func content(kind string, schema map[string]any) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

func text() map[string]any { return map[string]any{"type": "string"} }

// describing is schemas under way.
type describing struct {
	schemas map[string]any // by name
	names   map[reflect.Type]string
}

var (
	timeType = reflect.TypeFor[time.Time]()
	asText   = reflect.TypeFor[encoding.TextMarshaler]()
	asJSON   = reflect.TypeFor[json.Marshaler]()
)

func (d *describing) schema(t reflect.Type) map[string]any {
	if t == nil {
		return map[string]any{"type": "object"}
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == timeType {
		return map[string]any{"type": "string", "format": "date-time"}
	}
	if words := choicesOf(t); words != nil {
		return map[string]any{"type": "string", "enum": words}
	}
	if t.Implements(asJSON) {
		return map[string]any{} // of its own form
	}
	if t.Implements(asText) {
		return text()
	}
	switch t.Kind() {
	case reflect.String:
		return text()
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.Struct:
		return d.object(t)
	}
	return map[string]any{} // anything
}

// object refers to the schema of a struct, which stands once under its name.
func (d *describing) object(t reflect.Type) map[string]any {
	if t.Name() == "" {
		return d.fields(t)
	}
	name, known := d.names[t]
	if !known {
		name = t.Name()
		if _, taken := d.schemas[name]; taken { // of another package
			name = t.PkgPath()[strings.LastIndex(t.PkgPath(), "/")+1:] + "." + name
		}
		d.names[t] = name
		d.schemas[name] = nil // it may refer to itself
		d.schemas[name] = d.fields(t)
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (d *describing) fields(t reflect.Type) map[string]any {
	properties, required := map[string]any{}, []string{}
	d.add(t, properties, &required)
	out := map[string]any{"type": "object", "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// add adds the fields of a struct as encoding/json would write them.
func (d *describing) add(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			d.add(f.Type, properties, required)
			continue
		}
		if name == "" {
			name = f.Name
		}
		of := d.schema(f.Type)
		if help := helpOf(f.Tag.Get("help")); help != "" {
			of["description"] = help
		}
		properties[name] = of
		if list := strings.Split(options, ","); f.Type.Kind() != reflect.Pointer && !slices.Contains(list, "omitempty") && !slices.Contains(list, "omitzero") {
			*required = append(*required, name)
		}
	}
}
