package dialog

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// exporting bounds an export: ten million requests take minutes.
const exporting = 30 * time.Minute

// Sheet writes what is exported in a format, and says how many rows there are.
type Sheet func(ctx context.Context, w io.Writer, f control.Format) (rows int64, err error)

// exportForm is a dialog that asks for a format and a file, and writes a sheet.
type exportForm struct {
	heading string
	sheet   Sheet
	form    *widget.Form
	stop    context.CancelFunc // of the export under way, nil if there is none
	left    bool               // while it was under way
	problem string
}

// NewExport makes the dialog; name is that of the file without its ending.
func NewExport(heading, name string, s Sheet) screen.Dialog {
	f := &exportForm{heading: heading, sheet: s}
	f.form = widget.NewForm([]*widget.Field{
		{Name: "format", Label: "Format", Choices: control.Format("").Words(), Help: "space or ←→ changes it"},
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
	return screen.Ask(screen.Close{Dialog: f})
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
		return screen.Ask(screen.Close{Dialog: f})
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
		n, err := writeFile(ctx, path, control.Format(format), sheet)
		return screen.Reply{Take: func() tea.Cmd { return f.written(path, n, err) }}
	}
}

// written tells what came of it, in the dialog as long as it is there.
func (f *exportForm) written(path string, rows int64, err error) tea.Cmd {
	f.stop = nil
	switch {
	case err == nil:
		return tea.Sequence(screen.Ask(screen.Close{Dialog: f}), screen.Ask(screen.Say{Text: widget.Safe("Wrote " + part.Plural(rows, "row") + " to " + path + ".")}))
	case f.left:
		return screen.Fail(err)
	}
	f.problem = screen.Explain(err)
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

// writeFile writes a sheet to a new file.
func writeFile(ctx context.Context, path string, f control.Format, s Sheet) (rows int64, err error) {
	err = control.WriteFile(path, false, func(w io.Writer) error {
		rows, err = s(ctx, w, f)
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = tally.Errorf(tally.Unavailable, "the export was stopped")
	}
	return rows, err
}
