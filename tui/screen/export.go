package screen

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// exporting bounds an export: ten million requests take minutes.
const exporting = 30 * time.Minute

// sheet is what can be exported: rows under a header, as text for CSV and as
// values for JSON.
type sheet struct {
	header []string
	// rows hands out all rows, each as cells and as a value; it stops with the
	// first error that yield returns.
	rows func(ctx context.Context, yield func(cells []string, value any) error) error
}

// exportForm is a dialog that asks for a format and a file, and writes a sheet.
type exportForm struct {
	heading string
	sheet   sheet
	form    *widget.Form
	stop    context.CancelFunc // of the export under way, nil if there is none
	left    bool               // while it was under way
	problem string
}

var formats = []string{"csv", "json"}

// newExport makes the dialog; name is that of the file without its ending.
func newExport(heading, name string, s sheet) Dialog {
	f := &exportForm{heading: heading, sheet: s}
	f.form = widget.NewForm([]*widget.Field{
		{Name: "format", Label: "Format", Choices: formats, Help: "space or ←→ changes it"},
		{Name: "path", Label: "File", Help: "in the folder where tallygate was started, unless it begins with /; .csv or .json is added", Check: func(v string) error {
			if strings.TrimSpace(v) == "" {
				return tally.Errorf(tally.Invalid, "an export needs a file")
			}
			return nil
		}},
	}, map[string]string{"format": "csv", "path": name}, "Write it", cancelLabel)
	return f
}

// Title implements Dialog, as do the methods below.
func (f *exportForm) Title() string { return f.heading }
func (f *exportForm) Typing() bool  { return f.form.Typing() }

// Esc stops an export that is under way.
func (f *exportForm) Esc() tea.Cmd {
	if f.stop != nil {
		f.stop()
		f.left = true
	}
	return Ask(Close{f})
}

func (f *exportForm) Update(msg tea.Msg) tea.Cmd {
	if f.stop != nil {
		return nil
	}
	chosen, cmd := f.form.Update(msg)
	switch chosen {
	case 0:
		return f.write()
	case 1:
		return Ask(Close{f})
	}
	return cmd
}

func (f *exportForm) write() tea.Cmd {
	f.problem = ""
	if !f.form.Valid() {
		return nil
	}
	format := f.form.Value("format")
	path := filepath.Clean(strings.TrimSpace(f.form.Value("path")))
	if !strings.HasSuffix(path, "."+format) {
		path += "." + format
	}
	ctx, stop := context.WithTimeout(context.Background(), exporting)
	f.stop = stop
	sheet := f.sheet
	return func() tea.Msg {
		defer stop()
		n, err := writeFile(ctx, path, format, sheet)
		return Reply{func() tea.Cmd { return f.written(path, n, err) }}
	}
}

// written tells what came of it, in the dialog as long as it is there.
func (f *exportForm) written(path string, rows int64, err error) tea.Cmd {
	f.stop = nil
	switch {
	case err == nil:
		return tea.Sequence(Ask(Close{f}), Ask(Say{Text: widget.Safe("Wrote " + plural(rows, "row") + " to " + path + ".")}))
	case f.left:
		return Fail(err)
	}
	f.problem = explain(err)
	return nil
}

func (f *exportForm) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 76)
	foot := t.Paint(theme.Muted, "tab next field   ctrl+s write   esc cancel")
	if f.stop != nil {
		foot = t.Paint(theme.Info, "writing"+t.Glyphs.Ellipsis+" esc stops it")
	}
	lines := []string{""}
	if f.problem != "" {
		lines = nil
		for _, l := range widget.Wrap(widget.Safe(f.problem), width-2) {
			lines = append(lines, t.Paint(theme.Bad, t.Glyphs.Wrong+" "+l))
		}
	}
	rows := min(f.form.Height(t, width), height-len(lines)-2)
	return widget.Below(widget.NewBlock(width, 1), f.form.Draw(t, width, rows), widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, 1, foot))
}

// writeFile writes a sheet to a new file. It replaces none, and leaves no half
// of one behind.
func writeFile(ctx context.Context, path, format string, s sheet) (rows int64, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		var at *fs.PathError
		if errors.Is(err, fs.ErrExist) {
			return 0, tally.Errorf(tally.Conflict, "%s is there already", path).WithHint("give another name: an export replaces no file")
		} else if errors.As(err, &at) {
			err = at.Err
		}
		return 0, tally.Errorf(tally.Invalid, "%s cannot be written: %w", path, err)
	}
	out := bufio.NewWriter(f)
	rows, err = writeSheet(ctx, out, format, s)
	err = errors.Join(err, out.Flush(), f.Close())
	if err != nil {
		os.Remove(path)
		if ctx.Err() != nil {
			err = tally.Errorf(tally.Unavailable, "the export was stopped")
		}
	}
	return rows, err
}

func writeSheet(ctx context.Context, w io.Writer, format string, s sheet) (rows int64, err error) {
	if format == "json" { // one value a line, between brackets
		before := "[\n"
		err = s.rows(ctx, func(_ []string, value any) error {
			b, err := json.Marshal(value)
			if err != nil {
				return err
			}
			_, err = io.WriteString(w, before+string(tally.EscapeControls(b)))
			before = ",\n"
			rows++
			return err
		})
		if err == nil && rows == 0 {
			_, err = io.WriteString(w, "[")
		}
		if err == nil {
			_, err = io.WriteString(w, "\n]\n")
		}
		return rows, err
	}
	c := csv.NewWriter(w)
	if err := c.Write(s.header); err != nil {
		return 0, err
	}
	err = s.rows(ctx, func(cells []string, _ any) error {
		rows++
		return c.Write(inert(cells))
	})
	c.Flush()
	return rows, errors.Join(err, c.Error())
}

// inert keeps a spreadsheet from obeying cells: names come from users.
func inert(cells []string) []string {
	for i, c := range cells {
		cells[i] = tally.Cell(c)
	}
	return cells
}
