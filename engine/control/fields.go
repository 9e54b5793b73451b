package control

import (
	"encoding"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Field is one field of an operation's input, as its struct tags declare it.
// The list of operations, the flags of the command line, completion and forms
// are made from it.
type Field struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Help string `json:"help,omitempty"`
	// Choices are the words that it can be, if it is one of a few.
	Choices []string `json:"choices,omitempty"`
	// Of is what the field names: client, gateway, key, provider, model or kind.
	Of       string `json:"of,omitempty"`
	Flag     string `json:"flag,omitempty"` // of the command line; "" for an argument, and for what has none
	Arg      string `json:"arg,omitempty"`  // "1" a positional argument, "1?" one that may be left out, "*" all that follow
	Required bool   `json:"required,omitempty"`
	// Min is the least that a number can be where nothing has a meaning of its own.
	Min   int64  `json:"-"`
	Label string `json:"-"`               // in a form
	Group string `json:"-"`               // of what it belongs to, in a list of settings
	Unset string `json:"unset,omitempty"` // what nothing stands for: "all"

	Go    reflect.Type `json:"-"`
	Index []int        `json:"-"` // for reflect.Value.FieldByIndex
}

// OpInfo describes an operation.
type OpInfo struct {
	Name   string  `json:"name"`
	Need   Need    `json:"need"`
	Help   string  `json:"help"`
	Input  []Field `json:"input"`
	Output string  `json:"output"`
}

// Operations is the answer to GET /control/v1/.
type Operations struct {
	May        Need     `json:"may"` // the right that the connection has
	Operations []OpInfo `json:"operations"`
}

func describe(name string, need Need, help string, in, out reflect.Type) OpInfo {
	return OpInfo{Name: name, Need: need, Help: help, Input: FieldsOf(in), Output: typeName(out)}
}

// FieldsOf lists the fields of an input type in the order of declaration;
// those of embedded structs stand in their place.
func FieldsOf(t reflect.Type) []Field {
	out := []Field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			for _, inner := range FieldsOf(f.Type) {
				inner.Index = append([]int{i}, inner.Index...)
				out = append(out, inner)
			}
			continue
		}
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		field := Field{
			Name: name, Type: typeName(f.Type), Help: helpOf(f.Tag.Get("help")), Arg: f.Tag.Get("arg"), Of: f.Tag.Get("of"),
			Label: f.Tag.Get("label"), Unset: f.Tag.Get("unset"), Group: f.Tag.Get("group"),
			Required: !slices.Contains(strings.Split(options, ","), "omitempty") && f.Type.Kind() != reflect.Pointer,
			Go:       f.Type, Index: []int{i}, Choices: choicesOf(f.Type),
		}
		field.Min, _ = strconv.ParseInt(f.Tag.Get("min"), 10, 64) // 0 without one
		if field.Label == "" {
			field.Label = labelOf(name)
		}
		if flag := f.Tag.Get("flag"); flag != "-" && field.Arg == "" {
			field.Flag = flag
			if flag == "" {
				field.Flag = strings.ReplaceAll(name, "_", "-")
			}
		}
		out = append(out, field)
	}
	return out
}

// helps are the helps of fields that several inputs have, by what their tags call them.
var helps = map[string]string{
	"rows":        "how many, at most 1000; default 50",
	"after":       "cursor: continue after an earlier page",
	"models":      "model it may use; repeat; none clears: all",
	"limits":      "METRIC=MAX/WINDOW, like cost=50/month; repeat; MAX none removes",
	"in flight":   "requests at the same time; 0 for no cap",
	"landing":     "once less than this many percent of a budget is left, landing-model answers in the place of what is asked for; 0: never, or as the gateway says",
	"lands on":    "the cheaper or free model that answers then",
	"slug":        "short name; made from the name if left out",
	"its gateway": "its gateway; default: TALLYGATE_GATEWAY, or the oldest",
	"of gateway":  "only of this gateway",
	"of provider": "only of this provider",
	"of token":    "only with this access token, by its id",
	"reference":   "names the payment or the order, like an invoice number",
	"role":        "owner (may do everything) or viewer (may look)",
	"alert at":    "shares of a limit at which to alert, in percent, like 50,80,100; none: never",
	"price":       "CLASS=USD per million tokens, like input=0.15; classes input, cached_input, cache_write, cache_write_long, audio_in, image_in, output, reasoning, audio_out, image_out; request=USD per call; search, image, character, query, second and hour=USD each, image_high or image_1024x1536 for one quality or size; repeat",
	"month":       "this, last, or one like 2026-11, instead of since and until",
}

// helpOf is the help that a tag says, or that "=NAME" names.
func helpOf(tag string) string {
	if name, shared := strings.CutPrefix(tag, "="); shared {
		return helps[name]
	}
	return tag
}

// choicesOf lists the words that a value of a type can be, nil if it is not one
// of a few.
func choicesOf(t reflect.Type) []string {
	if w, ok := reflect.Zero(element(t)).Interface().(interface{ Words() []string }); ok {
		return w.Words()
	}
	return nil
}

// labelOf makes a label of a field's name: "max_in_flight" is "Max in flight".
func labelOf(name string) string {
	name = strings.ReplaceAll(strings.TrimSuffix(name, "_ns"), "_", " ")
	return strings.ToUpper(name[:1]) + name[1:]
}

// fieldNames lists the names of all fields below a type once, for hints.
func fieldNames(t reflect.Type) []string {
	var names []string
	var seen []reflect.Type
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		t = element(t)
		if t.Kind() != reflect.Struct || typeName(t) != "object" || slices.Contains(seen, t) {
			return
		}
		seen = append(seen, t)
		for _, f := range FieldsOf(t) {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
			walk(f.Go)
		}
	}
	walk(t)
	return names
}

// element is what a pointer or a list leads to.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// typeName says in words what JSON a Go type is written as.
func typeName(t reflect.Type) string {
	text := reflect.TypeFor[encoding.TextUnmarshaler]()
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time (RFC 3339)"
	case t == reflect.TypeFor[time.Duration]():
		return "duration in nanoseconds"
	case t.Kind() != reflect.Pointer && (t.Implements(text) || reflect.PointerTo(t).Implements(text)):
		return "string"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "integer"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array of " + typeName(t.Elem())
	}
	return "object"
}

// fillEmpty makes nil lists and maps that are always written empty ones, so
// that a reader of the JSON meets [] and {}, never null.
func fillEmpty(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		}
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				fillEmpty(v.Index(i))
			}
		}
	case reflect.Map:
		if v.IsNil() && v.CanSet() {
			v.Set(reflect.MakeMap(v.Type()))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() && !strings.Contains(f.Tag.Get("json"), ",omit") {
				fillEmpty(v.Field(i))
			}
		}
	}
}
