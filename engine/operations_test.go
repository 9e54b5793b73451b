package engine

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// declared are the operations in the source of package control.
func declared(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("control/ops_*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no declarations: %v", err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			var generic ast.Expr
			switch t := lit.Type.(type) {
			case *ast.IndexListExpr:
				generic = t.X
			case *ast.IndexExpr:
				generic = t.X
			}
			if id, ok := generic.(*ast.Ident); ok && (id.Name == "Op" || id.Name == "Stream") {
				name, err := strconv.Unquote(lit.Elts[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
			}
			return true
		})
	}
	return names
}

func TestEveryOperationIsImplemented(t *testing.T) {
	w := newWorld(t)
	infos, err := w.owner.Operations(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var implemented []string
	for _, info := range infos {
		for _, f := range info.Input {
			if f.Help == "" && f.Flag != "" {
				t.Errorf("the field %s of %s has no help", f.Name, info.Name)
			}
		}
	}
	for _, info := range infos {
		implemented = append(implemented, info.Name)
	}
	want := declared(t)
	slices.Sort(want)
	if !slices.Equal(implemented, want) {
		t.Errorf("implemented:\n%v\ndeclared:\n%v", implemented, want)
	}
	if len(want) < 40 {
		t.Errorf("only %d declarations were found", len(want))
	}
}

// Whatever is sent for a field, the answer is never a defect of ours, and a
// failure changes nothing.
func TestBadInputIsNeverADefect(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	infos, err := w.owner.Operations(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	huge := strings.Repeat("x", 5_000)
	bad := map[string][]any{
		"string":  {"", " ", "\x00\x1b[31m", "none", huge, "../../etc/passwd", "💥", `"'; rm -rf /`, "9999999999999999999", "-1"},
		"integer": {-1, 0, 1 << 62, -(1 << 62)},
		"boolean": {true, false},
		"object":  {map[string]any{}, map[string]string{"\x00": "\x00"}, map[string]string{"a": "b"}},
	}
	for _, info := range infos {
		for _, f := range info.Input {
			values := bad[f.Type]
			switch {
			case strings.HasPrefix(f.Type, "duration"):
				values = bad["integer"]
			case f.Type == "array of string":
				values = []any{[]string{}, []string{""}, []string{"\x00"}, []string{huge}, []string{"a", "a"}}
			case strings.HasPrefix(f.Type, "array of "):
				values = []any{[]any{}, []any{map[string]any{}}, []any{map[string]any{"metric": "x", "window": "day", "max": -1}},
					[]any{map[string]any{"class": "input", "nano_usd": -1}}, []any{map[string]any{"kind": "sim"}, map[string]any{"kind": "nothing"}}}
			case f.Type == "string":
			}
			if len(values) == 0 {
				t.Errorf("%s.%s has type %q, which nothing is tried for", info.Name, f.Name, f.Type)
			}
			for _, v := range append(values, 1.5, "text", nil, []any{1}, map[string]any{"a": 1}) {
				before := w.engine.catalog.Load().Rev
				var out json.RawMessage
				err := w.owner.Call(context.Background(), info.Name, map[string]any{f.Name: v}, &out)
				if info.Output == "bytes" {
					err = w.owner.Stream(context.Background(), info.Name, map[string]any{f.Name: v}, io.Discard)
				}
				if code := tally.CodeOf(err); code == tally.Internal || code == tally.Unavailable || code == tally.Corrupt {
					t.Errorf("%s(%s=%.60v): %s: %v", info.Name, f.Name, v, code, err)
				}
				if err != nil && w.engine.catalog.Load().Rev != before {
					t.Errorf("%s(%s=%.60v) failed with %v and changed something", info.Name, f.Name, v, err)
				}
			}
		}
	}
	w.consistent()
	if log := w.log.String(); strings.Contains(log, "panicked") {
		t.Error(log)
	}
}

// A caller that may only look changes nothing.
func TestReadersCannotChange(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	ln, dial := control.Memory()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- w.engine.Control().Serve(ctx, ln, control.Read) }()
	viewer := control.NewClient(dial)
	defer func() { viewer.Close(); cancel(); <-served }()
	infos, err := viewer.Operations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	before := w.engine.catalog.Load().Rev
	for _, info := range infos {
		var out json.RawMessage
		err := viewer.Call(ctx, info.Name, map[string]any{}, &out)
		if denied := tally.CodeOf(err) == tally.Denied; denied != (info.Need == control.Write) {
			t.Errorf("%s needs %s, and a reader got %v", info.Name, info.Need, err)
		}
	}
	if w.engine.catalog.Load().Rev != before {
		t.Error("a reader changed something")
	}
}
