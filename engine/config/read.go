package config

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Error says what is wrong with a field of a thing, and where that stands.
func (l Lines) Error(field string, err error) *tally.Error {
	e := *tally.AsError(err)
	field = strings.TrimSuffix(field, "_ns")
	line, ok := l.At[field]
	if !ok {
		line = l.At[""]
	}
	where := l.Path
	if field != "" && ok {
		where += ": " + field
	}
	e.Message = tally.Errorf(e.Code, "line %d: %s: %s", line, where, e.Message).Message
	return &e
}

// Parse reads a file. Nothing is guessed: what is not known, said twice or of another kind
// is an error that names its line.
func Parse(text []byte) (*File, error) {
	doc, err := parse(string(text))
	if err != nil {
		return nil, err
	}
	f := &File{}
	version := ""
	err = each(doc, "the file", parts{
		"tallygate": func(n *yaml.Node, path string) (err error) { version, err = textOf(n, path); return err },
		"settings": func(n *yaml.Node, path string) error {
			f.Settings = &Settings{}
			return fieldsOf(n, path, f.Settings, &f.Settings.Lines, nil)
		},
		"alerts": func(n *yaml.Node, path string) error {
			f.Alerts = &Alerts{}
			return fieldsOf(n, path, f.Alerts, &f.Alerts.Lines, nil)
		},
		"providers": func(n *yaml.Node, path string) error { return things(n, path, &f.Providers, readProvider) },
		"gateways":  func(n *yaml.Node, path string) error { return things(n, path, &f.Gateways, readGateway) },
		"secrets":   func(n *yaml.Node, path string) (err error) { f.Locked, err = textOf(n, path); return err },
	})
	if err == nil && version != Version {
		e := tally.Errorf(tally.Invalid, "the file is of version %.20q", version)
		if version == "" {
			e = tally.Errorf(tally.Invalid, "the file does not say of which version it is")
		}
		err = e.WithHint("its first line is \"tallygate: %s\"; a file of a later version needs a later tallygate", Version)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parts are what may stand in a mapping, by name, and what reads each.
type parts map[string]func(n *yaml.Node, path string) error

func wrong(n *yaml.Node, path, format string, args ...any) *tally.Error {
	e := tally.Errorf(tally.Invalid, format, args...)
	return tally.Errorf(tally.Invalid, "line %d: %s: %s", n.Line, path, e.Message)
}

// pairs visits what stands in a mapping, each name once.
func pairs(n *yaml.Node, path string, do func(name string, key, value *yaml.Node) error) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return wrong(n, path, "here stand names with a colon behind each").
			WithHint("like name: value; tallygate config export shows what a file looks like")
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return wrong(key, path, "%.100q is there twice", key.Value).WithHint("keep one of the two")
		}
		seen[key.Value] = true
		if err := do(key.Value, key, value); err != nil {
			return err
		}
	}
	return nil
}

// each reads a mapping whose names are known.
func each(n *yaml.Node, path string, of parts) error {
	return pairs(n, path, func(name string, key, value *yaml.Node) error {
		read := of[name]
		if read != nil {
			return read(value, join(path, name))
		}
		var known []string
		for name := range of {
			known = append(known, name)
		}
		e := wrong(key, path, "there is no %.100q", name)
		if near := control.Nearest(name, known); near != "" {
			return e.WithHint("did you mean %s?", near)
		}
		return e.WithHint("see: tallygate help config")
	})
}

func join(path, name string) string {
	if path == "the file" {
		return name
	}
	return path + ": " + name
}

// things reads a mapping of things by their names. A list that is empty is not nil.
func things[T any](n *yaml.Node, path string, list *[]T,
	read func(name string, n *yaml.Node, path string, line int) (T, error)) error {
	*list = []T{}
	return pairs(n, path, func(name string, key, value *yaml.Node) error {
		if name == "" {
			return wrong(key, path, "a name is empty")
		}
		thing, err := read(name, value, strings.TrimSuffix(path, "s")+" "+name, key.Line)
		*list = append(*list, thing)
		return err
	})
}

func readProvider(name string, n *yaml.Node, path string, line int) (Provider, error) {
	p := Provider{Name: name}
	p.Lines.At = map[string]int{"": line}
	err := fieldsOf(n, path, &p, &p.Lines, parts{
		"models": func(n *yaml.Node, path string) error { return things(n, path, &p.Models, readModel) },
	})
	return p, err
}

func readModel(name string, n *yaml.Node, path string, line int) (Model, error) {
	m := Model{Name: name}
	m.Lines.At = map[string]int{"": line}
	err := fieldsOf(n, path, &m, &m.Lines, parts{
		"prices": func(n *yaml.Node, path string) error {
			m.Rows = []tally.Price{}
			return items(n, path, func(n *yaml.Node) error {
				p, err := readRow(n, path)
				m.Rows = append(m.Rows, p)
				return err
			})
		},
	})
	return m, err
}

func readRow(n *yaml.Node, path string) (p tally.Price, err error) {
	of := parts{}
	for _, f := range rowFields(&p) {
		of[f.name] = func(n *yaml.Node, path string) error { return setNode(f.value, n, path) }
	}
	if err = each(n, path, of); err == nil {
		err = located(n, path, checkRow(&p))
	}
	return p, err
}

// setNode reads a figure of a row, or a mapping of them.
func setNode(v reflect.Value, n *yaml.Node, path string) error {
	if v.Kind() != reflect.Map {
		text, err := textOf(n, path)
		if err == nil {
			err = located(n, path, setFigure(v, text))
		}
		return err
	}
	v.Set(reflect.MakeMap(v.Type()))
	return pairs(n, path, func(name string, _, value *yaml.Node) error {
		made := reflect.New(v.Type().Elem()).Elem()
		if err := setNode(made, value, join(path, name)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), made)
		return nil
	})
}

func readGateway(slug string, n *yaml.Node, path string, line int) (Gateway, error) {
	g := Gateway{Slug: slug}
	g.Lines.At = map[string]int{"": line}
	err := fieldsOf(n, path, &g, &g.Lines, parts{
		"templates": func(n *yaml.Node, path string) error { return things(n, path, &g.Templates, readTemplate) },
		"clients":   func(n *yaml.Node, path string) error { return things(n, path, &g.Clients, readClient) },
	})
	return g, err
}

func readTemplate(name string, n *yaml.Node, path string, line int) (Template, error) {
	t := Template{Name: name}
	t.Lines.At = map[string]int{"": line}
	return t, fieldsOf(n, path, &t, &t.Lines, nil)
}

func readClient(slug string, n *yaml.Node, path string, line int) (Client, error) {
	c := Client{Slug: slug}
	c.Lines.At = map[string]int{"": line}
	err := fieldsOf(n, path, &c, &c.Lines, parts{
		"keys": func(n *yaml.Node, path string) error { return things(n, path, &c.Keys, readKey) },
	})
	return c, err
}

func readKey(label string, n *yaml.Node, path string, line int) (Key, error) {
	k := Key{Label: label}
	k.Lines.At = map[string]int{"": line}
	return k, fieldsOf(n, path, &k, &k.Lines, nil)
}

// fieldsOf reads the fields of a thing, to which into points, and what else it has.
func fieldsOf(n *yaml.Node, path string, into any, lines *Lines, more parts) error {
	if lines.Path = path; lines.At == nil {
		lines.At = map[string]int{"": n.Line}
	}
	of := parts{}
	fields := control.FieldsOf(reflect.TypeOf(into).Elem())
	for i := range fields {
		f := &fields[i]
		if elsewhere[f.Name] {
			continue
		}
		of[nameOf(f)] = func(n *yaml.Node, path string) error {
			lines.At[nameOf(f)] = n.Line
			return setField(f, into, n, path)
		}
	}
	for name, read := range more {
		of[name] = read
	}
	return each(n, path, of)
}

// setField reads one field.
func setField(f *control.Field, into any, n *yaml.Node, path string) error {
	target := reflect.ValueOf(into).Elem().FieldByIndex(f.Index)
	t := target.Type()
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Map:
		made := map[string]string{}
		err := pairs(n, path, func(name string, _, value *yaml.Node) (err error) {
			made[name], err = textOf(value, join(path, name))
			return err
		})
		target.Set(reflect.ValueOf(&made))
		return err
	case reflect.Slice:
		empty := reflect.MakeSlice(t, 0, 0)
		if target.Kind() == reflect.Pointer {
			target.Set(reflect.New(t))
			target.Elem().Set(empty)
		} else {
			target.Set(empty)
		}
		return items(n, path, func(n *yaml.Node) error {
			text, err := textOf(n, path)
			if err == nil {
				err = located(n, path, f.Set(into, text))
			}
			return err
		})
	}
	text, err := textOf(n, path)
	if err == nil {
		err = located(n, path, f.Set(into, text))
	}
	return err
}

// items visits a list.
func items(n *yaml.Node, path string, do func(*yaml.Node) error) error {
	if null(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return wrong(n, path, "here stands a list").WithHint("like [one, two], or a line with a dash for each")
	}
	for _, item := range n.Content {
		if err := do(item); err != nil {
			return err
		}
	}
	return nil
}

// textOf is the text of a value, as it is written: whether it is a number or a word is
// said by the field.
func textOf(n *yaml.Node, path string) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", wrong(n, path, "here stands one value, and no list or mapping").
			WithHint("see: tallygate help config")
	case null(n):
		return "", nil
	}
	return n.Value, nil
}

func located(n *yaml.Node, path string, err error) error {
	if err == nil {
		return nil
	}
	e := tally.AsError(err)
	return wrong(n, path, "%s", e.Message).WithHint("%s", e.Hint)
}
