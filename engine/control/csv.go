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
type RowWriter[V any] interface {
	Write(*V) error
	End() error
}

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
func (t *Table[V]) Writer(w io.Writer, f Format) RowWriter[V] {
	if f == JSON {
		return &jsonRows[V]{w: w}
	}
	out := &csvRows[V]{w: csv.NewWriter(w)}
	for i := range t.Columns {
		if c := &t.Columns[i]; !c.Derived {
			out.columns = append(out.columns, c)
		}
	}
	return out
}

type csvRows[V any] struct {
	w       *csv.Writer
	columns []*Column[V]
	begun   bool
	cells   []string
}

func (c *csvRows[V]) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	var head []string
	for _, x := range c.columns {
		head = append(head, x.Fields()...)
	}
	return c.w.Write(head)
}

func (c *csvRows[V]) Write(v *V) error {
	if err := c.begin(); err != nil {
		return err
	}
	c.cells = c.cells[:0]
	for _, x := range c.columns {
		cell := x.Get(v)
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

func (c *csvRows[V]) End() error {
	err := c.begin()
	c.w.Flush()
	return errors.Join(err, c.w.Error())
}

type jsonRows[V any] struct {
	w     io.Writer
	begun bool
}

func (j *jsonRows[V]) Write(v *V) error {
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

func (j *jsonRows[V]) End() error {
	end := "[]\n"
	if j.begun {
		end = "\n]\n"
	}
	_, err := io.WriteString(j.w, end)
	return err
}
