package widget

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var people = []Column{{Title: "", Width: 1}, {Title: "name"}, {Title: "status", Width: 9, Priority: 3}, {Title: "30 days", Width: 10, Right: true}, {Title: "last", Width: 6, Right: true, Priority: 1}}

func rows(ids ...string) []Row {
	out := make([]Row, 0, len(ids))
	for _, id := range ids {
		out = append(out, Row{ID: id, Cells: []string{"●", id, "active", "$1.00", "2s"}})
	}
	return out
}

func many(n int) []Row {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("row-%d", i))
	}
	return rows(ids...)
}

func TestTablesAreRectangles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tb := Table{Focused: rapid.Bool().Draw(t, "focused"), Empty: []string{"nothing", strings.Repeat("long ", 40)}}
		for range rapid.IntRange(1, 8).Draw(t, "columns") {
			tb.Columns = append(tb.Columns, Column{Title: Safe(words().Draw(t, "title")), Width: rapid.IntRange(0, 20).Draw(t, "width"), Right: rapid.Bool().Draw(t, "right"), Priority: rapid.IntRange(0, 4).Draw(t, "priority")})
		}
		var all []Row
		for i := range rapid.IntRange(0, 30).Draw(t, "rows") {
			cells := []string{}
			for range rapid.IntRange(0, 9).Draw(t, "cells") {
				cells = append(cells, Safe(words().Draw(t, "cell")))
			}
			all = append(all, Row{ID: fmt.Sprint(i), Cells: cells})
		}
		tb.SetRows(all)
		for range rapid.IntRange(0, 5).Draw(t, "moves") {
			tb.Key(rapid.SampledFrom([]string{"up", "down", "pgup", "pgdown", "g", "G"}).Draw(t, "key"))
			width, height := rapid.IntRange(0, 140).Draw(t, "width"), rapid.IntRange(0, 40).Draw(t, "height")
			rectangle(t, tb.Draw(anyTheme(t), width, height), width, height)
			if at := tb.Selected(); len(all) == 0 && at != -1 || len(all) > 0 && (at < 0 || at >= len(all)) {
				t.Errorf("row %d of %d is selected", at, len(all))
			}
		}
	})
}

func TestTableDropsColumnsByPriority(t *testing.T) {
	for _, tc := range []struct {
		width int
		want  string
	}{{60, "name status 30 days last"}, {40, "name 30 days last"}, {30, "name 30 days"}, {12, "name"}} {
		tb := Table{Columns: people}
		tb.SetRows(rows("hotel"))
		if got := strings.Join(strings.Fields(Strip(tb.Draw(themes[2], tc.width, 4).Lines()[0])), " "); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%d cells: %q, want %q", tc.width, got, tc.want)
		}
	}
}

func TestTableKeepsTheSelectedRow(t *testing.T) {
	tb := Table{Columns: people}
	tb.SetRows(rows("a", "b", "c"))
	tb.Select("b")
	tb.SetRows(rows("x", "a", "b", "c"))
	if got := tb.SelectedID(); got != "b" {
		t.Errorf("after a row came, %q is selected, want b", got)
	}
	tb.SetRows(rows("x", "a"))
	if got := tb.SelectedID(); got != "a" {
		t.Errorf("after the row went, %q is selected, want the nearest, a", got)
	}
	tb.SetRows(nil)
	if tb.Selected() != -1 || tb.SelectedID() != "" {
		t.Errorf("of no rows, %d %q is selected", tb.Selected(), tb.SelectedID())
	}
}

// However one moves, the selected row is on the screen, and no row is skipped.
func TestTableScrolls(t *testing.T) {
	tb := Table{Columns: people, Focused: true}
	tb.SetRows(many(50))
	seen := map[string]bool{}
	for range 50 {
		b := Strip(tb.Draw(themes[2], 60, 8).String())
		if !strings.Contains(b, tb.SelectedID()+" ") {
			t.Fatalf("%s is selected and not shown:\n%s", tb.SelectedID(), b)
		}
		if from, to, of := tb.Window(); to-from != 6 || of != 50 {
			t.Fatalf("the window is %d–%d of %d", from, to, of)
		}
		seen[tb.SelectedID()] = true
		tb.Key("down")
	}
	if len(seen) != 50 {
		t.Errorf("%d of 50 rows could be reached", len(seen))
	}
	for _, tc := range []struct{ key, want string }{{"g", "row-0"}, {"pgdown", "row-6"}, {"pgup", "row-0"}, {"up", "row-0"}, {"G", "row-49"}, {"j", "row-49"}, {"k", "row-48"}} {
		tb.Key(tc.key)
		tb.Draw(themes[2], 60, 8)
		if got := tb.SelectedID(); got != tc.want {
			t.Errorf("%s selects %s, want %s", tc.key, got, tc.want)
		}
	}
	if tb.Key("x") {
		t.Error("x is no key of a table")
	}
}

// What a table says in place of rows is a sentence and a command; both are
// there whole.
func TestTableSaysAllOfWhatIsEmpty(t *testing.T) {
	command := `tallygate clients create --name "Hotel Aurora" --limit cost=50/month`
	tb := Table{Columns: people, Empty: []string{command}}
	got := strings.Join(strings.Fields(Strip(tb.Draw(themes[2], 44, 8).String())), " ")
	if !strings.Contains(got, command) {
		t.Errorf("%q lacks %q", got, command)
	}
}
