package providers

import (
	"bytes"
	"errors"
	"io"

	"tallygate/providers/dialect"
)

// An answer of another dialect than chat completions that comes in the other form than was
// asked for is read and written anew, by way of package dialect.

// gatherOther puts the events of a stream together to an answer in one piece.
func gatherOther(read *Stream, in dialect.Upstream) ([]byte, error) {
	var a dialect.Answer
	var c dialect.Collector
	r := in.Reader()
	emit := func(e *dialect.Event) { a.Collect(e, &c) }
	for {
		block, err := read.Next()
		if err == io.EOF {
			if err = r.End(emit); err != nil {
				return nil, unread(err)
			}
			return in.Writer(dialect.Head{ID: a.ID, Model: a.Model}).Whole(nil, &a, dialect.Bill{}), nil
		}
		if err == nil {
			err = unread(r.Push(block, emit))
		}
		if err != nil {
			return nil, err
		}
	}
}

// eventsOf writes an answer in one piece as events.
func eventsOf(answer []byte, in dialect.Upstream) ([]byte, error) {
	var out []byte
	head := dialect.Head{}
	var w dialect.Writer
	err := in.Reader().Whole(answer, func(e *dialect.Event) {
		if e.Kind == dialect.Start {
			head.ID, head.Model = e.ID, e.Name
			w = in.Writer(head)
		}
		out = w.Event(out, e)
	})
	if err != nil {
		return nil, unread(err)
	}
	return w.Finish(out, dialect.Bill{}), nil
}

// unread is the error of an answer that package dialect cannot read.
func unread(err error) error {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*dialect.Failure](err)
	if !ok {
		return bad(err)
	}
	return worded(bad(err), Words{Message: f.Message, Type: f.Type, Code: f.Code, Param: f.Param})
}

// otherEvents are the events that an answer in one piece would have been as a stream.
func (w *written) otherEvents(answer []byte) ([]byte, error) {
	out, err := eventsOf(answer, w.opts.Dialect)
	if err != nil {
		return nil, err
	}
	s := NewStream(&memory{bytes.NewReader(out)}, StreamOptions{Dialect: w.opts.Dialect, KeepUsage: true})
	defer s.Close()
	all, err := s.Next() // it is there at once
	if err != nil {
		return nil, err
	}
	out = bytes.Clone(all)
	w.final = s.Final()
	if from, to := s.UsageAt(); w.shown {
		w.at = span{From: from, To: to}
	}
	return out, nil
}
