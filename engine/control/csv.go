package control

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"

	"tallygate/engine/tally"
)

// RowWriter writes rows of a table to a file. End must be called once they are
// all written; it writes what an empty file has, too.
type RowWriter[P any] struct {
	to      rowFile
	columns []*Column[P]
	cells   []Value
}

// rowFile is a file of rows, whatever they are: what it does is compiled once.
type rowFile interface {
	row(cells []Value, v any) error
	end() error
}

// Write writes a row.
func (w *RowWriter[P]) Write(v P) error {
	w.cells = w.cells[:0]
	for _, c := range w.columns {
		w.cells = append(w.cells, c.Get(v))
	}
	return w.to.row(w.cells, v)
}

// WriteAll writes rows and what comes last.
func (w *RowWriter[P]) WriteAll(rows []P) error {
	for _, v := range rows {
		if err := w.Write(v); err != nil {
			return err
		}
	}
	return w.End()
}

// End writes what comes last.
func (w *RowWriter[P]) End() error { return w.to.end() }

// Format is that of a file of rows.
type Format string

// The formats: a line for each row below a line of names, and an array of views
// with one on each line.
const (
	CSV  Format = "csv"
	JSON Format = "json"
)

// Words lists the formats.
func (Format) Words() []string { return []string{string(CSV), string(JSON)} }

// Writer makes a writer of rows. Names come from users: a CSV keeps a spreadsheet
// from obeying them, JSON a terminal.
func (t *Table[P]) Writer(w io.Writer, f Format) *RowWriter[P] {
	if f == JSON {
		return &RowWriter[P]{to: &jsonRows{w: w}}
	}
	out := &RowWriter[P]{}
	var head []string
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Derived {
			out.columns, head = append(out.columns, c), append(head, c.Fields()...)
		}
	}
	out.to = &csvRows{w: csv.NewWriter(w), head: head}
	return out
}

type csvRows struct {
	w     *csv.Writer
	head  []string // nil once it is written
	cells []string
}

func (c *csvRows) begin() error {
	head := c.head
	if c.head = nil; head == nil {
		return nil
	}
	return c.w.Write(head)
}

func (c *csvRows) row(cells []Value, _ any) error {
	if err := c.begin(); err != nil {
		return err
	}
	c.cells = c.cells[:0]
	for _, cell := range cells {
		if cell.Unit == UnitMoney {
			usd := ""
			if !cell.Void {
				usd = tally.NanoUSD(cell.N).String()
			}
			c.cells = append(c.cells, usd)
		}
		c.cells = append(c.cells, cell.Raw())
	}
	return c.w.Write(c.cells)
}

func (c *csvRows) end() error {
	err := c.begin()
	c.w.Flush()
	return errors.Join(err, c.w.Error())
}

type jsonRows struct {
	w     io.Writer
	begun bool
}

func (j *jsonRows) row(_ []Value, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	between := "[\n"
	if j.begun {
		between = ",\n"
	}
	j.begun = true
	_, err = io.WriteString(j.w, between+string(tally.EscapeControls(text)))
	return err
}

func (j *jsonRows) end() error {
	end := "[]\n"
	if j.begun {
		end = "\n]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}
