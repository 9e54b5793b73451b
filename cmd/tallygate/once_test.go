package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// twice finds what is declared more than once in a tree of Go files by name: a field with
// its help, a column with its name in one table, the words of a choice. Fields and columns
// belong to engine/control, choices to their types; what else spells them drifts.
type twice struct {
	fields  map[string]string   // help and JSON name, where they were first
	choices map[string][]string // words of each kind of choice
	found   []string
}

// words are the choices that the types of the program declare.
func choices() map[string][]string {
	out := map[string][]string{}
	for _, c := range []interface{ Words() []string }{tally.Access(""), tally.Status(""), tally.SessionMode(""), tally.MissingSession(""), tally.CostBy(""), tally.UnpricedPolicy(""),
		tally.OnLeave(""), tally.Outcome(""), control.Breakdown(""), control.Step(""), control.Format(""), tally.Role("")} {
		out[reflect.TypeOf(c).String()] = c.Words()
	}
	return out
}

func (d *twice) look(name string, file *ast.File) {
	ours := strings.HasPrefix(name, "engine/control/")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			d.field(name, n)
		case *ast.CompositeLit:
			switch t := n.Type.(type) {
			case *ast.IndexExpr: // Table[V]{…}
				if of, ok := t.X.(*ast.Ident); ok && of.Name == "Table" && ours {
					d.columns(name, n)
				}
			case *ast.ArrayType:
				if of, ok := t.Elt.(*ast.Ident); ok && of.Name == "string" && !strings.HasPrefix(name, "engine/") && !strings.HasPrefix(name, "storage/") {
					d.list(name, n)
				}
			}
		}
		return true
	})
}

func (d *twice) field(name string, f *ast.Field) {
	if f.Tag == nil {
		return
	}
	text, _ := strconv.Unquote(f.Tag.Value)
	tag := reflect.StructTag(text)
	help, json := tag.Get("help"), tag.Get("json")
	if len(help) < 20 || strings.HasPrefix(help, "=") { // "name or id" says nothing of its own; "=limits" asks for what is said once
		return
	}
	key := json + ": " + help
	if was := d.fields[key]; was != "" {
		d.found = append(d.found, fmt.Sprintf("%s declares the field %s, as %s does: say its help once", name, json, was))
		return
	}
	d.fields[key] = name
}

// columns looks at the names of the columns of one table.
func (d *twice) columns(name string, table *ast.CompositeLit) {
	seen := map[string]bool{}
	ast.Inspect(table, func(n ast.Node) bool {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if key, ok := kv.Key.(*ast.Ident); ok && key.Name == "Name" {
			if v, ok := kv.Value.(*ast.BasicLit); ok {
				if seen[v.Value] {
					d.found = append(d.found, fmt.Sprintf("%s declares the column %s twice in one table", name, v.Value))
				}
				seen[v.Value] = true
			}
		}
		return true
	})
}

// list looks whether a list of words spells a choice.
func (d *twice) list(name string, lit *ast.CompositeLit) {
	var words []string
	for _, e := range lit.Elts {
		if v, ok := e.(*ast.BasicLit); ok && v.Kind == token.STRING {
			w, _ := strconv.Unquote(v.Value)
			words = append(words, w)
		}
	}
	for kind, choice := range d.choices {
		if len(words) >= 3 && len(choice) >= 3 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(choice, w) }) && len(words) == len(choice) {
			d.found = append(d.found, fmt.Sprintf("%s spells the words of %s: ask the type", name, kind))
		}
	}
}

func TestNothingIsDeclaredTwice(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	d := &twice{fields: map[string]string{}, choices: choices()}
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "node_modules"):
			return filepath.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		d.look(filepath.ToSlash(rel), file)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range d.found {
		t.Error(f)
	}
	if len(d.fields) < 50 {
		t.Errorf("only %d fields were looked at", len(d.fields))
	}
}

// The search must find what it is there to find.
func TestWhatIsDeclaredTwiceIsFound(t *testing.T) {
	for what, source := range map[string]string{
		"the field":  "package x\ntype a struct { B int `json:\"b\" help:\"how many there may be at a time\"` }\ntype c struct { B int `json:\"b\" help:\"how many there may be at a time\"` }",
		"the column": "package x\nvar t = NewTable(Table[v]{Columns: []Column[v]{{Name: \"a\"}, {Name: \"a\"}}})",
		"the words":  "package x\nvar w = []string{\"active\", \"suspended\", \"inactive\"}",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", source, 0)
		if err != nil {
			t.Fatal(err)
		}
		name := "engine/control/x.go"
		if what == "the words" {
			name = "tui/x.go"
		}
		d := &twice{fields: map[string]string{}, choices: choices()}
		if d.look(name, file); len(d.found) != 1 || !strings.Contains(d.found[0], what) {
			t.Errorf("%s is not found: %q", what, d.found)
		}
	}
}
