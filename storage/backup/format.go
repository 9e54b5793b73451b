package backup

import (
	"bufio"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"tallygate/engine/tally"
)

const (
	magic    = "tallygate backup 1\n"
	maxText  = 1 << 20 // of a header or of totals, in bytes
	maxKey   = 1 << 16
	maxValue = 1 << 28
)

// Info says what a backup is of.
type Info struct {
	ID      string    `json:"id"`
	Store   string    `json:"store"`          // a restored store has another one
	Base    string    `json:"base,omitempty"` // the backup that has the records up to After; "" for a whole one
	After   uint64    `json:"after,omitempty"`
	Records uint64    `json:"records"` // the number of the latest record
	Schema  int       `json:"schema"`
	Version string    `json:"version"` // of the program
	At      time.Time `json:"at"`
}

// Whole reports whether a backup needs no other one.
func (i *Info) Whole() bool { return i.Base == "" }

// Totals are at the end of a backup.
type Totals struct {
	Rows   int64 `json:"rows"`
	Blocks int64 `json:"blocks"` // rows of records
}

// NewID makes the name of a backup or of a store, which nothing else has.
func NewID(prefix string) string {
	var b [10]byte
	rand.Read(b[:]) // never fails
	return prefix + "_" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

// Writer writes a backup.
type Writer struct {
	zip *zstd.Encoder
	buf *bufio.Writer
	Totals
}

// NewWriter begins a backup.
func NewWriter(w io.Writer, i Info) (*Writer, error) {
	if _, err := io.WriteString(w, magic); err != nil {
		return nil, err
	}
	zip, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	out := &Writer{zip: zip, buf: bufio.NewWriterSize(zip, 64<<10)}
	return out, out.json(&i)
}

func (w *Writer) json(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return w.text(text)
}

func (w *Writer) text(b []byte) error {
	var size [binary.MaxVarintLen64]byte
	if _, err := w.buf.Write(size[:binary.PutUvarint(size[:], uint64(len(b)))]); err != nil {
		return err
	}
	_, err := w.buf.Write(b)
	return err
}

// Row writes a row.
func (w *Writer) Row(key, value []byte) error {
	w.Rows++
	if err := w.text(key); err != nil {
		return err
	}
	return w.text(value)
}

// Close ends the backup. One that is not closed is not whole.
func (w *Writer) Close() error {
	err := w.text(nil)
	if err == nil {
		err = w.json(&w.Totals)
	}
	if err == nil {
		err = w.buf.Flush()
	}
	return errors.Join(err, w.zip.Close())
}

// Abandon lets go of a backup that cannot be written to its end.
func (w *Writer) Abandon() {
	w.zip.Reset(nil)
	w.zip.Close()
}

// Reader reads a backup.
type Reader struct {
	Info
	zip   *zstd.Decoder
	buf   *bufio.Reader
	key   []byte
	value []byte
	rows  int64
	Totals
}

// NewReader begins to read. What is no backup is Invalid; what is not whole is Corrupt, as
// it is for Next. Close lets go of it.
func NewReader(r io.Reader) (*Reader, error) {
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(r, head); err != nil || string(head) != magic {
		return nil, tally.Errorf(tally.Invalid, "it is no backup of tallygate").WithHint("name a file that tallygate backup create has written")
	}
	zip, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, damaged(err)
	}
	in := &Reader{zip: zip, buf: bufio.NewReaderSize(zip, 64<<10)}
	text, err := in.text(nil, maxText)
	if err == nil {
		err = json.Unmarshal(text, &in.Info)
	}
	if err != nil {
		zip.Close()
		return nil, damaged(err)
	}
	return in, nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("its end is missing")
	}
	return tally.Errorf(tally.Corrupt, "the backup is damaged: %w", err).WithHint("take another one: tallygate backup list DIR")
}

func (r *Reader) text(into []byte, most uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(r.buf)
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, errors.New("a row is longer than any can be")
	}
	if uint64(cap(into)) < n {
		into = make([]byte, n)
	}
	into = into[:n]
	if _, err := io.ReadFull(r.buf, into); err != nil {
		return nil, err
	}
	return into, nil
}

// Next returns the next row, which is the reader's and holds until the next call; io.EOF
// after the last of a backup that is whole.
func (r *Reader) Next() (key, value []byte, err error) {
	if r.key, err = r.text(r.key, maxKey); err != nil {
		return nil, nil, damaged(err)
	}
	if len(r.key) == 0 {
		return nil, nil, r.end()
	}
	if r.value, err = r.text(r.value, maxValue); err != nil {
		return nil, nil, damaged(err)
	}
	r.rows++
	return r.key, r.value, nil
}

// end reads the totals and whatever comes behind them, which is the sum over all bytes.
func (r *Reader) end() error {
	text, err := r.text(nil, maxText)
	if err == nil {
		err = json.Unmarshal(text, &r.Totals)
	}
	if err == nil && r.Rows != r.rows {
		err = errors.New("rows are missing")
	}
	if err == nil {
		var more [1]byte
		if n, last := r.buf.Read(more[:]); n > 0 || last != io.EOF {
			if err = last; err == nil || last == io.EOF {
				err = errors.New("there is something behind its end")
			}
		}
	}
	if err != nil {
		return damaged(err)
	}
	return io.EOF
}

// Close lets go of the reader, not of what it reads from.
func (r *Reader) Close() { r.zip.Close() }

// Check reads a backup to its end.
func Check(r io.Reader) (Info, Totals, error) {
	in, err := NewReader(r)
	if err != nil {
		return Info{}, Totals{}, err
	}
	defer in.Close()
	for {
		if _, _, err := in.Next(); err == io.EOF {
			return in.Info, in.Totals, nil
		} else if err != nil {
			return in.Info, Totals{}, err
		}
	}
}
